package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"fulcrum/lvs"
)

// Render returns the configuration as the text of a TOML file. It contains every key that is not
// at its default. Parse returns the same configuration for it, apart from File.
func (c *Config) Render() string {
	var text strings.Builder
	if err := fileTemplate.Execute(&text, c); err != nil {
		panic(err) // broken invariant: the template does not fit the types
	}
	return strings.TrimSpace(text.String()) + "\n"
}

var fileTemplate = template.Must(template.New("fulcrum.toml").Funcs(template.FuncMap{
	"quote":    strconv.Quote,
	"list":     renderList[string],
	"numbers":  renderNumbers,
	"prefixes": renderList[netip.Prefix],
	"addrs":    renderList[netip.Addr],
	"memory":   func(bytes int64) string { return fmt.Sprintf("%dMiB", bytes>>20) },
	"changed":  changedTimeouts,
	"level":    func(c *Config) string { return strings.ToLower(c.Director.Log.String()) },
}).Parse(`
[director]
workers = {{numbers .Director.Workers}}
idle    = {{quote (print .Director.Idle)}}
control = {{quote .Director.Control}}
log     = {{quote (level .)}}
{{- if not .Director.Announce}}
announce = false
{{- end}}
{{- if ne .Director.AnnounceRepeat 2}}
announce_repeat = {{.Director.AnnounceRepeat}}
{{- end}}

{{- with .Control}}{{if .Listen.IsValid}}

[control]
listen      = {{quote (print .Listen)}}
certificate = {{quote .Certificate}}
key         = {{quote .Key}}
token_file  = {{quote .TokenFile}}
{{- end}}{{end}}
{{- if .Metrics.Listen.IsValid}}

[metrics]
listen = {{quote (print .Metrics.Listen)}}
{{- end}}

[dpdk]
hugepages = {{quote .DPDK.Hugepages}}
memory    = {{quote (memory .DPDK.Memory)}}
{{- if .DPDK.Args}}
args      = {{list .DPDK.Args}}
{{- end}}
{{range .Ports}}
[[port]]
name           = {{quote .Name}}
device         = {{quote .Device}}
{{- if .Addresses}}
addresses      = {{prefixes .Addresses}}
{{- end}}
rx_descriptors = {{.RxDescriptors}}
tx_descriptors = {{.TxDescriptors}}
mtu            = {{.MTU}}
vlan           = {{.VLAN}}
{{end}}{{range .Routes}}
[[route]]
to  = {{quote (print .To)}}
via = {{quote (print .Via)}}
{{- if .LinkLocal}}
port = {{quote (index $.Ports .Port).Name}}
{{- end}}
{{end}}{{range .Neighbours}}
[[neighbour]]
address = {{quote (print .Address)}}
mac     = {{quote (print .MAC)}}
{{- if .LinkLocal}}
port    = {{quote (index $.Ports .Port).Name}}
{{- end}}
{{end}}
[session]
max           = {{.Session.Max}}
{{- if .Session.MaxV6}}
max_v6        = {{.Session.MaxV6}}
{{- end}}
sloppy_tcp    = {{.Session.SloppyTCP}}
expire_nodest = {{.Session.ExpireNoDest}}
reset_unknown = {{quote (print .Session.ResetUnknown)}}
route_unmatched = {{.Session.RouteUnmatched}}
{{- with changed .Session.Timeouts}}
[session.timeouts]
{{- range .}}
{{.}}
{{- end}}
{{- end}}
{{template "services" .Services}}` + servicesText))

// RenderServices returns services as [[service]] tables of a TOML file.
func RenderServices(list []Service) string {
	var text strings.Builder
	if err := fileTemplate.ExecuteTemplate(&text, "services", list); err != nil {
		panic(err) // broken invariant: the template does not fit the types
	}
	return strings.TrimSpace(text.String()) + "\n"
}

const servicesText = `{{define "services"}}{{range .}}
[[service]]
name      = {{quote .Name}}
address   = {{quote (print .Address)}}
protocol  = {{quote (print .Protocol)}}
mode      = {{quote (print .Mode)}}
scheduler = {{quote (print .Scheduler)}}
{{- with .Scheduler.FlagNames .SchedulerFlags}}
scheduler_flags = {{list .}}
{{- end}}
{{- if .MSS}}
mss       = {{.MSS}}
{{- end}}
{{- if not .Echo}}
echo      = false
{{- end}}
{{- if .MaxSessions}}
max_sessions = {{.MaxSessions}}
{{- end}}
{{- if .Announce}}
announce  = {{.Announce}}
{{- end}}
{{- if .LocalAddresses}}
local_addresses = {{addrs .LocalAddresses}}
{{- end}}
{{range .RealServers}}
  [[service.real_server]]
  address = {{quote (print .Address)}}
  weight  = {{.Weight}}
{{- if .UpperThreshold}}
  upper_threshold = {{.UpperThreshold}}
{{- end}}
{{- if .LowerThreshold}}
  lower_threshold = {{.LowerThreshold}}
{{- end}}
{{end}}{{end}}{{end}}`

func renderList[T any](list []T) string {
	var all []string
	for _, v := range list {
		all = append(all, strconv.Quote(fmt.Sprint(v)))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func renderNumbers(list []int) string {
	return strings.Join(strings.Fields(fmt.Sprint(list)), ", ")
}

// changedTimeouts returns a TOML line for each timeout that differs from IPVS's.
func changedTimeouts(t Timeouts) []string {
	var lines []string
	for _, state := range lvs.States() {
		if t[state] != state.Timeout() {
			lines = append(lines, fmt.Sprintf("%s = %q", state.Key(), t[state].String()))
		}
	}
	return lines
}

// Clone returns a copy whose services and real servers may be changed. All other slices are
// shared with the original.
func (c *Config) Clone() *Config {
	n := *c
	n.Services = slices.Clone(c.Services)
	for i := range n.Services {
		n.Services[i].RealServers = slices.Clone(n.Services[i].RealServers)
	}
	return &n
}
