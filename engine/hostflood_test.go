package engine

import (
	"math/rand/v2"
	"testing"

	"fulcrum/packet"
	"fulcrum/ports"
)

// hostPeers are a BGP peer and an SSH client of the host, with their segments to it.
const (
	bgpPeer   = "10.0.0.9:33333"
	sshClient = "192.168.7.7:5022"
)

// hostAnswers has the host accept SSH connections, and answer on one of SSH and one of BGP.
func (b *bed) hostAnswers() {
	b.Helper()
	b.fromHost(0, 0, b.site.hostFrame(tcp(sshAt, sshClient, "SA")),
		b.site.hostFrame(tcp(sshAt, sshClient, "A")),
		b.site.hostFrame(tcp("10.0.0.1:179", bgpPeer, "A")))
	b.collectAll()
}

// flooded fires 100,000 packets of strangers at a destination, a burst at a time. Every 5000
// packets a burst has one packet of each of the others in it. It calls between after each burst.
func (b *bed) flooded(to string, others [][]byte, between func()) {
	b.Helper()
	const packets, every = 100_000, 5000
	s := newSalvo(b)
	defer s.end()
	var strangers [][]byte
	for i := range 1000 {
		strangers = append(strangers, b.fromClients(tcp(client, to, "S"), 250*i))
	}
	for sent := 0; sent < packets; sent += ports.MaxBurst {
		for i := range ports.MaxBurst {
			s.load(i, strangers[(sent+i)%len(strangers)])
		}
		if sent%every < ports.MaxBurst {
			for i, f := range others {
				s.load(7*i, f)
			}
		}
		s.fire()
		between()
	}
}

// TestFloodLeavesRoom: a flood to the own addresses or to a VIP that the host holds keeps neither
// routing protocols nor connections from the host, even if the host reads nothing at all.
func TestFloodLeavesRoom(t *testing.T) {
	for _, to := range []string{"10.0.0.1:9999", "10.0.0.100:9999", sshAt, "10.0.0.1:179"} {
		t.Run(to, func(t *testing.T) {
			b := newHostBed(t, oneArm, 1, true)
			b.hostAnswers()
			others := [][]byte{
				b.site.frames(tcp(bgpPeer, "10.0.0.1:179", "A"))[0],
				b.site.frames(tcp(sshClient, sshAt, "A"))[0],
				b.site.toGroup(raw("10.0.0.9", "224.0.0.18", 112, 255), ""),
			}
			b.flooded(to, others, func() {})
			got := map[string]int{}
			for _, h := range b.toHost() {
				got[string(h.frame)]++
			}
			for i, f := range others {
				if n := got[string(f)]; n != 20 {
					t.Errorf("packet %d came to the host %d times, want 20", i, n)
				}
			}
			b.collectAll()
		})
	}
}

// TestNewConnectionsInAFlood: while strangers flood other ports, the host gets every new connection
// to a port where it accepts them.
func TestNewConnectionsInAFlood(t *testing.T) {
	for _, to := range []string{"10.0.0.1:9999", "10.0.0.1:179", "10.0.0.100:9999"} {
		b := newHostBed(t, oneArm, 1, true)
		b.hostAnswers()
		syn := b.site.frames(tcp("192.168.7.8:5023", sshAt, "S"))[0]
		got, all := 0, 0
		b.flooded(to, [][]byte{syn}, func() {
			b.now++
			b.worker.now = b.now
			for _, h := range b.toHost() {
				all++
				if string(h.frame) == string(syn) {
					got++
				}
			}
		})
		if got != 20 {
			t.Errorf("flood to %s: %d of 20 new connections came to the host", to, got)
		}
		if all > 10_000 {
			t.Errorf("flood to %s: %d packets came to the host", to, all)
		}
		b.collectAll()
	}
}

// TestOneSourceHasItsShare: a source that floods takes its share, and nothing of another's.
func TestOneSourceHasItsShare(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		b := newHostBed(t, s, workers, false)
		one, other := s.frames(tcp(client, sshAt, "S"))[0], s.frames(tcp("192.168.77.7:1", sshAt, "S"))[0]
		if s.is6 {
			// An IPv6 host has a /64, so another source is in another one.
			six := s.in(tcp("192.168.77.7:1", sshAt, "S"))
			six.src = at4("[fd00:0:0:77::1]:1")
			other = six.frame(s.gateway.mac, s.ports[0].mac)
		}
		count := func(f []byte, times int) (n int) {
			for range times {
				b.bring(f)
				n += len(b.toHost())
			}
			return n
		}
		if n := count(one, 200); n != int(hostSourceRate.burst) {
			t.Errorf("%d packets of one source came to the host", n)
		}
		if n := count(other, 10); n != 10 {
			t.Errorf("%d of 10 packets of another source came to the host", n)
		}
		if got := b.hostCounts(HostRest); got.Limited != 200-uint64(hostSourceRate.burst) {
			t.Errorf("counted %+v", got)
		}
		b.wait(1000)
		if n := count(one, 200); n != int(hostSourceRate.burst) {
			t.Errorf("%d packets of one source came to the host a second later", n)
		}
	})
}

// TestCopiesAreLimited: a flood of ARP replies costs the host no more than its rate, and its copies
// are no drops.
func TestCopiesAreLimited(t *testing.T) {
	b := newHostBed(t, oneArm, 1, false)
	f := isAt(oneArm.neighbour, oneArm.ports[0])
	got := 0
	for range 1500 {
		b.bring(f)
		got += len(b.toHost())
	}
	want := HostTotals{Copied: 1000, Limited: 500}
	if n := b.hostCounts(HostNeighbour); got != 1000 || n != want {
		t.Errorf("the host got %d copies, counted %+v", got, n)
	}
	for range hostRing {
		b.now += 10
		b.bring(f)
	}
	if n := len(b.toHost()); n != hostRing*3/4 {
		t.Errorf("copies fill the ring to %d of %d", n, hostRing)
	}
	if n := b.hostCounts(HostNeighbour).Full; n != hostRing/4 {
		t.Errorf("%d copies found the ring full", n)
	}
	b.dropped("")
}

// TestHostFrameTooLong: what the host interface cannot take is dropped by name.
func TestHostFrameTooLong(t *testing.T) {
	b := newHostBed(t, oneArm, 1, false)
	f := append(oneArm.frames(tcp(client, sshAt, "S"))[0], make([]byte, 1500)...)
	b.bring(f)
	b.host(0)
	b.dropped("host_frame=1")
}

// TestHostProves: what the host sends moves packets into other lanes, in both families.
func TestHostProves(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		for name, c := range map[string]struct {
			sends         []pkt
			about         pkt
			before, after hostLane
		}{
			"SYN/ACK opens a port": {[]pkt{tcp(sshAt, client, "SA")},
				tcp("192.168.5.5:1", sshAt, "S"), laneOther, laneOpen},
			"and proves no connection": {[]pkt{tcp(sshAt, client, "SA")},
				tcp(client, sshAt, "A"), laneOther, laneOpen},
			"a reset closes it": {[]pkt{tcp(sshAt, client, "SA"),
				tcp(sshAt, client, "RA").with(func(p *pkt) { p.seq = 0 })},
				tcp("192.168.5.5:1", sshAt, "S"), laneOther, laneOther},
			"a reset of a connection does not": {[]pkt{tcp(sshAt, client, "SA"), tcp(sshAt, client, "RA")},
				tcp("192.168.5.5:1", sshAt, "S"), laneOther, laneOpen},
			"a reset proves nothing": {[]pkt{tcp(sshAt, client, "R")}, tcp(client, sshAt, "A"),
				laneOther, laneOther},
			"ACK proves a connection": {[]pkt{tcp(sshAt, client, "A")}, tcp(client, sshAt, "PA"),
				laneOther, laneConnections},
			"not another's": {[]pkt{tcp(sshAt, client, "A")}, tcp("192.168.5.9:4001", sshAt, "PA"),
				laneOther, laneOther},
			"SYN proves the answer": {[]pkt{tcp("10.0.0.1:5000", "8.8.8.8:443", "S")},
				tcp("8.8.8.8:443", "10.0.0.1:5000", "SA"), laneOther, laneConnections},
			"BGP": {[]pkt{tcp("10.0.0.1:179", bgpPeer, "A")}, tcp(bgpPeer, "10.0.0.1:179", "PA"),
				laneDistant, lanePeering},
			"BGP that the host begins": {[]pkt{tcp("10.0.0.1:5000", "10.0.0.9:179", "S")},
				tcp("10.0.0.9:179", "10.0.0.1:5000", "SA"), laneDistant, lanePeering},
			"a question": {[]pkt{udp("10.0.0.1:5000", "8.8.8.8:53", "?")},
				udp("8.8.8.8:53", "10.0.0.1:5000", "!"), laneOther, laneConnections},
			"ping": {[]pkt{icmp("10.0.0.1", "8.8.8.8", packet.ICMPEchoRequest, 0, 9<<16, nil)},
				icmp("8.8.8.8", "10.0.0.1", packet.ICMPEchoReply, 0, 9<<16, nil), laneOther,
				laneConnections},
			"another's ping": {[]pkt{icmp("10.0.0.1", "8.8.8.8", packet.ICMPEchoRequest, 0, 9<<16, nil)},
				icmp("8.8.8.8", "10.0.0.1", packet.ICMPEchoReply, 0, 8<<16, nil), laneOther, laneOther},
			"an error": {[]pkt{tcp(sshAt, client, "A")},
				icmpError("192.168.5.9", tcp(sshAt, client, "A"), 3, 4, 1400), laneOther, laneConnections},
		} {
			t.Run(name, func(t *testing.T) {
				b := newHostBed(t, s, workers, false)
				in := s.frames(c.about)[0]
				if got := b.laneOf(in); got != c.before {
					t.Errorf("lane %d before, want %d", got, c.before)
				}
				for _, p := range c.sends {
					b.fromHost(0, 0, s.hostFrame(p))
				}
				if got := b.laneOf(in); got != c.after {
					t.Errorf("lane %d afterwards, want %d", got, c.after)
				}
				b.now += hostFlowLife
				b.turn()
				if got := b.laneOf(in); c.after != laneOpen && got != c.before {
					t.Errorf("lane %d long afterwards, want %d", got, c.before)
				}
				b.collectAll()
			})
		}
	})
}

// laneOf returns the lane in which a frame would go to the host from the last worker.
func (b *bed) laneOf(frame []byte) hostLane {
	w := b.engine.workers[len(b.engine.workers)-1]
	var fresh ports.Burst
	if !b.ports[0].Queue(0).Alloc(&fresh, len(frame)) {
		b.Fatal("no buffer")
	}
	p, m := &fresh.Packets[0], &meta{}
	copy(p.Bytes(), frame)
	packet.Parse(p.Bytes(), &m.Parsed)
	why := DropToHost
	if m.Kind == packet.ICMP4 && packet.ICMP(frame[m.Transport:]).IsError() ||
		m.Kind == packet.ICMP6 && packet.ICMPv6(frame[m.Transport:]).IsError() {
		why = DropICMPError
	}
	lane := w.laneOf(p, m, why)
	b.ports[0].Queue(0).Exchange(nil, &fresh, nil)
	return lane
}

// TestHostFlowsForgetTheOldest: a full set forgets the flow on which the host has not sent for the
// longest time.
func TestHostFlowsForgetTheOldest(t *testing.T) {
	var f hostFlows
	f.setKey(rand.New(rand.NewPCG(1, 1)))
	key := func(i int) *packet.Key {
		return &packet.Key{Flow: packet.Flow{Src: packet.AddrOf4(uint32(i))}, Protocol: 6}
	}
	now := uint32(1<<32 - 20_000) // the clock comes round meanwhile
	kept, others := key(0), 0
	for i := range 40 * hostFlowSets * hostFlowWays {
		if i%1000 == 0 {
			now += 100
			f.note(kept, now)
		}
		f.note(key(i+1), now)
		if !f.known(key(i+1), now) {
			t.Fatalf("flow %d was not remembered", i)
		}
	}
	for i := range 40 * hostFlowSets * hostFlowWays {
		if f.known(key(i+1), now) {
			others++
		}
	}
	if others > hostFlowSets*hostFlowWays {
		t.Errorf("%d flows are remembered", others)
	}
	if f.known(kept, now+hostFlowLife) {
		t.Error("a flow is known for ever")
	}
}
