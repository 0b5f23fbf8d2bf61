package guard

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
)

// device is one interface with its program.
type device struct {
	guarded  counts // of which the director's packets are hidden
	deaf     counts // of which all is hidden
	attached io.Closer
}

// counts are VLANs with their hidden packets.
type counts struct {
	*ebpf.Map
	known map[int]bool // by VLAN
}

// mostVLANs is how many VLANs of a device may be guarded: all, and frames without tag.
const mostVLANs = 4096

func newDevice(iface string, m maps) (_ *device, err error) {
	link, err := netlink.LinkByName(iface)
	if err != nil {
		return nil, err
	}
	d := &device{}
	if d.guarded, err = newCounts("fulcrum_vlans"); err != nil {
		return nil, err
	}
	if d.deaf, err = newCounts("fulcrum_deaf"); err != nil {
		return nil, errors.Join(err, d.guarded.Close())
	}
	m.vlans, m.deaf = d.guarded.Map, d.deaf.Map
	if d.attached, err = attachProgram(link, m); err != nil {
		return nil, errors.Join(err, d.guarded.Close(), d.deaf.Close())
	}
	return d, nil
}

func newCounts(name string) (counts, error) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: name, Type: ebpf.PerCPUHash, KeySize: 4, ValueSize: 8,
		MaxEntries: mostVLANs, Flags: noPreallocation,
	})
	if err != nil {
		return counts{}, explain("creating a BPF map", err)
	}
	return counts{m, map[int]bool{}}, nil
}

func attachProgram(link netlink.Link, m maps) (io.Closer, error) {
	program, err := ebpf.NewProgram(newProgram(m))
	if err != nil {
		return nil, explain("loading the BPF program", err)
	}
	defer program.Close() // what is attached holds it
	attached, err := attach(link, program)
	if err != nil {
		return nil, explain("attaching the BPF program", err)
	}
	return attached, nil
}

// of returns the VLANs that are guarded, or those of which all is hidden.
func (d *device) of(all bool) counts {
	if all {
		return d.deaf
	}
	return d.guarded
}

func (d *device) add(vlan int, all bool) error {
	n, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	c := d.of(all)
	if err := c.Put(uint32(vlan), make([]uint64, n)); err != nil {
		return fmt.Errorf("guarding VLAN %d: %w", vlan, err)
	}
	c.known[vlan] = true
	return nil
}

// remove reports whether the VLAN was the last one.
func (d *device) remove(vlan int, all bool) (last bool, err error) {
	c := d.of(all)
	if c.known[vlan] {
		err = c.Delete(uint32(vlan))
		delete(c.known, vlan)
	}
	return len(d.guarded.known)+len(d.deaf.known) == 0, err
}

func (d *device) hidden(vlan int) uint64 { return d.guarded.of(vlan) + d.deaf.of(vlan) }

func (c counts) of(vlan int) (sum uint64) {
	var each []uint64 // by CPU
	if err := c.Lookup(uint32(vlan), &each); err != nil {
		return 0 // the VLAN is not there
	}
	for _, n := range each {
		sum += n
	}
	return sum
}

func (d *device) close() error {
	return errors.Join(d.attached.Close(), d.guarded.Close(), d.deaf.Close())
}
