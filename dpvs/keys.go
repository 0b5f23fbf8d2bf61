package dpvs

import "strings"

// Why keys are not carried over.
const (
	noKNI      = "ports have no interface at the host: its own traffic needs another interface"
	ownQueues  = "each worker has one queue of each port"
	ownBuffers = "packet buffers follow from ports, workers and descriptors, see [dpdk] memory"
	byRSS      = "devices spread packets by RSS, as the services' modes need it"
	noFdir     = "local ports are chosen so that answers come to their worker by RSS: no flow director"
	noProxy    = "there is no SYN proxy"
	ownSocket  = "the control API's socket is director.control, /run/fulcrum.sock"
	ownLog     = "the log goes to standard error; [director] log is its level"
	noUOA      = "real servers are not told of UDP clients' addresses: use dr, nat or ipip where they need them"
	fragments  = "fragments are kept within limits of their own"
	ownTTL     = "the director's own packets have a TTL of 64"
	noRouting  = "forwards packets of services only; for what nat real servers send on their own account " +
		"set session.route_unmatched"
	ownHops   = "next hops follow RFC 4861; see fulcrum neighbours"
	noIPSet   = "sets of addresses are not supported"
	internal  = "is internal to DPVS"
	noUnknown = "packets of no session are never sent to real servers; see session.reset_unknown"
)

// absent maps keys, with those of the blocks around them, to the reason why they are not carried
// over. The reason of a block holds for all of it.
var absent = map[string]string{
	"global_defs.daemon":         "the director runs in the foreground, under systemd",
	"global_defs.log_file":       ownLog,
	"global_defs.log_async_mode": ownLog,
	"global_defs.pdump":          "captures are made by fulcrum capture, without a key",

	"netif_defs.pktpool_size":                  ownBuffers,
	"netif_defs.pktpool_cache":                 ownBuffers,
	"netif_defs.fdir_key_proto":                noFdir,
	"netif_defs.device.fdir":                   noFdir,
	"netif_defs.device.kni_name":               noKNI,
	"netif_defs.device.kni_ipaddress":          noKNI,
	"netif_defs.device.promisc_mode":           "the director sets what its ports receive",
	"netif_defs.device.allmulticast":           "the director sets what its ports receive",
	"netif_defs.device.options":                "give DPDK's own arguments of net_bonding in the port's device",
	"netif_defs.device.ring.queue_number":      ownQueues,
	"netif_defs.device.ring.max_burst_size":    "bursts have a size of their own",
	"netif_defs.device.ring.rss":               byRSS,
	"netif_defs.device.ring.mbuf_fast_free":    internal,
	"worker_defs.worker.icmp_redirect_core":    noKNI,
	"worker_defs.worker.port.rx_queue_ids":     ownQueues,
	"worker_defs.worker.port.tx_queue_ids":     ownQueues,
	"worker_defs.worker.port.isol_rx_cpu_ids":  "workers receive for themselves",
	"worker_defs.worker.port.isol_rxq_ring_sz": "workers receive for themselves",

	"timer_defs.schedule_interval":             internal,
	"neigh_defs.unres_queue_length":            ownHops,
	"neigh_defs.timeout":                       ownHops,
	"ipset_defs":                               noIPSet,
	"ipset_defs.ipset_hash_pool_size":          noIPSet,
	"ipv4_defs.forwarding":                     noRouting,
	"ipv4_defs.default_ttl":                    ownTTL,
	"ipv4_defs.fragment":                       fragments,
	"ipv6_defs.disable":                        "IPv6 is used on ports that have an IPv6 address",
	"ipv6_defs.forwarding":                     noRouting,
	"ipv6_defs.addr_gen_mode":                  "ports have the addresses of the configuration only",
	"ipv6_defs.stable_secret":                  "ports have the addresses of the configuration only",
	"ipv6_defs.route6":                         "routes have one table for both families",
	"ctrl_defs.lcore_msg":                      internal,
	"ctrl_defs.ipc_msg":                        ownSocket,
	"ipvs_defs.conn.conn_pool_cache":           internal,
	"ipvs_defs.conn.conn_init_timeout":         "a session begins with the timeout of its first state",
	"ipvs_defs.conn.expire_quiescent_template": "set session.expire_quiescent",
	"ipvs_defs.conn.fast_xmit_close":           "next hops are always remembered with their sessions",
	"ipvs_defs.conn.redirect":                  "packets are always handed to the worker that has their session",
	"ipvs_defs.udp.defence_udp_drop":           noUnknown,
	"ipvs_defs.tcp.defence_tcp_drop":           noUnknown,
	"ipvs_defs.udp.uoa_mode":                   noUOA,
	"ipvs_defs.udp.uoa_max_trail":              noUOA,
	"ipvs_defs.udp.timeout.last":               "there is no such state",
	"ipvs_defs.tcp.timeout.last":               "there is no such state",
	"ipvs_defs.tcp.toa_mode":                   "real servers are not told of TCP clients' addresses: use dr, nat or ipip where they need them",
	"ipvs_defs.tcp.synproxy":                   noProxy,
	"sa_pool.pool_hash_size":                   "local ports are counted by real server and local address",
	"sa_pool.flow_enable":                      noFdir,
}

// defaults are values that ask for nothing.
var defaults = map[string]string{
	"global_defs.log_async_mode": "off", "global_defs.pdump": "off",
	"netif_defs.device.ring.rss": "all", "netif_defs.device.mtu": "1500",
	"ipv4_defs.forwarding": "off", "ipv4_defs.default_ttl": "64",
	"ipv6_defs.disable": "off", "ipv6_defs.forwarding": "off",
	"ipvs_defs.conn.redirect": "off",
}

// leaveKey notes an entry that is not carried over, given the keys on the way to it.
func (i *importer) leaveKey(path string, e *entry) {
	usual, known := defaults[path]
	switch why := absent[path]; {
	case known && strings.EqualFold(usual, e.value()):
	case e.words[0] == "include":
		i.Leave(e.place, e.String(), "other files are not read: put its lines in this place")
	case why != "":
		i.Leave(e.place, e.String(), why)
	default:
		i.Leave(e.place, e.String(), "has no counterpart in Fulcrum")
	}
}
