package top

import (
	"strings"
	"testing"
	"time"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
)

// presses turns a text into key presses; a word in < > is a special key.
func presses(text string) (all []tea.Msg) {
	special := map[string]tea.KeyType{
		"<enter>": tea.KeyEnter, "<esc>": tea.KeyEsc, "<back>": tea.KeyBackspace, "<down>": tea.KeyDown,
		"<left>": tea.KeyLeft, "<home>": tea.KeyHome,
	}
	for text != "" {
		end := strings.Index(text, ">") + 1
		if key, is := special[text[:max(end, 0)]]; is {
			all, text = append(all, tea.KeyMsg{Type: key}), text[end:]
			continue
		}
		all, text = append(all, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text[:1])}), text[1:]
	}
	return all
}

// shown returns the names of the services and addresses of real servers on the screen, and the last
// line.
func shown(m Model) (names, last string) {
	lines := strings.Split(m.View(), "\n")
	var all []string
	for _, l := range lines[1:] {
		first, _, _ := strings.Cut(strings.TrimSpace(l), " ")
		if first == "web" || first == "dns" || strings.HasPrefix(first, "10.1.") {
			all = append(all, first)
		}
	}
	return strings.Join(all, " "), lines[len(lines)-1]
}

func TestListKeys(t *testing.T) {
	const all = "web 10.1.0.11:80 10.1.0.12:80 dns"
	for pressed, want := range map[string][2]string{
		"":                                   {all, "q quit  / filter  s sort: file  f fold  arrows scroll  bit: bits a second"},
		"f":                                  {"web dns", "f unfold"},
		"ff":                                 {all, "f fold"},
		"/DN":                                {"dns", "filter: DN   enter done  esc all"},
		"/dnq<back><enter>":                  {"dns", "filter: dn  esc all  q quit"},
		"/dx<back>n<left><left><home><left>": {"dns", "filter: dn"},
		"/ns<home>d":                         {"dns", "filter: dns"},
		"/0.12:8<enter>f":                    {"web", "filter: 0.12:8  "}, // a real server's address
		"/nothing":                           {"", "filter: nothing   enter"},
		"/dns<esc>":                          {all, "q quit  / filter"},
		"/dns<enter><esc>":                   {all, "q quit  / filter"},
		"s":                                  {all, "s sort: active"},
		"sssss":                              {all, "s sort: file"},
		"/d<back><back><esc>":                {all, "q quit  / filter"},
	} {
		names, last := shown(send(after(New(nil, time.Second), 1, 2), presses(pressed)...))
		if names != want[0] || !strings.HasPrefix(last, want[1]) && !strings.Contains(last, want[1]) {
			t.Errorf("after %q: %q, %q", pressed, names, last)
		}
	}
}

// TestOrders: the service with the largest figure comes first, in every order but the file's.
func TestOrders(t *testing.T) {
	m := after(New(nil, time.Second), 1, 2)
	services := m.last.Report.Services
	services[0], services[1] = services[1], services[0]
	for _, want := range []string{"dns web", "web dns", "web dns", "web dns", "web dns"} {
		names, last := shown(send(m, presses("f")...))
		if names != want {
			t.Errorf("%s: %s, want %s", last, names, want)
		}
		m = send(m, presses("s")...)
	}
}

// TestTypingQuits: ctrl+c ends the view while a filter is typed, and q does not.
func TestTypingQuits(t *testing.T) {
	m := send(New(nil, time.Second), presses("/")...)
	if _, command := m.Update(presses("q")[0]); command != nil {
		t.Error("q ends the view while a filter is typed")
	}
	if _, command := m.Update(tea.KeyMsg{Type: tea.KeyCtrlC}); command == nil {
		t.Error("ctrl+c does not end the view while a filter is typed")
	}
}

// TestFilterIsBounded: what is pasted into the filter does not grow without end.
func TestFilterIsBounded(t *testing.T) {
	m := send(after(New(nil, time.Second), 1), presses("/"+strings.Repeat("x", 2*maxFilter))...)
	if n := len(m.list.filter.Value()); n != maxFilter {
		t.Errorf("%d characters", n)
	}
	fits(t, m, m.View())
	m = send(m, tea.KeyMsg{Type: tea.KeyEsc}, presses("/")[0],
		tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("w\x1b[31m"), Paste: true})
	if strings.ContainsFunc(m.list.filter.Value(), unicode.IsControl) {
		t.Errorf("the filter has control characters: %q", m.list.filter.Value())
	}
}

// TestWideScreens: a wide terminal shows inactive sessions, and figures beside the names.
func TestWideScreens(t *testing.T) {
	m := after(New(nil, time.Second), 1, 2)
	m.last.Report.Services[0].RealServers[0].Inactive = 7
	narrow := send(m, tea.WindowSizeMsg{Width: 86, Height: 24}).View()
	wide := send(m, tea.WindowSizeMsg{Width: 87, Height: 24}).View()
	if strings.Contains(narrow, "inact") || !strings.Contains(wide, "active  inact") ||
		!strings.Contains(wide, "  10.1.0.11:80                    1    512      7   6.0k") {
		t.Errorf("%s\n%s", narrow, wide)
	}
	if widest := send(m, tea.WindowSizeMsg{Width: 200, Height: 24}).View(); !strings.Contains(widest,
		"  10.1.0.11:80                    1    512      7   6.0k") {
		t.Errorf("figures are far from names:\n%s", widest)
	}
}
