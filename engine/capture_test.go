package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"fulcrum/capture"
	"fulcrum/modes"
)

func everyStage(packets int) CaptureConfig {
	return CaptureConfig{Stages: []capture.Stage{capture.Rx, capture.Tx, capture.Drop},
		Packets: packets, Bytes: 1 << 20, Snap: 64}
}

// whileCapturing runs traffic during a capture and describes the records.
func (b *bed) whileCapturing(c CaptureConfig, traffic func()) (string, Captured) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var list []string
	var result Captured
	ended := make(chan error, 1)
	go func() {
		var err error
		result, err = b.engine.Capture(ctx, c, func(r *capture.Record) error {
			list = append(list, fmt.Sprintf("%s %d %s", r.Stage, r.Port, Verdict(r.Reason)))
			return nil
		})
		ended <- err
	}()
	for !b.tapped() {
		b.turnAll()
	}
	traffic()
	cancel()
	for {
		select {
		case err := <-ended:
			if err != nil {
				b.Fatal(err)
			}
			return strings.Join(list, ", "), result
		default:
			b.turnAll()
		}
	}
}

func (b *bed) tapped() bool {
	for _, w := range b.engine.workers {
		if w.tap == nil {
			return false
		}
	}
	return true
}

// TestCaptureOfEveryStage: the capture records received, sent and dropped packets, also packets
// that become an ICMP error or a reset. After its end it records nothing.
func TestCaptureOfEveryStage(t *testing.T) {
	s := twoArm
	n := s.serving(s.web(modes.NAT, 1), s.echo(modes.NAT, 0))
	n.ResetUnknown = ResetTwoWay
	b := newBed(t, s, n)
	got, result := b.whileCapturing(everyStage(100), func() {
		b.fromClient(tcp(client, webVIP, "S"))
		b.fromClient(tcp(clientAt(2), webVIP, "A"))
		b.fromClient(udp(client, echoVIP, "?"))
		b.fromClient(tcp(client, vipAlone+":81", "S"))
	})
	want := "rx 0 taken, tx 1 taken, rx 0 taken, drop 0 no_session, " +
		"rx 0 taken, drop 0 no_real_server, tx 0 taken, rx 0 taken, drop 0 no_service, tx 0 taken"
	if got != want || result.Packets != 10 || result.Missed != 0 {
		t.Errorf("%+v: recorded\n%s, want\n%s", result, got, want)
	}
	if b.tapped() {
		t.Error("the worker still has a tap")
	}
	b.collectAll()
}

// TestCaptureEnds: at the number of packets, at the number of bytes, and when deliver returns an
// error.
func TestCaptureEnds(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 1)))
	few := everyStage(3)
	short := everyStage(100)
	short.Bytes = 100 // reached by the second packet
	for want, c := range map[int]CaptureConfig{3: few, 2: short} {
		_, result := b.whileCapturing(c, func() {
			for i := range 10 {
				b.fromClient(tcp(clientAt(i), webVIP, "S"))
			}
		})
		if result.Packets != want {
			t.Errorf("%d packets, want %d", result.Packets, want)
		}
	}
	b.collectAll()
}

// TestCaptureCopiesOnceWhatIsSentLate: a packet that the device did not take at first is recorded
// once.
func TestCaptureCopiesOnceWhatIsSentLate(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 1)), func(c *bedConfig) { c.txLimit = 1 })
	c := everyStage(100)
	c.Stages = []capture.Stage{capture.Tx}
	var frames [][]byte
	for i := range 8 {
		frames = append(frames, s.in(tcp(clientAt(i), webVIP, "S")).frame(s.gateway.mac,
			s.own(s.front).mac))
	}
	_, result := b.whileCapturing(c, func() {
		b.receive(s.front, frames...)
		for range 20 {
			b.turnAll()
		}
	})
	if result.Packets != 8 {
		t.Errorf("%d packets, want 8", result.Packets)
	}
	b.collectAll()
}

// TestFullRingMisses: without a reader a full ring only counts the missed packets.
func TestFullRingMisses(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 1)))
	b.worker.tap = &tap{ring: capture.NewRing(2, 64), sent: make([]int, 1),
		stages: [capture.NumStages]bool{capture.Rx: true}}
	for i := range 5 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	if n := b.worker.tap.ring.Missed(); n != 3 {
		t.Errorf("%d missed, want 3", n)
	}
	b.collectAll()
}

func TestOneCaptureAtATime(t *testing.T) {
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.DR, 1)))
	first := everyStage(9)
	first.From, first.What = "the first", "every packet"
	b.whileCapturing(first, func() {
		_, err := b.engine.Capture(t.Context(), everyStage(9), nil)
		other, is := errors.AsType[*CapturingError](err)
		running := b.engine.RunningCapture()
		if !is || running == nil || other.RunningCapture != *running || running.From != "the first" ||
			!strings.Contains(err.Error(), "of every packet, by the first") {
			t.Errorf("%v; running %+v", err, running)
		}
	})
	if running := b.engine.RunningCapture(); running != nil {
		t.Errorf("%+v has ended and still runs", running)
	}
	for _, c := range []CaptureConfig{{}, {Stages: everyStage(1).Stages, Packets: 1, Bytes: 1, Snap: 1}} {
		if _, err := b.engine.Capture(t.Context(), c, nil); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
