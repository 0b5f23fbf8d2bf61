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
	MAC        packet.MAC     // everybody else: clients' gateway and real servers, played by the generator
}

// Validate reports what is missing.
func (s *Site) Validate() error {
	switch {
	case !s.VIP.IsValid() || !s.VIP.Addr().Is4() || s.VIP.Port() == 0:
		return fmt.Errorf("the service's address %v is no IPv4 address and port: give one such as 10.0.0.100:80", s.VIP)
	case isClient(packet.Addr4(s.VIP.Addr())):
		return fmt.Errorf("the service's address %v lies in %v, where the clients are: give one outside", s.VIP, clients)
	case s.SubjectMAC.IsZero():
		return errors.New("the MAC address of the device under test is missing: packets are sent to it")
	}
	return nil
}

// The addresses of a site with the director on one arm.
var (
	subnet       = netip.MustParsePrefix("10.0.0.0/16")
	directorOwn  = netip.MustParseAddr("10.0.0.1")
	gateway      = netip.MustParseAddr("10.0.255.254")
	service      = netip.MustParseAddrPort("10.0.0.100:80")
	firstServer  = netip.MustParseAddr("10.0.1.1")
	subjectMAC   = packet.MAC{0x56, 0x48, 0x4f, 0x53, 0x54, 0} // of the first vhost device of a process
	generatorMAC = packet.MAC{0x02, 0, 0, 0, 0, 0xfe}
	localRange   = "10.0.2.1-10.0.2.16"
	serverPort   = uint16(8080) // where the mode can translate it
	serverCount  = 16
)

// servers are the addresses of the real servers. Fullnat needs so many, with its local addresses, for 16 million sessions.
func servers() []netip.Addr {
	var list []netip.Addr
	for a := firstServer; len(list) < serverCount; a = a.Next() {
		list = append(list, a)
	}
	return list
}
