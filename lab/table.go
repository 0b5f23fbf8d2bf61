package lab

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// columns are the columns of the table, in order.
var columns = []struct {
	title string
	cell  func(*Result) string
}{
	{"mode", func(r *Result) string { return r.Mode.String() }},
	{"http", func(r *Result) string { return r.Requests.String() }},
	{"udp", func(r *Result) string { return r.Echoes.String() }},
	{"upload", func(r *Result) string { return r.Upload.String() }},
	{"download", func(r *Result) string { return r.Download.String() }},
	{"spread", (*Result).spread},
	{"client seen", (*Result).seen},
	{"responses", (*Result).way},
	{"dropped", (*Result).drops},
	{"conservation", (*Result).conserved},
}

// WriteTable writes one row for each result, and below it what failed. Terminals get colour.
func WriteTable(w io.Writer, results []Result) {
	widths := columnWidths(results)
	var titles []string
	for _, c := range columns {
		titles = append(titles, c.title)
	}
	fmt.Fprintf(w, "\n      %s\n", row(titles, widths))
	for i := range results {
		fmt.Fprintf(w, "%s %s\n", mark(w, results[i].Green()), row(cells(&results[i]), widths))
	}
	for i := range results {
		writeFailures(w, &results[i])
	}
}

func cells(r *Result) []string {
	var list []string
	for _, c := range columns {
		list = append(list, c.cell(r))
	}
	return list
}

func columnWidths(results []Result) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = len(c.title)
		for j := range results {
			widths[i] = max(widths[i], len(c.cell(&results[j])))
		}
	}
	return widths
}

func row(cells []string, widths []int) string {
	var text strings.Builder
	for i, cell := range cells {
		fmt.Fprintf(&text, "%-*s  ", widths[i], cell)
	}
	return strings.TrimRight(text.String(), " ")
}

func writeFailures(w io.Writer, r *Result) {
	if r.Green() {
		return
	}
	fmt.Fprintf(w, "\n%s %s:\n", mark(w, false), r.Mode)
	writeFailureList(w, r)
}

func writeFailureList(w io.Writer, r *Result) {
	for _, failure := range r.Failures {
		fmt.Fprintf(w, "  - %s\n", strings.ReplaceAll(failure, "\n", "\n    "))
	}
	if r.DirectorLog != "" {
		fmt.Fprintf(w, "  the end of the director's log:\n    %s\n",
			strings.ReplaceAll(r.DirectorLog, "\n", "\n    "))
	}
}

// mark returns five columns: whether a result is green.
func mark(w io.Writer, green bool) string {
	word, colour := "FAIL ", 31
	if green {
		word, colour = "ok   ", 32
	}
	if !isTerminal(w) {
		return word
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, word)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}
