package control

import (
	"maps"
	"slices"
	"strconv"

	dto "github.com/prometheus/client_model/go"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/health"
	"fulcrum/lvs"
)

const (
	counter   = dto.MetricType_COUNTER
	gauge     = dto.MetricType_GAUGE
	histogram = dto.MetricType_HISTOGRAM
)

// reading is the source of one scrape.
type reading struct {
	engine.Report
	config *config.Config
	// reloadFailed: the file could not be applied when it was last read again.
	reloadFailed bool
	addresses    []string // of all real servers, in the report's order; eight families use them
	kernel       []KernelPort
	hosts        []HostReport
	owned        []ownedVIP
	standing     standing // zero if the metrics have no configuration
	// checks and the configuration that they are of; nil if the metrics have none.
	checks  *checks
	running *config.Config
}

func newReading(c *config.Config, e engine.Report) reading {
	r := reading{Report: e, config: c}
	for i := range r.Services {
		for j := range r.Services[i].RealServers {
			r.addresses = append(r.addresses, r.Services[i].RealServers[j].Address.String())
		}
	}
	return r
}

// family is a metric with its labels. read adds one value for each combination of labels.
type family struct {
	name   string
	kind   dto.MetricType
	help   string
	labels []string
	read   func(r *reading, s *series)
}

// families is the table of all metrics. docs/metrics.md repeats it. Bytes are those of IP packets.
var families = []family{
	{"fulcrum_build_info", gauge,
		"Always 1; the labels identify the program.",
		[]string{"version", "revision", "go_version"}, readBuild},
	{"fulcrum_config_reload_failed", gauge,
		"1 if the configuration's file could not be applied when it was last read again, otherwise 0.", nil,
		func(r *reading, s *series) { s.add(truth(r.reloadFailed), labels{}) }},
	{"fulcrum_config_last_applied_timestamp_seconds", gauge,
		"When a configuration file was last applied, at the start too.", nil,
		ofStanding(func(n *standing) float64 { return float64(n.applied.UnixMilli()) / 1000 })},
	{"fulcrum_config_revision", gauge,
		"Number of the running configuration's revision; every change makes a new one.", nil,
		ofStanding(func(n *standing) float64 { return float64(n.revision) })},
	{"fulcrum_config_hash", gauge,
		"48 bits of the SHA-256 of the file that the configuration is from: equal for equal files.", nil,
		ofStanding(func(n *standing) float64 { return n.hash })},
	{"fulcrum_config_overrides", gauge,
		"Differences between the running configuration and its file.", nil,
		ofStanding(func(n *standing) float64 { return float64(n.overrides) })},
	{"fulcrum_state_failed", gauge,
		"1 if the state folder does not have the last change, otherwise 0.", nil,
		ofStanding(func(n *standing) float64 { return truth(n.stateFailed) })},
	{"fulcrum_sessions", gauge,
		"Sessions of all real servers.", nil,
		func(r *reading, s *series) { s.add(float64(r.Sessions), labels{}) }},
	{"fulcrum_sessions_limit", gauge,
		"Size of the session tables (session.max and session.max_v6).", []string{"family"}, readLimits},
	{"fulcrum_kept_sessions_total", counter,
		"Sessions that starts found in session.keep: kept, or dropped for a reason (docs/restart.md).",
		[]string{"result"}, readKept},
	{"fulcrum_kept_dark_seconds", gauge,
		"Time without a director before the start; 0 if there was none before.", nil, readDark},
	{"fulcrum_kept_missed_packets_total", counter,
		"Packets that the devices lost before the first turn, by their own counters.", nil, readMissed},
	{"fulcrum_templates", gauge,
		"Templates of persistent services: networks of clients that stay with a real server.", nil,
		ofTemplates(func(n *engine.TemplateStats) float64 { return float64(n.Templates) })},
	{"fulcrum_templates_limit", gauge,
		"Size of the table of templates (session.templates).", nil,
		ofTemplates(func(n *engine.TemplateStats) float64 { return float64(n.Max) })},
	{"fulcrum_evicted_templates_total", counter,
		"Templates that were not confirmed and gave way to new ones in a full table.", nil,
		ofTemplates(func(n *engine.TemplateStats) float64 { return float64(n.GaveWay) })},
	{"fulcrum_refused_templates_total", counter,
		"Sessions of persistent services without a template, because the table was full.", nil,
		ofTemplates(func(n *engine.TemplateStats) float64 { return float64(n.Refused) })},
	{"fulcrum_dropped_templates_total", counter,
		"Templates that were not confirmed, had no sessions, and were ended by drop_entry.", nil,
		ofTemplates(func(n *engine.TemplateStats) float64 { return float64(n.Dropped) })},
	{"fulcrum_dropped_packets_total", counter,
		"Packets dropped, by reason; docs/drops.md explains each reason.", []string{"reason"}, readDrops},

	{"fulcrum_host_packets_total", counter,
		"Packets given to the host through host interfaces, by class; copies of others are not among them.",
		hostClass, eachHostClass(func(t *engine.HostTotals) uint64 { return t.Handed })},
	{"fulcrum_host_copies_total", counter,
		"Copies that the host got of packets to the director itself: ARP, ND, MLD.",
		hostClass, eachHostClass(func(t *engine.HostTotals) uint64 { return t.Copied })},
	{"fulcrum_host_refused_packets_total", counter,
		"Packets, and copies, that the host did not get, by class; docs/drops.md explains each reason.",
		[]string{"class", "reason"}, readHostRefusals},

	{"fulcrum_worker_received_packets_total", counter,
		"Packets that a worker received from its ports.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Received) })},
	{"fulcrum_worker_originated_packets_total", counter,
		"Packets that a worker created: ARP, ND, ICMP.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Originated) })},
	{"fulcrum_worker_transmitted_packets_total", counter,
		"Packets that a worker sent to its ports.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Transmitted) })},
	{"fulcrum_worker_consumed_packets_total", counter,
		"Packets to the director itself: ARP, ND, echo requests.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Consumed) })},
	{"fulcrum_worker_to_host_packets_total", counter,
		"Packets that a worker gave to the host, copies of others aside.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.ToHost) })},
	{"fulcrum_worker_from_host_packets_total", counter,
		"Packets that a worker took from the host.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.FromHost) })},
	{"fulcrum_worker_held_packets", gauge,
		"Packets that wait for a neighbour or a device.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Held) })},
	{"fulcrum_worker_taken_over_packets_total", counter,
		"Packets that a worker took over from other workers, because it has their sessions.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.TakenOver) })},
	{"fulcrum_worker_handed_over_packets_total", counter,
		"Packets that a worker handed to another one, which has their sessions; should be near zero.",
		[]string{"worker", "to"}, readHandoffs},
	{"fulcrum_worker_sessions", gauge,
		"Sessions in a worker's table.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Sessions) })},
	{"fulcrum_worker_evicted_sessions_total", counter,
		"Sessions that gave way to new ones in a full table.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Evicted) })},
	{"fulcrum_worker_dropped_sessions_total", counter,
		"Half-open and silent sessions that drop_entry has ended.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.DroppedEntries) })},
	{"fulcrum_worker_drop_entry_active", gauge,
		"1 while drop_entry ends sessions of a worker.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return truth(w.Defences.DropEntry) })},
	{"fulcrum_worker_drop_packet_active", gauge,
		"1 while a worker drops some of the packets that would begin sessions (drop_packet).", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return truth(w.Defences.DropPacket) })},
	{"fulcrum_worker_unlimited_sessions_total", counter,
		"Sessions that began without the limits of their source, whose set of the table was full.",
		worker, eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Unlimited) })},
	{"fulcrum_worker_forgotten_sources_total", counter,
		"Sources that gave way to others before their tokens of max_rate_per_source were back.",
		worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.SourcesForgotten) })},
	{"fulcrum_worker_secure_tcp_active", gauge,
		"1 while TCP sessions of a worker go by the denial state table (secure_tcp).", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return truth(w.Defences.SecureTCP) })},
	{"fulcrum_worker_resets_total", counter,
		"Packets of no session that were answered by a TCP reset or an ICMP error.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Resets) })},
	{"fulcrum_worker_suppressed_resets_total", counter,
		"Packets of no session that were not answered because of the limits.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.ResetsSuppressed) })},
	{"fulcrum_worker_routed_packets_total", counter,
		"Packets of nat real servers that were routed without a session (route_unmatched).", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Routed) })},
	{"fulcrum_worker_neighbour_failures_total", counter,
		"Next hops that did not answer ARP or ND.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.NeighbourFailures) })},
	{"fulcrum_worker_refused_moves_total", counter,
		"Claims of another MAC for a neighbour that still answered: a forger, or an address given twice.",
		worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.RefusedMoves) })},
	{"fulcrum_worker_turns_total", counter,
		"Turns of a worker: each polls its ports once.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return float64(w.Turns) })},
	{"fulcrum_worker_busy_seconds_total", counter,
		"Time in turns that received packets; its rate is the worker's load from 0 to 1.", worker,
		eachWorker(func(w *engine.WorkerReport) float64 { return w.Busy.Seconds() })},
	{"fulcrum_worker_turn_seconds", histogram,
		"Duration of turns, from one poll of the ports to the next, without sleep; a packet that arrives meanwhile waits.",
		worker, readTurnTimes},

	{"fulcrum_port_received_packets_total", counter,
		"Packets that the workers received from a port.", port,
		eachPort(func(p *engine.PortReport) uint64 { return p.Received })},
	{"fulcrum_port_transmitted_packets_total", counter,
		"Packets that the workers sent to a port.", port,
		eachPort(func(p *engine.PortReport) uint64 { return p.Transmitted })},
	{"fulcrum_port_missed_packets_total", counter,
		"Packets that the device dropped because its queues were full; the workers are too slow.", port,
		eachPort(func(p *engine.PortReport) uint64 { return p.Device.RxMissed })},
	{"fulcrum_port_no_buffer_packets_total", counter,
		"Packets that the device dropped because it had no buffer; raise dpdk.memory.", port,
		eachPort(func(p *engine.PortReport) uint64 { return p.Device.RxNoBuffer })},
	{"fulcrum_port_receive_errors_total", counter,
		"Packets that the device received with errors.", port,
		eachPort(func(p *engine.PortReport) uint64 { return p.Device.RxErrors })},
	{"fulcrum_port_transmit_errors_total", counter,
		"Packets that the device failed to send.", port,
		eachPort(func(p *engine.PortReport) uint64 { return p.Device.TxErrors })},
	{"fulcrum_port_address_conflicts_total", counter,
		"Messages by which other stations claimed an address of the director.", port,
		eachPort(func(p *engine.PortReport) uint64 { return p.Conflicts })},
	{"fulcrum_port_partial_checksum_packets_total", counter,
		"Packets whose sender left the checksum to a network card; the director completed it.", port,
		eachPort(func(p *engine.PortReport) uint64 { return p.PartialChecksums })},
	{"fulcrum_port_oversized_packets_total", counter,
		"Packets longer than the MTU, because a sender or GRO leaves segmentation to a network card.",
		port, eachPort(func(p *engine.PortReport) uint64 { return p.Oversized })},
	{"fulcrum_port_link_up", gauge, "1 if the port's link carries packets, otherwise 0.", port,
		eachPort(func(p *engine.PortReport) uint64 {
			if p.Link.Up {
				return 1
			}
			return 0
		})},
	{"fulcrum_port_mtu_bytes", gauge,
		"Longest IP packet that the director sends and receives at the port.", port,
		eachPort(func(p *engine.PortReport) uint64 { return uint64(p.MTU) })},
	{"fulcrum_port_interface_mtu_bytes", gauge,
		"MTU of the port's kernel interface; longer packets are lost. 0 if there is none.", port,
		eachPort(func(p *engine.PortReport) uint64 { return uint64(p.Link.MTU) })},

	{"fulcrum_guard_hidden_packets_total", counter,
		"Packets of the director that a port's guard has hidden from the kernel.", port, readHidden},

	{"fulcrum_host_interface_up", gauge,
		"1 if the port's host interface is up, otherwise 0.", []string{"port", "interface"}, readHostInterfaces},
	{"fulcrum_host_interface_frames_total", counter,
		"Frames that a port's host interface has exchanged with the workers.", hostDirection,
		eachHostInterface(func(h *HostInterface) (to, from uint64) { return h.ToHost, h.FromHost })},
	{"fulcrum_host_interface_bytes_total", counter,
		"Bytes of these frames, from the Ethernet header on.", hostDirection,
		eachHostInterface(func(h *HostInterface) (to, from uint64) { return h.ToHostBytes, h.FromHostBytes })},
	{"fulcrum_host_interface_dropped_frames_total", counter,
		"Frames that did not pass between a port's host interface and the workers, by reason.",
		[]string{"port", "reason"}, readHostDrops},
	{"fulcrum_host_interface_exists", gauge,
		"1 if the port's host interface exists, otherwise 0.", port,
		eachHost(func(h *HostReport) int { return int(truth(h.Exists)) })},
	{"fulcrum_host_addresses", gauge,
		"Addresses that a port has from its host interface, beside the file's.", port,
		eachHost(func(h *HostReport) int { return len(h.Addresses) })},
	{"fulcrum_host_routes", gauge,
		"Routes that the director has from the port's host interface, beside the file's.", port,
		eachHost(func(h *HostReport) int { return len(h.Routes) })},
	{"fulcrum_host_neighbours", gauge,
		"Static neighbours that a port has from its host interface, beside the file's.", port,
		eachHost(func(h *HostReport) int { return len(h.Neighbours) })},
	{"fulcrum_host_refused", gauge,
		"What a followed host interface has and its port cannot have; see fulcrum status.", port,
		eachHost(func(h *HostReport) int { return h.RefusedCount })},
	{"fulcrum_host_excess", gauge,
		"Entries of a followed host interface that exceed the limits.", port,
		eachHost(func(h *HostReport) int { return h.Excess })},
	{"fulcrum_vip_held", gauge,
		"1 if a host interface holds a VIP that the host owns, otherwise 0.",
		[]string{"service", "vip"}, readHeld},

	{"fulcrum_service_info", gauge,
		"Always 1; the labels describe the service.",
		[]string{"service", "address", "protocol", "mode", "scheduler"}, readServices},
	{"fulcrum_service_announced", gauge,
		"1 if the director announces the service's VIP; 0 if it only forwards packets to it.", service,
		readAnnounced},
	{"fulcrum_service_connections_total", counter,
		"Sessions begun, and datagrams of one-packet services.", service,
		eachService(func(t *engine.Traffic) uint64 { return t.Connections })},
	{"fulcrum_service_in_packets_total", counter,
		"Packets from clients.", service,
		eachService(func(t *engine.Traffic) uint64 { return t.InPackets })},
	{"fulcrum_service_in_bytes_total", counter,
		"Bytes from clients.", service,
		eachService(func(t *engine.Traffic) uint64 { return t.InBytes })},
	{"fulcrum_service_out_packets_total", counter,
		"Packets to clients; 0 in dr and ipip, where real servers answer clients directly.", service,
		eachService(func(t *engine.Traffic) uint64 { return t.OutPackets })},
	{"fulcrum_service_out_bytes_total", counter,
		"Bytes to clients; 0 in dr and ipip, where real servers answer clients directly.", service,
		eachService(func(t *engine.Traffic) uint64 { return t.OutBytes })},
	{"fulcrum_service_quorum_held", gauge,
		"1 if enough real servers are up for the quorum, otherwise 0; of services with checks or sorry servers.",
		service, eachPool(func(_ health.Choice, holds bool) bool { return holds })},
	{"fulcrum_service_panic", gauge,
		"1 if all real servers get new sessions since too few are up, otherwise 0.",
		service, eachPool(func(c health.Choice, _ bool) bool { return c == health.Panic })},

	{"fulcrum_real_server_weight", gauge,
		"Weight; with 0 the real server gets no new sessions.", realServer,
		eachRealServer(func(s *engine.RealServerReport) float64 { return float64(s.Weight) })},
	{"fulcrum_real_server_state", gauge,
		"Always 1; the label names the real server's state, such as up or slow_start; docs/control.md has them.",
		[]string{"service", "real_server", "state"}, readStates},
	{"fulcrum_real_server_check_seconds", gauge,
		"How long the latest health check took.",
		[]string{"service", "real_server"}, readCheckTimes},
	{"fulcrum_health_checks_total", counter,
		"Health checks by result. Late ones say nothing: the director had no CPU.",
		[]string{"result"}, readCheckCounts},
	{"fulcrum_health_doubts_total", counter,
		"How often all health checks began to fail at once.", nil, readDoubts},
	{"fulcrum_passive_ejections_total", counter,
		"Real servers taken down by passive checks.", []string{"service"}, readEjections},
	{"fulcrum_passive_doubts_total", counter,
		"How often a real server failed clients while no other one answered.",
		[]string{"service"}, readPassiveDoubts},
	{"fulcrum_real_server_syns_unanswered_total", counter,
		"Sessions that ended without an answer to their SYN or SCTP INIT; nat and fullnat only.", realServer,
		eachRealServer(func(s *engine.RealServerReport) float64 { return float64(s.SYNsUnanswered) })},
	{"fulcrum_real_server_active_connections", gauge,
		"Established sessions.", realServer,
		eachRealServer(func(s *engine.RealServerReport) float64 { return float64(s.Active) })},
	{"fulcrum_real_server_inactive_connections", gauge,
		"Sessions that begin or end, and all UDP sessions.", realServer,
		eachRealServer(func(s *engine.RealServerReport) float64 { return float64(s.Inactive) })},
	{"fulcrum_real_server_connections_total", counter,
		"Sessions begun, and datagrams of one-packet services.", realServer,
		eachRealServer(func(s *engine.RealServerReport) float64 { return float64(s.Connections) })},
	{"fulcrum_real_server_in_packets_total", counter,
		"Packets to the real server.", realServer,
		eachRealServer(func(s *engine.RealServerReport) float64 { return float64(s.InPackets) })},
	{"fulcrum_real_server_in_bytes_total", counter,
		"Bytes to the real server.", realServer,
		eachRealServer(func(s *engine.RealServerReport) float64 { return float64(s.InBytes) })},
	{"fulcrum_real_server_out_packets_total", counter,
		"Packets from the real server, in modes where they pass the director.", realServer,
		eachRealServer(func(s *engine.RealServerReport) float64 { return float64(s.OutPackets) })},
	{"fulcrum_real_server_out_bytes_total", counter,
		"Bytes from the real server, in modes where they pass the director.", realServer,
		eachRealServer(func(s *engine.RealServerReport) float64 { return float64(s.OutBytes) })},
	{"fulcrum_real_server_local_ports_left", gauge,
		"Local ports left towards the real server, at all local addresses of the service; fullnat only.",
		realServer, readPortsLeft},
	{"fulcrum_real_server_local_ports_used_ratio", gauge,
		"Used share of the local ports of the fullest local address at the fullest worker, 0 to 1; fullnat only.",
		realServer, readPortsUsed},
	{"fulcrum_local_address_sessions", gauge,
		"Sessions from a local address, also from one that only old sessions use.",
		[]string{"local_address"}, readLocalAddresses},
}

var (
	worker     = []string{"worker"}
	port       = []string{"port"}
	service    = []string{"service"}
	realServer = []string{"service", "real_server"}
)

func readBuild(_ *reading, s *series) {
	version, commit, goVersion := Build()
	s.add(1, labels{version, commit, goVersion})
}

func readLimits(r *reading, s *series) {
	s.add(float64(r.config.Session.Max), labels{"ipv4"})
	s.add(float64(r.config.Session.MaxV6), labels{"ipv6"})
}

// readDrops adds all reasons, also those that did not occur: a rate starts from a zero.
func readDrops(r *reading, s *series) {
	for v := range engine.NumVerdicts {
		if v.IsDrop() {
			s.add(float64(r.Drops[v]), labels{v.String()})
		}
	}
}

var hostClass = []string{"class"}

// eachHostClass adds a count of each class of what goes to the host.
func eachHostClass(of func(t *engine.HostTotals) uint64) func(r *reading, s *series) {
	return func(r *reading, s *series) {
		for i := range r.Host {
			s.add(float64(of(&r.Host[i])), labels{engine.HostClass(i).String()})
		}
	}
}

func readHostRefusals(r *reading, s *series) {
	for i := range r.Host {
		class := engine.HostClass(i).String()
		s.add(float64(r.Host[i].Limited), labels{class, engine.DropHostLimit.String()})
		s.add(float64(r.Host[i].Full), labels{class, engine.DropHostFull.String()})
	}
}

func readHandoffs(r *reading, s *series) {
	for from, w := range r.Workers {
		for to, n := range w.HandedTo {
			if to != from {
				s.add(float64(n), labels{strconv.Itoa(from), strconv.Itoa(to)})
			}
		}
	}
}

func readHidden(r *reading, s *series) {
	for i, p := range r.kernel {
		if p.Guarded {
			s.add(float64(p.Hidden), labels{r.config.Ports[i].Name})
		}
	}
}

var hostDirection = []string{"port", "direction"}

// eachHostInterface adds what went to and what came from each host interface.
func eachHostInterface(
	of func(h *HostInterface) (to, from uint64),
) func(r *reading, s *series) {
	return func(r *reading, s *series) {
		for i, p := range r.kernel {
			if p.Host != nil {
				to, from := of(p.Host)
				s.add(float64(to), labels{r.config.Ports[i].Name, "to_host"})
				s.add(float64(from), labels{r.config.Ports[i].Name, "from_host"})
			}
		}
	}
}

func readHostInterfaces(r *reading, s *series) {
	for i, p := range r.kernel {
		if p.Host != nil {
			s.add(truth(p.Host.Up), labels{r.config.Ports[i].Name, p.Host.Name})
		}
	}
}

func readHostDrops(r *reading, s *series) {
	for i, p := range r.kernel {
		if p.Host == nil {
			continue
		}
		for _, reason := range slices.Sorted(maps.Keys(p.Host.Drops)) {
			s.add(float64(p.Host.Drops[reason]), labels{r.config.Ports[i].Name, reason})
		}
	}
}

func eachHost(value func(*HostReport) int) func(*reading, *series) {
	return func(r *reading, s *series) {
		for i := range r.hosts {
			s.add(float64(value(&r.hosts[i])), labels{r.hosts[i].Port})
		}
	}
}

func readHeld(r *reading, s *series) {
	for _, v := range r.owned {
		s.add(truth(v.held), labels{v.service, v.vip.String()})
	}
}

func readServices(r *reading, s *series) {
	for i := range r.Services {
		v := &r.Services[i].Service
		s.add(1, labels{
			v.Name, v.ID().Destination(), v.ID().ProtocolName(), v.Mode.String(), v.Scheduler.String(),
		})
	}
}

func readAnnounced(r *reading, s *series) {
	for i := range r.Services {
		announced := 0.0
		if r.Services[i].Announced {
			announced = 1
		}
		s.add(announced, labels{r.Services[i].Service.Name})
	}
}

// readStates adds the state of each real server, and of those that were removed and still have
// sessions.
func readStates(r *reading, s *series) {
	n := 0
	for i := range r.Services {
		v := &r.Services[i]
		for j := range v.RealServers {
			s.add(1, labels{v.Service.Name, r.addresses[n], stateOf(&v.RealServers[j]).Key()})
			n++
		}
		for j := range v.Gone {
			s.add(1, labels{v.Service.Name, v.Gone[j].Address.String(), lvs.ServerGone.Key()})
		}
	}
}

func readTurnTimes(r *reading, s *series) {
	for i := range r.Workers {
		s.addTurns(&r.Workers[i].Times, labels{strconv.Itoa(i)})
	}
}

// eachCrowd adds a value for each real server with local addresses.
func eachCrowd(r *reading, s *series, value func([]engine.LocalUse) float64) {
	n := 0
	for i := range r.Services {
		v := &r.Services[i]
		for j := range v.RealServers {
			if uses := v.RealServers[j].Locals; len(uses) > 0 {
				s.add(value(uses), labels{v.Service.Name, r.addresses[n]})
			}
			n++
		}
	}
}

func readPortsLeft(r *reading, s *series) {
	eachCrowd(r, s, func(uses []engine.LocalUse) float64 {
		left := 0
		for i := range uses {
			left += max(engine.LocalPorts-uses[i].Used, 0)
		}
		return float64(left)
	})
}

func readPortsUsed(r *reading, s *series) {
	eachCrowd(r, s, func(uses []engine.LocalUse) float64 {
		most := 0.0
		for i := range uses {
			most = max(most, uses[i].Share)
		}
		return most
	})
}

func readLocalAddresses(r *reading, s *series) {
	for i := range r.LocalAddresses {
		a := &r.LocalAddresses[i]
		s.add(float64(a.Sessions), labels{a.Address.String()})
	}
}

func eachWorker(value func(*engine.WorkerReport) float64) func(*reading, *series) {
	return func(r *reading, s *series) {
		for i := range r.Workers {
			s.add(value(&r.Workers[i]), labels{strconv.Itoa(i)})
		}
	}
}

func eachPort(value func(*engine.PortReport) uint64) func(*reading, *series) {
	return func(r *reading, s *series) {
		for i := range r.Ports {
			s.add(float64(value(&r.Ports[i])), labels{r.config.Ports[i].Name})
		}
	}
}

func eachService(value func(*engine.Traffic) uint64) func(*reading, *series) {
	return func(r *reading, s *series) {
		for i := range r.Services {
			s.add(float64(value(&r.Services[i].Traffic)), labels{r.Services[i].Service.Name})
		}
	}
}

func eachRealServer(value func(*engine.RealServerReport) float64) func(*reading, *series) {
	return func(r *reading, s *series) {
		n := 0
		for i := range r.Services {
			v := &r.Services[i]
			for j := range v.RealServers {
				s.add(value(&v.RealServers[j]), labels{v.Service.Name, r.addresses[n]})
				n++
			}
		}
	}
}

// ofStanding returns what reads a value of the configuration.
func ofStanding(value func(*standing) float64) func(*reading, *series) {
	return func(r *reading, s *series) {
		if r.standing.revision > 0 {
			s.add(value(&r.standing), labels{})
		}
	}
}

// ofTemplates returns a read function for a figure of the table of templates.
func ofTemplates(value func(*engine.TemplateStats) float64) func(*reading, *series) {
	return func(r *reading, s *series) { s.add(value(&r.Templates), labels{}) }
}
