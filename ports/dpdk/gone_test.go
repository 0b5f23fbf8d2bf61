package dpdk

import (
	"net"
	"runtime"
	"testing"
	"time"

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

// TestInterfaceIsRenamed: a port goes on under another name, sees the link's state there, and
// restores the interface when it is closed, also if another interface has the old name by now.
func TestInterfaceIsRenamed(t *testing.T) {
	inVeth(t, func(near, _ *net.Interface) {
		setInterface(t, near.Name, 9000, 0)
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		same := func(what string, want ports.Link) {
			t.Helper()
			var got ports.Link
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); runtime.Gosched() {
				if got = p.Link(); got.Up == want.Up && got.Renamed == want.Renamed && !got.Gone {
					return
				}
			}
			t.Errorf("%s: %+v", what, got)
		}
		same("at first", ports.Link{Up: true})
		rename(t, near.Name, "other9")
		other := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: near.Name}, PeerName: "peer9"}
		if err := netlink.LinkAdd(other); err != nil {
			t.Fatal(err)
		}
		same("renamed", ports.Link{Up: true, Renamed: "other9"})
		if err := netlink.LinkSetDown(linkNamed(t, "other9")); err != nil {
			t.Fatal(err)
		}
		same("down", ports.Link{Renamed: "other9"})
		closePort(t, p)
		wantInterface(t, "other9", 9000, 0)
	})
}

func linkNamed(t *testing.T, name string) netlink.Link {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// rename renames an interface. Kernels before 6.2 want it down for that.
func rename(t *testing.T, from, to string) {
	t.Helper()
	link := linkNamed(t, from)
	for _, err := range []error{
		netlink.LinkSetDown(link), netlink.LinkSetName(link, to), netlink.LinkSetUp(link),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}
