package director

import (
	"testing"

	"fulcrum/config"
)

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
		if sharesHost(&p) != want.shares || p.Below() != want.below {
			t.Errorf("%s: %t, %q", device, sharesHost(&p), p.Below())
		}
		if p.Host = ""; sharesHost(&p) {
			t.Errorf("%s without a host interface", device)
		}
	}
}
