package engine

import (
	"testing"
	"time"

	"fulcrum/conntrack"
	"fulcrum/modes"
)

// briefEcho is the UDP service with a timeout of its own of 5 s.
func (s *site) briefEcho() Service {
	v := s.echo(modes.NAT, 1)
	v.Timeouts.Set(conntrack.UDP, 5*time.Second)
	return v
}

// TestServiceTimeouts: a service's sessions end by its timeouts, those of others by the director's.
func TestServiceTimeouts(t *testing.T) {
	for _, s := range sites {
		t.Run(s.name, func(t *testing.T) {
			b := newBed(t, s, s.serving(s.briefEcho(), s.web(modes.NAT, 1)))
			b.begin(modes.NAT, udp(client, echoVIP, "?"))
			b.begin(modes.NAT, tcp(client, webVIP, "S"))
			for _, info := range b.listed(9) {
				if brief := info.State == conntrack.UDP; brief != (info.Left <= 5*time.Second) {
					t.Errorf("%+v", info)
				}
			}
			b.wait(4_000)
			b.sessions(2)
			b.wait(4_000)
			b.sessions(1)
			b.wait(60_000)
			b.sessions(0)
		})
	}
}

// TestOtherServiceTimeouts: existing sessions follow a change of their service's timeouts, and the
// director's where the service has none.
func TestOtherServiceTimeouts(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
	b.begin(modes.NAT, udp(client, echoVIP, "?"))
	b.apply(s.serving(s.briefEcho()))
	if all := b.listed(9); len(all) != 1 || all[0].Left > 5*time.Second {
		t.Errorf("%+v", all)
	}
	b.wait(4_000)
	b.apply(s.serving(s.echo(modes.NAT, 1)))
	b.wait(10_000)
	b.sessions(1)
	n := s.serving(s.echo(modes.NAT, 1))
	n.Timeouts.Set(conntrack.UDP, 17*time.Second)
	b.apply(n)
	b.wait(2_000)
	b.sessions(1)
	b.apply(s.serving(s.briefEcho()))
	b.wait(2_200)
	b.sessions(0)
}

// TestTimeoutsOfARemovedService: its sessions keep them.
func TestTimeoutsOfARemovedService(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.briefEcho()))
	b.begin(modes.NAT, udp(client, echoVIP, "?"))
	b.apply(s.settings())
	b.wait(4_000)
	b.sessions(1)
	b.wait(4_000)
	b.sessions(0)
}

// TestYouthLastsAsLongAsOwnTimeouts: no packet is reset that may belong to a session of the
// director before, although only one service lets sessions live so long.
func TestYouthLastsAsLongAsOwnTimeouts(t *testing.T) {
	s := oneArm
	v := s.web(modes.NAT, 1)
	v.Timeouts.Set(conntrack.Established, 200*time.Second)
	n := s.serving(v)
	n.ResetUnknown = ResetTwoWay
	b := newBed(t, s, n)
	ack := tcp(client, webVIP, "A")
	b.now += 150_000
	b.fromClient(ack)
	b.quiet()
	b.now += 50_000
	b.fromClient(ack)
	b.toClient(resetOf(ack))
}
