package config

import (
	"strings"
	"testing"
)

const hosted = `
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
host = "ful-front"
[[service]]
name = "web"
address = "10.0.0.100:80"
protocol = "tcp"
mode = "nat"
vip_owner = "host"
  [[service.real_server]]
  address = "10.0.0.11:80"
`

// TestVIPOwner: only a host interface can hold a VIP, and only single addresses.
func TestVIPOwner(t *testing.T) {
	for _, tt := range []struct{ old, next, want string }{
		{`host = "ful-front"`, ``, "service.vip_owner: no port has a host interface"},
		{`host = "ful-front"`, `follow = true`, "port.follow: the port has no host interface to follow"},
		{`address = "10.0.0.100:80"`, `addresses = ["10.0.0.96/29:80"]`,
			"service.vip_owner: 10.0.0.96/29:80 is a range, which no host interface holds"},
		{`10.0.0.100:80`, `10.0.0.1:80`, "service.vip_owner: 10.0.0.1 is the address of port"},
		{`vip_owner = "host"`, `vip_owner = "hst"`, "unknown owner of VIPs"},
		{`10.0.0.11:80`, `10.7.0.11:80`, "no route leads to it"},
	} {
		_, err := Parse("f.toml", []byte(strings.Replace(hosted, tt.old, tt.next, 1)))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.next, err, tt.want)
		}
	}
	if _, err := Parse("f.toml", []byte(hosted)); err != nil {
		t.Error(err)
	}
	// What leads to a real server may be learnt from the host.
	learnt := strings.Replace(hosted, `host = "ful-front"`, "host = \"ful-front\"\nfollow = true", 1)
	if _, err := Parse("f.toml", []byte(strings.Replace(learnt, "10.0.0.11", "10.7.0.11", 1))); err != nil {
		t.Error(err)
	}
}

// TestDividedOwners: a VIP that the host owns by one service only is announced in any case.
func TestDividedOwners(t *testing.T) {
	second := strings.Replace(hosted[strings.Index(hosted, "[[service]]"):], "web", "dns", 1)
	second = strings.Replace(second, ":80", ":53", 1)
	for text, want := range map[string]string{
		second: "",
		strings.Replace(second, `vip_owner = "host"`, ``, 1): "VIP 10.0.0.100 is announced because of " +
			"service dns, whether the host holds it or not, although service web should leave that to the host",
		strings.Replace(second, `vip_owner = "host"`, `announce = false`, 1): "VIP 10.0.0.100 is announced " +
			"because of service web, although service dns should not be",
	} {
		c, err := Parse("f.toml", []byte(hosted+text))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.warnings(c.Director.Workers), "; "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
