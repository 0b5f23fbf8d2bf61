package capture

import (
	"net/netip"
	"strings"
	"testing"

	"fulcrum/packet"
)

func key(protocol uint8, from, to string) *packet.Key {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	return &packet.Key{Protocol: protocol, Flow: packet.Flow{
		Src: packet.AddrOf(src.Addr()), SrcPort: src.Port(),
		Dst: packet.AddrOf(dst.Addr()), DstPort: dst.Port(),
	}}
}

func TestSessions(t *testing.T) {
	web := key(packet.ProtocolTCP, "192.0.2.7:4242", "10.0.0.100:80")
	web6 := key(packet.ProtocolTCP, "[2001:db8::7]:4242", "[fd00::100]:80")
	for _, tt := range []struct {
		text       string
		web, isSix bool
	}{
		{"192.0.2.7:4242 10.0.0.100:80", true, false},
		{"tcp 192.0.2.7:4242 10.0.0.100:80", true, false},
		{"udp 192.0.2.7:4242 10.0.0.100:80", false, false},
		{"192.0.2.7", true, false},
		{"192.0.2.7:4243", false, false},
		{"192.0.2.7:0", false, false},
		{"192.0.2.7 10.0.0.100", true, false},
		{"192.0.2.7 10.0.0.100:81", false, false},
		{"192.0.2.7 10.0.0.101", false, false},
		{"10.0.0.100:80 192.0.2.7:4242", false, false},
		{"2001:db8::7", false, true},
		{"[2001:db8::7]:4242 fd00::100", false, true},
		{"[2001:db8::7] [fd00::100]:80", false, true},
	} {
		s, err := ParseSessions(tt.text)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, got6 := s.Match(web), s.Match(web6); got != tt.web || got6 != tt.isSix {
			t.Errorf("%q selects %v, %v; want %v, %v", tt.text, got, got6, tt.web, tt.isSix)
		}
	}
}

func TestBadSessions(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "write CLIENT[:PORT]"},
		{"tcp", "write CLIENT[:PORT]"},
		{"10.0.0.1 10.0.0.2 10.0.0.3", "write CLIENT[:PORT]"},
		{"web", `invalid address "web"`},
		{"10.0.0.1:http", `invalid address "10.0.0.1:http"`},
		{"fe80::1%eth0", "invalid address"},
		{"::ffff:10.0.0.1", "invalid address"},
		{"10.0.0.1 fd00::100", "different families"},
	} {
		if _, err := ParseSessions(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

// FuzzSessions checks that no text makes the parser panic.
func FuzzSessions(f *testing.F) {
	f.Add("tcp [2001:db8::7]:4242 fd00::100")
	f.Fuzz(func(_ *testing.T, text string) {
		if s, err := ParseSessions(text); err == nil {
			s.Match(&packet.Key{})
		}
	})
}
