package config

import "testing"

func TestLine(t *testing.T) {
	const text = "[director]\nworkers = [1]\n[[port]]\nname = \"a\"\naddresses = [\n\"10.0.0.1/24\",\n" +
		"\"10.1.0.1/24\"]\n[[port]]\nname = \"b\"\n"
	for _, c := range []struct {
		path []any
		want int
	}{
		{nil, 1}, {[]any{"director", "workers"}, 2}, {[]any{"port", 0, "addresses", 1}, 7},
		{[]any{"port", 1, "name"}, 9}, {[]any{"port", 1, "mtu"}, 8}, {[]any{"route", 4}, 1},
	} {
		if got := Line(text, c.path...); got != c.want {
			t.Errorf("%v is on line %d, want %d", c.path, got, c.want)
		}
	}
}
