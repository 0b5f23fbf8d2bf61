package keepalived

import (
	"strings"
	"testing"

	"fulcrum/config"
)

// imported returns the result for a file.
func imported(t *testing.T, text string) *Import {
	t.Helper()
	i, err := load(memory{"f": text}, "f", "")
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return i
}

// checked returns the service of one real server, with keys of the virtual server, and of the real
// server.
func checked(t *testing.T, outer, inner string) *Import {
	t.Helper()
	return imported(t, "virtual_server 10.0.0.1 80 {\nprotocol TCP\n"+outer+
		"\nreal_server 10.0.0.2 80 {\n"+inner+"\n}\n}\n")
}

// has reports whether the notes have all of the texts, and as many lines.
func has(left []string, want ...string) bool {
	for _, text := range want {
		if !strings.Contains(strings.Join(left, "\n"), text) {
			return false
		}
	}
	return len(left) == len(want)
}

// TestChecks has what becomes of each check and its keys, and the notes about them.
func TestChecks(t *testing.T) {
	const rules = `, interval = "1m", timeout = "5s", rise = 1, fall = 2`
	for _, test := range []struct {
		check, want string
		notes       []string
	}{
		{"TCP_CHECK {\n}", "tcp" + rules, []string{"delay_before_retry: "}},
		{"TCP_CHECK {\nretry 0\n}", `tcp, interval = "1m", timeout = "5s", rise = 1, fall = 1`, nil},
		{"TCP_CHECK {\nretry 5000\n}", `tcp, interval = "1m", timeout = "5s", rise = 1, fall = 1000`,
			[]string{"retry: fall is at most 1000", "delay_before_retry: "}},
		{"TCP_CHECK {\ndelay_before_retry 60\n}", "tcp" + rules, nil},
		{"TCP_CHECK {\ndelay_before_retry 60\nmethod x\n}", "tcp" + rules, []string{"method x: has no counterpart"}},
		{"TCP_CHECK {\ndelay_loop 0.001\ndelay_before_retry 0\nretry 0\n}",
			`tcp, interval = "10ms", timeout = "10ms", rise = 1, fall = 1`,
			[]string{"delay_loop 0.001: an interval", "connect_timeout: a check ends before"}},
		{"TCP_CHECK {\ndelay_loop 7200\nretry 0\n}",
			`tcp, interval = "1h", timeout = "5s", rise = 1, fall = 1`, []string{"delay_loop 7200: "}},
		{"TCP_CHECK {\nretry 0\nconnect_ip 10.0.0.2\nconnect_port 80\nbindto 10.0.0.3\n}",
			`tcp, interval = "1m", timeout = "5s", rise = 1, fall = 1, source = "10.0.0.3"`, nil},
		{"PING_CHECK {\nretry 0\nconnect_ip 127.0.0.1\n}",
			`ping, interval = "1m", timeout = "5s", rise = 1, fall = 1, address = "127.0.0.1"`, nil},
		{"HTTP_GET {\ndelay_before_retry 60\nurl {\npath /a\nvirtualhost x.example\n}\nvirtualhost y.example\n}",
			"http" + rules + `, path = "/a", host = "x.example"`, nil},
		{"HTTP_GET {\ndelay_before_retry 60\nhttp_protocol 1.1\nurl {\npath /a\n}\nvirtualhost y.example\n}",
			"http" + rules + `, path = "/a", host = "y.example"`, nil},
		{"HTTP_GET {\ndelay_before_retry 60\nurl {\npath /a\nregex a\nregex_no_match\n}\n}",
			"http" + rules + `, path = "/a"`, []string{"regex a: a page must match"}},
		{"HTTP_GET {\ndelay_before_retry 60\nurl {\npath /a\nregex_options caseless\n}\n}",
			"http" + rules + `, path = "/a"`, nil},
		{"HTTP_GET {\ndelay_before_retry 60\nurl {\npath /a\nregex a\nregex_min_offset 7\n}\n}",
			"http" + rules + `, path = "/a", body = "a"`, []string{"regex_min_offset 7: "}},
		{"HTTP_GET {\ndelay_before_retry 60\nurl {\npath a\n}\n}", "none",
			[]string{`HTTP_GET: the real server is not checked: path: invalid path "a"`}},
		{"HTTP_GET {\ndelay_before_retry 60\nurl {\ndigest 12\n}\n}", "none", []string{"invalid path"}},
		{"HTTP_GET {\ndelay_before_retry 60\nurl {\npath /\nstatus_code 2xx\n}\n}", "none",
			[]string{`status: invalid status "2xx"`}},
		{"HTTP_GET {\ndelay_before_retry 60\nurl {\npath /\xff\n}\n}", "none", []string{"not UTF-8"}},
		{"SSL_GET {\ndelay_before_retry 60\nsni_name z.example\nfast_recovery\nenable_sni\nurl {\npath /\n}\n}",
			"https" + rules + `, tls_name = "z.example"`, nil},
		{"SMTP_CHECK {\ndelay_before_retry 60\nhelo_name \"not one\"\n}", "smtp" + rules,
			[]string{`helo_name not one: helo: invalid name`}},
		{"DNS_CHECK {\n}", `dns, interval = "1m", timeout = "5s", rise = 1, fall = 4`, nil},
		{"DNS_CHECK {\ntype AXYZ\n}", "none", []string{"unknown type of records"}},
		{"UDP_CHECK {\ndelay_before_retry 60\nrequire_reply\nmax_reply_length 9\n}",
			"udp" + rules + ", answer = true, most = 9", nil},
		{"UDP_CHECK {\ndelay_before_retry 60\nrequire_reply 0102\nmax_reply_length 1\n}", "none",
			[]string{"most: 1 bytes are fewer"}},
		{"MISC_CHECK {\nmisc_path \"/bin/a 'b c' {d}\"\n}",
			`exec, interval = "1m", timeout = "1m", rise = 1, fall = 1, command = ["/bin/a", "b c", "{d}"]`, nil},
		{"MISC_CHECK {\nmisc_path a\n}", "none", []string{"command: has no program with its whole path"}},
		{"MISC_CHECK {\nmisc_path \"/bin/a ''\"\n}", "none",
			[]string{"an argument is empty", "command: has no program"}},
		{"MISC_CHECK {\nmisc_path /bin/a\nuser nobody nogroup\nretry 1\ndelay_before_retry 60\n}",
			`exec, interval = "1m", timeout = "1m", rise = 1, fall = 2, command = ["/bin/a"], user = "nobody"`,
			[]string{"user nobody nogroup: programs have the group"}},
		{"MISC_CHECK {\nmisc_path /bin/a\nuser nosuchuser\n}", "none", []string{`unknown user "nosuchuser"`}},
		{"FILE_CHECK {\ntrack_file a\n}", "none", []string{"FILE_CHECK: "}},
		{"BFD_CHECK {\nname a\n}\nDNS_CHECK {\n}",
			`dns, interval = "1m", timeout = "5s", rise = 1, fall = 4`, []string{"BFD_CHECK: "}},
		{"PING_CHECK {\n}\nDNS_CHECK {\n}\nTCP_CHECK {\n}",
			`dns, interval = "1m", timeout = "5s", rise = 1, fall = 4`,
			[]string{"PING_CHECK: a real server has one check: DNS_CHECK is used", "TCP_CHECK: a real"}},
	} {
		i := checked(t, "", test.check)
		s := &i.Services[0]
		if got := s.HealthOf(s.RealServers[0]).String(); got != test.want || !has(i.Left, test.notes...) {
			t.Errorf("%s:\ngot  %s\nwant %s\nnotes %q", test.check, got, test.want, i.Left)
		}
	}
}

// TestOptionsOfChecks: the innermost of check, real server and virtual server holds, wherever it
// stands.
func TestOptionsOfChecks(t *testing.T) {
	const outer = "delay_loop 30\nretry 7\nconnect_timeout 9\nalpha\ninhibit_on_failure\n" +
		"delay_before_retry 30\nvirtualhost a.example\n"
	for _, test := range []struct{ outer, inner, want string }{
		{outer, "DNS_CHECK {\n}",
			`dns, interval = "30s", timeout = "9s", rise = 1, fall = 8, start = "down", on_fail = "drain"`},
		{outer, "alpha no\ninhibit_on_failure off\nretry 3\nDNS_CHECK {\n}",
			`dns, interval = "30s", timeout = "9s", rise = 1, fall = 4`},
		{outer, "DNS_CHECK {\nalpha false\nretry 0\nconnect_timeout 4\n}\ndelay_loop 20\nretry 3\nconnect_timeout 3",
			`dns, interval = "20s", timeout = "4s", rise = 1, fall = 1, on_fail = "drain"`},
		{outer, "virtualhost b.example\nHTTP_GET {\nurl {\npath /\n}\n}",
			`http, interval = "30s", timeout = "9s", rise = 1, fall = 8, start = "down", on_fail = "drain", host = "b.example"`},
		{"retry 0", "DNS_CHECK {\n}", `dns, interval = "1m", timeout = "5s", rise = 1, fall = 4`},
	} {
		i := checked(t, test.outer, test.inner)
		s := &i.Services[0]
		if got := s.HealthOf(s.RealServers[0]).String(); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.inner, got, test.want)
		}
	}
}

// TestSharedChecks: what most real servers have is the service's. A real server's own table has
// what differs, and the whole reads back as it was.
func TestSharedChecks(t *testing.T) {
	const one, other = "TCP_CHECK {\n}", "TCP_CHECK {\nretry 2\n}"
	for _, test := range []struct {
		checks  []string
		service string
		own     int // real servers with a table of their own
	}{
		{[]string{one, one, one}, "tcp", 0},
		{[]string{other, one, one}, "tcp", 1},
		{[]string{"", one, one}, "tcp", 1},
		{[]string{"", "", one}, "none", 1},
		{[]string{"", "", ""}, "none", 0},
		{[]string{"DNS_CHECK {\n}", one, other}, "dns", 2},
		{[]string{"TCP_CHECK {\nconnect_ip 10.9.9.9\n}", "TCP_CHECK {\nconnect_ip 10.9.9.9\n}",
			"TCP_CHECK {\nconnect_ip 10.9.9.9\n}"}, "tcp", 0},
		{[]string{"TCP_CHECK {\nconnect_ip 10.9.9.9\n}", "TCP_CHECK {\nbindto 10.9.9.9\n}", one}, "tcp", 2},
	} {
		text := "virtual_server 10.0.0.1 80 {\nprotocol TCP\n"
		for n, check := range test.checks {
			text += "real_server 10.0.0." + string(rune('2'+n)) + " 80 {\n" + check + "\n}\n"
		}
		s := imported(t, text+"}\n").Services[0]
		own := 0
		for _, rs := range s.RealServers {
			if rs.Health.Stated() {
				own++
			}
		}
		if got, _, _ := strings.Cut(s.Health.String(), ","); got != test.service || own != test.own {
			t.Errorf("%q: %s, and %d of their own", test.checks, s.Health, own)
		}
		readsBack(t, &s)
	}
}

// readsBack compares the checks of a service with what its table says.
func readsBack(t *testing.T, s *config.Service) {
	t.Helper()
	text := strings.Replace(ports, "10.254.0.1/8", "10.254.0.1/16", 1) +
		"[[route]]\nto = \"10.0.0.0/8\"\nvia = \"10.254.0.2\"\n" +
		config.RenderServices([]config.Service{*s})
	read, err := config.Parse("f", []byte(text))
	if err != nil {
		t.Errorf("%v\n%s", err, text)
		return
	}
	for n, rs := range s.RealServers {
		got, want := read.Services[0].HealthOf(read.Services[0].RealServers[n]), s.HealthOf(rs)
		if got != want {
			t.Errorf("%s: got %s\nwant %s", rs.Address, got, want)
		}
	}
}

// TestPortsOfChecks: a check goes to the port of the file, also where the mode forwards to another.
func TestPortsOfChecks(t *testing.T) {
	for _, test := range []struct {
		server string
		port   int
		want   string // the check's type
		notes  int
	}{
		{"virtual_server 10.0.0.1 80 {\nlvs_method DR\nprotocol TCP\nreal_server 10.0.0.2 8080 {", 8080, "tcp", 1},
		{"virtual_server 10.0.0.1 80 {\nlvs_method DR\nprotocol TCP\nreal_server 10.0.0.2 {", 0, "tcp", 0},
		{"virtual_server 10.0.0.1 80 {\nprotocol TCP\nreal_server 10.0.0.2 8080 {", 0, "tcp", 0},
		{"virtual_server 10.0.0.1 {\nprotocol TCP\npersistence_timeout\nreal_server 10.0.0.2 {", 0, "none", 1},
		{"virtual_server 10.0.0.1 {\nprotocol TCP\npersistence_timeout\nreal_server 10.0.0.2 {\nTCP_CHECK {\nconnect_port 22\nretry 0\n}",
			22, "tcp", 1},
	} {
		i := imported(t, test.server+"\nTCP_CHECK {\nretry 0\n}\n}\n}\n")
		s := &i.Services[0]
		h := s.HealthOf(s.RealServers[0])
		if got, _, _ := strings.Cut(h.String(), ","); got != test.want || h.Port != test.port || len(i.Left) != test.notes {
			t.Errorf("%s: %s %q", test.server, h, i.Left)
		}
	}
}

// TestProgramsHaveUsers: script_user counts for checks that name no user. Programs of the quorum
// run as the director's, which is listed.
func TestProgramsHaveUsers(t *testing.T) {
	i := imported(t, "virtual_server 10.0.0.1 80 {\nprotocol TCP\nquorum_up /bin/up\nreal_server 10.0.0.2 80 {\n"+
		"MISC_CHECK {\nmisc_path /bin/true\n}\n}\n}\nglobal_defs {\nscript_user nobody nogroup\n}\n")
	if s := i.Services[0]; s.Health.User != "nobody" || s.QuorumUp != config.WordsOf([]string{"/bin/up"}) ||
		!has(i.Left, "script_user nobody nogroup: programs have", "user of quorum_up: ") {
		t.Errorf("%s %q", s.Health, i.Left)
	}
}
