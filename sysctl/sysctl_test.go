package sysctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fulcrum/config"
)

// valid is the rest of a configuration.
const valid = "[director]\nworkers = [0]\n[[port]]\nname = \"a\"\ndevice = \"net_null0\"\n" +
	"addresses = [\"10.0.0.1/24\"]\n"

// TestImport compares results with the golden files, which are valid configurations.
func TestImport(t *testing.T) {
	for _, name := range []string{"kube", "globs"} {
		i, err := Load("testdata/" + name + ".conf")
		if err != nil {
			t.Fatal(err)
		}
		golden := "testdata/" + name + ".golden"
		if os.Getenv("FULCRUM_UPDATE") != "" {
			if err := os.WriteFile(golden, []byte(i.TOML()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(want) != i.TOML() {
			t.Errorf("%s: %v; got\n%s", golden, err, i.TOML())
		}
		if _, err := config.Parse(name, []byte(valid+i.TOML())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestValues reads every kind of value. Each usual value is the configuration's default.
func TestValues(t *testing.T) {
	for text, want := range map[string]string{
		"conn_reuse_mode = 0":           "conn_reuse_mode = 0",
		"conn_reuse_mode = 2":           "conn_reuse_mode = 2",
		"conn_reuse_mode = 3":           "",
		"conn_reuse_mode = 4":           "conn_reuse_mode = 1",
		"conn_reuse_mode = -1":          "",
		"pmtu_disc = 0":                 "pmtu_disc = false",
		"pmtu_disc = 0x10":              "",
		"expire_nodest_conn = 2":        "expire_nodest = true",
		"drop_entry = 2":                `drop_entry = "auto"`,
		"drop_packet = 1":               `drop_packet = "auto"`,
		"secure_tcp = 3":                `secure_tcp = "on"`,
		"secure_tcp = 0":                "",
		"expire_quiescent_template = 1": "expire_quiescent = true",
		"ignore_tunneled = 1":           "",
	} {
		i, err := parse("f", "net.ipv4.vs."+text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		_, table, _ := strings.Cut(i.TOML(), "[session]\n")
		if got, _, _ := strings.Cut(table, "  #"); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	c, err := config.Parse("f", []byte(valid))
	if err != nil || c.Session.ConnReuseMode != 3 || !c.Session.PMTUDisc || c.Session.SloppySCTP {
		t.Errorf("%v: other defaults than those of the table", err)
	}
}

// TestDefences: the kernel's 2 is 1 while it is active. A pattern sets several.
func TestDefences(t *testing.T) {
	for text, want := range map[string]string{
		"drop_entry = 1": "taken", "drop_packet=2": "taken", "drop_* = 3": "taken",
		"drop_entry = 0": "already so", "drop_packet = 0x0": "already so",
		"am_droprate = 10": "already so", "am_droprate = 20": "no meaning here",
		"amemthresh = 1024": "no meaning here",
	} {
		i, err := parse("f", "net.ipv4.vs."+text)
		if err != nil || i.Lines[0].Fate.String() != want || len(i.Left()) != 0 && want != "no meaning here" {
			t.Errorf("%s: %v %+v, want %q", text, err, i.Lines, want)
		}
	}
	i, err := parse("f", "net.ipv4.vs.drop_* = 3")
	if err != nil || i.Lines[0].Why != `session.drop_entry = "on", session.drop_packet = "on"` {
		t.Errorf("%v, %+v", err, i.Lines)
	}
}

// TestMistakes checks the text and the place of every mistake.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"\nnet.ipv4.vs.pmtu_disc":              "f:2: net.ipv4.vs.pmtu_disc: missing =: write name = value",
		"= 1":                                  "f:1: = 1: missing name: write name = value",
		"-":                                    "f:1: -: missing name: write name = value",
		"net.ipv4.vs.[a = 1":                   "f:1: net.ipv4.vs.[a = 1: invalid pattern",
		"net.ipv4.vs.sloppy_tcp = yes":         `f:1: invalid sloppy_tcp "yes": write a number that the kernel takes`,
		"net.ipv4.vs.drop_entry = 4":           `f:1: invalid drop_entry "4"`,
		"net.ipv4.vs.conn_reuse_mode = 1\x1b ": `f:1: invalid conn_reuse_mode "1\x1b"`,
	} {
		if _, err := parse("f", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// TestUnreadable loads an absent file, a folder and one that is too long.
func TestUnreadable(t *testing.T) {
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, make([]byte, maxText+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"testdata/nothing": "cannot read testdata/nothing: no such file or directory",
		"testdata":         "cannot read testdata: is a directory",
		long:               "cannot read " + long + ": it is longer than 1 MiB",
	} {
		if _, err := Load(name); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse checks that the result of every accepted file is a valid configuration, and that every
// line has a fate.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"kube", "globs"} {
		text, err := os.ReadFile("testdata/" + name + ".conf")
		if err != nil {
			f.Fatal(err)
		}
		f.Add("f", string(text))
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		i, err := parse(name, text)
		if err != nil {
			return
		}
		if _, err := config.Parse("out", []byte(valid+i.TOML())); err != nil {
			t.Fatalf("%v in\n%s", err, i.TOML())
		}
		for n := range i.Lines {
			if i.Lines[n].Why == "" {
				t.Fatalf("%s has no reason", &i.Lines[n])
			}
		}
	})
}
