package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"fulcrum/engine"
)

// What is down survives a restart in a file of its own in the state folder: a director that starts
// would send sessions to dead real servers until its checks have found them again.

const (
	downName = "down"
	mostDown = 64 << 20 // bytes of the file that are read
)

// PrepareChecks has the engine start with what the configuration's checks say before the first of
// them: nothing is up that has start = "down" or was down when an earlier process ended. Call it
// before the workers run, and before Check.
func (r *Running) PrepareChecks() error {
	c := r.Config()
	if r.state != nil {
		r.checks.restored = r.state.readDown()
	}
	r.checks.followAll(nil, c)
	var put []engine.Service
	for i := range c.Services {
		if s := &c.Services[i]; isChecked(s) {
			put = append(put, r.engineService(c, s, nil))
			r.checks.settle(s)
		}
	}
	r.checks.restored = nil
	if len(put) == 0 {
		return nil
	}
	return r.engine.Change(engine.Change{Put: put})
}

// keepVerdicts writes which real servers are down into the state folder, in a turn of its own. It
// returns ErrAbandoned if ctx ends before.
func (r *Running) keepVerdicts(ctx context.Context) error {
	if r.state == nil {
		return nil
	}
	if err := r.turn.Begin(ctx); err != nil {
		return err
	}
	defer r.turn.End()
	if err := r.state.writeDown(r.checks.names()); err != nil {
		r.warn([]string{fmt.Sprintf("a restart will not know which real servers are down: %v", err)})
	}
	return nil
}

// names returns the names of the real servers that are down by their checks. What clients' sessions
// say is of the moment, and is not kept for the next run.
func (k *checks) names() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := []string{}
	for id, s := range k.services {
		for address, down := range s.down {
			if down && !s.passive[address] {
				all = append(all, nameOf(id, address))
			}
		}
	}
	slices.Sort(all)
	return all
}

func (s *State) writeDown(names []string) error {
	text, err := json.Marshal(names)
	if err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(s.folder, downName), text, 0o600, renameio.WithTempDir(s.folder))
}

// readDown returns the names in the file. One that cannot be read is as good as none: all real
// servers are up until they are checked.
func (s *State) readDown() map[string]bool {
	f, err := os.Open(filepath.Join(s.folder, downName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var names []string
	if err == nil {
		defer f.Close()
		err = json.NewDecoder(io.LimitReader(f, mostDown)).Decode(&names)
	}
	if err != nil {
		s.log.Warn("which real servers were down is not known; all are up until they are checked", "reason", err)
		return nil
	}
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}
