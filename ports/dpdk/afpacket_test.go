package dpdk

import (
	"bytes"
	"errors"
	"net"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"fulcrum/ports"
)

// testEtherType is IEEE's EtherType for local experiments, which the kernel leaves alone.
const testEtherType = 0x88b5

func TestVethBothWays(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		defer p.Close()
		if mac := p.MAC(); !bytes.Equal(mac[:], near.HardwareAddr) || p.MTU() != 1500 {
			t.Errorf("MAC %x and MTU %d, of %+v", mac, p.MTU(), near)
		}
		peer := packetSocket(t, far)
		q := p.Queue(0)

		inbound := frame(near.HardwareAddr, far.HardwareAddr, "to the director")
		if err := unix.Send(peer, inbound, 0); err != nil {
			t.Fatal(err)
		}
		rx := receive(t, q, isTestFrame)
		if !bytes.Equal(rx.Packets[0].Bytes(), inbound) {
			t.Errorf("received %x, sent %x", rx.Packets[0].Bytes(), inbound)
		}

		copy(rx.Packets[0].Bytes(), frame(far.HardwareAddr, near.HardwareAddr, "to the client.."))
		send(t, q, &rx)
		want := frame(far.HardwareAddr, near.HardwareAddr, "to the client..")
		if got := receiveFrom(t, peer); !bytes.Equal(got, want) {
			t.Errorf("the peer received %x, not %x", got, want)
		}
	})
}

// A VLAN tag stays in the packet and takes four bytes of its headroom: the kernel delivers it
// separately, and the driver reinserts it.
func TestVethVLAN(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		defer p.Close()
		tagged := slices.Insert(frame(near.HardwareAddr, far.HardwareAddr, "tagged"), 12, 0x81, 0, 0, 42)
		if err := unix.Send(packetSocket(t, far), tagged, 0); err != nil {
			t.Fatal(err)
		}
		rx := receive(t, p.Queue(0), func(p *ports.Packet) bool { return bytes.Equal(p.Bytes(), tagged) })
		if got := &rx.Packets[0]; got.RxFlags != ports.RxUnfinished || got.Offset != ports.Headroom-4 {
			t.Errorf("received %+v", *got)
		}
		p.Queue(0).Exchange(nil, &rx, nil)
	})
}

// The kernel's flow hash spreads packets over several queues of one interface.
func TestVethSeveralQueues(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		p := open(t, PortConfig{
			Name: "front", Device: "net_af_packet0,qpairs=2,iface=" + near.Name, Queues: 2,
		})
		defer p.Close()
		if len(p.Notes()) == 0 {
			t.Error("no note on how flows are spread")
		}
	})
}

func TestVethMTU(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name, MTU: 1400})
		defer p.Close()
		now, err := net.InterfaceByName(near.Name)
		if err != nil {
			t.Fatal(err)
		}
		if p.MTU() != 1400 || now.MTU != 1400 {
			t.Errorf("the port's MTU is %d, the interface's %d", p.MTU(), now.MTU)
		}
	})
}

func TestInterfaceInUse(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		c := PortConfig{Name: "back", Device: "net_af_packet1,iface=" + near.Name}
		_, err := sharedEAL(t).OpenPort(c)
		if !errors.Is(err, syscall.EBUSY) {
			t.Errorf("opening the interface twice: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		again := open(t, PortConfig{Name: "back", Device: "net_af_packet1,iface=" + near.Name})
		again.Close()
	})
}

func TestInterfaceDown(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		link, err := netlink.LinkByName(near.Name)
		if err == nil {
			err = netlink.LinkSetDown(link)
		}
		if err != nil {
			t.Fatal(err)
		}
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name})
		defer p.Close()
		if len(p.Notes()) == 0 {
			t.Error("no note on an interface that is down")
		}
	})
}

// inVeth runs f in a network namespace with a veth pair.
func inVeth(t *testing.T, f func(near, far *net.Interface)) {
	t.Helper()
	sharedEAL(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	space, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer space.Close()
	defer netns.Set(home)

	f(vethPair(t))
}

func vethPair(t *testing.T) (near, far *net.Interface) {
	t.Helper()
	pair := netlink.NewVeth(netlink.LinkAttrs{Name: "near", TxQLen: 1000})
	pair.PeerName = "far"
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatal(err)
	}
	return up(t, "near"), up(t, "far")
}

func up(t *testing.T, name string) *net.Interface {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		t.Fatal(err)
	}
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// packetSocket opens a socket on the other end, which sends and receives whole frames.
func packetSocket(t *testing.T, i *net.Interface) int {
	t.Helper()
	protocol := uint16(testEtherType>>8 | testEtherType&0xff<<8)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, int(protocol))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	address := &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: i.Index}
	if err := unix.Bind(fd, address); err != nil {
		t.Fatal(err)
	}
	return fd
}

func receiveFrom(t *testing.T, fd int) []byte {
	t.Helper()
	buffer := make([]byte, 2048)
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, _ := unix.Poll(poll, 100); n == 0 {
			continue
		}
		if n, err := unix.Read(fd, buffer); err == nil {
			return buffer[:n]
		}
	}
	t.Fatal("the peer received nothing")
	return nil
}

func frame(destination, source net.HardwareAddr, payload string) []byte {
	f := append(bytes.Clone(destination), source...)
	f = append(f, testEtherType>>8, testEtherType&0xff)
	f = append(f, payload...)
	return append(f, make([]byte, 60-len(f))...)
}

func isTestFrame(p *ports.Packet) bool {
	b := p.Bytes()
	return len(b) >= 14 && b[12] == testEtherType>>8 && b[13] == testEtherType&0xff
}
