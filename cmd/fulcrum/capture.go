package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/capture"
)

// captureOptions holds the flags of fulcrum capture.
type captureOptions struct {
	where
	filter, file         string
	stages               []string
	packets, bytes, snap int
	duration             time.Duration
}

func newCaptureCommand() *cobra.Command {
	var o captureOptions
	c := &cobra.Command{
		Use:   "capture -w FILE",
		Short: "Record packets of a running director, with the reasons of drops",
		Long: "capture records packets as pcapng, for Wireshark: as they arrive (rx), as they leave (tx), or as\n" +
			"they are dropped (drop). A comment of a dropped packet gives the reason. capture ends at one of\n" +
			"its limits, or on SIGINT. It never delays forwarding: packets that arrive faster than they can be\n" +
			"written are missed, and counted.",
		Example: `  fulcrum capture --filter "tcp and host 10.0.0.1 and port 80" --stage rx,drop -w file.pcapng`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	o.addFlags(c)
	c.Flags().StringVar(&o.filter, "filter", "",
		"record only these packets: arp, ip, ip6, tcp, udp, sctp, icmp, icmp6, fragment, [src|dst] host, net, port;\n"+
			"not, and, or, ( )")
	c.Flags().StringSliceVar(&o.stages, "stage", []string{"rx"},
		"record packets at these points: rx, tx, drop, or several")
	c.Flags().StringVarP(&o.file, "write", "w", "", "write to this file; - is standard output")
	c.Flags().IntVarP(&o.packets, "packets", "c", 10_000, "end after this many packets")
	c.Flags().IntVar(&o.bytes, "bytes", 100<<20, "end after this many bytes of packets")
	c.Flags().IntVarP(&o.snap, "snap", "s", 256, "record at most this many bytes of each packet")
	c.Flags().DurationVar(&o.duration, "duration", time.Minute,
		"end after this time, in whole seconds")
	completeWords(c, "stage", capture.StageNames()...)
	return c
}

func (o *captureOptions) validate() error {
	switch {
	case o.file == "":
		return errors.New("no file to write: give it with -w FILE, or -w - for standard output")
	case o.duration < time.Second || o.duration%time.Second != 0:
		return fmt.Errorf("invalid --duration %s: give whole seconds, such as 10s", o.duration)
	}
	return nil
}

func (o *captureOptions) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := o.validate(); err != nil {
		return &exitError{code: 2, err: err}
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	answer, err := client.Get(ctx, "capture", url.Values{
		"filter": {o.filter}, "stage": o.stages, "packets": {strconv.Itoa(o.packets)}, "bytes": {strconv.Itoa(o.bytes)},
		"snap": {strconv.Itoa(o.snap)}, "seconds": {strconv.Itoa(int(o.duration / time.Second))},
	})
	if errors.Is(err, context.Canceled) {
		return errors.New("no packet was recorded")
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if err := o.save(answer.Body, stdout); err != nil && ctx.Err() == nil {
		return err
	}
	return endOfCapture(answer.Trailer, stderr)
}

// save writes the capture to the file.
func (o *captureOptions) save(from io.Reader, stdout io.Writer) error {
	if o.file == "-" {
		return copyCapture(stdout, from)
	}
	file, err := os.Create(o.file)
	if err != nil {
		return fmt.Errorf("write the capture: %w; see -w", err)
	}
	return errors.Join(copyCapture(file, from), file.Close())
}

// copyCapture distinguishes a director that broke off from a file that cannot be written. Errors of
// the file name it.
func copyCapture(to io.Writer, from io.Reader) error {
	_, err := io.Copy(to, from)
	if _, ours := errors.AsType[*fs.PathError](err); err == nil || ours {
		return err
	}
	return fmt.Errorf("the director broke off the capture: %w", err)
}

// endOfCapture reports how the capture ended. A capture that was interrupted here has no trailer.
func endOfCapture(trailer http.Header, stderr io.Writer) error {
	if e := trailer.Get(api.ErrorTrailer); e != "" {
		return errors.New(e)
	}
	if n := trailer.Get(api.MissedTrailer); n != "" && n != "0" {
		fmt.Fprintf(stderr, "%s packets were missed: they arrived faster than they could be written; narrow the filter\n", n)
	}
	return nil
}
