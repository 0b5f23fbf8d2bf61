package dpvs

import (
	"fmt"
	"strings"
	"time"

	"fulcrum/foreign"
	"fulcrum/lvs"
)

// TOML returns a configuration file without services. The user adds each port's device and
// addresses, which a dpvs.conf does not have. Comments at its head list what is not carried over.
func (i *Import) TOML() string {
	var t strings.Builder
	fmt.Fprintf(&t, "# Of %s (ports: %d, workers: %d). Complete the lines with \"complete\", and add "+
		"services.\n", foreign.Printable(i.File), len(i.Ports), len(i.Workers))
	for _, l := range i.Left {
		fmt.Fprintln(&t, "# not carried over:", l)
	}
	i.writeDirector(&t)
	bonds := 0
	for k := range i.Ports {
		i.Ports[k].write(&t, bonds)
		bonds += min(len(i.Ports[k].Slaves), 1)
	}
	i.writeSessions(&t)
	return t.String()
}

func (i *Import) writeDirector(t *strings.Builder) {
	fmt.Fprintln(t, "\n[director]")
	if len(i.Workers) > 0 {
		fmt.Fprintf(t, "workers = %s\n", strings.ReplaceAll(fmt.Sprint(i.Workers), " ", ", "))
	}
	fmt.Fprintln(t, `# idle = "busy"  # as DPVS; the default sleeps while there is nothing to do`)
	fmt.Fprintf(t, "log = %q\n", strings.ToLower(i.Log.String()))
	if m := i.memory(); m > usualMemory {
		fmt.Fprintf(t, "\n[dpdk]\nmemory = \"%dMiB\"  # about what %d ports and %d workers need\n", m,
			len(i.Ports), len(i.Workers))
	}
}

// What a director needs of DPDK's memory: buffers for all descriptors, and for each worker those in
// its hands and in its cache (ports/dpdk).
const (
	usualMemory      = 512 // MiB, the default of the configuration
	mostMemory       = 1 << 20
	usualDescriptors = 1024
	workerBuffers    = 1024
	bufferSize       = 3 << 10 // bytes, for an MTU of 1500
	besides          = 32      // MiB
	memoryStep       = 64      // MiB
)

// memory returns the memory in MiB that ports and workers need, with some reserve.
func (i *Import) memory() int {
	tx := 0
	for _, p := range i.Ports {
		tx += orUsual(p.TxDescriptors)
	}
	bytes := 0
	for _, p := range i.Ports {
		buffers := len(i.Workers) * (orUsual(p.RxDescriptors) + tx + workerBuffers)
		bytes += buffers * (bufferSize + p.MTU)
	}
	need := bytes>>20 + besides
	return min((need+memoryStep-1)/memoryStep*memoryStep, mostMemory)
}

func orUsual(descriptors int) int {
	if descriptors == 0 {
		return usualDescriptors
	}
	return descriptors
}

// write writes a port. A bond gets a number of its own.
func (p *Port) write(t *strings.Builder, bond int) {
	fmt.Fprintf(t, "\n[[port]]\nname = %q\n%s\n", p.Name, p.deviceLine(bond))
	fmt.Fprintf(t, "# addresses = [\"10.0.0.1/24\"]  # complete: its own, of dpip addr show dev %s\n",
		p.Name)
	for _, n := range []struct {
		key   string
		value int
	}{
		{"rx_descriptors", p.RxDescriptors}, {"tx_descriptors", p.TxDescriptors}, {"mtu", p.MTU},
	} {
		if n.value > 0 {
			fmt.Fprintf(t, "%s = %d\n", n.key, n.value)
		}
	}
}

// deviceLine returns the device of a port as a comment. A dpvs.conf does not have PCI addresses.
func (p *Port) deviceLine(bond int) string {
	if len(p.Slaves) == 0 {
		return `# device = "0000:3b:00.0"  # complete: its PCI address, of dpdk-devbind.py --status`
	}
	var text strings.Builder
	fmt.Fprintf(&text, `# device = "net_bonding%d,mode=%d`, bond, p.BondMode)
	for _, s := range p.Slaves {
		fmt.Fprintf(&text, ",slave=%s", s)
	}
	if p.Primary != "" {
		fmt.Fprintf(&text, ",primary=%s", p.Primary)
	}
	return text.String() + `"  # complete: PCI addresses for names`
}

func (i *Import) writeSessions(t *strings.Builder) {
	fmt.Fprintf(t, "\n[session]\nmax = %d  # conn_pool_size, which DPVS has for each NUMA node\n\n",
		i.Sessions)
	fmt.Fprintln(t, "[session.timeouts]  # DPVS's defaults where the file has none")
	for _, s := range lvs.States() {
		if long, ok := i.Timeouts[s]; ok {
			fmt.Fprintf(t, "%s = \"%ds\"\n", s.Key(), int64(long/time.Second))
		}
	}
}
