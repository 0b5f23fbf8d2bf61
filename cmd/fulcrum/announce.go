package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fulcrum/control"
)

func newAnnounceCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "announce on|off [SERVICE]", Args: cobra.RangeArgs(1, 2),
		Short: "Announce VIPs, or fall silent about them",
		Long: "announce off has the director fall silent about the VIP of a service, or about all VIPs: it neither\n" +
			"announces the VIP, nor answers ARP and neighbour solicitations for it, nor defends it. Packets that\n" +
			"come all the same are forwarded. announce on reverses that, and announces the VIP at once.\n" +
			"A VIP is announced while any of its services wants that.",
		Example: "  fulcrum announce off web",
	}
	a := newAsking(c)
	c.ValidArgsFunction = a.completeAnnounce
	c.RunE = func(c *cobra.Command, args []string) error {
		if args[0] != "on" && args[0] != "off" {
			return &exitError{
				code: 2,
				err:  fmt.Errorf("invalid argument %q: give on or off; see %s --help", args[0], c.CommandPath()),
			}
		}
		n := control.AnnounceRequest{Announce: args[0] == "on"}
		if len(args) > 1 {
			n.Service = args[1]
		}
		return a.announce(c, n)
	}
	return c
}

// announce makes the change, and shows what has become of the VIPs.
func (a *asking) announce(c *cobra.Command, n control.AnnounceRequest) error {
	if err := a.validate(); err != nil {
		return err
	}
	var err error
	if n.Service, _, err = a.meant(c, n.Service, ""); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), askDeadline)
	defer cancel()
	client, err := a.client()
	if err != nil {
		return err
	}
	var p control.Plan
	if err := client.Do(ctx, http.MethodPost, "announce", n, &p); err != nil {
		return a.unknownNames(c, n.Service, "", err)
	}
	var services []control.ServiceReport
	if err := client.Do(ctx, http.MethodGet, "services", nil, &services); err != nil {
		return err
	}
	return show(a, c, p, func(w io.Writer, p control.Plan) {
		showPlan(w, p)
		showVIPs(w, vipsOf(services), n)
	})
}

// vipState is a VIP with its services.
type vipState struct {
	address   string
	announced bool
	services  []string
	wanting   []string // services that want it announced
}

// vipsOf returns the VIPs of services, in their order.
func vipsOf(services []control.ServiceReport) (all []*vipState) {
	known := map[string]*vipState{}
	for i := range services {
		s := &services[i]
		v := known[s.VIP()]
		if v == nil {
			v = &vipState{address: s.VIP(), announced: s.Announced}
			known[v.address], all = v, append(all, v)
		}
		v.services = append(v.services, s.Name)
		if s.Announce {
			v.wanting = append(v.wanting, s.Name)
		}
	}
	return all
}

// mostVIPs bounds how many VIPs are named that are not as the operator wants them.
const mostVIPs = 20

// showVIPs shows the state of a service's VIP. Without a service it counts, and names the VIPs that
// are not as they should be.
func showVIPs(w io.Writer, all []*vipState, n control.AnnounceRequest) {
	announced, others := 0, []*vipState{}
	for _, v := range all {
		if v.announced {
			announced++
		}
		if n.Service == "" && v.announced != n.Announce || slices.Contains(v.services, n.Service) {
			others = append(others, v)
		}
	}
	if n.Service == "" {
		fmt.Fprintf(w, "%d of %s announced\n", announced, count(len(all), "VIP"))
	}
	for _, v := range others[:min(len(others), mostVIPs)] {
		fmt.Fprintln(w, v)
	}
	if more := len(others) - mostVIPs; more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
}

// String says whether the VIP is announced, and because of which services.
func (v *vipState) String() string {
	switch {
	case !v.announced:
		return fmt.Sprintf("VIP %s is passive (%s)", v.address, named(v.services))
	case len(v.wanting) == 0:
		return fmt.Sprintf("VIP %s is announced: it is a port's own address", v.address)
	}
	return fmt.Sprintf("VIP %s is announced (%s)", v.address, named(v.wanting))
}

// named returns the first names of a list.
func named(all []string) string {
	const most = 4
	text := strings.Join(all[:min(len(all), most)], ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// completeAnnounce completes on and off, and then a service's name.
func (w *where) completeAnnounce(
	c *cobra.Command, args []string, _ string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return []cobra.Completion{"on", "off"}, cobra.ShellCompDirectiveNoFileComp
	case 1:
		return w.completeServer(c, nil, "")
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
