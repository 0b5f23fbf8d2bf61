package control

import (
	"reflect"

	"fulcrum/config"
)

// fate says what becomes of a field of the configuration that a new configuration changes.
type fate uint8

const (
	// restart: the field cannot change while the director runs. It is also the fate of a field that
	// has no row in fates, so that none is ignored.
	restart fate = iota
	// live: the engine takes the new value while it runs. EngineSettings carries it.
	live
	// beside: the field changes while the director runs, and another part than the engine takes the
	// new value.
	beside
	// parts: the planner compares what the field contains.
	parts
	// noSetting: the field sets nothing by itself. Its row says why.
	noSetting
)

// fates decides about every field of the configuration. TestEveryFieldHasAFate wants a row for
// each, and TestEverySettingArrives holds the planner and EngineSettings to the rows.
//
// Services, real servers, routes and neighbours come and go while the director runs. Their fields
// cannot need a restart: a new service would come without them.
var fates = map[reflect.Type]map[string]fate{
	reflect.TypeFor[config.Config](): {
		"File":     noSetting, // where the configuration was read from; status shows it
		"Text":     noSetting, // its text
		"Director": parts, "Control": parts, "Metrics": parts, "DPDK": parts,
		"Ports": parts, "Routes": parts, "Neighbours": parts, "Session": parts, "Services": parts,
		"Marks": parts,
	},
	reflect.TypeFor[config.Director](): {
		"Workers": restart, "Idle": restart, "Control": restart, "Log": restart, "State": restart, "IPVS": restart,
		"ControlMode": restart, "ControlGroup": restart,
		"Announce": live, "AnnounceRepeat": live,
	},
	reflect.TypeFor[config.Control](): {
		"Listen": restart, "Certificate": restart, "Key": restart, "TokenFile": restart,
		"ReadTokenFile": restart,
	},
	reflect.TypeFor[config.Metrics](): {"Listen": restart},
	reflect.TypeFor[config.DPDK]():    {"Hugepages": restart, "Memory": restart, "Args": restart},
	reflect.TypeFor[config.Port](): {
		"Name": restart, "Device": restart, "Addresses": live,
		"RxDescriptors": restart, "TxDescriptors": restart, "MTU": restart, "VLAN": restart,
		"Guard":  beside, // see Kernel
		"Host":   restart,
		"Follow": beside, // see HostInterface
	},
	reflect.TypeFor[config.Route](): {
		"To": live, "Via": live,
		"Port": live, // follows from Via and the ports' addresses, unless Via is link-local
	},
	reflect.TypeFor[config.Neighbour](): {
		"Address": live, "MAC": live,
		"Port": live, // follows from Address and the ports' addresses, unless it is link-local
	},
	reflect.TypeFor[config.Session](): {
		"Max": restart, "MaxV6": restart, "Templates": restart, "Keep": restart, "SloppyTCP": live, "ExpireNoDest": live,
		"ResetUnknown": live, "RouteUnmatched": live,
		"ExpireQuiescent": live, "Timeouts": parts, "DropEntry": live, "DropPacket": live, "SecureTCP": live,
		"SloppySCTP": live, "ConnReuseMode": live, "NATICMPSend": live, "PMTUDisc": live,
		"ScheduleICMP":   live,
		"IgnoreTunneled": beside, // no part takes it: it has no effect
	},
	reflect.TypeFor[config.Service](): {
		"Name": live, "Address": live, "Addresses": live, "Mark": live, "Protocol": live, "Mode": live, "Scheduler": live,
		"SchedulerFlags": live, "Persistence": live, "PersistenceMask": live,
		"PersistenceEngine": live, "Timeouts": live, "Refuse": live, "MaxRate": live,
		"SlowStart":            beside, // see slowStarts
		"MaxSessionsPerSource": live, "MaxRatePerSource": live,
		"OnePacket": live, "MSS": live, "Echo": live, "MaxSessions": live,
		"Announce": live, "VIPOwner": live, "LocalAddresses": live, "RealServers": parts,
		"Health": beside, "Panic": beside, "Quorum": beside, "QuorumHysteresis": beside, // see checks
		"QuorumUp": beside, "QuorumDown": beside, "SorryServers": beside,
	},
	reflect.TypeFor[config.Mark](): {
		"Number": beside, // the engine has the matches of the services that name it
		"Match":  live,
	},
	reflect.TypeFor[config.RealServer](): {
		"Address": live, "Mode": live, "Weight": live, "UpperThreshold": live, "LowerThreshold": live,
		"Health": beside, // see checks
	},
}

// The fields of each type, prepared once.
var (
	configFields     = fieldsOf[config.Config]()
	directorFields   = fieldsOf[config.Director]()
	controlFields    = fieldsOf[config.Control]()
	metricsFields    = fieldsOf[config.Metrics]()
	dpdkFields       = fieldsOf[config.DPDK]()
	portFields       = fieldsOf[config.Port]()
	routeFields      = fieldsOf[config.Route]()
	neighbourFields  = fieldsOf[config.Neighbour]()
	sessionFields    = fieldsOf[config.Session]()
	markFields       = fieldsOf[config.Mark]()
	serviceFields    = fieldsOf[config.Service]()
	realServerFields = fieldsOf[config.RealServer]()
)
