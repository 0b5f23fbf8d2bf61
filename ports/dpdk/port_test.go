package dpdk

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fulcrum/ports"
)

func TestAttributes(t *testing.T) {
	p := open(t, PortConfig{Name: "front", Device: "net_null3,size=100", MTU: 1400})
	if p.Name() != "front" || p.Device() != "net_null3" {
		t.Errorf("called %q, %q", p.Name(), p.Device())
	}
	if p.MTU() != 1400 {
		t.Errorf("MTU %d", p.MTU())
	}
	if link := p.Link(); !link.Up {
		t.Errorf("link is %+v", link)
	}
	if p.MAC() == [6]byte{} {
		t.Error("no MAC address")
	}
}

func TestStatistics(t *testing.T) {
	p := open(t, PortConfig{Name: "front", Device: "net_null0,size=100"})
	var rx ports.Burst
	p.Queue(0).Exchange(nil, nil, &rx)
	p.Queue(0).Exchange(&rx, nil, nil)

	s, err := p.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.RxPackets != ports.MaxBurst || s.TxPackets != ports.MaxBurst {
		t.Errorf("statistics after one burst both ways: %+v", s)
	}
	x, err := p.XStats()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(x, ports.XStat{Name: "rx_good_packets", Value: ports.MaxBurst}) {
		t.Errorf("extended statistics: %+v", x)
	}
}

func TestSeveralQueues(t *testing.T) {
	p := open(t, PortConfig{Name: "front", Device: "net_null0,size=64", Queues: 4, Index: 2})
	for i := range 4 {
		var rx ports.Burst
		p.Queue(i).Exchange(nil, nil, &rx)
		if rx.N != ports.MaxBurst || rx.Packets[0].Queue != uint16(i) || rx.Packets[0].Port != 2 {
			t.Errorf("queue %d received %d packets, the first %+v", i, rx.N, rx.Packets[0])
		}
		p.Queue(i).Exchange(nil, &rx, nil)
	}
}

func TestUseAfterClose(t *testing.T) {
	p, err := sharedEAL(t).OpenPort(PortConfig{Name: "front", Device: "net_null0"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Stats(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("statistics of a closed port: %v", err)
	}
	if p.Link().Up {
		t.Error("link of a closed port is up")
	}
}

// Attributes may be read while the port is being closed.
func TestReadersDuringClose(t *testing.T) {
	p, err := sharedEAL(t).OpenPort(PortConfig{Name: "front", Device: "net_null0"})
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				p.Link()
				p.XStats()
				if _, err := p.Stats(); errors.Is(err, os.ErrClosed) {
					return
				}
			}
		})
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	readers.Wait()
}

// A device can be opened again after it was closed.
func TestReopen(t *testing.T) {
	for range 3 {
		p, err := sharedEAL(t).OpenPort(PortConfig{Name: "front", Device: "net_ring0"})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// The pool of a closed port exists while another port holds buffers of it.
func TestPoolOutlivesItsPort(t *testing.T) {
	e := sharedEAL(t)
	source, err := e.OpenPort(PortConfig{Name: "source", Device: "net_null0"})
	if err != nil {
		t.Fatal(err)
	}
	loop := open(t, PortConfig{Name: "loop", Device: "net_ring0"}).Queue(0)
	var burst ports.Burst
	allocate(t, source.Queue(0), &burst, []byte("wandering"))
	send(t, loop, &burst)
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	if len(e.pools) != 1 {
		t.Fatalf("%d pools are kept", len(e.pools))
	}

	burst = receive(t, loop, anyPacket)
	if string(burst.Packets[0].Bytes()) != "wandering" {
		t.Errorf("the packet is %q", burst.Packets[0].Bytes())
	}
	loop.Exchange(nil, &burst, nil)
	again := open(t, PortConfig{Name: "source", Device: "net_null0"})
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if len(e.pools) != 0 {
		t.Errorf("%d pools are kept though all buffers are back", len(e.pools))
	}
}

func TestOpenErrors(t *testing.T) {
	e := sharedEAL(t)
	open(t, PortConfig{Name: "other", Device: "net_null9"})
	tests := []struct {
		name   string
		config PortConfig
		says   string
		is     error
	}{
		{"unknown driver", PortConfig{Device: "net_nope0"}, "check the driver's name", syscall.ENODEV},
		{"not a device", PortConfig{Device: "eth0"}, "check the driver's name", syscall.ENODEV},
		{"missing interface", PortConfig{Device: "net_af_packet0,iface=missing0"}, "interface missing0 exists", nil},
		{"no interface", PortConfig{Device: "net_af_packet0"}, "iface=NAME", nil},
		{"missing capture", PortConfig{Device: "net_pcap0,rx_pcap=/missing.pcap"}, "can be read", nil},
		{"unknown argument", PortConfig{Device: "net_af_packet0,interface=lo"}, "iface=NAME", nil},
		{"PCI", PortConfig{Device: "ff:1f.7"}, "vfio-pci", nil},
		{"in use", PortConfig{Device: "net_null9"}, `port "other" uses it`, syscall.EBUSY},
		{"no such spread", PortConfig{Device: "net_null0", Spread: 3}, "give 0 to 2", syscall.EINVAL},
		{"absurd queues", PortConfig{Device: "net_null0", Queues: 1 << 20}, "give 1 to", nil},
		{"absurd descriptors", PortConfig{Device: "net_null0", RxDescriptors: 1 << 20}, "give 1 to", nil},
		{"negative descriptors", PortConfig{Device: "net_null0", TxDescriptors: -1}, "give 1 to", nil},
		{"transmit descriptors of all ports", PortConfig{Device: "net_null0", AllTxDescriptors: 1000}, "give 1024 to", nil},
		{"MTU", PortConfig{Device: "net_af_packet0,iface=lo", MTU: 9000}, "68 to 1500", syscall.EINVAL},
		{"frame size", PortConfig{Device: "net_af_packet0,iface=lo,framesz=4096,blocksz=4096"}, "framesz", syscall.ENOMEM},
		{"memory", PortConfig{Device: "net_null0", Queues: 64, RxDescriptors: 4096}, "more memory", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.config.Name = "front"
			_, err := e.OpenPort(test.config)
			var structured *Error
			if !errors.As(err, &structured) {
				t.Fatalf("error is %v", err)
			}
			t.Log(err)
			for _, part := range []string{"front", test.config.Device, test.says} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%q is not %v", err, test.is)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than one line", err)
			}
		})
	}
	if len(e.ports) != 1 {
		t.Errorf("%d ports are open after the failures", len(e.ports))
	}
}
