package main

import (
	"strings"
	"testing"
)

// TestBenchHTTP: clients get their answers through testpmd as a wire and through the director, on
// every driver of the kernel's interfaces.
func TestBenchHTTP(t *testing.T) {
	r, err := openBench(t).Run(t.Context(), []string{"http"}, moment)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range r.Figures {
		if f.Unit != "requests/s" {
			continue
		}
		found[f.Subject+" "+f.Name] = true
		if f.Median <= 0 || f.Subject != "testpmd" && f.Ratio <= 0 {
			t.Errorf("%+v", f)
		}
	}
	for _, want := range []string{"testpmd af_packet", "nat af_packet", "nat af_packet, guard"} {
		if !found[want] {
			t.Errorf("no figure of %s", want)
		}
	}
}

// TestBenchHTTPUsage: the processes of the suite refuse what is not an IPv4 address with a port.
func TestBenchHTTPUsage(t *testing.T) {
	for _, arguments := range [][]string{
		{"http-server", "--listen", "[::1]:80"}, {"http-client", "--server", "10.0.0.1"},
	} {
		p := newProgram(t, append([]string{"bench"}, arguments...)...).start()
		if status := p.end(); status != 2 || !strings.Contains(p.lastLine(), "invalid web server") {
			t.Errorf("%q: status %d, %q", arguments, status, p.lastLine())
		}
	}
}
