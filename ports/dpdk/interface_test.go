package dpdk

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"fulcrum/ports"
)

// driverFlagsOf returns the interface's MTU and those of its flags that drivers change.
func driverFlagsOf(t *testing.T, name string) (mtu int, flags uint16) {
	t.Helper()
	i, err := findInterface(name)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(i.socket)
	return i.mtu, i.flags & driverFlags
}

func setInterface(t *testing.T, name string, mtu int, flags uint16) {
	t.Helper()
	i, err := findInterface(name)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(i.socket)
	if err := i.setMTU(mtu); err != nil {
		t.Fatal(err)
	}
	if err := i.setFlags(i.flags&^driverFlags | flags); err != nil {
		t.Fatal(err)
	}
}

func wantInterface(t *testing.T, name string, wantMTU int, wantFlags uint16) {
	t.Helper()
	if mtu, flags := driverFlagsOf(t, name); mtu != wantMTU || flags != wantFlags {
		t.Errorf("the interface has MTU %d and flags %#x; want %d and %#x",
			mtu, flags, wantMTU, wantFlags)
	}
}

func closePort(t *testing.T, p ports.Port) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

// A port restores the state of the interface, whatever it was.
func TestInterfaceIsRestored(t *testing.T) {
	for _, c := range []struct {
		name  string
		mtu   int
		flags uint16
	}{
		{"plain", 1500, 0},
		{"jumbo frames", 9000, 0},
		{"promiscuous", 9000, unix.IFF_PROMISC},
		{"all multicast", 1500, unix.IFF_ALLMULTI},
		{"both", 9000, unix.IFF_PROMISC | unix.IFF_ALLMULTI},
	} {
		t.Run(c.name, func(t *testing.T) {
			inVeth(t, func(near, far *net.Interface) {
				setInterface(t, near.Name, c.mtu, c.flags)
				p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
				if mtu, flags := driverFlagsOf(t, near.Name); mtu != 1500 || flags&unix.IFF_PROMISC == 0 {
					t.Errorf("MTU %d and flags %#x while the port is open", mtu, flags)
				}
				closePort(t, p)
				wantInterface(t, near.Name, c.mtu, c.flags)
			})
		})
	}
}

// A thread in another namespace than the interface's may close the port.
func TestInterfaceIsRestoredFromAnywhere(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		setInterface(t, near.Name, 9000, unix.IFF_ALLMULTI)
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		closed := make(chan error)
		go func() { closed <- p.Close() }()
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		wantInterface(t, near.Name, 9000, unix.IFF_ALLMULTI)
	})
}

// An MTU that the operator has set meanwhile stays.
func TestOperatorsMTUStays(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		setInterface(t, near.Name, 9000, 0)
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		setInterface(t, near.Name, 4000, unix.IFF_PROMISC)
		closePort(t, p)
		wantInterface(t, near.Name, 4000, 0)
	})
}

func TestInterfaceIsRestoredAfterFailure(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		setInterface(t, near.Name, 9000, unix.IFF_PROMISC)
		device := "net_af_packet0,framesz=4096,blocksz=4096,iface=" + near.Name
		if _, err := sharedEAL(t).OpenPort(PortConfig{Name: "front", Device: device}); err == nil {
			t.Fatal("it opens")
		}
		wantInterface(t, near.Name, 9000, unix.IFF_PROMISC)
	})
}

func TestInterfaceGoneBeforeClose(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		link, err := netlink.LinkByName(near.Name)
		if err == nil {
			err = netlink.LinkDel(link)
		}
		if err != nil {
			t.Fatal(err)
		}
		closePort(t, p)
	})
}

// An interface of an overlay network keeps its smaller MTU, and the port notes that.
func TestSmallerMTUOfTheInterface(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		setInterface(t, near.Name, 1450, 0)
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name, MTU: 1500})
		if p.MTU() != 1450 {
			t.Errorf("the port's MTU is %d", p.MTU())
		}
		wantNote(t, p, "interface near has MTU 1450, which the port uses instead of 1500")
		closePort(t, p)
		wantInterface(t, near.Name, 1450, 0)
	})
}

func TestInterfaceNameTooLong(t *testing.T) {
	c := PortConfig{Name: "front", Device: "net_af_packet0,iface=sixteencharacter"}
	_, err := sharedEAL(t).OpenPort(c)
	if err == nil || !strings.Contains(err.Error(), "check that interface sixteencharacter exists") {
		t.Errorf("error is %v", err)
	}
}

func TestCommandThatRestores(t *testing.T) {
	i := networkInterface{name: "eth1", mtu: 9000, flags: unix.IFF_UP | unix.IFF_PROMISC}
	if got, want := i.command(), "ip link set eth1 mtu 9000 promisc on allmulticast off"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A closed port keeps no file descriptor in its interface's namespace.
func TestInterfaceSocketIsClosed(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		socket := p.(*port).found.socket
		closePort(t, p)
		if err := unix.Fstat(socket, new(unix.Stat_t)); err != syscall.EBADF {
			t.Errorf("the socket answers %v", err)
		}
	})
}

func wantNote(t *testing.T, p ports.Port, says string) {
	t.Helper()
	if notes := strings.Join(p.Notes(), "\n"); !strings.Contains(notes, says) {
		t.Errorf("no note %q among:\n%s", says, notes)
	}
}

// TestLinkIsTheInterfaces: the driver's link is always up; the port's follows the interface, also
// where that is gone.
func TestLinkIsTheInterfaces(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		defer p.Close()
		await := func(up bool) {
			t.Helper()
			for end := time.Now().Add(10 * time.Second); p.Link().Up != up; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("the link is not up = %t", up)
				}
			}
		}
		peer, err := netlink.LinkByName(far.Name)
		if err != nil {
			t.Fatal(err)
		}
		await(true)
		for range 2 {
			if err := netlink.LinkSetDown(peer); err != nil {
				t.Fatal(err)
			}
			await(false)
			if err := netlink.LinkSetUp(peer); err != nil {
				t.Fatal(err)
			}
			await(true)
		}
		if err := netlink.LinkDel(peer); err != nil {
			t.Fatal(err)
		}
		await(false)
	})
}
