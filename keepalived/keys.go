package keepalived

import "strings"

// Why keys have no counterpart.
const (
	unchecked   = "real servers are not checked yet"
	noFlags     = "scheduler flags are not built yet"
	noQuorum    = "quorums are not built yet"
	noSticking  = "persistence is not built yet"
	noMarks     = "firewall marks are not here: make a service for each address and port"
	everyPort   = "takes all ports, which no service does: make one for each port"
	elsewhere   = "is no virtual server; keepalived goes on doing that"
	noLastServe = "a server of last resort is not built yet: without an available real server clients get ICMP port unreachable"
)

// absent says why keys of virtual and real servers have no counterpart. What they say matters, so that each is listed as it stands.
var absent = map[string]string{
	"persistence_timeout": noSticking, "persistence_granularity": noSticking, "persistence_engine": noSticking,
	"ops": "one-packet scheduling is not built yet", "hashed": noFlags,
	"flag-1": noFlags, "flag-2": noFlags, "flag-3": noFlags, "sh-port": noFlags, "sh-fallback": noFlags, "mh-port": noFlags, "mh-fallback": noFlags,
	"quorum": noQuorum, "hysteresis": noQuorum,
	"sorry_server": noLastServe, "sorry_server_inhibit": noLastServe, "sorry_server_lvs_method": noLastServe,
}

// absentKinds are keys of which it is enough to know where they are: mostly how real servers are checked, of which every one has the same.
var absentKinds = map[string]string{
	"delay_loop": unchecked, "delay_before_retry": unchecked, "retry": unchecked, "nb_get_retry": unchecked, "warmup": unchecked, "connect_timeout": unchecked,
	"alpha": unchecked, "omega": unchecked, "inhibit_on_failure": unchecked, "virtualhost": unchecked, "log_all_failures": unchecked,
	"notify_up": unchecked, "notify_down": unchecked, "smtp_alert": unchecked,
	"quorum_up": noQuorum, "quorum_down": noQuorum,
	"ha_suspend": "keepalived's VRRP is not here", "snmp_name": "there is no SNMP", "ip_family": "is for firewall marks",
}

// globals are the keys of global_defs that are about forwarding; the others are keepalived's own business.
var globals = map[string]string{
	"lvs_timeouts":              "write tcp as established, tcpfin as fin_wait and udp as udp under [session.timeouts]",
	"lvs_sync_daemon":           "sessions are not copied to another director",
	"lvs_sync_daemon_interface": "sessions are not copied to another director",
	"lvs_notify_fifo":           unchecked,
	"lvs_notify_fifo_script":    unchecked,
	"checker_log_all_failures":  unchecked,
}

// leaveKey notes a key that has no counterpart.
func (i *importer) leaveKey(e *entry) {
	key := e.words[0]
	why, kind := absentKinds[key]
	switch {
	case kind:
		i.leave(e.place, key, why)
	case strings.HasSuffix(key, "_CHECK") || strings.HasSuffix(key, "_GET"):
		i.leave(e.place, key, unchecked)
	case absent[key] != "":
		i.leave(e.place, e.String(), absent[key])
	default:
		i.leave(e.place, e.String(), "has no counterpart")
	}
}
