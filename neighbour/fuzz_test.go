package neighbour

import (
	"testing"

	"fulcrum/packet"
)

// FuzzTable does anything in any order to a table: messages, packets, wishes, topologies, news and
// time. world.check has the invariants.
func FuzzTable(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 1, 1, 5, 9, 2, 1, 1, 1, 1, 1, 5, 255})
	f.Add([]byte{6, 3, 1, 2, 3, 3, 1, 4, 4, 1, 7, 200, 2, 1, 1, 1, 7, 255, 7, 255})
	f.Add([]byte{3, 1, 7, 60, 7, 60, 0, 1, 0, 2, 0, 3, 7, 250, 5, 1, 1, 6, 0, 7, 250})
	f.Fuzz(func(t *testing.T, input []byte) {
		c := choices(input)
		w := newWorld(t, c.below(3), "10.0.0.1/28", "fd00::1/124")
		for number := uint32(1); len(c) > 0 && number < 500; number++ {
			known, step := w.provenMACs(), c.below(len(fuzzSteps))
			fuzzSteps[step](w, &c, number)
			w.check()
			if step == fuzzARP || step == fuzzND || step == fuzzNews {
				w.checkProven(known)
			}
		}
		w.end()
	})
}

// The steps that are messages, by their index in fuzzSteps.
const fuzzARP, fuzzND, fuzzNews = 2, 3, 5

// provenMACs returns the MACs that have answered a question.
func (w *world) provenMACs() map[Hop]packet.MAC {
	known := map[Hop]packet.MAC{}
	for h := range w.table.entries {
		if e := &w.table.entries[h]; e.HasMAC() && w.table.records[h].proven {
			known[Hop(h)] = e.MAC()
		}
	}
	return known
}

// checkProven checks that no message has moved an entry whose MAC was proven, but back to the MAC
// that it had before.
func (w *world) checkProven(known map[Hop]packet.MAC) {
	for h, mac := range known {
		e, r := w.table.At(h), &w.table.records[h]
		back := r.onTrial && r.elder.IsZero()
		if !e.HasMAC() || e.MAC() != mac && !back {
			w.Fatalf("%v moved from %v to %v", e.Address, mac, e.MAC())
		}
	}
}

// choices are the bytes of an input. Each is used once.
type choices []byte

func (c *choices) below(n int) int {
	if len(*c) == 0 {
		return 0
	}
	v := int((*c)[0]) % n
	*c = (*c)[1:]
	return v
}

// station chooses an address near the director's own, and its port. It sometimes chooses an address
// off the subnet.
func (c *choices) station() (packet.Addr, uint16) {
	v := c.below(64)
	last, port := uint64(v%24), uint16(v/32)
	if port == 0 {
		return packet.AddrOf4(0x0a000000 + uint32(last)), port
	}
	return packet.Addr{Hi: 0xfd00 << 48, Lo: last}, port
}

// mac chooses another station's MAC, and rarely an impossible one.
func (c *choices) mac() packet.MAC {
	switch v := c.below(16); v {
	case 0:
		return packet.MAC{}
	case 1:
		return ownMAC(0)
	case 2:
		return packet.Broadcast
	default:
		return packet.MAC{2, 0, 0, 0, 1, byte(v)}
	}
}

// stationMAC chooses another station's MAC.
func (c *choices) stationMAC() packet.MAC { return packet.MAC{2, 0, 0, 0, 1, byte(c.below(8))} }

var fuzzSteps = []func(w *world, c *choices, number uint32){
	func(w *world, c *choices, number uint32) { // a packet
		a, port := c.station()
		w.packet(w.find(a, port), number)
	},
	func(w *world, c *choices, number uint32) { // packets to one neighbour
		a, port := c.station()
		h := w.find(a, port)
		for range c.below(80) {
			w.packet(h, number)
		}
	},
	func(w *world, c *choices, _ uint32) { // ARP
		sender, _ := c.station()
		target, port := c.station()
		w.arp(port, packet.ARPFields{
			Op: packet.ARPOp(c.below(3)), SenderMAC: c.mac(),
			SenderIP: sender.V4(), TargetIP: target.V4(),
		})
	},
	func(w *world, c *choices, _ uint32) { // neighbour discovery
		src, _ := c.station()
		target, port := c.station()
		types := []uint8{
			packet.ICMP6Solicitation, packet.ICMP6Advertisement,
			packet.ICMP6RouterSolicit, packet.ICMP6RouterAdvert,
		}
		w.nd(port, packet.ND{
			Type: types[c.below(4)], Flags: packet.NDFlags(c.below(8) << 5),
			Src: src, Dst: w.source(port), Target: target, LinkLayer: c.mac(),
		})
	},
	func(w *world, c *choices, _ uint32) { // a wish
		a, port := c.station()
		w.want(a, port)
	},
	func(w *world, c *choices, _ uint32) { // news
		a, port := c.station()
		flags := c.below(4)
		w.news(Message{
			Address: a, Port: port, MAC: c.stationMAC(), Solicited: flags&1 != 0,
			Override: flags&2 != 0,
		})
	},
	func(w *world, c *choices, _ uint32) { // a topology
		var gateways []Gateway
		for range c.below(3) {
			a, port := c.station()
			gateways = append(gateways, Gateway{Address: a, Source: w.source(port), Port: port})
		}
		var statics []StaticEntry
		for range c.below(4) {
			a, port := c.station()
			statics = append(statics, StaticEntry{Address: a, MAC: c.stationMAC(), Port: port})
		}
		w.topology(gateways, statics)
	},
	func(w *world, c *choices, _ uint32) { // time, by ticks
		w.pass(uint32(c.below(256)) * 40)
	},
	func(w *world, c *choices, _ uint32) { // a hint
		a, port := c.station()
		w.table.TakeHint(&Hint{Address: a, Port: port, MAC: c.mac(), Proven: c.below(2) == 1}, w.now)
	},
	func(w *world, c *choices, _ uint32) { // another table
		if c.below(4) == 0 {
			w.restart()
		}
	},
	func(w *world, c *choices, _ uint32) { // time, as if the machine had slept
		w.now += uint32(c.below(256)) * 5000
		w.carryOut(w.table.Tick(w.now))
	},
}

// end lets enough time pass to forget everything that may be forgotten.
func (w *world) end() {
	w.topology(nil, nil)
	for range 40 {
		w.now += WantLapse
		w.carryOut(w.table.Tick(w.now))
	}
	w.check()
	if w.table.Len() != 0 || w.table.Held() != 0 {
		w.Fatalf("%d entries are left, %d packets wait", w.table.Len(), w.table.Held())
	}
}
