package bench

import (
	"errors"
	"fmt"
	"net/netip"

	"fulcrum/packet"
)

// Site is what the generator knows of its surroundings.
type Site struct {
	VIP        netip.AddrPort // the service that clients send to
	SubjectMAC packet.MAC     // the device under test
	// MAC is the address of all other stations: clients' gateway and real servers, which the generator
	// plays.
	MAC packet.MAC
}

// Validate returns an error if something is missing.
func (s *Site) Validate() error {
	switch {
	case !s.VIP.IsValid() || !s.VIP.Addr().Is4() || s.VIP.Port() == 0:
		return fmt.Errorf("invalid service address %v: give an IPv4 address and port, such as 10.0.0.100:80", s.VIP)
	case isClient(packet.Addr4(s.VIP.Addr())):
		return fmt.Errorf("invalid service address %v: it is in the clients' subnet %v; give one outside it", s.VIP, clients)
	case s.SubjectMAC.IsZero():
		return errors.New("the MAC address of the device under test is missing: give it with --to")
	}
	return nil
}

// A network has the addresses of a site whose director has one arm, of one family.
type network struct {
	subnet      netip.Prefix
	own         netip.Addr // the director's
	gateway     netip.Addr // of the clients
	service     netip.AddrPort
	firstServer netip.Addr
	locals      string // fullnat's local addresses
	everything  string // the subnet of the default route
}

var (
	network4 = network{
		subnet: netip.MustParsePrefix("10.0.0.0/16"), own: netip.MustParseAddr("10.0.0.1"),
		gateway: netip.MustParseAddr("10.0.255.254"), service: service,
		firstServer: netip.MustParseAddr("10.0.1.1"), locals: "10.0.2.1-10.0.2.16",
		everything: "0.0.0.0/0",
	}
	network6 = network{
		subnet: netip.MustParsePrefix("fd00::/64"), own: netip.MustParseAddr("fd00::1"),
		gateway: netip.MustParseAddr("fd00::fffe"), service: netip.MustParseAddrPort("[fd00::100]:80"),
		firstServer: netip.MustParseAddr("fd00::1:1"), locals: "fd00::2:1-fd00::2:10",
		everything: "::/0",
	}
)

var (
	service      = netip.MustParseAddrPort("10.0.0.100:80")    // network4's
	subjectMAC   = packet.MAC{0x56, 0x48, 0x4f, 0x53, 0x54, 0} // a process's first vhost device
	generatorMAC = packet.MAC{0x02, 0, 0, 0, 0, 0xfe}
	serverPort   = uint16(8080) // in the modes that can translate it
	serverCount  = 16
)

// networkOf returns the addresses of a family.
func networkOf(six bool) *network {
	if six {
		return &network6
	}
	return &network4
}

// servers returns the addresses of the real servers. With its local addresses, fullnat needs this
// many for 16 million sessions.
func (n *network) servers() []netip.Addr {
	var list []netip.Addr
	for a := n.firstServer; len(list) < serverCount; a = a.Next() {
		list = append(list, a)
	}
	return list
}
