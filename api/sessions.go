package api

import (
	"bufio"
	"context"
	"errors"
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
	listBuffer   = 64 << 10         // bytes that are written at a time
	listPatience = 30 * time.Second // in which a client has to take them
)

// sessionQuery says which sessions are listed.
type sessionQuery struct {
	Service    string `query:"service" doc:"the service's name" maxLength:"256"`
	Protocol   string `query:"protocol" enum:"tcp,udp,sctp,icmp"`
	State      string `query:"state" doc:"a state by IPVS's name" example:"ESTABLISHED" maxLength:"32"`
	Client     string `query:"client" doc:"address, subnet, or address with port" example:"198.51.100.0/24" maxLength:"64"`
	VIP        string `query:"vip" doc:"address, subnet, or address with port" example:"10.0.0.100:80" maxLength:"64"`
	RealServer string `query:"real_server" doc:"address, subnet, or address with port" example:"10.1.0.11" maxLength:"64"`
	Limit      int    `query:"limit" doc:"how many at most; 0 is all" minimum:"0"`
	Cursor     string `query:"cursor" doc:"where to go on: that of the last session that was listed" maxLength:"20"`

	filter sessionFilter
}

// sessionFilter is what has been read of a sessionQuery.
type sessionFilter struct {
	service, protocol       string
	state                   string // IPVS's name
	client, vip, realServer endpoint
	from                    engine.Cursor
}

var _ huma.Resolver = (*sessionQuery)(nil)

// Resolve reads the filter. Each thing that is wrong with it names the parameter.
func (q *sessionQuery) Resolve(huma.Context) (wrong []error) {
	report := func(parameter, value string, err error) {
		wrong = append(wrong, &huma.ErrorDetail{Message: err.Error(), Location: "query." + parameter, Value: value})
	}
	q.filter.service, q.filter.protocol = q.Service, q.Protocol
	if q.State != "" {
		s, ok := lvs.ParseState(q.State)
		if !ok {
			report("state", q.State, errors.New("IPVS has no such state; write one such as ESTABLISHED or FIN_WAIT"))
		}
		q.filter.state = s.String()
	}
	for _, p := range []struct {
		name, value string
		to          *endpoint
	}{{"client", q.Client, &q.filter.client}, {"vip", q.VIP, &q.filter.vip}, {"real_server", q.RealServer, &q.filter.realServer}} {
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
			report("cursor", q.Cursor, errors.New("is none that a listing gave"))
		}
		q.filter.from = engine.Cursor(n)
	}
	return wrong
}

func (f *sessionFilter) matches(s *engine.SessionInfo) bool {
	return (f.service == "" || f.service == s.Service) && (f.protocol == "" || f.protocol == lvs.Protocol(s.Protocol).String()) &&
		(f.state == "" || f.state == s.State.String()) &&
		f.client.matches(s.Client) && f.vip.matches(s.VIP) && f.realServer.matches(s.RealServer)
}

func (a *api) addSessions(h huma.API) {
	huma.Register(h, huma.Operation{
		OperationID: "sessions", Method: http.MethodGet, Path: "/v1/sessions",
		Summary:     "Sessions, a line of JSON each, as they are found",
		Description: "Sessions that begin or end meanwhile may be listed or not. A listing that breaks off without the last chunk was cut off by an error.",
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
			"application/x-ndjson": {Schema: h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Session](), true, "Session")},
		}}},
	}, func(_ context.Context, in *sessionQuery) (*huma.StreamResponse, error) {
		if in.Service != "" {
			if _, err := a.running.Service(in.Service); err != nil {
				return nil, unprocessable("query.service", err.Error(), nil)
			}
		}
		return &huma.StreamResponse{Body: func(c huma.Context) { a.listSessions(c, in) }}, nil
	})
	huma.Get(h, "/v1/neighbours", func(ctx context.Context, _ *struct{}) (*body[[]Neighbour], error) {
		all, err := a.neighbours(ctx)
		if err != nil {
			return nil, huma.Error503ServiceUnavailable(err.Error())
		}
		return answer(all), nil
	}, summary("What workers know of stations around them"))
}

// listSessions streams sessions. A client that takes its time holds up nobody but itself.
func (a *api) listSessions(c huma.Context, q *sessionQuery) {
	_, w := humago.Unwrap(c)
	out := sessionStream{sessionQuery: q, to: http.NewResponseController(w), buffer: bufio.NewWriterSize(w, listBuffer)}
	c.SetHeader("Content-Type", "application/x-ndjson")
	err := a.engine.Sessions(c.Context(), q.filter.from, out.show)
	switch {
	case err != nil && !out.sent:
		writeProblem(w, http.StatusServiceUnavailable, err)
	case errors.Join(err, out.err, out.flush()) != nil:
		panic(http.ErrAbortHandler) // the client must not take what it has for all
	}
}

// sessionStream writes the sessions that match.
type sessionStream struct {
	*sessionQuery
	to     *http.ResponseController
	buffer *bufio.Writer
	line   sessionLine
	shown  int
	sent   bool
	err    error
}

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
	return errors.Join(o.to.SetWriteDeadline(time.Now().Add(listPatience)), o.buffer.Flush())
}

// Neighbour is a station as a worker knows it, as JSON has it.
type Neighbour struct {
	Address    string  `json:"address"`
	Port       string  `json:"port"`
	MAC        string  `json:"mac,omitempty"` // none while it is unknown
	State      string  `json:"state" enum:"incomplete,failed,reachable,probing,static"`
	Pinned     bool    `json:"pinned"`      // a real server or gateway
	Waiting    int     `json:"waiting"`     // packets that wait for its MAC
	AgeSeconds float64 `json:"age_seconds"` // since it was confirmed or asked
	Worker     int     `json:"worker"`
}

// neighbours lists what each worker knows.
func (a *api) neighbours(ctx context.Context) ([]Neighbour, error) {
	ports := a.running.Config().Ports
	all := []Neighbour{}
	err := a.engine.Neighbours(ctx, func(n *engine.NeighbourInfo) {
		shown := Neighbour{
			Address: n.Address.String(), Port: ports[n.Port].Name, State: n.State, Pinned: n.Pinned, Waiting: n.Waiting, AgeSeconds: n.Age.Seconds(), Worker: n.Worker,
		}
		if !n.MAC.IsZero() {
			shown.MAC = n.MAC.String()
		}
		all = append(all, shown)
	})
	return all, err
}
