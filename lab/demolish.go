package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// dpdkFolder is where DPDK keeps a runtime folder for each --file-prefix. The director's is
// "fulcrum-PID-" and random characters.
const dpdkFolder = "/var/run/dpdk"

// Sweep removes labs whose owner died without Close, and returns their ids. It leaves kept labs
// alone.
func Sweep() ([]string, error) {
	removed, _, err := demolishWhere(func(r *record) bool { return !r.Kept })
	return removed, err
}

// Clean removes the labs of the given ids, or all labs if no id is given, kept ones too. It leaves
// labs whose owner still runs alone and returns them as busy.
func Clean(ids ...string) (removed, busy []string, err error) {
	return demolishWhere(func(r *record) bool { return len(ids) == 0 || slices.Contains(ids, r.ID) })
}

func demolishWhere(wanted func(*record) bool) (removed, busy []string, err error) {
	records, err := readRecords()
	for _, r := range records {
		switch {
		case !wanted(r):
		case r.Owner.alive() && !r.Kept:
			busy = append(busy, r.ID)
		default:
			err = errors.Join(err, r.demolish())
			removed = append(removed, r.ID)
		}
	}
	return removed, busy, err
}

// demolish removes everything that a record names. It is no error if something is gone already. If
// anything cannot be removed, the record stays.
func (r *record) demolish() error {
	var errs []error
	for _, p := range r.Children {
		errs = append(errs, p.end(), p.removeDPDK())
	}
	for _, name := range r.Namespaces {
		errs = append(errs, namespace(name).remove())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.remove()
}

// end ends a process that is not our child, with SIGTERM or else with SIGKILL.
func (p Process) end() error {
	gone := func() (bool, error) { return !p.alive(), nil }
	if err := p.askToEnd(); err != nil {
		return err
	}
	if poll(context.Background(), stopDeadline, gone, p.Role+" to end") == nil {
		return nil
	}
	if err := p.signal(os.Kill); err != nil {
		return err
	}
	return poll(context.Background(), stopDeadline, gone, p.Role+" to be killed")
}

// askToEnd sends SIGTERM, and wakes a process that a signal has stopped.
func (p Process) askToEnd() error {
	return errors.Join(p.signal(syscall.SIGTERM), p.signal(syscall.SIGCONT))
}

// removeDPDK removes the files that a killed director left, unless another process has its process
// id by now.
func (p Process) removeDPDK() error {
	if started, err := startTime(p.PID); p.Role != roleDirector || err == nil && started != p.Started {
		return nil
	}
	leftovers, err := filepath.Glob(filepath.Join(dpdkFolder, fmt.Sprintf("fulcrum-%d-*", p.PID)))
	for _, folder := range leftovers {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}
