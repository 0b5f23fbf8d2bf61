package main

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"fulcrum/config"
	"fulcrum/ipvs"
)

// stockPort is a director that reaches every real server, and has marks. Sessions are as many as
// the stub says.
const stockPort = `
[director]
workers = [0]
control = "CONTROL"
ipvs = "SOCKET"
state = "STATE"
[dpdk]
memory = "256MiB"
[session]
max = 4096
max_v6 = 100
[[port]]
name = "front"
device = "net_null0,no-rx=1"
addresses = ["10.0.0.200/24", "10.8.9.9/16", "fd00::1/64"]
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
[[route]]
to = "::/0"
via = "fd00::fe"
[[mark]]
number = 1
match = ["tcp 10.7.0.1:80"]
[[mark]]
number = 2
match = ["tcp 10.7.0.2:80"]
`

// realIPVS is a director with a socket for IPVS's messages.
type realIPVS struct {
	preloaded
	control string
	run     *program
}

func newRealIPVS(t *testing.T) *realIPVS {
	t.Helper()
	needRoot(t)
	folder := t.TempDir()
	r := &realIPVS{preloaded: preloaded{t: t, path: filepath.Join(folder, "ipvs.sock")},
		control: filepath.Join(folder, "control.sock")}
	file := writeFile(t, "director.toml", replaced(stockPort, "CONTROL", r.control, "SOCKET", r.path,
		"STATE", filepath.Join(folder, "state")))
	r.run = newProgram(t, "run", "--config", file).start().awaitReady()
	return r
}

// services returns what the director says it has, in IPVS's messages.
func (s *preloaded) services() []config.Service {
	s.t.Helper()
	c, err := ipvs.Dial(s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	content, err := ipvs.Read(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return ipvs.Imported(content).Services
}

// weights returns the weights of the real servers of a VIP's services.
func (s *preloaded) weights(vip netip.AddrPort) map[string]int {
	s.t.Helper()
	all := map[string]int{}
	for _, service := range s.services() {
		if service.Address != vip {
			continue
		}
		for _, rs := range service.RealServers {
			all[rs.Address.String()] = rs.Weight
		}
	}
	return all
}

// replaced returns a text with words replaced by others.
func replaced(text string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(text)
}
