package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestHostile sends the director packets that only an attacker sends. Each class of packets
// (testdata/judge/hostile4.py and hostile6.py) has the fate that is written beside it, the sum of
// all drops is exact, and the director survives. If the sum differs, the test tries each class on
// its own, to find the class that differs.
func TestHostile(t *testing.T) {
	for _, c := range trials {
		if c.vlans != untagged {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			err := newJudge(t, "hostile", "all", c).verdict()
			if err == nil {
				return
			}
			t.Error(err)
			for _, class := range hostileClasses(t, c.vip) {
				t.Run(class, func(t *testing.T) { newJudge(t, "hostile", class, c).hold() })
			}
		})
	}
}

// hostileClasses returns the classes of packets of a family.
func hostileClasses(t *testing.T, family int) []string {
	t.Helper()
	out, err := exec.Command("/usr/bin/python3", "-B", "testdata/judge/judge.py", "classes", strconv.Itoa(family)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}
