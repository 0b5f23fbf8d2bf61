package config

import (
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

func TestLocate(t *testing.T) {
	text := strings.Join([]string{
		/* 1 */ `# a comment = "no key"`,
		/* 2 */ `title = """`,
		/* 3 */ `[no.table]`,
		/* 4 */ `no = "key" \""""""   # two quotes more than it takes to close`,
		/* 5 */ `"quoted \"key\"".sub = 'it''s'`,
		/* 6 */ `list = [ # ] not here`,
		/* 7 */ `  1, "]", '[',`,
		/* 8 */ `  [2,`,
		/* 9 */ `   3], { x = 1, y.z = [`,
		/* 10 */ `   4] },`,
		/* 11 */ `]`,
		/* 12 */ `raw = '''`,
		/* 13 */ `'' \'''`,
		/* 14 */ `date = 1979-05-27 07:32:00 # ,`,
		/* 15 */ `[ a . "b.c" ]`,
		/* 16 */ `k=1`,
		/* 17 */ `[[s]]`,
		/* 18 */ `n = 1`,
		/* 19 */ `[[s.r]]`,
		/* 20 */ `[[s.r]]`,
		/* 21 */ `w = 1`,
		/* 22 */ `[[s]]`,
		/* 23 */ `[[s.r]]`,
		/* 24 */ `w = 2`,
		/* 25 */ `[s.sub]`,
		/* 26 */ `v = ""`,
		/* 27 */ `[a]`,
		/* 28 */ `z = false`,
	}, "\n")
	text = strings.Replace(text, `'it''s'`, `"it's"`, 1)
	if err := decodable(text); err != nil {
		t.Fatalf("the test's own text: %v", err)
	}
	want := map[place]int{
		root:                      1,
		`."title"`:                2,
		`."quoted \"key\""`:       5,
		`."quoted \"key\""."sub"`: 5,
		`."list"`:                 6,
		`."list"[0]`:              7,
		`."list"[1]`:              7,
		`."list"[2]`:              7,
		`."list"[3]`:              8,
		`."list"[3][0]`:           8,
		`."list"[3][1]`:           9,
		`."list"[4]`:              9,
		`."list"[4]."x"`:          9,
		`."list"[4]."y"`:          9,
		`."list"[4]."y"."z"`:      9,
		`."list"[4]."y"."z"[0]`:   10,
		`."raw"`:                  12,
		`."date"`:                 14,
		`."a"`:                    27,
		`."a"."b.c"`:              15,
		`."a"."b.c"."k"`:          16,
		`."s"`:                    17,
		`."s"[0]`:                 17,
		`."s"[0]."n"`:             18,
		`."s"[0]."r"`:             19,
		`."s"[0]."r"[0]`:          19,
		`."s"[0]."r"[1]`:          20,
		`."s"[0]."r"[1]."w"`:      21,
		`."s"[1]`:                 22,
		`."s"[1]."r"`:             23,
		`."s"[1]."r"[0]`:          23,
		`."s"[1]."r"[0]."w"`:      24,
		`."s"[1]."sub"`:           25,
		`."s"[1]."sub"."v"`:       26,
		`."a"."z"`:                28,
	}
	if diff := cmp.Diff(want, locate(text)); diff != "" {
		t.Errorf("lines, want (-) and got (+):\n%s", diff)
	}
}

func decodable(text string) error {
	var entries map[string]any
	_, err := toml.Decode(text, &entries)
	return err
}

// FuzzLocate checks that the locator ends on any text. In text that the decoder accepts it must
// find the line of every value.
func FuzzLocate(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		lines := locate(text)
		last := 1 + strings.Count(text, "\n")
		for at, line := range lines {
			if line < 1 || line > last {
				t.Errorf("%s is on line %d of %d", at, line, last)
			}
		}
		var entries map[string]any
		if _, err := toml.Decode(text, &entries); err == nil {
			located(t, lines, root, entries)
		}
	})
}

// located checks that a decoded value and all its parts have lines.
func located(t *testing.T, lines map[place]int, at place, raw any) {
	if _, known := lines[at]; !known {
		t.Errorf("%s has no line", at)
	}
	if entries, ok := raw.(map[string]any); ok {
		for key, below := range entries {
			located(t, lines, at.key(key), below)
		}
	}
	elements, _ := value{raw: raw}.elements()
	for i, element := range elements {
		located(t, lines, at.index(i), element.raw)
	}
}
