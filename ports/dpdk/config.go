package dpdk

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

const defaultMemory = 512 << 20

// Config says how DPDK is started.
type Config struct {
	// HugePages is "auto" (the default; huge pages if enough are free), "on" or "off".
	HugePages string

	// Memory is what DPDK may use for buffers and descriptors, in bytes; default 512 MiB.
	Memory int64

	// CPU is where DPDK keeps its main lcore, which is one that no worker uses.
	CPU int

	// Devices are the devices that will be opened, as in PortConfig.Device. Those that are
	// PCI addresses are the only ones that DPDK touches; without any it leaves PCI alone.
	Devices []string

	// Args are further EAL arguments, as they are. None of RefusedArgs may be among them.
	Args []string
}

// Validate reports the first thing that is wrong.
func (c Config) Validate() error {
	if !slices.Contains([]string{"", "auto", "on", "off"}, c.HugePages) {
		return fmt.Errorf("huge pages %q: must be auto, on or off", c.HugePages)
	}
	if c.Memory < 0 {
		return fmt.Errorf("memory of %d bytes: must be positive", c.Memory)
	}
	if c.CPU < 0 {
		return fmt.Errorf("CPU %d: must not be negative", c.CPU)
	}
	for _, arg := range c.Args {
		if refused, is := refusedArg(arg); is {
			return fmt.Errorf("EAL argument %s: can be read as %s, which cannot be given; leave it out", arg, refused)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.HugePages == "" {
		c.HugePages = "auto"
	}
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	return c
}

// arguments is the EAL's command line.
func (c Config) arguments(prefix string, memory memoryPlan) []string {
	args := []string{
		"fulcrum",
		fmt.Sprintf("--lcores=0@%d", c.CPU),
		"--file-prefix=" + prefix,
		"--no-telemetry",
		"-m", fmt.Sprint(mebibytes(c.Memory)),
	}
	args = append(args, memory.args...)
	args = append(args, c.busArguments()...)
	return append(args, c.Args...)
}

// busArguments keep the EAL from taking PCI devices that nobody named: they may be another
// director's.
func (c Config) busArguments() []string {
	var args []string
	for _, text := range c.Devices {
		for _, d := range append(parseDevice(text).members(), parseDevice(text)) {
			if d.isPCI {
				args = append(args, "-a", d.text)
			}
		}
	}
	if args == nil {
		return []string{"--no-pci"}
	}
	return args
}

func mebibytes(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// requireRoot: without root DPDK fails late, and differently with each driver.
func requireRoot() error {
	if os.Geteuid() == 0 {
		return nil
	}
	return &Error{Doing: "starting DPDK", Err: os.ErrPermission, Try: "run it as root"}
}

// device is a device string taken apart.
type device struct {
	text  string            // as DPDK wants it
	name  string            // "net_af_packet0" or "0000:3b:00.0"
	args  map[string]string // "iface": "veth-front"; the last one of a repeated key
	isPCI bool
}

var pciAddress = regexp.MustCompile(`^([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$`)

func parseDevice(text string) device {
	name, rest, _ := strings.Cut(text, ",")
	d := device{text: text, name: name, args: map[string]string{}}
	if m := pciAddress.FindStringSubmatch(name); m != nil {
		d.isPCI = true
		d.name = strings.ToLower(name) // DPDK finds its devices by the name that it would write
		if m[1] == "" {
			d.name = "0000:" + d.name
		}
		d.text = d.name + strings.TrimPrefix(text, name)
	}
	for arg := range strings.SplitSeq(rest, ",") {
		if key, value, found := strings.Cut(arg, "="); found {
			d.args[key] = value
		}
	}
	return d
}

// members are the devices that net_bonding puts together, by name only. DPDK has to have attached them before.
func (d device) members() []device {
	var all []device
	for arg := range strings.SplitSeq(d.text, ",") {
		if name, found := strings.CutPrefix(arg, "slave="); found {
			all = append(all, parseDevice(name))
		}
	}
	return all
}

// kernelInterface is the network interface that the device sits on, or empty. What net_vhost calls so is a socket.
func (d device) kernelInterface() string {
	if strings.HasPrefix(d.name, "net_vhost") {
		return ""
	}
	return d.args["iface"]
}
