package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// labOf runs a lab with a configuration, and returns what it says. Every row of the table that it
// prints must be one of a service whose requests are all answered.
func labOf(t *testing.T, file string, services int) string {
	t.Helper()
	p := newProgram(t, "lab", "--config", file).start()
	status, said := p.end(), p.stdout.String()
	rows := regexp.MustCompile(`(?m)^\S+ +(tcp|udp|any) .* 60/60 +rs\d+ \d+.*$`).FindAllString(said, -1)
	if status != 0 || len(rows) != services ||
		!regexp.MustCompile(`\nok    dropped: .*; conservation: ok\n$`).MatchString(said) {
		t.Errorf("exit status %d:\n%s%s", status, said, p.stderr.String())
	}
	p.checkNoLab()
	return said
}

// TestLabOfExamples: every example serves in a lab, as its comments say.
func TestLabOfExamples(t *testing.T) {
	needRoot(t)
	needTime(t)
	files, err := filepath.Glob("../../docs/examples/*.toml")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			said := labOf(t, file, strings.Count(string(text), "[[service]]"))
			if filepath.Base(file) == "dr.toml" {
				checkLabPage(t, said)
			}
		})
	}
}

// checkLabPage compares what a lab says with the page that shows it.
func checkLabPage(t *testing.T, said string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/lab.md")
	if err != nil {
		t.Fatal(err)
	}
	said = regexp.MustCompile(`lab \d+`).ReplaceAllString(strings.ReplaceAll(said, "../../", ""), "lab 4711")
	for line := range strings.Lines(said) {
		if shown := "    " + strings.TrimSuffix(line, "\n"); line != "\n" &&
			!strings.Contains(string(page), shown+"\n") {
			t.Errorf("docs/lab.md lacks %q", shown)
		}
	}
}

// ports6 are two ports with both families, on devices that are not there. MAC addresses of the
// neighbours, the VLAN and the metrics' address are nobody's in a lab.
const ports6 = `
[director]
workers = [0]
announce = false
log = "error"
[metrics]
listen = "192.0.2.1:9100"
[[port]]
name = "outside"
device = "0000:3b:00.0"
addresses = ["10.0.0.1/24", "fd00::1/64", "fe80::1/64"]
vlan = 7
mtu = 9000
[[port]]
name = "inside"
device = "net_af_xdp0,iface=eth9"
addresses = ["10.1.0.1/24", "fd01::1/64"]
[[neighbour]]
address = "10.1.0.11"
mac = "02:00:00:00:99:99"
`

const routes6 = `
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
[[route]]
to = "::/0"
via = "fe80::fe"
port = "outside"
[[route]]
to = "fd02::/16"
via = "fd01::fe"
`

// labService returns a service with one real server at each address, which its mode may follow.
func labService(name, protocol, mode, vip, extra string, servers ...string) string {
	text := fmt.Sprintf("[[service]]\nname = %q\naddress = %q\nprotocol = %q\nmode = %q\n%s\n", name, vip,
		protocol, mode, extra)
	for _, s := range servers {
		address, own, states := strings.Cut(s, " ")
		text += fmt.Sprintf("[[service.real_server]]\naddress = %q\n", address)
		if states {
			text += fmt.Sprintf("mode = %q\n", own)
		}
	}
	return text
}

// rangeService returns a service with several addresses or ports, whose real servers have none.
func rangeService(name, protocol, mode, addresses, extra string, servers ...string) string {
	text := labService(name, protocol, mode, "VIP", extra, servers...)
	return strings.Replace(text, `address = "VIP"`, `addresses = ["`+addresses+`"]`, 1)
}

const (
	locals4 = `local_addresses = ["10.1.0.61"]`
	locals6 = `local_addresses = ["fd01::60"]`
)

// rangeServices are ranges and prefixes of both families on the port's subnet. The first ends where
// the subnet ends, and a narrower service has the middle of the second.
var rangeServices = rangeService("dr", "tcp", "dr", "10.0.0.240/28:8000-8100", "", "10.1.0.11", "10.1.0.12") +
	rangeService("dr6", "tcp", "dr", "[fd00::1:0/112]:*", "", "fd01::11", "fd01::12") +
	labService("one", "tcp", "dr", "[fd00::1:7fff]:32768", "", "[fd01::12]:32768") +
	rangeService("ipip", "udp", "ipip", "[fd00::2:0/124]:53", "", "fd01::13") +
	rangeService("nat", "tcp", "nat", "10.0.0.130-10.0.0.139:*", "", "10.1.0.14", "10.1.0.15") +
	rangeService("nat6", "udp", "nat", "[fd00::130-fd00::139]:1000-2000", "", "fd01::14") +
	rangeService("fullnat", "tcp", "fullnat", "10.0.0.150-10.0.0.159:*", locals4, "10.1.0.16") +
	rangeService("fullnat6", "tcp", "fullnat", "[fd00::150-fd00::159]:80", locals6, "fd01::16", "[fd01::17]:8080")

// farRanges are on no port's subnet, or in part, and behind a mark.
var farRanges = rangeService("dr", "tcp", "dr", `203.0.113.0/26:80", "10.0.0.100:80`, "", "10.1.0.11", "10.1.0.12") +
	rangeService("dr6", "udp", "dr", "[fd77::/64]:53", "", "fd01::11", "fd01::12") +
	rangeService("nat", "tcp", "nat", "203.0.113.70-203.0.113.81:*", "", "10.1.0.14:8080") +
	rangeService("fullnat6", "tcp", "fullnat", "[fd78::/48]:*", locals6, "fd01::16") +
	"[[mark]]\nnumber = 7\nmatch = [\"tcp 10.0.0.104:80\", \"udp 203.0.113.96/28:*\"]\n" +
	strings.Replace(labService("mark", "tcp", "ipip", "VIP", "", "10.1.0.13"),
		"address = \"VIP\"\nprotocol = \"tcp\"", "mark = 7", 1)

// TestLabOfFiles: all modes in both families, in one file and from clients in several places.
func TestLabOfFiles(t *testing.T) {
	needRoot(t)
	needTime(t)
	const locals = `local_addresses = ["10.1.0.50", "fd01::50"]`
	all := labService("dr", "tcp", "dr", "10.0.0.100:80", "", "10.1.0.11:80", "10.1.0.12:80") +
		labService("dr6", "udp", "dr", "[fd00::100]:53", "", "[fd01::11]:53", "[fd01::12]:53") +
		labService("ipip", "udp", "ipip", "10.0.0.101:53", "", "10.1.0.13:53") +
		labService("ipip6", "tcp", "ipip", "[fd00::101]:80", "", "[fd02::11]:80", "[fd01::13]:80") +
		labService("nat", "tcp", "nat", "10.0.0.102:80", "", "10.1.0.14:8080", "10.1.0.15:8080") +
		labService("nat6", "tcp", "nat", "[fd00::102]:80", "", "[fd01::14]:8080") +
		labService("fullnat", "udp", "fullnat", "10.0.0.103:53", `local_addresses = ["10.1.0.60"]`, "10.1.0.14:5353", "10.1.0.16:5353") +
		labService("fullnat64", "tcp", "fullnat", "[fd00::103]:80", locals, "10.1.0.16:8080", "[fd02::12]:8080")
	mixed := labService("mixed", "tcp", "nat", "10.0.0.104:80", locals4, "10.1.0.14:8080",
		"10.1.0.11:80 dr", "10.1.0.13:80 ipip", "10.1.0.16:8080 fullnat") +
		labService("mixed6", "udp", "dr", "[fd00::104]:53", locals4, "[fd01::11]:53",
			"[fd01::14]:5353 nat", "[fd02::11]:53 ipip", "10.1.0.16:5353 fullnat")
	for name, c := range map[string]struct {
		text     string
		services int
	}{
		"ranges":     {ports6 + rangeServices, 8},
		"far ranges": {ports6 + routes6 + farRanges, 5},
		"mixed":      {ports6 + routes6 + mixed, 2},
		"all modes":  {ports6 + routes6 + all, 8},
		"no routes":  {ports6 + labService("dr", "tcp", "dr", "10.0.0.100:80", "", "10.0.0.11:80") + labService("nat6", "tcp", "nat", "[fd00::100]:80", "", "[fd01::11]:8080"), 2},
		"VIP apart":  {ports6 + routes6 + labService("nat", "tcp", "nat", "203.0.113.5:80", "", "10.1.0.11:80"), 1},
		"other ways": {ports6 + "[[route]]\nto = \"198.51.100.0/24\"\nvia = \"10.0.0.253\"\n" + labService("nat", "udp", "nat", "10.1.0.100:7", "", "10.1.0.11:7"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			labOf(t, writeFile(t, "director.toml", c.text), c.services)
		})
	}
}

// TestLabOfNoSuchFile: what cannot be put into a lab is named with its line, and the reason.
func TestLabOfNoSuchFile(t *testing.T) {
	nat := labService("nat", "tcp", "nat", "10.1.0.100:80", "", "10.1.0.11:80")
	for want, text := range map[string]string{
		`director.toml:10: port.device: net_memif leads to a program`:        strings.Replace(ports6, "0000:3b:00.0", "net_memif0", 1) + nat,
		`: service.address: no address of its subnet is left for clients`:    ports6 + nat,
		`: service.real_server.address: fd02::11 is behind a gateway`:        ports6 + routes6 + labService("nat", "tcp", "nat", "[fd00::1:1]:80", "", "[fd02::11]:80"),
		`: service.real_server.address: 10.1.0.11 is a real server of nat a`: ports6 + nat + labService("dr", "tcp", "dr", "10.0.0.100:80", "", "10.1.0.11:80"),
		`service.real_server.address: 192.0.2.7 is not`:                      ports6 + labService("dr", "tcp", "nat", "10.0.0.100:80", "", "192.0.2.7:80"),
	} {
		file := writeFile(t, "director.toml", text)
		if _, said := ask(t, 2, "lab", "--config", file); !strings.Contains(said, want) {
			t.Errorf("no %q in %s", want, said)
		}
	}
	ask(t, 2, "lab", "--config", "/nosuch.toml")
	ask(t, 2, "lab", "--config", "../../docs/examples/dr.toml", "--mode", "dr")
}
