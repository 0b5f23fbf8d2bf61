package keepalived

// Why keys are not carried over.
const (
	noHashed   = "has no effect in IPVS either"
	unmarked   = "the file does not say which packets have the mark: write them as match of its [[mark]]"
	noSNAT     = "DPVS's SNAT and its services by match are not supported"
	notReached = " is not an address that other hosts can reach"
	noClients  = "lists of clients to deny or to allow are not supported"
	noRates    = "limits of rates are not supported"
	elsewhere  = "is not a virtual server: keepalived continues to handle it"
	noScript   = "programs run for the service only: see quorum_up and quorum_down"
	noFailures = "fulcrum health shows the last results of each check"
	noEvents   = "fulcrum log has what checks change"
)

// absent maps keys of virtual and real servers to the reason why they are not carried over. The
// notes quote each one in full, since its value matters.
var absent = map[string]string{
	"hashed": noHashed,
	"establish_timeout": "timeouts hold for all services: " +
		"set established in [session.timeouts]",
	"hash_target": "consistent hashing is not supported yet",
	"src-range":   noSNAT, "dst-range": noSNAT, "iif": noSNAT, "oif": noSNAT,
	"bps": noRates, "limit_proportion": noRates,
	"daddr_group_name": noClients, "waddr_group_name": noClients,
	"proxy_protocol":       "the PROXY protocol is not supported",
	"sorry_server_inhibit": "the sessions of a sorry server go on when it leaves, as they do without it",
}

// absentKinds maps keys to the reason why they are not carried over. The notes name the key and its
// places only: mostly keys of checks, which all real servers have alike.
var absentKinds = map[string]string{
	"omega":     "programs do not run when the director ends",
	"notify_up": noScript, "notify_down": noScript,
	"smtp_alert":       "no mail is sent: the alert FulcrumRealServerDown tells",
	"log_all_failures": noFailures,
	"BFD_CHECK":        "BFD is not supported",
	"FILE_CHECK": "keepalived adds the file's number to the weight, or takes any but 0 for down: " +
		"type = \"file\" takes it for the weight",
	"bind_port": "the kernel chooses a check's port", "bind_if": "routes choose the interface",
	"fwmark":     "checks have no mark",
	"ha_suspend": "checks go on without the VIP", "snmp_name": "SNMP is not supported",
	"syn_proxy":             "there is no SYN proxy",
	"vip_bind_dev":          "routes choose the port",
	"expire_quiescent_conn": "holds for all services: set session.expire_quiescent",
	"quic":                  "QUIC is forwarded like other UDP: connection IDs are not read",
}

// defaults are values that ask for nothing.
var defaults = map[string]string{"smtp_alert": "false"}

// globals maps the keys of global_defs that concern forwarding to the reason. All others concern
// keepalived alone and get no note.
var globals = map[string]string{
	"lvs_timeouts":              "set established (tcp), fin_wait (tcpfin) and udp in [session.timeouts]",
	"lvs_sync_daemon":           "synchronisation of sessions is not supported yet",
	"lvs_sync_daemon_interface": "synchronisation of sessions is not supported yet",
	"lvs_notify_fifo":           noEvents,
	"lvs_notify_fifo_script":    noEvents,
	"checker_log_all_failures":  noFailures,
}

// leaveKey notes a key that is not carried over.
func (i *importer) leaveKey(e *entry) {
	key := e.words[0]
	why, kind := absentKinds[key]
	usual, known := defaults[key]
	switch {
	case known && usual == e.value():
	case kind:
		i.Leave(e.place, key, why)
	case absent[key] != "":
		i.Leave(e.place, e.String(), absent[key])
	default:
		i.Leave(e.place, e.String(), "has no counterpart in Fulcrum")
	}
}
