package control

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"fulcrum/config"
)

// everySetting has something of everything that a configuration can have.
const everySetting = `
[director]
workers = [0, 1]
idle = "adaptive"
control = "/run/fulcrum.sock"
ipvs = "/run/fulcrum-ipvs.sock"
state = "/var/lib/fulcrum"
control_mode = "0660"
control_group = "root"
log = "info"
[control]
listen = "127.0.0.1:9443"
certificate = "/etc/fulcrum/control.pem"
key = "/etc/fulcrum/control-key.pem"
token_file = "/etc/fulcrum/token"
read_token_file = "/etc/fulcrum/read-token"
[metrics]
listen = "127.0.0.1:9107"
[dpdk]
hugepages = "auto"
memory = "512MiB"
args = ["--iova-mode=va", "--log-level=7"]
[session]
max = 1000
max_v6 = 1000
conn_reuse_mode = 2
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24", "10.2.0.1/24", "fe80::1/64"]
vlan = 5
[[port]]
name = "spare"
device = "net_af_packet1,iface=eth1"
addresses = ["10.1.0.1/24", "fe80::1/64"]
host = "ful-spare"
[[route]]
to = "10.8.0.0/16"
via = "10.0.0.254"
[[route]]
to = "2001:db8::/32"
via = "fe80::fe"
port = "front"
[[neighbour]]
address = "10.0.0.254"
mac = "02:00:00:00:00:fe"
[[neighbour]]
address = "fe80::fe"
port = "front"
mac = "02:00:00:00:00:fe"
[[mark]]
number = 6
match = ["tcp 10.0.0.120:65535"]
[[mark]]
number = 7
match = ["tcp 10.0.0.121:80", "udp 10.0.0.122-10.0.0.125:5000-5999"]
[[service]]
name = "marked"
mark = 7
mode = "nat"
[[service.real_server]]
address = "10.0.0.21"
[[service]]
name = "many"
addresses = ["10.0.0.110:80", "10.0.0.112/29:8000-8100"]
protocol = "tcp"
mode = "nat"
[[service.real_server]]
address = "10.0.0.21"
[[service]]
name = "web"
address = "10.0.0.100:80"
protocol = "tcp"
mode = "nat"
scheduler = "mh"
scheduler_flags = ["mh-port"]
mss = 1400
persistence = "5m"
persistence_mask = 24
max_sessions = 1000
refuse = "drop"
max_rate = 100
max_sessions_per_source = 20
max_rate_per_source = 10
quorum = 3
quorum_hysteresis = 2
quorum_up = ["/bin/true"]
quorum_down = ["/bin/false"]
sorry_servers = ["10.0.0.99:80"]
[service.timeouts]
established = "30s"
[service.health]
type = "http"
panic = 40
[[service.real_server]]
address = "10.0.0.11:80"
weight = 3
upper_threshold = 10
lower_threshold = 5
[service.real_server.health]
rise = 7
[[service]]
name = "dns"
address = "10.0.0.100:53"
protocol = "udp"
mode = "fullnat"
persistence = "5m"
slow_start = "30s"
local_addresses = ["10.0.0.50", "10.0.0.51"]
[[service.real_server]]
address = "10.0.0.11:53"
[[service.real_server]]
address = "10.0.0.12:53"
mode = "nat"
[[service]]
name = "syslog"
address = "10.0.0.100:514"
protocol = "udp"
mode = "dr"
[[service.real_server]]
address = "10.0.0.13:514"
`

// TestEveryFieldHasAFate: a field that is new in package config fails here until fates says what
// becomes of it.
func TestEveryFieldHasAFate(t *testing.T) {
	found := map[reflect.Type]bool{}
	findParts(reflect.TypeFor[config.Config](), found)
	for part := range found {
		for i := range part.NumField() {
			if name := part.Field(i).Name; !hasFate(part, name) {
				t.Errorf("%s.%s has no row in fates: can it change while the director runs?", part, name)
			}
		}
	}
	for part, rows := range fates {
		for name := range rows {
			if _, there := part.FieldByName(name); !there || !found[part] {
				t.Errorf("fates has %s.%s, which the configuration does not have", part, name)
			}
		}
	}
}

func hasFate(part reflect.Type, field string) bool {
	_, has := fates[part][field]
	return has
}

// findParts finds the structs that a type consists of, itself included.
func findParts(t reflect.Type, found map[reflect.Type]bool) {
	switch {
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array, t.Kind() == reflect.Pointer:
		findParts(t.Elem(), found)
	case t.Kind() == reflect.Map:
		findParts(t.Key(), found)
		findParts(t.Elem(), found)
	case isPart(t) && !found[t]:
		found[t] = true
		for i := range t.NumField() {
			findParts(t.Field(i).Type, found)
		}
	}
}

// TestEverySettingArrives changes one leaf after the other. The plan shows the change and the
// engine's settings have it, or the plan says that it needs a restart.
func TestEverySettingArrives(t *testing.T) {
	for _, l := range leavesOf(t, parsePlanned(t, everySetting)) {
		t.Run(l.name, func(t *testing.T) {
			checked := 0
			for _, next := range l.changed(t) {
				if isValid(next) || l.fate() == noSetting {
					l.checkChange(t, next)
					checked++
				}
			}
			if checked == 0 {
				t.Error("no other value is valid: give one in others or everySetting, and render it")
			}
		})
	}
}

// changed returns everySetting with each of a leaf's other values in each of its places.
func (l *leaf) changed(t *testing.T) (all []*config.Config) {
	for _, p := range l.places {
		for _, other := range others(p(parsePlanned(t, everySetting))) {
			c := parsePlanned(t, everySetting)
			if v := p(c); !reflect.DeepEqual(v.Interface(), other.Interface()) {
				v.Set(other)
				all = append(all, c)
			}
		}
	}
	return all
}

// isValid reports whether a file can have a configuration: rendered and read, it is the same.
func isValid(c *config.Config) bool {
	read, err := config.Parse(c.File, []byte(c.Render()))
	if err == nil {
		read.Text = c.Text
	}
	return err == nil && reflect.DeepEqual(read, c)
}

func (l *leaf) fate() fate { return fates[l.owner][l.field] }

var fateNames = [...]string{
	restart: "restart", live: "live", beside: "beside", parts: "parts", noSetting: "noSetting",
}

// checkChange holds what becomes of a changed leaf against its fate.
func (l *leaf) checkChange(t *testing.T, next *config.Config) {
	t.Helper()
	old := parsePlanned(t, everySetting)
	plan := NewPlan(old, next, nil, nil)
	differ := !reflect.DeepEqual(EngineSettings(old), EngineSettings(next))
	lives := len(plan.Changes) > 0 && len(plan.Restart) == 0 && differ
	restarts := len(plan.Changes) == 0 && len(plan.Restart) == 1
	named := restarts && strings.HasSuffix(plan.Restart[0], keyOf(l.field))
	good := map[fate]bool{
		live:      lives,
		beside:    len(plan.Changes) > 0 && len(plan.Restart) == 0 && !differ,
		restart:   named,
		parts:     lives || restarts,
		noSetting: plan.Empty() && !(differ && isValid(next)),
	}
	if !good[l.fate()] {
		t.Errorf("fate %s, the plan says %q, the engine's settings differ: %t",
			fateNames[l.fate()], planLines(&plan), differ)
	}
}

// TestNothingComesWithoutItsSettings: what can be added while the director runs has no field that
// needs a restart, since it would be added without that.
func TestNothingComesWithoutItsSettings(t *testing.T) {
	old := parsePlanned(t, everySetting)
	for _, l := range leavesOf(t, old) {
		list := l.places[0](old)
		if list.Kind() != reflect.Slice || !isPart(list.Type().Elem()) {
			continue
		}
		plan := NewPlan(l.changed(t)[0], old, nil, nil)
		for name, f := range fates[list.Type().Elem()] {
			if f == restart && len(plan.Restart) == 0 {
				t.Errorf("%s can get another element, whose %s would need a restart", l.name, name)
			}
		}
	}
}

// TestKeysOfFields: what a plan calls a setting is its key in the file.
func TestKeysOfFields(t *testing.T) {
	reference, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for part, rows := range fates {
		for name, f := range rows {
			documented := strings.Contains(string(reference), "| `"+keyOf(name)+"` |")
			if f != parts && f != noSetting && !documented {
				t.Errorf("docs/configuration.md has no key %s for %s.%s", keyOf(name), part, name)
			}
		}
	}
}
