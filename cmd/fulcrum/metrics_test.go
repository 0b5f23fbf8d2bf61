package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// freeAddress returns an unused address of loopback.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func withMetrics(t *testing.T, at string) string {
	return writeFile(t, "director.toml", quiet(t, "[session]",
		fmt.Sprintf("[metrics]\nlisten = %q\n\n[session]", at)))
}

// TestServesMetrics: Prometheus reads a running director's counters at the address in the file.
func TestServesMetrics(t *testing.T) {
	needRoot(t)
	at := freeAddress(t)
	newProgram(t, "run", "--config", withMetrics(t, at)).start().awaitReady()
	page := get(t, "http://"+at+"/metrics")
	for _, line := range []string{
		`fulcrum_real_server_weight{service="web",real_server="10.0.0.11:80"} 1`,
		`fulcrum_dropped_packets_total{reason="no_session"} 0`,
		`fulcrum_service_info{service="web",address="10.0.0.100:80",protocol="tcp",mode="dr",scheduler="rr"} 1`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no line %s in\n%s", line, page)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return string(page)
}

// TestMetricsAddressIsTaken: the error is one sentence, and nothing is left behind.
func TestMetricsAddressIsTaken(t *testing.T) {
	needRoot(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := newProgram(t, "run", "--config", withMetrics(t, l.Addr().String())).start()
	if status := p.end(); status != 1 {
		t.Errorf("exit status %d", status)
	}
	if said := p.stderr.String(); !strings.Contains(said, "see metrics.listen") {
		t.Errorf("it says\n%s", said)
	}
	p.checkNothingLeft()
}
