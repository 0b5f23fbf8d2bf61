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
	vlans    *ebpf.Map
	guarded  map[int]bool // by VLAN
	attached io.Closer
}

// mostVLANs is how many VLANs of a device may be guarded: all, and frames without tag.
const mostVLANs = 4096

func newDevice(iface string, m maps) (_ *device, err error) {
	link, err := netlink.LinkByName(iface)
	if err != nil {
		return nil, err
	}
	d := &device{guarded: map[int]bool{}}
	d.vlans, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "fulcrum_vlans", Type: ebpf.PerCPUHash, KeySize: 4, ValueSize: 8,
		MaxEntries: mostVLANs, Flags: noPreallocation,
	})
	if err != nil {
		return nil, explain("creating a BPF map", err)
	}
	m.vlans = d.vlans
	program, err := ebpf.NewProgram(newProgram(m))
	if err != nil {
		return nil, errors.Join(explain("loading the BPF program", err), d.vlans.Close())
	}
	defer program.Close() // what is attached holds it
	if d.attached, err = attach(link, program); err != nil {
		return nil, errors.Join(explain("attaching the BPF program", err), d.vlans.Close())
	}
	return d, nil
}

func (d *device) add(vlan int) error {
	n, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	if err := d.vlans.Put(uint32(vlan), make([]uint64, n)); err != nil {
		return fmt.Errorf("guarding VLAN %d: %w", vlan, err)
	}
	d.guarded[vlan] = true
	return nil
}

// remove reports whether the VLAN was the last one.
func (d *device) remove(vlan int) (last bool, err error) {
	err = d.vlans.Delete(uint32(vlan))
	delete(d.guarded, vlan)
	return len(d.guarded) == 0, err
}

func (d *device) hidden(vlan int) (sum uint64) {
	var each []uint64 // by CPU
	if err := d.vlans.Lookup(uint32(vlan), &each); err != nil {
		return 0 // the VLAN is not guarded
	}
	for _, n := range each {
		sum += n
	}
	return sum
}

func (d *device) close() error { return errors.Join(d.attached.Close(), d.vlans.Close()) }
