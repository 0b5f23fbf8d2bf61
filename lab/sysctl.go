package lab

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sysctls are kernel settings of a namespace, by path under /proc/sys/net.
type sysctls map[string]string

// everyHost keeps the kernel from answering, forwarding and filtering on its own. `all` and
// `default` hold for existing and for future devices. A new namespace may have inherited other
// values from the root namespace.
var everyHost = sysctls{
	"ipv4/ip_forward":                  "0",
	"ipv4/conf/all/rp_filter":          "0",
	"ipv4/conf/default/rp_filter":      "0",
	"ipv4/conf/all/accept_redirects":   "0",
	"ipv4/conf/all/send_redirects":     "0",
	"ipv4/conf/default/send_redirects": "0",
}

// withoutIPv6 keeps a host of an IPv4 lab from sending anything over IPv6.
var withoutIPv6 = sysctls{
	"?ipv6/conf/all/disable_ipv6":     "1",
	"?ipv6/conf/default/disable_ipv6": "1",
}

// withIPv6 gives a host only the addresses that the lab sets, and lets it use them at once.
var withIPv6 = sysctls{
	"ipv6/conf/all/disable_ipv6":             "0",
	"ipv6/conf/default/disable_ipv6":         "0",
	"ipv6/conf/all/forwarding":               "0",
	"ipv6/conf/all/accept_dad":               "0",
	"ipv6/conf/default/accept_dad":           "0",
	"ipv6/conf/all/accept_ra":                "0",
	"ipv6/conf/default/accept_ra":            "0",
	"ipv6/conf/all/accept_redirects":         "0",
	"ipv6/conf/default/accept_redirects":     "0",
	"ipv6/conf/default/router_solicitations": "0",
}

// routerIPv6 lets the router forward IPv6.
var routerIPv6 = sysctls{"ipv6/conf/all/forwarding": "1"}

// routerHost lets the router forward, and leaves bridged frames alone. With br_netfilter the kernel
// would filter them.
var routerHost = sysctls{
	"ipv4/ip_forward":                  "1",
	"?bridge/bridge-nf-call-iptables":  "0",
	"?bridge/bridge-nf-call-arptables": "0",
}

// silentVIP keeps a real server that holds the VIP on lo from answering ARP for it, and from
// announcing it.
var silentVIP = sysctls{
	"ipv4/conf/all/arp_ignore":   "1",
	"ipv4/conf/all/arp_announce": "2",
}

// apply writes the settings in the current namespace. A path with a leading "?" may be missing in
// this kernel.
func (s sysctls) apply() error {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		name, optional := strings.CutPrefix(key, "?")
		err := os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(s[key]), 0)
		if optional && errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("setting net/%s to %s: %w; /proc/sys must be writable", name, s[key], err)
		}
	}
	return nil
}
