package api

import (
	"bytes"
	"net/http"
)

// wholePages serves pages that are made whole before the first byte is sent. Making a page of
// metrics locks the metrics, and a client that reads slowly must not hold the lock. The buffers of
// pages are used again: they may be large.
type wholePages struct {
	handler http.Handler
	buffers chan *bytes.Buffer // as many as pages may be made or sent at once
}

func newWholePages(handler http.Handler) *wholePages {
	p := &wholePages{handler, make(chan *bytes.Buffer, maxScrapes)}
	for range maxScrapes {
		p.buffers <- new(bytes.Buffer)
	}
	return p
}

// ServeHTTP serves a page, or status 503 if all buffers are in use.
func (p *wholePages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case b := <-p.buffers:
		defer func() { p.buffers <- b }()
		p.serve(w, r, b)
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many scrapes at once: try again", http.StatusServiceUnavailable)
	}
}

func (p *wholePages) serve(w http.ResponseWriter, r *http.Request, b *bytes.Buffer) {
	b.Reset()
	page := &page{ResponseWriter: w, body: b, status: http.StatusOK}
	p.handler.ServeHTTP(page, r)
	w.WriteHeader(page.status)
	_, _ = w.Write(b.Bytes()) // an error means that the client has disconnected
}

// page collects the body of a response.
type page struct {
	http.ResponseWriter
	body   *bytes.Buffer
	status int
}

// WriteHeader sets the status of the page.
func (p *page) WriteHeader(status int) { p.status = status }

// Write adds to the page.
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }
