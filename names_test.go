package fulcrum

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"testing"

	"fulcrum/lvs"
)

// modeConstants are the constants of lvs. Their aliases have the same names, so that no alias hides
// a use.
var modeConstants = []string{"DR", "NAT", "FullNAT", "IPIP"}

// modesAtHome are the packages that may name a mode: the table, and the code of each mode.
var modesAtHome = map[string]bool{"lvs": true, "modes": true}

// modesByName is how often each other package names a mode, and why it may. A package that is not
// here asks for properties of modes (package lvs), so that a new mode does not change it.
var modesByName = map[string]struct {
	count  int
	reason string
}{
	"bench": {3, "modes are what it measures, and some suites measure one or two of them"},
}

func TestModesAreAskedForProperties(t *testing.T) {
	counts, places := map[string]int{}, map[string][]string{}
	for _, s := range sources(t) {
		if s.isTest() || modesAtHome[s.folder] {
			continue
		}
		for _, place := range namedModes(t, s.path()) {
			counts[s.folder]++
			places[s.folder] = append(places[s.folder], place)
		}
	}
	for folder := range rules {
		if allowed := modesByName[folder]; counts[folder] != allowed.count {
			t.Errorf("package %s names modes %d times, %d are allowed: %q\n"+
				"ask lvs for a property instead, or correct modesByName (names_test.go)",
				folder, counts[folder], allowed.count, places[folder])
		}
	}
}

// namedModes returns the places of a file where a mode is named: a constant or its alias, or a
// string that is a mode's name.
func namedModes(t *testing.T, file string) (places []string) {
	t.Helper()
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		if namesMode(n) {
			places = append(places, path.Base(file)+":"+strconv.Itoa(files.Position(n.Pos()).Line))
		}
		return true
	})
	return places
}

func namesMode(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.Ident:
		return slices.Contains(modeConstants, n.Name)
	case *ast.BasicLit:
		value, err := strconv.Unquote(n.Value)
		_, isMode := lvs.ParseMode(value)
		return err == nil && n.Kind == token.STRING && isMode
	}
	return false
}

// TestNamesOfModesAreCounted: what counts as naming a mode, and what does not.
func TestNamesOfModesAreCounted(t *testing.T) {
	if len(modeConstants) != len(lvs.Modes()) {
		t.Errorf("modeConstants are %v, and the modes %v: add the new one", modeConstants, lvs.Modes())
	}
	for text, want := range map[string]bool{
		`lvs.DR`: true, `modes.FullNAT`: true, `bench.IPIP`: true, `NAT`: true, `"dr"`: true,
		"`ipip`": true, `lvs.NoMode`: false, `"use nat or fullnat"`: false, `"NAT"`: false,
		`'d'`: false, `m.TwoWay()`: false,
	} {
		tree, err := parser.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		ast.Inspect(tree, func(n ast.Node) bool { found = found || namesMode(n); return true })
		if found != want {
			t.Errorf("%s names a mode: %v, want %v", text, found, want)
		}
	}
}
