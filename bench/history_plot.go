package bench

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// drawHistory draws a plot for each kind of work, with a line for each mode and family.
func drawHistory(folder, name string, list []Record) error {
	name = strings.TrimSuffix(name, filepath.Ext(name))
	for work, cases := range byWork() {
		p := plot.New()
		p.Title.Text = fmt.Sprintf("%s for a packet: %s", list[0].Unit, work)
		p.Y.Label.Text, p.Y.Min = list[0].Unit, 0
		p.Add(plotter.NewGrid())
		drawn := 0
		for _, c := range cases {
			points := pointsOf(list, c.String())
			if len(points) == 0 {
				continue
			}
			if err := addCase(p, c, points); err != nil {
				return fmt.Errorf("draw the history: %w", err)
			}
			drawn++
		}
		if drawn == 0 {
			continue
		}
		p.NominalX(commits(list)...)
		p.X.Min, p.X.Max = -0.5, float64(len(list))-0.5
		file := filepath.Join(folder, name+"-"+strings.ReplaceAll(work, " ", "-")+".svg")
		if err := save(p, file); err != nil {
			return fmt.Errorf("draw the history: %w", err)
		}
	}
	return nil
}

// byWork returns all cases by the name of their work.
func byWork() map[string][]Case {
	groups := map[string][]Case{}
	for _, c := range AllCases() {
		groups[c.work()] = append(groups[c.work()], c)
	}
	return groups
}

// pointsOf returns a case's costs by the number of the record.
func pointsOf(list []Record, name string) (points plotter.XYs) {
	for i, r := range list {
		if c, ok := r.Costs[name]; ok {
			points = append(points, plotter.XY{X: float64(i), Y: c.Total})
		}
	}
	return points
}

// addCase adds a line in the colour of the mode, dashed in IPv6.
func addCase(p *plot.Plot, c Case, points plotter.XYs) error {
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, line.Width = colours[slices.Index(allModes, c.Mode)%len(colours)], vg.Points(1.5)
	dots.Color = line.Color
	if c.Six {
		line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
	}
	p.Add(line, dots)
	p.Legend.Add(c.group(), line, dots)
	return nil
}

// commits labels the records.
func commits(list []Record) (names []string) {
	for _, r := range list {
		names = append(names, r.Commit[:min(len(r.Commit), 7)])
	}
	return names
}
