package lab

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"fulcrum/lvs"
)

var (
	tunnelFrom = netip.MustParseAddr("10.1.0.1")
	tunnelTo   = netip.MustParseAddr("10.1.0.11")
)

// tunnelled returns an inner packet with a payload of the given length, wrapped for tunnelTo.
func tunnelled(payload int) []byte {
	inner := append(ipv4Header(unix.IPPROTO_UDP, 20+payload, netip.MustParseAddr("10.9.0.1"), vip),
		bytes.Repeat([]byte{0xab}, payload)...)
	outer := ipv4Header(unix.IPPROTO_IPIP, 20+len(inner), tunnelFrom, tunnelTo)
	return slices.Concat([]byte{2, 0, 10, 1, 0, 11, 2, 0, 10, 1, 0, 1, 8, 0}, outer, inner)
}

// TestDecapsulator runs the program in the kernel on single frames.
func TestDecapsulator(t *testing.T) {
	needRoot(t)
	program, err := ebpf.NewProgram(decapsulator(tunnelTo))
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer program.Close()
	whole := tunnelled(40)
	stripped := slices.Concat(whole[:14], whole[34:])
	changed := func(at int, to ...byte) []byte {
		frame := slices.Clone(whole)
		copy(frame[at:], to)
		return frame
	}
	for _, c := range []struct {
		name string
		in   []byte
		code uint32
		out  []byte
	}{
		{"tunnelled", whole, xdpPass, stripped},
		{"no payload", tunnelled(0), xdpPass, slices.Concat(whole[:14], tunnelled(0)[34:])},
		{"padded", append(slices.Clone(whole), 0, 0, 0), xdpPass, append(slices.Clone(stripped), 0, 0, 0)},
		{"another address", changed(33, 12), xdpPass, nil},
		{"another protocol", changed(23, unix.IPPROTO_UDP), xdpPass, nil},
		{"outer options", changed(14, 0x46), xdpPass, nil},
		{"not IPv4", changed(12, 0x86, 0xdd), xdpPass, nil},
		{"a fragment", changed(20, 0x20, 0), xdpPass, nil},
		{"a later fragment", changed(20, 0, 1), xdpPass, nil},
		{"inner not IPv4", changed(34, 0x65), xdpDrop, nil},
		{"inner longer than outer", changed(36, 1, 0), xdpDrop, nil},
		{"inner shorter than outer", changed(36, 0, 40), xdpDrop, nil},
		{"inner shorter than a header", changed(36, 0, 19), xdpDrop, nil},
		{"outer longer than the frame", changed(16, 5, 0), xdpDrop, nil},
		{"truncated", whole[:len(whole)-1], xdpDrop, nil},
		{"inner header cut", whole[:50], xdpDrop, nil},
		{"outer header cut", whole[:30], xdpPass, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.out == nil {
				c.out = c.in
			}
			code, out, err := program.Test(c.in)
			if err != nil || code != c.code || !bytes.Equal(out, c.out) {
				t.Errorf("code %d (want %d), err %v\n got %x\nwant %x", code, c.code, err, out, c.out)
			}
		})
	}
}

// TestDecapsulationOnRealServer sends one tunnelled datagram from the director's side. It awaits
// the echo, which the real server sends directly to the router.
func TestDecapsulationOnRealServer(t *testing.T) {
	l := newTestLab(t, testConfig(lvs.IPIP, 2))
	w, err := l.RealServerWire("rs1")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	client := netip.AddrPortFrom(l.Clients()[0], 4000)
	if err := w.Send(tunnelledDatagram(client, "hello")); err != nil {
		t.Fatal(err)
	}
	back := flow{unix.IPPROTO_UDP, echoService, client}
	_, err = w.Await(5*time.Second, func(frame []byte) bool {
		return len(frame) >= 42 && frame[13] == 0 && flowOf(frame[ethernetSize:]) == back &&
			bytes.Contains(frame, []byte(`"rs1"`))
	})
	if err != nil {
		t.Error(err)
	}
}

func tunnelledDatagram(client netip.AddrPort, payload string) []byte {
	udp := binary.BigEndian.AppendUint16(nil, client.Port())
	udp = binary.BigEndian.AppendUint16(udp, echoService.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(udp, 0, 0) // no checksum
	inner := slices.Concat(ipv4Header(unix.IPPROTO_UDP, 28+len(payload), client.Addr(), vip), udp,
		[]byte(payload))
	outer := ipv4Header(unix.IPPROTO_IPIP, 20+len(inner), tunnelFrom, tunnelTo)
	return slices.Concat(macOf(tunnelTo), macOf(tunnelFrom), []byte{8, 0}, outer, inner)
}
