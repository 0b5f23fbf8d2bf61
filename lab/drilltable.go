package lab

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// drillColumns are the columns of the table of a drill, in order.
var drillColumns = []struct {
	title string
	cell  func(*DrillResult) string
}{
	{"mode", func(r *DrillResult) string { return r.Mode.String() }},
	{"drill", func(r *DrillResult) string { return string(r.Kind) }},
	{"sessions kept", func(r *DrillResult) string { return r.Line }},
	{"dark", (*DrillResult).dark},
	{"TCP lost", func(r *DrillResult) string { return r.TCP.failed() }},
	{"longest wait", func(r *DrillResult) string { return fmt.Sprintf("%d ms", r.Slowest.Milliseconds()) }},
	{"UDP lost", func(r *DrillResult) string { return r.UDP.failed() }},
	{"new failed", func(r *DrillResult) string { return r.New.failed() }},
}

// dark says how long there was no director, and whether that is longer than the aim.
func (r *DrillResult) dark() string {
	text := fmt.Sprintf("%d ms", r.Dark.Milliseconds())
	if r.Dark > r.Kind.aim() {
		text += ", too long"
	}
	return text
}

// WriteDrillTable writes one row for each drill, and below them what failed.
func WriteDrillTable(w io.Writer, results []DrillResult) {
	var titles []string
	for _, c := range drillColumns {
		titles = append(titles, c.title)
	}
	rows := [][]string{titles}
	for i := range results {
		var cells []string
		for _, c := range drillColumns {
			cells = append(cells, c.cell(&results[i]))
		}
		rows = append(rows, cells)
	}
	widths := widthsOf(rows)
	fmt.Fprintf(w, "\nthe aims: no connection lost, dark for less than %s\n      %s\n", aims(results),
		row(titles, widths))
	for i := range results {
		fmt.Fprintf(w, "%s %s\n", mark(w, results[i].Green()), row(rows[i+1], widths))
	}
	for i := range results {
		writeFailures(w, &results[i].Result)
	}
}

// aims returns the longest times in the dark that the drills aim at, such as "1 s" or "50 ms".
func aims(results []DrillResult) string {
	var all []string
	for i := range results {
		text := results[i].Kind.aim().String()
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, " or ")
}
