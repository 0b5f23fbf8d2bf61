package ipvs

// Family is the message type of the family IPVS at a director's socket. A kernel gives the family a
// number of its own: ask for it by name.
const Family = 0x20

// SessionFamily is the message type of a private family at a director's socket: one command, to
// dump the sessions as the lines of /proc/net/ip_vs_conn.
const SessionFamily = 0x21

// FamilyName is the name by which the family is known.
const FamilyName = "IPVS"

// version is that of both families.
const version = 1

// tableVersion is IPVS's own version: 1.2.1 (IP_VS_VERSION_CODE).
const tableVersion = 0x010201

// Command is a command of the family IPVS (ip_vs_genl_cmd... in linux/ip_vs.h).
type Command uint8

// The commands.
const (
	NewService Command = iota + 1
	SetService
	DelService
	GetService
	NewDest
	SetDest
	DelDest
	GetDest
	NewDaemon
	DelDaemon
	GetDaemon
	SetConfig
	GetConfig
	SetInfo // only as the answer to GetInfo
	GetInfo
	Zero
	Flush
)

var commandNames = [...]string{
	NewService: "NEW_SERVICE", SetService: "SET_SERVICE", DelService: "DEL_SERVICE",
	GetService: "GET_SERVICE", NewDest: "NEW_DEST", SetDest: "SET_DEST", DelDest: "DEL_DEST",
	GetDest: "GET_DEST", NewDaemon: "NEW_DAEMON", DelDaemon: "DEL_DAEMON", GetDaemon: "GET_DAEMON",
	SetConfig: "SET_CONFIG", GetConfig: "GET_CONFIG", SetInfo: "SET_INFO", GetInfo: "GET_INFO",
	Zero: "ZERO", Flush: "FLUSH",
}

// String returns the kernel's name without its prefix, such as "NEW_SERVICE".
func (c Command) String() string {
	if int(c) < len(commandNames) && commandNames[c] != "" {
		return commandNames[c]
	}
	return "unknown command"
}

// The attributes of a message (IPVS_CMD_ATTR_*).
const (
	attrService = iota + 1
	attrDest
	attrDaemon
	attrTimeoutTCP
	attrTimeoutTCPFin
	attrTimeoutUDP
)

// The attributes of the answer to GetInfo (IPVS_INFO_ATTR_*).
const (
	infoVersion = iota + 1
	infoTableSize
)

// The attributes of a service (IPVS_SVC_ATTR_*).
const (
	svcFamily = iota + 1
	svcProtocol
	svcAddress
	svcPort // big-endian
	svcMark
	svcScheduler
	svcFlags
	svcTimeout
	svcNetmask
	svcStats
	svcEngine
	svcStats64
)

// The attributes of a destination (IPVS_DEST_ATTR_*).
const (
	destAddress = iota + 1
	destPort    // big-endian
	destMethod
	destWeight
	destUpper
	destLower
	destActive
	destInactive
	destPersistent
	destStats
	destFamily
	destStats64
	destTunType
	destTunPort // big-endian
	destTunFlags
)

// The attributes of a daemon (IPVS_DAEMON_ATTR_*) that a request must have.
const (
	daemonState     = 1
	daemonInterface = 2
	daemonSyncID    = 3
)

// Flags of a service (IP_VS_SVC_F_*).
const (
	flagPersistent = 0x01
	flagHashed     = 0x02 // every service has it
	flagOnePacket  = 0x04
	flagSched1     = 0x08 // sh-fallback, mh-fallback
	flagSched2     = 0x10 // sh-port, mh-port
)

// Forwarding methods of a destination (IP_VS_CONN_F_*), and the mask of the field.
const (
	methodMasq   = 0
	methodLocal  = 1
	methodTunnel = 2
	methodRoute  = 3
	methodMask   = 7
)

// Types of tunnels (IP_VS_CONN_F_TUNNEL_TYPE_*).
const tunnelIPIP = 0

// The numbers of netlink (linux/netlink.h) and of generic netlink's own family
// (linux/genetlink.h).
const (
	leastFamily  = 0x10 // NLMSG_MIN_TYPE
	ctrlFamily   = 0x10 // GENL_ID_CTRL
	ctrlGet      = 3    // CTRL_CMD_GETFAMILY
	ctrlNew      = 1    // CTRL_CMD_NEWFAMILY
	ctrlID       = 1    // CTRL_ATTR_FAMILY_ID
	ctrlName     = 2    // CTRL_ATTR_FAMILY_NAME
	ctrlVersion  = 3    // CTRL_ATTR_VERSION
	ctrlHdrSize  = 4    // CTRL_ATTR_HDRSIZE
	ctrlMaxAttr  = 5    // CTRL_ATTR_MAXATTR
	ctrlReply    = 2    // the version of that family
	headerLen    = 16   // struct nlmsghdr
	genlLen      = 4    // struct genlmsghdr
	cmdAttrs     = 6    // IPVS_CMD_ATTR_MAX
	sessionsDump = 1    // the command of SessionFamily
)
