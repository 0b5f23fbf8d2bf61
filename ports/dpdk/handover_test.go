package dpdk

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"fulcrum/ports"
)

// TestShares: only packet sockets give all packets to each process.
func TestShares(t *testing.T) {
	for device, want := range map[string]bool{
		"net_af_packet0,iface=eth1":                     true,
		"net_pcap0,iface=eth1":                          true,
		"net_pcap0,rx_iface=eth1,tx_iface=eth1":         true,
		"net_pcap0,rx_iface=eth1,tx_pcap=/tmp/out.pcap": false,
		"net_pcap0,rx_pcap=/tmp/in.pcap,tx_iface=eth1":  false,
		"net_af_xdp0,iface=eth1":                        false,
		"net_tap0,iface=tap0":                           false,
		"net_ring0":                                     false,
		"net_virtio_user0,path=/dev/vhost-net":          false,
		"net_bonding0,mode=1,slave=net_af_packet0":      false,
		"0000:3b:00.0":                                  false,
	} {
		if got := Shares(device); got != want {
			t.Errorf("%s: %t", device, got)
		}
	}
}

// takeOver returns the configuration of a port that takes p over.
func takeOver(t *testing.T, p Port, c PortConfig) PortConfig {
	t.Helper()
	before, err := json.Marshal(p.Before())
	if err == nil {
		c.Beside = new(Before)
		err = json.Unmarshal(before, c.Beside)
	}
	if err == nil {
		c.Claim, err = p.Claim()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Claim.Close() })
	return c
}

// TestMACIsKept: a device that has an address at random gets the one that neighbours know.
func TestMACIsKept(t *testing.T) {
	for _, device := range []string{
		"net_null5", "net_tap5,iface=fulcrumtap5",
		"net_memif5,role=server,socket-abstract=no,socket=" + t.TempDir() + "/memif",
	} {
		t.Run(device, func(t *testing.T) {
			inVeth(t, func(_, _ *net.Interface) {
				c := PortConfig{Name: "front", Device: device, Beside: &Before{
					MAC: [6]byte{2, 0, 0, 0, 0, 9}, Queues: 1, Node: -1,
				}}
				p := open(t, c)
				want := ports.PropertiesOf(p)
				c = takeOver(t, p, c)
				if err := sharedEAL(t).Leave(p); err != nil {
					t.Fatal(err)
				}
				p = open(t, c)
				if err := want.Differ(ports.PropertiesOf(p)); err != nil || p.MAC() != c.Beside.MAC {
					t.Errorf("%v; MAC %x", err, p.MAC())
				}
				closePort(t, p)
			})
		})
	}
}

// TestPreparedBuffers: the port gets the pool that was made for it, and another one if it is not
// large enough.
func TestPreparedBuffers(t *testing.T) {
	e := sharedEAL(t)
	c := PortConfig{Name: "front", Device: "net_ring0", Beside: &Before{Queues: 1, Node: -1}}
	for _, larger := range []int{0, 1024} {
		if err := e.Prepare(c); err != nil {
			t.Fatal(err)
		}
		if err := e.Prepare(c); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("preparing a port twice: %v", err)
		}
		made := e.prepared[c.Device]
		opened := c
		opened.RxDescriptors = defaultDescriptors + larger
		p := open(t, opened)
		if got := p.(*port).pool == made; got != (larger == 0) || len(e.prepared) != 0 {
			t.Errorf("%d more descriptors: prepared buffers are used: %t", larger, got)
		}
		closePort(t, p)
		if len(e.pools) != 0 {
			t.Errorf("%d pools are left", len(e.pools))
		}
	}
}

// TestPrepareErrors come before the other process gives its port away.
func TestPrepareErrors(t *testing.T) {
	inVeth(t, func(near, far *net.Interface) {
		state := &InterfaceBefore{Index: near.Index, MTU: 1500}
		before := &Before{Queues: 1, Interface: state}
		xdp := "net_af_xdp0,iface=" + near.Name
		p := open(t, PortConfig{Name: "front", Device: "net_af_packet0,iface=" + far.Name})
		defer p.Close()
		foreign, err := p.Claim()
		if err != nil {
			t.Fatal(err)
		}
		defer foreign.Close()
		for says, c := range map[string]PortConfig{
			"no other process has it": {Device: xdp},
			"0 queues on NUMA node 0": {Device: xdp, Beside: &Before{Interface: state}},
			"NUMA node -2":            {Device: xdp, Beside: &Before{Queues: 1, Node: -2}},
			"interface 0 of MTU 1500": {Device: xdp, Beside: &Before{Queues: 1,
				Interface: &InterfaceBefore{MTU: 1500}}},
			"another port or director uses it": {Device: "net_af_xdp0,iface=" + far.Name, Beside: before},
			`the other process's mark is "@fulcrum/interface/far"`: {Device: xdp, Beside: before,
				Claim: foreign},
			"renamed or created again": {Device: xdp, Beside: &Before{Queues: 1,
				Interface: &InterfaceBefore{Index: far.Index, MTU: 1500}}},
			"end that process first": {Device: "net_bonding0,mode=1,slave=0000:3b:00.0",
				Beside: &Before{Queues: 1}},
		} {
			c.Name = "front"
			if err := sharedEAL(t).Prepare(c); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v; want %q", err, says)
			}
		}
		if e := sharedEAL(t); len(e.prepared) != 0 || len(e.ports) != 1 {
			t.Errorf("%d prepared, %d open", len(e.prepared), len(e.ports))
		}
	})
}

// TestPrepareAfterRename: the device would not be found when it is too late.
func TestPrepareAfterRename(t *testing.T) {
	inVeth(t, func(near, _ *net.Interface) {
		c := PortConfig{Name: "front", Device: "net_af_packet0,iface=" + near.Name}
		p := open(t, c)
		defer p.Close()
		c = takeOver(t, p, c)
		link, err := netlink.LinkByName(near.Name)
		if err == nil {
			err = netlink.LinkSetName(link, "other")
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Device = "net_af_xdp0,iface=" + near.Name
		if err := sharedEAL(t).Prepare(c); !errors.Is(err, unix.ENODEV) {
			t.Errorf("%v", err)
		}
	})
}

// TestRecount: what was counted before is left out, and the counters go on.
func TestRecount(t *testing.T) {
	p := open(t, PortConfig{Name: "front", Device: "net_null0"})
	for range 2 {
		if err := p.Recount(); err != nil {
			t.Fatal(err)
		}
		if s, err := p.Stats(); err != nil || s != (ports.Stats{}) {
			t.Errorf("%+v, %v", s, err)
		}
		var rx ports.Burst
		p.Queue(0).Exchange(nil, nil, &rx)
		p.Queue(0).Exchange(nil, &rx, nil)
		if s, err := p.Stats(); err != nil || s.RxPackets != ports.MaxBurst {
			t.Errorf("%+v, %v", s, err)
		}
	}
	closePort(t, p)
	if err := p.Recount(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := p.Claim(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	if err := sharedEAL(t).Leave(p); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// FuzzBefore: whatever another process tells is refused, or the same after another round.
func FuzzBefore(f *testing.F) {
	f.Add([]byte(`{"mac":[2,0,0,0,0,1],"queues":2,"node":-1,` +
		`"interface":{"index":3,"mtu":9000,"promiscuous":true}}`))
	f.Add([]byte(`{"queues":70000,"interface":{"index":-1}}`))
	f.Fuzz(func(t *testing.T, told []byte) {
		var b, again Before
		if json.Unmarshal(told, &b) != nil || b.Validate() != nil {
			return
		}
		i := networkInterface{index: 1, flags: unix.IFF_UP}
		i.adopt(b.Interface)
		if i.flags&^driverFlags != unix.IFF_UP {
			t.Errorf("flags %#x", i.flags)
		}
		data, err := json.Marshal(b)
		if err == nil {
			err = json.Unmarshal(data, &again)
		}
		if diff := cmp.Diff(b, again); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}
