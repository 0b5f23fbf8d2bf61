package control

import (
	"runtime/debug"
	"testing"
)

func TestStamped(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	dirty := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for want, settings := range map[string][]debug.BuildSetting{
		"unknown":            {{Key: "GOOS", Value: "linux"}, dirty},
		"0123456789ab":       {revision, {Key: "vcs.modified", Value: "false"}},
		"0123456789ab-dirty": {dirty, revision},
	} {
		if got := stamped(settings); got != want {
			t.Errorf("%v: %s, want %s", settings, got, want)
		}
	}
}
