package dpvs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fulcrum/config"
)

// completed returns a result as a user completes it. Workers move to CPUs that every machine has.
func completed(i *Import) string {
	var lines []string
	for line := range strings.Lines(i.TOML()) {
		if strings.HasPrefix(line, "workers = ") {
			line = "workers = [0]\n"
		}
		lines = append(lines, line)
	}
	text := strings.Join(lines, "")
	for n, p := range i.Ports {
		number := string(rune('1' + n))
		text = strings.Replace(text, p.deviceLine(n), `device = "0000:3b:00.`+number+`"`, 1)
		text = strings.Replace(text, `# addresses = ["10.0.0.1/24"]`, `addresses = ["10.0.`+number+`.1/24"]`, 1)
	}
	return text
}

// TestImport compares results with the golden files. Complete ones are valid configurations, and
// others want nothing but what a dpvs.conf does not have.
func TestImport(t *testing.T) {
	for _, name := range []string{"two", "bond", "grammar", "empty"} {
		i, err := Load("testdata/" + name + ".conf")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compare(t, "testdata/"+name+".golden", i.TOML())
		if len(i.Ports) == 0 {
			continue
		}
		if _, err := config.Parse(name, []byte(completed(i))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, p := range problemsOf(i.TOML()) {
			if p.Key != "port.device" && p.Key != "port.addresses" && p.Key != "director.workers" {
				t.Errorf("%s: %v", name, p)
			}
		}
	}
}

func problemsOf(text string) config.Problems {
	_, err := config.Parse("out", []byte(text))
	problems, _ := err.(config.Problems)
	return problems
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if os.Getenv("FULCRUM_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != got {
		t.Errorf("%s: %v; got\n%s", golden, err, got)
	}
}

func dev(name, keys string) string {
	return "netif_defs {\ndevice " + name + " {\n" + keys + "\n}\n}\n"
}

func worker(keys string) string { return "worker_defs {\nworker a {\n" + keys + "\n}\n}\n" }

func ring(n string) string { return "rx {\ndescriptor_number " + n + "\n}" }

// TestMistakes checks the text and the place of every mistake.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"a {":                              "f:1: a: unterminated block: add }",
		"}":                                "f:1: extra }: remove it, or add the { that it closes",
		"{\n}":                             "f:1: extra {: write a key before it",
		"a {\n}\n{\n}":                     "f:3: extra {: write a key before it",
		"a { b 1 }":                        "f:1: {: misplaced brace",
		"\na{\n}":                          "f:2: a{: misplaced brace: write { at the end of a line, after a space",
		strings.Repeat("a {\n", 20):        "f:17: blocks are nested more than 16 deep",
		strings.Repeat("}\n", 99):          "and more",
		"\x1b[31m {":                       `f:1: \u001b[31m: unterminated block`,
		"virtual_server 1.2.3.4 80 {\n}":   "f:1: virtual_server: is of a keepalived.conf: fulcrum import keepalived f",
		"global_defs {\nlog_level LOUD\n}": `f:2: invalid log_level "LOUD": write one such as INFO`,
		"netif_defs {\ndevice a\n}":        "f:2: device a: missing block: add { and }",
		dev("-", ""):                       `f:2: invalid name "-": write at most 63 letters and digits`,
		dev("", ""):                        `f:2: invalid name ""`,
		dev("a", "") + dev("a", ""):        "f:7: device a: is already defined at f:2: rename one of them",
		dev("a", ring("0")):                `f:4: invalid descriptor_number "0": write a number from 1 to 65535`,
		dev("a", ring("x")):                `f:4: invalid descriptor_number "x"`,
		dev("a", "mtu 9601"):               `f:3: invalid mtu "9601": write a number from 0 to 9600`,
		dev("a", "mode 7"):                 `f:3: invalid mode "7": write a number from 0 to 6`,
		dev("a", "slave b"):                `f:2: device a: unknown slave "b": name a device of this file`,
		dev("a", "slave a"):                `f:2: device a: unknown slave "a"`,
		dev("b", "") + dev("a", "slave b\nslave b"):           `f:7: device a: slave "b" belongs to a bond already`,
		dev("b", "") + dev("a", "slave b\nprimary c"):         `f:7: device a: primary "c" is not one of its slaves`,
		"worker_defs {\nworker a\n}":                          "f:2: worker a: missing block: add { and }",
		worker("type boss"):                                   `f:2: worker a: unknown type "boss": write master, slave or kni`,
		worker("type slave"):                                  "f:2: worker a: missing cpu_id: write the worker's CPU, such as cpu_id 1",
		worker("cpu_id 1024"):                                 `f:3: invalid cpu_id "1024": write a number from 0 to 1023`,
		"ipvs_defs {\nconn {\nconn_pool_size -1\n}\n}":        `f:3: invalid conn_pool_size "-1": write a number from 1 to 2147483647`,
		"ipvs_defs {\nudp {\ntimeout {\nnormal\n}\n}\n}":      `f:4: invalid normal "": write a number from 1 to 31535999`,
		"ipvs_defs {\ntcp {\ntimeout {\nestablished 0\n}\n}}": "f:6: }}: misplaced brace",
	} {
		_, err := parse("f", text)
		if err == nil || !strings.Contains("\n"+err.Error()+"\n", want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// TestWords reads lines as DPVS does.
func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		"! all of it":                    "",
		"  # all of it":                  "",
		"mtu 1500 # rest":                "mtu 1500",
		"mtu 1500#rest":                  "mtu 1500#rest",
		"<init> device a {":              "device a {",
		"mtu 1 <1500, 0-9000> ! rest":    "mtu 1",
		"mtu <1500, 0-9000> 2":           "mtu 2",
		"mtu 1 <1500, 0-9000":            "mtu 1",
		"<init>mtu 1>2 3":                "2 3",
		`method "hlist" <"hlist"/"lpm">`: "method hlist",
		"\tkey\tvalue\r":                 "key value",
		`"`:                              "",
	} {
		if got := strings.Join(words(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestMemory: the memory that is printed grows with ports and workers, and is a valid one.
func TestMemory(t *testing.T) {
	i := &Import{Ports: make([]Port, 2), Workers: make([]int, 2)}
	if m := i.memory(); m > usualMemory {
		t.Errorf("%d MiB for a small director", m)
	}
	i.Ports, i.Workers = make([]Port, 4), make([]int, 16)
	if m := i.memory(); m < 1024 || m%memoryStep != 0 {
		t.Errorf("%d MiB for a large director", m)
	}
	i.Ports = make([]Port, 2000)
	if m := i.memory(); m != mostMemory {
		t.Errorf("%d MiB for an enormous director", m)
	}
}

// TestUnreadable loads an absent file and a folder.
func TestUnreadable(t *testing.T) {
	for name, want := range map[string]string{
		"testdata/nothing.conf": "cannot read testdata/nothing.conf: no such file or directory",
		"testdata":              "cannot read testdata: is a directory",
	} {
		if _, err := Load(name); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(long, maxText+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(long); err == nil || !strings.Contains(err.Error(), "it is longer than 16 MiB") {
		t.Error(err)
	}
}

// FuzzParse checks that the result of every accepted file is TOML without other mistakes than what
// a dpvs.conf does not say.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"two", "bond", "grammar", "empty"} {
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
		for _, p := range problemsOf(i.TOML()) {
			switch p.Key {
			case "port", "port.device", "port.addresses", "director.workers":
			default:
				t.Fatalf("%v in\n%s", p, i.TOML())
			}
		}
	})
}
