package ipvsadm

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/bits"
	"net/netip"
	"strings"
	"time"

	"fulcrum/lvs"
)

// procMethods are the kernel's names of how packets get to a real server (Linux 6.12,
// net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_fwd_name). It has none for full NAT.
var procMethods = map[lvs.Path]string{
	lvs.Route: "Route", lvs.Translate: "Masq", lvs.Tunnel: "Tunnel",
}

// WriteProc writes services as the kernel's /proc/net/ip_vs has them (ip_vs_info_seq_show in
// ip_vs_ctl.c): services of marks last, addresses and ports in hexadecimal digits. It sorts
// services in place. size is the capacity of the session tables in sessions. A service of a range
// has the first address and the first port of the range, and port 0 if it has all ports.
func WriteProc(w io.Writer, services []Service, size int) error {
	file := bufio.NewWriter(w)
	fmt.Fprintf(file, "IP Virtual Server version %s (size=%d)\n"+
		"Prot LocalAddress:Port Scheduler Flags\n"+
		"  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n", tableVersion, size)
	sort(services)
	for _, ofMarks := range []bool{false, true} {
		for _, s := range services {
			if (s.ID.Mark != 0) == ofMarks {
				s.writeProc(file)
			}
		}
	}
	return file.Flush()
}

// writeProc writes a service and its real servers. The blanks are the kernel's: it shows one-packet
// scheduling of IPv4 and of marks only.
func (s *Service) writeProc(w io.Writer) {
	protocol, ops := strings.ToUpper(s.ID.Protocol.String()), ""
	if s.OnePacket {
		ops = "ops "
	}
	switch {
	case s.ID.Mark != 0:
		fmt.Fprintf(w, "FWM  %08X %s %s", s.ID.Mark, s.Scheduler, ops)
	case s.ID.Is6():
		fmt.Fprintf(w, "%s  %s %s ", protocol, procAddress(s.procVIP()), s.Scheduler)
	default:
		fmt.Fprintf(w, "%s  %s %s %s ", protocol, procAddress(s.procVIP()), s.Scheduler, ops)
	}
	if s.Persistence > 0 {
		fmt.Fprintf(w, "persistent %.0f %08X", s.Persistence.Seconds(), s.procMask())
	}
	fmt.Fprintln(w)
	for _, rs := range s.Servers {
		fmt.Fprintf(w, "  -> %s      %-7s %-6d %-10d %-10d\n", procAddress(rs.Address),
			procMethods[rs.Mode.Path()], rs.Weight, rs.Active, rs.Inactive)
	}
}

// procVIP returns a service's address, with port 0 if it has all ports.
func (s *Service) procVIP() netip.AddrPort {
	if isAllPorts(s.ID) {
		return netip.AddrPortFrom(s.ID.Address.Addr(), 0)
	}
	return s.ID.Address
}

// procAddress returns an address and a port in the digits of /proc/net.
func procAddress(a netip.AddrPort) string {
	if a.Addr().Is6() {
		return fmt.Sprintf("[%s]:%04X", a.Addr().StringExpanded(), a.Port())
	}
	return fmt.Sprintf("%X:%04X", a.Addr().AsSlice(), a.Port())
}

// procMask returns the mask of persistence as a number. For IPv6 the kernel turns the bytes of the
// prefix length around; so it is on machines whose least byte comes first.
func (s *Service) procMask() uint32 {
	if s.ID.Is6() {
		return bits.ReverseBytes32(uint32(s.Mask))
	}
	return math.MaxUint32 << (32 - s.Mask)
}

// WriteProcStats writes the sum of all services' counters as the kernel's /proc/net/ip_vs_stats has
// it (ip_vs_stats_show in ip_vs_ctl.c). rates are those of one second.
func WriteProcStats(w io.Writer, total, rates Counters) error {
	_, err := fmt.Fprintf(w, ""+
		"   Total Incoming Outgoing         Incoming         Outgoing\n"+
		"   Conns  Packets  Packets            Bytes            Bytes\n%s\n"+
		" Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n%s", total.proc(), rates.proc())
	return err
}

func (c *Counters) proc() string {
	return fmt.Sprintf("%8X %8X %8X %16X %16X\n", c.Connections, c.InPackets, c.OutPackets, c.InBytes,
		c.OutBytes)
}

// Total returns the sum of the services' counters.
func Total(services []Service) (t Counters) {
	for _, s := range services {
		more := s.Counters.all()
		for i, n := range t.all() {
			*n += *more[i]
		}
	}
	return t
}

// Rates returns the counters' increase in one second, from two readings and the time between them.
// It is 0 where a counter has decreased, and if no time has passed.
func Rates(after, before Counters, between time.Duration) Counters {
	if between <= 0 {
		return Counters{}
	}
	after.subtract(before)
	for _, n := range after.all() {
		*n = uint64(math.Round(float64(*n) / between.Seconds()))
	}
	return after
}
