package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// ErrOutcomeUnknown says that a change was sent and its answer did not come: the connection was
// lost, or the time ran out.
var ErrOutcomeUnknown = errors.New("the change may have been made, or not: " +
	"look with fulcrum plan or fulcrum services before you repeat it")

// unknownIf adds ErrOutcomeUnknown to an error if the request may have been carried out.
func unknownIf(possible bool, err error) error {
	if !possible {
		return err
	}
	return fmt.Errorf("%w; %w", err, ErrOutcomeUnknown)
}

// watched returns a request that tells whether a part of it may have been sent: it got a
// connection.
func watched(r *http.Request) (*http.Request, *atomic.Bool) {
	sent := new(atomic.Bool)
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}
	return r.WithContext(httptrace.WithClientTrace(r.Context(), trace)), sent
}

// isChange reports whether a request may change something.
func isChange(r *http.Request) bool { return changes(r.Method, r.URL.Path) }

// changes reports whether requests of a method for a path may change something. A plan is sent by
// POST because of its file, and changes nothing.
func changes(method, path string) bool {
	return method != http.MethodGet && method != http.MethodHead && path != "/v1/plan"
}
