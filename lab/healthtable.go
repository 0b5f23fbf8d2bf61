package lab

import (
	"fmt"
	"io"
	"time"
)

// healthColumns are the columns of the table of a health trial, in order.
var healthColumns = []struct {
	title string
	cell  func(*HealthRow) string
}{
	{"mode", func(r *HealthRow) string { return r.mode }},
	{"checks", func(r *HealthRow) string { return r.Variant }},
	{"event", func(r *HealthRow) string { return r.Event }},
	{"noticed after", (*HealthRow).noticed},
	{"failed until then", func(r *HealthRow) string { return r.Until.failed() }},
	{"later", (*HealthRow).later},
	{"back after", (*HealthRow).back},
	{"failed since", func(r *HealthRow) string { return r.Return.failed() }},
}

// failed returns the requests that failed and those that were sent, such as "31 of 120".
func (t Tally) failed() string { return fmt.Sprintf("%d of %d", t.Sent-t.OK, t.Sent) }

func (r *HealthRow) noticed() string {
	if r.Noticed == 0 {
		return "not noticed"
	}
	return seconds(r.Noticed)
}

func (r *HealthRow) later() string {
	if r.Noticed == 0 {
		return "-"
	}
	return r.After.failed()
}

func (r *HealthRow) back() string {
	if r.Noticed == 0 {
		return "-"
	}
	return seconds(r.Back)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// describeBound returns the bound with what it is made of.
func (c *Checks) describeBound() string {
	return fmt.Sprintf("%s (interval %s x fall %d + timeout %s)",
		seconds(c.Bound()), c.Interval, c.Fall, c.Timeout)
}

// WriteHealthTable writes one row for each event, and below them what failed.
func WriteHealthTable(w io.Writer, results []HealthResult) {
	titles, rows := healthCells(results)
	widths := widthsOf(append(rows, titles))
	fmt.Fprintf(w, "\nto be noticed within %s\n      %s\n", healthChecks.describeBound(), row(titles, widths))
	for i := range results {
		for j := range results[i].Rows {
			fmt.Fprintf(w, "%s %s\n", mark(w, results[i].Rows[j].green), row(rows[0], widths))
			rows = rows[1:]
		}
	}
	for i := range results {
		writeFailures(w, &results[i].Result)
	}
}

// healthCells returns the titles, and the rows of all results.
func healthCells(results []HealthResult) (titles []string, rows [][]string) {
	for _, c := range healthColumns {
		titles = append(titles, c.title)
	}
	for i := range results {
		for j := range results[i].Rows {
			var cells []string
			for _, c := range healthColumns {
				cells = append(cells, c.cell(&results[i].Rows[j]))
			}
			rows = append(rows, cells)
		}
	}
	return titles, rows
}

// widthsOf returns the width of each column.
func widthsOf(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, cells := range rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], len(cell))
		}
	}
	return widths
}
