package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
)

// mostEntries bounds the addresses, the served ports and the ranges that a Guard knows. The kernel
// takes 16 bytes for each address at once, and more for what is in use.
const mostEntries = 1 << 18

// programName is what bpftool and tc show.
const programName = "fulcrum_guard"

// maps are what the program reads.
type maps struct {
	addresses *ebpf.Map // 16 bytes of an address -> role
	endpoints *ebpf.Map // endpoint -> 1
	ranges    *ebpf.Map // rangeKey -> director
	vlans     *ebpf.Map // VLAN id -> hidden packets; those of one device
	deaf      *ebpf.Map // the same, of VLANs of which all is hidden
}

// Guard hides the director's packets from the kernel on some interfaces. It is safe for concurrent
// use.
type Guard struct {
	mu      sync.Mutex // guards the following fields
	maps    maps       // without vlans
	claims  claims
	devices map[string]*device // by interface
}

// New creates a Guard that hides nothing yet. It needs CAP_BPF, or CAP_SYS_ADMIN.
func New() (*Guard, error) {
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, explain("raising the limit of locked memory", err)
	}
	g := &Guard{claims: newClaims(), devices: map[string]*device{}}
	for _, m := range []struct {
		*ebpf.MapSpec
		made **ebpf.Map
	}{
		{newMap("fulcrum_address", ebpf.Hash, 16), &g.maps.addresses},
		{newMap("fulcrum_endpoin", ebpf.LPMTrie, 28), &g.maps.endpoints},
		{newMap("fulcrum_ranges", ebpf.LPMTrie, 20), &g.maps.ranges},
	} {
		var err error
		if *m.made, err = ebpf.NewMap(m.MapSpec); err != nil {
			return nil, errors.Join(explain("creating a BPF map", err), g.maps.close())
		}
	}
	return g, nil
}

// newMap describes a map with keys of so many bytes.
func newMap(name string, kind ebpf.MapType, key uint32) *ebpf.MapSpec {
	return &ebpf.MapSpec{
		Name: name, Type: kind, KeySize: key, ValueSize: 4, MaxEntries: mostEntries,
		Flags: noPreallocation,
	}
}

// close closes those of all devices.
func (m *maps) close() error {
	return errors.Join(m.addresses.Close(), m.endpoints.Close(), m.ranges.Close())
}

// noPreallocation is BPF_F_NO_PREALLOC (linux/bpf.h): entries take memory while they are in use.
const noPreallocation = 1

// Hide hides a service. If it fails, nothing has changed.
func (g *Guard) Hide(s *Service) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var t touched
	g.claims.hide(&t, s)
	err := g.write(&t)
	if err == nil {
		return nil
	}
	var back touched
	g.claims.count(&back, s, -1)
	for _, a := range s.Locals {
		g.claims.add(&back, a, director, -1)
	}
	return errors.Join(err, g.write(&back))
}

// Show reverses Hide. Local addresses stay hidden until Settle.
func (g *Guard) Show(s *Service) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var t touched
	g.claims.show(&t, s)
	return g.write(&t)
}

// Settle shows the local addresses that no service has any more, but those in use.
func (g *Guard) Settle(used func(netip.Addr) bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var t touched
	g.claims.settle(&t, used)
	return g.write(&t)
}

// SetHost says which addresses the host itself has.
func (g *Guard) SetHost(all []netip.Addr) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var t touched
	g.claims.setHost(&t, all)
	return g.write(&t)
}

// write brings the maps to what the claims are.
func (g *Guard) write(t *touched) (err error) {
	for _, a := range t.addresses {
		key, roles := a.As16(), g.claims.rolesOf(a)
		err = errors.Join(err, set(g.maps.addresses, key, uint32(roles), roles != 0))
	}
	for _, e := range t.endpoints {
		err = errors.Join(err, set(g.maps.endpoints, e, uint32(1), g.claims.endpoints[e] > 0))
	}
	for _, p := range t.ranges {
		key := newRangeKey(p)
		err = errors.Join(err, set(g.maps.ranges, key, uint32(director), g.claims.ranges[p] > 0))
	}
	return err
}

// set puts an entry into a map, or removes it.
func set(m *ebpf.Map, key, value any, keep bool) error {
	if keep {
		if err := m.Put(key, value); err != nil {
			return fmt.Errorf("hiding from the kernel (at most %d addresses, ports and ranges): %w",
				mostEntries, err)
		}
		return nil
	}
	if err := m.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("showing to the kernel again: %w", err)
	}
	return nil
}

// Attach hides on an interface what belongs to one of its VLANs, 0 for frames without tag. It needs
// CAP_NET_ADMIN.
func (g *Guard) Attach(iface string, vlan int) error {
	return g.add(iface, vlan, false)
}

// Deafen hides on an interface all that one of its VLANs brings, whosever it is.
func (g *Guard) Deafen(iface string, vlan int) error { return g.add(iface, vlan, true) }

func (g *Guard) add(iface string, vlan int, all bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.devices[iface]
	if d == nil {
		var err error
		if d, err = newDevice(iface, g.maps); err != nil {
			return fmt.Errorf("guarding interface %s: %w", iface, err)
		}
		g.devices[iface] = d
	}
	return d.add(vlan, all)
}

// Detach reverses Attach.
func (g *Guard) Detach(iface string, vlan int) error { return g.remove(iface, vlan, false) }

// Hear reverses Deafen.
func (g *Guard) Hear(iface string, vlan int) error { return g.remove(iface, vlan, true) }

func (g *Guard) remove(iface string, vlan int, all bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.devices[iface]
	if d == nil {
		return nil
	}
	if last, err := d.remove(vlan, all); !last || err != nil {
		return err
	}
	delete(g.devices, iface)
	return d.close()
}

// Hidden returns how many packets of a VLAN of an interface were hidden since Attach or Deafen:
// none for one without guard.
func (g *Guard) Hidden(iface string, vlan int) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.devices[iface]
	if d == nil {
		return 0
	}
	return d.hidden(vlan)
}

// Close detaches the Guard from all interfaces.
func (g *Guard) Close() (err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, d := range g.devices {
		err = errors.Join(err, d.close())
		delete(g.devices, name)
	}
	return errors.Join(err, g.maps.close())
}
