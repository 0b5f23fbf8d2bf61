package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"
)

// Report is the outcome of a run of the benchmark.
type Report struct {
	Link     string    `json:"link,omitempty"` // "synth", or empty: a virtual one
	Machine  Machine   `json:"machine"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"` // of the whole run
	Figures  []*Figure `json:"figures"`
	Accounts []Account `json:"accounts,omitempty"` // of directors that dropped packets
}

// Save writes the report to a folder, as JSON, as a table and as plots.
func (r *Report) Save(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder for results: %w", err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	name := "report"
	if r.Link != "" {
		name = r.Link
	}
	if err := os.WriteFile(filepath.Join(folder, name+".json"), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	if err := r.saveTable(filepath.Join(folder, name+".txt")); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return r.savePlots(folder)
}

func (r *Report) saveTable(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.WriteTable(f)
}

// WriteTable writes the report as a table.
func (r *Report) WriteTable(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d CPUs, %s, %s, DPDK %s, %s, huge pages: %s, commit %s\n%s, %.0f s\n\n",
		m.CPU, m.CPUs, m.Memory, m.Kernel, m.DPDK, m.Go, m.HugePages, m.Commit, r.Started.Format(time.RFC3339), r.Seconds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "suite\tsubject\twhat\tsessions\tbytes\tmedian\tlow\thigh\tunit\tns/packet\tof testpmd\t\n")
	for _, f := range r.Figures {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t%s\t%s\t%s\t\n", f.Suite, f.Subject, f.Name+byWorkers(max(f.Workers, 1)),
			count(f.Sessions), count(f.Size),
			f.Median, f.Low, f.High, f.Unit, decimal(f.NsPerPacket, 1), decimal(f.Ratio, 2))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := errors.Join(r.writeCrews(w), r.writeLatencies(w)); err != nil {
		return err
	}
	return r.writeAccounts(w)
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func decimal(v float64, places int) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatFloat(v, 'f', places, 64)
}

// writeCrews writes what several workers forward relative to one, if that was measured.
func (r *Report) writeCrews(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\nworkers\twhat\tsessions\tof one worker\t\n")
	measured := false
	for _, f := range r.Figures {
		if f.OfOne != 0 {
			measured = true
			fmt.Fprintf(t, "%d, %s\t%s\t%s\t%.2f\t\n", f.Workers, f.Subject, f.Name, count(f.Sessions),
				f.OfOne)
		}
	}
	if !measured {
		return nil
	}
	return t.Flush()
}

// writeLatencies writes the percentiles of each figure that has them.
func (r *Report) writeLatencies(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\nlatency in ns\twhat\tp50\tp99\tp99.9\tp99.99\tmax\tloss\t\n")
	measured := false
	for _, f := range r.Figures {
		if l := f.Latency; l != nil {
			measured = true
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%.5f %%\t\n", f.Subject, f.Name, l.P50, l.P99,
				l.P999, l.P9999, l.Max, 100*f.Loss)
		}
	}
	if !measured {
		return nil
	}
	return t.Flush()
}

func (r *Report) writeAccounts(w io.Writer) error {
	for _, a := range r.Accounts {
		if _, err := fmt.Fprintf(w, "\n%s: %s dropped %v", a.Suite, a.Subject, a.Drops); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}
