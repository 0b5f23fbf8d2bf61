package top

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"fulcrum/control"
)

// Sample is a report as of a moment, or why there is none.
type Sample struct {
	At     time.Time
	Report *control.Report
	Err    error
}

// Model is the view's state.
type Model struct {
	read     func() Sample
	interval time.Duration

	width, height int
	last          Sample    // the newest with a report
	err           error     // why there is none since
	rates         rates     // between the last two
	history       []float64 // packets received a second, the newest last
	first         int       // line of the services that is shown first
}

// New makes a view that reads a sample once an interval.
func New(read func() Sample, interval time.Duration) Model {
	return Model{read: read, interval: interval, width: 80, height: 24}
}

// tick says that it is time for the next sample.
type tick struct{}

// Init reads the first sample.
func (m Model) Init() tea.Cmd { return m.sample }

func (m Model) sample() tea.Msg { return m.read() }

// Update takes a message in.
func (m Model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case Sample:
		m.take(message)
		return m, tea.Tick(m.interval, func(time.Time) tea.Msg { return tick{} })
	case tick:
		return m, m.sample
	case tea.WindowSizeMsg:
		if message.Width > 0 && message.Height > 0 { // a terminal that does not know its size says 0
			m.width, m.height = message.Width, message.Height
		}
	case tea.KeyMsg:
		return m.press(message.String())
	}
	return m, nil
}

func (m Model) press(key string) (tea.Model, tea.Cmd) {
	m.first = min(m.first, m.lastFirst())
	switch key {
	case "q", "esc", "ctrl+c":
		return m, tea.Quit
	case "down", "j":
		m.first++
	case "up", "k":
		m.first--
	case "pgdown", " ":
		m.first += m.height / 2
	case "pgup":
		m.first -= m.height / 2
	}
	m.first = max(0, min(m.first, m.lastFirst()))
	return m, nil
}

// historySize is how many samples the sparkline shows at most.
const historySize = 200

func (m *Model) take(s Sample) {
	if m.err = s.Err; s.Err != nil {
		return
	}
	if m.last.Report != nil {
		m.rates = newRates(m.last, s)
		m.history = append(m.history, m.rates.received)
		m.history = m.history[max(0, len(m.history)-historySize):]
	}
	m.last = s
}

// serviceLines counts the lines of all services and real servers.
func (m *Model) serviceLines() int {
	if m.last.Report == nil {
		return 0
	}
	n := 0
	for _, s := range m.last.Report.Services {
		n += 1 + len(s.RealServers)
	}
	return n
}
