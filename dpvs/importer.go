package dpvs

import (
	"log/slog"
	"strconv"
	"strings"

	"fulcrum/foreign"
)

// importer turns blocks into keys of a configuration.
type importer struct {
	*foreign.Report
	result  Import
	devices []*device
	names   map[string]*device
	cpus    map[int]place // where a worker has a CPU
	where   map[string]place
}

func newImporter(r *foreign.Report) *importer {
	i := &importer{
		Report: r, names: map[string]*device{}, cpus: map[int]place{}, where: map[string]place{},
	}
	i.result.Sessions, i.result.Timeouts = usualSessions, usualTimeouts()
	return i
}

// takeSection reads an entry outside all blocks.
func (i *importer) takeSection(e *entry) {
	switch key := e.words[0]; key {
	case "global_defs":
		i.takeKeys(key, e, map[string]taker{"log_level": i.takeLogLevel})
	case "netif_defs":
		i.takeKeys(key, e, map[string]taker{"device": i.takeDevice, "bonding": i.takeDevice})
	case "worker_defs":
		i.takeKeys(key, e, map[string]taker{"worker": i.takeWorker})
	case "ipvs_defs":
		i.takeKeys(key, e, i.sessionTakers())
	case "virtual_server", "virtual_server_group", "local_address_group", "vrrp_instance":
		i.Wrong(e.place, "%s: is of a keepalived.conf: fulcrum import keepalived %s", key, e.File)
	default:
		i.takeKeys(key, e, nil)
	}
}

// taker reads an entry that has a meaning here.
type taker func(e *entry)

// takeKeys reads the block of an entry. Takers are found by the keys on the way to an entry below
// path, joined by dots. What has none is noted.
func (i *importer) takeKeys(path string, e *entry, takers map[string]taker) {
	for _, x := range e.block {
		whole := path + "." + x.words[0]
		_, inner, _ := strings.Cut(whole, ".")
		switch take := takers[inner]; {
		case take != nil:
			i.takeOnce(whole, x, take)
		case x.open && absent[whole] == "":
			i.takeKeys(whole, x, takers)
		default:
			i.leaveKey(whole, x)
		}
	}
	if len(e.block) == 0 && !e.open {
		i.leaveKey(path, e)
	}
}

// takeOnce reads an entry, and notes that it replaces an earlier one of the same words: the last
// one counts.
func (i *importer) takeOnce(path string, e *entry, take taker) {
	if !e.open {
		if first, again := i.where[path]; again {
			i.Leave(first, path, "is given again in line "+strconv.Itoa(e.Line)+", which counts")
		}
		i.where[path] = e.place
	}
	take(e)
}

// number returns the number after a key. It reports one that is out of bounds, and returns false.
func (i *importer) number(e *entry, least, most int) (int, bool) {
	n, err := strconv.Atoi(e.value())
	if err != nil || n < least || n > most {
		i.Wrong(e.place, "invalid %s %q: write a number from %d to %d", e.words[0], e.value(), least,
			most)
		return 0, false
	}
	return n, true
}

// logLevels are the levels of DPDK's log, by the beginnings of their names.
var logLevels = []struct {
	name  string
	level slog.Level
}{
	{"EMERG", slog.LevelError}, {"ALERT", slog.LevelError}, {"CRIT", slog.LevelError},
	{"ERR", slog.LevelError}, {"WARNING", slog.LevelWarn}, {"NOTICE", slog.LevelInfo},
	{"INFO", slog.LevelInfo}, {"DEBUG", slog.LevelDebug},
}

func (i *importer) takeLogLevel(e *entry) {
	for _, l := range logLevels {
		if strings.HasPrefix(e.value(), l.name) {
			i.result.Log = l.level
			return
		}
	}
	i.Wrong(e.place, "invalid log_level %q: write one such as INFO", e.value())
}
