package bench

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// drawing makes a plot of a report. It returns nil if the report has no figures for it.
type drawing struct {
	name string
	draw func(*Report) (*plot.Plot, error)
}

var drawings = []drawing{
	{"throughput-by-mode", drawModes},
	{"throughput-by-sessions", drawSessions},
	{"latency", drawLatency},
	{"synth", drawSynth},
	{"synth-workers", drawCrews},
}

const (
	plotWidth  = 8 * vg.Inch
	plotHeight = 5 * vg.Inch
	margin     = 10 * vg.Length(1) // points, around everything
	legendDrop = 40 * vg.Length(1) // points, so that it begins below the title
)

// savePlots draws every plot that the report has figures for, as SVG and as PNG.
func (r *Report) savePlots(folder string) error {
	for _, d := range drawings {
		p, err := d.draw(r)
		if err != nil {
			return fmt.Errorf("draw %s: %w", d.name, err)
		}
		if p == nil {
			continue
		}
		for _, format := range []string{"svg", "png"} {
			if err := save(p, filepath.Join(folder, d.name+"."+format)); err != nil {
				return fmt.Errorf("draw %s: %w", d.name, err)
			}
		}
	}
	return nil
}

// save draws a plot with its legend beside it, where it hides nothing, in the format that the
// file's name ends with.
func save(p *plot.Plot, file string) error {
	c, err := draw.NewFormattedCanvas(plotWidth, plotHeight, strings.TrimPrefix(filepath.Ext(file), "."))
	if err != nil {
		return err
	}
	all := draw.Crop(draw.New(c), margin, -margin, margin, -margin)
	all.SetColor(color.White)
	all.Fill(draw.New(c).Rectangle.Path())
	bare, legend := *p, p.Legend
	bare.Legend = plot.NewLegend()
	legend.Top, legend.Left, legend.YOffs = true, true, -legendDrop
	width := legend.Rectangle(all).Size().X + margin
	bare.Draw(draw.Crop(all, 0, -width, 0, 0))
	legend.Draw(draw.Crop(all, all.Rectangle.Size().X-width+margin, 0, 0, 0))
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = c.WriteTo(f)
	return errors.Join(err, f.Close())
}

// colours are distinct for colour-blind readers too (Okabe and Ito, "Color universal design").
var colours = []color.Color{
	color.RGBA{0x00, 0x72, 0xb2, 0xff}, color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	color.RGBA{0x00, 0x9e, 0x73, 0xff}, color.RGBA{0xcc, 0x79, 0xa7, 0xff},
	color.RGBA{0x56, 0xb4, 0xe9, 0xff}, color.RGBA{0xd5, 0x5e, 0x00, 0xff},
}

const oneCPU = "one forwarding CPU"

// newPlot returns an empty plot with the machine's name below the title, and how many of its CPUs
// forward.
func newPlot(r *Report, title, cpus, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title + "\n" + r.Machine.CPU + ", " + cpus + "\n"
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.Add(plotter.NewGrid())
	return p
}

// forwardings returns the throughputs of known flows with the smallest frames, without testpmd's.
func (r *Report) forwardings() (figures []*Figure, baseline float64) {
	for _, f := range r.Figures {
		switch {
		case f.Suite != "throughput" || f.Name != forwarding || f.Size != MinSize:
		case f.Subject == baselineName:
			baseline = f.Median
		default:
			figures = append(figures, f)
		}
	}
	return figures, baseline
}

// drawModes draws a group of bars for each mode, with a bar for each number of sessions.
func drawModes(r *Report) (*plot.Plot, error) {
	figures, baseline := r.forwardings()
	if len(figures) == 0 {
		return nil, nil
	}
	p := newPlot(r, "Throughput, 64-byte frames", oneCPU, "", unitPackets)
	subjects := distinct(figures, func(f *Figure) string { return f.Subject })
	sessions := distinct(figures, func(f *Figure) int { return f.Sessions })
	for i, n := range sessions {
		values := valuesOf(figures, subjects, n)
		if err := addBars(p, inWords(n)+" sessions", values, i, len(sessions)); err != nil {
			return nil, err
		}
	}
	p.NominalX(subjects...)
	p.Y.Min = 0
	return p, addBaseline(p, baseline, -0.5, float64(len(subjects))-0.5)
}

// addBars adds one bar to each group of so many.
func addBars(p *plot.Plot, name string, values plotter.Values, number, of int) error {
	width := groupsWidth * 0.8 / vg.Length(len(values)*of)
	bars, err := plotter.NewBarChart(values, width)
	if err != nil {
		return err
	}
	bars.Color, bars.LineStyle.Width = colours[number%len(colours)], 0
	bars.Offset = width * vg.Length(float64(number)-float64(of-1)/2)
	p.Add(bars)
	p.Legend.Add(name, bars)
	return nil
}

// groupsWidth is about the width of a plot without its axis and legend. All groups of bars fill
// four fifths of it.
const groupsWidth = 6 * vg.Inch

// valuesOf returns the median of each subject with this number of sessions.
func valuesOf(figures []*Figure, subjects []string, sessions int) plotter.Values {
	values := make(plotter.Values, len(subjects))
	for _, f := range figures {
		if f.Sessions == sessions {
			values[slices.Index(subjects, f.Subject)] = f.Median
		}
	}
	return values
}

// drawSessions draws a line for each mode.
func drawSessions(r *Report) (*plot.Plot, error) {
	figures, baseline := r.forwardings()
	sessions := distinct(figures, func(f *Figure) int { return f.Sessions })
	if len(sessions) < 2 {
		return nil, nil
	}
	p := newPlot(r, "Throughput by sessions, 64-byte frames", oneCPU, "sessions", unitPackets)
	for i, subject := range distinct(figures, func(f *Figure) string { return f.Subject }) {
		var points plotter.XYs
		for _, f := range figures {
			if f.Subject == subject {
				points = append(points, plotter.XY{X: float64(f.Sessions), Y: f.Median})
			}
		}
		if err := addLine(p, subject, points, i); err != nil {
			return nil, err
		}
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, powersOfTen{}
	p.Y.Min = 0
	return p, addBaseline(p, baseline, float64(slices.Min(sessions)), float64(slices.Max(sessions)))
}

// drawLatency draws a line for each subject, over the number of nines of the share that is faster.
func drawLatency(r *Report) (*plot.Plot, error) {
	p := newPlot(r, "Latency at 80 % of the highest rate at which 0.5 % is lost", oneCPU, "share of packets that are faster", "µs")
	drawn := 0
	for _, f := range r.Figures {
		if f.Suite != "latency" || f.Latency == nil {
			continue
		}
		name := f.Subject + strings.TrimPrefix(f.Name, atLoad)
		if err := addLine(p, name, curve(f.Latency), drawn); err != nil {
			return nil, err
		}
		drawn++
	}
	if drawn == 0 {
		return nil, nil
	}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, powersOfTen{}
	p.X.Tick.Marker = nines
	return p, nil
}

// nines are the ticks of a latency curve.
var nines = plot.ConstantTicks{
	{Value: 0, Label: "0"}, {Value: 1, Label: "90 %"}, {Value: 2, Label: "99 %"}, {Value: 3, Label: "99.9 %"},
	{Value: 4, Label: "99.99 %"}, {Value: 5, Label: "99.999 %"}, {Value: 6, Label: "all"},
}

func curve(l *Latency) plotter.XYs {
	var points plotter.XYs
	for i, ns := range l.Curve {
		x := min(6, -math.Log10(1-CurveQuantiles[i]))
		points = append(points, plotter.XY{X: x, Y: max(float64(ns), 1) / 1000})
	}
	return points
}

func addLine(p *plot.Plot, name string, points plotter.XYs, number int) error {
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, line.Width = colours[number%len(colours)], vg.Points(1.5)
	dots.Color = line.Color
	p.Add(line, dots)
	p.Legend.Add(name, line, dots)
	return nil
}

// addBaseline draws testpmd's rate as a horizontal line.
func addBaseline(p *plot.Plot, rate, from, to float64) error {
	if rate == 0 {
		return nil
	}
	line, err := plotter.NewLine(plotter.XYs{{X: from, Y: rate}, {X: to, Y: rate}})
	if err != nil {
		return err
	}
	line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
	p.Add(line)
	p.Legend.Add("testpmd, no sessions", line)
	return nil
}

// powersOfTen labels the powers of ten in words.
type powersOfTen struct{}

// Ticks returns a tick for each power of ten from low to high (plot.Ticker).
func (powersOfTen) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		v := math.Pow(10, e)
		label := strconv.FormatFloat(v, 'g', -1, 64)
		if v >= 1 {
			label = inWords(int(v))
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: label})
	}
	return ticks
}

// inWords shortens a round number: 10k, 1M.
func inWords(n int) string {
	text := strconv.Itoa(n)
	for _, unit := range []string{"k", "M"} {
		short, round := strings.CutSuffix(strings.TrimRight(text, "kM"), "000")
		if !round {
			break
		}
		text = short + unit
	}
	return text
}

// distinct returns the values that figures have, each once, in order of appearance.
func distinct[T comparable](figures []*Figure, of func(*Figure) T) []T {
	var list []T
	for _, f := range figures {
		if v := of(f); !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}
