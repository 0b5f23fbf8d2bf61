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
