package bench

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fulcrum/lvs"
	"fulcrum/modes"
)

// directorConfig describes the director's configuration file.
type directorConfig struct {
	device   string
	cpu      int
	more     []int // CPUs of further workers
	idle     string
	memory   int // MiB for DPDK
	mode     modes.Mode
	sessions int    // session.max
	control  string // its control socket
	crowd    int    // real servers of further services without traffic
	six      bool   // everything is IPv6
	// timeout, if set, is the timeout of every state that idle sessions are in.
	timeout time.Duration
}

// file writes the configuration: one arm, a service for UDP and one for TCP. All neighbours are
// static, so the director asks for none.
func (c directorConfig) file() string {
	var f strings.Builder
	n := networkOf(c.six)
	fmt.Fprintf(&f, "[director]\nworkers = [%s]\nidle = %q\nlog = \"warn\"\ncontrol = %q\n\n",
		numbers(append([]int{c.cpu}, c.more...)), c.idle, c.control)
	fmt.Fprintf(&f, "[dpdk]\nhugepages = \"auto\"\nmemory = \"%dMiB\"\n\n", c.memory)
	fmt.Fprintf(&f, "[[port]]\nname = \"link\"\ndevice = %q\naddresses = [\"%s/%d\"]\nrx_descriptors = %d\ntx_descriptors = %[4]d\n\n",
		c.device, n.own, n.subnet.Bits(), descriptors)
	fmt.Fprintf(&f, "[[route]]\nto = \"%s\"\nvia = \"%s\"\n\n", n.everything, n.gateway)
	for _, a := range append(n.servers(), n.gateway) {
		fmt.Fprintf(&f, "[[neighbour]]\naddress = \"%s\"\nmac = \"%s\"\n\n", a, generatorMAC)
	}
	c.writeSession(&f)
	c.writeService(&f, lvs.UDP.String(), lvs.UDP, service.Port())
	c.writeService(&f, lvs.TCP.String(), lvs.TCP, service.Port())
	for i := range c.crowd / serverCount {
		c.writeService(&f, fmt.Sprintf("crowd-%d", i), lvs.TCP, firstCrowded+uint16(i))
	}
	return f.String()
}

// numbers separates numbers by commas.
func numbers(list []int) string {
	var words []string
	for _, n := range list {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ",")
}

// idleStates are the states of a benchmark's sessions while it sends nothing.
var idleStates = []lvs.State{
	lvs.StateUDP, lvs.StateSynRecv, lvs.StateEstablished, lvs.StateFinWait, lvs.StateCloseWait,
	lvs.StateTimeWait, lvs.StateClose,
}

func (c directorConfig) writeSession(f *strings.Builder) {
	if c.six {
		fmt.Fprintf(f, "[session]\nmax = %d\nmax_v6 = %d\n\n", emptyTable, c.sessions)
	} else {
		fmt.Fprintf(f, "[session]\nmax = %d\n\n", c.sessions)
	}
	if c.timeout == 0 {
		return
	}
	fmt.Fprint(f, "[session.timeouts]\n")
	for _, state := range idleStates {
		fmt.Fprintf(f, "%s = \"%s\"\n", state.Key(), c.timeout)
	}
	fmt.Fprint(f, "\n")
}

// firstCrowded is the first port of the services without traffic.
const firstCrowded = 10_000

func (c directorConfig) writeService(
	f *strings.Builder, name string, protocol lvs.Protocol, port uint16,
) {
	n := networkOf(c.six)
	fmt.Fprintf(f, "[[service]]\nname = %q\naddress = \"%s\"\nprotocol = %q\nmode = %q\nscheduler = \"rr\"\n",
		name, netip.AddrPortFrom(n.service.Addr(), port), protocol, c.mode)
	if c.mode.TwoWay() {
		port = serverPort
	}
	if c.mode.Source() == lvs.Local {
		fmt.Fprintf(f, "local_addresses = [%q]\n", n.locals)
	}
	for _, a := range n.servers() {
		fmt.Fprintf(f, "\n  [[service.real_server]]\n  address = \"%s\"\n", netip.AddrPortFrom(a, port))
	}
	fmt.Fprint(f, "\n")
}
