package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fulcrum/api"
	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestBadClientsUnderTraffic connects a thousand clients at once. They say nothing, nonsense or too
// much, or do not read their answers. The clients of the services notice nothing.
func TestBadClientsUnderTraffic(t *testing.T) {
	b := newBed(t, lab.Config{Mode: lvs.FullNAT, Scheduler: lvs.WLC})
	stop := b.annoy(1000)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		b.get(requests)
		b.echo(echoes)
		b.transfer()
	}
	if n := stop(); n < 1000 {
		t.Errorf("only %d bad clients came through", n)
	}
	var sessions int
	err := api.NewClient(b.ControlSocket()).Sessions(t.Context(), url.Values{"service": {"web"}},
		func(s *api.Session) error {
			sessions++
			if s.Local == "" || s.Mode != "fullnat" {
				return fmt.Errorf("%+v", s)
			}
			return nil
		})
	if err != nil || sessions < requests {
		t.Errorf("%d sessions, %v", sessions, err)
	}
	same(t, "drops", b.stopDirector().Drops, map[string]uint64{})
}

// nuisances are the requests of bad clients.
var nuisances = []string{
	"GET /v1/st",
	"\x00\xff not HTTP at all\r\n\r\n",
	"GET /v1/status HTTP/1.1\r\nX: " + strings.Repeat("x", 64<<10),
	"POST /v1/plan HTTP/1.1\r\nHost: d\r\nContent-Length: 1099511627776\r\n\r\n[",
	"GET /v1/sessions HTTP/1.1\r\nHost: d\r\n\r\nGET /v1/sessions HTTP/1.1\r\nHost: d\r\n\r\n",
	"POST /v1/apply HTTP/1.1\r\nHost: d\r\nContent-Length: 65536\r\n\r\n" + strings.Repeat("[", 65536),
	"PATCH /v1/services/web/real-servers/10.1.0.11:80 HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n{\"we",
}

// annoy keeps n bad clients at the control API until the returned function is called, which returns
// how many there were in all.
func (b *bed) annoy(n int) (stop func() int) {
	end := make(chan struct{})
	var group sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for i := range n {
		group.Go(func() {
			for {
				if b.annoyOnce(nuisances[i%len(nuisances)], end) {
					mu.Lock()
					total++
					mu.Unlock()
				}
				select {
				case <-end:
					return
				default:
				}
			}
		})
	}
	return func() int { close(end); group.Wait(); return total }
}

func (b *bed) annoyOnce(nuisance string, end <-chan struct{}) bool {
	conn, err := net.Dial("unix", b.ControlSocket())
	if err != nil {
		if !errors.Is(err, syscall.EAGAIN) { // the kernel's queue is full
			b.t.Error(err)
		}
		select {
		case <-end:
		case <-time.After(50 * time.Millisecond):
		}
		return false
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, nuisance) }()
	select {
	case <-end:
	case <-time.After(time.Second):
	}
	return true
}
