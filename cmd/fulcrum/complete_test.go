package main

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// free are the flags whose values cannot be listed.
var free = []string{
	"cases", "listen", "server",
	"ca", "client", "config", "config-id", "cpu-profile", "device", "filter", "mac", "name",
	"profile", "real-server", "remote", "report", "results", "session", "socket", "tcp", "to", "token-file",
	"udp", "vip", "write", "library",
}

// TestEveryEnumeratedFlagCompletes: a flag with words as values either completes them or is known
// to take any.
func TestEveryEnumeratedFlagCompletes(t *testing.T) {
	seen := map[string]bool{}
	eachCommand(newRootCommand(), func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !slices.Contains([]string{"string", "stringSlice", "stringArray"}, f.Value.Type()) {
				return
			}
			seen[f.Name] = true
			_, completes := c.GetFlagCompletionFunc(f.Name)
			if listed := !slices.Contains(free, f.Name); listed != completes && f.Name != "flags" {
				t.Errorf("%s --%s: completes %v, want %v", c.CommandPath(), f.Name, completes, listed)
			}
		})
	})
	for _, name := range free {
		if !seen[name] {
			t.Errorf("no command has --%s", name)
		}
	}
}

func eachCommand(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, do)
	}
}

func TestCompletions(t *testing.T) {
	for _, tt := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"lab", "--mode", ""}, "dr\nipip\nnat\nfullnat\n:4\n"},
		{[]string{"lab", "--family", ""}, "ipv4\nipv6\nipv6-to-ipv4\n:4\n"},
		{[]string{"sessions", "--protocol", ""}, "tcp\nudp\nsctp\nicmp\n:4\n"},
		{[]string{"bench", "generate", "--kind", ""}, "udp\ntcp\nnew-udp\nnew-tcp\nlives\n:4\n"},
		{[]string{"check", "-o", ""}, "table\njson\n:4\n"},
	} {
		if got, _ := ask(t, 0, append([]string{"__complete"}, tt.arguments...)...); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.arguments, got, tt.want)
		}
	}
}
