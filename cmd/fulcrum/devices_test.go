package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/config"
	"fulcrum/ports"
)

// TestDevices: ports are grouped by device in the order of the file. A device gets the largest
// values that its ports ask for.
func TestDevices(t *testing.T) {
	all := []config.Port{
		{Name: "a", Device: "net_null0", VLAN: 10, RxDescriptors: 64, TxDescriptors: 512, MTU: 1400},
		{Name: "b", Device: "net_null1", RxDescriptors: 64, TxDescriptors: 64, MTU: 1500},
		{Name: "c", Device: "net_null0", RxDescriptors: 256, TxDescriptors: 64, MTU: 1500},
		{Name: "d", Device: "net_null2", VLAN: 10, RxDescriptors: 64, TxDescriptors: 64, MTU: 1500},
	}
	got := devices(all)
	want := []device{
		{Port: all[0], members: []int{0, 2}}, {Port: all[1], members: []int{1}},
		{Port: all[3], members: []int{3}},
	}
	want[0].RxDescriptors, want[0].MTU = 256, 1500
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(device{})); diff != "" {
		t.Errorf("want (-) and got (+):\n%s", diff)
	}
	if got[0].whole() || !got[1].whole() || got[2].whole() {
		t.Errorf("only the second is one port as it is, not %v, %v, %v", got[0].whole(), got[1].whole(),
			got[2].whole())
	}
	if n := txDescriptors(got); n != 512+64+64 {
		t.Errorf("%d transmit descriptors", n)
	}
}

// TestOneDeviceSpreadsByFlow: clients and real servers of mode nat are on two VLANs of one device.
func TestOneDeviceSpreadsByFlow(t *testing.T) {
	c, err := config.Load("../../docs/examples/nat.toml")
	if err != nil {
		t.Fatal(err)
	}
	c.Ports[1].Device = c.Ports[0].Device
	if got := portSpreads(c); !slices.Equal(got, []ports.Spread{ports.SpreadFlow, ports.SpreadFlow}) {
		t.Errorf("%v", got)
	}
}
