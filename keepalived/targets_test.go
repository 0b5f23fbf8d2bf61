package keepalived

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"fulcrum/config"
)

// TestMatchMissing checks that the configuration is wrong at the line of a [[mark]] until its user
// has written its matches, and that the import says so.
func TestMatchMissing(t *testing.T) {
	i, err := load(memory{"f": "virtual_server fwmark 9 {\n real_server 192.168.200.2 {\n }\n}\n"}, "f", "")
	if err != nil || len(i.Left) != 1 || !strings.HasPrefix(i.Left[0], "f:1: virtual_server fwmark 9: the file does not say") {
		t.Fatal(i, err)
	}
	text := ports + i.TOML()
	line := strings.Count(text[:strings.Index(text, "\n[[mark]]\n")], "\n") + 2
	_, err = config.Parse("out", []byte(text))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("out:%d: ", line)) ||
		!strings.Contains(err.Error(), "match") || strings.Contains(err.Error(), "\n") {
		t.Errorf("line %d: %v", line, err)
	}
	if _, err := config.Parse("out", []byte(ports+matched(i.TOML()))); err != nil {
		t.Error(err)
	}
}

// TestFamilyOfMark checks which IP version a mark's service has.
func TestFamilyOfMark(t *testing.T) {
	const six, four = "real_server fd00::2 {\n}\n", "real_server 10.0.0.2 {\n}\n"
	for _, test := range []struct{ group, keys, want string }{
		{"fwmark 1", four, "mark 1"},
		{"fwmark 1", six, "mark 1 ipv6"},
		{"fwmark 1", six + four, "mark 1"},
		{"fwmark 1", "", "mark 1"},
		{"fwmark 1", "persistence_timeout\npersistence_granularity 64\n", "mark 1 ipv6"},
		{"fwmark 1", "persistence_timeout\npersistence_granularity 255.0.0.0\n", "mark 1"},
		{"fwmark 1", "ip_family inet6\n" + four, "mark 1 ipv6"},
		{"fwmark 1 inet", "ip_family inet6\n" + six, "mark 1"},
		{"fwmark 1 inet6", four, "mark 1 ipv6"},
		{"fwmark 1\nfd00::1 80", "lvs_method TUN\n" + four, "mark 1 ipv6"},
		{"fwmark 1\nfd00::1 80\n10.0.0.1 80", four, "mark 1"},
	} {
		i, err := load(memory{"f": group(test.group) + "virtual_server group g {\n" + test.keys + "}\n"}, "f", "")
		if err != nil || i.Services[0].ID().String() != test.want {
			t.Errorf("%q %q: %v, %v; want %s", test.group, test.keys, err, i, test.want)
		}
	}
}

// TestRanges checks when a range is one service, and when its addresses are services of their own.
func TestRanges(t *testing.T) {
	const limited = "real_server 10.1.0.2 80 {\n uthreshold 5\n}\n"
	for _, test := range []struct{ group, keys, more, want string }{
		{"10.0.0.1-3 80", "", "", "10.0.0.1-10.0.0.3:80"},
		{"10.0.0.0/30 80\n10.0.0.4/30 80", "", "", "10.0.0.0/30:80 10.0.0.4/30:80"},
		{"10.0.0.0/30", "", "", "10.0.0.0/30:*"},
		{"10.0.0.0/8 80", "", "", "10.0.0.0/8:80"},
		{"fd00::/64 80", "", "", "[fd00::/64]:80"},
		{"10.0.0.7-7 80", "", "", "10.0.0.7:80"},
		{"10.0.0.8/32", "", "", "10.0.0.8:*"},
		{"10.0.0.1-3 80\n10.0.0.1-3 443", "", "", "10.0.0.1-10.0.0.3:80 10.0.0.1-10.0.0.3:443"},
		{"10.0.0.1-3 80\n10.0.0.2 443", "", "", "10.0.0.1-10.0.0.3:80 10.0.0.2:443"},
		{"10.0.0.1-3 80\n10.0.0.1-3 80", "", "", "10.0.0.1-10.0.0.3:80"},
		{"10.0.0.1-3 80\n10.0.0.1-3", "", "", "10.0.0.1-10.0.0.3:80 10.0.0.1-10.0.0.3:*"},
		// In IPVS the first has 10.0.0.2:80; as the narrowest the second would get it.
		{"10.0.0.1-3 80\n10.0.0.2 80", "", "", "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80"},
		{"10.0.0.1-2 80\n10.0.0.2-3 80", "", "", "10.0.0.1:80 10.0.0.2:80 10.0.0.3:80"},
		// In IPVS 10.0.0.2:80 is the exact one; the other has fewer addresses.
		{"10.0.0.2-3 80\n10.0.0.2", "", "", "10.0.0.2:80 10.0.0.3:80 10.0.0.2:*"},
		{"10.0.0.1-2 80", "", "virtual_server 10.0.0.2 80 {\n protocol TCP\n}\n", "10.0.0.1:80 10.0.0.2:80"},
		{"10.0.0.1-2 80", "", "virtual_server 10.0.0.2 80 {\n protocol UDP\n}\n", "10.0.0.1-10.0.0.2:80 10.0.0.2:80"},
		{"10.0.0.1-2 80", limited, "", "10.0.0.1:80 10.0.0.2:80"},
		// Written out, the second would be narrower than the first.
		{"10.0.0.1-2 80", "", "virtual_server group g {\n protocol TCP\n" + limited + "}\n", "10.0.0.1:80 10.0.0.2:80"},
		{"127.0.0.0/30 80\n126.0.0.1-128.0.0.1 80\n223.255.255.255-224.0.0.1 80", "", "", ""},
	} {
		text := group(test.group) + "virtual_server group g {\n protocol TCP\n" + test.keys + "}\n" + test.more
		i, err := load(memory{"f": text}, "f", "")
		if err != nil {
			t.Errorf("%q: %v", test.group, err)
			continue
		}
		var got []string
		for n := range i.Services {
			got = append(got, i.Services[n].ID().Destination())
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q: %q, want %q", test.group, got, test.want)
		}
	}
}

// TestSamples imports what keepalived's package has as samples, where it is installed.
func TestSamples(t *testing.T) {
	files, _ := filepath.Glob("/usr/share/doc/keepalived/samples/keepalived.conf.*")
	if len(files) == 0 {
		t.Skip("keepalived's samples are not installed")
	}
	for _, file := range files {
		if _, err := Load(file, "main"); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
