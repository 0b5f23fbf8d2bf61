package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"fulcrum/capture"
	"fulcrum/engine"
)

// Defaults and bounds of a capture.
const (
	capturePackets    = 10_000
	maxCapturePackets = 10_000_000
	captureBytes      = 100 << 20
	maxCaptureBytes   = 10 << 30
	captureSnap       = 256
	captureSeconds    = 60
	maxCaptureSeconds = 3600

	captureFlush = 200 * time.Millisecond // between two flushes
	captureGrace = time.Second            // for the client to read the last bytes
)

// MissedTrailer is the HTTP trailer with the number of packets that a capture lost because its
// buffers were full.
const MissedTrailer = "Fulcrum-Missed"

// CaptureHeader is the HTTP header with the id of a capture, by which its client can end it.
const CaptureHeader = "Fulcrum-Capture"

// ErrorTrailer is the HTTP trailer with the error that ended a capture. It is absent without one.
const ErrorTrailer = "Fulcrum-Error"

// capture streams pcapng until the capture reaches a limit or the client disconnects.
func (a *diagnosis) capture(w http.ResponseWriter, r *http.Request) {
	c, duration, err := a.parseCapture(r.URL.Query())
	if err != nil {
		writeProblem(w, http.StatusUnprocessableEntity, err)
		return
	}
	c.From = holderOf(r)
	ctx, cancel := context.WithTimeout(r.Context(), duration)
	defer cancel()
	id := rand.Text()
	a.ends.Store(id, cancel)
	defer a.ends.Delete(id)
	w.Header().Set(CaptureHeader, id)
	s := &captureStream{response: w, control: http.NewResponseController(w), snap: c.Snap}
	for _, p := range a.config.Ports {
		s.ports = append(s.ports, p.Name)
	}
	// The server's own write timeout is shorter than a long capture.
	_ = s.control.SetWriteDeadline(time.Now().Add(duration + captureGrace))
	var flushing sync.WaitGroup
	flushing.Go(func() { s.flushUntil(ctx) })
	result, err := a.director.Capture(ctx, c, s.write)
	cancel()
	flushing.Wait()
	s.end(result, err)
}

// endCapture ends a capture for the client that started it. Only that one knows the id.
func (a *diagnosis) endCapture(w http.ResponseWriter, r *http.Request) {
	end, running := a.ends.Load(r.PathValue("id"))
	if !running {
		writeProblem(w, http.StatusNotFound, errors.New("no such capture: it has ended"))
		return
	}
	end.(context.CancelFunc)()
	w.WriteHeader(http.StatusNoContent)
}

// parseCapture reads the parameters of a capture. stage may be given several times; its default is
// rx.
func (a *diagnosis) parseCapture(
	v url.Values,
) (c engine.CaptureConfig, duration time.Duration, err error) {
	if err := onlyKnown(v, captureParameters); err != nil {
		return c, 0, err
	}
	if err := a.parseSelection(v, &c); err != nil {
		return c, 0, err
	}
	names := v["stage"]
	if len(names) == 0 {
		names = []string{capture.Rx.String()}
	}
	for _, name := range names {
		s, ok := capture.ParseStage(name)
		if !ok {
			return c, 0, fmt.Errorf("stage: unknown stage %q: write rx, tx or drop", name)
		}
		c.Stages = append(c.Stages, s)
	}
	seconds := 0
	for _, n := range []struct {
		key          string
		to           *int
		preset, most int
	}{
		{"packets", &c.Packets, capturePackets, maxCapturePackets},
		{"bytes", &c.Bytes, captureBytes, maxCaptureBytes},
		{"snap", &c.Snap, captureSnap, engine.MaxSnap},
		{"seconds", &seconds, captureSeconds, maxCaptureSeconds},
	} {
		*n.to, err = strconv.Atoi(cmp.Or(v.Get(n.key), strconv.Itoa(n.preset)))
		if err != nil || *n.to < 1 || *n.to > n.most {
			return c, 0, fmt.Errorf("%s: invalid number %q: write 1 to %d", n.key, v.Get(n.key), n.most)
		}
	}
	return c, time.Duration(seconds) * time.Second, c.Validate()
}

// parseSelection reads which packets are recorded: by the parameters expression, session and
// filter, which must all select a packet.
func (a *diagnosis) parseSelection(v url.Values, c *engine.CaptureConfig) (err error) {
	var what []string
	if text := v.Get("expression"); text != "" {
		what = append(what, fmt.Sprintf("%q", text))
		if c.Program, err = a.director.CompileFilter(text); err != nil {
			return fmt.Errorf("expression %q: %w: see man pcap-filter", text, err)
		}
	}
	if text := v.Get("session"); text != "" {
		what = append(what, fmt.Sprintf("session %q", text))
		sessions, err := capture.ParseSessions(text)
		if err != nil {
			return err
		}
		c.Sessions = &sessions
	}
	if text := v.Get("filter"); text != "" {
		what = append(what, fmt.Sprintf("filter %q", text))
		if c.Filter, err = capture.ParseFilter(text); err != nil {
			return err
		}
	}
	c.What = cmp.Or(strings.Join(what, ", "), "all packets")
	return nil
}

// captureStream writes records to a client. It begins the file with the first record or with the
// first flush. An error before that can still be sent as a problem, and a client learns early that
// its capture has started, even if no packet comes.
type captureStream struct {
	response http.ResponseWriter
	control  *http.ResponseController
	ports    []string
	snap     int

	mu   sync.Mutex
	file *capture.Writer // guarded by mu
}

// flushUntil flushes at intervals until ctx ends. A client then has captureGrace to read the rest,
// before it is disconnected.
func (s *captureStream) flushUntil(ctx context.Context) {
	ticker := time.NewTicker(captureFlush)
	defer ticker.Stop()
	defer func() { _ = s.control.SetWriteDeadline(time.Now().Add(captureGrace)) }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.flush()
	}
}

func (s *captureStream) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begin() == nil {
		_ = s.control.Flush() // the next write returns the same error
	}
}

func (s *captureStream) begin() (err error) {
	if s.file != nil {
		return nil
	}
	h := s.response.Header()
	h.Set("Content-Type", "application/x-pcapng")
	h.Add("Trailer", MissedTrailer)
	h.Add("Trailer", ErrorTrailer)
	s.file, err = capture.NewWriter(s.response, s.ports, s.snap)
	return err
}

func (s *captureStream) write(r *capture.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(); err != nil {
		return err
	}
	comment := ""
	if r.Stage == capture.Drop {
		v := engine.Verdict(r.Reason)
		comment = fmt.Sprintf("%s: %s (worker %d)", v, v.Meaning(), r.Worker)
	}
	return s.file.Write(r, comment)
}

func (s *captureStream) end(result engine.Captured, err error) {
	if err != nil && s.file == nil {
		writeProblem(s.response, http.StatusConflict, err)
		return
	}
	if s.begin() != nil {
		return // the client has disconnected
	}
	h := s.response.Header()
	h.Set(MissedTrailer, strconv.FormatUint(result.Missed, 10))
	if err != nil {
		h.Set(ErrorTrailer, err.Error())
	}
}
