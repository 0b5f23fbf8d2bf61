package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"fulcrum/lvs"
)

// block is one table of a file, in the form in which it is written.
type block struct {
	id       string // tells the elements of an array of tables apart
	settings []setting
	groups   []group
}

// group is the tables below one key: one [table], or the elements of an array of [[table]]s.
type group struct {
	header string // dotted
	array  bool
	blocks []block
}

// key returns the last part of the group's header.
func (g group) key() string { return g.header[strings.LastIndexByte(g.header, '.')+1:] }

// setting is one key of a table with its value in TOML's notation.
type setting struct {
	key, value string // no value: the key cannot be in the file
	needed     bool   // a file without the key would mean another value
}

// byDefault holds what the readers make of tables without keys.
var byDefault = struct {
	director, control, metrics, dpdk, port, timeouts, own, service, server []setting
}{
	director: directorSettings(readDirector(noTable(), cpuSets{})),
	control:  controlSettings(readControl(noTable())),
	metrics:  metricsSettings(readMetrics(noTable())),
	dpdk:     dpdkSettings(readDPDK(noTable())),
	port:     portSettings(readPort(noTable())),
	timeouts: timeoutSettings(readTimeouts(noTable())),
	own:      ownTimeoutSettings(OwnTimeouts{}),
	service:  serviceSettings(firstOf(readService(noTable()))),
	server:   serverSettings(readRealServer(noTable(), Health{})),
}

func noTable() *table { return newTable(value{doc: &document{}}) }

func firstOf[A, B any](a A, _ B) A { return a }

// besides marks the settings that differ from the defaults, which are in the same order.
func besides(defaults, settings []setting) []setting {
	for i := range settings {
		s := &settings[i]
		s.needed = s.value != "" && (s.needed || s.value != defaults[i].value)
	}
	return settings
}

// blocks returns the configuration as the tables of a file, in the order of a rendered one.
func (c *Config) blocks() block {
	d := &byDefault
	derived := readSession(noTable())
	derived.MaxV6 = c.sessionsV6()
	session := single("session", besides(sessionSettings(derived), sessionSettings(c.Session)))
	session.blocks[0].groups = []group{
		single("session.timeouts", besides(d.timeouts, timeoutSettings(c.Session.Timeouts))),
	}
	return block{groups: []group{
		single("director", besides(d.director, directorSettings(c.Director))),
		single("control", besides(d.control, controlSettings(c.Control))),
		single("metrics", besides(d.metrics, metricsSettings(c.Metrics))),
		single("dpdk", besides(d.dpdk, dpdkSettings(c.DPDK))),
		array("port", c.Ports, portBlock),
		array("route", c.Routes, c.routeBlock),
		array("neighbour", c.Neighbours, c.neighbourBlock),
		session,
		array("mark", c.Marks, markBlock),
		array("service", c.Services, serviceBlock),
	}}
}

func single(header string, settings []setting) group {
	return group{header: header, blocks: []block{{settings: settings}}}
}

func array[T any](header string, all []T, form func(*T) block) group {
	g := group{header: header, array: true, blocks: make([]block, len(all))}
	for i := range all {
		g.blocks[i] = form(&all[i])
	}
	return g
}

func directorSettings(d Director) []setting {
	return []setting{
		{"workers", numbers(d.Workers), true}, // the default depends on the machine
		{"idle", quote(string(d.Idle)), false},
		{"control", optional(d.Control), false},
		{"control_mode", quote(fmt.Sprintf("%04o", d.ControlMode)), false},
		{"control_group", optional(d.ControlGroup), false},
		{"ipvs", optional(d.IPVS), false},
		{"state", optional(d.State), false},
		{"log", quote(strings.ToLower(d.Log.String())), false},
		{"announce", strconv.FormatBool(d.Announce), false},
		{"announce_repeat", strconv.Itoa(d.AnnounceRepeat), false},
	}
}

func controlSettings(c Control) []setting {
	return []setting{
		{"listen", listener(c.Listen), false},
		{"certificate", optional(c.Certificate), false},
		{"key", optional(c.Key), false},
		{"token_file", optional(c.TokenFile), false},
		{"read_token_file", optional(c.ReadTokenFile), false},
	}
}

func metricsSettings(m Metrics) []setting {
	return []setting{{"listen", listener(m.Listen), false}}
}

func dpdkSettings(d DPDK) []setting {
	return []setting{
		{"hugepages", quote(d.Hugepages), false},
		{"memory", quote(formatSize(d.Memory)), false},
		{"args", list(quoted(d.Args)), false},
	}
}

func portBlock(p *Port) block {
	return block{id: p.Name, settings: besides(byDefault.port, portSettings(*p))}
}

func portSettings(p Port) []setting {
	return []setting{
		{"name", quote(p.Name), true},
		{"device", quote(p.Device), true},
		{"addresses", list(quoted(p.Addresses)), true},
		{"rx_descriptors", strconv.Itoa(p.RxDescriptors), false},
		{"tx_descriptors", strconv.Itoa(p.TxDescriptors), false},
		{"mtu", strconv.Itoa(p.MTU), false},
		{"guard", strconv.FormatBool(p.Guard), false},
		{"host", optional(p.Host), false},
		{"vlan", strconv.Itoa(p.VLAN), false},
		{"follow", strconv.FormatBool(p.Follow), false},
	}
}

func (c *Config) routeBlock(r *Route) block {
	return block{id: r.To.String(), settings: []setting{
		{"to", quote(r.To.String()), true},
		{"via", quote(r.Via.String()), true},
		{"port", quote(c.Ports[r.Port].Name), r.LinkLocal()},
	}}
}

func (c *Config) neighbourBlock(n *Neighbour) block {
	port := c.Ports[n.Port].Name
	return block{id: n.Address.String() + " " + port, settings: []setting{
		{"address", quote(n.Address.String()), true},
		{"mac", quote(n.MAC.String()), true},
		{"port", quote(port), n.LinkLocal()},
	}}
}

func sessionSettings(s Session) []setting {
	return []setting{
		{"max", strconv.Itoa(s.Max), false},
		{"max_v6", strconv.Itoa(s.MaxV6), false},
		{"sloppy_tcp", strconv.FormatBool(s.SloppyTCP), false},
		{"templates", strconv.Itoa(s.Templates), false},
		{"expire_quiescent", strconv.FormatBool(s.ExpireQuiescent), false},
		{"expire_nodest", strconv.FormatBool(s.ExpireNoDest), false},
		{"drop_entry", quote(string(s.DropEntry)), false},
		{"drop_packet", quote(string(s.DropPacket)), false},
		{"secure_tcp", quote(string(s.SecureTCP)), false},
		{"reset_unknown", quote(string(s.ResetUnknown)), false},
		{"route_unmatched", strconv.FormatBool(s.RouteUnmatched), false},
		{"sloppy_sctp", strconv.FormatBool(s.SloppySCTP), false},
		{"conn_reuse_mode", strconv.Itoa(s.ConnReuseMode), false},
		{"nat_icmp_send", strconv.FormatBool(s.NATICMPSend), false},
		{"pmtu_disc", strconv.FormatBool(s.PMTUDisc), false},
		{"schedule_icmp", strconv.FormatBool(s.ScheduleICMP), false},
		{"ignore_tunneled", strconv.FormatBool(s.IgnoreTunneled), false},
		{"keep", optional(s.Keep), false},
	}
}

func timeoutSettings(t Timeouts) []setting {
	var settings []setting
	for _, state := range lvs.States() {
		settings = append(settings, setting{state.Key(), quote(short(t[state])), false})
	}
	return settings
}

func ownTimeoutSettings(t OwnTimeouts) []setting {
	var settings []setting
	for _, state := range lvs.States() {
		value := ""
		if t[state] != 0 {
			value = quote(short(t[state]))
		}
		settings = append(settings, setting{state.Key(), value, false})
	}
	return settings
}

func serviceBlock(s *Service) block {
	return block{
		id:       s.ID().String(),
		settings: besides(byDefault.service, serviceSettings(*s)),
		groups: []group{
			single("service.timeouts", besides(byDefault.own, ownTimeoutSettings(s.Timeouts))),
			single("service.health", healthSettings(s)),
			array("service.real_server", s.RealServers, func(rs *RealServer) block { return serverBlock(s, rs) }),
		},
	}
}

func serviceSettings(s Service) []setting {
	return []setting{
		{"name", quote(s.Name), true},
		{"address", addressValue(s), true},
		{"addresses", destinations(s.Addresses), true},
		{"mark", markValue(s), true},
		{"family", familyValue(s), true},
		{"protocol", protocolValue(s), true},
		{"mode", quote(s.Mode.String()), true},
		{"scheduler", quote(s.Scheduler.String()), false},
		{"scheduler_flags", list(quoted(s.Scheduler.FlagNames(s.SchedulerFlags))), false},
		{"persistence", quote(short(s.Persistence)), false},
		{"persistence_mask", maskValue(s), false},
		{"one_packet", strconv.FormatBool(s.OnePacket), false},
		{"persistence_engine", quote(s.PersistenceEngine.String()), false},
		{"mss", strconv.Itoa(s.MSS), false},
		{"echo", strconv.FormatBool(s.Echo), false},
		{"max_sessions", strconv.Itoa(s.MaxSessions), false},
		{"max_rate", strconv.Itoa(s.MaxRate), false},
		{"slow_start", quote(short(s.SlowStart)), false},
		{"max_sessions_per_source", strconv.Itoa(s.MaxSessionsPerSource), false},
		{"max_rate_per_source", strconv.Itoa(s.MaxRatePerSource), false},
		{"refuse", quote(s.Refuse.String()), false},
		{"quorum", strconv.Itoa(max(1, s.Quorum)), false},
		{"quorum_hysteresis", strconv.Itoa(s.QuorumHysteresis), false},
		{"quorum_up", list(quoted(s.QuorumUp.List())), false},
		{"quorum_down", list(quoted(s.QuorumDown.List())), false},
		{"sorry_servers", list(quoted(s.SorryServers)), false},
		{"announce", announceValue(s.Announce), false},
		{"vip_owner", quote(s.VIPOwner.String()), false},
		{"local_addresses", ranges(s.LocalAddresses), false},
	}
}

func markBlock(m *Mark) block {
	return block{id: strconv.Itoa(int(m.Number)), settings: []setting{
		{"number", strconv.Itoa(int(m.Number)), true},
		{"match", list(quoted(m.Match)), true},
	}}
}

func addressValue(s Service) string {
	if s.Mark != 0 || len(s.Addresses) > 0 {
		return ""
	}
	return quote(s.Address.String())
}

func destinations(all []lvs.Match) string {
	if len(all) == 0 {
		return ""
	}
	texts := make([]string, len(all))
	for i, m := range all {
		texts[i] = m.Destination()
	}
	return list(quoted(texts))
}

func markValue(s Service) string {
	if s.Mark == 0 {
		return ""
	}
	return strconv.Itoa(int(s.Mark))
}

func familyValue(s Service) string {
	if s.Mark == 0 || !s.Address.Addr().Is6() {
		return ""
	}
	return quote("ipv6")
}

func protocolValue(s Service) string {
	if s.Mark != 0 {
		return ""
	}
	return quote(s.Protocol.String())
}

// maskValue returns the mask of a service, or nothing if every client is a network of its own.
func maskValue(s Service) string {
	if s.PersistenceMask == 0 || s.PersistenceMask == WholeMask(s.Address) {
		return ""
	}
	return strconv.Itoa(s.PersistenceMask)
}

func announceValue(a Announce) string {
	if a == AsDirector {
		return ""
	}
	return a.String()
}

func serverBlock(s *Service, rs *RealServer) block {
	h := s.HealthOf(*rs)
	return block{
		id: rs.Address.String(), settings: besides(byDefault.server, serverSettings(*rs)),
		groups: []group{single("service.real_server.health", h.settings(s.Health))},
	}
}

// healthSettings returns the service's checks with its panic threshold.
func healthSettings(s *Service) []setting {
	panics := setting{"panic", strconv.Itoa(s.Panic), s.Panic != 0}
	return append(s.Health.settings(Health{}), panics)
}

func serverSettings(rs RealServer) []setting {
	return []setting{
		{"address", quote(rs.Address.String()), true},
		{"mode", ownMode(rs.Mode), false},
		{"weight", strconv.Itoa(rs.Weight), false},
		{"upper_threshold", strconv.Itoa(rs.UpperThreshold), false},
		{"lower_threshold", strconv.Itoa(rs.LowerThreshold), false},
	}
}

func ownMode(m lvs.OwnMode) string {
	if m == lvs.AsService {
		return ""
	}
	return quote(m.String())
}

// quote returns a TOML basic string. Go's own quoting has escapes that TOML lacks.
func quote(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&out, `\u%04X`, r)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// optional returns the value of a string that is empty if the file has none.
func optional(text string) string {
	if text == "" {
		return ""
	}
	return quote(text)
}

func listener(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return quote(a.String())
}

func numbers(list []int) string {
	return strings.Join(strings.Fields(fmt.Sprint(list)), ", ")
}

func list(values []string) string { return "[" + strings.Join(values, ", ") + "]" }

func quoted[T any](list []T) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = quote(fmt.Sprint(v))
	}
	return all
}

// ranges returns a list of local addresses in which runs of three or more are ranges.
func ranges(list []netip.Addr) string {
	if len(list) == 0 {
		return ""
	}
	var parts []string
	for i := 0; i < len(list); {
		n := 1
		for i+n < len(list) && list[i+n-1].Next() == list[i+n] {
			n++
		}
		if n < 3 {
			n = 1
		}
		part := list[i].String()
		if n > 1 {
			part += "-" + list[i+n-1].String()
		}
		parts, i = append(parts, quote(part)), i+n
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
