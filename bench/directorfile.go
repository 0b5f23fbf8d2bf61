package bench

import (
	"fmt"
	"strings"
	"time"

	"fulcrum/modes"
	"fulcrum/packet"
)

// directorConfig describes the director's configuration file.
type directorConfig struct {
	device   string
	cpu      int
	memory   int // MiB for DPDK
	mode     modes.Mode
	sessions int // session.max
	// timeout, if set, is that of every state that idle sessions are in.
	timeout time.Duration
}

// file writes the configuration: one arm, a service for UDP and one for TCP, and no neighbour that would have to be asked for.
func (c directorConfig) file() string {
	var f strings.Builder
	fmt.Fprintf(&f, "[director]\nworkers = [%d]\nidle = \"busy\"\nlog = \"warn\"\n\n", c.cpu)
	fmt.Fprintf(&f, "[dpdk]\nhugepages = \"auto\"\nmemory = \"%dMiB\"\n\n", c.memory)
	fmt.Fprintf(&f, "[[port]]\nname = \"link\"\ndevice = %q\naddresses = [\"%s/%d\"]\nrx_descriptors = %d\ntx_descriptors = %[4]d\n\n",
		c.device, directorOwn, subnet.Bits(), descriptors)
	fmt.Fprintf(&f, "[[route]]\nto = \"0.0.0.0/0\"\nvia = \"%s\"\n\n", gateway)
	for _, a := range append(servers(), gateway) {
		fmt.Fprintf(&f, "[[neighbour]]\naddress = \"%s\"\nmac = \"%s\"\n\n", a, generatorMAC)
	}
	c.writeSession(&f)
	for _, protocol := range []uint8{packet.ProtocolUDP, packet.ProtocolTCP} {
		c.writeService(&f, protocol)
	}
	return f.String()
}

func (c directorConfig) writeSession(f *strings.Builder) {
	fmt.Fprintf(f, "[session]\nmax = %d\n\n", c.sessions)
	if c.timeout == 0 {
		return
	}
	fmt.Fprint(f, "[session.timeouts]\n")
	for _, state := range []string{"udp", "syn_recv", "established", "fin_wait", "close_wait", "time_wait", "close"} {
		fmt.Fprintf(f, "%s = \"%s\"\n", state, c.timeout)
	}
	fmt.Fprint(f, "\n")
}

func (c directorConfig) writeService(f *strings.Builder, protocol uint8) {
	name, port := "udp", service.Port()
	if protocol == packet.ProtocolTCP {
		name = "tcp"
	}
	if c.mode.TwoWay() {
		port = serverPort
	}
	fmt.Fprintf(f, "[[service]]\nname = %q\naddress = %q\nprotocol = %[1]q\nmode = %[3]q\nscheduler = \"rr\"\n", name, service, c.mode)
	if c.mode == modes.FullNAT {
		fmt.Fprintf(f, "local_addresses = [%q]\n", localRange)
	}
	for _, a := range servers() {
		fmt.Fprintf(f, "\n  [[service.real_server]]\n  address = \"%s:%d\"\n", a, port)
	}
	fmt.Fprint(f, "\n")
}
