// Package api serves a running director to other programs over HTTP. It contains the control API,
// on a unix socket and over TLS, the metrics page for Prometheus, and the client of the commands.
// Package control decides what a request means. Package api defines paths, statuses, JSON forms and
// the limits for clients.
//
// Only the control side uses handlers and servers. Anyone may use a Client, from several
// goroutines.
package api
