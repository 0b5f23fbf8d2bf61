//go:build amd64

package engine

// Why this is sound: the frames lie in a mapping of the test's own, which lives as long as the
// process and which the Go runtime did not allocate. The layout test only reads offsets.

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"fulcrum/packet"
	"fulcrum/ports"
)

// TestUsualLayout holds the layouts that usual_amd64.s relies on.
func TestUsualLayout(t *testing.T) {
	var p ports.Packet
	var m meta
	for what, c := range map[string]struct{ got, want uintptr }{
		"a packet":     {unsafe.Sizeof(p), 40},
		"Buffer":       {unsafe.Offsetof(p.Buffer), 8},
		"Offset":       {unsafe.Offsetof(p.Offset), 16},
		"Length":       {unsafe.Offsetof(p.Length), 18},
		"RxFlags":      {unsafe.Offsetof(p.RxFlags), 28},
		"Port":         {unsafe.Offsetof(p.Port), 32},
		"meta":         {unsafe.Sizeof(m), 32},
		"Kind":         {unsafe.Offsetof(m.Kind), 0},
		"Fault":        {unsafe.Offsetof(m.Fault), 1},
		"TCPFlags":     {unsafe.Offsetof(m.TCPFlags), 2},
		"TTL":          {unsafe.Offsetof(m.TTL), 3},
		"DontFragment": {unsafe.Offsetof(m.DontFragment), 4},
		"Network":      {unsafe.Offsetof(m.Network), 6},
		"Transport":    {unsafe.Offsetof(m.Transport), 8},
		"End":          {unsafe.Offsetof(m.End), 10},
		"Src":          {unsafe.Offsetof(m.Src), 12},
		"Dst":          {unsafe.Offsetof(m.Dst), 16},
		"SrcPort":      {unsafe.Offsetof(m.SrcPort), 20},
		"DstPort":      {unsafe.Offsetof(m.DstPort), 22},
		"Protocol":     {unsafe.Offsetof(m.Protocol), 24},
		"index":        {unsafe.Offsetof(m.index), 28},
		"verdict":      {unsafe.Offsetof(m.verdict), 29},
		"fragment":     {unsafe.Offsetof(m.fragment), 30},
		"plain":        {unsafe.Offsetof(m.plain), 31},
		"TCP4":         {uintptr(packet.TCP4), 10},
		"UDP4":         {uintptr(packet.UDP4), 11},
		"TCP6":         {uintptr(packet.TCP6), 13},
		"UDP6":         {uintptr(packet.UDP6), 14},
		"UsualLen":     {packet.UsualLen, 54},
		"UsualLen6":    {packet.UsualLen6, 62},
		"a burst":      {ports.MaxBurst, 64}, // as many bits as others has
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", what, c.got, c.want)
		}
	}
}

// brink is memory that ends at a page without access: a read past its end is a fault.
type brink struct{ memory []byte }

const brinkLen = 4096

func newBrink(t testing.TB) brink {
	const access, kind = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_ANON | unix.MAP_PRIVATE
	memory, err := unix.Mmap(-1, 0, 2*brinkLen, access, kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(memory) })
	if err := unix.Mprotect(memory[brinkLen:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return brink{memory}
}

// hold returns a packet whose frame ends where the memory does.
func (b brink) hold(frame []byte) ports.Packet {
	offset := brinkLen - len(frame)
	copy(b.memory[offset:], frame)
	return ports.Packet{
		Buffer: uintptr(unsafe.Pointer(&b.memory[0])), BufferLen: brinkLen,
		Offset: uint16(offset), Length: uint16(len(frame)),
	}
}

var usualHasher = packet.NewHasher(0x0123456789abcdef, 0xfedcba9876543210)

// checkUsual compares parseUsual with ParseUsual and ParseUsual6 for one frame at a place of a
// burst.
func checkUsual(
	t interface{ Fatalf(string, ...any) }, b brink, frame []byte, place int, flags ports.RxFlags,
) {
	at := packet.Station(0)
	if len(frame) >= 8 {
		at = packet.Station(binary.BigEndian.Uint64(frame) &^ 0xffff)
	}
	// What another packet has left there is no part of the result.
	left := packet.Parsed{
		Kind: packet.ICMP6, Fault: packet.FaultTruncated, TCPFlags: 0xff, TTL: 9, DontFragment: true,
	}
	got, hash := meta{Parsed: left, verdict: 77, fragment: true, plain: true}, uint64(0)
	p := b.hold(frame)
	p.RxFlags, p.Port = flags, 3
	others := parseUsual(&p, &got, &hash, place, place+1, at, 3, odd, &usualHasher)
	want := meta{Parsed: left, index: uint8(place)}
	wantHash, u := want.ParseUsual(frame, at, &usualHasher)
	if u == packet.Unusual {
		wantHash, u = want.ParseUsual6(frame, at, &usualHasher)
	}
	want.plain = u == packet.Plain
	if other := u == packet.Unusual || flags&odd != 0; other != (others == 1<<place) {
		t.Fatalf("others %#x, degree %d: %x", others, u, frame)
	} else if other {
		return
	}
	if got != want || hash != wantHash {
		t.Fatalf("got %+v, hash %x\nwant %+v, hash %x\n%x", got, hash, want, wantHash, frame)
	}
	others = parseUsual(&p, &got, &hash, place, place+1, at, 2, odd, &usualHasher)
	if others != 1<<place {
		t.Fatalf("a packet of another port is among the usual ones: %x", frame)
	}
}

func isUsual(frame []byte) bool {
	var p packet.Parsed
	at := packet.NewStation(packet.Ethernet(frame).Dst())
	_, four := p.ParseUsual(frame, at, &usualHasher)
	_, six := p.ParseUsual6(frame, at, &usualHasher)
	return four != packet.Unusual || six != packet.Unusual
}

// sumUp gives a frame the checksum of an IPv4 header without options.
func sumUp(frame []byte) {
	h := packet.IPv4(frame[packet.EthernetLen:][:packet.IPv4MinLen])
	h.SetChecksum(0)
	h.SetChecksum(packet.Checksum(h))
}

// usualFrames are such, of each family and protocol.
func usualFrames() (all [][]byte) {
	for _, s := range []struct{ client, vip string }{
		{"192.168.5.9:4000", "10.0.0.100:80"}, {"[2001:db8:5::9]:4000", "[2001:db8::100]:80"},
	} {
		for _, p := range []pkt{
			tcp(s.client, s.vip, "A"), tcp(s.client, s.vip, "S"),
			tcp(s.client, s.vip, "PA").carrying("GET /"),
			udp(s.client, s.vip, "a datagram of some length, and more"), udp(s.client, s.vip, ""),
		} {
			frame := p.frame(packet.MAC{2, 0, 0, 0, 0, 1}, packet.MAC{2, 0, 0, 0, 0, 2})
			all = append(all, append(frame, make([]byte, max(0, 60-len(frame)))...))
		}
	}
	return all
}

// TestParseUsual: it finds what ParseUsual and ParseUsual6 find, in whole frames and in such with
// wrong bytes, and reads nothing behind them.
func TestParseUsual(t *testing.T) {
	b, frames := newBrink(t), usualFrames()
	for _, f := range frames {
		if checkUsual(t, b, f, 0, 0); !isUsual(f) {
			t.Errorf("not usual: %x", f)
		}
		for n := range f {
			checkUsual(t, b, f[:n], 63, 0)
		}
	}
	bytes := rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0, 1, 0x40, 0x45, 0x60, 0xff}))
	someFlags := rapid.SampledFrom([]ports.RxFlags{
		0, 0, 0, ports.RxHash, ports.RxVLAN, ports.RxMultiSegment,
	})
	rapid.Check(t, func(t *rapid.T) {
		f := append([]byte(nil), rapid.SampledFrom(frames).Draw(t, "frame")...)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			i := rapid.IntRange(0, min(len(f), 80)-1).Draw(t, "place")
			f[i] = bytes.Draw(t, "byte")
		}
		if rapid.Bool().Draw(t, "whole checksum") && len(f) >= 34 && f[12] == 8 {
			sumUp(f)
		}
		flags := someFlags.Draw(t, "flags")
		f = f[:rapid.OneOf(rapid.Just(len(f)), rapid.IntRange(0, len(f))).Draw(t, "length")]
		checkUsual(t, b, f, rapid.IntRange(0, 63).Draw(t, "place in the burst"), flags)
	})
}

// TestParseUsualLane: the packets of a lane have the results that each has alone, at any place of
// the burst, whatever lies between them.
func TestParseUsualLane(t *testing.T) {
	frames := usualFrames()
	at := packet.NewStation(packet.Ethernet(frames[0]).Dst())
	var places [ports.MaxBurst]brink
	for i := range places {
		places[i] = newBrink(t)
	}
	rapid.Check(t, func(r *rapid.T) {
		var packets [ports.MaxBurst]ports.Packet
		var metas, alone [ports.MaxBurst]meta
		var hashes, hash [ports.MaxBurst]uint64
		from := rapid.IntRange(0, ports.MaxBurst).Draw(r, "from")
		to := rapid.IntRange(from, min(from+lane, ports.MaxBurst)).Draw(r, "to")
		want := uint64(0)
		for i := from; i < to; i++ {
			frame := rapid.SampledFrom(frames).Draw(r, "frame")
			packets[i] = places[i].hold(frame)
			packets[i].Port = uint16(rapid.IntRange(0, 1).Draw(r, "port"))
			packets[i].Length -= uint16(rapid.SampledFrom([]int{0, 0, 40}).Draw(r, "shorter"))
			want |= parseUsual(&packets[i], &alone[i], &hash[i], i, i+1, at, 1, odd, &usualHasher)
		}
		if from == ports.MaxBurst {
			return
		}
		others := parseUsual(&packets[from], &metas[from], &hashes[from], from, to, at, 1, odd,
			&usualHasher)
		if others != want || metas != alone || hashes != hash {
			r.Fatalf("%d to %d: others %#x, want %#x\n%+v\nwant %+v", from, to, others, want, metas, alone)
		}
	})
}

// FuzzParseUsual: see TestParseUsual.
func FuzzParseUsual(f *testing.F) {
	b := newBrink(f)
	for _, frame := range usualFrames() {
		f.Add(frame, uint16(0))
	}
	f.Fuzz(func(t *testing.T, frame []byte, flags uint16) {
		if len(frame) > brinkLen {
			return
		}
		checkUsual(t, b, frame, 5, ports.RxFlags(flags))
		if len(frame) >= packet.EthernetLen+packet.IPv4MinLen {
			sumUp(frame) // otherwise few inputs pass it
			checkUsual(t, b, frame, 5, 0)
		}
	})
}
