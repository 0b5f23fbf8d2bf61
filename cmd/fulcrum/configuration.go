package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"fulcrum/api"
)

func newConfigCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Show the running configuration, compare it with its file, save it there",
	}
	c.AddCommand(newConfigShowCommand(), newConfigDiffCommand(), newConfigSaveCommand())
	return c
}

// runningFile asks for the running configuration as it would be saved.
func (w *where) runningFile(ctx context.Context) (f api.ConfigFile, err error) {
	ctx, cancel := context.WithTimeout(ctx, askDeadline)
	defer cancel()
	client, err := w.client()
	if err == nil {
		err = client.Do(ctx, http.MethodGet, "config/file", nil, &f)
	}
	return f, err
}

func newConfigShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "show", Short: "Show the running configuration as a file", Args: cobra.NoArgs,
		Long: "show prints the file that the running configuration is from, with what was changed live in it.\n" +
			"The file's comments and order are kept wherever possible. What ports have from their host\n" +
			"interfaces comes last, as comments: it is in no file.",
	}
	var w where
	w.addFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		f, err := w.runningFile(c.Context())
		if err != nil {
			return err
		}
		noteComments(c, &f)
		_, err = fmt.Fprint(c.OutOrStdout(), f.Text, hostComment(f.Host))
		return err
	}
	return c
}

// noteComments says so if the file's comments are lost.
func noteComments(c *cobra.Command, f *api.ConfigFile) {
	if !f.CommentsKept {
		fmt.Fprintf(c.ErrOrStderr(), "note: the text of %s cannot be edited: its comments are lost\n",
			f.Source)
	}
}

func newConfigDiffCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "diff", Short: "Show how the running configuration differs from the director's file",
		Args: cobra.NoArgs,
		Long: "diff compares the director's file with what save would write to it. The exit status is 0 if they\n" +
			"are equal, and 3 if they differ.",
	}
	var w where
	w.addFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		f, err := w.runningFile(c.Context())
		if err != nil {
			return err
		}
		file := []byte(f.FileRead)
		if w.remote == "" {
			if file, err = os.ReadFile(f.File); err != nil {
				return fmt.Errorf("read the director's file: %w", err)
			}
		}
		text := diff.Diff(f.File, file, "running", []byte(f.Text))
		if _, err := c.OutOrStdout().Write(text); err != nil || len(text) == 0 {
			return err
		}
		return &exitError{code: changesExit}
	}
	return c
}

// saveOptions holds the flags of fulcrum config save.
type saveOptions struct {
	where
	to    string
	force bool
}

func newConfigSaveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "save", Short: "Write the running configuration to the director's file",
		Args: cobra.NoArgs,
		Long: "save writes the running configuration to the file that the director reads at its start and on\n" +
			"SIGHUP. It keeps the old file as FILE.old. After that there are no overrides. A file that\n" +
			"was changed since the director read it is left alone: apply it first, or use --force.",
	}
	var o saveOptions
	o.addFlags(c)
	c.Flags().StringVar(&o.to, "to", "", "write to this file instead, and leave the director's alone")
	c.Flags().BoolVar(&o.force, "force", false, "overwrite the file even if it was changed meanwhile")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.to != "" {
			return o.copy(c)
		}
		return o.save(c, c.OutOrStdout())
	}
	return c
}

// copy writes the running configuration to a file that the director does not read.
func (o *saveOptions) copy(c *cobra.Command) error {
	f, err := o.runningFile(c.Context())
	if err != nil {
		return err
	}
	noteComments(c, &f)
	if err := writeOver(o.to, []byte(f.Text)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "saved to %s\n", o.to)
	return err
}

// errElsewhere says that the director's file cannot be written from here.
var errElsewhere = &exitError{code: 2, err: errors.New("the director's file is on another machine: " +
	"run this there, or write a file of this one with fulcrum config save --to")}

// ready returns an error if save could not write the director's file after a file was applied.
func (o *saveOptions) ready(c *cobra.Command, applied string) error {
	if o.remote != "" {
		return errElsewhere
	}
	f, err := o.runningFile(c.Context())
	if err != nil || fullPath(applied) == f.File {
		return err
	}
	_, err = o.onDisk(&f, "")
	return err
}

// save writes the running configuration to the director's file, tells the director, and says so to
// out. If another change comes first, it starts again.
func (o *saveOptions) save(c *cobra.Command, out io.Writer) error {
	if o.remote != "" {
		return errElsewhere
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	written, done := "", ", which has it all already"
	for range mostTries {
		f, err := o.runningFile(c.Context())
		if err != nil {
			return err
		}
		wrote, err := o.write(&f, written)
		if err != nil {
			return err
		}
		if wrote {
			written, done = f.Text, "; the old one is "+oldName(f.File)
		}
		switch overtaken, err := client.Saved(c.Context(), &f); {
		case overtaken:
			continue
		case err != nil:
			return fmt.Errorf("%s is written, but the director does not take it: %w", f.File, err)
		}
		noteComments(c, &f)
		_, err = fmt.Fprintf(out, "saved to %s%s\n", f.File, done)
		return err
	}
	return fmt.Errorf("save the configuration: other changes came first %d times", mostTries)
}

// write writes the configuration to the director's file, which must have what the director read or
// what this command has written, and keeps the old file. It leaves a file alone that has it all.
func (o *saveOptions) write(f *api.ConfigFile, written string) (wrote bool, err error) {
	disk, err := o.onDisk(f, written)
	if err != nil || disk == f.Text {
		return false, err
	}
	if disk != written || written == "" {
		if err := writeOver(oldName(f.File), []byte(disk)); err != nil {
			return false, fmt.Errorf("keep the old file: %w", err)
		}
	}
	return true, writeOver(f.File, []byte(f.Text))
}

// onDisk returns the content of the director's file, which must be what the director read or what
// this command has written.
func (o *saveOptions) onDisk(f *api.ConfigFile, written string) (string, error) {
	data, err := os.ReadFile(f.File)
	if err != nil {
		return "", fmt.Errorf("read the director's file: %w", err)
	}
	disk := string(data)
	if disk == f.FileRead || disk == written && written != "" || o.force {
		return disk, nil
	}
	return "", fmt.Errorf("%s was changed since the director read it: apply it first "+
		"(fulcrum apply %s), or overwrite it with fulcrum config save --force", f.File, f.File)
}

// oldName returns the name under which a file's earlier content is kept.
func oldName(file string) string { return file + ".old" }
