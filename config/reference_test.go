package config

import (
	"regexp"
	"strings"
	"testing"

	"fulcrum/lvs"
)

const reference = "testdata/reference.toml"

// The reference file shows every key. As it stands it asks for nothing that is missing.
func TestReferenceIsGood(t *testing.T) { mustParse(t, readFile(t, reference)) }

var commentedKey = regexp.MustCompile(`(?m)^(\s*)# (\w+\s*= )`)

// withEveryKey is the reference with the keys that it comments out, because they have their defaults, put in.
func withEveryKey(t *testing.T) string {
	return commentedKey.ReplaceAllString(readFile(t, reference), "$1$2")
}

func TestEveryKeyOfTheReferenceIsKnown(t *testing.T) {
	want := []string{
		"f:42: session.expire_quiescent: is not supported yet; leave the key out",
		"f:53: service.scheduler_flags: is not supported yet; leave the key out",
		"f:55: service.persistence_mask: is not supported yet; leave the key out",
	}
	got := verdict(parse("f", withEveryKey(t), []int{0, 1}))
	if got != strings.Join(want, "\n")+"\n" {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// The defaults that the reference states are those that a file without the keys gets.
func TestReferenceStatesTheDefaults(t *testing.T) {
	unbuilt := regexp.MustCompile(`(?m)^(expire_quiescent|scheduler_flags|persistence_mask) .*$`)
	// What it says of IPv6 sessions is the default of a file that makes any.
	v6 := regexp.MustCompile(`(?m)^max_v6 .*$`)
	stated := v6.ReplaceAllString(unbuilt.ReplaceAllString(withEveryKey(t), ""), "")
	implied := unbuilt.ReplaceAllString(readFile(t, reference), "")
	same(t, mustParse(t, stated), mustParse(t, implied))
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
