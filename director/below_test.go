package director

import (
	"net/netip"
	"strings"
	"testing"

	"fulcrum/config"
)

// TestAddressesBelow: the warning names a few of them, and the way out.
func TestAddressesBelow(t *testing.T) {
	p := config.Port{Name: "front", Host: "ful-front", Device: "net_af_xdp0,iface=eth1"}
	var has []netip.Prefix
	for i := range byte(6) {
		has = append(has, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, i}), 24))
	}
	got := addressesBelow(&p, has)
	for _, want := range []string{
		"eth1 has addresses (10.0.0.0/24, ", "10.0.0.3/24, and 2 more)", "ful-front; ",
		"fulcrum host adopt front",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

// TestSharesHost: the kernel reads what packet sockets read, and nothing of net_af_xdp.
func TestSharesHost(t *testing.T) {
	for device, want := range map[string]struct {
		shares bool
		below  string
	}{
		"net_af_packet0,iface=eth1": {true, "eth1"},
		"net_pcap0,iface=eth1":      {true, "eth1"},
		"net_af_xdp0,iface=eth1":    {false, "eth1"},
		"net_null0":                 {},
		"0000:3b:00.0":              {},
	} {
		p := config.Port{Device: device, Host: "ful-front"}
		if sharesHost(&p) != want.shares || p.KernelInterface() != want.below {
			t.Errorf("%s: %t, %q", device, sharesHost(&p), p.KernelInterface())
		}
		if p.Host = ""; sharesHost(&p) {
			t.Errorf("%s without a host interface", device)
		}
	}
}
