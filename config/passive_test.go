package config

import (
	"strings"
	"testing"
)

const passiveService = `
[[service]]
name = "web"
address = "10.0.0.100:80"
protocol = "tcp"
mode = "nat"
  [service.health]
  %
[[service.real_server]]
address = "10.0.0.11:80"
  [service.real_server.health]
  $
`

// TestPassive: passive needs no type. A real server has its service's, whatever its type is, and
// what is written is read as the same.
func TestPassive(t *testing.T) {
	alone := Health{Passive: true, OnFail: FailRemove}
	draining := Health{Passive: true, OnFail: FailDrain}
	with := NewHealth(CheckTCP)
	with.Passive = true
	drained := with
	drained.OnFail = FailDrain
	for _, tt := range []struct {
		service, server string
		want, own       Health
	}{
		{`passive = true`, ``, alone, alone},
		{`passive = true`, `type = "none"`, alone, alone},
		{`type = "none"; passive = true; on_fail = "drain"`, ``, draining, draining},
		{`passive = true`, `on_fail = "drain"`, alone, draining},
		{`passive = true`, `passive = false`, alone, Health{}},
		{`passive = true`, `type = "tcp"`, alone, with},
		{`type = "tcp"; passive = true`, ``, with, with},
		{`type = "tcp"; passive = true`, `type = "none"`, with, alone},
		{`type = "tcp"; passive = true; on_fail = "drain"`, `type = "none"`, drained, draining},
		{`type = "tcp"; passive = true`, `type = "none"; passive = false`, with, Health{}},
		{`type = "tcp"; passive = true`, `passive = false`, with, NewHealth(CheckTCP)},
		{`type = "tcp"`, `passive = true`, NewHealth(CheckTCP), with},
		{`type = "none"`, `passive = true`, Health{}, alone},
		{`passive = false`, ``, Health{}, Health{}},
	} {
		text := strings.NewReplacer("%", tt.service, "$", tt.server).Replace(passiveService)
		text = readFile(t, "testdata/base/ports.toml") + strings.ReplaceAll(text, "; ", "\n  ")
		for range 2 {
			c := mustParse(t, text)
			s := &c.Services[0]
			if s.Health != tt.want || s.HealthOf(s.RealServers[0]) != tt.own {
				t.Errorf("%s\n%+v\n%+v", text, s.Health, s.HealthOf(s.RealServers[0]))
			}
			text = c.Render()
		}
	}
	if got := draining.String(); got != `none, passive = true, on_fail = "drain"` {
		t.Error(got)
	}
}
