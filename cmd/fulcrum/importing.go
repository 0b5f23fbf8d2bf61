package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fulcrum/dpvs"
	"fulcrum/foreign"
	"fulcrum/ipvs"
	"fulcrum/keepalived"
	"fulcrum/sysctl"
)

// newImportCommand reads configurations of other programs.
func newImportCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "import", Short: "Convert another program's configuration",
		Args: cobra.NoArgs, RunE: needSubcommand,
	}
	c.AddCommand(newImportKeepalivedCommand(), newImportDPVSCommand(), newImportSysctlCommand(),
		newImportKernelCommand())
	return c
}

func newImportKeepalivedCommand() *cobra.Command {
	var id string
	c := &cobra.Command{
		Use: "keepalived FILE", Args: cobra.ExactArgs(1),
		Short: "Print the virtual servers of a keepalived.conf as services",
		Long: "keepalived prints services for a Fulcrum configuration. The user adds the ports. Whatever it cannot\n" +
			"convert it lists on standard error and as comments, each with its file and line. If it does not\n" +
			"understand something, it prints all such places and no services, and the exit status is 1.",
		RunE: func(c *cobra.Command, args []string) error { return importKeepalived(c, args[0], id) },
	}
	c.Flags().StringVar(&id, "config-id", "",
		"read the lines that are only for this host (@host), as keepalived's option of the same name does")
	return c
}

func newImportDPVSCommand() *cobra.Command {
	return &cobra.Command{
		Use: "dpvs FILE", Args: cobra.ExactArgs(1),
		Short: "Print what a dpvs.conf says of workers, ports and sessions",
		Long: "dpvs prints a Fulcrum configuration of the workers, ports, sessions and timeouts of a dpvs.conf.\n" +
			"The user adds what it does not have: each port's device and addresses, and the services. Whatever\n" +
			"has no meaning in Fulcrum it lists on standard error and as comments, each with its file and line.\n" +
			"If it does not understand something, it prints all such places and no configuration, and the exit\n" +
			"status is 1.",
		RunE: func(c *cobra.Command, args []string) error {
			i, err := dpvs.Load(args[0])
			if err != nil {
				return importFailed(c, err)
			}
			return showImport(c, i.Left, i.TOML())
		},
	}
}

func newImportSysctlCommand() *cobra.Command {
	return &cobra.Command{
		Use: "sysctl FILE", Args: cobra.ExactArgs(1),
		Short: "Print IPVS's switches of a file of sysctl.d as a [session] table",
		Long: "sysctl prints the [session] table that does what net.ipv4.vs says in a file of sysctl.d. Comments\n" +
			"say of each line whether it is taken, already so, or has no meaning here, and why. What is not\n" +
			"carried over it lists on standard error too. If it does not understand something, it prints all\n" +
			"such places and no table, and the exit status is 1.",
		RunE: func(c *cobra.Command, args []string) error {
			i, err := sysctl.Load(args[0])
			if err != nil {
				return importFailed(c, err)
			}
			return showImport(c, i.Left(), i.TOML())
		},
	}
}

func newImportKernelCommand() *cobra.Command {
	var socket string
	c := &cobra.Command{
		Use: "kernel", Args: cobra.NoArgs,
		Short: "Print the services of the kernel's IPVS",
		Long: "kernel reads the services of this host's IPVS by netlink, and prints them for a Fulcrum\n" +
			"configuration, with the timeouts that are not the defaults. The user adds the ports, and what\n" +
			"belongs to each mark. It changes nothing in the kernel. Whatever it cannot convert it lists on\n" +
			"standard error and as comments.",
		RunE: func(c *cobra.Command, _ []string) error { return importKernel(c, socket) },
	}
	c.Flags().StringVar(&socket, "socket", "",
		"read the services of the director with this IPVS socket (director.ipvs) instead")
	return c
}

func importKernel(c *cobra.Command, socket string) error {
	from := "the kernel's IPVS"
	if socket != "" {
		from = "the director at " + socket
	}
	conn, err := ipvs.Dial(socket)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", from, err)
	}
	defer conn.Close()
	content, err := ipvs.Read(conn)
	if err != nil {
		return fmt.Errorf("read %s: %w", from, err)
	}
	i := ipvs.Imported(content)
	return showImport(c, i.Left, i.TOML(from))
}

func importKeepalived(c *cobra.Command, file, id string) error {
	i, err := keepalived.Load(file, id)
	if err != nil {
		return importFailed(c, err)
	}
	return showImport(c, i.Left, i.TOML())
}

// importFailed prints the mistakes of a file, and returns other errors.
func importFailed(c *cobra.Command, err error) error {
	if problems, bad := errors.AsType[foreign.Problems](err); bad {
		fmt.Fprintln(c.ErrOrStderr(), problems)
		return &exitError{code: 1}
	}
	return err
}

// showImport prints what is not carried over to stderr, and the result.
func showImport(c *cobra.Command, left []string, text string) error {
	for _, l := range left {
		fmt.Fprintln(c.ErrOrStderr(), l)
	}
	_, err := fmt.Fprint(c.OutOrStdout(), text)
	return err
}
