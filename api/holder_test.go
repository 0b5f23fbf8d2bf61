package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// TestStatusNamesTheCapture: status and the refusal of a second capture tell who captures what.
// After the end of the first there is another.
func TestStatusNamesTheCapture(t *testing.T) {
	d := serve(t, turningFile)
	d.turn()
	query := url.Values{"filter": {"not arp"}}
	first, err := d.client.Get(t.Context(), "capture", query)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Body.Close()
	var s Status
	if err := d.client.Do(t.Context(), http.MethodGet, "status", nil, &s); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	from := fmt.Sprintf("%s (process %d of user %d)", strings.TrimSpace(string(program)), os.Getpid(),
		os.Getuid())
	if c := s.Capture; c == nil || c.From != from || c.What != `filter "not arp"` ||
		time.Since(c.Since) > time.Hour {
		t.Errorf("%+v, want one from %s", c, from)
	}
	_, err = d.client.Get(t.Context(), "capture", query)
	if err == nil || !strings.Contains(err.Error(), `of filter "not arp", by `+from) {
		t.Errorf("a second capture: %v", err)
	}
	end := "capture/" + first.Header.Get(CaptureHeader)
	if err := d.client.Do(t.Context(), http.MethodDelete, end, nil, nil); err != nil {
		t.Fatal(err)
	}
	d.eventually("the end of the first", func() bool { return d.engine.RunningCapture() == nil })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := d.client.Get(ctx, "capture", query); err != nil {
		t.Error(err)
	}
}

// TestExpressionsNeedACompiler: a director without libpcap says so.
func TestExpressionsNeedACompiler(t *testing.T) {
	d := serve(t, turningFile)
	_, err := d.client.Get(t.Context(), "capture", url.Values{"expression": {"ip"}})
	if err == nil || !strings.Contains(err.Error(), "without libpcap") {
		t.Error(err)
	}
}
