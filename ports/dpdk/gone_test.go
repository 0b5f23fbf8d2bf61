package dpdk

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"

	"fulcrum/ports"
)

// TestInterfaceIsGone: a port notices that its interface was deleted, and that another one has its
// name.
func TestInterfaceIsGone(t *testing.T) {
	inVeth(t, func(near, _ *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		defer p.Close()
		same := func(what string, up, gone, returned bool) {
			t.Helper()
			l := p.Link()
			if l.Speed, l.MTU = 0, 0; l != (ports.Link{Up: up, Gone: gone, Returned: returned}) {
				t.Errorf("%s: %+v", what, l)
			}
		}
		same("at first", true, false, false)
		link, err := netlink.LinkByName(near.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkDel(link); err != nil {
			t.Fatal(err)
		}
		same("deleted", false, true, false)
		again, _ := vethPair(t)
		same("made again", false, true, true)
		if again.Name != near.Name || again.Index == near.Index {
			t.Errorf("the test is wrong: %+v and %+v", near, again)
		}
	})
}

// TestMTUOfTheInterface: a port reports the MTU of its interface as it is, and keeps its own.
func TestMTUOfTheInterface(t *testing.T) {
	inVeth(t, func(near, _ *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		defer p.Close()
		link, err := netlink.LinkByName(near.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, mtu := range []int{1500, 1400, 1500, 0} {
			if mtu == 0 {
				err = netlink.LinkDel(link)
			} else {
				err = netlink.LinkSetMTU(link, mtu)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Link().MTU; got != mtu || p.MTU() != 1500 {
				t.Errorf("%d and %d, want %d and 1500", got, p.MTU(), mtu)
			}
		}
	})
}
