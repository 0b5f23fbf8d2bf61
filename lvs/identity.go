package lvs

import (
	"fmt"
	"net/netip"
	"strings"
)

// ServiceID is what makes a service the same one in two configurations: its protocol and the address and port of its VIP.
// Counters, changes made live and sessions refer to it.
type ServiceID struct {
	Protocol Protocol
	Address  netip.AddrPort
}

func (id ServiceID) String() string { return fmt.Sprintf("%s %s", id.Protocol, id.Address) }

// Name returns a name for a service that comes from where services have none: tcp-10.0.0.100-80.
func (id ServiceID) Name() string {
	address := strings.ReplaceAll(id.Address.Addr().StringExpanded(), ":", "-")
	return fmt.Sprintf("%s-%s-%d", id.Protocol, address, id.Address.Port())
}

// RealServerID is what makes a real server the same one in two configurations: its service, and its own address and port.
// The forwarding mode is not part of it: that is a setting of the real server's and a property of each session.
type RealServerID struct {
	Service ServiceID
	Address netip.AddrPort
}

func (id RealServerID) String() string { return fmt.Sprintf("%s of %s", id.Address, id.Service) }
