package engine

import (
	"fmt"
	"testing"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// refusing is a site's services without real servers.
func (s *site) refusing(by lvs.Refusal) Settings {
	web, echo := s.web(modes.NAT, 0), s.echo(modes.NAT, 0)
	web.Refuse, echo.Refuse = by, by
	return s.serving(web, echo)
}

// TestRefusals: clients hear what the service says, explain foretells it, and a change holds at
// once. Only TCP is reset, and only a SYN.
func TestRefusals(t *testing.T) {
	syn, datagram := tcp(client, webVIP, "S"), udp(client, echoVIP, "?")
	ack := tcp(client, webVIP, "A")
	port := func(p pkt) pkt { return unreachable(p, packet.ICMPCodePortUnreachable) }
	for _, s := range []site{oneArm, oneArm.twin()} {
		b := newBed(t, s, s.refusing(lvs.RefuseByICMP))
		hears := func(p pkt, want Answer, answers ...pkt) {
			t.Helper()
			in := s.in(p)
			q := Question{Protocol: p.protocol, From: in.src, To: in.dst, TCPFlags: p.flags, Port: -1}
			var x Explanation
			if b.worker.explainNew(&q, &x); x.Verdict != DropNoRealServer || x.Answer != want {
				t.Errorf("explain says %v, %v; want %v", x.Verdict, x.Answer, want)
			}
			b.fromClient(p)
			b.toClient(answers...)
		}
		for i, by := range lvs.Refusals() {
			n := s.refusing(by)
			n.SloppyTCP = true
			b.apply(n)
			switch by {
			case lvs.RefuseByICMP:
				hears(syn, AnswerNoPort, port(syn))
				hears(ack, AnswerNoPort, port(ack))
				hears(datagram, AnswerNoPort, port(datagram))
			case lvs.RefuseByReset:
				hears(syn, AnswerReset, resetOf(syn))
				hears(ack, AnswerNoPort, port(ack))
				hears(datagram, AnswerNoPort, port(datagram))
			case lvs.RefuseSilently:
				hears(syn, NoAnswer)
				hears(ack, NoAnswer)
				hears(datagram, NoAnswer)
			}
			b.dropped(fmt.Sprintf("no_real_server=%d", 3*(i+1)))
		}
	}
}

// TestRefusalsOfAnOverloadedServer: a client that no real server may get is reset, in every mode.
func TestRefusalsOfAnOverloadedServer(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		v := s.web(m, 1)
		v.Refuse, v.RealServers[0].UpperThreshold = lvs.RefuseByReset, 1
		b := newBed(t, s, s.serving(v))
		b.begin(m, tcp(client, webVIP, "S"))
		syn := tcp(clientAt(1), webVIP, "S")
		b.fromClient(syn)
		b.toClient(resetOf(syn))
		b.dropped("no_real_server=1")
	})
}

// TestRefusalsAreLimited: resets of refused clients have the limits of all resets, and damaged
// segments get none.
func TestRefusalsAreLimited(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.refusing(lvs.RefuseByReset))
	syn := tcp(client, webVIP, "S")
	damaged := syn.frame(s.gateway.mac, s.own(s.front).mac)
	damaged[len(damaged)-1] ^= 1
	b.receive(s.front, damaged)
	b.quiet()
	for range 2 * sourceRate.burst {
		b.fromClient(syn)
	}
	got := uint32(len(b.ports[s.front].Collect(0)))
	if got != sourceRate.burst-1 && got != sourceRate.burst {
		t.Errorf("%d resets, want %d", got, sourceRate.burst)
	}
	b.dropped(fmt.Sprintf("no_real_server=%d", 2*sourceRate.burst+1))
}
