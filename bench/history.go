package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Record is what one commit costs, a line of a history.
type Record struct {
	Commit string          `json:"commit"` // "-dirty" behind it: with changes that were not committed
	Time   time.Time       `json:"time"`
	Build  Build           `json:"build"`
	CPU    string          `json:"cpu,omitempty"` // the model, if costs depend on it
	Unit   string          `json:"unit"`          // of costs, for a packet
	Costs  map[string]Cost `json:"costs"`         // by Case
}

// Units of records.
const (
	unitInstructions = "instructions"
	unitNanoseconds  = "ns"
)

// Names of histories: files of a folder for results.
const (
	InstructionsHistory = "instructions.jsonl"
	SynthHistory        = "synth.jsonl"
)

// NewRecord returns a record of instructions, at this time.
func NewRecord(commit string, b Build, costs map[string]Cost) Record {
	return Record{
		Commit: commit, Time: time.Now().UTC().Truncate(time.Second), Build: b, Unit: unitInstructions,
		Costs: costs,
	}
}

// ReadHistory reads a history, oldest record first. A file that does not exist is empty.
func ReadHistory(file string) ([]Record, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	var list []Record
	for line := range bytes.Lines(text) {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("read the history: %s, record %d: %w", file, len(list)+1, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// AddToHistory appends a record to a history, in place of an older one of the same commit, and
// draws the history beside it.
func AddToHistory(file string, r Record) error {
	list, err := ReadHistory(file)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(old Record) bool { return old.Commit == r.Commit })
	list = append(list, r)
	var text bytes.Buffer
	for _, r := range list {
		if err := json.NewEncoder(&text).Encode(r); err != nil {
			return err
		}
	}
	folder, name := filepath.Split(file)
	if err := os.MkdirAll(filepath.Clean(folder), 0o755); err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the history: %w", err)
	}
	return drawHistory(folder, name, list)
}

// Skips returns why costs cannot be compared with those of an earlier record, or "".
func (r *Record) Skips(before *Record) string {
	if r.Build == before.Build {
		return ""
	}
	return fmt.Sprintf("the record of %s is of another build: %+v, and this is %+v", before.Commit,
		before.Build, r.Build)
}

// Dearer returns what costs more than in an earlier record, if it is more than by a share: a
// sentence for each case that both have.
func (r *Record) Dearer(before *Record, share float64) (list []string) {
	for _, c := range AllCases() {
		name := c.String()
		now, then := r.Costs[name].Total, before.Costs[name].Total
		if then > 0 && now > then*(1+share) {
			list = append(list, fmt.Sprintf("%s: %.1f %s a packet, %.1f at %s", name, now, r.Unit, then,
				before.Commit))
		}
	}
	return list
}
