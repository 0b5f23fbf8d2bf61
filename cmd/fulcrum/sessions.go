package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/lvs"
)

// sessionFlags are the flags of fulcrum sessions that are parameters of the API, by their names in
// the API.
var sessionFlags = []struct{ parameter, usage string }{
	{"service", "name of the service"},
	{"protocol", "tcp, udp, sctp or icmp"},
	{"state", "IPVS's name of the state, such as ESTABLISHED"},
	{"client", "address, subnet, or address with port"},
	{"vip", "address, subnet, or address with port"},
	{"real_server", "address, subnet, or address with port"},
}

func newSessionsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "sessions", Short: "List sessions", Args: cobra.NoArgs,
		Long: "sessions lists the sessions that match all given flags, as it finds them. With -o json it prints\n" +
			"a line of JSON for each. Ten million take about half a minute, and little of the workers' time.",
		Example: "  fulcrum sessions --service web --state ESTABLISHED --client 198.51.100.0/24\n" +
			"  fulcrum sessions --templates --service web",
	}
	a := newAsking(c)
	values := map[string]*string{}
	for _, f := range sessionFlags {
		values[f.parameter] = c.Flags().String(strings.ReplaceAll(f.parameter, "_", "-"), "", f.usage)
	}
	completeFlag(c, "service", a.completeService)
	completeWords(c, "protocol", append(words(lvs.Protocols()), "icmp")...)
	completeWords(c, "state", words(lvs.States())...)
	limit := c.Flags().Int("limit", 0, "list at most this many; 0 is all")
	templates := c.Flags().Bool("templates", false,
		"list the persistence templates instead; takes --service and --limit")
	for _, f := range sessionFlags {
		if f.parameter != "service" {
			c.MarkFlagsMutuallyExclusive("templates", strings.ReplaceAll(f.parameter, "_", "-"))
		}
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := url.Values{"limit": {strconv.Itoa(*limit)}}
		for name, v := range values {
			if *v != "" {
				query.Set(name, *v)
			}
		}
		if *templates {
			return listLines(a, c, query, (*api.Client).Templates, tabulateTemplates)
		}
		return listLines(a, c, query, (*api.Client).Sessions, tabulateSessions)
	}
	return c
}

// listLines prints what a listing has as it arrives: all of it may not fit into memory.
func listLines[T any](
	a *asking, c *cobra.Command, query url.Values,
	list func(*api.Client, context.Context, url.Values, func(*T) error) error,
	tabulate func(io.Writer, func(add func(*T) error) error) error,
) error {
	if err := a.validate(); err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(c.OutOrStdout())
	if a.output == "json" {
		lines := json.NewEncoder(out)
		err = list(client, c.Context(), query, func(s *T) error { return lines.Encode(s) })
	} else {
		err = tabulate(out, func(add func(*T) error) error {
			return list(client, c.Context(), query, add)
		})
	}
	return errors.Join(err, out.Flush())
}

// tabulateTemplates prints the templates that list adds, below titles.
func tabulateTemplates(out io.Writer, list func(add func(*api.Template) error) error) error {
	const row = "%-5s\t%-20s\t%-21s\t%-21s\t%-12s\t%-16s\t%8s\t%9s\t%7s\n"
	t, shown := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), 0
	titles := sync.OnceFunc(func() {
		fmt.Fprintf(t, row, "PROTO", "CLIENTS", "VIP", "REAL SERVER", "SERVICE", "CALL", "SESSIONS",
			"CONFIRMED", "LEFT")
	})
	err := list(func(s *api.Template) error {
		titles()
		left := time.Duration(s.LeftSeconds * float64(time.Second)).Truncate(time.Second)
		fmt.Fprintf(t, row, s.Protocol, s.Clients, s.VIP, s.RealServer, s.Service,
			cmp.Or(s.Call, "-"), strconv.Itoa(s.Sessions), yesNo[s.Confirmed], left)
		if shown++; shown%alignedSessions == 0 {
			return t.Flush()
		}
		return nil
	})
	if err == nil {
		titles()
	}
	return errors.Join(err, t.Flush())
}

var yesNo = map[bool]string{false: "no", true: "yes"}

// alignedSessions is the number of sessions whose columns are aligned together if they are wider
// than IPv4 needs.
const alignedSessions = 1000

// tabulateSessions prints the sessions that list adds, below titles. If list fails at once, it
// prints no titles.
func tabulateSessions(out io.Writer, list func(add func(*api.Session) error) error) error {
	const row = "%-5s\t%-11s\t%-21s\t%-21s\t%-21s\t%-12s\t%8s\t%8s\t%7s\n"
	t, shown := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), 0
	titles := sync.OnceFunc(func() {
		fmt.Fprintf(t, row, "PROTO", "STATE", "CLIENT", "VIP", "REAL SERVER", "SERVICE", "IN",
			"OUT", "LEFT")
	})
	err := list(func(s *api.Session) error {
		titles()
		left := time.Duration(s.LeftSeconds * float64(time.Second)).Truncate(time.Second)
		fmt.Fprintf(t, row, s.Protocol, s.State, s.Client, s.VIP, s.RealServer, s.Service,
			strconv.FormatUint(uint64(s.PacketsIn), 10), strconv.FormatUint(uint64(s.PacketsOut), 10), left)
		if shown++; shown%alignedSessions == 0 {
			return t.Flush()
		}
		return nil
	})
	if err == nil {
		titles()
	}
	return errors.Join(err, t.Flush())
}

func showNeighbours(w io.Writer, all []api.Neighbour) {
	fmt.Fprint(w, "ADDRESS\tPORT\tMAC\tSTATE\tAGE\tWAITING\tWORKER\n")
	for _, n := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0fs\t%d\t%d\n", n.Address, n.Port, n.MAC, n.State, n.AgeSeconds,
			n.Waiting, n.Worker)
	}
}
