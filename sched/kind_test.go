package sched_test

import (
	"os"
	"strings"
	"testing"

	"fulcrum/sched"
)

func TestKindsParseBack(t *testing.T) {
	for _, kind := range sched.Kinds() {
		got, err := sched.Parse(kind.String())
		if err != nil || got != kind {
			t.Errorf("Parse(%q) = %v, %v", kind.String(), got, err)
		}
	}
}

func TestParseNamesTheChoices(t *testing.T) {
	_, err := sched.Parse("fastest")
	want := `choosing the scheduler: there is no "fastest"; use one of rr, wrr, lc, wlc`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestUnknownKindHasAName(t *testing.T) {
	if got := sched.Kind(200).String(); got != "Kind(200)" {
		t.Errorf("got %s", got)
	}
}

func TestDocShowsEveryScheduler(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range sched.Kinds() {
		line := "//\t" + kind.String() + strings.Repeat(" ", 5-len(kind.String())) + kind.Rule() + "\n"
		if !strings.Contains(string(doc), line) {
			t.Errorf("doc.go lacks the line %q", line)
		}
	}
}
