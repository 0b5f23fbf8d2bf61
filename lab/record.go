package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// recordFolder holds a record, ID.json, and a folder, ID, for each lab that stands.
const recordFolder = "/run/fulcrum-lab"

// record lists what a later process has to remove of a lab. It is written before the named things
// are made.
type record struct {
	ID         string    `json:"id"`
	Mode       string    `json:"mode"`
	Owner      Process   `json:"owner"`
	Kept       bool      `json:"kept"`
	Namespaces []string  `json:"namespaces"`
	Children   []Process `json:"children"`

	mu sync.Mutex // guards Children and Kept and the file
}

func (r *record) folder() string { return filepath.Join(recordFolder, r.ID) }
func (r *record) file() string   { return r.folder() + ".json" }

// claimRecord takes a free id: the process's own, with a number behind it from the second lab on.
func claimRecord(mode string, roles []string) (*record, error) {
	owner, err := identify("owner", os.Getpid())
	if err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		r := &record{ID: labID(n), Mode: mode, Owner: owner}
		for _, role := range roles {
			r.Namespaces = append(r.Namespaces, namespaceName(r.ID, role))
		}
		err := r.claim()
		if errors.Is(err, os.ErrExist) {
			continue
		}
		return r, err
	}
}

func labID(n int) string {
	if n == 1 {
		return fmt.Sprint(os.Getpid())
	}
	return fmt.Sprintf("%d-%d", os.Getpid(), n)
}

func namespaceName(id, role string) string { return "fulcrum-" + id + "-" + role }

// claim makes the file and the folder. Another lab may remove the empty recordFolder in between.
func (r *record) claim() error {
	for {
		if err := os.MkdirAll(recordFolder, 0o755); err != nil {
			return fmt.Errorf("making the folder of lab records: %w", err)
		}
		file, err := os.OpenFile(r.file(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("claiming lab %s: %w", r.ID, err)
		}
		file.Close()
		return errors.Join(r.write(), os.Mkdir(r.folder(), 0o755))
	}
}

// write replaces the file atomically, so that a reader sees the old or the new record.
func (r *record) write() error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the record of lab %s: %w", r.ID, err)
	}
	draft := r.file() + ".new"
	if err := errors.Join(os.WriteFile(draft, text, 0o644), os.Rename(draft, r.file())); err != nil {
		return fmt.Errorf("writing the record of lab %s: %w", r.ID, err)
	}
	return nil
}

func (r *record) addChild(p Process) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Children = append(slices.DeleteFunc(r.Children, func(old Process) bool { return old.Role == p.Role }), p)
	return r.write()
}

func (r *record) keep() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Kept = true
	return r.write()
}

// remove removes the folder and then the file. As long as anything is left, it is on record.
func (r *record) remove() error {
	err := errors.Join(os.RemoveAll(r.folder()), os.RemoveAll(r.file()+".new"), os.RemoveAll(r.file()))
	os.Remove(recordFolder) // fails unless it was the last one
	if err != nil {
		return fmt.Errorf("removing the record of lab %s: %w", r.ID, err)
	}
	return nil
}

// readRecords reads all records except those that are being written or removed. Damaged records are
// errors and do not hide the others.
func readRecords() ([]*record, error) {
	files, err := filepath.Glob(filepath.Join(recordFolder, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("listing lab records: %w", err)
	}
	var list []*record
	var errs []error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || len(text) == 0 {
			continue
		}
		r, err := parseRecord(file, text, err)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, r)
	}
	return list, errors.Join(errs...)
}

func parseRecord(file string, text []byte, err error) (*record, error) {
	r := &record{}
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err == nil && r.file() != file {
		err = fmt.Errorf("it names lab %q", r.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("reading lab record %s: %w; remove the namespaces it names with `ip netns del`, then the file", file, err)
	}
	return r, nil
}
