package keepalived

import "strings"

// Why keys are not carried over.
const (
	unchecked  = "checks of real servers are not supported yet"
	noHashed   = "has no effect in IPVS either"
	noQuorum   = "quorums are not supported yet"
	unmarked   = "the file does not say which packets have the mark: write them as match of its [[mark]]"
	noSNAT     = "DPVS's SNAT and its services by match are not supported"
	notReached = " is not an address that other hosts can reach"
	noClients  = "lists of clients to deny or to allow are not supported"
	noRates    = "limits of rates are not supported"
	elsewhere  = "is not a virtual server: keepalived continues to handle it"
	noSorry    = "sorry servers are not supported yet: " +
		"without an available real server clients get ICMP port unreachable"
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
	"proxy_protocol": "the PROXY protocol is not supported",
	"quorum":         noQuorum, "hysteresis": noQuorum,
	"sorry_server": noSorry, "sorry_server_inhibit": noSorry, "sorry_server_lvs_method": noSorry,
}

// absentKinds maps keys to the reason why they are not carried over. The notes name the key and its
// places only: mostly checks, which all real servers have alike.
var absentKinds = map[string]string{
	"delay_loop": unchecked, "delay_before_retry": unchecked, "retry": unchecked,
	"nb_get_retry": unchecked, "warmup": unchecked, "connect_timeout": unchecked,
	"alpha": unchecked, "omega": unchecked, "inhibit_on_failure": unchecked,
	"virtualhost": unchecked, "log_all_failures": unchecked,
	"notify_up": unchecked, "notify_down": unchecked, "smtp_alert": unchecked,
	"quorum_up": noQuorum, "quorum_down": noQuorum,
	"ha_suspend": "VRRP is not supported", "snmp_name": "SNMP is not supported",
	"syn_proxy":             "there is no SYN proxy",
	"vip_bind_dev":          "routes choose the port",
	"expire_quiescent_conn": "holds for all services: set session.expire_quiescent",
	"quic":                  "QUIC is forwarded like other UDP: connection IDs are not read",
}

// defaults are values that ask for nothing.
var defaults = map[string]string{"quorum": "1", "hysteresis": "0"}

// globals maps the keys of global_defs that concern forwarding to the reason. All others concern
// keepalived alone and get no note.
var globals = map[string]string{
	"lvs_timeouts":              "set established (tcp), fin_wait (tcpfin) and udp in [session.timeouts]",
	"lvs_sync_daemon":           "synchronisation of sessions is not supported yet",
	"lvs_sync_daemon_interface": "synchronisation of sessions is not supported yet",
	"lvs_notify_fifo":           unchecked,
	"lvs_notify_fifo_script":    unchecked,
	"checker_log_all_failures":  unchecked,
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
	case strings.HasSuffix(key, "_CHECK") || strings.HasSuffix(key, "_GET"):
		i.Leave(e.place, key, unchecked)
	case absent[key] != "":
		i.Leave(e.place, e.String(), absent[key])
	default:
		i.Leave(e.place, e.String(), "has no counterpart in Fulcrum")
	}
}
