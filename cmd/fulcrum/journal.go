package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	slogjournal "github.com/systemd/slog-journal"
)

// newLog returns a log that writes to stderr. If systemd has connected stderr to the journal, each
// attribute of a line is a field of the journal's entry as well.
func newLog(stderr io.Writer, level slog.Level) *slog.Logger {
	if isJournal, err := journal.StderrIsJournalStream(); err == nil && isJournal && stderr == os.Stderr {
		inner, err := slogjournal.NewHandler(&slogjournal.Options{Level: level, ReplaceAttr: asField})
		if err == nil {
			return slog.New(&journalHandler{Handler: inner})
		}
	}
	return slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
}

// fieldPrefix begins the names of all our fields in the journal.
const fieldPrefix = "FULCRUM_"

// asField gives an attribute a name that the journal takes: capitals, digits and underscores.
func asField(_ []string, a slog.Attr) slog.Attr {
	a.Key = fieldPrefix + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, a.Key)
	return a
}

// journalHandler writes the attributes into the message too: journalctl shows nothing else unless
// asked for.
type journalHandler struct {
	slog.Handler
	attrs []slog.Attr
}

// WithAttrs returns a handler that adds attributes to each line.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.Handler.WithAttrs(attrs), slices.Concat(h.attrs, attrs)}
}

// Handle writes a line.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	var text bytes.Buffer
	attrs := slog.NewRecord(r.Time, r.Level, "", r.PC)
	attrs.AddAttrs(h.attrs...)
	full := slog.NewRecord(r.Time, r.Level, "", r.PC)
	r.Attrs(func(a slog.Attr) bool {
		attrs.AddAttrs(a)
		full.AddAttrs(a)
		return true
	})
	plain := slog.NewTextHandler(&text, &slog.HandlerOptions{
		Level: r.Level, ReplaceAttr: withoutBuiltins,
	})
	if err := plain.Handle(ctx, attrs); err != nil {
		return err
	}
	full.Message = strings.TrimSpace(r.Message + " " + text.String())
	return h.Handler.Handle(ctx, full)
}

// withoutBuiltins leaves out what the journal has by itself.
func withoutBuiltins(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}
