package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/control"
)

// sessionFlags are the flags of fulcrum sessions that are parameters of the API's, by their names there.
var sessionFlags = []struct{ parameter, usage string }{
	{"service", "those of the service with this name"},
	{"protocol", "tcp, udp, sctp or icmp"},
	{"state", "a state by IPVS's name, such as ESTABLISHED"},
	{"client", "address, subnet, or address with port"},
	{"vip", "address, subnet, or address with port"},
	{"real_server", "address, subnet, or address with port"},
}

func newSessionsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "sessions", Short: "List sessions", Args: cobra.NoArgs,
		Long: "sessions lists the sessions that match all that is given, as they are found. With -o json each is a line of JSON.\n" +
			"Ten million take about sixteen seconds, and the workers a hundredth of their time meanwhile.",
		Example: "  fulcrum sessions --service web --state ESTABLISHED --client 198.51.100.0/24",
	}
	a := newAsking(c)
	values := map[string]*string{}
	for _, f := range sessionFlags {
		values[f.parameter] = c.Flags().String(strings.ReplaceAll(f.parameter, "_", "-"), "", f.usage)
	}
	limit := c.Flags().Int("limit", 0, "how many at most; 0 is all")
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := url.Values{"limit": {strconv.Itoa(*limit)}}
		for name, v := range values {
			if *v != "" {
				query.Set(name, *v)
			}
		}
		return a.listSessions(c, query)
	}
	return c
}

// listSessions shows sessions as they come: they may be more than fit into memory, so that the columns have fixed widths.
func (a *asking) listSessions(c *cobra.Command, query url.Values) error {
	if err := a.validate(); err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(c.OutOrStdout())
	defer out.Flush()
	if a.output == "json" {
		lines := json.NewEncoder(out)
		return client.Sessions(c.Context(), query, func(s *control.Session) error { return lines.Encode(s) })
	}
	const row = "%-5s %-12s %-24s %-24s %-24s %-16s %10s %10s %9s\n"
	fmt.Fprintf(out, row, "PROTO", "STATE", "CLIENT", "VIP", "REAL SERVER", "SERVICE", "IN", "OUT", "LEFT")
	return client.Sessions(c.Context(), query, func(s *control.Session) error {
		left := time.Duration(s.LeftSeconds * float64(time.Second)).Truncate(time.Second)
		_, err := fmt.Fprintf(out, row, s.Protocol, s.State, s.Client, s.VIP, s.RealServer, s.Service,
			strconv.FormatUint(uint64(s.PacketsIn), 10), strconv.FormatUint(uint64(s.PacketsOut), 10), left)
		return err
	})
}

func showNeighbours(w io.Writer, all []control.Neighbour) {
	fmt.Fprint(w, "ADDRESS\tPORT\tMAC\tSTATE\tAGE\tWAITING\tWORKER\n")
	for _, n := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0fs\t%d\t%d\n", n.Address, n.Port, n.MAC, n.State, n.AgeSeconds, n.Waiting, n.Worker)
	}
}
