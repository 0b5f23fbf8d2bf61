package lvs

import (
	"fmt"
	"net/netip"
	"strings"
)

// ServiceID identifies a service across configurations: its protocol and the address and port of
// its VIP. Counters, changes made live and sessions refer to it. It is comparable.
type ServiceID struct {
	Protocol Protocol
	Address  netip.AddrPort // the VIP and its port
}

// String returns the protocol and the address, as in "tcp 10.0.0.100:80".
func (id ServiceID) String() string { return fmt.Sprintf("%s %s", id.Protocol, id.Address) }

// Name returns a name for a service whose source has no names for services, such as ipvsadm:
// tcp-10.0.0.100-80.
func (id ServiceID) Name() string {
	address := strings.ReplaceAll(id.Address.Addr().StringExpanded(), ":", "-")
	return fmt.Sprintf("%s-%s-%d", id.Protocol, address, id.Address.Port())
}

// RealServerID identifies a real server across configurations: its service, and its own address and
// port. The forwarding mode is not part of it: it is a setting of the real server and a property of
// each session. It is comparable.
type RealServerID struct {
	Service ServiceID
	Address netip.AddrPort // the real server's own
}

// String returns the address and the service, as in "10.1.0.11:80 of tcp 10.0.0.100:80".
func (id RealServerID) String() string { return fmt.Sprintf("%s of %s", id.Address, id.Service) }
