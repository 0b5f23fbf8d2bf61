package api

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
)

// guestKey is the key of a request's connection in its context.
type guestKey struct{}

func withGuest(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, guestOf(c))
}

// guestOf returns the connection that the admission knows, below TLS.
func guestOf(c net.Conn) *guest {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return c.(*guest)
}

func noteIdle(c net.Conn, state http.ConnState) {
	if state == http.StateIdle || state == http.StateActive {
		guestOf(c).setIdle(state == http.StateIdle)
	}
}

// prove makes the client of a request known. If it returns false, it has answered the request.
func prove(w http.ResponseWriter, r *http.Request) bool {
	g, _ := r.Context().Value(guestKey{}).(*guest)
	if g == nil {
		return true // not served by a Server
	}
	err := g.prove()
	if err != nil {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Connection", "close")
		writeProblem(w, http.StatusServiceUnavailable, err)
	}
	return err == nil
}

// admitted calls the handler. Unless the handler proves its clients by itself, a client is known
// once its request is complete.
func admitted(handler http.Handler, proves bool) http.Handler {
	if proves {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			if prove(w, r) {
				handler.ServeHTTP(w, r)
			}
			return
		}
		g, _ := r.Context().Value(guestKey{}).(*guest)
		r.Body = &provingBody{r.Body, g}
		handler.ServeHTTP(w, r)
	})
}

// provingBody makes a client known at the end of its request's body.
type provingBody struct {
	io.ReadCloser
	guest *guest
}

// Read reads the body. At its end it returns errFull if there is no place for the client.
func (b *provingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		if full := b.guest.prove(); full != nil {
			return n, full
		}
	}
	return n, err
}
