package ipvsadm

// Why Fulcrum does not support the options of DPVS's ipvsadm, and what it has instead.
const (
	dpvsFullNAT = "DPVS's mode fullnat is --fullnat here, " +
		"and its local addresses are given with --local-address"
	dpvsLocals = "DPVS's local addresses are given with the service: " +
		"-A, -E or -a with --fullnat --local-address A,B"
	dpvsDevice   = "DPVS names the device of a local address: here routes choose the port"
	dpvsSNAT     = "DPVS's SNAT and its services by match are not there"
	dpvsICMP     = "there are no services of ICMP: the director answers pings to a VIP"
	dpvsSYNProxy = "there is no SYN proxy"
	dpvsClients  = "lists of clients to deny or to allow are not there"
	dpvsHash     = "consistent hashing is not there yet"
	dpvsY        = "consistent hashing, or lists of clients to allow: neither is there"
	dpvsTimeout  = "timeouts hold for all services: " +
		"set established in [session.timeouts], or use --set"
	dpvsProxy   = "the PROXY protocol is not there"
	dpvsChecks  = "checks of real servers are not there yet"
	dpvsExpire  = "expire_quiescent is not there yet"
	dpvsQUIC    = "QUIC is forwarded like other UDP: connection IDs are not read"
	dpvsCPU     = "ask fulcrum workers"
	dpvsSockets = "ask fulcrum sessions"
)

// dpvsOptions holds the options of DPVS's ipvsadm that the kernel's lacks, by the letters and the
// names of DPVS 1.8 to 1.10. Its -b with -a and -e is fullnat.
var dpvsOptions = map[string]string{
	"P": dpvsLocals, "add-laddr": dpvsLocals, "Q": dpvsLocals, "del-laddr": dpvsLocals,
	"G": dpvsLocals, "get-laddr": dpvsLocals, "z": dpvsLocals, "laddr": dpvsLocals,
	"F": dpvsDevice, "ifname": dpvsDevice,
	"J": dpvsSNAT, "snat": dpvsSNAT, "H": dpvsSNAT, "match": dpvsSNAT,
	"q": dpvsICMP, "icmp-service": dpvsICMP, "1": dpvsICMP, "icmpv6-service": dpvsICMP,
	"j": dpvsSYNProxy, "synproxy": dpvsSYNProxy,
	"U": dpvsClients, "add-blklst": dpvsClients, "V": dpvsClients, "del-blklst": dpvsClients,
	"B": dpvsClients, "get-blklst": dpvsClients, "k": dpvsClients, "blklst": dpvsClients,
	"O": dpvsClients, "add-whtlst": dpvsClients, "del-whtlst": dpvsClients,
	"W": dpvsClients, "get-whtlst": dpvsClients, "2": dpvsClients, "whtlst": dpvsClients,
	"Y": dpvsY, "hash-target": dpvsHash,
	"conn-timeout": dpvsTimeout, "proxy-protocol": dpvsProxy, "dest-check": dpvsChecks,
	"expire-quiescent": dpvsExpire, "quic": dpvsQUIC, "cpu": dpvsCPU, "sockpair": dpvsSockets,
}

func init() {
	for name, why := range dpvsOptions {
		options[name] = option{absent: why}
	}
}
