package neighbour

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"fulcrum/packet"
)

// TestScenarios runs the texts of testdata; testdata/README.md explains their words.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		var w *world
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "table":
				worker := 0
				d.MaybeScanArgs(t, "worker", &worker)
				w = newWorld(t, worker, strings.Fields(d.Input)...)
				return ""
			case "do":
				return w.script(d)
			case "show":
				return w.show()
			}
			t.Fatalf("%s: no command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

// script does what the lines say, and returns what the table wanted done.
func (w *world) script(d *datadriven.TestData) string {
	w.log.Reset()
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		step, known := steps[words[0]]
		if !known {
			w.Fatalf("%s: no step %q", d.Pos, words[0])
		}
		step(w, words[1:])
		w.check()
	}
	last := 0
	if !d.HasArg("last") {
		return w.log.String()
	}
	d.ScanArgs(w.TB.(*testing.T), "last", &last)
	lines := strings.SplitAfter(w.log.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-1-last):], "")
}

// steps has the commands of a script. A line's port is the one whose subnet has the station, or
// port 0.
var steps = map[string]func(w *world, words []string){
	"pass": func(w *world, words []string) {
		d, err := time.ParseDuration(words[0])
		if err != nil {
			w.Fatal(err)
		}
		w.pass(uint32(d.Milliseconds()))
	},
	"packet": func(w *world, words []string) {
		number, count := words[0], 1
		if first, last, many := strings.Cut(number, "-"); many {
			number, count = first, atoi(w, last)-atoi(w, first)+1
		}
		a, port := w.station(words[2])
		for i := range count {
			w.packet(w.find(a, port), uint32(atoi(w, number)+i))
		}
	},
	"want": func(w *world, words []string) {
		a, port := w.station(words[0])
		w.want(a, port)
	},
	"recheck": func(w *world, words []string) {
		a, port := w.station(words[0])
		w.table.Recheck(w.find(a, port))
	},
	"news": func(w *world, words []string) {
		a, port := w.station(words[0])
		w.news(Message{
			Address: a, Port: port, MAC: parseMAC(w, words[2]), Solicited: true, Override: true,
		})
	},
	"hint": func(w *world, words []string) {
		a, port := w.station(words[0])
		w.table.TakeHint(&Hint{Address: a, Port: port, MAC: parseMAC(w, words[2])}, w.now)
	},
	"restart":  func(w *world, _ []string) { w.restart() },
	"question": (*world).question,
	"answer":   (*world).answer,
	"topology": func(w *world, words []string) {
		var gateways []Gateway
		var statics []StaticEntry
		for _, word := range words {
			name, mac, isStatic := strings.Cut(word, "=")
			a, port := w.station(name)
			if isStatic {
				statics = append(statics, StaticEntry{a, parseMAC(w, mac), port})
			} else {
				gateways = append(gateways, Gateway{a, w.source(port), port})
			}
		}
		w.topology(gateways, statics)
	},
}

// question is a request or a solicitation: "about TARGET from SENDER at MAC", and "on PORT" if the
// subnet does not determine it.
func (w *world) question(words []string) {
	target, sender := netip.MustParseAddr(words[1]), netip.MustParseAddr(words[3])
	mac, port := parseMAC(w, words[5]), w.portGiven(words[6:], sender)
	if target.Is4() {
		w.arp(port, packet.ARPFields{
			Op: packet.ARPRequest, SenderMAC: mac,
			SenderIP: packet.Addr4(sender), TargetIP: packet.Addr4(target),
		})
		return
	}
	w.nd(port, packet.ND{
		Type: packet.ICMP6Solicitation, Src: packet.AddrOf(sender), Target: packet.AddrOf(target),
		LinkLayer: mac,
	})
}

// answer is a reply or an advertisement: "of SENDER at MAC", and "on PORT" if the subnet does not
// determine it. It is sent to the director.
func (w *world) answer(words []string) {
	sender, mac := netip.MustParseAddr(words[1]), parseMAC(w, words[3])
	port := w.portGiven(words[4:], sender)
	own := w.source(port)
	if sender.Is4() {
		w.arp(port, packet.ARPFields{
			Op: packet.ARPReply, SenderMAC: mac, SenderIP: packet.Addr4(sender), TargetIP: own.V4(),
		})
		return
	}
	a := packet.AddrOf(sender)
	w.nd(port, packet.ND{
		Type: packet.ICMP6Advertisement, Flags: packet.NDSolicited | packet.NDOverride,
		Src: a, Dst: own, Target: a, LinkLayer: mac,
	})
}

func (w *world) portGiven(words []string, sender netip.Addr) uint16 {
	if len(words) == 2 {
		return uint16(atoi(w, words[1]))
	}
	return w.portOf(sender)
}

// show lists the entries.
func (w *world) show() string {
	var out strings.Builder
	for h := 1; h < w.table.Places(); h++ {
		e := w.table.At(Hop(h))
		if e.State() == Free {
			fmt.Fprintf(&out, "%d: free, generation %d\n", h, e.Generation)
			continue
		}
		fmt.Fprintf(&out, "%d: %v %v", h, e.Address, e.State())
		if e.HasMAC() {
			fmt.Fprintf(&out, " at %v", e.MAC())
		}
		for _, property := range []struct {
			word  string
			holds bool
		}{{"gateway", e.Gateway}, {"wanted", e.wanted}} {
			if property.holds {
				fmt.Fprintf(&out, ", %s", property.word)
			}
		}
		fmt.Fprintf(&out, ", generation %d, %d waiting\n", e.Generation, w.table.Waiting(Hop(h)))
	}
	fmt.Fprintf(&out, "unanswered: %d\n", w.table.Unanswered())
	if n, last := w.table.Refusals(); n > 0 {
		fmt.Fprintf(&out, "refused: %d, of %v to %v\n", n, last.Address, last.Claimant)
	}
	return out.String()
}

// station returns an address, and the port whose subnet has it.
func (w *world) station(name string) (packet.Addr, uint16) {
	a := netip.MustParseAddr(name)
	return packet.AddrOf(a), w.portOf(a)
}

func (w *world) portOf(a netip.Addr) uint16 {
	for i, s := range w.subnets {
		if s.Contains(a) {
			return uint16(i)
		}
	}
	return 0
}

func parseMAC(w *world, text string) packet.MAC {
	var mac packet.MAC
	for i, part := range strings.Split(text, ":") {
		v, err := strconv.ParseUint(part, 16, 8)
		if err != nil || i >= len(mac) {
			w.Fatalf("invalid MAC %q", text)
		}
		mac[i] = byte(v)
	}
	return mac
}

func atoi(w *world, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		w.Fatal(err)
	}
	return n
}
