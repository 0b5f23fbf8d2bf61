package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fulcrum/config"
	"fulcrum/control"
)

// servicesOptions holds the flags of fulcrum services.
type servicesOptions struct {
	*asking
	sort    string
	summary bool
}

// serviceOrders are the orders of --sort. Figures begin with the largest.
var serviceOrders = []struct {
	name    string
	compare func(a, b *totals) int
}{
	{"file", func(_, _ *totals) int { return 0 }},
	{"name", func(a, b *totals) int { return cmp.Compare(a.Name, b.Name) }},
	{"active", func(a, b *totals) int { return cmp.Compare(b.Active, a.Active) }},
	{"inactive", func(a, b *totals) int { return cmp.Compare(b.Inactive, a.Inactive) }},
	{"connections", func(a, b *totals) int { return cmp.Compare(b.Connections, a.Connections) }},
	{"bytes", func(a, b *totals) int { return cmp.Compare(b.InBytes+b.OutBytes, a.InBytes+a.OutBytes) }},
}

func serviceOrderNames() (names []string) {
	for _, o := range serviceOrders {
		names = append(names, o.name)
	}
	return names
}

func newServicesCommand() *cobra.Command {
	var o servicesOptions
	c := &cobra.Command{
		Use:   "services [NAME...]",
		Short: "Show services and real servers",
		Long: "services shows the totals of the services and then each of them with its real servers. A NAME is\n" +
			"that of a service, a pattern such as 'web*', or a VIP with or without its port.",
		Example: "  fulcrum services --summary --sort active\n  fulcrum services 'web*' 10.0.0.100",
	}
	o.asking = newAsking(c)
	c.Flags().StringVar(&o.sort, "sort", "file",
		"order of the services: "+strings.Join(serviceOrderNames(), ", ")+"; figures begin with the largest")
	c.Flags().BoolVar(&o.summary, "summary", false, "show a line a service, without real servers")
	completeWords(c, "sort", serviceOrderNames()...)
	c.ValidArgsFunction = o.completeServices
	c.RunE = o.run
	return c
}

// completeServices completes any number of services' names.
func (o *servicesOptions) completeServices(
	c *cobra.Command, _ []string, _ string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	return o.completeServer(c, nil, "")
}

func (o *servicesOptions) run(c *cobra.Command, names []string) error {
	if err := o.validate(); err != nil {
		return err
	}
	order := slices.Index(serviceOrderNames(), o.sort)
	if order < 0 {
		return &exitError{code: 2, err: fmt.Errorf("invalid --sort %q: use one of %s", o.sort,
			strings.Join(serviceOrderNames(), ", "))}
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), askDeadline)
	defer cancel()
	var all []control.ServiceReport
	if err := client.Do(ctx, http.MethodGet, "services", nil, &all); err != nil {
		return err
	}
	if all, err = chosenServices(all, names); err != nil {
		return err
	}
	all = ordered(all, serviceOrders[order].compare)
	if o.summary {
		return show(o.asking, c, summarise(all), showSummary)
	}
	return show(o.asking, c, all, showServices)
}

// chosenServices returns the services that are named, in their own order. Without a name it returns
// all of them.
func chosenServices(all []control.ServiceReport, names []string) (chosen []control.ServiceReport, err error) {
	if len(names) == 0 {
		return all, nil
	}
	wanted := make([]bool, len(all))
	for _, name := range names {
		if !choose(all, wanted, name) {
			_, err := findService(all, name, "")
			return nil, err
		}
	}
	for i, is := range wanted {
		if is {
			chosen = append(chosen, all[i])
		}
	}
	return chosen, nil
}

// choose marks the services with a name, pattern or VIP, and reports whether there is one.
func choose(all []control.ServiceReport, wanted []bool, name string) (found bool) {
	vip, isVIP := addressOf(name)
	for i, s := range all {
		matches, _ := path.Match(name, s.Name) // a bad pattern matches nothing
		if matches || s.Name == name || isVIP && vip.covers(s.Address) {
			wanted[i], found = true, true
		}
	}
	return found
}

// ordered returns the services in an order. Those that are equal stay in the file's.
func ordered(
	all []control.ServiceReport, compare func(a, b *totals) int,
) []control.ServiceReport {
	sums, places := make([]totals, len(all)), make([]int, len(all))
	for i := range all {
		sums[i], places[i] = totalsOf(&all[i]), i
	}
	slices.SortStableFunc(places, func(i, j int) int { return compare(&sums[i], &sums[j]) })
	sorted := make([]control.ServiceReport, len(all))
	for to, from := range places {
		sorted[to] = all[from]
	}
	return sorted
}

// totals are a service's figures with those of its real servers summed up.
type totals struct {
	Name        string `json:"name"`
	Protocol    string `json:"protocol"`
	Address     string `json:"address"`
	Mode        string `json:"mode"`
	Scheduler   string `json:"scheduler"`
	RealServers int    `json:"real_servers"`
	Drained     int    `json:"drained"` // real servers of weight 0
	Active      int64  `json:"active"`
	Inactive    int64  `json:"inactive"`
	Announced   bool   `json:"announced"`
	VIPOwner    string `json:"vip_owner"`
	control.Traffic
}

func totalsOf(s *control.ServiceReport) totals {
	t := totals{
		Name: s.Name, Protocol: s.Protocol, Address: s.Address, Mode: s.Mode, Scheduler: s.Scheduler,
		RealServers: len(s.RealServers), Announced: s.Announced, VIPOwner: s.VIPOwner,
		Traffic: s.Traffic,
	}
	for _, rs := range s.RealServers {
		t.Active += int64(rs.Active)
		t.Inactive += int64(rs.Inactive)
		if rs.Weight == 0 {
			t.Drained++
		}
	}
	return t
}

// summary is what services --summary shows: the sums of all figures, and those of each service.
type summary struct {
	RealServers int   `json:"real_servers"`
	Drained     int   `json:"drained"`
	Active      int64 `json:"active"`
	Inactive    int64 `json:"inactive"`
	control.Traffic
	Services []totals `json:"services"`
}

func summarise(all []control.ServiceReport) summary {
	sum := summary{Services: make([]totals, len(all))}
	for i := range all {
		t := totalsOf(&all[i])
		sum.Services[i] = t
		sum.RealServers += t.RealServers
		sum.Drained += t.Drained
		sum.Active += t.Active
		sum.Inactive += t.Inactive
		sum.Connections += t.Connections
		sum.InPackets += t.InPackets
		sum.InBytes += t.InBytes
		sum.OutPackets += t.OutPackets
		sum.OutBytes += t.OutBytes
	}
	return sum
}

// showTotals shows the sums in two lines.
func (s *summary) showTotals(w io.Writer) {
	fmt.Fprintf(w, "%s, %s, %d of weight 0\n", count(len(s.Services), "service"),
		count(s.RealServers, "real server"), s.Drained)
	fmt.Fprintf(w, "sessions: %d active, %d inactive; connections: %d; bytes: %d in, %d out\n\n", s.Active,
		s.Inactive, s.Connections, s.InBytes, s.OutBytes)
}

func showSummary(w io.Writer, s summary) {
	s.showTotals(w)
	fmt.Fprint(w, "SERVICE\tPROTOCOL\tADDRESS\tMODE\tSCHEDULER\tREAL SERVERS\tACTIVE\tINACTIVE\tCONNECTIONS\tIN BYTES\tOUT BYTES\tANNOUNCED\n")
	for _, t := range s.Services {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", t.Name, t.Protocol, t.Address,
			t.Mode, t.Scheduler, t.RealServers, t.Active, t.Inactive, t.Connections, t.InBytes,
			t.OutBytes, announcedBy(t.Announced, t.VIPOwner))
	}
}

// announcedBy says whether the VIP of a service is announced, and whether that is up to the host.
func announcedBy(announced bool, owner string) string {
	if owner == config.OwnedByHost.String() {
		return yes(announced) + " (host)"
	}
	return yes(announced)
}

func showServices(w io.Writer, all []control.ServiceReport) {
	sum := summarise(all)
	sum.showTotals(w)
	last := func(string) string { return "" }
	if areChecked(all) {
		last = func(text string) string { return "\t" + text }
	}
	fmt.Fprintf(w, "SERVICE\tPROTOCOL\tADDRESS\tMODE\tSCHEDULER\tWEIGHT\tACTIVE\tINACTIVE\tCONNECTIONS\tIN BYTES\tOUT BYTES\tANNOUNCED\tSTATE%s\n",
		last("LATEST CHECK"))
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\t\t\t%d\t%d\t%d\t%s%s%s\n", s.Name, s.Protocol, s.Address, s.Mode,
			s.Scheduler, s.Connections, s.InBytes, s.OutBytes, announcedBy(s.Announced, s.VIPOwner),
			poolColumn(&s), last(""))
		for _, rs := range s.RealServers {
			showServer(w, &s, &rs, last(rs.Health.Text()))
			showLocalPorts(w, rs.LocalPorts)
		}
		for _, rs := range s.Gone {
			showServer(w, &s, &rs, last(""))
		}
	}
}

// poolColumn returns the column STATE of a service.
func poolColumn(s *control.ServiceReport) string {
	if text := s.Pool.Text(); text != "" || s.Pool != nil {
		return "\t" + text
	}
	return ""
}

func showServer(w io.Writer, s *control.ServiceReport, rs *control.RealServerReport, check string) {
	fmt.Fprintf(w, "\t\t-> %s\t%s\t\t%d\t%d\t%d\t%d\t%d\t%d\t\t%s%s\n", rs.Address, ownMode(s, rs),
		rs.Weight, rs.Active, rs.Inactive, rs.Connections, rs.InBytes, rs.OutBytes, rs.StateText(),
		check)
}

// areChecked reports whether real servers have health checks, which have a column then.
func areChecked(all []control.ServiceReport) bool {
	return slices.ContainsFunc(all, func(s control.ServiceReport) bool {
		return slices.ContainsFunc(s.RealServers,
			func(rs control.RealServerReport) bool { return rs.Health != nil })
	})
}

// ownMode returns a real server's mode if it is not the service's.
func ownMode(s *control.ServiceReport, rs *control.RealServerReport) string {
	if rs.Mode == s.Mode {
		return ""
	}
	return rs.Mode
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// showLocalPorts shows what is left of a real server's local ports, in modes that have them.
func showLocalPorts(w io.Writer, uses []control.LocalUse) {
	if len(uses) == 0 {
		return
	}
	fullest := slices.MaxFunc(uses, func(a, b control.LocalUse) int {
		return cmp.Compare(a.UsedPercent, b.UsedPercent)
	})
	left := 0
	for _, u := range uses {
		left += u.Left
	}
	fmt.Fprintf(w, "\t\t   %d local ports left; %s is %.0f %% used\n", left, fullest.Address,
		fullest.UsedPercent)
}
