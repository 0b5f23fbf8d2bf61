package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// stuckClient is a client that reads nothing of its page until it is released.
type stuckClient struct {
	*httptest.ResponseRecorder
	reached, release chan struct{}
}

func (s stuckClient) Write(p []byte) (int, error) {
	close(s.reached)
	<-s.release
	return len(p), nil
}

// TestSlowScrapeDelaysNoOther checks that a client that does not read its page holds no lock, and
// that pages beyond the bound are refused.
func TestSlowScrapeDelaysNoOther(t *testing.T) {
	var mu sync.Mutex
	pages := newWholePages(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(w, "page")
	}))
	get := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	release := make(chan struct{})
	var stuck sync.WaitGroup
	for i := range maxScrapes {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, get)
		if w.Code != http.StatusOK || w.Body.String() != "page" {
			t.Fatalf("with %d slow clients: %d %q", i, w.Code, w.Body)
		}
		slow := stuckClient{httptest.NewRecorder(), make(chan struct{}), release}
		stuck.Go(func() { pages.ServeHTTP(slow, get) })
		<-slow.reached
	}
	w := httptest.NewRecorder()
	if pages.ServeHTTP(w, get); w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d", w.Code)
	}
	close(release)
	stuck.Wait()
}
