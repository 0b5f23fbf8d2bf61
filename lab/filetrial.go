package lab

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"fulcrum/lvs"
)

// A FileTrial is the traffic that a file's lab has to carry.
type FileTrial struct {
	File *File
	Lab  Config // Binary and Outlive
	// Requests is the number of HTTP requests to each TCP service, and of datagrams to each UDP
	// service. Destinations of a service with several are asked in turn, each at least once.
	Requests int
}

// FileResult is the outcome of a FileTrial.
type FileResult struct {
	Services []ServiceResult // in the order of the file
	// Result has the report, the failures, and whether the lab was kept.
	Result
}

// ServiceResult is the outcome of one service.
type ServiceResult struct {
	service fileService
	Result  // Requests, Spread and Seen; failures are the trial's
	// Skipped says why nothing was sent; or it is empty.
	Skipped string
}

// Run builds the lab, asks every service, judges the outcome and removes the lab, or leaves it
// standing as Trial.Run does. It writes its progress to the writer.
func (t FileTrial) Run(ctx context.Context, progress io.Writer) FileResult {
	var r FileResult
	fmt.Fprintf(progress, "%s: building namespaces, starting real servers\n", t.File.config.File)
	l, err := t.File.New(ctx, t.Lab)
	if err != nil {
		r.fail(err)
		return r
	}
	fmt.Fprint(progress, l.hostList())
	t.drive(ctx, l, &r, progress)
	Trial{Lab: l.config}.finish(ctx, l, &r.Result)
	return r
}

func (t FileTrial) drive(ctx context.Context, l *Lab, r *FileResult, progress io.Writer) {
	if err := l.StartDirector(ctx); err != nil {
		r.fail(err)
		return
	}
	for _, s := range l.plan.services {
		one := t.ask(ctx, l, s)
		fmt.Fprintf(progress, "  %-20s %s\n", s.Name, one.answered())
		r.Services = append(r.Services, one)
	}
	report, err := l.StopDirector()
	if err != nil {
		r.fail(err)
		return
	}
	r.Report = report
	for i := range r.Services {
		r.judge(&r.Services[i])
	}
	r.fail(report.Conserved())
}

// ask sends requests to a service.
func (t FileTrial) ask(ctx context.Context, l *Lab, s fileService) ServiceResult {
	one := ServiceResult{service: s, Skipped: s.unasked()}
	one.Mode, one.Spread, one.Seen = s.Mode, map[string]int{}, map[netip.Addr]int{}
	if one.Skipped != "" {
		return one
	}
	var clients []*Client
	for _, p := range s.probes {
		client := l.NewClient(ClientConfig{})
		defer client.Close()
		client.sources, client.web, client.echo = s.sources, p.AddrPort, p.AddrPort
		clients = append(clients, client)
	}
	var turn atomic.Uint32
	request := func(ctx context.Context) (Answer, error) {
		i := int(turn.Add(1)-1) % len(clients)
		if s.probes[i].protocol == lvs.UDP {
			return clients[i].echoes(ctx)
		}
		return clients[i].Get(ctx)
	}
	one.Requests = Trial{Concurrency: 8}.repeat(ctx, max(t.Requests, len(clients)), request,
		func(a Answer) {
			one.Spread[a.Name]++
			one.Seen[a.Client.Addr()]++
		})
	return one
}

// unasked says why a service gets no requests.
func (s *fileService) unasked() string {
	switch {
	case s.Protocol == lvs.SCTP:
		return fmt.Sprintf("not asked: the lab speaks no %s", s.Protocol)
	case len(s.probes) == 0:
		return "not asked: the lab can try none of its destinations"
	case len(s.servers) == 0:
		return "not asked: no real server has a weight"
	default:
		return ""
	}
}

// judge compares what was seen with what the modes of the service promise.
func (r *FileResult) judge(one *ServiceResult) {
	s, name := &one.service, one.service.Name
	r.judgeTally("requests of "+name, one.Requests)
	for server := range one.Spread {
		if !s.servers[server] {
			r.failf("%s answered for %s, whose real server it is not", server, name)
		}
	}
	right, kind := s.seeable()
	for address := range one.Seen {
		if !slices.Contains(right, address) {
			r.failf("a real server of %s saw %s, not a %s address", name, address, kind)
		}
	}
}

// seeable returns the addresses that real servers may see as their clients', and what they are.
func (s *fileService) seeable() (all []netip.Addr, kind string) {
	local := func(m lvs.Mode) bool { return m.Source() == lvs.Local }
	switch n := len(slices.DeleteFunc(s.Modes(), local)); {
	case n == 0:
		return s.LocalAddresses, "local"
	case n < len(s.Modes()):
		return slices.Concat(s.sources, s.LocalAddresses), "client's or local"
	}
	return s.sources, "client"
}

// protocol names the protocol of the service, "any" for a mark's.
func (s *fileService) protocol() string {
	if s.Mark != 0 {
		return "any"
	}
	return s.Protocol.String()
}

// modes names the modes of a service's real servers.
func (s *fileService) modes() string {
	var names []string
	for _, m := range s.Modes() {
		names = append(names, m.String())
	}
	return strings.Join(names, ", ")
}

func (r *ServiceResult) answered() string {
	if r.Skipped != "" {
		return r.Skipped
	}
	return r.Requests.String()
}

// hostList returns the networks with their hosts, one a line.
func (l *Lab) hostList() string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n  lab %s\n", l.record.ID)
	for i, n := range l.plan.networks {
		name := "behind the router"
		if i < len(l.user.config.Ports) {
			name = fmt.Sprintf("port %s (%s)", l.user.config.Ports[i].Name, n.name)
		}
		fmt.Fprintf(&text, "  %s\n    %-8s %s\n", name, roleRouter, few(n.routers))
		for _, e := range n.ends {
			if e.role != roleDirector {
				fmt.Fprintf(&text, "    %-8s %s\n", e.role, few(e.addresses))
			}
		}
	}
	return text.String() + "\n"
}

// few lists addresses: all, or the first and how many more there are.
func few(list []netip.Prefix) string {
	const most = 4
	var all []string
	for _, p := range list {
		all = append(all, p.String())
	}
	if len(all) > most {
		return fmt.Sprintf("%s +%d", all[0], len(all)-1)
	}
	return strings.Join(all, ", ")
}

// WriteFileTable writes one row for each service, and below them what failed.
func WriteFileTable(w io.Writer, r *FileResult) {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "service\tprotocol\taddress\tmode\tanswered\tspread\tclient seen\n")
	for i := range r.Services {
		one := &r.Services[i]
		s := &one.service
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.protocol(), s.ID().Destination(),
			s.modes(), one.answered(), one.shares(), one.seen())
	}
	_ = t.Flush() // without a reader there is nothing to do
	if r.Report != nil {
		fmt.Fprintf(w, "\n%s dropped: %s; conservation: %s\n", mark(w, r.Green()), r.drops(),
			r.conserved())
	}
	if !r.Green() {
		writeFailureList(w, &r.Result)
	}
}

// shares returns the requests that each real server answered, by its name.
func (r *ServiceResult) shares() string {
	var all []string
	for _, name := range r.names() {
		all = append(all, fmt.Sprintf("%s %d", name, r.Spread[name]))
	}
	return strings.Join(all, ", ")
}
