package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"fulcrum/modes"
	"fulcrum/packet"
)

// TestLoop: a device that sends everything back unchanged loses nothing, and the generator counts
// no loss.
func TestLoop(t *testing.T) {
	for _, k := range []Kind{UDP, TCP, NewUDP, NewTCP, Lives} {
		t.Run(k.String(), func(t *testing.T) {
			g := newGenerator(t, func(frames [][]byte, send func([]byte)) {
				for _, f := range frames {
					judged(t, f)
					send(f)
				}
			})
			r := run(t, g, testTrial(k, 300))
			lossless(t, r)
			if r.OneWay.Max == 0 || r.OneWay.P50 > r.OneWay.Max || r.Answers != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestLosses: the generator counts every packet that a device swallows, and only those.
func TestLosses(t *testing.T) {
	swallowed, measured := uint64(0), 0
	g := newGenerator(t, func(frames [][]byte, send func([]byte)) {
		for _, f := range frames {
			measured++
			if measured%10 == 0 {
				swallowed++
			} else {
				send(f)
			}
		}
	})
	trial := testTrial(NewUDP, 1000)
	trial.Warmup = 0
	r := run(t, g, trial)
	if r.Lost() != swallowed || swallowed == 0 || r.Loss() < 0.05 || r.Loss() > 0.15 {
		t.Errorf("lost %d (%g), swallowed %d", r.Lost(), r.Loss(), swallowed)
	}
}

// TestNothingComesBack: with a dead device, both the making of sessions and the trial end.
func TestNothingComesBack(t *testing.T) {
	g := newGenerator(t, func([][]byte, func([]byte)) {})
	g.quiet = time.Millisecond
	r := run(t, g, testTrial(UDP, 10))
	if r.Uncreated != 10 || r.Lost() != r.Sent || r.PacketRate() != 0 || r.Loss() != 1 {
		t.Errorf("%+v", r)
	}
}

// TestDirector sends all kinds of traffic through a real director in every mode, with the real
// servers' answers if they pass it.
func TestDirector(t *testing.T) {
	for _, m := range allModes {
		for _, k := range []Kind{UDP, TCP, NewUDP, NewTCP, Lives} {
			t.Run(fmt.Sprint(m, "-", k), func(t *testing.T) {
				trial := testTrial(k, 500)
				trial.Answer = m.TwoWay()
				r := run(t, newDirected(t, m, 20_000), trial)
				lossless(t, r)
				if trial.Answer != (r.Returned > 0) {
					t.Errorf("%d answers came back", r.Returned)
				}
			})
		}
	}
}

// TestDirectorAtFullRate: without a rate the generator sends what the device takes, and all packets
// are accounted for.
func TestDirectorAtFullRate(t *testing.T) {
	for _, m := range []modes.Mode{modes.DR, modes.NAT} {
		trial := testTrial(UDP, 1000)
		trial.Rate, trial.Answer = 0, m.TwoWay()
		// Long enough for the other side to get a CPU on a busy machine.
		trial.Duration = Duration(400 * time.Millisecond)
		r := run(t, newDirected(t, m, 2000), trial)
		if r.Forwarded > r.Sent || r.Returned > r.Answers || r.ForwardedInTime > r.Forwarded ||
			r.PacketRate() <= 0 || r.Missed != 0 {
			t.Errorf("%v: %+v", m, r)
		}
	}
}

// TestOtherSizes: a frame has the requested size on the wire, and its checksums are right whatever
// its buffer held before.
func TestOtherSizes(t *testing.T) {
	for _, size := range allSizes {
		g := newGenerator(t, func(frames [][]byte, send func([]byte)) {
			for _, f := range frames {
				if len(f) != size-fcs {
					t.Fatalf("%d bytes; want %d without FCS", len(f), size-fcs)
				}
				judged(t, f)
				send(f)
			}
		})
		trial := testTrial(TCP, 10)
		trial.Size = size
		lossless(t, run(t, g, trial))
	}
}

func TestARP(t *testing.T) {
	request := func(asker, asked string) []byte {
		frame := make([]byte, packet.MinFrameLen)
		packet.Ethernet(frame).SetHeader(packet.Broadcast, subjectMAC, packet.EtherTypeARP)
		packet.ARP(frame[packet.EthernetLen:]).Encode(packet.ARPFields{
			Op: packet.ARPRequest, SenderMAC: subjectMAC, SenderIP: packet.Addr4(address(asker)), TargetIP: packet.Addr4(address(asked)),
		})
		return frame
	}
	for _, c := range []struct {
		name, asked string
		answered    bool
	}{
		{"a real server", "10.0.1.1", true}, {"a gateway nobody mentioned", "10.0.3.4", true},
		{"the director's own address", "10.0.0.1", false}, {"the service", "10.0.0.100", false},
	} {
		var got []packet.ARP
		asked := false
		g := newGenerator(t, func(frames [][]byte, send func([]byte)) {
			for _, f := range frames {
				if packet.Ethernet(f).Type() == packet.EtherTypeARP {
					got = append(got, packet.ARP(f[packet.EthernetLen:]))
				} else {
					send(f)
				}
			}
			if !asked {
				asked = true
				send(request("10.0.0.1", c.asked))
			}
		})
		trial := testTrial(NewUDP, 10)
		trial.Warmup = 0
		r := run(t, g, trial)
		if r.Foreign != 1 || (len(got) == 1) != c.answered {
			t.Fatalf("%s: %d foreign packets, %d answers", c.name, r.Foreign, len(got))
		}
		if c.answered && (got[0].Op() != packet.ARPReply || got[0].SenderMAC() != generatorMAC ||
			packet.AddrFrom4(got[0].SenderIP()).String() != c.asked || got[0].TargetMAC() != subjectMAC) {
			t.Errorf("%s: answered %x", c.name, got[0])
		}
	}
}

func TestGeneratorAllocatesNothing(t *testing.T) {
	g, err := NewGenerator(testSite, newMirror(t), new(atomic.Bool))
	if err != nil {
		t.Fatal(err)
	}
	g.frame, g.source = newTemplate(&testSite, packet.ProtocolUDP, MinSize), newSource(UDP, 1000)
	g.begin()
	p := newPace(0)
	if n := testing.AllocsPerRun(100, func() {
		g.fill(&p, 0, 0)
		g.exchange()
		g.settle(&p)
		g.free.N = 0 // the mirror has them
	}); n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
	if g.count.forwarded == 0 {
		t.Error("nothing was forwarded")
	}
}

func TestStop(t *testing.T) {
	g := newGenerator(t, func(frames [][]byte, send func([]byte)) {
		for _, f := range frames {
			send(f)
		}
	})
	g.stop.Store(true)
	if _, err := g.Run(testTrial(UDP, 10)); !errors.Is(err, ErrStopped) {
		t.Errorf("%v; want %v", err, ErrStopped)
	}
}

func TestSiteIsChecked(t *testing.T) {
	for _, s := range []Site{
		{}, {VIP: service}, {SubjectMAC: subjectMAC}, {VIP: socket("198.18.0.1:80"), SubjectMAC: subjectMAC},
		{VIP: socket("[fd00::1]:80"), SubjectMAC: subjectMAC}, {VIP: socket("10.0.0.1:0"), SubjectMAC: subjectMAC},
	} {
		if _, err := NewGenerator(s, nil, nil); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}

func TestTrialIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Trial){
		"kind": func(t *Trial) { t.Kind = numKinds }, "no flow": func(t *Trial) { t.Flows = 0 },
		"too many flows": func(t *Trial) { t.Flows = MaxFlows + 1 }, "too small": func(t *Trial) { t.Size = 63 },
		"too large": func(t *Trial) { t.Size = 1519 }, "rate": func(t *Trial) { t.Rate = -1 },
		"duration": func(t *Trial) { t.Duration = 0 }, "warm-up": func(t *Trial) { t.Warmup = -1 },
	} {
		trial := testTrial(UDP, 10)
		if err := trial.Validate(); err != nil {
			t.Fatal(err)
		}
		spoil(&trial)
		if trial.Validate() == nil {
			t.Errorf("%s: %+v was accepted", name, trial)
		}
	}
}

func address(text string) netip.Addr    { return netip.MustParseAddr(text) }
func socket(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }
