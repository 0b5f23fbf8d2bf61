package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

const (
	// ipvsVariable names the environment variable by which the preloaded library finds the director.
	ipvsVariable = "FULCRUM_IPVS"
	// defaultIPVSSocket is the socket of the kernel's IPVS messages without --socket.
	defaultIPVSSocket = "/run/fulcrum-ipvs.sock"
	// preloadVariable names the environment variable of the dynamic linker.
	preloadVariable = "LD_PRELOAD"
	// preloadName is the library that preload/ipvs.c becomes, and preloadFolder where it is installed.
	preloadName   = "libfulcrum-ipvs.so"
	preloadFolder = "/usr/lib/fulcrum"
)

// shim runs a program that drives the director instead of the kernel's IPVS.
type shim struct {
	socket, library string
}

func newIPVSShimCommand() *cobra.Command {
	var s shim
	c := &cobra.Command{
		Use:   "ipvs-shim [--socket PATH] [--library PATH] -- COMMAND [ARGUMENT...]",
		Short: "Run the stock ipvsadm or keepalived on a running director",
		Long: "ipvs-shim runs a command with a library that takes its messages for the kernel's IPVS to the\n" +
			"director. The library is " + preloadName + " beside fulcrum or in " + preloadFolder + ". What the command\n" +
			"starts has it too. The exit status is the command's.",
		Example: "  fulcrum ipvs-shim -- ipvsadm -Ln --stats\n" +
			"  fulcrum ipvs-shim -- keepalived --dont-fork --log-console",
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return s.exec(args) },
	}
	f := c.Flags()
	f.SetInterspersed(false)
	socket := os.Getenv(ipvsVariable)
	if socket == "" {
		socket = defaultIPVSSocket
	}
	f.StringVar(&s.socket, "socket", socket,
		"the director's socket for IPVS's messages; its default is $"+ipvsVariable)
	f.StringVar(&s.library, "library", "", "the library to preload, if it is elsewhere")
	return c
}

// exec becomes the command. It returns only if that fails.
func (s *shim) exec(args []string) error {
	program, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	library, err := s.findLibrary()
	if err != nil {
		return err
	}
	if err := checkPreloadable(program, library); err != nil {
		return err
	}
	socket, err := filepath.Abs(s.socket)
	if err != nil {
		return err
	}
	os.Setenv(ipvsVariable, socket)
	os.Setenv(preloadVariable, preloading(library, os.Getenv(preloadVariable)))
	return fmt.Errorf("run %s: %w", program, unix.Exec(program, args, os.Environ()))
}

// separates reports whether the dynamic linker takes c for the end of a path in LD_PRELOAD, or for
// the beginning of a name to replace.
func separates(c rune) bool { return strings.ContainsRune(": \t\n$", c) }

// preloading returns the value of LD_PRELOAD that has the library before all others.
func preloading(library, others string) string {
	if slices.Contains(strings.FieldsFunc(others, separates), library) {
		return others
	}
	return strings.TrimSuffix(library+":"+others, ":")
}

// findLibrary returns the absolute path of the library.
func (s *shim) findLibrary() (string, error) {
	places, err := s.places()
	if err != nil {
		return "", err
	}
	for _, path := range places {
		switch info, err := os.Stat(path); {
		case err != nil || !info.Mode().IsRegular():
		case strings.ContainsFunc(path, separates):
			return "", fmt.Errorf("%q cannot be preloaded because of a blank, a colon or a $ in its path: "+
				"copy it to %s", path, preloadFolder)
		default:
			return path, nil
		}
	}
	return "", fmt.Errorf("no library at %s: `make build` makes it; copy it to %s, or give --library",
		strings.Join(places, " or "), preloadFolder)
}

// places returns the absolute paths at which the library may be.
func (s *shim) places() ([]string, error) {
	if s.library != "" {
		path, err := filepath.Abs(s.library)
		return []string{path}, err
	}
	self, err := os.Executable()
	return []string{filepath.Join(filepath.Dir(self), preloadName),
		filepath.Join(preloadFolder, preloadName)}, err
}

// checkPreloadable returns an error if the dynamic linker would run the program without the
// library. The program would then drive the kernel's IPVS, if there is one. Of a script it is the
// interpreter that has the library.
func checkPreloadable(program, library string) error {
	if script, err := isScript(program); script || err != nil {
		return err
	}
	p, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("read %s: %w", program, err)
	}
	defer p.Close()
	if !slices.ContainsFunc(p.Progs, func(g *elf.Prog) bool { return g.Type == elf.PT_INTERP }) {
		return fmt.Errorf("%s is linked statically, so that no library can be preloaded: "+
			"use a build that is linked dynamically, as Debian's are, or `fulcrum ipvsadm`", program)
	}
	l, err := elf.Open(library)
	if err != nil {
		return fmt.Errorf("read %s: %w", library, err)
	}
	defer l.Close()
	if l.Machine != p.Machine || l.Class != p.Class {
		return fmt.Errorf("%s is for %s, %s, and %s for %s, %s: build the library where the program is "+
			"from", program, p.Machine, p.Class, library, l.Machine, l.Class)
	}
	return checkPrivileges(program)
}

// isScript reports whether a program is no ELF file.
func isScript(program string) (bool, error) {
	f, err := os.Open(program)
	if err != nil {
		return false, err
	}
	defer f.Close()
	start := make([]byte, len(elf.ELFMAG))
	n, _ := f.Read(start) // a file without content is no program either
	return string(start[:n]) != elf.ELFMAG, nil
}

// checkPrivileges returns an error if the kernel gives the program more privileges than its caller
// has. The dynamic linker then ignores LD_PRELOAD (ld.so(8), secure-execution mode).
func checkPrivileges(program string) error {
	var s unix.Stat_t
	if err := unix.Stat(program, &s); err != nil {
		return fmt.Errorf("look at %s: %w", program, err)
	}
	var why string
	switch {
	case s.Mode&unix.S_ISUID != 0 && int(s.Uid) != os.Geteuid():
		why = "setuid"
	case s.Mode&unix.S_ISGID != 0 && int(s.Gid) != os.Getegid():
		why = "setgid"
	case os.Geteuid() != 0 && hasCapabilities(program):
		why = "given capabilities"
	default:
		return nil
	}
	return errors.New(program + " is " + why + ", so that the dynamic linker preloads no library: " +
		"run it as root, or use a copy without that")
}

func hasCapabilities(program string) bool {
	n, err := unix.Getxattr(program, "security.capability", nil)
	return err == nil && n > 0
}
