package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/ipvsadm"
	"fulcrum/lvs"
)

// newIPVSAdmCommand returns the command that takes ipvsadm's command lines. Its exit statuses are
// ipvsadm's: 2 for a wrong command line, 1 for an error.
func newIPVSAdmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ipvsadm [--socket PATH] COMMAND...",
		Short: "Run ipvsadm's commands on a running director",
		Long: "ipvsadm takes ipvsadm's commands and options with their meanings and prints the same output, so\n" +
			"that scripts work unchanged. `ipvsadm-save -n | fulcrum ipvsadm -R` takes over a kernel director's\n" +
			"services. -f needs a [[mark]] with its matches in the configuration. docs/ipvsadm.md lists the\n" +
			"differences.",
		Example:            "  fulcrum ipvsadm -A -t 10.0.0.100:80 -s rr\n  fulcrum ipvsadm -a -t 10.0.0.100:80 -r 10.1.0.11 -g -w 2\n  fulcrum ipvsadm -A -f 7 -s rr -p 300\n  fulcrum ipvsadm -Ln --stats",
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			socket, args := socketOf(args)
			if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
				return c.Help()
			}
			k, err := ipvsadm.Parse(args)
			if err == nil {
				err = dialect{api.NewClient(socket), c}.run(k)
			}
			if ipvsadm.IsUsage(err) {
				return &exitError{code: 2, err: err}
			}
			return err
		},
	}
}

// socketOf removes --socket from the front of the arguments.
func socketOf(args []string) (socket string, rest []string) {
	if len(args) > 0 {
		if path, ok := strings.CutPrefix(args[0], "--socket="); ok {
			return path, args[1:]
		}
		if args[0] == "--socket" && len(args) > 1 {
			return args[1], args[2:]
		}
	}
	return defaultSocket(), args
}

// dialect runs ipvsadm's commands.
type dialect struct {
	client  *api.Client
	command *cobra.Command
}

func (d dialect) run(k ipvsadm.Command) error {
	ctx, cancel := context.WithTimeout(d.command.Context(), askDeadline)
	defer cancel()
	switch k.Operation {
	case ipvsadm.List:
		return d.list(ctx, k)
	case ipvsadm.Zero:
		return d.zero(ctx, k)
	case ipvsadm.Version:
		_, err := fmt.Fprintf(d.command.OutOrStdout(), "ipvsadm v1.31 (as Fulcrum speaks it: %s)\n",
			d.command.Root().Version)
		return err
	case ipvsadm.Save:
		c, _, err := d.config(ctx)
		if err != nil {
			return err
		}
		return ipvsadm.WriteRules(d.command.OutOrStdout(), c)
	case ipvsadm.Restore:
		all, err := ipvsadm.ReadRules(d.command.InOrStdin())
		if err != nil {
			return err
		}
		return d.change(ctx, all)
	}
	return d.change(ctx, []ipvsadm.Command{k})
}

// zero resets the displayed counters of a service, or of all.
func (d dialect) zero(ctx context.Context, k ipvsadm.Command) error {
	path := "zero"
	if k.Service != (lvs.ServiceID{}) {
		c, _, err := d.config(ctx)
		if err != nil {
			return err
		}
		s, err := k.Find(c)
		if err != nil {
			return err
		}
		path += "?service=" + url.QueryEscape(s.Name)
	}
	return d.client.Do(ctx, http.MethodPost, path, nil, nil)
}

// config returns the running configuration and the tag of its revision.
func (d dialect) config(ctx context.Context) (c *config.Config, tag string, err error) {
	text, tag, err := d.client.Config(ctx)
	if err != nil {
		return nil, "", err
	}
	c, err = config.Parse("the director's configuration", text)
	return c, tag, err
}

// mostTries bounds the attempts to apply a change while others change the configuration too.
const mostTries = 100

// change applies all commands or none. If another change came first, it starts again from the new
// configuration.
func (d dialect) change(ctx context.Context, all []ipvsadm.Command) error {
	for range mostTries {
		c, tag, err := d.config(ctx)
		if err != nil {
			return err
		}
		next, err := ipvsadm.Changed(c, all)
		if err != nil {
			return err
		}
		plan, err := d.client.ApplyOver(ctx, tag, []byte(next.Render()))
		if !errors.Is(err, control.ErrOvertaken) {
			for _, w := range plan.UnservedWarnings() { // output and status stay ipvsadm's
				fmt.Fprintf(d.command.ErrOrStderr(), "warning: %s\n", w)
			}
			return err
		}
	}
	return fmt.Errorf("change the configuration: other changes came first %d times: %w", mostTries,
		control.ErrOvertaken)
}

func (d dialect) list(ctx context.Context, k ipvsadm.Command) error {
	c, _, err := d.config(ctx)
	if err != nil {
		return err
	}
	w := d.command.OutOrStdout()
	switch {
	case k.ShowTimeouts:
		return ipvsadm.WriteTimeouts(w, c.Session.Timeouts)
	case k.Connections:
		ipvsadm.WriteConnectionTitle(w, k)
		if err := d.writeTemplates(w, k); err != nil {
			return err
		}
		return d.client.Sessions(d.command.Context(), nil, func(s *api.Session) error {
			ipvsadm.WriteConnection(w, k, ipvsadm.Connection{
				Protocol: s.Protocol, State: s.State, Client: s.Client, VIP: s.VIP, Server: s.RealServer, Left: time.Duration(s.LeftSeconds * float64(time.Second)),
			})
			return nil
		})
	}
	services, err := d.services(ctx, c)
	if err != nil {
		return err
	}
	if k.Rate {
		if services, err = d.rates(ctx, c, services); err != nil {
			return err
		}
	}
	return ipvsadm.Write(w, k, services, c.Session.Max)
}

// templateStates are the kernel's names of a template's states, by whether it is confirmed
// (ip_vs_ctpl_state_name_table in net/netfilter/ipvs/ip_vs_proto.c).
var templateStates = map[bool]string{false: "NONE", true: "ASSURED"}

// writeTemplates writes the templates as lines of -L -c: the client is a network, with port 0.
func (d dialect) writeTemplates(w io.Writer, k ipvsadm.Command) error {
	return d.client.Templates(d.command.Context(), nil, func(t *api.Template) error {
		network, err := netip.ParsePrefix(t.Clients)
		if err != nil {
			return fmt.Errorf("read the director's answer: %w", err)
		}
		ipvsadm.WriteConnection(w, k, ipvsadm.Connection{
			Protocol: t.Protocol, State: templateStates[t.Confirmed],
			Client: netip.AddrPortFrom(network.Addr(), 0).String(), VIP: t.VIP, Server: t.RealServer,
			Left: time.Duration(t.LeftSeconds * float64(time.Second)), Call: t.Call,
		})
		return nil
	})
}

// services returns the director's services with their counters.
func (d dialect) services(ctx context.Context, c *config.Config) ([]ipvsadm.Service, error) {
	var reports []control.ServiceReport
	if err := d.client.Do(ctx, http.MethodGet, "services", nil, &reports); err != nil {
		return nil, err
	}
	configured := map[lvs.RealServerID]listed{}
	for i := range c.Services {
		s := &c.Services[i]
		for _, rs := range s.RealServers {
			configured[s.ServerID(rs)] = listed{rs, s.HealthOf(rs).OnFail == config.FailDrain}
		}
	}
	var all []ipvsadm.Service
	for _, r := range reports {
		s, err := serviceOf(r, configured)
		if err != nil {
			return nil, fmt.Errorf("read the director's answer: %w", err)
		}
		all = append(all, s)
	}
	return all, nil
}

// listed is a real server of the configuration. One that inhibits stays in the list while it is
// down, with weight 0.
type listed struct {
	config.RealServer
	inhibits bool
}

// serviceOf returns a reported service as IPVS would list it beside keepalived: without real
// servers that are down, unless they are inhibited, and without sorry servers that stand by.
func serviceOf(
	r control.ServiceReport, configured map[lvs.RealServerID]listed,
) (s ipvsadm.Service, err error) {
	s = ipvsadm.Service{
		Scheduler: r.Scheduler, Flags: r.SchedulerFlags, Counters: countersOf(r.Traffic),
		Persistence: time.Duration(r.PersistenceSeconds * float64(time.Second)), Mask: r.PersistenceMask,
		OnePacket: r.OnePacket,
	}
	s.Engine, _ = lvs.ParsePersistenceEngine(r.PersistenceEngine)
	if s.ID, err = idOf(r); err != nil {
		return s, err
	}
	for _, rs := range r.RealServers {
		server := ipvsadm.Server{
			Weight: rs.Weight, Active: rs.Active, Inactive: rs.Inactive, Counters: countersOf(rs.Traffic),
			Persistent: rs.Templates,
		}
		server.Mode, _ = lvs.ParseMode(rs.Mode)
		if server.Address, err = netip.ParseAddrPort(rs.Address); err != nil {
			return s, err
		}
		own := configured[lvs.RealServerID{Service: s.ID, Address: server.Address}]
		server.Upper, server.Lower = own.UpperThreshold, own.LowerThreshold
		switch rs.State {
		case lvs.ServerStandby.Key():
			continue
		case lvs.ServerDown.Key():
			if server.Weight = 0; !own.inhibits {
				continue
			}
		}
		s.Servers = append(s.Servers, server)
	}
	return s, nil
}

// idOf returns the identity of a reported service.
func idOf(r control.ServiceReport) (lvs.ServiceID, error) {
	if r.Mark != 0 {
		return lvs.IDOfMark(r.Mark, strings.HasSuffix(r.Address, " ipv6")), nil
	}
	m, err := lvs.ParseDestination(r.Address)
	m.Protocol, _ = lvs.ParseProtocol(r.Protocol)
	return lvs.IDOf(m), err
}

func countersOf(t control.Traffic) ipvsadm.Counters {
	return ipvsadm.Counters{
		Connections: t.Connections, InPackets: t.InPackets, OutPackets: t.OutPackets, InBytes: t.InBytes,
		OutBytes: t.OutBytes,
	}
}

// rateInterval is the time over which --rate counts.
const rateInterval = time.Second

// rates returns what was counted in rateInterval.
func (d dialect) rates(ctx context.Context, c *config.Config, before []ipvsadm.Service) ([]ipvsadm.Service, error) {
	select {
	case <-ctx.Done():
		return nil, errors.Join(errors.New("counting for --rate"), ctx.Err())
	case <-time.After(rateInterval):
	}
	after, err := d.services(ctx, c)
	if err != nil {
		return nil, err
	}
	return ipvsadm.Difference(after, before), nil
}
