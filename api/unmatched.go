package api

import (
	"fmt"
	"net/http"
)

// withProblems serves a mux, and answers a request that matches no pattern with a problem document.
func withProblems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		unmatched, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		p := unmatchedAnswer{header: w.Header()}
		unmatched.ServeHTTP(&p, r) // sets Allow to the methods of the path
		switch p.status {
		case http.StatusMethodNotAllowed:
			writeProblem(w, p.status, fmt.Errorf("method %s is not allowed for %s: use %s",
				r.Method, r.URL.Path, p.header.Get("Allow")))
		default:
			writeProblem(w, http.StatusNotFound,
				fmt.Errorf("unknown path %s: see /openapi.json", r.URL.Path))
		}
	})
}

// unmatchedAnswer keeps the status and the header of a response, and discards its text.
type unmatchedAnswer struct {
	header http.Header
	status int
}

func (a *unmatchedAnswer) Header() http.Header                { return a.header }
func (a *unmatchedAnswer) WriteHeader(status int)             { a.status = status }
func (a *unmatchedAnswer) Write(text []byte) (n int, _ error) { return len(text), nil }
