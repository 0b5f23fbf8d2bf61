package dpdk

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const defaultMemory = 512 << 20

// Config describes how DPDK is started.
type Config struct {
	// HugePages is "auto" (the default: use huge pages if enough are free), "on" or "off".
	HugePages string

	// Memory is the memory for buffers and descriptors, in bytes; default 512 MiB.
	Memory int64

	// CPU is the number of the CPU for DPDK's main lcore. No worker may use it.
	CPU int

	// Devices are all devices that will be opened, as in PortConfig.Device. DPDK attaches only these
	// PCI devices. If the list has no PCI address, DPDK ignores PCI.
	Devices []string

	// Beside means that another process has the devices and hands them over (PortConfig.Beside). PCI
	// devices are then attached as they are opened.
	Beside bool

	// Args are further EAL arguments, passed unchanged. None of RefusedArgs may be among them.
	Args []string
}

// Validate returns the first error in the configuration.
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
			return fmt.Errorf("EAL argument %s: the EAL may read it as %s, which is refused; remove it",
				arg, refused)
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

// arguments returns the command line of the EAL.
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

// busArguments returns arguments that keep the EAL from taking other PCI devices than those of the
// configuration. They may belong to another director.
func (c Config) busArguments() []string {
	var args []string
	for _, text := range c.Devices {
		for _, d := range append(parseDevice(text).members(), parseDevice(text)) {
			if d.isPCI {
				args = append(args, "-a", d.text)
			}
		}
	}
	switch {
	case args == nil:
		return []string{"--no-pci"}
	case c.Beside:
		return []string{"-a", noDevice}
	}
	return args
}

// noDevice is the PCI address of the host's bridge, which no driver takes. If it is the only one
// allowed, the EAL attaches no device at its start, and others can be attached later.
const noDevice = "0000:00:00.0"

func mebibytes(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// device is a parsed device string.
type device struct {
	text  string            // in the form that DPDK expects
	name  string            // "net_af_packet0" or "0000:3b:00.0"
	args  map[string]string // such as "iface": "veth-front"; the last value of a repeated key
	isPCI bool
}

var pciAddress = regexp.MustCompile(`^([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$`)

func parseDevice(text string) device {
	name, rest, _ := strings.Cut(text, ",")
	d := device{text: text, name: name, args: map[string]string{}}
	if m := pciAddress.FindStringSubmatch(name); m != nil {
		d.isPCI = true
		d.name = strings.ToLower(name) // DPDK looks its devices up by this spelling
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

// members returns the devices that net_bonding combines, by name only. DPDK must have attached
// them before.
func (d device) members() []device {
	var all []device
	for arg := range strings.SplitSeq(d.text, ",") {
		if name, found := strings.CutPrefix(arg, "slave="); found {
			all = append(all, parseDevice(name))
		}
	}
	return all
}

// bringsUnfinished reports whether the driver receives packets as the kernel has them, and does not
// tell which have a checksum: it knows (TP_STATUS_CSUMNOTREADY of packet sockets) and says nothing.
func (d device) bringsUnfinished() bool {
	for _, one := range append(d.members(), d) {
		if strings.HasPrefix(one.name, "net_af_") ||
			strings.HasPrefix(one.name, "net_pcap") && one.capturesLive() {
			return true
		}
	}
	return false
}

// capturesLive reports whether a device of net_pcap reads an interface.
func (d device) capturesLive() bool { return d.args["iface"] != "" || d.args["rx_iface"] != "" }

// kernelInterface returns the network interface that the device uses, or "". The iface argument of
// net_vhost is a socket, not an interface.
func (d device) kernelInterface() string {
	if strings.HasPrefix(d.name, "net_vhost") {
		return ""
	}
	return d.args["iface"]
}
