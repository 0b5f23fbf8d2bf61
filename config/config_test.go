package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fulcrum/lvs"
)

// onCPUs is a machine with the given CPUs and no others.
func onCPUs(all ...int) cpuSets { return cpuSets{all, all} }

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	config, err := parse("f", text, onCPUs(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func same(t *testing.T, got, want *Config) {
	t.Helper()
	options := cmp.Options{
		cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}),
		cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(Config{}, "Text"),
	}
	if diff := cmp.Diff(want, got, options); diff != "" {
		t.Errorf("configuration, want (-) and got (+):\n%s", diff)
	}
}

var ipvsTimeouts = Timeouts{
	lvs.StateNone:                 2 * time.Second,
	lvs.StateEstablished:          900 * time.Second,
	lvs.StateSynSent:              120 * time.Second,
	lvs.StateSynRecv:              60 * time.Second,
	lvs.StateFinWait:              120 * time.Second,
	lvs.StateTimeWait:             120 * time.Second,
	lvs.StateClose:                10 * time.Second,
	lvs.StateCloseWait:            60 * time.Second,
	lvs.StateLastAck:              30 * time.Second,
	lvs.StateListen:               120 * time.Second,
	lvs.StateSynAck:               120 * time.Second,
	lvs.StateUDP:                  300 * time.Second,
	lvs.StateICMP:                 60 * time.Second,
	lvs.StateSCTPInit1:            4 * time.Second,
	lvs.StateSCTPInit:             61 * time.Second,
	lvs.StateSCTPCookieSent:       61 * time.Second,
	lvs.StateSCTPCookieReplied:    61 * time.Second,
	lvs.StateSCTPCookieWait:       61 * time.Second,
	lvs.StateSCTPCookie:           61 * time.Second,
	lvs.StateSCTPCookieEchoed:     61 * time.Second,
	lvs.StateSCTPEstablished:      900 * time.Second,
	lvs.StateSCTPShutdownSent:     61 * time.Second,
	lvs.StateSCTPShutdownReceived: 61 * time.Second,
	lvs.StateSCTPShutdownAckSent:  61 * time.Second,
	lvs.StateSCTPRejected:         4 * time.Second,
	lvs.StateSCTPClosed:           61 * time.Second,
}

func TestDefaults(t *testing.T) {
	text := readFile(t, "testdata/base/ports.toml") + readFile(t, "testdata/base/service.toml")
	same(t, mustParse(t, text), &Config{
		File: "f",
		Director: Director{Workers: []int{1}, Idle: IdleAdaptive, Control: "/run/fulcrum.sock", Log: slog.LevelInfo,
			Announce: true, AnnounceRepeat: 2, ControlMode: DefaultControlMode},
		DPDK: DPDK{Hugepages: HugePagesAuto, Memory: 512 << 20},
		Ports: []Port{
			{Name: "front", Device: "net_af_packet0,iface=veth-front", Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
				RxDescriptors: 1024, TxDescriptors: 1024, MTU: 1500},
			{Name: "back", Device: "net_af_packet1,iface=veth-back", Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")},
				RxDescriptors: 1024, TxDescriptors: 1024, MTU: 1500},
		},
		Session: Session{Max: 1_000_000, Templates: 100_000, ResetUnknown: ResetTwoWay,
			ConnReuseMode: 3, PMTUDisc: true, Timeouts: ipvsTimeouts,
			DropEntry: DefenceOff, DropPacket: DefenceOff, SecureTCP: DefenceOff},
		Services: []Service{{
			Name: "web", Address: netip.MustParseAddrPort("10.0.0.100:80"), Protocol: lvs.TCP, Mode: lvs.NAT, Scheduler: lvs.WLC,
			PersistenceMask: 32, Echo: true,
			RealServers: []RealServer{{Address: netip.MustParseAddrPort("10.1.0.11:80"), Weight: 1}},
		}},
	})
}

func TestEveryValueGiven(t *testing.T) {
	timeouts := ipvsTimeouts
	timeouts[lvs.StateEstablished], timeouts[lvs.StateSynAck] = 90*time.Second, 1500*time.Millisecond
	checked := Health{
		Type: CheckDNS, Interval: time.Second, Timeout: 500 * time.Millisecond, Rise: 5, Fall: 1, Down: true,
		OnFail: FailReset, Through: ThroughHost, Passive: true,
		Address: netip.MustParseAddr("10.2.0.200"), Port: 53,
		Source: netip.MustParseAddr("10.1.0.1"), Query: "example.org", Record: "A",
		Path: "/", Method: "GET", Status: "200-299", Helo: "fulcrum",
	}
	own := func(kind HealthType, change func(*Health)) OwnHealth {
		h := checked
		h.Type, h.Query, h.Record = kind, ".", "SOA"
		change(&h)
		return OwnHealthOf(h)
	}
	same(t, mustParse(t, readFile(t, "testdata/full.toml")), &Config{
		File: "f",
		Director: Director{Workers: []int{0}, Idle: IdleBusy, Control: "/run/fulcrum.sock", Log: slog.LevelDebug,
			AnnounceRepeat: 5, ControlMode: 0o660, ControlGroup: "root",
			IPVS: "/run/fulcrum-ipvs.sock"},
		DPDK: DPDK{Hugepages: HugePagesOff, Memory: 2 << 30, Args: []string{"--log-level=7", "--no-telemetry"}},
		Ports: []Port{{
			Name: "front", Device: "0000:3b:00.0",
			Addresses:     []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.0.1.1/24")},
			RxDescriptors: 64, TxDescriptors: 4096, MTU: 9000,
		}, {
			Name: "back", Device: "0000:3b:00.1", Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")},
			RxDescriptors: 1024, TxDescriptors: 1024, MTU: 1500,
		}},
		Routes: []Route{
			{To: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("10.0.1.254"), Port: 0},
			{To: netip.MustParsePrefix("10.2.0.0/16"), Via: netip.MustParseAddr("10.1.0.254"), Port: 1},
		},
		Neighbours: []Neighbour{{
			Address: netip.MustParseAddr("10.1.0.254"), MAC: net.HardwareAddr{2, 0, 0, 0, 0, 0xfe}, Port: 1,
		}},
		Session: Session{Max: 2_000_000, SloppyTCP: true, ExpireNoDest: true,
			Templates: 50_000, ExpireQuiescent: true,
			ResetUnknown: ResetAll, RouteUnmatched: true, Timeouts: timeouts,
			DropEntry: DefenceOn, DropPacket: DefenceAuto, SecureTCP: DefenceAuto,
			SloppySCTP: true, ConnReuseMode: 1, NATICMPSend: true, ScheduleICMP: true,
			IgnoreTunneled: true, Keep: "/dev/shm/fulcrum"},
		Services: []Service{{
			Name: "dns", Address: netip.MustParseAddrPort("10.0.0.100:53"), Protocol: lvs.UDP, Mode: lvs.FullNAT, Scheduler: lvs.WRR,
			Persistence: 330 * time.Second, PersistenceMask: 24, PersistenceEngine: lvs.EngineSIP, Echo: true, Announce: AnnounceOn,
			Refuse: lvs.RefuseByReset, MaxRate: 5000, SlowStart: 90 * time.Second,
			MaxSessionsPerSource: 200, MaxRatePerSource: 50,
			Health: checked, Panic: 50, Quorum: 3, QuorumHysteresis: 1,
			QuorumUp: WordsOf([]string{"/bin/echo", `up "again"`}), QuorumDown: "/bin/false",
			SorryServers: []netip.AddrPort{
				netip.MustParseAddrPort("10.2.0.99:53"), netip.MustParseAddrPort("10.2.0.98:53"),
			},
			Timeouts: OwnTimeouts{lvs.StateUDP: 2500 * time.Millisecond, lvs.StateICMP: 90 * time.Second},
			LocalAddresses: []netip.Addr{
				netip.MustParseAddr("10.1.0.51"), netip.MustParseAddr("10.1.0.52"), netip.MustParseAddr("10.1.0.50"),
				netip.MustParseAddr("10.1.0.49"), netip.MustParseAddr("10.1.0.53"), netip.MustParseAddr("10.1.0.54"),
				netip.MustParseAddr("10.1.0.60"), netip.MustParseAddr("10.1.0.61"),
			},
			RealServers: []RealServer{
				{Address: netip.MustParseAddrPort("10.2.0.11:5353"), Weight: 0, UpperThreshold: 1000, LowerThreshold: 800,
					Health: own(CheckExec, func(h *Health) {
						h.Command, h.Env = WordsOf([]string{"/bin/sh", "-c", "exit 0"}), "A=b"
						h.User, h.Dynamic, h.Rise = "nobody", true, 3
					})},
				{Address: netip.MustParseAddrPort("10.2.0.12:5353"), Weight: 65535, UpperThreshold: 1000,
					Health: own(CheckDNS, func(h *Health) { h.Query, h.Record, h.Source = "example.com", "A", netip.Addr{} })},
				{Address: netip.MustParseAddrPort("10.2.0.13:5353"), Weight: 1, Health: OwnHealthOf(Health{})},
				{Address: netip.MustParseAddrPort("10.2.0.14:5353"), Weight: 1, Health: own(CheckUDP, func(h *Health) {
					h.Payload, h.Expect, h.Mask, h.Answer, h.Least, h.Most = "00 ff", "00ff", "ff0f", true, 2, 100
				})},
				{Address: netip.MustParseAddrPort("10.2.0.15:5353"), Weight: 1, Health: own(CheckHTTPS, func(h *Health) {
					h.Path, h.Host, h.Method, h.Status = "/a?b=c", "www.example.org:8443", "HEAD", "200-299, 401"
					h.Body, h.Digest = "^ok$", "4409bb950a3826c313c34b46b429ac84"
					h.TLSName, h.TLSVerify = "example.org", true
				})},
				{Address: netip.MustParseAddrPort("10.2.0.16:5353"), Weight: 1,
					Health: own(CheckSMTP, func(h *Health) { h.Helo = "lb.example.org" })},
				{Address: netip.MustParseAddrPort("10.2.0.17:5353"), Weight: 1,
					Health: own(CheckFile, func(h *Health) { h.Path = "/run/web1" })},
			},
		}},
	})
}

func TestExamplesAreGood(t *testing.T) {
	for _, mode := range lvs.Modes() {
		config, err := Load(filepath.Join("../docs/examples", mode.String()+".toml"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, service := range config.Services {
			if service.Mode != mode {
				t.Errorf("%s shows the mode %s", config.File, service.Mode)
			}
		}
	}
}

func TestWorkers(t *testing.T) {
	for text, want := range map[string][]int{
		"":                       {7},
		"workers = 1":            {7},
		"workers = 2":            {5, 7},
		"workers = 3":            {2, 5, 7},
		"workers = [7, 2]":       {7, 2},
		"workers = [5, 5, 2, 2]": {5, 5, 2, 2},
		"workers = [8]":          {8}, // another process may run there
	} {
		file := readFile(t, "testdata/base/ports.toml") + "[director]\n" + text + "\n"
		config, err := parse("f", file, cpuSets{[]int{2, 5, 7}, []int{2, 5, 7, 8}})
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Director.Workers; !slices.Equal(got, want) {
			t.Errorf("%s: workers on %v, want %v", text, got, want)
		}
	}
}

func TestPortTo(t *testing.T) {
	c := Config{
		Ports: []Port{
			{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}},
			{Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("10.2.0.1/24")}},
		},
		Routes: []Route{
			{To: netip.MustParsePrefix("10.3.0.0/16"), Port: 1},
			{To: netip.MustParsePrefix("10.3.7.0/24"), Port: 0},
			{To: netip.MustParsePrefix("10.0.0.0/8"), Port: 0},
		},
	}
	for address, want := range map[string]int{
		"10.0.0.9": 0, "10.2.0.9": 1, "10.3.0.9": 1, "10.3.7.9": 0, "10.9.0.9": 0,
	} {
		if port, known := c.PortTo(netip.MustParseAddr(address)); port != want || !known {
			t.Errorf("%s is behind port %d, %v; want %d", address, port, known, want)
		}
	}
	if port, known := c.PortTo(netip.MustParseAddr("192.0.2.1")); known {
		t.Errorf("an address without a route is behind port %d", port)
	}
}

func TestParseCPUList(t *testing.T) {
	for list, want := range map[string][]int{
		"0":         {0},
		"0-1":       {0, 1},
		"1,3-5,127": {1, 3, 4, 5, 127},
	} {
		if got := parseCPUList(list); !slices.Equal(got, want) {
			t.Errorf("%q gives %v, want %v", list, got, want)
		}
	}
	if len(allowedCPUs()) == 0 {
		t.Error("no CPU that this process may run on")
	}
}

// TestBareInterfaces: a port that names an interface alone gets it with net_af_packet, and a guard
// unless the file says otherwise. Names of drivers' devices stay as they are.
func TestBareInterfaces(t *testing.T) {
	type given struct{ device, guard, args string }
	type want struct {
		device string
		guard  bool
	}
	for g, w := range map[given]want{
		{device: "eth1"}:                         {"net_af_packet_eth1,iface=eth1", true},
		{device: "eth1", guard: "true"}:          {"net_af_packet_eth1,iface=eth1", true},
		{device: "eth1", guard: "false"}:         {"net_af_packet_eth1,iface=eth1", false},
		{device: "enp1s0f0np0.100"}:              {"net_af_packet_enp1s0f0np0.100,iface=enp1s0f0np0.100", true},
		{device: "tap0"}:                         {"net_af_packet_tap0,iface=tap0", true},
		{device: "net_af_packet0,iface=eth1"}:    {"net_af_packet0,iface=eth1", false},
		{device: "0000:3b:00.0"}:                 {"0000:3b:00.0", false},
		{device: "fm1-mac1"}:                     {"fm1-mac1", false},
		{device: "eth1", args: `["-d", "x.so"]`}: {"eth1", false},
	} {
		file := fmt.Sprintf("[[port]]\nname = \"front\"\naddresses = [\"10.0.0.1/24\"]\ndevice = %q\n", g.device)
		if g.guard != "" {
			file += "guard = " + g.guard + "\n"
		}
		if g.args != "" {
			file += "[dpdk]\nargs = " + g.args + "\n"
		}
		p := mustParse(t, file).Ports[0]
		if got := (want{p.Device, p.Guard}); got != w {
			t.Errorf("%+v: %+v, want %+v", g, got, w)
		}
	}
}
