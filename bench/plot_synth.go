package bench

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// drawSynth draws a group of bars for each mode and family, of the times without a link.
func drawSynth(r *Report) (*plot.Plot, error) {
	if r.Link != linkSynth {
		return nil, nil
	}
	p := newPlot(r, "Time for a packet, without a link", oneCPU, "", "ns")
	err := r.addGroups(p, AllCases(), func(c Case) float64 {
		if c.Workers > 0 {
			return 0
		}
		return r.timeOf(c)
	})
	return p, err
}

// drawCrews draws a group of bars for each mode, of what several workers forward relative to one.
func drawCrews(r *Report) (*plot.Plot, error) {
	ofOne := func(c Case) float64 {
		if f := r.figureOf(c); f != nil {
			return f.OfOne
		}
		return 0
	}
	if !slices.ContainsFunc(AllCases(), func(c Case) bool { return ofOne(c) > 0 }) {
		return nil, nil
	}
	cpus := fmt.Sprintf("%d forwarding CPUs", crew)
	p := newPlot(r, "Several workers, without a link", cpus, "", "rate, relative to one worker's")
	p.Y.Max = crew
	return p, r.addGroups(p, AllCases(), ofOne)
}

// addGroups adds a group of bars for each mode and family, with a bar for each kind of work. What
// has no value in any case is left out.
func (r *Report) addGroups(p *plot.Plot, cases []Case, valueOf func(Case) float64) error {
	cases = slices.DeleteFunc(cases, func(c Case) bool { return valueOf(c) == 0 })
	groups, works := distinctCases(cases, Case.group), distinctCases(cases, Case.work)
	for i, work := range works {
		values := make(plotter.Values, len(groups))
		for _, c := range cases {
			if c.work() == work {
				values[slices.Index(groups, c.group())] = valueOf(c)
			}
		}
		if err := addBars(p, work, values, i, len(works)); err != nil {
			return err
		}
	}
	p.NominalX(groups...)
	p.Y.Min = 0
	return nil
}

// distinctCases returns the values that cases have, each once.
func distinctCases(cases []Case, of func(Case) string) (list []string) {
	for _, c := range cases {
		if v := of(c); !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}
