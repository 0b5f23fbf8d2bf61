package top

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/google/go-cmp/cmp"

	"fulcrum/control"
)

var update = flag.Bool("update", false, "write testdata/*.txt anew")

var begin = time.Date(2025, time.January, 2, 3, 4, 5, 0, time.UTC)

// report returns a director's report after n seconds of steady traffic.
func report(n uint64) *control.Report {
	second := control.Traffic{
		Connections: 12_000 * n, InPackets: 1_250_000 * n, InBytes: 80_000_000 * n,
		OutPackets: 900_000 * n, OutBytes: 1_100_000_000 * n,
	}
	half := control.Traffic{
		Connections: 6_000 * n, InPackets: 625_000 * n, InBytes: 40_000_000 * n, OutPackets: 450_000 * n,
		OutBytes: 550_000_000 * n,
	}
	return &control.Report{
		Received: 2_150_000 * n, Transmitted: 2_149_990 * n, Drops: map[string]uint64{"no_session": 8 * n,
			"no_service": 2 * n, "tx_full": 17},
		Services: []control.ServiceReport{{
			Name: "web", Address: "10.0.0.100:80", Protocol: "tcp", Mode: "nat", Traffic: second,
			RealServers: []control.RealServerReport{
				{Address: "10.1.0.11:80", Weight: 1, Active: 512, Traffic: half}, {Address: "10.1.0.12:80", Weight: 3, Active: 48_000, Traffic: half},
			},
		}, {Name: "dns", Address: "[fd00::100]:53", Protocol: "udp", Mode: "dr"}},
		Workers: []control.WorkerReport{
			{CPU: 1, Received: 2_000_000 * n, Sessions: 1_000_000, BusyMs: int64(450 * n)}, {CPU: 2, Received: 150_000 * n, Sessions: 250_000, BusyMs: int64(30 * n)},
		},
	}
}

// troubled returns a report with real servers that are not up, or not known to be.
func troubled() *control.Report {
	return &control.Report{Services: []control.ServiceReport{{
		Name: "web", Address: "[fd00::100]:80", Protocol: "tcp", Mode: "nat",
		RealServers: []control.RealServerReport{
			{Address: "[fd00:10:1::11]:80", Weight: 1, State: "up"},
			{Address: "[fd00:10:1::12]:80", Weight: 1, State: "syns_unanswered"},
			{Address: "10.1.0.13:80", Weight: 1, State: "no_neighbour"},
			{Address: "10.1.0.14:80", State: "draining"},
			{Address: "10.1.0.15:80", Weight: 1},
		},
	}}}
}

// checked returns a report of real servers with checks, of which many are down.
func checked() *control.Report {
	at := begin.Add(time.Second)
	refused := &control.CheckReport{At: at, Latency: 0.3, Reason: "connect: connection refused"}
	r := &control.Report{Services: []control.ServiceReport{{
		Name: "web", Address: "10.0.0.100:80", Protocol: "tcp", Mode: "nat",
		RealServers: []control.RealServerReport{
			{Address: "10.1.0.11:80", Weight: 1, State: "up", Health: &control.CheckReport{
				At: at, Up: true, Good: true, Latency: 1.25, Reason: "status 200"}},
			{Address: "10.1.0.12:80", Weight: 1, State: "up", Health: &control.CheckReport{Up: true}},
		},
	}}}
	for i := range 5 {
		r.Services[0].RealServers = append(r.Services[0].RealServers, control.RealServerReport{
			Address: fmt.Sprintf("10.1.0.2%d:80", i), Weight: 1, State: "down",
			Why: refused.Reason, Health: refused,
		})
	}
	return r
}

// TestReasonsAreBounded: whatever real servers say, and however many are down, a line fits the
// screen and few of them have one, unless the user asks for all.
func TestReasonsAreBounded(t *testing.T) {
	r := checked()
	for i := range r.Services[0].RealServers {
		rs := &r.Services[0].RealServers[i]
		rs.Health.Reason, rs.Why = strings.Repeat("long ", 100), strings.Repeat("long ", 100)
	}
	for range 1000 {
		r.Services[0].RealServers = append(r.Services[0].RealServers, r.Services[0].RealServers[2])
	}
	for _, pressed := range []string{"", "c"} {
		m := send(send(New(nil, time.Second), Sample{At: begin, Report: r}), presses(pressed)...)
		fits(t, m, m.View())
		if lines, want := len(m.services()), m.serviceLines(); lines != want || pressed == "" && lines != 1+1007+mostReasons {
			t.Errorf("after %q: %d lines, %d counted", pressed, lines, want)
		}
		end := send(m, tea.KeyMsg{Type: tea.KeyPgDown})
		for range 200 {
			end = send(end, tea.KeyMsg{Type: tea.KeyPgDown})
		}
		fits(t, end, end.View())
	}
}

// after gives the model a sample for each second.
func after(m Model, seconds ...uint64) Model {
	for _, n := range seconds {
		next, _ := m.Update(Sample{At: begin.Add(time.Duration(n) * time.Second), Report: report(n)})
		m = next.(Model)
	}
	return m
}

func send(m Model, messages ...tea.Msg) Model {
	for _, message := range messages {
		next, _ := m.Update(message)
		m = next.(Model)
	}
	return m
}

// TestFrames compares screens with testdata. -update writes them anew; read the difference then.
func TestFrames(t *testing.T) {
	fresh := New(nil, time.Second)
	down := tea.KeyMsg{Type: tea.KeyDown}
	for name, m := range map[string]Model{
		"waiting":  fresh,
		"first":    after(fresh, 1),
		"running":  after(fresh, 1, 2, 3, 4),
		"small":    send(after(fresh, 1, 2), tea.WindowSizeMsg{Width: 60, Height: 14}, down),
		"troubled": send(fresh, Sample{At: begin, Report: troubled()}),
		"down":     send(fresh, Sample{At: begin, Report: checked()}),
		"checks":   send(send(fresh, Sample{At: begin, Report: checked()}), presses("c")...),
		"vanished": send(after(fresh, 1, 2), Sample{Err: errors.New("ask the director: connection refused")}),
	} {
		t.Run(name, func(t *testing.T) {
			frame := m.View() + "\n"
			fits(t, m, frame)
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(frame), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), frame); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func fits(t *testing.T, m Model, frame string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(frame, "\n"), "\n")
	if len(lines) > m.height {
		t.Errorf("%d lines on a screen of %d", len(lines), m.height)
	}
	for _, l := range lines {
		if n := len([]rune(l)); n > m.width {
			t.Errorf("%d characters on a screen of %d: %s", n, m.width, l)
		}
	}
}

// TestEveryScreenFits: the screen fits terminals of any size.
func TestEveryScreenFits(t *testing.T) {
	m := after(New(nil, time.Second), 1, 2, 3)
	for width := range 120 {
		for height := 1; height < 40; height += 3 {
			m = send(m, tea.WindowSizeMsg{Width: width, Height: height}, tea.KeyMsg{Type: tea.KeyPgDown})
			fits(t, m, m.View()+"\n")
		}
	}
}

// longNames returns a report of services whose names and addresses are nearly as long as possible.
func longNames() *control.Report {
	r := report(1)
	r.Services = []control.ServiceReport{
		{Name: "web", Address: "10.0.0.100:80", Protocol: "tcp", Mode: "fullnat"},
		{
			Name: "service-number-1-with-a-long-name", Address: "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:443", Protocol: "tcp", Mode: "dr",
			RealServers: []control.RealServerReport{{Address: "[fd00::11]:443"},
				{Address: "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:11]:443"}},
		},
	}
	return r
}

// TestLongNames: a cut name shows that it is cut, a cut address keeps its end, and a wider terminal
// shows more.
func TestLongNames(t *testing.T) {
	m := send(New(nil, time.Second), Sample{At: begin, Report: longNames()})
	for width, want := range map[int][]string{
		80: {"web tcp 10.0.0.100:80 fulln…  ", "service-number-1-with-a-lon…  ", "  [fd00::11]:443  ",
			"  [2001:db…dddd:eeee:11]:443  "},
		150: {"web tcp 10.0.0.100:80 fullnat  ",
			"-with-a-long-name tcp [2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:443 dr  ", "  [2001:db8:aaaa:bbbb:cccc:dddd:eeee:11]:443  "},
	} {
		frame := send(m, tea.WindowSizeMsg{Width: width, Height: 24}).View()
		fits(t, Model{width: width, height: 24}, frame)
		for _, part := range want {
			if !strings.Contains(frame, part) {
				t.Errorf("%d columns: no %q in\n%s", width, part, frame)
			}
		}
	}
}

// TestScrollingEndsAtTheEnd: after too many presses of a key the opposite key works at once.
func TestScrollingEndsAtTheEnd(t *testing.T) {
	down, up := tea.KeyMsg{Type: tea.KeyPgDown}, tea.KeyMsg{Type: tea.KeyUp}
	m := send(after(New(nil, time.Second), 1), tea.WindowSizeMsg{Width: 80, Height: 14})
	end := send(m, down, down, down, down)
	if send(end, down).View() != end.View() {
		t.Error("there is more after the end")
	}
	if m.View() == end.View() || send(end, up).View() == end.View() {
		t.Error("a key shows nothing else")
	}
	send(New(nil, time.Second), down, up) // before the first report there is nothing to scroll
}

func TestKeysQuit(t *testing.T) {
	for _, k := range []tea.KeyMsg{{Type: tea.KeyRunes, Runes: []rune("q")}, {Type: tea.KeyEsc},
		{Type: tea.KeyCtrlC}} {
		_, command := New(nil, time.Second).Update(k)
		if command == nil {
			t.Fatalf("%s does nothing", k)
		}
		if _, quits := command().(tea.QuitMsg); !quits {
			t.Errorf("%s does not quit", k)
		}
	}
}

// TestReadsOnAndOn: a pause follows a sample, and then the next sample, also after a failed one.
func TestReadsOnAndOn(t *testing.T) {
	reads := 0
	m := New(func() Sample { reads++; return Sample{Err: errors.New("not yet")} }, time.Millisecond)
	message := m.Init()()
	for range 3 {
		_, pause := m.Update(message)
		_, read := m.Update(pause())
		message = read()
	}
	if reads != 4 {
		t.Errorf("%d samples, want 4", reads)
	}
}

// TestRatesOfARestart: counts that start again from zero give no rates.
func TestRatesOfARestart(t *testing.T) {
	r := newRates(Sample{begin, report(9), nil}, Sample{begin.Add(time.Second), report(1), nil})
	if r.received != 0 || r.dropped != 0 || r.busy[0] != 0 {
		t.Errorf("%+v", r)
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 7: "7", 999.4: "999", 999.6: "1.0k", 9_949: "9.9k",
		12_345: "12k", 2_150_000: "2.1M", 8.8e9: "8.8G", 5e12: "5T"} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %s, want %s", v, got, want)
		}
	}
}

// Templates have a line where there are some.
func TestTemplates(t *testing.T) {
	m := Model{last: Sample{Report: new(control.Report)}, width: 80}
	if got := strings.Join(m.head(), "\n"); strings.Contains(got, "templates") {
		t.Errorf("none:\n%s", got)
	}
	m.last.Report.Templates = control.TemplateReport{InUse: 12_000, Limit: 100_000}
	if got := strings.Join(m.head(), "\n"); !strings.Contains(got, "\ntemplates 12k of 100k\n\n") {
		t.Errorf("some:\n%s", got)
	}
}
