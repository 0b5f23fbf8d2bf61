package api

import (
	"io"
	"net/http"
	"strings"
)

// Checks return what is wrong with a director, a reason in each line; none means that all is well.
// Any goroutine may call them.
type Checks struct {
	Live  func() []string // reasons to start the director anew
	Ready func() []string // reasons to send it no traffic
}

// WithChecks answers requests for /healthz and /readyz by the checks, with status 200 or 503 and
// the reasons as plain text. It passes all other requests on.
func WithChecks(c Checks, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case reads && r.URL.Path == "/healthz":
			writeCheck(w, c.Live())
		case reads && r.URL.Path == "/readyz":
			writeCheck(w, c.Ready())
		default:
			other.ServeHTTP(w, r)
		}
	})
}

func writeCheck(w http.ResponseWriter, reasons []string) {
	status, text := http.StatusOK, "ok"
	if len(reasons) > 0 {
		status, text = http.StatusServiceUnavailable, strings.Join(reasons, "\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // an error means that the client has disconnected
}
