package api

import (
	"net"
	"net/http"

	"fulcrum/control"
)

// withActors passes on requests with a context that says who makes their changes: the process at a
// unix socket, or the token over TCP.
func withActors(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isChange(r) {
			r = r.WithContext(control.WithActor(r.Context(), actorOf(r)))
		}
		handler.ServeHTTP(w, r)
	})
}

// actorOf returns the client of a request that changes something. Over TCP only one token may do
// that.
func actorOf(r *http.Request) control.Actor {
	g, _ := r.Context().Value(guestKey{}).(*guest)
	if g == nil {
		return control.Actor{Name: "unknown"} // not served by a Server
	}
	u, isUnix := g.Conn.(*net.UnixConn)
	if !isUnix {
		return control.Actor{Name: "control.token_file", From: r.RemoteAddr}
	}
	return ActorAt(u)
}

// ActorAt returns the process at the other end of a unix socket.
func ActorAt(c *net.UnixConn) control.Actor {
	peer := peerOf(c)
	if peer == nil {
		return control.Actor{Name: "an unknown process"}
	}
	return control.Actor{Name: programOf(peer), UID: int(peer.Uid), PID: int(peer.Pid)}
}
