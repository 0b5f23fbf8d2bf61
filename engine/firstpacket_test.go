package engine

import (
	"fmt"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/modes"
)

// begun is what the first packet of a session leaves.
type begun struct {
	frames  string
	session conntrack.Session
	report  string
}

// first sends the first datagram of a client, after one of another client. On the road or not, it
// must end the same.
func first(t *testing.T, s site, m modes.Mode, road bool, datagram pkt) begun {
	b := newBed(t, s, s.serving(s.echo(m, 1)))
	b.fromClient(udp(clientAt(1), echoVIP, "paves the road"))
	b.turn()
	b.collectAll()
	if r := &b.worker.roads[0]; r.paved != b.worker.paved || r.mode != m {
		t.Fatal("there is no road")
	} else if !road {
		r.paved--
	}
	b.fromClient(datagram)
	b.turn()
	left := begun{frames: fmt.Sprintf("%x", b.collectAll())}
	for slot := range uint32(b.worker.sessions.Cap()) {
		if at := b.worker.sessions.At(slot); at.Live() && at.PacketsIn == 1 {
			left.session = *at
		}
	}
	left.report = fmt.Sprintf("%+v %+v", b.totals(), b.worker.roads[0].traffic)
	return left
}

// TestFirstPacketOnTheRoad: a first packet that takes the straight path leaves what it leaves on
// the general one: the same frames, the same session, the same counts.
func TestFirstPacketOnTheRoad(t *testing.T) {
	short := udp(clientAt(2), echoVIP, "hello")
	long := udp(clientAt(2), echoVIP, string(make([]byte, 1500)))
	dying := short
	dying.ttl = 1
	for _, m := range allModes {
		for what, datagram := range map[string]pkt{"short": short, "long": long, "dying": dying} {
			t.Run(m.String()+"/"+what, func(t *testing.T) {
				straight := first(t, twoArm, m, true, datagram)
				if general := first(t, twoArm, m, false, datagram); straight != general {
					t.Errorf("on the road\n%+v\nelsewhere\n%+v", straight, general)
				}
			})
		}
	}
}
