package guard

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
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
	attached := make([]io.Closer, 2)
	hidden := func() uint64 { return loads[0].device.hidden(0) + loads[1].device.hidden(0) }
	hides := func(when string) {
		t.Helper()
		before := hidden()
		for range 50 {
			send(t, far, frame)
		}
		await(t, when, func() bool { return hidden() == before+50 })
	}
	for i, l := range loads {
		l.furnish(families["IPv4"], false)
		var err error
		if attached[i], err = by(near, l.program); err != nil {
			t.Fatal(err)
		}
		hides([]string{"with one", "with both"}[i])
	}
	order := []int{0, 1}
	if !formerFirst {
		order = []int{1, 0}
	}
	for n, i := range order {
		if err := attached[i].Close(); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			hides("with the other one")
		}
	}
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
