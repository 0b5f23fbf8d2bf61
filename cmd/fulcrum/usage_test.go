package main

import (
	"strings"
	"testing"

	"fulcrum/control"
)

// TestUsage checks exit statuses, and what is printed to which stream. It needs no root.
func TestUsage(t *testing.T) {
	const none = "" // a stream that stays silent
	cases := []struct {
		arguments      string
		status         int
		stdout, stderr string // a part of it
	}{
		{"", 2, none, "Usage:\n  fulcrum"},
		{"--help", 0, "An LVS director in user space", none},
		{"version", 0, "fulcrum version " + control.Version + ", commit ", none},
		{"version --help", 0, "the versions of Go and DPDK", none},
		{"version more", 2, none, "fulcrum version --help"},
		{"--version", 0, ", DPDK 22.11", none},
		{"help", 0, "Available Commands:\n  announce", none},
		{"help run", 0, "run [FILE]", none},
		{"run --help", 0, "--idle-exit duration", none},
		{"check --help", 0, "file:line: key: what is wrong; what is right", none},
		{"lab --help", 0, "network namespaces", none},
		{"lab clean --help", 0, "Remove labs that were kept or left behind", none},
		{"frob", 2, none, `fulcrum: unknown command "frob" for "fulcrum"; see fulcrum --help`},
		{"lab frob", 2, none, `fulcrum: unknown command "frob" for "fulcrum lab"; see fulcrum lab --help`},
		{"--frob", 2, none, "fulcrum: unknown flag: --frob; see fulcrum --help"},
		{"run --frob", 2, none, "fulcrum: unknown flag: --frob; see fulcrum run --help"},
		{"run /nosuch/run.toml", 1, none, "fulcrum: cannot read the configuration: open /nosuch/run.toml"},
		{"run --config=", 2, none, "fulcrum: no configuration: give a FILE"},
		{"run --config", 2, none, "fulcrum: flag needs an argument: --config; see fulcrum run --help"},
		{"run --config testdata/quiet.toml more", 2, none, "more and --config testdata/quiet.toml are two"},
		{"run one.toml two.toml", 2, none, "see fulcrum run --help"},
		{"run --config testdata/quiet.toml --idle-exit soon", 2, none, `invalid argument "soon" for "--idle-exit"`},
		{"run --config testdata/quiet.toml --idle-exit -1s", 2, none, "invalid --idle-exit -1s: it is negative"},
		{"check", 2, none, "see fulcrum check --help"},
		{"check -o yaml a", 2, none, `invalid --output "yaml": use table or json`},
		{"check testdata/quiet.toml", 0, "testdata/quiet.toml: ok (1 port, 1 service, 1 real server)\n", none},
		{"check /nosuch.toml", 1, none, "fulcrum: cannot read the configuration: open /nosuch.toml"},
		{"import frob", 2, none, `unknown command "frob" for "fulcrum import"`},
		{"import keepalived", 2, none, "see fulcrum import keepalived --help"},
		{"import keepalived a b", 2, none, "see fulcrum import keepalived --help"},
		{"import dpvs", 2, none, "see fulcrum import dpvs --help"},
		{"import dpvs /nosuch.conf", 1, none, "fulcrum: cannot read /nosuch.conf: no such file"},
		{"import sysctl", 2, none, "see fulcrum import sysctl --help"},
		{"import sysctl /nosuch.conf", 1, none, "fulcrum: cannot read /nosuch.conf: no such file"},
		{"import keepalived --host a b", 2, none, "unknown flag: --host"},
		{"import keepalived /nosuch.conf", 1, none, "fulcrum: cannot read /nosuch.conf: open /nosuch.conf: no such file"},
		{"import keepalived testdata", 1, none, "fulcrum: cannot read testdata: read testdata: is a directory"},
		{"lab --mode frob", 2, none, `unknown mode "frob": choose one of dr, ipip, nat, fullnat`},
		{"lab --scheduler frob", 2, none, `unknown scheduler "frob": choose one of rr, wrr, lc, wlc, sed, nq, sh, dh, mh, fo, ovf, twos, lblc, lblcr`},
		{"capture", 2, none, "give it with -w FILE"},
		{"capture -w - --duration 1500ms", 2, none, "invalid --duration 1.5s: give whole seconds"},
		{"completion elvish", 2, none, `unknown command "elvish" for "fulcrum completion"`},
		{"import nginx", 2, none, `unknown command "nginx" for "fulcrum import"`},
		{"weight web 10.0.0.11:80 1.5", 2, none, `invalid weight "1.5": give a whole number`},
		{"weight web 10.0.0.11:80 5x", 2, none, `invalid weight "5x": give a whole number`},
		{"weight web 10.0.0.11:80 -1", 2, none, `invalid weight "-1": give a whole number from 0 to 65535`},
		{"weight web 10.0.0.11:80 70000", 2, none, `invalid weight "70000": give a whole number from 0 to 65535`},
		{"weight web 10.0.0.11:80 1 -x", 2, none, "unknown shorthand flag: 'x' in -x"},
		{"lab --family ipv6-to-ipv4 --mode dr", 2, none, "family ipv6-to-ipv4 does not go with mode dr: choose fullnat"},
		{"lab --family ipv5", 2, none, `unknown family "ipv5"`},
		{"lab exec client", 2, none, "see fulcrum lab exec --help"},
		{"lab more", 2, none, "fulcrum lab --help"},
	}
	for _, c := range cases {
		t.Run("fulcrum "+c.arguments, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, strings.Fields(c.arguments)...).start()
			if status := p.end(); status != c.status {
				t.Errorf("exit status %d, want %d", status, c.status)
			}
			checkStream(t, "stdout", p.stdout.String(), c.stdout)
			checkStream(t, "stderr", p.stderr.String(), c.stderr)
			if c.status != 0 && c.arguments != "" && strings.Count(p.stderr.String(), "\n") != 1 {
				t.Errorf("want one line, got\n%s", p.stderr.String())
			}
		})
	}
}

// checkStream expects a part of the output, or no output.
func checkStream(t *testing.T, name, got, part string) {
	t.Helper()
	if !strings.Contains(got, part) || (part == "") != (got == "") {
		t.Errorf("%s is %q, want %q", name, got, part)
	}
}
