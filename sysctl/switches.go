package sysctl

import (
	"fmt"
	"strconv"
)

// folder has IPVS's switches, below /proc/sys.
const folder = "net/ipv4/vs/"

// known is one of IPVS's switches.
type known struct {
	name string
	key  string // of [session]; "" is none
	// read returns the key's value for a line's; false for one that the kernel refuses. Without read
	// any value is taken as it is.
	read func(value string) (string, bool)
	// usual is the value without a key: of the key, or of the line if there is none.
	usual string
	why   string // without key: why it has no meaning here
}

// Why switches have no meaning here.
const (
	noSync      = "sessions are not synchronised between directors"
	noNetfilter = "packets do not pass netfilter"
	noPages     = "what is automatic goes by how full the session table is, not by free pages"
	ownThreads  = "rates are kept by the workers"
	ownTables   = "the session table has its size at start: set session.max"
	noTunnels   = "the director opens no tunnels, so no packet comes out of one"
	ownLifetime = "entries of lblc and lblcr live for 24 h"
)

// switches are all that Linux has, in the order of the result.
var switches = []known{
	{name: "conn_reuse_mode", key: "conn_reuse_mode", read: reuseMode, usual: "3"},
	{name: "expire_nodest_conn", key: "expire_nodest", read: boolean, usual: "false"},
	{name: "expire_quiescent_template", key: "expire_quiescent", read: boolean, usual: "false"},
	{name: "sloppy_tcp", key: "sloppy_tcp", read: boolean, usual: "false"},
	{name: "sloppy_sctp", key: "sloppy_sctp", read: boolean, usual: "false"},
	{name: "nat_icmp_send", key: "nat_icmp_send", read: boolean, usual: "false"},
	{name: "pmtu_disc", key: "pmtu_disc", read: boolean, usual: "true"},
	{name: "schedule_icmp", key: "schedule_icmp", read: boolean, usual: "false"},
	{name: "drop_entry", key: "drop_entry", read: defence, usual: `"off"`},
	{name: "drop_packet", key: "drop_packet", read: defence, usual: `"off"`},
	{name: "secure_tcp", key: "secure_tcp", read: defence, usual: `"off"`},
	{name: "ignore_tunneled", usual: "0", why: noTunnels},
	{name: "backup_only", usual: "0", why: noSync},
	{name: "amemthresh", why: noPages},
	{name: "am_droprate", usual: "10", why: `drop_packet = "on" drops one of 10`},
	{name: "sync_threshold", why: noSync},
	{name: "sync_refresh_period", why: noSync},
	{name: "sync_retries", why: noSync},
	{name: "sync_persist_mode", why: noSync},
	{name: "sync_ports", why: noSync},
	{name: "sync_qlen_max", why: noSync},
	{name: "sync_sock_size", why: noSync},
	{name: "sync_version", why: noSync},
	{name: "lblc_expiration", usual: "86400", why: ownLifetime},
	{name: "lblcr_expiration", usual: "86400", why: ownLifetime},
	{name: "run_estimation", usual: "1", why: "rates are always kept"},
	{name: "est_cpulist", why: ownThreads},
	{name: "est_nice", why: ownThreads},
	{name: "conntrack", usual: "0", why: noNetfilter},
	{name: "snat_reroute", usual: "1", why: "answers are always routed by the director's routes"},
	{name: "cache_bypass", usual: "0", why: "there is no transparent proxy"},
	{name: "debug_level", usual: "0", why: "the log's level is director.log"},
	{name: "conn_lfactor", why: ownTables},
	{name: "svc_lfactor", why: "the table of services grows by itself"},
	{name: "conn_max", why: ownTables},
}

// number reads a number as the kernel does: decimal, octal or hexadecimal, of 32 bits.
func number(value string) (int64, bool) {
	n, err := strconv.ParseInt(value, 0, 32)
	return n, err == nil
}

// boolean reads a switch: whatever is not 0 is on.
func boolean(value string) (string, bool) {
	n, ok := number(value)
	return strconv.FormatBool(n != 0), ok
}

// reuseMode reads conn_reuse_mode. The kernel knows two bits, and looks at no other.
func reuseMode(value string) (string, bool) {
	n, ok := number(value)
	switch {
	case n == 0:
		return "0", ok
	case n&2 != 0:
		return strconv.FormatInt(2|n&1, 10), ok
	}
	return "1", ok
}

// defence reads a switch of the defences: 2 is 1 while it is active.
func defence(value string) (string, bool) {
	n, ok := number(value)
	if !ok || n < 0 || n > 3 {
		return "", false
	}
	return fmt.Sprintf("%q", [4]string{"off", "auto", "auto", "on"}[n]), true
}
