package sched_test

import (
	"fmt"
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
	longest := 0
	for _, kind := range lvs.Schedulers() {
		longest = max(longest, len(kind.String()))
	}
	for _, kind := range lvs.Schedulers() {
		line := fmt.Sprintf("//\t%-*s  %s\n", longest, kind, kind.Rule())
		if !strings.Contains(string(doc), line) {
			t.Errorf("doc.go lacks the line %q", line)
		}
	}
}
