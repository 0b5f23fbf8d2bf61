package packet

import (
	"net/netip"
	"testing"
)

func TestAddr(t *testing.T) {
	for text, is4 := range map[string]bool{"10.1.2.3": true, "0.0.0.0": true, "255.255.255.255": true, "::": false, "::1": false, "fd00::10:1": false, "::fffe:a01:203": false} {
		want := netip.MustParseAddr(text)
		a := AddrOf(want)
		if a.Is4() != is4 || a.Netip() != want || a.String() != text {
			t.Errorf("%s: %+v, IPv4 %t, back %s", text, a, a.Is4(), a)
		}
		if is4 && (a != AddrOf4(Addr4(want)) || a.V4() != Addr4(want)) {
			t.Errorf("%s: number %x", text, a.V4())
		}
		var b [16]byte
		a.Put(b[:])
		if AddrOf6(b[:]) != a {
			t.Errorf("%s: bytes %x", text, b)
		}
	}
}
