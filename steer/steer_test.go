package steer

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
)

// device is a port. Only its queues matter here.
type device struct {
	ports.Port
	queues int
	rss    *ports.RSS
}

func (d device) Queues() int     { return d.queues }
func (d device) RSS() *ports.RSS { return d.rss }

// spreadNames are the names of spreads in the texts.
var spreadNames = map[string]ports.Spread{
	"flow": ports.SpreadFlow, "source": ports.SpreadSource, "destination": ports.SpreadDestination,
}

// newRSS returns the RSS of a device that spreads packets over a number of queues.
func newRSS(t testing.TB, by ports.Spread, queues int) *ports.RSS {
	table := make([]uint16, 128)
	for i := range table {
		table[i] = uint16(i % queues)
	}
	rss, err := ports.NewRSS(ports.RSSConfig{
		Key: ports.SymmetricKey(40), Table: table, Spread: by, Types: ports.AllHashTypes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return rss
}

// TestSteer runs the texts of testdata.
func TestSteer(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s Steering
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "spreads":
				return spreads(t, d)
			case "devices":
				s = steering(t, d)
				return fmt.Sprintf("by one end: %t\n", s.client != nil)
			case "owner":
				return owners(t, &s, d)
			}
			t.Fatalf("%s: no command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

// spreads reads lines with a device and the modes of the real servers behind the port.
func spreads(t *testing.T, d *datadriven.TestData) string {
	var all []Port
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		p := Port{Device: words[0]}
		for _, name := range words[1:] {
			p.Servers = append(p.Servers, modeNamed(t, name))
		}
		all = append(all, p)
	}
	var out strings.Builder
	for i, spread := range Spreads(all) {
		fmt.Fprintf(&out, "%s %v\n", all[i].Device, spread)
	}
	return out.String()
}

func modeNamed(t *testing.T, name string) lvs.Mode {
	m, ok := lvs.ParseMode(name)
	if !ok {
		t.Fatalf("no mode %q", name)
	}
	return m
}

// steering reads a device from each line: its queues, and how it spreads packets, or "untold".
func steering(t *testing.T, d *datadriven.TestData) Steering {
	var workers int
	d.ScanArgs(t, "workers", &workers)
	var devices []ports.Port
	for line := range strings.Lines(d.Input) {
		var one device
		var by string
		if _, err := fmt.Sscan(line, &one.queues, &by); err != nil {
			t.Fatal(err)
		}
		if by != "untold" {
			one.rss = newRSS(t, spreadNames[by], one.queues)
		}
		devices = append(devices, one)
	}
	return New(devices, workers, 42)
}

// owners prints the owner of each line's packet. A line has the port, the sender, the source and
// the destination.
func owners(t *testing.T, s *Steering, d *datadriven.TestData) string {
	var out strings.Builder
	for line := range strings.Lines(d.Input) {
		var port uint16
		var who, src, dst string
		if _, err := fmt.Sscan(line, &port, &who, &src, &dst); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, owner(t, s, port, who, keyOf(src, dst)))
	}
	return out.String()
}

func owner(t *testing.T, s *Steering, port uint16, who string, k packet.Key) string {
	i := 0
	switch who {
	case "answer":
		i = s.FromServer(&k)
	case "local":
		o := s.LocalOwner(port, k)
		i = o.Of(k.DstPort)
	default:
		i = s.FromClient(port, &k, modeNamed(t, who).Owner())
	}
	if queue, told := s.Queue(port, &k); i == Receiver && told {
		return fmt.Sprintf("receiver, queue %d", queue)
	}
	return fmt.Sprint("worker ", i)
}

func keyOf(src, dst string) packet.Key {
	from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	return packet.Key{Flow: packet.Flow{
		Src: packet.AddrOf(from.Addr()), SrcPort: from.Port(),
		Dst: packet.AddrOf(to.Addr()), DstPort: to.Port(),
	}, Protocol: packet.ProtocolUDP}
}

// TestBothDirectionsHaveOneOwner: in modes whose flows belong to the client's end, both directions
// have one owner, and workers get even shares, with and without the devices' help.
func TestBothDirectionsHaveOneOwner(t *testing.T) {
	const workers, clients = 4, 4000
	for name, s := range map[string]Steering{
		"hash": New([]ports.Port{device{queues: workers}}, workers, 42),
		"rss": New([]ports.Port{
			device{queues: workers, rss: newRSS(t, ports.SpreadSource, workers)},
			device{queues: workers, rss: newRSS(t, ports.SpreadDestination, workers)},
		}, workers, 42),
	} {
		var shares [workers]int
		for i := range clients {
			client := fmt.Sprintf("192.168.%d.%d:%d", i%7, i%251, 1024+i)
			there, back := keyOf(client, "10.0.0.100:80"), keyOf("10.1.0.11:8080", client)
			o := s.FromClient(0, &there, lvs.ClientEnd)
			shares[o]++
			if got := s.FromServer(&back); got != o {
				t.Fatalf("%s: client %s has owner %d, its answers %d", name, client, o, got)
			}
			if queue, told := s.Queue(0, &there); told && queue != o {
				t.Fatalf("%s: client %s comes to queue %d, its owner is %d", name, client, queue, o)
			}
		}
		for i, n := range shares {
			if n < clients/workers*8/10 {
				t.Errorf("%s: worker %d has %d of %d clients", name, i, n, clients)
			}
		}
	}
}

// TestLocalPortsAreTheirReceivers: the owner of a local port is the worker whose queue its answers
// reach.
func TestLocalPortsAreTheirReceivers(t *testing.T) {
	s := New([]ports.Port{device{queues: 3, rss: newRSS(t, ports.SpreadFlow, 3)}}, 3, 42)
	for _, answer := range []packet.Key{
		keyOf("10.1.0.11:80", "10.1.0.50:0"), keyOf("[fd00::11]:80", "[fd00::50]:0"),
	} {
		o := s.LocalOwner(0, answer)
		for port := range uint16(2000) {
			answer.DstPort = port
			if queue, _ := s.Queue(0, &answer); o.Of(port) != queue {
				t.Fatalf("port %d of %s: owner %d, queue %d", port, answer.Dst, o.Of(port), queue)
			}
		}
	}
}

// TestOwnersDifferBySecret: without the secret, outsiders cannot choose a worker.
func TestOwnersDifferBySecret(t *testing.T) {
	one, other := New([]ports.Port{device{}}, 4, 1), New([]ports.Port{device{}}, 4, 2)
	differ := 0
	for i := range 1000 {
		k := keyOf(fmt.Sprint("192.168.1.1:", 1024+i), "10.0.0.100:80")
		if one.FromClient(0, &k, lvs.ClientEnd) != other.FromClient(0, &k, lvs.ClientEnd) {
			differ++
		}
	}
	if differ < 600 {
		t.Errorf("%d of 1000 flows have another owner with another secret", differ)
	}
}

// families are flows whose addresses and ports follow from one number. The sender of such flows
// knows the rule of steering, but not the secret.
var families = map[string]func(i uint32) packet.Key{
	"port is the address's upper half": func(i uint32) packet.Key {
		return flow4(i<<16|0x0509, uint16(i)^0xbeef)
	},
	"port is the address's lower half": func(i uint32) packet.Key {
		return flow4(0xc0a80000|i, uint16(i)^0xbeef)
	},
	"sequential ports":     func(i uint32) packet.Key { return flow4(0xc0a80509, uint16(i)) },
	"sequential addresses": func(i uint32) packet.Key { return flow4(0x0a000000+i, 40000) },
	"addresses in steps of 2^16": func(i uint32) packet.Key {
		return flow4(i<<16, 40000)
	},
	"destination follows the source": func(i uint32) packet.Key {
		k := flow4(0x0a000000+i, 40000)
		k.Dst = packet.AddrOf4(0x0a640000 + i)
		return k
	},
	"IPv6 port is in the address": func(i uint32) packet.Key {
		return flow6(0x20010db8<<32, uint64(i)<<48|9, uint16(i)^0xbeef)
	},
	"IPv6 network cancels the interface": func(i uint32) packet.Key {
		return flow6(0x20010db8<<32|uint64(i), uint64(i)<<32, 40000)
	},
	"IPv6 port cancels the network": func(i uint32) packet.Key {
		return flow6(0x20010db8<<32|uint64(i)<<16, 1, uint16(i))
	},
	"IPv6 sequential ports": func(i uint32) packet.Key {
		return flow6(0x20010db8<<32, 9, uint16(i))
	},
	"IPv6 sequential addresses": func(i uint32) packet.Key {
		return flow6(0x20010db8<<32, uint64(i), 40000)
	},
	"IPv6 sequential networks": func(i uint32) packet.Key {
		return flow6(0x20010db8<<32+uint64(i), 1, 40000)
	},
}

func flow4(src uint32, port uint16) packet.Key {
	return packet.Key{Flow: packet.Flow{Src: packet.AddrOf4(src), Dst: packet.AddrOf4(0x0a000064),
		SrcPort: port, DstPort: 80}, Protocol: packet.ProtocolTCP}
}

func flow6(hi, lo uint64, port uint16) packet.Key {
	return packet.Key{Flow: packet.Flow{Src: packet.Addr{Hi: hi, Lo: lo},
		Dst: packet.Addr{Hi: 0xfd << 56, Lo: 0x100}, SrcPort: port, DstPort: 80},
		Protocol: packet.ProtocolTCP}
}

// TestNoFamilyOfFlowsPrefersAWorker: for any secret, each worker gets an even share of flows whose
// addresses and ports depend on each other. Both directions of each flow in nat have one owner.
func TestNoFamilyOfFlowsPrefersAWorker(t *testing.T) {
	const flows = 1 << 16
	for name, flow := range families {
		for _, secret := range []uint64{0, 42, 0x9f86d081884c7d65} {
			for _, workers := range []int{2, 4, 16} {
				s := New([]ports.Port{device{}}, workers, secret)
				whole, end := make([]int, workers), make([]int, workers)
				for i := range uint32(flows) {
					k := flow(i)
					whole[s.FromClient(0, &k, lvs.Receiver)]++
					owner := s.FromClient(0, &k, lvs.ClientEnd)
					end[owner]++
					k.Flow = packet.Flow{Src: packet.AddrOf4(0x0a01000b), SrcPort: 8080,
						Dst: k.Src, DstPort: k.SrcPort}
					if got := s.FromServer(&k); got != owner {
						t.Fatalf("%s: owner %d, of its answer %d", name, owner, got)
					}
				}
				even(t, fmt.Sprintf("%s, secret %#x, whole flow", name, secret), whole, flows)
				even(t, fmt.Sprintf("%s, secret %#x, client's end", name, secret), end, flows)
			}
		}
	}
}

// even checks that no share differs from the mean by more than 7 %: 4.5 standard deviations of a
// sixteenth of the flows.
func even(t *testing.T, what string, shares []int, flows int) {
	t.Helper()
	mean := flows / len(shares)
	for i, n := range shares {
		if n < mean*93/100 || n > mean*107/100 {
			t.Errorf("%s: worker %d of %d has %d, the mean is %d", what, i, len(shares), n, mean)
		}
	}
}
