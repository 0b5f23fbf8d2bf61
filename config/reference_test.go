package config

import (
	"regexp"
	"strings"
	"testing"

	"fulcrum/lvs"
)

const reference = "testdata/reference.toml"

// TestReferenceIsGood parses the reference file, which shows every key.
func TestReferenceIsGood(t *testing.T) { mustParse(t, readFile(t, reference)) }

var commentedKey = regexp.MustCompile(`(?m)^(\s*)# (\w+\s*= )`)

// withEveryKey returns the reference with the keys that it comments out. Their values are the
// defaults.
func withEveryKey(t *testing.T) string {
	return commentedKey.ReplaceAllString(readFile(t, reference), "$1$2")
}

func TestEveryKeyOfTheReferenceIsKnown(t *testing.T) {
	mustParse(t, withEveryKey(t))
}

// TestReferenceStatesTheDefaults checks that the reference states the defaults of a file without
// the keys.
func TestReferenceStatesTheDefaults(t *testing.T) {
	// The reference states the default of max_v6 for a file with IPv6 services.
	// A service without timeouts of its own has the session's.
	// A service without announce says what the director says, and a real server without mode has its
	// service's; the reference states the outcome.
	derived := regexp.MustCompile(`(?m)^(max_v6|announce|  mode|  established|  udp) +.*$`)
	stated := derived.ReplaceAllString(withEveryKey(t), "")
	same(t, mustParse(t, stated), mustParse(t, readFile(t, reference)))
}

var anyKey = regexp.MustCompile(`(?m)^\s*(?:# )?(\w+)\s*= `)

func TestDocumentationHasEveryKey(t *testing.T) {
	page := readFile(t, "../docs/configuration.md")
	for _, match := range anyKey.FindAllStringSubmatch(readFile(t, reference), -1) {
		if !strings.Contains(page, "`"+match[1]+"`") {
			t.Errorf("docs/configuration.md does not explain `%s`", match[1])
		}
	}
	for _, state := range lvs.States() {
		if !strings.Contains(page, "`"+state.Key()+"`") {
			t.Errorf("docs/configuration.md does not explain the timeout `%s`", state.Key())
		}
	}
}

// TestEveryKeyIsWritten checks that Render and Rewrite know the keys of the reference.
func TestEveryKeyIsWritten(t *testing.T) {
	known := map[string]bool{}
	mustParse(t, readFile(t, reference)).blocks().eachKey(func(key string) { known[key] = true })
	for _, match := range anyKey.FindAllStringSubmatch(readFile(t, reference), -1) {
		if key := match[1]; !known[key] {
			t.Errorf("blocks.go does not have %s", key)
		}
	}
}

func (b block) eachKey(do func(string)) {
	for _, s := range b.settings {
		do(s.key)
	}
	for _, g := range b.groups {
		for _, b := range g.blocks {
			b.eachKey(do)
		}
	}
}
