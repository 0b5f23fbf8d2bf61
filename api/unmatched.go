package api

import (
	"fmt"
	"net/http"
)

// withProblems answers requests for which a mux has no pattern as everything that is wrong is answered: by a problem document.
func withProblems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		unmatched, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		p := unmatchedAnswer{header: w.Header()}
		unmatched.ServeHTTP(&p, r) // finds out which methods are allowed
		switch p.status {
		case http.StatusMethodNotAllowed:
			writeProblem(w, p.status, fmt.Errorf("%s does not take %s, but %s", r.URL.Path, r.Method, p.header.Get("Allow")))
		default:
			writeProblem(w, http.StatusNotFound, fmt.Errorf("there is no %s; /openapi.json has what there is", r.URL.Path))
		}
	})
}

// unmatchedAnswer keeps the status and the header of an answer, and forgets its text.
type unmatchedAnswer struct {
	header http.Header
	status int
}

func (a *unmatchedAnswer) Header() http.Header                { return a.header }
func (a *unmatchedAnswer) WriteHeader(status int)             { a.status = status }
func (a *unmatchedAnswer) Write(text []byte) (n int, _ error) { return len(text), nil }
