package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/lab"
)

// TestClosedPortsRefuse: a port of the VIP without a service refuses connections and datagrams at
// once, in every mode, by what the client's own kernel makes of the answer.
func TestClosedPortsRefuse(t *testing.T) {
	for _, family := range []lab.Family{lab.IPv4, lab.IPv6} {
		for _, mode := range lab.Modes() {
			t.Run(string(family)+"/"+mode.String(), func(t *testing.T) {
				t.Parallel()
				b := newBed(t, lab.Config{Mode: mode, Family: family, Arms: 2, Workers: 2})
				if _, err := b.dial("tcp", 81); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("TCP: %v", err)
				}
				conn, err := b.dial("udp", 81)
				if err != nil {
					t.Fatal(err)
				}
				if _, err = conn.Write([]byte("anyone?")); err == nil {
					_, err = conn.Read(make([]byte, 1))
				}
				if !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("UDP: %v", err)
				}
				same(t, "drops", b.stopDirector().Drops, map[string]uint64{"no_service": 2})
			})
		}
	}
}

// TestLostSessionsAreReset: the data of a client whose session is no longer there is answered by a
// reset in the modes that the setting has, and not in the others until the setting is "all".
func TestLostSessionsAreReset(t *testing.T) {
	for _, mode := range lab.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, lab.Config{Mode: mode, Arms: 2, Workers: 2})
			const short = "timeouts = { established = \"300ms\", syn_recv = \"300ms\" }\n"
			b.applySession(short)
			conn, err := b.dial("tcp", 80)
			if err != nil {
				t.Fatal(err)
			}
			b.awaitEnd()
			if _, err = conn.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			if !mode.TwoWay() {
				b.isSilent(conn)
				b.applySession(short + "reset_unknown = \"all\"\n")
			}
			if _, err = conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("reading: %v", err)
			}
			if r := b.stopDirector(); r.Drops["no_session"] == 0 {
				t.Errorf("drops %v", r.Drops)
			}
		})
	}
}

// dial connects to a port of the VIP from the client. What the connection waits for has a deadline.
func (b *bed) dial(network string, port uint16) (conn net.Conn, err error) {
	b.t.Helper()
	b.inside("client", func() error {
		ctx, cancel := context.WithTimeout(b.t.Context(), patience)
		defer cancel()
		to := netip.AddrPortFrom(b.VIP(), port)
		conn, err = new(net.Dialer).DialContext(ctx, network, to.String())
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.t.Cleanup(func() { conn.Close() })
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

// isSilent fails if something comes from a connection within a short time.
func (b *bed) isSilent(conn net.Conn) {
	b.t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		b.t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		b.t.Fatalf("reading: %v", err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
}

// applySession applies the director's file with more lines in [session].
func (b *bed) applySession(lines string) {
	b.t.Helper()
	text, err := os.ReadFile(b.directorFile())
	if err != nil {
		b.t.Fatal(err)
	}
	next := strings.Replace(string(text), "[session]\n", "[session]\n"+lines, 1)
	client := api.NewClient(b.ControlSocket())
	var plan control.Plan
	err = client.Do(b.t.Context(), http.MethodPost, "apply", []byte(next), &plan)
	if err != nil || len(plan.Changes) == 0 {
		b.t.Fatalf("applying: %v, %v", plan, err)
	}
}

// awaitEnd waits until the first session of the web service has begun and ended.
func (b *bed) awaitEnd() {
	b.t.Helper()
	b.awaitReport("a session", func(r *control.Report) bool { return r.Services[0].Connections > 0 })
	b.awaitReport("its end", func(r *control.Report) bool {
		return !slices.ContainsFunc(r.Workers, func(w control.WorkerReport) bool { return w.Sessions > 0 })
	})
}

// awaitReport asks for the director's report until it shows something.
func (b *bed) awaitReport(what string, shows func(*control.Report) bool) {
	b.t.Helper()
	client := api.NewClient(b.ControlSocket())
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		var r control.Report
		if err := client.Do(b.t.Context(), http.MethodGet, "report", nil, &r); err != nil {
			b.t.Fatal(err)
		}
		switch {
		case shows(&r):
			return
		case time.Now().After(end):
			b.t.Fatalf("waited in vain for %s: %+v", what, r)
		}
	}
}
