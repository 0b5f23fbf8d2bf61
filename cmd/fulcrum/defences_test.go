package main

import (
	"strings"
	"testing"

	"fulcrum/control"
)

// TestStatusShowsDefences: only those that are not off, and at how many workers automatic ones are
// active.
func TestStatusShowsDefences(t *testing.T) {
	var out strings.Builder
	showDefences(&out, []control.Defence{
		{Name: "drop_entry", Setting: "auto", Active: 2}, {Name: "drop_packet", Setting: "auto"},
		{Name: "secure_tcp", Setting: "on", Active: 3}, {Name: "none", Setting: "off"},
	})
	want := "drop_entry\tauto, active at 2 workers\ndrop_packet\tauto, not active\nsecure_tcp\ton\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
