package fulcrum

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "fulcrum"

// A rule lists what one package may import besides the standard library and golang.org/x/sys.
type rule struct {
	tree      []string // packages of this module
	libraries []string // packages of other modules; test files may use any
	testTree  []string // further packages of this module for test files only
}

// anything stands for a tree or libraries without limits. It never includes ports/dpdk.
var anything = []string{"*"}

// rules is the architecture. A new package needs a row here: its imports are decided before it is
// written.
var rules = map[string]rule{
	".":            {testTree: []string{"lvs"}},
	"cmd/fulcrum":  {tree: anything, libraries: anything},
	"handover":     {},
	"director":     {tree: []string{"handover", "ipvs", "hostway", "hostnet", "api", "capture", "control", "engine", "config", "guard", "lvs", "match", "ports", "packet"}, testTree: []string{"ports/memory"}},
	"guard":        {tree: []string{"lvs", "match"}, libraries: []string{"github.com/cilium/ebpf", "github.com/vishvananda/netlink"}},
	"api":          {tree: []string{"lvs", "packet", "control", "engine", "capture", "config"}, libraries: []string{"github.com/danielgtaylor/huma", "github.com/prometheus/client_golang"}, testTree: []string{"conntrack", "modes", "ports", "ports/memory"}},
	"control":      {tree: []string{"lvs", "engine", "config", "health", "probe", "packet"}, libraries: []string{"github.com/google/renameio", "github.com/prometheus/client_model"}, testTree: []string{"conntrack", "modes", "sched", "ports", "ports/memory"}},
	"health":       {},
	"probe":        {libraries: []string{"github.com/miekg/dns", "golang.org/x/net"}},
	"keepalived":   {tree: []string{"config", "foreign", "lvs"}},
	"dpvs":         {tree: []string{"foreign", "lvs"}, testTree: []string{"config"}},
	"foreign":      {},
	"sysctl":       {tree: []string{"foreign"}, testTree: []string{"config"}},
	"ipvsadm":      {tree: []string{"config", "lvs"}},
	"ipvs":         {tree: []string{"config", "control", "engine", "foreign", "lvs"}, libraries: []string{"github.com/mdlayher/netlink", "github.com/mdlayher/genetlink"}, testTree: []string{"api", "ipvsadm", "ports", "ports/memory"}},
	"config":       {tree: []string{"hostway", "lvs", "match", "probe"}, libraries: []string{"github.com/BurntSushi/toml"}},
	"lab":          {tree: []string{"config", "ethtool", "lvs", "match", "packet"}, libraries: []string{"github.com/vishvananda/netlink", "github.com/vishvananda/netns", "github.com/cilium/ebpf"}},
	"bench":        {tree: anything, libraries: anything},
	"engine":       {tree: []string{"hostway", "ports", "lvs", "match", "modes", "sched", "steer", "neighbour", "conntrack", "capture", "host", "packet", "persist"}, testTree: []string{"ports/memory"}},
	"host":         {},
	"hostway":      {libraries: []string{"github.com/vishvananda/netlink"}},
	"adopt":        {tree: []string{"hostway"}, libraries: []string{"github.com/vishvananda/netlink"}},
	"hostnet":      {tree: []string{"config", "hostway"}, libraries: []string{"github.com/vishvananda/netlink"}},
	"ethtool":      {},
	"modes":        {tree: []string{"lvs", "conntrack", "packet"}},
	"lvs":          {},
	"match":        {tree: []string{"lvs", "packet"}},
	"sched":        {tree: []string{"lvs", "packet"}},
	"neighbour":    {tree: []string{"ports", "packet"}},
	"steer":        {tree: []string{"ports", "lvs", "packet"}},
	"conntrack":    {tree: []string{"host", "lvs", "packet"}},
	"persist":      {tree: []string{"host", "packet"}},
	"ports":        {tree: []string{"packet"}, testTree: []string{"ports/memory"}},
	"ports/dpdk":   {tree: []string{"ethtool", "host", "ports", "packet"}, libraries: []string{"golang.org/x/net/bpf"}},
	"ports/memory": {tree: []string{"ports", "packet"}},
	"packet":       {},
	"capture":      {tree: []string{"packet"}, libraries: []string{"golang.org/x/net/bpf"}},
	"top":          {tree: []string{"control"}, libraries: []string{"github.com/charmbracelet"}},
}

const binding = "ports/dpdk"

// bindingUsers are the only packages that may import ports/dpdk.
var bindingUsers = []string{"cmd/fulcrum", binding}

// httpUsers are the only packages that may import net/http. Control, the engine and the packages
// below them return values and typed errors instead.
var httpUsers = []string{"cmd/fulcrum", "director", "api", "lab", "bench", "probe"}

// source is one Go file of the tree, whatever its build constraints.
type source struct {
	folder, name string
	imports      []string
	file         *ast.File
}

func (s source) path() string { return path.Join(s.folder, s.name) }
func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }
func (s source) unsafeOK() bool {
	return s.folder == binding || strings.HasSuffix(s.name, "_unsafe.go") ||
		strings.HasSuffix(s.name, "_unsafe_test.go")
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		r, known := rules[s.folder]
		if !known {
			t.Errorf("%s: package %s has no row in rules (imports_test.go): add one that says what it may import", s.path(), s.folder)
			continue
		}
		for _, imported := range s.imports {
			if complaint := r.judge(s, imported); complaint != "" {
				t.Errorf("%s imports %q: %s", s.path(), imported, complaint)
			}
		}
	}
}

// judge returns what is wrong with an import, or the empty string.
func (r rule) judge(s source, imported string) string {
	local, isLocal := localName(imported)
	switch {
	case imported == "C":
		return judgeC(s)
	case imported == "unsafe":
		if !s.unsafeOK() {
			return "unsafe belongs into a file named *_unsafe.go, which opens with why it is sound"
		}
	case within(imported, []string{"net/http"}) && !slices.Contains(httpUsers, s.folder):
		return fmt.Sprintf("only %v may know HTTP; return a value or a typed error to api", httpUsers)
	case isLocal:
		return r.judgeTree(s, local)
	case isLibrary(imported):
		if !s.isTest() && !within(imported, r.libraries) {
			return fmt.Sprintf("%s may use the standard library, golang.org/x/sys and %v", s.folder,
				r.libraries)
		}
	}
	return ""
}

func judgeC(s source) string {
	if s.folder != binding || s.isTest() {
		return "cgo belongs into " + binding + " alone, and not into its tests"
	}
	return ""
}

func (r rule) judgeTree(s source, local string) string {
	switch {
	case local == s.folder && s.isTest():
		return "" // package x_test
	case local == binding && !slices.Contains(bindingUsers, s.folder):
		return fmt.Sprintf("only %v may know DPDK; use ports", bindingUsers)
	case slices.Equal(r.tree, anything) || slices.Contains(r.tree, local):
		return ""
	case s.isTest() && slices.Contains(r.testTree, local):
		return ""
	}
	return fmt.Sprintf("%s may import of the tree %v, its tests %v too (rules in imports_test.go)",
		s.folder, r.tree, r.testTree)
}

func localName(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// isLibrary reports whether an import is neither the standard library nor golang.org/x/sys.
func isLibrary(imported string) bool {
	host, _, _ := strings.Cut(imported, "/")
	return strings.Contains(host, ".") && !within(imported, []string{"golang.org/x/sys"})
}

// within reports whether a package belongs to one of the modules.
func within(imported string, modules []string) bool {
	return slices.Equal(modules, anything) || slices.ContainsFunc(modules, func(m string) bool {
		return imported == m || strings.HasPrefix(imported, m+"/")
	})
}

func TestEveryPackageHasADoc(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		documented[s.folder] = documented[s.folder] || s.name == "doc.go" && s.file.Doc != nil
	}
	for folder, ok := range documented {
		if !ok {
			t.Errorf("%s: no doc.go with a package comment: say there what it is for, what always holds and who may call it", folder)
		}
	}
}

func TestEveryModuleIsListed(t *testing.T) {
	list := read(t, "third_party/README.md")
	for line := range strings.Lines(read(t, "go.mod")) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "v") {
			continue
		}
		if !strings.Contains(list, "| "+fields[0]+" |") {
			t.Errorf("go.mod requires %s: add it with its licence to third_party/README.md", fields[0])
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sources parses the tree's Go files, up to their imports.
func sources(t *testing.T) []source {
	t.Helper()
	var found []source
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && ignored(entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		s, err := parse(name)
		found = append(found, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ignored follows the go command: such folders hold no packages.
func ignored(folder string) bool {
	return folder == "testdata" || strings.HasPrefix(folder, ".") || strings.HasPrefix(folder, "_")
}

func parse(name string) (source, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil,
		parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return source{}, err
	}
	s := source{folder: path.Dir(name), name: path.Base(name), file: file}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		s.imports = append(s.imports, imported)
	}
	return s, nil
}

// The rules themselves: what they must find and what they must let pass.
func TestRules(t *testing.T) {
	tests := []struct {
		folder, name, imported string
		ok                     bool
	}{
		{"engine", "worker.go", "fulcrum/sched", true},
		{"engine", "worker.go", "fulcrum/config", false},
		{"engine", "worker.go", "fulcrum/ports/memory", false},
		{"engine", "worker_test.go", "fulcrum/ports/memory", true},
		{"engine", "worker_test.go", "fulcrum/ports/dpdk", false},
		{"bench", "suite.go", "fulcrum/engine", true},
		{"bench", "suite.go", "fulcrum/ports/dpdk", false},
		{"cmd/fulcrum", "run.go", "fulcrum/ports/dpdk", true},
		{"sched", "pool.go", "fulcrum/packet", true},
		{"sched", "pool.go", "fulcrum/conntrack", false},
		{"sched", "pool_test.go", "fulcrum/sched", true},
		{"config", "parse.go", "github.com/BurntSushi/toml", true},
		{"config", "parse.go", "github.com/BurntSushi/tomlish", false},
		{"config", "parse.go", "pgregory.net/rapid", false},
		{"config", "parse_test.go", "pgregory.net/rapid", true},
		{"lab", "link.go", "github.com/cilium/ebpf/asm", true},
		{"conntrack", "memory_unsafe.go", "golang.org/x/sys/unix", true},
		{"conntrack", "memory_unsafe.go", "unsafe", true},
		{"conntrack", "layout_unsafe_test.go", "unsafe", true},
		{"conntrack", "memory.go", "unsafe", false},
		{"ports/dpdk", "eal.go", "unsafe", true},
		{"ports/dpdk", "eal.go", "C", true},
		{"ports/dpdk", "eal_test.go", "C", false},
		{"engine", "worker_test.go", "C", false},
		{"api", "server.go", "net/http", true},
		{"control", "running.go", "net/http", false},
		{"control", "metrics_test.go", "net/http/httptest", false},
		{"control", "running.go", "fulcrum/api", false},
		{"director", "devices.go", "fulcrum/ports/dpdk", false},
	}
	for _, tt := range tests {
		s := source{folder: tt.folder, name: tt.name}
		if complaint := rules[tt.folder].judge(s, tt.imported); (complaint == "") != tt.ok {
			t.Errorf("%s importing %s: complaint %q, want ok = %v", s.path(), tt.imported, complaint, tt.ok)
		}
	}
}
