package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"fulcrum/config"
	"fulcrum/conntrack"
	"fulcrum/host"
	"fulcrum/hostway"
)

func newCheckCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "check FILE...",
		Short: "Check configuration files and explain all their problems",
		Long: "check reads configuration files. It prints each problem as\n\n" +
			"  file:line: key: what is wrong; what is right\n\n" +
			"and what is valid but hardly meant, or opens what is closed by default, as a warning. It opens no\n" +
			"device and needs no privileges; director.workers is checked against the CPUs of this machine,\n" +
			"session.max against its memory, and port.host against its drivers.\n" +
			"The exit status is 0 if all files are valid and 1 otherwise.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			return checkFiles(c, files, output)
		},
	}
	addOutput(c, &output)
	return c
}

// checked is what check says about a file.
type checked struct {
	File        string         `json:"file"`
	Valid       bool           `json:"valid"`
	Error       string         `json:"error,omitempty"` // the file could not be read
	Problems    []checkProblem `json:"problems"`
	Warnings    []string       `json:"warnings"`
	Ports       int            `json:"ports"` // these three are 0 if the file is not valid
	Services    int            `json:"services"`
	RealServers int            `json:"real_servers"`

	err error // the cause of Error
}

type checkProblem struct {
	Line  int    `json:"line"`
	Key   string `json:"key"`
	Wrong string `json:"wrong"`
	Right string `json:"right"`
}

func checkFiles(c *cobra.Command, files []string, output string) error {
	all, valid := make([]checked, len(files)), true
	for i, file := range files {
		all[i] = checkFile(file)
		valid = valid && all[i].Valid
	}
	if output == "json" {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false) // -> stays readable
		if err := e.Encode(all); err != nil {
			return err
		}
	} else if err := showChecked(c.OutOrStdout(), c.ErrOrStderr(), all); err != nil {
		return err
	}
	if !valid {
		return &exitError{code: 1}
	}
	return nil
}

func checkFile(file string) checked {
	r := checked{File: file, Problems: []checkProblem{}, Warnings: []string{}}
	c, err := config.Load(file)
	if problems, bad := errors.AsType[config.Problems](err); bad {
		for _, p := range problems {
			r.Problems = append(r.Problems, checkProblem{p.Line, p.Key, p.What, p.Right})
		}
		r.err = problems
		return r
	}
	if err != nil {
		r.Error, r.err = err.Error(), err
		return r
	}
	r.Valid, r.Ports, r.Services = true, len(c.Ports), len(c.Services)
	r.Warnings = append(r.Warnings, c.Warnings()...)
	r.Warnings = append(r.Warnings, memoryWarning(c, host.CheckMemory)...)
	r.Warnings = append(r.Warnings, hostWarning(c, hostway.Available)...)
	for _, service := range c.Services {
		r.RealServers += len(service.RealServers)
	}
	return r
}

// memoryWarning returns a warning if this machine does not have the memory of the session tables.
// fits is host.CheckMemory.
func memoryWarning(c *config.Config, fits func(bytes int) error) []string {
	workers := len(c.Director.Workers)
	size := workers * conntrack.Size(c.Session.Max/workers, c.Session.MaxV6/workers)
	if err := fits(size); err != nil {
		return []string{fmt.Sprintf("session.max: the session tables take %d MiB, unless they are on "+
			"huge pages; %v", size>>20, err)}
	}
	return nil
}

// hostWarning returns a warning if this machine cannot have the host interfaces of a file.
// available is hostway.Available.
func hostWarning(c *config.Config, available func() error) []string {
	has := func(p config.Port) bool { return p.Host != "" }
	if !slices.ContainsFunc(c.Ports, has) {
		return nil
	}
	if err := available(); err != nil {
		return []string{"port.host: " + err.Error()}
	}
	return nil
}

// showChecked prints what is valid to stdout and the rest to stderr. It returns the error of a
// single file that cannot be read.
func showChecked(stdout, stderr io.Writer, all []checked) error {
	for _, r := range all {
		for _, w := range r.Warnings {
			fmt.Fprintf(stderr, "%s: warning: %s\n", r.File, w)
		}
		switch {
		case r.Valid:
			fmt.Fprintln(stdout, r.summary())
		case r.Error != "" && len(all) == 1:
			return &exitError{code: 1, err: r.err}
		default:
			fmt.Fprintln(stderr, r.err)
		}
	}
	return nil
}

// summary describes a valid configuration in one line.
func (r *checked) summary() string {
	return fmt.Sprintf("%s: ok (%s, %s, %s)", r.File, count(r.Ports, "port"),
		count(r.Services, "service"), count(r.RealServers, "real server"))
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
