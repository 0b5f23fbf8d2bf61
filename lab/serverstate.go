package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"fulcrum/lvs"
)

// stateDown is the state of a real server that gets no sessions because of its checks, as the
// control API and `fulcrum services` name it.
const stateDown = "down"

// awaitState waits until a real server of the web service is down, or is not, as the director says,
// and returns how long that took since a moment.
func (l *Lab) awaitState(
	ctx context.Context, rs RealServer, down bool, since time.Time, most time.Duration,
) (time.Duration, error) {
	what := rs.Name + " to be up"
	if down {
		what = rs.Name + " to be down"
	}
	err := poll(ctx, most, func() (bool, error) {
		state, err := l.serverState(ctx, rs)
		return (state == stateDown) == down, err
	}, what)
	return time.Since(since), err
}

// serverState returns the state of a real server of the web service.
func (l *Lab) serverState(ctx context.Context, rs RealServer) (string, error) {
	var services []ServiceReport
	if err := l.askDirector(ctx, "/v1/services", &services); err != nil {
		return "", err
	}
	for _, service := range services {
		for _, s := range service.RealServers {
			if s.Address == rs.Web.String() && service.Protocol == lvs.TCP.String() {
				return s.State, nil
			}
		}
	}
	return "", fmt.Errorf("asking for the state of %s: the director does not have it", rs.Name)
}

// askDirector reads an answer of the control API.
func (l *Lab) askDirector(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://director"+path, nil)
	if err != nil {
		return fmt.Errorf("asking the director: %w", err)
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: l.dialControl}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("asking the director: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("asking the director for " + path + ": " + response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

func (l *Lab) dialControl(ctx context.Context, _, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", l.ControlSocket())
}
