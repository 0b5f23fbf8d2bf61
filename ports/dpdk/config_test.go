package dpdk

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestConfigValidate(t *testing.T) {
	for _, c := range []Config{
		{HugePages: "perhaps"},
		{Memory: -1},
		{CPU: -1},
		{Args: []string{"--help"}},
		{Args: []string{"--log-level=7", "--file-pref=mine"}},
	} {
		if _, err := Start(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestArguments(t *testing.T) {
	c := Config{Memory: 100<<20 + 1, CPU: 1, Args: []string{"--iova-mode=va"}}
	got := c.arguments("fulcrum-1-2", memoryPlan{args: []string{"--no-huge"}})
	want := []string{"fulcrum", "--lcores=0@1", "--file-prefix=fulcrum-1-2", "--no-telemetry", "-m", "101", "--no-huge", "--no-pci", "--iova-mode=va"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyNamedPCIDevicesAreTaken(t *testing.T) {
	c := Config{Devices: []string{"net_null0", "3B:00.0", "0000:3B:00.1,arg=One", "net_bonding0,mode=1,slave=3b:00.2,slave=net_af_packet9"}}
	want := []string{"-a", "0000:3b:00.0", "-a", "0000:3b:00.1,arg=One", "-a", "0000:3b:00.2"}
	if diff := cmp.Diff(want, c.busArguments()); diff != "" {
		t.Error(diff)
	}
	c.Beside = true
	if diff := cmp.Diff([]string{"-a", "0000:00:00.0"}, c.busArguments()); diff != "" {
		t.Errorf("while another process has them: %s", diff)
	}
}

func TestParseDevice(t *testing.T) {
	d := parseDevice("net_af_packet0,iface=veth-front,qpairs=2")
	if d.name != "net_af_packet0" || d.args["iface"] != "veth-front" || d.args["qpairs"] != "2" ||
		d.isPCI {
		t.Errorf("parsed as %+v", d)
	}
	if got := d.kernelInterface(); got != "veth-front" {
		t.Errorf("the interface is %q", got)
	}
	if got := parseDevice("net_vhost0,iface=/run/x.sock").kernelInterface(); got != "" {
		t.Errorf("a vhost device's socket is taken for the interface %q", got)
	}
	d = parseDevice("00AB:CD:1F.7,arg=ONE")
	if d.name != "00ab:cd:1f.7" || d.text != "00ab:cd:1f.7,arg=ONE" || d.args["arg"] != "ONE" {
		t.Errorf("a PCI address is not as DPDK writes it: %+v", d)
	}
	for text, isPCI := range map[string]bool{"0000:3b:00.0": true, "3B:00.0": true, "3b:00": false, "net_null0": false} {
		if got := parseDevice(text).isPCI; got != isPCI {
			t.Errorf("%s is PCI: %v", text, got)
		}
	}
}

// hugePages returns a sysfs with the given numbers of free and of reserved pages of 2 MiB.
func hugePages(free, reserved string) fstest.MapFS {
	return fstest.MapFS{
		"hugepages-2048kB/free_hugepages":    {Data: []byte(free + "\n")},
		"hugepages-2048kB/resv_hugepages":    {Data: []byte(reserved + "\n")},
		"hugepages-1048576kB/free_hugepages": {Data: []byte("0\n")},
	}
}

// TestUnfinishedPackets: which drivers bring packets whose senders left work to a network card.
func TestUnfinishedPackets(t *testing.T) {
	for text, want := range map[string]bool{
		"net_af_packet0,iface=eth1":                true,
		"net_af_xdp0,iface=eth1":                   true,
		"net_pcap0,iface=eth1":                     true,
		"net_pcap0,rx_iface=eth1,tx_iface=eth1":    true,
		"net_pcap0,rx_pcap=a.pcap,tx_pcap=b.pcap":  false,
		"net_bonding0,mode=1,slave=net_af_packet0": true,
		"net_bonding0,mode=1,slave=0000:3b:00.0":   false,
		"net_tap0,iface=tap1":                      false,
		"net_virtio_user0,iface=eth1":              false,
		"0000:3b:00.0":                             false,
	} {
		if got := parseDevice(text).bringsUnfinished(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestPlanMemory(t *testing.T) {
	refused := errors.New("no such luck")
	for _, test := range []struct {
		mode string
		try  error
		arg  string // empty for an error
	}{
		{"auto", nil, "--in-memory"},
		{"auto", refused, "--no-huge"},
		{"off", nil, "--no-huge"},
		{"on", nil, "--in-memory"},
		{"on", refused, ""},
	} {
		c := Config{HugePages: test.mode, Memory: 512 << 20}
		plan, err := planMemory(c, 4<<30, func(int64) error { return test.try })
		if (err != nil) != (test.arg == "") {
			t.Fatalf("%+v: error is %v", test, err)
		}
		if err != nil && !strings.Contains(err.Error(), "vm.nr_hugepages=256") {
			t.Errorf("%q does not say how many pages to reserve", err)
		}
		if err == nil && (!slices.Contains(plan.args, test.arg) || plan.note == "") {
			t.Errorf("%+v: plan is %+v", test, plan)
		}
		if test.mode == "auto" && test.try != nil && !strings.Contains(plan.note, "no such luck") {
			t.Errorf("%q does not say why", plan.note)
		}
	}
}

func TestHugePagesThatDPDKTakes(t *testing.T) {
	const small, large = 2 << 20, 1 << 30
	for _, c := range []struct {
		sizes []pageSize // free
		bytes int64
		want  []pageSize // nil for an error
	}{
		{[]pageSize{{large, 0}, {small, 256}}, 512 << 20, []pageSize{{small, 256}}},
		{[]pageSize{{large, 0}, {small, 255}}, 512 << 20, nil},
		{[]pageSize{{large, 1}, {small, 300}}, 512 << 20, []pageSize{{small, 256}}},
		{[]pageSize{{large, 2}, {small, 300}}, large + 3<<20, []pageSize{{large, 1}, {small, 2}}},
		{[]pageSize{{large, 1}}, 512 << 20, []pageSize{{large, 1}}},
		{nil, 1, nil},
	} {
		got, err := hugePagesFor(c.sizes, c.bytes)
		if !slices.Equal(got, c.want) || (err != nil) != (c.want == nil) {
			t.Errorf("%d bytes of %v: %v, %v; want %v", c.bytes, c.sizes, got, err, c.want)
		}
	}
	if got := hugePageSizes(hugePages("9", "2")); !slices.Equal(got, []pageSize{{large, 0}, {small, 7}}) {
		t.Errorf("free are %v", got)
	}
	if got := hugePageSizes(fstest.MapFS{}); got != nil {
		t.Errorf("a kernel without huge pages has %v", got)
	}
}

// TestHugePagesThatAreOnlySaidToBeFree has pages in sysfs that the kernel does not give.
func TestHugePagesThatAreOnlySaidToBeFree(t *testing.T) {
	err := tryHugePages(hugePages("1000000000", "0"), 1<<50)
	if err == nil || !strings.Contains(err.Error(), "gets no 536870912 huge pages of 2048 KiB") {
		t.Errorf("the error is %v", err)
	}
}

func TestMoreMemoryThanThereIs(t *testing.T) {
	for _, mode := range []string{"auto", "off"} {
		_, err := planMemory(Config{HugePages: mode, Memory: 4<<30 + 1}, 4<<30,
			func(int64) error { return errors.New("no huge pages") })
		if err == nil || !strings.Contains(err.Error(), "the machine has 4096 MiB") {
			t.Errorf("%s: %v", mode, err)
		}
	}
	if total, err := totalMemory(); err != nil || total < 64<<20 {
		t.Errorf("%d %v", total, err)
	}
}

func TestPoolSizes(t *testing.T) {
	for _, c := range []struct {
		PortConfig
		workers, want int
	}{
		{PortConfig{}, 1, 1024 + 1024 + 4*64 + 16*64 + 2*384},
		{PortConfig{AllTxDescriptors: 1024 + 4096}, 1, 1024 + 5120 + 4*64 + 16*64 + 2*384},
		{PortConfig{Queues: 3, RxDescriptors: 512, TxDescriptors: 256}, 3, 3*512 + 3*256 + 3*(4*64+16*64) + 4*384},
		{PortConfig{Queues: 1}, 3, 1024 + 1024 + 3*(4*64+16*64) + 4*384},
	} {
		if got := poolSize(c.withDefaults(), c.workers); got != c.want {
			t.Errorf("%+v for %d workers: %d buffers, want %d", c.PortConfig, c.workers, got, c.want)
		}
	}
	for mtu, want := range map[int]int{68: 2176, 1500: 2176, 2022: 2176, 2023: 3200, 9000: 9344} {
		if got := dataRoom(mtu); got != want {
			t.Errorf("a buffer for an MTU of %d has %d bytes, not %d", mtu, got, want)
		}
	}
}

func TestRelevantLines(t *testing.T) {
	log := "EAL: Detected CPU lcores: 2\n\none\ntwo\ntwo\nthree\nfour\nfive\nEAL: Driver cannot attach the device (x)\n"
	if diff := cmp.Diff([]string{"two", "three", "four", "five"}, relevantLines(log)); diff != "" {
		t.Error(diff)
	}
}
