package guard

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestGuardsOfTwoProcesses: a successor's guard attaches beside its predecessor's. What is hidden
// stays hidden while one ends, whichever it is, and nothing is left after both.
func TestGuardsOfTwoProcesses(t *testing.T) {
	for name, by := range map[string]func(netlink.Link, *ebpf.Program) (io.Closer, error){
		"as the kernel has it": attach, "by a filter": attachFilter,
	} {
		for _, formerFirst := range []bool{true, false} {
			t.Run(name, func(t *testing.T) { twoGuards(t, by, formerFirst) })
		}
	}
}

func twoGuards(
	t *testing.T, by func(netlink.Link, *ebpf.Program) (io.Closer, error), formerFirst bool,
) {
	near, far := cable(t)
	p := packetSpec{src: "10.0.0.9", dst: "10.0.0.100", dport: 80, mac: near.Attrs().HardwareAddr}
	frame := p.frame(t)
	loads := []*loaded{load(t), load(t)}
	hidden := func() uint64 { return loads[0].device.hidden(0) + loads[1].device.hidden(0) }
	attached := make([]io.Closer, 2)
	stop := func() uint64 { return 0 }
	for i, l := range loads {
		l.furnish(families["IPv4"], false)
		var err error
		if attached[i], err = by(near, l.program); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			stop = sendOn(t, far, frame, hidden)
		}
	}
	order := []int{0, 1}
	if !formerFirst {
		order = []int{1, 0}
	}
	if err := attached[order[0]].Close(); err != nil {
		t.Fatal(err)
	}
	left := loads[order[1]].device
	before := left.hidden(0)
	await(t, "packets hidden by the other one", func() bool { return left.hidden(0) > before+50 })
	sent := stop()
	await(t, "the last packets", func() bool { return hidden() == sent })
	if n := received(t); n != 0 {
		t.Errorf("%d of %d packets were not hidden", n, sent)
	}
	if err := attached[order[1]].Close(); err != nil {
		t.Fatal(err)
	}
	send(t, far, frame)
	await(t, "a packet without guard", func() bool { return received(t) == 1 })
	if n := programs(t, near); n != 0 {
		t.Errorf("%d programs are left", n)
	}
	all, err := netlink.QdiscList(near)
	for _, q := range all {
		if q.Type() == "clsact" {
			err = errors.Join(err, errors.New("the clsact qdisc is left"))
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// sendOn sends a frame from a link again and again, until the returned function is called, which
// returns how often. Only so many are under way that the kernel's queue drops none.
func sendOn(
	t *testing.T, from netlink.Link, frame []byte, arrived func() uint64,
) (stop func() uint64) {
	t.Helper()
	s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	to := &unix.SockaddrLinklayer{Ifindex: from.Attrs().Index}
	var ended atomic.Bool
	sent := make(chan uint64)
	go func() {
		defer unix.Close(s)
		n := uint64(0)
		for ; !ended.Load(); n++ {
			for n > arrived()+100 && !ended.Load() {
				runtime.Gosched()
			}
			if err := unix.Sendto(s, frame, 0, to); err != nil {
				t.Error(err)
				break
			}
		}
		sent <- n
	}()
	return func() uint64 {
		ended.Store(true)
		return <-sent
	}
}

// received returns how many IPv4 packets the namespace's kernel has got (InReceives, RFC 1213
// ipInReceives).
func received(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	_, values, _ := strings.Cut(string(text), "\nIp: ")
	if n, err = strconv.Atoi(strings.Fields(values)[2]); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFiltersOfKilledDirectors: what killed directors left is removed by the next one, and the
// filters of those that run stay.
func TestFiltersOfKilledDirectors(t *testing.T) {
	near, _ := cable(t)
	l := load(t)
	var all []*filter
	attachOne := func() error {
		f, err := attachFilter(near, l.program)
		if err == nil {
			all = append(all, f.(*filter))
		}
		return err
	}
	for range mostDirectors {
		if err := attachOne(); err != nil {
			t.Fatal(err)
		}
	}
	if n := programs(t, near); n != mostDirectors {
		t.Errorf("%d filters of %d directors", n, mostDirectors)
	}
	if err := attachOne(); err == nil || !strings.Contains(err.Error(), "guard the interface already") {
		t.Error(err)
	}
	for _, killed := range all[1:] {
		if err := killed.claim.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := attachOne(); err != nil {
		t.Fatal(err)
	}
	if n := programs(t, near); n != 2 {
		t.Errorf("%d filters, want those of the two that run", n)
	}
	for _, f := range []*filter{all[0], all[len(all)-1]} {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := programs(t, near); n != 0 {
		t.Errorf("%d filters are left", n)
	}
}

// TestGuardAndItsSuccessor: a Guard that attaches while another one is attached hides for both, and
// goes on once the first is closed.
func TestGuardAndItsSuccessor(t *testing.T) {
	near, far := cable(t)
	p := packetSpec{src: "10.0.0.9", dst: "10.0.0.100", dport: 80, mac: near.Attrs().HardwareAddr}
	service := Service{Matches: matches(t, "tcp 10.0.0.100:80")}
	var guards []*Guard
	for range 2 {
		g, err := New()
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		if err := errors.Join(g.Hide(&service), g.Attach("near", 0)); err != nil {
			t.Fatal(err)
		}
		guards = append(guards, g)
	}
	if err := guards[0].Close(); err != nil {
		t.Fatal(err)
	}
	send(t, far, p.frame(t))
	await(t, "a packet hidden by the successor", func() bool { return guards[1].Hidden("near", 0) == 1 })
	if err := guards[1].Detach("near", 0); err != nil || programs(t, near) != 0 {
		t.Errorf("%v, %d programs are left", err, programs(t, near))
	}
}
