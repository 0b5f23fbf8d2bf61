package engine

import (
	"fmt"

	"fulcrum/packet"
)

// Verdict is the decision about a packet: Taken (forwarded, held for a neighbour, or turned into an
// answer), Consumed, HandedToHost, or the reason of its drop.
type Verdict uint8

const (
	Taken        Verdict = iota // the buffer has a new owner, which has counted the packet
	Consumed                    // the packet was for the director, which has processed it
	HandedToHost                // the packet was copied for the host's own stack

	// Drop reasons, in the order in which a packet meets them.
	DropMultiSegment       // spread over several buffers that could not be joined
	DropTruncated          // ends before its headers do
	DropBadARP             // not for IPv4 over Ethernet, or an impossible sender
	DropIPVersion          // differs from the EtherType
	DropIPHeaderLength     // below 20 bytes, or beyond the packet
	DropIPLength           // beyond the frame
	DropIPChecksum         // wrong
	DropIPOptions          // cut off, or a source route
	DropIPv6Address        // IPv4-mapped, or a group as the source
	DropIPv6Extension      // headers in a wrong order, too many, cut off, or a source route
	DropFragment           // impossible end or length
	DropTinyFragment       // would hide or overwrite the transport header
	DropFragmentOverlap    // repeats or overlaps an earlier one
	DropFragmentTimeout    // the first fragment did not come in time
	DropFragmentsFull      // too many wait for their first fragment
	DropOtherFamily        // cannot be translated between the families
	DropTCPDataOffset      // below 20 bytes, or beyond the packet
	DropUDPLength          // below 8 bytes, or beyond the packet
	DropSCTPChunk          // the first chunk's length is impossible
	DropICMPChecksum       // wrong
	DropBadND              // breaks the rules of RFC 4861
	DropVLAN               // a tag that no port has
	DropNotIP              // neither IP nor ARP
	DropNotOurMAC          // for another station
	DropSourceMAC          // a group address
	DropSourceAddress      // cannot be a client's
	DropNoSession          // belongs to no session and cannot begin one
	DropNoCallID           // belongs to no session, and its service goes by Call-IDs
	DropNoService          // the VIP has no service for it
	DropToHost             // for the director, and not for the host
	DropHostLimit          // for the host, which gets too many of its kind
	DropHostFull           // for the host, which does not keep up
	DropHostFrame          // from or to the host, with an impossible length or port
	DropHostMAC            // from the host, under another MAC
	DropHostNeighbour      // from the host, an answer that the director gives
	DropHostSource         // from the host, as the director itself
	DropNoCheck            // from the host, to an address of health checks without one
	DropICMPError          // about no session, or without counterpart
	DropICMPLimit          // too many whose session any worker may have
	DropNotOurs            // the address is not the director's
	DropOverload           // one of the share that drop_packet drops
	DropNoRealServer       // none is available
	DropRealServerGone     // the session's real server was removed
	DropServiceRate        // the service has had its new sessions of this second
	DropSourceRate         // the source has had its new sessions of this second
	DropSourceFull         // the source has as many sessions as it may
	DropServiceFull        // the service is at its limit, and no session of it can give way
	DropSessionsFull       // no session can give way
	DropFlowTaken          // other sessions use it at every server tried
	DropNoLocalPort        // none is free towards any server tried
	DropTTLExceeded        // the TTL or hop limit is used up
	DropTooBig             // beyond the MTU, and may not be fragmented
	DropNoRoute            // nothing leads to the destination
	DropNeighboursFull     // the neighbour table is full
	DropNeighbourQueueFull // too many wait for the next hop's answer
	DropNeighbourFailed    // the next hop does not answer
	DropNoHeadroom         // no room for another header
	DropNoBuffer           // none was free for the fragments
	DropTxFull             // the device did not accept it in time
	DropHandoffFull        // its worker did not take it over in time
	DropStopped            // still held when the director stopped

	NumVerdicts // how many verdicts there are
)

// verdicts is the one table of verdicts, in the order of the constants: the name for metrics and
// tables, the meaning, and what an operator can do about many drops.
var verdicts = [NumVerdicts]struct{ name, meaning, remedy string }{
	Taken: {
		name:    "taken",
		meaning: "forwarded, held for a neighbour, or turned into an answer",
	},
	Consumed: {
		name:    "consumed",
		meaning: "addressed to the director itself, and processed",
	},
	HandedToHost: {
		name:    "host",
		meaning: "given to the host, the kernel's own stack, through the port's host interface",
	},
	DropMultiSegment: {
		name:    "multi_segment",
		meaning: "spread over several buffers that could not be joined",
		remedy:  "raise the port's `mtu` to the largest frame of the network",
	},
	DropTruncated: {
		name:    "truncated",
		meaning: "ends before its headers do",
		remedy:  "look for a broken sender; a capture shows which",
	},
	DropBadARP: {
		name:    "bad_arp",
		meaning: "ARP that is not for IPv4 over Ethernet, or has an impossible sender",
		remedy:  "look for a broken or hostile station on the subnet",
	},
	DropIPVersion: {
		name:    "bad_ip_version",
		meaning: "IP version differs from the EtherType",
		remedy:  "look for a broken sender",
	},
	DropIPHeaderLength: {
		name:    "bad_ip_header_length",
		meaning: "IP header length below 20 or beyond the packet",
		remedy:  "look for a broken or hostile sender",
	},
	DropIPLength: {
		name:    "bad_ip_length",
		meaning: "IP total length beyond the frame",
		remedy: "look for a broken sender; on net_af_packet, switch off the offloads of the " +
			"interface and of its senders (`ethtool -K DEV tx off tso off gso off gro off`)",
	},
	DropIPChecksum: {
		name:    "bad_ip_checksum",
		meaning: "IP header checksum is wrong",
		remedy: "look for a damaged cable or a sender that leaves checksums to hardware: " +
			"switch its transmit offloads off",
	},
	DropIPOptions: {
		name:    "bad_ip_options",
		meaning: "IP options that are cut off, or a source route",
		remedy:  "look for a hostile sender: source routes never come by mistake",
	},
	DropIPv6Address: {
		name:    "bad_ipv6_address",
		meaning: "an IPv4-mapped IPv6 address, or a group as its source",
		remedy:  "look for a hostile sender: such addresses never belong on a wire",
	},
	DropIPv6Extension: {
		name:    "bad_ipv6_extension",
		meaning: "IPv6 extension headers in a wrong order, too many or cut off, or a source route",
		remedy: "look for a hostile sender; senders with more than eight extension headers " +
			"are not served",
	},
	DropFragment: {
		name: "fragment",
		meaning: "IP fragment that ends beyond the largest packet, or whose length is not a " +
			"multiple of 8 although more follow",
		remedy: "look for a hostile sender",
	},
	DropTinyFragment: {
		name: "tiny_fragment",
		meaning: "first fragment without its complete headers, or a later one that would " +
			"overwrite them",
		remedy: "look for a hostile sender: no MTU is that small",
	},
	DropFragmentOverlap: {
		name: "fragment_overlap",
		meaning: "fragment that repeats or overlaps an earlier one of its datagram, or " +
			"belongs to a datagram with such a fragment",
		remedy: "look for a hostile sender, or for a network that duplicates packets",
	},
	DropFragmentTimeout: {
		name:    "fragment_timeout",
		meaning: "fragment whose datagram's first fragment did not come within a second",
		remedy:  "look for loss in front of the director; a flood of such fragments is an attack",
	},
	DropFragmentsFull: {
		name: "fragments_full",
		meaning: "too many fragments ahead of their datagram's first one, or too many " +
			"fragmented datagrams at once",
		remedy: "have clients send smaller datagrams; a flood of fragments is an attack",
	},
	DropOtherFamily: {
		name: "other_family",
		meaning: "fragment or echo request between IPv6 clients and an IPv4 real server, " +
			"which are not translated",
		remedy: "have clients send smaller datagrams, or give the real servers IPv6 addresses",
	},
	DropTCPDataOffset: {
		name:    "bad_tcp_data_offset",
		meaning: "TCP data offset below 20 or beyond the packet",
		remedy:  "look for a broken or hostile sender",
	},
	DropUDPLength: {
		name:    "bad_udp_length",
		meaning: "UDP length below 8 or beyond the packet",
		remedy:  "look for a broken or hostile sender",
	},
	DropSCTPChunk: {
		name:    "bad_sctp_chunk",
		meaning: "length of the first SCTP chunk below 4 or beyond the packet",
		remedy:  "look for a broken or hostile sender",
	},
	DropICMPChecksum: {
		name:    "bad_icmp_checksum",
		meaning: "ICMP message whose checksum is wrong",
		remedy:  "look for a damaged cable or a broken sender",
	},
	DropBadND: {
		name: "bad_nd",
		meaning: "neighbour discovery that breaks RFC 4861's rules, from behind a router for " +
			"example",
		remedy: "look for a broken or hostile station on the subnet",
	},
	DropVLAN: {
		name: "vlan",
		meaning: "tagged with a VLAN that no port has, tagged more than once, or untagged " +
			"where every port of the device has a VLAN",
		remedy: "add a `[[port]]` with that `vlan`, or take the VLAN off the switch port",
	},
	DropNotIP: {
		name:    "not_ip",
		meaning: "neither IP nor ARP",
		remedy:  "nothing: spanning tree, LLDP and the like",
	},
	DropNotOurMAC: {
		name:    "not_our_mac",
		meaning: "Ethernet destination is another station's",
		remedy: "nothing if there are few: the switch floods; otherwise look for a station " +
			"with a stale neighbour entry",
	},
	DropSourceMAC: {
		name:    "bad_source_mac",
		meaning: "Ethernet source is a group address",
		remedy:  "look for a broken or hostile station",
	},
	DropSourceAddress: {
		name: "bad_source",
		meaning: "would begin a session, but its source is not a host's address, is the " +
			"director's own, or is link-local where several ports have such addresses",
		remedy: "look for a hostile sender; filter such sources at the border",
	},
	DropNoSession: {
		name: "no_session",
		meaning: "belongs to no session and cannot begin one: TCP without SYN or with RST, or " +
			"anything to a local address",
		remedy: "nothing if there are few: late packets of ended sessions, which " +
			"`reset_unknown` has answered by a reset; after a restart of the director, " +
			"packets of sessions that it does not know (`sloppy_tcp` accepts them)",
	},
	DropNoCallID: {
		name: "no_call_id",
		meaning: "belongs to no session, and is no SIP message with a Call-ID of 1 to 255 bytes, by " +
			"which its service finds the real server",
		remedy: "nothing if there are few: keep-alives and scanners; phones whose messages are " +
			"fragmented ahead of the Call-ID need fewer headers in front of it; for other than " +
			"SIP, leave `persistence_engine` out",
	},
	DropNoService: {
		name:    "no_service",
		meaning: "to a VIP that has no service for the protocol and port",
		remedy: "add a `[[service]]` for the port, or filter it in front; `reset_unknown` " +
			"says whether senders hear of it",
	},
	DropToHost: {
		name: "to_host",
		meaning: "to the director itself, at a port without host interface; or what the host " +
			"never gets, such as echo requests from impossible addresses",
		remedy: "nothing, or give the port a host interface if the machine is to be reached there",
	},
	DropHostLimit: {
		name: "host_limit",
		meaning: "to the host, beyond the rate of its class, or of its sender within the class " +
			"(`fulcrum_host_refused_packets_total` has the class)",
		remedy: "nothing if it is an attack: what the host itself has answered has rates of its own; " +
			"otherwise filter in front",
	},
	DropHostFull: {
		name: "host_full",
		meaning: "to the host, whose interface does not keep up: the ring has no room left for " +
			"this class",
		remedy: "look at what keeps the director's other threads from running; a flood to the own " +
			"addresses fills half of the ring at most",
	},
	DropHostFrame: {
		name: "host_frame",
		meaning: "from the host, shorter than an Ethernet header or longer than the port's MTU; or " +
			"to the host, longer than its interface takes",
		remedy: "give the host interface the port's MTU",
	},
	DropHostMAC: {
		name: "host_mac",
		meaning: "from the host, with another MAC than the port's, in the frame or in what it says " +
			"of its address",
		remedy: "nothing may have a MAC of its own behind a host interface: no bridge, no macvlan, " +
			"no `use_vmac` of keepalived",
	},
	DropHostNeighbour: {
		name: "host_neighbour",
		meaning: "ARP reply or neighbour advertisement of the host to one station, which the " +
			"director gives itself",
		remedy: "nothing: gratuitous ones, to all stations, pass",
	},
	DropHostSource: {
		name: "host_source",
		meaning: "from the host, as what the director itself serves: from a VIP's port with a " +
			"service, from a VIP that the host does not hold, or from a local address",
		remedy: "look for a program on the host that uses such an address",
	},
	DropNoCheck: {
		name: "no_check",
		meaning: "from the host, to an address that stands for a real server while a health check " +
			"lasts: the check is over, too many run, or the director has no address from which the " +
			"real server could be asked",
		remedy: "nothing if there are few; otherwise give the port towards the real servers an address " +
			"of the VIP's family, or fullnat services their local addresses",
	},
	DropICMPError: {
		name: "icmp_error",
		meaning: "ICMP error that quotes a packet of no session, or has no counterpart in the " +
			"other family; or a redirect",
		remedy: "nothing if there are few: errors about sessions that have ended",
	},
	DropICMPLimit: {
		name: "icmp_limit",
		meaning: "ICMP message whose session any worker may have, beyond the rate at which " +
			"workers ask each other",
		remedy: "nothing if there are few; a flood of such messages is an attack",
	},
	DropNotOurs: {
		name:    "not_ours",
		meaning: "to an address that is not the director's, and of no session",
		remedy: "check which router sends such packets here; in nat, look for connections " +
			"that real servers open themselves (`route_unmatched` routes them), and for answers of " +
			"`one_packet` services",
	},
	DropOverload: {
		name:    "drop_packet",
		meaning: "would begin a session, and is the one of several that `drop_packet` drops",
		remedy: "nothing if it is an attack; otherwise raise `session.max` (`session.max_v6` for " +
			"IPv6), or leave `drop_packet` off",
	},
	DropNoRealServer: {
		name: "no_real_server",
		meaning: "no real server is available (weight 0 or overloaded); answered as the " +
			"service's `refuse` says",
		remedy: "check the real servers: all are drained or overloaded",
	},
	DropRealServerGone: {
		name:    "real_server_gone",
		meaning: "the session's real server was removed",
		remedy: "nothing: their clients used a removed real server; `expire_nodest` has " +
			"their packets scheduled anew, draining first avoids it",
	},
	DropServiceRate: {
		name:    "service_rate",
		meaning: "would begin a session beyond the service's `max_rate`",
		remedy:  "nothing if it is an attack; otherwise raise the service's `max_rate`",
	},
	DropSourceRate: {
		name:    "source_rate",
		meaning: "would begin a session beyond the service's `max_rate_per_source`",
		remedy: "nothing if it is an attack; if many clients share the address, raise the " +
			"service's `max_rate_per_source`",
	},
	DropSourceFull: {
		name: "source_full",
		meaning: "its source has `max_sessions_per_source` sessions with the service, half-open " +
			"ones included",
		remedy: "nothing if it is an attack; if many clients share the address, raise the " +
			"service's `max_sessions_per_source`",
	},
	DropServiceFull: {
		name: "service_full",
		meaning: "the service has `max_sessions` sessions, and none of those looked at can " +
			"give way",
		remedy: "raise the service's `max_sessions`",
	},
	DropSessionsFull: {
		name: "sessions_full",
		meaning: "the session table is full, and none of the sessions looked at can give way: " +
			"they are confirmed",
		remedy: "raise `session.max` (`session.max_v6` for IPv6)",
	},
	DropFlowTaken: {
		name: "flow_taken",
		meaning: "other sessions' answers use the same flow, at up to 8 real servers that " +
			"were tried: one client uses one port towards several services with the same " +
			"real servers; answered as the service's `refuse` says",
		remedy: "give the services different real server ports, or use fullnat",
	},
	DropNoLocalPort: {
		name: "no_local_port",
		meaning: "no free local address and port was found towards any of up to 8 real " +
			"servers that were tried; answered as the service's `refuse` says",
		remedy: "add `local_addresses`: each gives 64,512 sessions for every real server",
	},
	DropTTLExceeded: {
		name:    "ttl_exceeded",
		meaning: "TTL used up; answered by ICMP time exceeded",
		remedy:  "look for a routing loop, or a traceroute",
	},
	DropTooBig: {
		name: "too_big",
		meaning: "larger than the MTU of its path, with DF or IPv6; answered by ICMP " +
			"fragmentation needed or packet too big",
		remedy: "nothing if path MTU discovery works; otherwise let ICMP errors pass, or set " +
			"the service's `mss`",
	},
	DropNoRoute: {
		name:    "no_route",
		meaning: "no subnet and no route leads to its destination",
		remedy:  "add a `[[route]]`",
	},
	DropNeighboursFull: {
		name:    "neighbours_full",
		meaning: "neighbour table is full",
		remedy:  "use a gateway: more than 65,535 stations are on the subnets",
	},
	DropNeighbourQueueFull: {
		name: "neighbour_queue_full",
		meaning: "too many packets wait for this next hop to answer ARP or neighbour " +
			"discovery, or too many next hops are waited for",
		remedy: "check that the next hops answer",
	},
	DropNeighbourFailed: {
		name:    "neighbour_failed",
		meaning: "the next hop does not answer ARP or neighbour discovery",
		remedy: "check the real server or gateway: that it is up, on that subnet, with that " +
			"address",
	},
	DropNoHeadroom: {
		name:    "no_headroom",
		meaning: "the buffer has no headroom for another header",
		remedy:  "report it: every known driver leaves enough",
	},
	DropNoBuffer: {
		name:    "no_buffer",
		meaning: "no buffer was free for the fragments in which it had to be sent",
		remedy:  "raise `dpdk.memory`",
	},
	DropTxFull: {
		name:    "tx_full",
		meaning: "the device did not accept it in time",
		remedy: "check the link: it is full, down, or paused; raise `tx_descriptors` for " +
			"short bursts",
	},
	DropHandoffFull: {
		name:    "handoff_full",
		meaning: "belongs to another worker, which did not take it over in time",
		remedy:  "add CPUs, or use a device that spreads flows by itself (see Workers)",
	},
	DropStopped: {
		name:    "stopped",
		meaning: "still held when the director stopped",
		remedy:  "nothing",
	},
}

// String returns the verdict's name as metrics and tables show it, such as "no_session".
func (v Verdict) String() string {
	if v >= NumVerdicts {
		return fmt.Sprintf("verdict %d", uint8(v))
	}
	return verdicts[v].name
}

// Meaning returns what the verdict says of a packet, in words for the operator.
func (v Verdict) Meaning() string { return verdicts[v].meaning }

// Remedy returns what an operator can do about many drops for the reason; empty for what is no
// drop.
func (v Verdict) Remedy() string { return verdicts[v].remedy }

// IsDrop reports whether the verdict is a drop reason.
func (v Verdict) IsDrop() bool { return v > HandedToHost }

// faults gives each of the parser's faults its drop reason.
var faults = [packet.NumFaults]Verdict{
	packet.FaultTruncated:      DropTruncated,
	packet.FaultARP:            DropBadARP,
	packet.FaultIPVersion:      DropIPVersion,
	packet.FaultIPHeaderLength: DropIPHeaderLength,
	packet.FaultIPTotalLength:  DropIPLength,
	packet.FaultIPChecksum:     DropIPChecksum,
	packet.FaultIPOptions:      DropIPOptions,
	packet.FaultIPv6Address:    DropIPv6Address,
	packet.FaultIPv6Extension:  DropIPv6Extension,
	packet.FaultFragment:       DropFragment,
	packet.FaultTinyFragment:   DropTinyFragment,
	packet.FaultSCTPChunk:      DropSCTPChunk,
	packet.FaultTCPDataOffset:  DropTCPDataOffset,
	packet.FaultUDPLength:      DropUDPLength,
}
