package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"fulcrum/config"
	"fulcrum/ports"
)

// asDevices names the process that this binary is in a handover: handsOver, or takesOver with the
// state in handedState and the files from descriptor 3 on.
const (
	asDevices   = "FULCRUM_TEST_DEVICES"
	handsOver   = "hands over"
	takesOver   = "takes over"
	handedState = "FULCRUM_TEST_STATE"
	handedFiles = "FULCRUM_TEST_FILES"
)

// handedConfig has devices of all kinds: one that both processes can have, one that they cannot,
// and one that is split.
func handedConfig() *config.Config {
	c := &config.Config{}
	c.Director.Workers = []int{1}
	c.DPDK.Hugepages, c.DPDK.Memory = "off", 128<<20
	for _, p := range []config.Port{
		{Name: "shared", Device: "net_af_packet0,iface=shared"},
		{Name: "alone", Device: "net_af_xdp0,iface=alone"},
		{Name: "five", Device: "net_tap0,iface=fulcrumtap0", VLAN: 5},
		{Name: "plain", Device: "net_tap0,iface=fulcrumtap0", MTU: 1400},
	} {
		p.RxDescriptors, p.TxDescriptors = 512, 512
		if p.MTU == 0 {
			p.MTU = 1500
		}
		c.Ports = append(c.Ports, p)
	}
	return c
}

func runDevices(kind string) int {
	act := handOver
	if kind == takesOver {
		act = takeOverDevices
	}
	d := &dpdkDevices{log: slog.New(slog.DiscardHandler)}
	if err := errors.Join(act(d), d.Close()); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// handOver opens the devices, hands them over to a child, and says how long no process had them.
func handOver(d *dpdkDevices) error {
	if _, err := d.Open(handedConfig(), 0); err != nil {
		return err
	}
	state, files, err := d.Handover()
	if err != nil {
		return err
	}
	defer closeFiles(files)
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asDevices+"="+takesOver, handedState+"="+string(state),
		fmt.Sprintf("%s=%d", handedFiles, len(files)))
	c.ExtraFiles, c.Stderr = files, os.Stderr
	input, _ := c.StdinPipe()
	output, _ := c.StdoutPipe()
	if err := c.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(output)
	if line, _ := lines.ReadString('\n'); line != "warm\n" {
		return fmt.Errorf("the child says %q, %w", line, c.Wait())
	}
	began := time.Now()
	if err := d.Yield(); err != nil {
		return err
	}
	yielded := time.Since(began)
	fmt.Fprintln(input, "yours")
	line, _ := lines.ReadString('\n')
	fmt.Fprintf(os.Stderr, "yielded in %v, no process had the devices for %v\n", yielded,
		time.Since(began))
	if err := d.Close(); line != "forwarding\n" || err != nil {
		return fmt.Errorf("the child says %q: %v, %v, %w", line, d.leaves, err, c.Wait())
	}
	input.Close()
	rest, _ := io.ReadAll(lines)
	fmt.Print(string(rest))
	d.eal, d.opened = nil, nil
	return c.Wait()
}

// takeOverDevices takes the devices of handOver over. It prints the properties that have changed.
func takeOverDevices(d *dpdkDevices) error {
	var files []*os.File
	var n int
	fmt.Sscan(os.Getenv(handedFiles), &n)
	for i := range n {
		files = append(files, os.NewFile(uintptr(3+i), "mark"))
	}
	all, err := d.Prepare(handedConfig(), 0, []byte(os.Getenv(handedState)), files)
	if err != nil {
		return err
	}
	if err := wantKinds(all); err != nil {
		return err
	}
	fmt.Println("warm")
	input := bufio.NewReader(os.Stdin)
	if line, _ := input.ReadString('\n'); line != "yours\n" {
		return fmt.Errorf("the parent says %q", line)
	}
	if err := d.TakeOver(); err != nil {
		return err
	}
	fmt.Println("forwarding")
	io.Copy(io.Discard, input)
	for _, p := range all {
		s, err := p.Stats()
		fmt.Println(p.Name(), p.MTU(), p.Link().Up, s.RxMissed, err)
	}
	return nil
}

// wantKinds returns an error unless the first port alone is open.
func wantKinds(all []ports.Port) error {
	for i, p := range all {
		if _, late := p.(*ports.Late); late != (i > 0) {
			return fmt.Errorf("port %q is late: %t", p.Name(), late)
		}
	}
	return nil
}

// inNewNamespace runs f in a network namespace with veth pairs of these names.
func inNewNamespace(t *testing.T, f func(), names ...string) {
	t.Helper()
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
	for _, name := range names {
		pair := netlink.NewVeth(netlink.LinkAttrs{Name: name, MTU: 3000})
		pair.PeerName = "to-" + name
		if err := netlink.LinkAdd(pair); err != nil {
			t.Fatal(err)
		}
		for _, end := range []string{name, pair.PeerName} {
			link, err := netlink.LinkByName(end)
			if err == nil {
				err = netlink.LinkSetUp(link)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	f()
}

// TestDevicesAreHandedOver: a child takes the devices of its parent over, and puts the interfaces
// into the state that the parent has found.
func TestDevicesAreHandedOver(t *testing.T) {
	needRoot(t)
	inNewNamespace(t, func() {
		c := exec.CommandContext(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), asDevices+"="+handsOver)
		var said strings.Builder
		c.Stderr = &said
		output, err := c.Output()
		t.Logf("%s", &said)
		want := "shared 1500 true 0 <nil>\nalone 1500 true 0 <nil>\nfive 1500 true 0 <nil>\n" +
			"plain 1400 true 0 <nil>\n"
		if string(output) != want || err != nil {
			t.Errorf("%v: %s", err, output)
		}
		for _, name := range []string{"shared", "alone"} {
			link, err := netlink.LinkByName(name)
			if err != nil {
				t.Fatal(err)
			}
			if a := link.Attrs(); a.MTU != 3000 || a.Promisc != 0 || a.Xdp != nil && a.Xdp.Attached {
				t.Errorf("%s: MTU %d, promiscuous %d, %+v", name, a.MTU, a.Promisc, a.Xdp)
			}
		}
	}, "shared", "alone")
}

// told returns what a director of handedConfig tells.
func told() handedDevices {
	h := handedDevices{Workers: 1, Devices: make([]handedDevice, 3)}
	for _, c := range handedConfig().Ports {
		h.Ports = append(h.Ports, handedPort{
			ports.Properties{Name: c.Name, Device: "x", MTU: c.MTU, Queues: 1}, c.Device, c.VLAN, c.MTU,
		})
	}
	for i := range h.Devices {
		h.Devices[i].Before.Queues = 1
		h.Devices[i].Marked = i < 2
	}
	return h
}

// TestHandoverThatDoesNotFit is noticed before the running director gives anything away.
func TestHandoverThatDoesNotFit(t *testing.T) {
	for says, spoil := range map[string]func(*handedDevices){
		"":                              func(h *handedDevices) {},
		"has 3 ports on 3 devices":      func(h *handedDevices) { h.Ports = h.Ports[:3] },
		"has 4 ports on 2 devices":      func(h *handedDevices) { h.Devices = h.Devices[:2] },
		"has 2 workers, and the file 1": func(h *handedDevices) { h.Workers = 2 },
		`port "other" (net_`:            func(h *handedDevices) { h.Ports[0].Properties.Name = "other" },
		"VLAN 6, MTU 1500) of the":      func(h *handedDevices) { h.Ports[2].VLAN = 6 },
		"VLAN 0, MTU 1300) of the":      func(h *handedDevices) { h.Ports[3].MTU = 1300 },
		"(net_null0, VLAN 0":            func(h *handedDevices) { h.Ports[3].Device = "net_null0" },
		"0 queues: give":                func(h *handedDevices) { h.Ports[0].Properties.Queues = 0 },
		"device 1 of the running":       func(h *handedDevices) { h.Devices[1].Before.Node = -2 },
		"too few":                       func(h *handedDevices) { h.Devices[2].Marked = true },
		"too many":                      func(h *handedDevices) { h.Devices[0].Marked = false },
	} {
		h := told()
		spoil(&h)
		state, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseHandover(handedConfig(), state, make([]*os.File, 2))
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
	}
}

// FuzzHandover: whatever another process tells does not end this one.
func FuzzHandover(f *testing.F) {
	state, err := json.Marshal(told())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(state, uint8(2))
	f.Add([]byte("{"), uint8(0))
	f.Fuzz(func(t *testing.T, state []byte, files uint8) {
		got, err := parseHandover(handedConfig(), state, make([]*os.File, files))
		if err == nil && (len(got.marks) != 3 || len(got.Ports) != 4) {
			t.Errorf("%+v", got)
		}
	})
}
