package lvs_test

import (
	"fmt"
	"net/netip"

	"fulcrum/lvs"
)

// The properties of a mode tell what it needs, and how other programs name it.
func ExampleParseMode() {
	mode, ok := lvs.ParseMode("nat")
	fmt.Println(mode, ok)
	fmt.Println("answers pass the director:", mode.TwoWay())
	fmt.Println("ipvsadm:", mode.Flag(), mode.LongFlag(), mode.Forward())
	fmt.Println("keepalived:", mode.Method())

	_, ok = lvs.ParseMode("masq")
	fmt.Println(ok)
	// Output:
	// nat true
	// answers pass the director: true
	// ipvsadm: -m --masquerading Masq
	// keepalived: NAT
	// false
}

// A service is the same one in two configurations if protocol, address and port are.
func ExampleServiceID() {
	web := lvs.ServiceID{
		Protocol: lvs.TCP, Address: netip.MustParseAddrPort("10.0.0.100:80"),
	}
	server := lvs.RealServerID{Service: web, Address: netip.MustParseAddrPort("10.1.0.11:8080")}
	fmt.Println(web)
	fmt.Println(web.Name())
	fmt.Println(server)
	// Output:
	// tcp 10.0.0.100:80
	// tcp-10.0.0.100-80
	// 10.1.0.11:8080 of tcp 10.0.0.100:80
}
