package lab

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// Standing is a lab that stands.
type Standing struct {
	ID    string
	Mode  string   // lvs's name
	Kept  bool     // or else its owner still uses it
	Hosts []string // the roles of its namespaces, such as client or rs1
}

// List returns the labs that stand, in the order of their ids. Damaged records are errors, and do
// not hide the others.
func List() (all []Standing, err error) {
	records, err := readRecords()
	for _, r := range records {
		s := Standing{ID: r.ID, Mode: r.Mode, Kept: r.Kept}
		for _, name := range r.Namespaces {
			s.Hosts = append(s.Hosts, strings.TrimPrefix(name, namespaceName(r.ID, "")))
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Standing) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return all, err
}

// ControlSocket returns the path of the lab's director's control socket.
func (s *Standing) ControlSocket() string {
	return filepath.Join(recordFolder, s.ID, controlSocket)
}

// Exec replaces this process by a program that runs in the network namespace of one of the lab's
// hosts. It returns only if that fails. The program finds more variables in its environment.
func (s *Standing) Exec(host string, command []string, variables ...string) error {
	if !slices.Contains(s.Hosts, host) {
		return fmt.Errorf("lab %s has no host %q: choose one of %s", s.ID, host,
			strings.Join(s.Hosts, ", "))
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	runtime.LockOSThread() // the thread that calls execve is the one that lives on
	if err := namespace(namespaceName(s.ID, host)).enter(); err != nil {
		return err
	}
	err = syscall.Exec(path, command, append(os.Environ(), variables...))
	return fmt.Errorf("run %s: %w", path, err)
}
