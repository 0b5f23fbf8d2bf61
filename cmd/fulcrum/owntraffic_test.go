package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestRealServersOwnTraffic: with route_unmatched a nat real server talks to a host beyond the
// router by UDP and TCP, and by ping. Without it, nothing of that passes.
func TestRealServersOwnTraffic(t *testing.T) {
	for arms := 1; arms <= 2; arms++ {
		for _, family := range []lab.Family{lab.IPv4, lab.IPv6} {
			t.Run(fmt.Sprintf("%d-arm/%s", arms, family), func(t *testing.T) {
				t.Parallel()
				b := newBed(t, lab.Config{Mode: lvs.NAT, Arms: arms, Family: family})
				b.returnByTheDirector()
				outside := b.answerer()
				b.silence(outside)
				b.set("max = 65_536", "max = 65_536\nroute_unmatched = true")
				b.ownUDP(outside)
				b.ownTCP(outside)
				if family == lab.IPv4 {
					icmp := b.listenICMPAt(b.RealServers()[0].Name)
					icmp.send(outside.Addr(), &layers.ICMPv4{Id: 7, Seq: 1,
						TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0)})
					icmp.await(outside.Addr(), layers.ICMPv4TypeEchoReply, 0)
				}
				same(t, "answers", len(b.get(6)), 6)
				r := b.stopDirector()
				// With one arm, answers go to the real server without the director.
				if least := uint64(5 * arms); r.Routed < least {
					t.Errorf("%d packets were routed, want %d or more", r.Routed, least)
				}
				if r.Drops["not_ours"] == 0 {
					t.Error("nothing was dropped before")
				}
				b.checkOnlyDrops(r, "not_ours")
			})
		}
	}
}

// returnByTheDirector has the router send packets to real servers by way of a director with two
// arms, as if it had no network in common with them.
func (b *bed) returnByTheDirector() {
	if b.config.Arms == 1 {
		return
	}
	b.inside("router", func() error {
		var failed error
		for _, rs := range b.RealServers() {
			bits := rs.Web.Addr().BitLen()
			to := &net.IPNet{IP: rs.Web.Addr().AsSlice(), Mask: net.CIDRMask(bits, bits)}
			gateway := b.PortAddress("front").AsSlice()
			failed = errors.Join(failed, netlink.RouteAdd(&netlink.Route{Dst: to, Gw: gateway}))
		}
		return failed
	})
}

// answerer answers datagrams and connections at the client's host, and returns its address.
func (b *bed) answerer() netip.AddrPort {
	b.t.Helper()
	at := netip.AddrPortFrom(b.Clients()[0], 9053)
	b.inside("client", func() error {
		conn, err := net.ListenPacket("udp", at.String())
		if err != nil {
			return err
		}
		listener, err := net.Listen("tcp", at.String())
		if err != nil {
			conn.Close()
			return err
		}
		b.t.Cleanup(func() { conn.Close(); listener.Close() })
		go answerDatagrams(conn)
		go answerConnections(listener)
		return nil
	})
	return at
}

func answerDatagrams(conn net.PacketConn) {
	buffer := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(buffer[:n], from) // the test notices
	}
}

func answerConnections(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn) // the test notices
		}()
	}
}

// silence expects that a datagram of the first real server is not answered.
func (b *bed) silence(outside netip.AddrPort) {
	b.t.Helper()
	err := b.exchange("udp", outside, 1, 300*time.Millisecond)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		b.t.Fatalf("without route_unmatched: %v", err)
	}
}

// ownUDP sends short and long datagrams; the long ones travel in fragments.
func (b *bed) ownUDP(outside netip.AddrPort) {
	b.t.Helper()
	for _, n := range []int{40, 1200, 1900} {
		if err := b.exchange("udp", outside, n, patience); err != nil {
			b.t.Errorf("a datagram of %d bytes: %v", n, err)
		}
	}
}

func (b *bed) ownTCP(outside netip.AddrPort) {
	b.t.Helper()
	if err := b.exchange("tcp", outside, 200_000, patience); err != nil {
		b.t.Errorf("a connection: %v", err)
	}
}

// exchange has the first real server send n bytes, and wait for the same bytes.
func (b *bed) exchange(network string, to netip.AddrPort, n int, wait time.Duration) error {
	var conn net.Conn
	b.inside(b.RealServers()[0].Name, func() (err error) {
		conn, err = net.DialTimeout(network, to.String(), wait)
		return err
	})
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	sent := []byte(strings.Repeat("x", n))
	go func() { _, _ = conn.Write(sent) }() // a lost byte is not read back
	got := make([]byte, n)
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != string(sent) {
		return fmt.Errorf("other bytes came back")
	}
	return nil
}

// set replaces a text of the director's configuration while it runs.
func (b *bed) set(old, changed string) {
	b.t.Helper()
	text, err := os.ReadFile(b.directorFile())
	if err != nil || !strings.Contains(string(text), old) {
		b.t.Fatalf("no %q in the file, %v", old, err)
	}
	var plan control.Plan
	body := []byte(strings.Replace(string(text), old, changed, 1))
	client := api.NewClient(b.ControlSocket())
	if err := client.Do(b.t.Context(), http.MethodPost, "apply", body, &plan); err != nil {
		b.t.Fatal(err)
	}
	if len(plan.Changes) != 1 || len(plan.Warnings) != 1 {
		b.t.Errorf("the plan is %+v", plan)
	}
	if !strings.Contains(b.Log("director"), plan.Warnings[0]) {
		b.t.Errorf("no warning in the log:\n%s", b.Log("director"))
	}
}
