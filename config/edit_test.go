package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestRewrite runs the scenarios in testdata/rewrite. Each command changes the configuration of the
// latest file, and prints the text with the change:
//
//	file [BASE]   the file; it begins with a file of testdata/base, which is not printed
//	change        one change a line: weight SERVICE SERVER N, server SERVICE SERVER,
//	              remove SERVICE [SERVER], service NAME ADDRESS PROTOCOL MODE,
//	              first SERVICE (it comes before the others)
//	to            the configuration of another file, with the same begin
//
// The argument crlf gives the file the line ends of Windows, bare takes off the last one, and bom
// puts a byte order mark before it.
func TestRewrite(t *testing.T) {
	datadriven.Walk(t, "testdata/rewrite", func(t *testing.T, path string) {
		var begin, text string
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			next := new(Config)
			switch d.Cmd {
			case "file":
				begin, text = fileOf(t, d)
				return strconv.Itoa(len(mustParse(t, text).Services)) + " services\n"
			case "to":
				next = mustParse(t, begin+d.Input+"\n")
			case "change":
				next = mustParse(t, text).Clone()
				for line := range strings.Lines(d.Input) {
					change(t, next, strings.Fields(line))
				}
			}
			result, kept := rewrite("f", text, next, onCPUs(0, 1))
			same(t, mustParse(t, result), next)
			if !kept {
				return "rendered anew:\n" + result
			}
			return visible(strings.TrimPrefix(result, begin))
		})
	})
}

func fileOf(t *testing.T, d *datadriven.TestData) (begin, text string) {
	text = d.Input + "\n"
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "crlf":
			begin = strings.ReplaceAll(begin, "\n", "\r\n")
			text = strings.ReplaceAll(text, "\n", "\r\n")
		case "bare":
			text = strings.TrimRight(text, "\r\n")
		case "bom":
			text = "\xef\xbb\xbf" + text
		default:
			begin = readFile(t, filepath.Join("testdata/base", arg.Key+".toml"))
		}
	}
	return begin, begin + text
}

// visible shows line ends of Windows, and a last line without its end.
func visible(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\\r\n")
	if !strings.HasSuffix(text, "\n") {
		text += "(no line end)\n"
	}
	return strings.TrimPrefix(text, "\xef\xbb\xbf")
}

func change(t *testing.T, c *Config, words []string) {
	t.Helper()
	i := slices.IndexFunc(c.Services, func(s Service) bool { return s.Name == words[1] })
	switch words[0] {
	case "service":
		c.Services = append(c.Services, newService(t, words[1:]))
	case "first":
		s := c.Services[i]
		c.Services = slices.Insert(slices.Delete(c.Services, i, i+1), 0, s)
	case "weight":
		server(&c.Services[i], words[2]).Weight, _ = strconv.Atoi(words[3])
	case "mode":
		server(&c.Services[i], words[2]).Mode, _ = ParseOwnMode(strings.Join(words[3:], ""))
	case "server":
		server(&c.Services[i], words[2])
	case "remove":
		remove(c, i, words[2:])
	default:
		t.Fatalf("unknown change %q", words)
	}
}

func newService(t *testing.T, words []string) Service {
	text := fmt.Sprintf("[[service]]\nname=%q\naddress=%q\nprotocol=%q\nmode=%q\n",
		words[0], words[1], words[2], words[3])
	return mustParse(t, readFile(t, "testdata/base/ports.toml")+text).Services[0]
}

// server returns a real server of a service, a new one if there is none with the address.
func server(s *Service, address string) *RealServer {
	a := netip.MustParseAddrPort(address)
	i := slices.IndexFunc(s.RealServers, func(rs RealServer) bool { return rs.Address == a })
	if i < 0 {
		i, s.RealServers = len(s.RealServers), append(s.RealServers, RealServer{Address: a, Weight: 1})
	}
	return &s.RealServers[i]
}

func remove(c *Config, i int, servers []string) {
	if len(servers) == 0 {
		c.Services = slices.Delete(c.Services, i, i+1)
		return
	}
	s := &c.Services[i]
	s.RealServers = slices.DeleteFunc(s.RealServers, func(rs RealServer) bool {
		return rs.Address == netip.MustParseAddrPort(servers[0])
	})
}

// inputs returns the files of testdata and of the documentation that can be parsed.
func inputs(t testing.TB) map[string]string {
	texts := map[string]string{}
	for _, pattern := range []string{"testdata/*.toml", "../docs/examples/*.toml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[file] = string(data)
		}
	}
	if len(texts) < 5 {
		t.Fatalf("only %d files", len(texts))
	}
	return texts
}

func TestRewriteLeavesWhatRuns(t *testing.T) {
	for file, text := range inputs(t) {
		result, kept := rewrite("f", text, mustParse(t, text), onCPUs(0, 1))
		if !kept || result != text {
			t.Errorf("%s: kept %v, and the text is\n%s", file, kept, result)
		}
	}
}
