package config

import (
	"fmt"
	"regexp"
	"strings"
)

// foreign is a configuration of another program, known by a line that TOML cannot have.
type foreign struct {
	line   *regexp.Regexp
	what   string
	remedy string // a format with one verb, for the name of the file
}

// foreigns are the configurations that commands of Fulcrum read. The words of the first are those
// that begin a block in dpvs.conf, those of the second in keepalived.conf(5). Both have
// global_defs, so what only dpvs.conf has is looked for first.
var foreigns = []foreign{
	{
		regexp.MustCompile(`^[ \t]*(<init>[ \t]*)?(netif|worker|timer|neigh|ipset|ipv4|ipv6|ctrl|ipvs)_defs` +
			`[ \t]*\{?[ \t\r]*$`),
		"is a dpvs.conf, not TOML", "convert it: fulcrum import dpvs %s",
	},
	{
		regexp.MustCompile(`^[ \t]*(global_defs|vrrp_\w+|virtual_server(_group)?|` +
			`static_(ipaddress|routes|rules)|local_address_group)\b[^=\n]*\{?[ \t\r]*$`),
		"is a keepalived.conf, not TOML", "convert its services: fulcrum import keepalived %s",
	},
	{
		regexp.MustCompile(`^[ \t]*-[AaEe][ \t]+(-[tuf]|--(tcp|udp|sctp|fwmark)-service)\b`),
		"is a list of ipvsadm's rules, not TOML",
		"add its services to a running director: fulcrum ipvsadm -R < %s",
	},
}

// foreignProblem returns the problem of text that another program reads, on the first line that
// shows which one.
func foreignProblem(name, text string) (Problem, bool) {
	for _, f := range foreigns {
		n := 0
		for line := range strings.Lines(text) {
			n++
			if f.line.MatchString(strings.TrimRight(line, "\n")) {
				return Problem{
					File: name, Line: n, Key: "syntax", What: f.what, Right: fmt.Sprintf(f.remedy, name),
				}, true
			}
		}
	}
	return Problem{}, false
}
