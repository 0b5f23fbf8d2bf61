package capture

import (
	"fmt"
	"net/netip"
	"strings"

	"fulcrum/packet"
)

// Sessions selects sessions by their client's side: the client and the VIP.
type Sessions struct {
	protocol    uint8 // 0 is any
	client, vip end
}

// end is an address with or without its port. The zero end matches every address.
type end struct {
	address packet.Addr
	port    uint16
	anyPort bool
	any     bool
}

// protocols are the words in front of the client that select one protocol.
var protocols = map[string]uint8{
	"tcp": packet.ProtocolTCP, "udp": packet.ProtocolUDP, "sctp": packet.ProtocolSCTP,
}

// ParseSessions parses "[PROTOCOL] CLIENT[:PORT] [VIP[:PORT]]", such as
// "tcp 198.51.100.7:4242 10.0.0.100:80". Without a port it is any port, and without a VIP any VIP.
func ParseSessions(text string) (s Sessions, err error) {
	words := strings.Fields(text)
	if len(words) > 0 {
		if p, is := protocols[words[0]]; is {
			s.protocol, words = p, words[1:]
		}
	}
	s.vip.any = true
	switch len(words) {
	case 1, 2:
	default:
		return s, fmt.Errorf("session %q: write CLIENT[:PORT] or CLIENT[:PORT] VIP[:PORT], such as "+
			"198.51.100.7:4242 10.0.0.100:80; tcp, udp or sctp may stand in front", text)
	}
	for i, e := range []*end{&s.client, &s.vip}[:len(words)] {
		if *e, err = parseEnd(words[i]); err != nil {
			return s, fmt.Errorf("session %q: %w", text, err)
		}
	}
	if !s.vip.any && s.client.address.Is4() != s.vip.address.Is4() {
		return s, fmt.Errorf("session %q: client and VIP are of different families", text)
	}
	return s, nil
}

func parseEnd(word string) (end, error) {
	at, err := netip.ParseAddrPort(word)
	anyPort := err != nil
	if anyPort {
		var a netip.Addr
		a, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(word, "["), "]"))
		at = netip.AddrPortFrom(a, 0)
	}
	if a := at.Addr(); err != nil || a.Zone() != "" || a.Is4In6() {
		return end{}, fmt.Errorf("invalid address %q: write an address with or without a port, "+
			"such as 10.0.0.100:80, fd00::100 or [fd00::100]:80", word)
	}
	return end{address: packet.AddrOf(at.Addr()), port: at.Port(), anyPort: anyPort}, nil
}

// Match reports whether a packet with this key, from the client to the VIP, belongs to a selected
// session.
func (s *Sessions) Match(k *packet.Key) bool {
	return (s.protocol == 0 || s.protocol == k.Protocol) &&
		s.client.is(k.Src, k.SrcPort) && s.vip.is(k.Dst, k.DstPort)
}

func (e *end) is(a packet.Addr, port uint16) bool {
	return e.any || e.address == a && (e.anyPort || e.port == port)
}
