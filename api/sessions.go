package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// Bounds of a listing.
const (
	listBuffer  = 64 << 10         // bytes written at a time
	listTimeout = 30 * time.Second // for a client to read them
)

// sessionQuery selects the sessions to list.
type sessionQuery struct {
	Service    string `query:"service" doc:"the service's name" maxLength:"256"`
	Protocol   string `query:"protocol" enum:"tcp,udp,sctp,icmp"`
	State      string `query:"state" doc:"IPVS's name of a state" example:"ESTABLISHED" maxLength:"32"`
	Client     string `query:"client" doc:"address, subnet, or address with port" example:"198.51.100.0/24" maxLength:"64"`
	VIP        string `query:"vip" doc:"address, subnet, or address with port" example:"10.0.0.100:80" maxLength:"64"`
	RealServer string `query:"real_server" doc:"address, subnet, or address with port" example:"10.1.0.11" maxLength:"64"`
	Limit      int    `query:"limit" doc:"list at most this many sessions; 0 lists all" minimum:"0"`
	Cursor     string `query:"cursor" doc:"go on after the session that has this cursor" maxLength:"20"`

	filter sessionFilter // valid after Resolve
}

// sessionFilter is a parsed sessionQuery. An empty field matches every session.
type sessionFilter struct {
	service, protocol       string
	state                   string // IPVS's name
	client, vip, realServer endpoint
	from                    engine.Cursor
}

var _ huma.Resolver = (*sessionQuery)(nil)

// Resolve parses the query. Each error names its parameter.
func (q *sessionQuery) Resolve(huma.Context) (wrong []error) {
	report := func(parameter, value string, err error) {
		d := &huma.ErrorDetail{Message: err.Error(), Location: "query." + parameter, Value: value}
		wrong = append(wrong, d)
	}
	q.filter.service, q.filter.protocol = q.Service, q.Protocol
	if q.State != "" {
		s, ok := lvs.ParseState(q.State)
		if !ok {
			report("state", q.State, fmt.Errorf(
				"unknown state %q: write IPVS's name, such as ESTABLISHED or FIN_WAIT", q.State))
		}
		q.filter.state = s.String()
	}
	for _, p := range []struct {
		name, value string
		to          *endpoint
	}{
		{"client", q.Client, &q.filter.client}, {"vip", q.VIP, &q.filter.vip},
		{"real_server", q.RealServer, &q.filter.realServer},
	} {
		if p.value == "" {
			continue
		}
		var err error
		if *p.to, err = parseEndpoint(p.value); err != nil {
			report(p.name, p.value, err)
		}
	}
	if q.Cursor != "" {
		n, err := strconv.ParseUint(q.Cursor, 10, 64)
		if err != nil {
			report("cursor", q.Cursor, fmt.Errorf(
				"invalid cursor %q: write the cursor of a listed session", q.Cursor))
		}
		q.filter.from = engine.Cursor(n)
	}
	return wrong
}

func (f *sessionFilter) matches(s *engine.SessionInfo) bool {
	return (f.service == "" || f.service == s.Service) &&
		(f.protocol == "" || f.protocol == lvs.Protocol(s.Protocol).String()) &&
		(f.state == "" || f.state == s.State.String()) &&
		f.client.matches(s.Client) && f.vip.matches(s.VIP) && f.realServer.matches(s.RealServer)
}

func (a *api) addSessions(h huma.API) {
	session := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Session](), true, "Session")
	lines := func(o *huma.Operation) {
		o.Responses = map[string]*huma.Response{
			"200": responseOf("OK", "application/x-ndjson", session),
		}
	}
	huma.Get(h, "/v1/sessions", func(_ context.Context, in *sessionQuery) (*huma.StreamResponse, error) {
		if in.Service != "" {
			if _, err := a.running.Service(in.Service); err != nil {
				return nil, unprocessable("query.service", err.Error(), nil)
			}
		}
		return &huma.StreamResponse{Body: func(c huma.Context) { a.listSessions(c, in) }}, nil
	}, lines, is("list-sessions", "List sessions, one line of JSON each",
		"A session that begins or ends during the listing may be missing. "+
			"A listing without its last chunk was cut off by an error and is incomplete."))
	huma.Get(h, "/v1/neighbours", func(ctx context.Context, _ *struct{}) (*body[[]Neighbour], error) {
		all, err := a.neighbours(ctx)
		if err != nil {
			return nil, huma.Error503ServiceUnavailable(err.Error())
		}
		return answer(all), nil
	}, is("list-neighbours", "Neighbour tables (ARP and ND) of the workers",
		"Each worker has its own."))
}

// listSessions streams sessions. A slow client delays neither the director nor other clients.
func (a *api) listSessions(c huma.Context, q *sessionQuery) {
	_, w := humago.Unwrap(c)
	out := sessionStream{
		sessionQuery: q, to: http.NewResponseController(w),
		buffer: bufio.NewWriterSize(w, listBuffer),
	}
	c.SetHeader("Content-Type", "application/x-ndjson")
	err := a.engine.Sessions(c.Context(), q.filter.from, out.show)
	switch {
	case err != nil && !out.sent:
		writeProblem(w, http.StatusServiceUnavailable, err)
	case errors.Join(err, out.err, out.flush()) != nil:
		// Without the last chunk the client sees that the list is incomplete.
		panic(http.ErrAbortHandler)
	}
}

// sessionStream writes the sessions that match a query.
type sessionStream struct {
	*sessionQuery
	to     *http.ResponseController
	buffer *bufio.Writer
	line   sessionLine
	shown  int   // sessions written so far
	sent   bool  // a part of the response has left: its status cannot change any more
	err    error // of writing
}

// show writes a session if it matches, and reports whether the listing goes on.
func (o *sessionStream) show(s *engine.SessionInfo, after engine.Cursor) bool {
	if !o.filter.matches(s) {
		return true
	}
	line := o.line.of(s, after)
	if o.buffer.Available() < len(line) {
		o.err = o.flush()
	}
	if o.err == nil {
		_, o.err = o.buffer.Write(line)
	}
	o.shown++
	return o.err == nil && o.shown != o.Limit
}

func (o *sessionStream) flush() error {
	o.sent = true
	return errors.Join(o.to.SetWriteDeadline(time.Now().Add(listTimeout)), o.buffer.Flush())
}

// Neighbour is an entry of a worker's neighbour table.
type Neighbour struct {
	Address    string  `json:"address"`
	Port       string  `json:"port"`          // the director's port that leads to it
	MAC        string  `json:"mac,omitempty"` // empty while it is unknown
	State      string  `json:"state" enum:"incomplete,failed,reachable,stale,probing,static"`
	Pinned     bool    `json:"pinned"`      // it is a real server or gateway
	Waiting    int     `json:"waiting"`     // packets that wait for its MAC
	AgeSeconds float64 `json:"age_seconds"` // since it was last confirmed or asked for
	Worker     int     `json:"worker"`
}

// neighbours lists the neighbour tables of all workers.
func (a *api) neighbours(ctx context.Context) ([]Neighbour, error) {
	ports := a.running.Config().Ports
	all := []Neighbour{}
	err := a.engine.Neighbours(ctx, func(n *engine.NeighbourInfo) {
		shown := Neighbour{
			Address: n.Address.String(), Port: ports[n.Port].Name, State: n.State, Pinned: n.Pinned,
			Waiting: n.Waiting, AgeSeconds: n.Age.Seconds(), Worker: n.Worker,
		}
		if !n.MAC.IsZero() {
			shown.MAC = n.MAC.String()
		}
		all = append(all, shown)
	})
	return all, err
}
