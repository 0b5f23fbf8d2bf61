package lab

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"

	"fulcrum/config"
	"fulcrum/lvs"
)

// A File is a user's configuration that can be put into a lab: for each port a network, for each
// real server a host, and clients where the routes say.
type File struct {
	config *config.Config // as in the file
	text   string
	plan   plan
}

// ReadFile reads a configuration and plans its lab. The error names the line of what a lab cannot
// have.
func ReadFile(name string) (*File, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w; name a readable TOML file", err)
	}
	c, err := config.Parse(name, text)
	if err != nil {
		return nil, err
	}
	f := &File{config: c, text: string(text)}
	if err := f.checkDevices(); err != nil {
		return nil, err
	}
	return f, f.draw()
}

// problem returns an error about the value at a path of the file.
func (f *File) problem(what, right string, path ...any) error {
	var keys []string
	for _, step := range path {
		if key, ok := step.(string); ok {
			keys = append(keys, key)
		}
	}
	return config.Problems{{
		File: f.config.File, Line: config.Line(f.text, path...), Key: strings.Join(keys, "."),
		What: what, Right: right,
	}}
}

// noVeth are the drivers whose other end is a program and no network.
var noVeth = []string{"net_memif", "net_vhost", "net_virtio_user", "virtio_user"}

func (f *File) checkDevices() error {
	for i, p := range f.config.Ports {
		for _, driver := range noVeth {
			if strings.HasPrefix(p.Device, driver) {
				return f.problem(fmt.Sprintf("%s leads to a program, and a lab has none for it", driver),
					"give the port a network interface or a NIC: the lab puts a veth pair in its place",
					"port", i, "device")
			}
		}
	}
	return nil
}

// has6 reports whether anything in the file has an IPv6 address.
func (f *File) has6() bool {
	six := func(p netip.Prefix) bool { return p.Addr().Is6() }
	return slices.ContainsFunc(f.config.Ports, func(p config.Port) bool {
		return slices.ContainsFunc(p.Addresses, six)
	})
}

// mode returns the mode of all services, or a word for several, as the list of labs shows it.
func (f *File) mode() string {
	modes := map[lvs.Mode]bool{}
	for _, s := range f.config.Services {
		for _, m := range s.Modes() {
			modes[m] = true
		}
	}
	if len(modes) == 1 {
		return f.config.Services[0].Modes()[0].String()
	}
	return "mixed"
}

// Bounds of a director in a lab, where DPDK has 256 MiB.
const (
	labMemory   = 256 << 20
	labSessions = 65_536
)

// director returns the configuration of the lab's director: that of the file on the lab's devices
// and CPUs. The API over TCP and the metrics' server are left out, since their addresses are the
// host's, and so are static neighbours, since the lab's hosts have MACs of their own. Every VIP is
// announced, since there is no other director.
func (f *File) director(cpus []int, control string) *config.Config {
	c := f.config.Clone()
	c.Director.Workers, c.Director.Control, c.Director.Announce = cpus, control, true
	c.Director.Log = min(c.Director.Log, slog.LevelInfo) // it logs that it is ready
	c.Control, c.Metrics, c.Neighbours = config.Control{}, config.Metrics{}, nil
	c.DPDK = config.DPDK{Hugepages: config.HugePagesAuto, Memory: labMemory}
	c.Session.Max = min(c.Session.Max, labSessions)
	c.Session.MaxV6 = min(c.Session.MaxV6, labSessions)
	c.Ports = slices.Clone(c.Ports)
	for i := range c.Ports {
		p := &c.Ports[i]
		p.Device, p.VLAN = fmt.Sprintf("net_af_packet%d,iface=%s", i, portDevice(i)), 0
		p.MTU = min(p.MTU, 1500)
	}
	for i := range c.Services {
		s := &c.Services[i]
		s.Announce, s.MaxSessions = config.AsDirector, min(s.MaxSessions, c.Session.Max)
	}
	return c
}

// portDevice returns the name of the director's interface at a port.
func portDevice(port int) string { return fmt.Sprintf("port%d", port) }

// write writes the configuration of the lab's director.
func (f *File) write(name string, cpus []int, control string) error {
	text := "# " + f.config.File + ", as the lab's director runs it.\n" +
		f.director(cpus, control).Render()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the director's configuration: %w", err)
	}
	return nil
}
