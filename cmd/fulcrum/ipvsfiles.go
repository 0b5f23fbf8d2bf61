package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"fulcrum/ipvsadm"
)

// shortestEvery is the shortest time between two writings of ipvs-files.
const shortestEvery = time.Second

func newIPVSFilesCommand() *cobra.Command {
	var w where
	var every time.Duration
	c := &cobra.Command{
		Use:   "ipvs-files FOLDER [--every DURATION]",
		Short: "Write the kernel's files ip_vs and ip_vs_stats for node_exporter",
		Long: "ipvs-files writes FOLDER/net/ip_vs and FOLDER/net/ip_vs_stats with the services and counters of a\n" +
			"running director, in the format of the kernel's files in /proc. With --every it goes on doing so,\n" +
			"and removes the files while the director does not answer, and at its end.",
		Example: "  fulcrum ipvs-files /run/fulcrum-proc --every 5s\n" +
			"  prometheus-node-exporter --collector.disable-defaults --collector.ipvs --path.procfs=/run/fulcrum-proc",
		Args: cobra.ExactArgs(1),
	}
	w.addFlags(c)
	c.Flags().DurationVar(&every, "every", 0, "write the files again and again, after this time")
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := w.client()
		if err != nil {
			return err
		}
		f := ipvsFiles{dialect: dialect{client, c}, folder: filepath.Join(args[0], "net")}
		switch {
		case !c.Flags().Changed("every"):
			return f.write(c.Context())
		case every < shortestEvery:
			return &exitError{code: 2, err: fmt.Errorf("invalid --every %s: use at least %s", every, shortestEvery)}
		}
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		return f.keep(ctx, every)
	}
	return c
}

// ipvsFiles writes the files ip_vs and ip_vs_stats.
type ipvsFiles struct {
	dialect
	folder string
	last   ipvsadm.Counters // of all services, when they were read last; valid if read is not zero
	read   time.Time
}

// keep writes the files until ctx ends.
func (f *ipvsFiles) keep(ctx context.Context, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	said := ""
	for ctx.Err() == nil {
		said = f.attempt(ctx, said)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return f.remove()
}

// attempt writes the files, or removes them and says why, unless it has said that the last time. It
// returns what is said now.
func (f *ipvsFiles) attempt(ctx context.Context, said string) string {
	err := f.write(ctx)
	switch {
	case err == nil:
		return ""
	case ctx.Err() != nil:
		return said
	}
	problem := errors.Join(err, f.remove()).Error()
	if problem != said {
		fmt.Fprintln(f.command.ErrOrStderr(), "fulcrum:", problem)
	}
	return problem
}

// remove removes the files: old numbers would pass for what is.
func (f *ipvsFiles) remove() error {
	var all error
	for _, name := range []string{"ip_vs", "ip_vs_stats"} {
		if err := os.Remove(filepath.Join(f.folder, name)); !errors.Is(err, os.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// write asks the director and writes both files.
func (f *ipvsFiles) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askDeadline)
	defer cancel()
	c, _, err := f.config(ctx)
	if err != nil {
		return err
	}
	services, err := f.services(ctx, c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.folder, 0o755); err != nil {
		return err
	}
	total, rates := f.count(services)
	return errors.Join(
		f.put("ip_vs", func(w io.Writer) error { return ipvsadm.WriteProc(w, services, c.Session.Max) }),
		f.put("ip_vs_stats", func(w io.Writer) error { return ipvsadm.WriteProcStats(w, total, rates) }),
	)
}

// count returns the sum of all counters, and their increase in a second since the last time, or 0.
func (f *ipvsFiles) count(services []ipvsadm.Service) (total, rates ipvsadm.Counters) {
	now := time.Now()
	total = ipvsadm.Total(services)
	if !f.read.IsZero() {
		rates = ipvsadm.Rates(total, f.last, now.Sub(f.read))
	}
	f.last, f.read = total, now
	return total, rates
}

// put replaces a file as a whole. Everybody may read it, as in /proc.
func (f *ipvsFiles) put(name string, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(f.folder, name), text.Bytes(), 0o644,
		renameio.WithTempDir(f.folder), renameio.WithStaticPermissions(0o644))
}
