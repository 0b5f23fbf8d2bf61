// Package api is how programs look at a running director and change it over HTTP: the control API
// on a unix socket and over TLS, the page that Prometheus reads, and the client that the commands
// ask with. What a request means is control's to know; here are paths, statuses, forms of JSON, and
// bounds on what clients may have.
//
// Handlers and servers belong to the control side. A Client may be used by anyone, and by several
// goroutines.
package api
