package sched_test

import (
	"os"
	"strings"
	"testing"

	"fulcrum/lvs"
)

func TestDocShowsEveryScheduler(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range lvs.Schedulers() {
		line := "//\t" + kind.String() + strings.Repeat(" ", 5-len(kind.String())) + kind.Rule() + "\n"
		if !strings.Contains(string(doc), line) {
			t.Errorf("doc.go lacks the line %q", line)
		}
	}
}
