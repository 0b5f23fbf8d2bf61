package keepalived

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"fulcrum/config"
)

const ports = `
[[port]]
name = "front"
device = "net_null0"
addresses = ["192.168.200.1/24", "192.168.201.1/24", "2001:db8::1/64"]
`

// TestImport compares with what is expected, and has config read it together with a port.
func TestImport(t *testing.T) {
	for _, name := range []string{"web", "mixed"} {
		i, err := Load("testdata/" + name + ".conf")
		if err != nil {
			t.Fatal(err)
		}
		got := config.RenderServices(i.Services) + "\n" + strings.Join(i.Left, "\n") + "\n"
		golden := "testdata/" + name + ".golden"
		if os.Getenv("FULCRUM_UPDATE") != "" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(want) != got {
			t.Errorf("%s: %v; got\n%s", name, err, got)
		}
		if _, err := config.Parse(name, []byte(ports+config.RenderServices(i.Services))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"virtual_server 1.2.3.4 {\n}":                                              "f:1: virtual_server 1.2.3.4: write an address and a port",
		"virtual_server x 80 {\n}":                                                 `f:1: "x" is no address`,
		"virtual_server 1.2.3.4 0 {\n}":                                            `f:1: "0" is no port`,
		"\nvirtual_server 1.2.3.4 80 {\n  lb_kind FOO\n}":                          `f:3: "FOO" is no forwarding method`,
		"virtual_server 1.2.3.4 80 {\n  protocol ICMP\n}":                          `f:2: "ICMP" is no protocol`,
		"virtual_server 1.2.3.4 80 {\n real_server 1.2.3.5 80 {\n weight x\n }\n}": `f:3: "x" is no number that a weight can have`,
		"virtual_server 1.2.3.4 80 {":                                              "f:1: a block has no end",
		"}":                                                                        "a } too many",
		"a \"b":                                                                    "f:1: a string has no end",
		"include nothing.conf":                                                     "there is no file",
		strings.Repeat("a {\n", 20):                                                "deep",
	} {
		_, err := load("f", func(string) ([]byte, error) { return []byte(text), nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// TestIncludesThatIncludeEachOther end.
func TestIncludesThatIncludeEachOther(t *testing.T) {
	file := t.TempDir() + "/a.conf"
	if err := os.WriteFile(file, []byte("include a.conf\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "include each other") {
		t.Fatal(err)
	}
}

func FuzzLoad(f *testing.F) {
	for _, name := range []string{"web", "mixed"} {
		text, err := os.ReadFile("testdata/" + name + ".conf")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		i, err := load("f", func(name string) ([]byte, error) {
			if name != "f" {
				return nil, fmt.Errorf("no file")
			}
			return []byte(text), nil
		})
		if err == nil {
			config.RenderServices(i.Services)
		}
	})
}
