package engine

import (
	"net/netip"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// TestClientsStayAfterARestart: a client of a persistent service goes to the same real server with
// its next connection.
func TestClientsStayAfterARestart(t *testing.T) {
	eachKept(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		folder, n := inMemory(t), s.serving(s.web(m, 3).kept())
		b := newBed(t, s, n, keptIn(folder, workers))
		was := map[string]packet.MAC{}
		for i := range 8 {
			was[clientAt(i*251)] = b.ask(m, tcp(clientAt(i*251), webVIP, "S")).mac
			b.ask(m, tcp(clientAt(i*251), webVIP, "A"))
		}
		b = b.restart(n, folder, workers)
		b.keptReport(8, nil)
		for client, server := range was {
			next := tcp(client, webVIP, "S")
			next.src = netip.AddrPortFrom(next.src.Addr(), next.src.Port()+1)
			if at := b.ask(m, next).mac; at != server {
				t.Errorf("%s goes to %v, was at %v", client, at, server)
			}
		}
		if got := b.engine.Report().Templates.Templates; got != 8 {
			t.Errorf("%d templates", got)
		}
	})
}

// TestFragmentsAndErrorsAfterARestart: a client's fragments, and its ICMP errors about answers,
// reach the real server of a session of the run before.
func TestFragmentsAndErrorsAfterARestart(t *testing.T) {
	eachKept(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		folder, n := inMemory(t), s.serving(s.web(m, 3), s.echo(m, 3))
		b := newBed(t, s, n, keptIn(folder, workers))
		server := b.ask(m, udp(client, echoVIP, "?")).mac
		reach := func(what string, want int) {
			t.Helper()
			got := 0
			for _, frames := range b.collectAll() {
				for _, f := range frames {
					if packet.Ethernet(f).Dst() == server {
						got++
					}
				}
			}
			if got != want {
				t.Errorf("%d %s arrive, want %d; dropped %q", got, what, want, b.drops())
			}
		}
		b = b.restart(n, folder, workers)
		whole := s.in(udp(client, echoVIP, string(make([]byte, 2000))))
		for _, f := range fragmentsOf(whole, 1200) {
			b.receive(s.front, ethernet(s.gateway.mac, s.own(s.front).mac, whole.etherType(), f))
		}
		reach("fragments", 2)
		answer := udp(echoVIP, client, "!")
		from := netip.MustParseAddrPort(client).Addr().String()
		b.fromClient(icmpError(from, answer, packet.ICMPUnreachable, packet.ICMPCodePortUnreachable, 0))
		reach("ICMP errors", 1)
	})
}
