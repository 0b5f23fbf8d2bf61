package engine

import (
	"net/netip"
	"strings"
	"testing"

	"fulcrum/modes"
)

// fragmentFloods are how many sources a flood of fragments has.
var fragmentFloods = map[string]int{"one source": 1, "256 sources": 256, "ever new ones": 60_000}

// TestReorderedFragmentsUnderFloods: 500 datagrams arrive whose second fragment comes 2 ms before
// the first, while 20,000 second fragments a second come whose first never does.
func TestReorderedFragmentsUnderFloods(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		for name, sources := range fragmentFloods {
			t.Run(s.name+" "+name, func(t *testing.T) {
				b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
				piecesOf := func(from netip.AddrPort, id int) [2][]byte {
					whole := s.in(udp(from.String(), echoVIP, strings.Repeat("x", 100)).
						with(func(p *pkt) { p.id = uint16(id) }))
					var frames [2][]byte
					for i, f := range fragmentsOf(whole, 56) {
						frames[i] = ethernet(s.gateway.mac, s.own(s.front).mac, whole.etherType(), f)
					}
					return frames
				}
				const honest = 500
				n, arrived := 0, 0
				flood := func(ms int) {
					for range ms {
						b.now++
						for range 20 {
							b.deliver(s.front, piecesOf(netip.AddrPortFrom(at4(strangerAt(n%sources, s.is6)).Addr(), 9), n)[1])
							n++
						}
						b.turn()
					}
				}
				flood(50)
				for i := range honest {
					pieces := piecesOf(at4(clientAt(i)), i)
					b.receive(s.front, pieces[1])
					flood(2)
					b.receive(s.front, pieces[0])
					arrived += len(collect(b.ports[s.back]))
				}
				if arrived < 2*honest*99/100 {
					t.Errorf("%d fragments of %d arrive; dropped %s", arrived, 2*honest, b.drops())
				}
				if full := b.totals().Drops[DropFragmentsFull]; full < uint64(n-1000) {
					t.Errorf("%d of %d fragments of the flood gave way: the test shows nothing", full, n)
				}
			})
		}
	}
}
