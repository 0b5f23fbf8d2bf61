package ipvsadm

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fulcrum/config"
	"fulcrum/lvs"
)

// Counters are the counters of a service or of a real server. For --rate they are those of one
// second.
type Counters struct {
	Connections, InPackets, OutPackets, InBytes, OutBytes uint64
}

// Service is a service as List shows it.
type Service struct {
	ID        lvs.ServiceID
	Scheduler string   // its name, such as "wlc"
	Flags     []string // of the scheduler, such as "mh-port"
	// Persistence is how long clients stay with their real servers; 0 is not at all. Mask is the
	// prefix length, in bits, of the networks whose clients stay together.
	Persistence time.Duration
	Mask        int
	OnePacket   bool // one-packet scheduling
	Engine      lvs.PersistenceEngine
	Counters
	Servers []Server
}

// Server is a real server as List shows it.
type Server struct {
	Address                  netip.AddrPort
	Mode                     lvs.Mode // the forwarding method
	Weight, Active, Inactive int32    // Active and Inactive count sessions
	Persistent               int      // templates
	Upper, Lower             int      // thresholds in sessions; 0 is none
	Counters
}

// tableVersion takes the place of IPVS's version in the title.
const tableVersion = "1.2.1"

// form is the form of a list.
type form int

const (
	plain form = iota
	statsForm
	rateForm
	thresholdForm
	persistentForm
	tunnelForm
)

const belowTitle = "  -> RemoteAddress:Port"

var titles = [...][2]string{
	plain: {
		"Prot LocalAddress:Port Scheduler Flags",
		belowTitle + "           Forward Weight ActiveConn InActConn",
	},
	statsForm: {
		"Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes",
		belowTitle,
	},
	rateForm: {
		"Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS",
		belowTitle,
	},
	thresholdForm: {
		"Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn ",
		belowTitle,
	},
	persistentForm: {
		"Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn ",
		belowTitle,
	},
	tunnelForm: {
		"Prot LocalAddress:Port Scheduler Flags",
		belowTitle + "           Forward TunnelInfo    Weight ActiveConn InActConn",
	},
}

// form is which list a command asks for: of several the one that ipvsadm shows.
func (k *Command) form() form {
	for _, f := range []struct {
		asked bool
		form  form
	}{
		{k.Stats, statsForm}, {k.Rate, rateForm}, {k.Thresholds, thresholdForm},
		{k.Persistent, persistentForm}, {k.Tunnels, tunnelForm},
	} {
		if f.asked {
			return f.form
		}
	}
	return plain
}

// Write writes the list that the command asks for. It sorts services in place unless k.Unsorted
// is set. size is the capacity of the session tables in sessions. If k names a service, only that
// one is listed, and an unknown one is an error. For --rate the counters must be those of one
// second.
func Write(w io.Writer, k Command, services []Service, size int) error {
	list := bufio.NewWriter(w)
	if k.Service == (lvs.ServiceID{}) {
		fmt.Fprintf(list, "IP Virtual Server version %s (size=%d)\n", tableVersion, size)
	} else {
		i := slices.IndexFunc(services, func(s Service) bool { return s.ID == k.Service })
		if i < 0 {
			return k.noService()
		}
		services = services[i : i+1]
	}
	if !k.Unsorted {
		sort(services)
	}
	f := k.form()
	fmt.Fprintf(list, "%s\n%s\n", titles[f][0], titles[f][1])
	for _, s := range services {
		s.write(list, f, k.Exact)
	}
	return list.Flush()
}

// sort orders services by address family, protocol, address and port, and their real servers by
// address and port.
func sort(services []Service) {
	slices.SortFunc(services, func(a, b Service) int {
		return cmp.Or(
			cmp.Compare(a.ID.Address.Addr().BitLen(), b.ID.Address.Addr().BitLen()),
			cmp.Compare(a.ID.Mark, b.ID.Mark),
			cmp.Compare(a.ID.Protocol, b.ID.Protocol),
			a.ID.Address.Compare(b.ID.Address),
			a.ID.Last.Compare(b.ID.Last),
			cmp.Compare(a.ID.LastPort, b.ID.LastPort),
		)
	})
	for _, s := range services {
		slices.SortFunc(s.Servers, func(a, b Server) int { return a.Address.Compare(b.Address) })
	}
}

// protocolOf names the protocol of a connection. That of a mark's templates is any, which ipvsadm
// calls IP.
func protocolOf(name string) string {
	if name == "any" {
		return "IP"
	}
	return strings.ToUpper(name)
}

// nameOf names a service as ipvsadm does. What ipvsadm does not have, ranges, is written as in a
// file.
func nameOf(id lvs.ServiceID) string {
	six := ""
	if id.Is6() {
		six = " IPv6"
	}
	if id.Mark != 0 {
		return fmt.Sprintf("FWM  %d%s", id.Mark, six)
	}
	return fmt.Sprintf("%-4s %s", strings.ToUpper(id.Protocol.String()), destinationOf(id))
}

// spell returns a service's protocol and destination, or its mark.
func spell(id lvs.ServiceID) string {
	if id.Mark != 0 {
		return id.String()
	}
	return id.Protocol.String() + " " + destinationOf(id)
}

// destinationOf returns a service's address and port, with port 0 for every port, or its ranges.
func destinationOf(id lvs.ServiceID) string {
	if id.Mark == 0 && isAllPorts(id) {
		return id.Address.String()
	}
	return id.Destination()
}

// isAllPorts reports whether a service is every port of one address.
func isAllPorts(id lvs.ServiceID) bool {
	m := id.Match()
	return m.First == m.Last && m.Ports == lvs.AllPorts
}

func (s *Service) write(w io.Writer, f form, exact bool) {
	name := nameOf(s.ID)
	if f == statsForm || f == rateForm {
		fmt.Fprintf(w, "%-33s", name)
		s.Counters.write(w, exact)
	} else {
		fmt.Fprintf(w, "%s %s%s%s%s\n", name, s.Scheduler, flagList(s.Flags), s.persistenceFlag(),
			s.onePacketFlag())
	}
	for _, rs := range s.Servers {
		rs.write(w, f, exact)
	}
}

// onePacketFlag returns one-packet scheduling as ipvsadm lists it.
func (s *Service) onePacketFlag() string {
	if s.OnePacket {
		return " ops"
	}
	return ""
}

func (rs *Server) write(w io.Writer, f form, exact bool) {
	fmt.Fprintf(w, "  -> %-28s", rs.Address)
	switch f {
	case statsForm, rateForm:
		rs.Counters.write(w, exact)
		return
	case thresholdForm:
		fmt.Fprintf(w, " %-10d %-10d", rs.Upper, rs.Lower)
	case persistentForm:
		fmt.Fprintf(w, " %-9d %-11d", rs.Weight, rs.Persistent)
	case tunnelForm:
		fmt.Fprintf(w, " %-7s %-13s %-6d", rs.Mode.Forward(), tunnelInfo(rs.Mode), rs.Weight)
	default:
		fmt.Fprintf(w, " %-7s %-6d", rs.Mode.Forward(), rs.Weight)
	}
	fmt.Fprintf(w, " %-10d %-10d\n", rs.Active, rs.Inactive)
}

func tunnelInfo(mode lvs.Mode) string { return cmp.Or(mode.TunnelType(), "n/a") }

func (c *Counters) write(w io.Writer, exact bool) {
	for _, n := range c.all() {
		fmt.Fprint(w, largeNumber(*n, exact))
	}
	fmt.Fprintln(w)
}

// all returns the counters in the order of every list.
func (c *Counters) all() [5]*uint64 {
	return [...]*uint64{&c.Connections, &c.InPackets, &c.OutPackets, &c.InBytes, &c.OutBytes}
}

// largeNumber shortens a number to nine columns, at ipvsadm's steps.
func largeNumber(n uint64, exact bool) string {
	switch {
	case exact, n < 100_000_000:
		return fmt.Sprintf(" %8d", n)
	case n < 1_000_000_000:
		return fmt.Sprintf("%8dK", n/1000)
	case n < 100_000_000_000:
		return fmt.Sprintf("%8dM", n/1_000_000)
	case n < 100_000_000_000_000:
		return fmt.Sprintf("%8dG", n/1_000_000_000)
	}
	return fmt.Sprintf("%8dT", n/1_000_000_000_000)
}

// Difference returns the services with the counters' increase between two readings. It changes
// after.
func Difference(after, before []Service) []Service {
	services, servers := map[lvs.ServiceID]Counters{}, map[lvs.RealServerID]Counters{}
	for _, s := range before {
		services[s.ID] = s.Counters
		for _, rs := range s.Servers {
			servers[lvs.RealServerID{Service: s.ID, Address: rs.Address}] = rs.Counters
		}
	}
	for i := range after {
		s := &after[i]
		s.Counters.subtract(services[s.ID])
		for j := range s.Servers {
			rs := &s.Servers[j]
			rs.Counters.subtract(servers[lvs.RealServerID{Service: s.ID, Address: rs.Address}])
		}
	}
	return after
}

// subtract subtracts o. The result is 0 where a counter has decreased, since it has restarted.
func (c *Counters) subtract(o Counters) {
	less := o.all()
	for i, n := range c.all() {
		*n -= min(*n, *less[i])
	}
}

// Connection is a session or a template as -L -c shows it. The addresses have ports; a template's
// client has port 0.
type Connection struct {
	Protocol, State, Client, VIP, Server string
	Left                                 time.Duration // until it times out
	Call                                 string        // stands for a template's Call-ID; "" for none
}

// WriteTimeouts writes the output of -L --timeout, in seconds.
func WriteTimeouts(w io.Writer, t config.Timeouts) error {
	text := "Timeout (tcp tcpfin udp):"
	for _, state := range setStates {
		text += fmt.Sprintf(" %.0f", t[state].Seconds())
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// WriteConnectionTitle writes the title of -L -c. With --persistent-conn it has columns for the
// data of persistence engines.
func WriteConnectionTitle(w io.Writer, k Command) {
	fmt.Fprintf(w, "IPVS connection entries\npro expire %-11s %-18s %-18s ",
		"state", "source", "virtual")
	if k.Persistent {
		fmt.Fprintf(w, "%-18s %-16s %s\n", "destination", "pe name", "pe_data")
		return
	}
	fmt.Fprintln(w, "destination")
}

// kernelState returns the kernel's name of a state.
func kernelState(name string) string {
	state, known := lvs.ParseState(name)
	if !known {
		return name // of a newer director, or of a template
	}
	return state.Kernel()
}

// WriteConnection writes one line of -L -c. With --persistent-conn a template's line has the engine
// by which it is found, and what stands for the Call-ID.
func WriteConnection(w io.Writer, k Command, c Connection) {
	seconds := int(c.Left.Seconds())
	expire := fmt.Sprintf("%02d:%02d", seconds/60, seconds%60)
	fmt.Fprintf(w, "%-3s %-6s %-11s %-18s %-18s ", protocolOf(c.Protocol), expire,
		kernelState(c.State), c.Client, c.VIP)
	if k.Persistent && c.Call != "" {
		fmt.Fprintf(w, "%-18s %-16s %s\n", c.Server, lvs.EngineSIP, c.Call)
		return
	}
	fmt.Fprintln(w, c.Server)
}
