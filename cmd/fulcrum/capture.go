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
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/capture"
)

// captureOptions holds the flags of fulcrum capture.
type captureOptions struct {
	where
	expression           string
	session              string
	filter, file         string
	stages               []string
	packets, bytes, snap int
	duration             time.Duration
}

func newCaptureCommand() *cobra.Command {
	var o captureOptions
	c := &cobra.Command{
		Use:   "capture -w FILE [EXPRESSION]",
		Short: "Record packets of a running director, with the reasons of drops",
		Long: "capture records packets as pcapng, for Wireshark: as they arrive (rx), as they leave (tx), or as\n" +
			"they are dropped (drop). A comment of a dropped packet gives the reason. EXPRESSION is one of\n" +
			"tcpdump's (man pcap-filter). capture ends at one of its limits, or on SIGINT, and says how many\n" +
			"packets it has recorded. It never delays forwarding: packets that arrive faster than they can be\n" +
			"written are missed, and counted.",
		Example: `  fulcrum capture --stage rx,drop -w file.pcapng 'tcp port 80 and host 10.0.0.1'
  fulcrum capture --stage rx,tx -w file.pcapng --session '198.51.100.7:4242 10.0.0.100:80'`,
		RunE: func(c *cobra.Command, words []string) error {
			o.expression = strings.Join(words, " ")
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	o.addFlags(c)
	c.Flags().StringVar(&o.session, "session", "",
		"record only packets of these sessions, on both legs: '[PROTOCOL] CLIENT[:PORT] [VIP[:PORT]]'")
	c.Flags().StringVar(&o.filter, "filter", "",
		"record only these packets, in the director's own words: arp, ip, ip6, tcp, udp, sctp, icmp, icmp6, fragment, [src|dst] host, net, port;\n"+
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
	interrupted, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	streaming, abort := context.WithCancel(ctx)
	defer abort()
	unstarted := context.AfterFunc(interrupted, abort)
	answer, err := client.Get(streaming, "capture", o.query())
	if !unstarted() || errors.Is(err, context.Canceled) {
		return errors.New("no packet was recorded")
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	defer context.AfterFunc(interrupted, func() {
		endCapture(ctx, client, answer.Header.Get(api.CaptureHeader), abort)
	})()
	var counted capture.Counter
	err = o.save(answer.Body, stdout, &counted)
	if errors.Is(err, context.Canceled) {
		err = nil // interrupted, and the director did not end the capture in time
	}
	return errors.Join(err, endOfCapture(counted.Packets, answer.Trailer, stderr))
}

// query returns the parameters of the request.
func (o *captureOptions) query() url.Values {
	q := url.Values{
		"stage": o.stages, "packets": {strconv.Itoa(o.packets)}, "bytes": {strconv.Itoa(o.bytes)},
		"snap": {strconv.Itoa(o.snap)}, "seconds": {strconv.Itoa(int(o.duration / time.Second))},
	}
	for name, text := range map[string]string{
		"expression": o.expression, "session": o.session, "filter": o.filter,
	} {
		if text != "" {
			q.Set(name, text)
		}
	}
	return q
}

// endPatience is how long the director may take to end an interrupted capture.
const endPatience = 3 * time.Second

// endCapture asks the director to end the capture, so that the stream comes to its end and tells
// what was missed. It aborts the stream if that takes too long.
func endCapture(ctx context.Context, client *api.Client, id string, abort func()) {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	if client.Do(ctx, http.MethodDelete, "capture/"+url.PathEscape(id), nil, nil) != nil {
		abort()
		return
	}
	time.AfterFunc(endPatience, abort)
}

// save writes the capture to the file and, once written, to the counter.
func (o *captureOptions) save(from io.Reader, stdout io.Writer, counted *capture.Counter) error {
	if o.file == "-" {
		return copyCapture(io.MultiWriter(stdout, counted), from)
	}
	file, err := os.Create(o.file)
	if err != nil {
		return fmt.Errorf("write the capture: %w; see -w", err)
	}
	return errors.Join(copyCapture(io.MultiWriter(file, counted), from), file.Close())
}

// copyCapture distinguishes a director that broke off from a file that cannot be written. Errors of
// the file name it.
func copyCapture(to io.Writer, from io.Reader) error {
	_, err := io.Copy(to, from)
	_, ours := errors.AsType[*fs.PathError](err)
	if err == nil || ours || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("the director broke off the capture: %w", err)
}

// endOfCapture prints how many packets were recorded and missed, and returns the director's error.
// Without the end of the stream there is no trailer.
func endOfCapture(packets int, trailer http.Header, stderr io.Writer) error {
	missed := trailer.Get(api.MissedTrailer)
	switch missed {
	case "0":
		fmt.Fprintf(stderr, "%s, 0 missed\n", count(packets, "packet"))
	case "":
		fmt.Fprintf(stderr, "%s; the director did not say how many were missed\n",
			count(packets, "packet"))
	default:
		fmt.Fprintf(stderr, "%s, %s missed: they arrived faster than they could be written; "+
			"narrow the filter\n", count(packets, "packet"), missed)
	}
	if e := trailer.Get(api.ErrorTrailer); e != "" {
		return errors.New(e)
	}
	return nil
}
