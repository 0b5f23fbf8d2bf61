package engine

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"fulcrum/conntrack"
	"fulcrum/lvs"
)

// The folder of kept sessions has a folder for each run of a director:
//
//	lock         held by the director that uses the folder
//	run-7/about  what the run is, written once it has taken the sessions of the run before over
//	run-7/names  the identities of its real servers, a line each, added to while it runs
//	run-7/counters  what it has counted and shown (readCounters)
//	run-7/neighbours  the neighbours that it knows (kepthints.go)
//	run-7/table-0, table-1 ...  the sessions of its workers (conntrack.ReadKept)
//
// A run that has no file about has not begun; the sessions are then those of the run before.

// keptFormat is the version of the folder's format.
const keptFormat = 1

// keptRun is one run of a director.
type keptRun struct {
	Format  int    `json:"format"`
	Layout  int    `json:"layout"` // of the records
	Boot    string `json:"boot"`   // times are those of one boot
	Workers int    `json:"workers"`
	Secret  uint64 `json:"secret"` // of the rule by which workers own flows

	folder string
	number int
	lock   *os.File
	log    *keptLog // names, of the run of this process
	has    bool     // the run has the sessions: it has begun
	failed error    // why names are missing
	names  map[uint32]lvs.RealServerID
}

const (
	mostKeptAbout   = 64 << 10 // bytes
	mostKeptWorkers = 1 << 12
	mostKeptNames   = 64 << 20 // lines
)

func (r *keptRun) path(name string) string { return filepath.Join(r.folder, name) }
func (r *keptRun) table(i int) string      { return r.path("table-" + strconv.Itoa(i)) }

// openKept locks the folder, unless it gets the lock of the director that it follows, and begins a
// run. before is the last run that has begun; nil if there is none of this boot. aside says why
// others are not taken.
func openKept(
	folder string, workers int, secret uint64, lock *os.File,
) (run, before *keptRun, aside []string, err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, nil, err
	}
	if lock == nil {
		if lock, err = lockKept(filepath.Join(folder, "lock")); err != nil {
			return nil, nil, nil, fmt.Errorf("%s: %w", folder, err)
		}
	}
	boot := bootID()
	numbers := keptNumbers(folder)
	next := 0
	for _, n := range numbers {
		next = max(next, n+1)
		if removeUnbegun(runFolder(folder, n)) {
			continue
		}
		r, err := readKeptRun(folder, n, boot)
		switch {
		case err != nil:
			aside = append(aside, err.Error())
		default: // of two, the last one has the sessions
			if before != nil {
				_ = os.RemoveAll(before.folder) // removeOthers tries again
			}
			before = r
		}
	}
	run = &keptRun{
		Format: keptFormat, Layout: conntrack.LayoutVersion, Boot: boot, Workers: workers, Secret: secret,
		folder: runFolder(folder, next), number: next, lock: lock,
	}
	if before != nil {
		run.Secret = before.Secret
	}
	if err = os.Mkdir(run.folder, 0o700); err == nil {
		run.log, err = newKeptLog(run.path("names"))
	}
	if err != nil {
		return nil, nil, nil, errors.Join(err, lock.Close())
	}
	return run, before, aside, nil
}

func runFolder(folder string, n int) string {
	return filepath.Join(folder, "run-"+strconv.Itoa(n))
}

// removeUnbegun removes a run that has not begun: its start has failed, and its tables would take
// the memory that this start needs.
func removeUnbegun(folder string) bool {
	if _, err := os.Lstat(filepath.Join(folder, "about")); !errors.Is(err, os.ErrNotExist) {
		return false
	}
	return os.RemoveAll(folder) == nil
}

// keptNumbers returns the numbers of the runs in a folder.
func keptNumbers(folder string) (all []int) {
	entries, _ := os.ReadDir(folder) // it has just been made
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), "run-")
		if n, err := strconv.Atoi(digits); ok && err == nil && n >= 0 {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, cmp.Compare[int])
	return all
}

func lockKept(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errKeptBusy
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// bootID names this boot of the machine.
func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without it all boots are one
	return strings.TrimSpace(string(b))
}

// readKeptRun reads what a run of an earlier process is.
func readKeptRun(folder string, n int, boot string) (*keptRun, error) {
	r := &keptRun{folder: runFolder(folder, n), number: n}
	f, err := os.Open(r.path("about"))
	if err != nil {
		return nil, fmt.Errorf("%s: the run did not begin: %w", r.folder, err)
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, mostKeptAbout)).Decode(r); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	switch {
	case r.Format != keptFormat:
		return nil, fmt.Errorf("%s: its format is %d, this director reads %d", r.folder, r.Format, keptFormat)
	case r.Layout != conntrack.LayoutVersion:
		return nil, fmt.Errorf("%s: its layout is %d, this director has %d", r.folder, r.Layout,
			conntrack.LayoutVersion)
	case r.Boot != boot:
		return nil, fmt.Errorf("%s: the machine has booted since", r.folder)
	case r.Workers < 1 || r.Workers > mostKeptWorkers:
		return nil, fmt.Errorf("%s: %d workers", r.folder, r.Workers)
	}
	r.names, err = readNames(r.path("names"))
	return r, err
}

// keptName is a line of the file names.
type keptName struct {
	ID       uint32         `json:"id"`
	Protocol uint8          `json:"protocol,omitempty"`
	Mark     uint32         `json:"mark,omitempty"`
	Service  netip.AddrPort `json:"service"`
	Last     netip.Addr     `json:"last,omitzero"` // of a range, with its last port
	LastPort uint16         `json:"last_port,omitempty"`
	Address  netip.AddrPort `json:"address"`
}

// name adds the identity of a real server.
func (r *keptRun) name(id uint32, server lvs.RealServerID) {
	line, err := json.Marshal(keptName{
		ID: id, Protocol: uint8(server.Service.Protocol), Mark: server.Service.Mark,
		Service: server.Service.Address, Last: server.Service.Last, LastPort: server.Service.LastPort,
		Address: server.Address,
	})
	if err == nil {
		err = r.log.add(append(line, '\n'))
	}
	r.failed = errors.Join(r.failed, err)
}

// readNames reads the identities of real servers. A line that says nothing names nobody; of two
// about an id the later one holds.
func readNames(path string) (map[uint32]lvs.RealServerID, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names := map[uint32]lvs.RealServerID{}
	lines := bufio.NewScanner(f)
	for n := 0; n < mostKeptNames && lines.Scan(); n++ {
		var k keptName
		if json.Unmarshal(lines.Bytes(), &k) == nil {
			names[k.ID] = lvs.RealServerID{
				Service: lvs.ServiceID{
					Protocol: lvs.Protocol(k.Protocol), Mark: k.Mark, Address: k.Service,
					Last: k.Last, LastPort: k.LastPort,
				},
				Address: k.Address,
			}
		}
	}
	return names, nil
}

// begun says that the run has the sessions now.
func (r *keptRun) begun() error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := errors.Join(r.failed, writeKept(r.path("about.new"), text)); err != nil {
		return err
	}
	if err := os.Rename(r.path("about.new"), r.path("about")); err != nil {
		return err
	}
	r.has = true
	return nil
}

// removeOthers removes all runs before this one once it has begun. It takes a while, so it is
// called once packets flow.
func (r *keptRun) removeOthers() (err error) {
	folder := filepath.Dir(r.folder)
	for _, n := range keptNumbers(folder) {
		if r.has && n < r.number { // a later one is that of a successor
			err = errors.Join(err, os.RemoveAll(runFolder(folder, n)))
		}
	}
	return err
}

// close gives the folder up. The sessions stay, unless those of the run before are the valid ones.
func (r *keptRun) close() error {
	err := errors.Join(r.log.close(), r.removeOthers())
	if !r.has {
		err = errors.Join(err, os.RemoveAll(r.folder))
	}
	return errors.Join(err, r.lock.Close())
}
