package engine

import (
	"fmt"
	"strings"
	"testing"

	"fulcrum/modes"
)

// fragmentFloods are the source of a flood's n-th fragment.
var fragmentFloods = map[string]func(n int) string{
	"one source":  func(int) string { return "192.168.66.1:9" },
	"256 sources": func(n int) string { return fmt.Sprintf("192.168.67.%d:9", n%256) },
	"ever new ones": func(n int) string {
		return fmt.Sprintf("172.%d.%d.%d:9", 16+n>>16, n>>8&255, n&255)
	},
}

// TestReorderedFragmentsUnderFloods: 500 datagrams arrive whose second fragment comes 2 ms before
// the first, while 20,000 second fragments a second come whose first never does.
func TestReorderedFragmentsUnderFloods(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		for name, source := range fragmentFloods {
			t.Run(s.name+" "+name, func(t *testing.T) {
				b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
				piecesOf := func(from string, id int) [2][]byte {
					whole := s.in(udp(from, echoVIP, strings.Repeat("x", 100)).
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
							b.deliver(s.front, piecesOf(source(n), n)[1])
							n++
						}
						b.turn()
					}
				}
				flood(50)
				for i := range honest {
					pieces := piecesOf(fmt.Sprintf("192.168.%d.9:%d", 10+i%20, 5000+i), i)
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
