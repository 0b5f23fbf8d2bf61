package director

import (
	"net/netip"
	"slices"
	"testing"

	"fulcrum/config"
	"fulcrum/lvs"
)

// TestAnsweringServers: the guard knows of the real servers whose own mode is nat, or that have it
// from their service.
func TestAnsweringServers(t *testing.T) {
	at := func(host byte) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, host}), 80)
	}
	for service, want := range map[lvs.Mode][]netip.AddrPort{
		lvs.NAT: {at(11), at(12)}, lvs.DR: {at(12)},
	} {
		s := config.Service{Mode: service, RealServers: []config.RealServer{
			{Address: at(11)}, {Address: at(12), Mode: lvs.Own(lvs.NAT)},
			{Address: at(13), Mode: lvs.Own(lvs.FullNAT)},
		}}
		if got := serviceOf(&config.Config{}, &s).Answering; !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", service, got, want)
		}
	}
}
