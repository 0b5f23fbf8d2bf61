package ipvsadm

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Counters are those of a service or of a real server.
type Counters struct {
	Connections, InPackets, OutPackets, InBytes, OutBytes uint64
}

// Service is a service as -L shows it.
type Service struct {
	Protocol, Address, Scheduler, Mode string
	Counters
	Servers []Server
}

// Server is a real server as -L shows it.
type Server struct {
	Address                  string
	Weight, Active, Inactive int32
	Upper, Lower             int
	Counters
}

// tableVersion is what scripts are shown where IPVS has its own.
const tableVersion = "1.2.1"

var titles = map[string][2]string{
	"":           {"Prot LocalAddress:Port Scheduler Flags", "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn"},
	"stats":      {"Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes", "  -> RemoteAddress:Port"},
	"rate":       {"Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS", "  -> RemoteAddress:Port"},
	"thresholds": {"Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn", "  -> RemoteAddress:Port"},
}

// methodNames are ipvsadm's, and DPVS's for fullnat.
var methodNames = map[string]string{"dr": "Route", "ipip": "Tunnel", "nat": "Masq", "fullnat": "FullNat"}

// format is which list a command asks for.
func (k *Command) format() string {
	switch {
	case k.Stats:
		return "stats"
	case k.Rate:
		return "rate"
	case k.Thresholds:
		return "thresholds"
	}
	return ""
}

// Write lists services as the command asks; size is the number of sessions that the tables hold. With -t or -u only that one is listed. For
// --rate the counters are those of a second.
func Write(w io.Writer, k Command, services []Service, size int) {
	format := k.format()
	fmt.Fprintf(w, "IP Virtual Server version %s (size=%d)\n%s\n%s\n", tableVersion, size, titles[format][0], titles[format][1])
	for _, s := range services {
		if k.Protocol != "" && (s.Protocol != k.Protocol || s.Address != k.Service.String()) {
			continue
		}
		s.write(w, format, k.Exact)
	}
}

func (s *Service) write(w io.Writer, format string, exact bool) {
	name := fmt.Sprintf("%-4s %s", strings.ToUpper(s.Protocol), s.Address)
	switch format {
	case "stats", "rate":
		fmt.Fprintf(w, "%-33s", name)
		s.Counters.write(w, exact)
	case "thresholds":
		fmt.Fprintln(w, name)
	default:
		fmt.Fprintf(w, "%s %s\n", name, s.Scheduler)
	}
	for _, rs := range s.Servers {
		rs.write(w, s.Mode, format, exact)
	}
}

func (rs *Server) write(w io.Writer, mode, format string, exact bool) {
	fmt.Fprintf(w, "  -> %-28s", rs.Address)
	switch format {
	case "stats", "rate":
		rs.Counters.write(w, exact)
	case "thresholds":
		fmt.Fprintf(w, " %-10d %-10d %-10d %-10d\n", rs.Upper, rs.Lower, rs.Active, rs.Inactive)
	default:
		fmt.Fprintf(w, " %-7s %-6d %-10d %-10d\n", methodNames[mode], rs.Weight, rs.Active, rs.Inactive)
	}
}

func (c *Counters) write(w io.Writer, exact bool) {
	for _, n := range []uint64{c.Connections, c.InPackets, c.OutPackets, c.InBytes, c.OutBytes} {
		fmt.Fprint(w, largeNumber(n, exact))
	}
	fmt.Fprintln(w)
}

// largeNumber shortens a number to nine places, as ipvsadm does.
func largeNumber(n uint64, exact bool) string {
	switch {
	case exact, n < 100_000_000:
		return fmt.Sprintf(" %8d", n)
	case n < 100_000_000_000:
		return fmt.Sprintf(" %7dK", n/1000)
	case n < 100_000_000_000_000:
		return fmt.Sprintf(" %7dM", n/1_000_000)
	}
	return fmt.Sprintf(" %7dG", n/1_000_000_000)
}

// Difference returns the services with what was counted between two readings.
func Difference(after, before []Service) []Service {
	old := map[string]Counters{}
	for _, s := range before {
		old[s.Protocol+" "+s.Address] = s.Counters
		for _, rs := range s.Servers {
			old[s.Protocol+" "+s.Address+" "+rs.Address] = rs.Counters
		}
	}
	for i := range after {
		s := &after[i]
		name := s.Protocol + " " + s.Address
		s.Counters.subtract(old[name])
		for j := range s.Servers {
			s.Servers[j].Counters.subtract(old[name+" "+s.Servers[j].Address])
		}
	}
	return after
}

func (c *Counters) subtract(o Counters) {
	c.Connections -= o.Connections
	c.InPackets -= o.InPackets
	c.OutPackets -= o.OutPackets
	c.InBytes -= o.InBytes
	c.OutBytes -= o.OutBytes
}

// Connection is a session as -L -c shows it.
type Connection struct {
	Protocol, State, Client, VIP, Server string
	Left                                 time.Duration // until it times out
}

// WriteConnectionTitle writes what -L -c begins with.
func WriteConnectionTitle(w io.Writer) {
	fmt.Fprint(w, "IPVS connection entries\npro expire state       source             virtual            destination\n")
}

// WriteConnection writes one line of -L -c.
func WriteConnection(w io.Writer, c Connection) {
	seconds := int(c.Left.Seconds())
	fmt.Fprintf(w, "%-3s %02d:%02d  %-11s %-18s %-18s %s\n", strings.ToUpper(c.Protocol), seconds/60, seconds%60, c.State, c.Client, c.VIP, c.Server)
}
