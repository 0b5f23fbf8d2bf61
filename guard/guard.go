package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
)

// mostEntries bounds the addresses, and the served ports, that a Guard knows. The kernel takes
// 16 bytes for each at once, and more for those in use.
const mostEntries = 1 << 18

// programName is what bpftool and tc show.
const programName = "fulcrum_guard"

// maps are what the program reads.
type maps struct {
	addresses *ebpf.Map // 16 bytes of an address -> role
	endpoints *ebpf.Map // endpoint -> 1
	vlans     *ebpf.Map // VLAN id -> hidden packets; those of one device
}

// Guard hides the director's packets from the kernel on some interfaces. It is safe for concurrent
// use.
type Guard struct {
	mu      sync.Mutex // guards the following fields
	maps    maps       // without vlans
	claims  claims
	host    []netip.Addr
	devices map[string]*device // by interface
}

// New creates a Guard that hides nothing yet. It needs CAP_BPF, or CAP_SYS_ADMIN.
func New() (*Guard, error) {
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, explain("raising the limit of locked memory", err)
	}
	g := &Guard{claims: newClaims(), devices: map[string]*device{}}
	var err error
	if g.maps.addresses, err = newMap("addresses", 16, 4); err != nil {
		return nil, err
	}
	if g.maps.endpoints, err = newMap("endpoints", 20, 4); err != nil {
		return nil, errors.Join(err, g.maps.addresses.Close())
	}
	return g, nil
}

func newMap(name string, key, value uint32) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "fulcrum_" + name[:7], Type: ebpf.Hash, KeySize: key, ValueSize: value,
		MaxEntries: mostEntries, Flags: noPreallocation,
	})
	if err != nil {
		return nil, explain("creating a BPF map", err)
	}
	return m, nil
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
	g.claims.setHost(&t, g.host, all)
	g.host = all
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
	return err
}

// set puts an entry into a map, or removes it.
func set(m *ebpf.Map, key, value any, keep bool) error {
	if keep {
		if err := m.Put(key, value); err != nil {
			return fmt.Errorf("hiding from the kernel (at most %d addresses and ports): %w",
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
	return d.add(vlan)
}

// Detach reverses Attach.
func (g *Guard) Detach(iface string, vlan int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.devices[iface]
	if d == nil {
		return nil
	}
	if last, err := d.remove(vlan); !last || err != nil {
		return err
	}
	delete(g.devices, iface)
	return d.close()
}

// Hidden returns how many packets of a VLAN of an interface were hidden since Attach: none for one
// without guard.
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
	return errors.Join(err, g.maps.addresses.Close(), g.maps.endpoints.Close())
}
