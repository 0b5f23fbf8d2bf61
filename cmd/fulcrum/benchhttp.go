package main

import (
	"fmt"
	"net/netip"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/bench"
)

// newHTTPClientCommand is the process that asks in the suite http.
func newHTTPClientCommand() *cobra.Command {
	var o bench.HTTPClientConfig
	var server string
	c := &cobra.Command{
		Use:    "http-client",
		Short:  "Ask a web server all the time, each request on a connection of its own",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			ctx, cancel := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			if o.Server, err = parseWebAddress(server); err != nil {
				return &exitError{code: 2, err: err}
			}
			return bench.RunHTTPClients(ctx, o, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&server, "server", "", "the web server's IPv4 address and port")
	f.IntVar(&o.Connections, "connections", 64, "connections at a time")
	f.DurationVar(&o.Warmup, "warmup", time.Second, "time of asking before the measurement")
	f.DurationVar(&o.Duration, "duration", 5*time.Second, "time of asking that is measured")
	return c
}

// newHTTPServerCommand is the real server of the suite http.
func newHTTPServerCommand() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:    "http-server",
		Short:  "Answer one request of each connection",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer cancel()
			address, err := parseWebAddress(listen)
			if err != nil {
				return &exitError{code: 2, err: err}
			}
			return bench.ServeHTTP(ctx, address, c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "the IPv4 address and port to listen on")
	return c
}

func parseWebAddress(text string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(text)
	if err == nil && !a.Addr().Is4() {
		err = fmt.Errorf("%s is not an IPv4 address", a.Addr())
	}
	if err != nil {
		return a, fmt.Errorf("invalid web server: %w; give an address and port such as 10.0.0.100:80", err)
	}
	return a, nil
}
