package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/vishvananda/netlink"

	"fulcrum/adopt"
	"fulcrum/api"
	"fulcrum/config"
)

func newHostCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "host", Short: "Move addresses and routes between an interface and the port's host interface",
	}
	c.AddCommand(
		newMoveCommand("adopt", "Move what the interface below a port has to its host interface",
			"adopt moves addresses, routes and static neighbours of the kernel's interface below a port to the\n"+
				"port's host interface, and has that take router advertisements. All of it is moved, or\n"+
				"nothing. Routes with several gateways are refused.", false),
		newMoveCommand("release", "Move what a port's host interface has back to the interface below",
			"release moves addresses, routes and static neighbours of a port's host interface to the kernel's\n"+
				"interface below the port, before the director's end. All of it is moved, or nothing.", true),
	)
	return c
}

// moveOptions holds the flags of fulcrum host adopt and release.
type moveOptions struct {
	where
	file          string
	dryRun, force bool
	back          bool // from the host interface
}

func newMoveCommand(name, short, long string, back bool) *cobra.Command {
	o := moveOptions{back: back}
	c := &cobra.Command{
		Use: name + " PORT", Short: short, Args: cobra.ExactArgs(1),
		Long: long + "\n\nThe ports are those of the running director, or of --config. A move that takes the address of\n" +
			"the SSH session that it runs in is refused without --force: the session goes on only if the\n" +
			"director forwards its packets to the host interface.",
		Example: "  fulcrum host " + name + " front --dry-run",
	}
	f := c.Flags()
	f.StringVar(&o.socket, "socket", defaultSocket(),
		"the director's control socket (director.control); its default is $"+socketVariable)
	f.StringVar(&o.file, "config", "", "read the ports from this configuration instead")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the steps, and make none")
	f.BoolVar(&o.force, "force", false, "move the address of this SSH session too")
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c, args[0]) }
	return c
}

func (o *moveOptions) run(c *cobra.Command, name string) error {
	p, err := o.port(c.Context(), name)
	if err != nil {
		return err
	}
	below, err := interfaceBelow(p)
	if err != nil {
		return err
	}
	from, to := below, p.Host
	if o.back {
		from, to = to, from
	}
	m, err := adopt.Plan(from, to)
	if err != nil {
		return fmt.Errorf("port %s: %w%s", p.Name, err, hintAt(p.Host))
	}
	if s, cut := m.Cut(adopt.Sessions()); cut && !o.force && !o.dryRun {
		return fmt.Errorf("%s is the address of the session that this command runs in (%s), which ends "+
			"unless the director runs: give --force to move it all the same", s.Local, s.How)
	}
	return o.move(c.OutOrStdout(), m, from, to)
}

// hintAt says where a host interface comes from if there is none.
func hintAt(name string) string {
	if _, err := netlink.LinkByName(name); err == nil {
		return ""
	}
	return "; the director makes the host interface when it starts"
}

// move makes the steps, or only prints them.
func (o *moveOptions) move(out io.Writer, m *adopt.Move, from, to string) error {
	if len(m.Steps) == 0 {
		fmt.Fprintf(out, "%s has nothing to move to %s\n", from, to)
		return nil
	}
	if !o.dryRun {
		if err := m.Do(); err != nil {
			return fmt.Errorf("nothing is moved: %w", err)
		}
	}
	for _, s := range m.Steps {
		fmt.Fprintln(out, s.Text)
	}
	if o.dryRun {
		return nil
	}
	fmt.Fprintf(out, "moved from %s to %s: %s\n", from, to, count(len(m.Steps), "step"))
	return nil
}

// port returns the port with a name, which has a host interface.
func (o *moveOptions) port(ctx context.Context, name string) (*config.Port, error) {
	c, err := o.configuration(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(c.Ports, func(p config.Port) bool { return p.Name == name })
	if i < 0 {
		var known []string
		for _, p := range c.Ports {
			known = append(known, p.Name)
		}
		return nil, fmt.Errorf("unknown port %q: the ports are %s", name, strings.Join(known, ", "))
	}
	if c.Ports[i].Host == "" {
		return nil, fmt.Errorf("port %s has no host interface: give it one with host = \"ful-%s\"", name, name)
	}
	return &c.Ports[i], nil
}

// configuration returns that of the running director, or of a file.
func (o *moveOptions) configuration(ctx context.Context) (*config.Config, error) {
	if o.file != "" {
		return config.Load(o.file)
	}
	ctx, cancel := context.WithTimeout(ctx, askDeadline)
	defer cancel()
	var f api.ConfigFile
	if err := api.NewClient(o.socket).Do(ctx, http.MethodGet, "config/file", nil, &f); err != nil {
		return nil, fmt.Errorf("%w; without a director, name its configuration with --config", err)
	}
	return config.Parse(f.Source, []byte(f.Text))
}

// interfaceBelow returns the kernel's interface below a port: that of its VLAN, if it has one.
func interfaceBelow(p *config.Port) (string, error) {
	below := p.Below()
	if below == "" {
		return "", fmt.Errorf("port %s: the kernel has no interface for its device %s, "+
			"so there is nothing to move", p.Name, p.Device)
	}
	if p.VLAN == 0 {
		return below, nil
	}
	parent, err := netlink.LinkByName(below)
	if err != nil {
		return "", fmt.Errorf("port %s: interface %s: %w", p.Name, below, err)
	}
	all, err := netlink.LinkList()
	if err != nil {
		return "", fmt.Errorf("reading the kernel's interfaces: %w", err)
	}
	for _, l := range all {
		v, is := l.(*netlink.Vlan)
		if is && v.ParentIndex == parent.Attrs().Index && v.VlanId == p.VLAN {
			return v.Name, nil
		}
	}
	return "", fmt.Errorf("port %s: the kernel has no interface for VLAN %d of %s, so there is nothing to move",
		p.Name, p.VLAN, below)
}
