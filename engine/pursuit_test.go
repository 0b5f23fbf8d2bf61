package engine

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"fulcrum/capture"
	"fulcrum/modes"
	"fulcrum/packet"
)

// pursued captures the packets of some sessions at all stages.
func pursued(t testing.TB, text string) CaptureConfig {
	t.Helper()
	sessions, err := capture.ParseSessions(text)
	if err != nil {
		t.Fatal(err)
	}
	c := everyStage(10_000)
	c.Sessions, c.Snap = &sessions, 2048
	return c
}

// seen is one packet on a wire of the director.
type seen struct {
	stage capture.Stage
	port  int
	frame string
}

// watched is a bed with a record of every packet of one conversation, in any order.
type watched struct {
	*bed
	mode      modes.Mode
	expected  []seen
	datagrams uint16 // fragmented so far
}

// pass delivers frames, notes them and what is sent for them as parts of the conversation, and
// returns what was sent. The parts of other conversations are not noted.
func (w *watched) pass(noted bool, port int, frames ...[]byte) (sent [][]byte) {
	w.Helper()
	w.deliver(port, frames...)
	for w.turnAll() > 0 {
	}
	if noted {
		for _, f := range frames {
			w.expected = append(w.expected, seen{capture.Rx, port, string(f)})
		}
	}
	for i, all := range w.collectAll() {
		for _, f := range all {
			if noted {
				w.expected = append(w.expected, seen{capture.Tx, i, string(f)})
			}
			sent = append(sent, f)
		}
	}
	return sent
}

// ask passes packets of a client, and returns what real servers received.
func (w *watched) ask(noted bool, frames ...[]byte) [][]byte {
	w.Helper()
	s := &w.site
	for i, f := range frames {
		frames[i] = append(slices.Clone(header(s.gateway.mac, s.own(s.front).mac, s.is6)), f...)
	}
	sent := w.pass(noted, s.front, frames...)
	if len(sent) != len(frames) {
		w.Fatalf("%d frames sent for %d of a client; dropped %s", len(sent), len(frames), w.drops())
	}
	return sent
}

// reply passes an answer of the real server that received a frame, in the modes that have some.
func (w *watched) reply(noted bool, received []byte, answer func(asked pkt) pkt) {
	w.Helper()
	if !w.mode.TwoWay() {
		return
	}
	s := &w.site
	src, dst := flowOf(received)
	i := slices.IndexFunc(s.servers, func(h host) bool { return h.addr == dst.Addr() })
	f := answer(pkt{src: src, dst: dst, protocol: packet.ProtocolUDP}).frame(s.servers[i].mac,
		s.own(s.back).mac)
	if sent := w.pass(noted, s.back, f); len(sent) != 1 {
		w.Fatalf("%d frames sent for an answer; dropped %s", len(sent), w.drops())
	}
}

func header(from, to packet.MAC, six bool) []byte {
	h := packet.Ethernet(make([]byte, packet.EthernetLen))
	h.SetHeader(to, from, packet.EtherTypeIPv4)
	if six {
		h.SetType(packet.EtherTypeIPv6)
	}
	return h
}

// converse has a client speak with a real server: a datagram, fragments, and an ICMP error.
func (w *watched) converse(noted bool, client string) {
	w.Helper()
	s := &w.site
	asks := s.in(udp(client, echoVIP, "?"))
	received := w.ask(noted, asks.ip())[0]
	w.reply(noted, received, func(asked pkt) pkt { return asked.reply("", "!") })
	w.datagrams++
	long := s.in(udp(client, echoVIP, strings.Repeat("long ", 20)).with(func(p *pkt) { p.id = w.datagrams }))
	for _, f := range fragmentsOf(long, 64) {
		w.ask(noted, f)
	}
	if w.mode.TwoWay() {
		w.ask(noted, s.in(unreachable(udp(echoVIP, client, "!"), packet.ICMPCodePortUnreachable)).ip())
	}
}

// record runs a capture while traffic runs, and returns what it has recorded.
func (w *watched) record(c CaptureConfig, traffic func()) (all []seen) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := w.engine.Capture(ctx, c, func(r *capture.Record) error {
			all = append(all, seen{r.Stage, int(r.Port), string(r.Data)})
			return nil
		})
		ended <- err
	}()
	for !w.tapped() {
		w.turnAll()
	}
	traffic()
	cancel()
	for {
		select {
		case err := <-ended:
			if err != nil {
				w.Fatal(err)
			}
			return all
		default:
			w.turnAll()
		}
	}
}

func (w *watched) compare(got []seen) {
	w.Helper()
	order := func(a, b seen) int {
		return strings.Compare(fmt.Sprint(a.stage, a.port, a.frame), fmt.Sprint(b.stage, b.port, b.frame))
	}
	slices.SortFunc(got, order)
	slices.SortFunc(w.expected, order)
	for _, s := range w.expected {
		if !slices.Contains(got, s) {
			w.Errorf("not recorded: %s at port %d\n%s", s.stage, s.port, dump([]byte(s.frame)))
		}
	}
	for _, s := range got {
		if !slices.Contains(w.expected, s) {
			w.Errorf("recorded: %s at port %d\n%s", s.stage, s.port, dump([]byte(s.frame)))
		}
	}
	if len(got) != len(w.expected) {
		w.Errorf("%d packets recorded, want %d", len(got), len(w.expected))
	}
}

// TestCaptureOfASession: a capture of one session has its packets on both legs, received and sent,
// with fragments and ICMP errors, in every mode and family. It has no packet of other sessions of
// the same client or of other clients. That holds for sessions that began before, whichever worker
// receives their packets.
func TestCaptureOfASession(t *testing.T) {
	for _, workers := range []int{1, 2} {
		eachMode(t, func(t *testing.T, s site, m modes.Mode) {
			for _, began := range []bool{false, true} {
				t.Run(fmt.Sprint(workers, " workers, began ", began), func(t *testing.T) {
					for i := range 2 {
						w := &watched{mode: m}
						w.bed = newBed(t, s, s.serving(s.echo(m, 1)), crowd(workers), narrow(1))
						mine, other := clientAt(i), netip.MustParseAddrPort(clientAt(i))
						another := netip.AddrPortFrom(other.Addr(), other.Port()+1).String()
						if began {
							w.converse(false, mine)
							w.converse(false, another)
						}
						from := s.in(udp(mine, echoVIP, ""))
						text := fmt.Sprint("udp ", from.src, " ", from.dst)
						w.compare(w.record(pursued(t, text), func() {
							for range 2 {
								w.converse(true, mine)
								w.converse(false, another)
								w.converse(false, clientAt(i+250))
							}
						}))
						w.close()
					}
				})
			}
		})
	}
}

// TestCaptureOfAClient: without a port it has all sessions of the client, and what belongs to none.
func TestCaptureOfAClient(t *testing.T) {
	s := twoArm
	w := &watched{mode: modes.FullNAT}
	w.bed = newBed(t, s, s.serving(s.echo(modes.FullNAT, 1)))
	mine := netip.MustParseAddrPort(clientAt(0))
	got := w.record(pursued(t, mine.Addr().String()), func() {
		w.converse(true, mine.String())
		w.converse(true, netip.AddrPortFrom(mine.Addr(), 9).String())
		w.converse(false, clientAt(250))
		stray := tcp(mine.String(), echoVIP, "A").frame(s.gateway.mac, s.own(s.front).mac)
		w.pass(true, s.front, stray)
		w.expected = append(w.expected, seen{capture.Drop, s.front, string(stray)})
	})
	w.compare(got)
}

// TestCaptureOfASessionAllocatesNothing: what a worker does for a packet.
func TestCaptureOfASessionAllocatesNothing(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.echo(modes.FullNAT, 1)))
	c := pursued(t, "192.0.2.1:7 10.0.0.100")
	u := newPursuit(c.Sessions, b.worker, false)
	p := udp(client, echoVIP, "?")
	for _, f := range [][]byte{
		p.frame(s.gateway.mac, s.own(s.front).mac),
		unreachable(p, packet.ICMPCodePortUnreachable).frame(s.gateway.mac, s.own(s.front).mac),
		tunnelled(p, p.src.Addr(), p.dst.Addr(), 1).frame(s.gateway.mac, s.own(s.front).mac),
		bytes.Repeat([]byte{7}, 60),
	} {
		if n := testing.AllocsPerRun(100, func() { u.selects(f) }); n != 0 {
			t.Errorf("%v allocations for\n%s", n, dump(f))
		}
	}
}

// FuzzPursuit checks that no frame makes a worker panic that looks for a session.
func FuzzPursuit(f *testing.F) {
	s := twoArm
	b := newBed(f, s, s.serving(s.echo(modes.NAT, 1)))
	u := newPursuit(pursued(f, client).Sessions, b.worker, false)
	p := udp(client, echoVIP, "?")
	for _, q := range []pkt{p, unreachable(p, packet.ICMPCodePortUnreachable), tunnelled(p, p.src.Addr(), p.dst.Addr(), 1),
		tunnelled(unreachable(p, packet.ICMPCodePortUnreachable), p.src.Addr(), p.dst.Addr(), 1), p.six(),
		unreachable(p, packet.ICMPCodePortUnreachable).six()} {
		f.Add(q.frame(s.gateway.mac, s.own(s.front).mac))
	}
	f.Fuzz(func(_ *testing.T, frame []byte) { u.selects(frame) })
}
