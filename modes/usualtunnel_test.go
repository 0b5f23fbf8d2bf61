package modes_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/modes"
	"fulcrum/packet"
)

// TestWrap: it does to every usual packet what Encapsulate and ClearDF do.
func TestWrap(t *testing.T) {
	const outer, inner = packet.EthernetLen, packet.EthernetLen + packet.IPv4MinLen
	rapid.Check(t, func(t *rapid.T) {
		segment := drawAnySegment(t)
		segment.ip.Options, segment.ip.TTL = nil, max(segment.ip.TTL, 2)
		frame := append(make([]byte, inner), segment.bytes(t)...)
		src, dst := cornered32().Draw(t, "src"), cornered32().Draw(t, "dst")
		id, clearDF := cornered16().Draw(t, "id"), rapid.Bool().Draw(t, "clear DF")
		want := bytes.Clone(frame)
		packet.Ethernet(want).SetType(packet.EtherTypeIPv4)
		modes.Encapsulate(want[outer:], src, dst, id)
		if clearDF {
			modes.ClearDF(packet.IPv4(want[outer:]))
		}
		o := modes.NewOuter(src, dst, clearDF)
		o.Wrap((*[packet.UsualLen]byte)(frame), id)
		if !bytes.Equal(frame, want) {
			t.Fatalf("got %x\nwant %x", frame, want)
		}
	})
}
