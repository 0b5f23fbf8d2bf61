package top

import (
	"time"

	"github.com/charmbracelet/bubbles/help"
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"fulcrum/control"
)

// Sample is a report with its time, or the error of the attempt to read one.
type Sample struct {
	At     time.Time       // when it was read
	Report *control.Report // valid if Err is nil
	Err    error
}

// Model is the state of the view.
type Model struct {
	read     func() Sample
	interval time.Duration

	width, height int
	last          Sample    // the newest that has a report
	err           error     // why there is no report since
	rates         rates     // between the last two
	history       []float64 // packets received a second, newest last
	first         int       // the first line of the services that is shown
	list          list
	help          help.Model
}

// New returns a view that calls read once an interval.
func New(read func() Sample, interval time.Duration) Model {
	return Model{read: read, interval: interval, width: 80, height: 24, list: newList(), help: newHelp()}
}

// tick is the message that it is time for the next sample.
type tick struct{}

// Init reads the first sample.
func (m Model) Init() tea.Cmd { return m.sample }

func (m Model) sample() tea.Msg { return m.read() }

// Update handles a message.
func (m Model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case Sample:
		m.take(message)
		return m, tea.Tick(m.interval, func(time.Time) tea.Msg { return tick{} })
	case tick:
		return m, m.sample
	case tea.WindowSizeMsg:
		if message.Width > 0 && message.Height > 0 { // a terminal that does not know its size reports 0
			m.width, m.height = message.Width, message.Height
		}
	case tea.KeyMsg:
		if m.list.filter.Focused() && message.Type != tea.KeyCtrlC {
			m.list.typed(message)
			return m, nil
		}
		return m.press(message)
	}
	return m, nil
}

func (m Model) press(k tea.KeyMsg) (tea.Model, tea.Cmd) {
	m.first = min(m.first, m.lastFirst())
	if m.list.press(k) {
		return m, nil
	}
	switch {
	case key.Matches(k, keys.quit):
		return m, tea.Quit
	case key.Matches(k, keys.down):
		m.first++
	case key.Matches(k, keys.up):
		m.first--
	case key.Matches(k, keys.pageDown):
		m.first += m.height / 2
	case key.Matches(k, keys.pageUp):
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

// serviceLines returns the number of lines of the chosen services and their real servers.
func (m *Model) serviceLines() int {
	if m.last.Report == nil {
		return 0
	}
	n := 0
	for _, s := range m.chosen() {
		n++
		if !m.list.folded {
			n += len(s.RealServers) + len(m.checkLines(s))
		}
	}
	return n
}
