package api

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// holderOf names the client of a request for others: the program, process and user at a unix
// socket, else the address. A process may have replaced its name, so it is escaped.
func holderOf(r *http.Request) string {
	g, _ := r.Context().Value(guestKey{}).(*guest)
	if g == nil {
		return r.RemoteAddr // not served by a Server
	}
	u, isUnix := g.Conn.(*net.UnixConn)
	if !isUnix {
		return r.RemoteAddr
	}
	peer := peerOf(u)
	if peer == nil {
		return "an unknown process"
	}
	return fmt.Sprintf("%s (process %d of user %d)", programOf(peer), peer.Pid, peer.Uid)
}

// programOf returns the name of a process, which may have ended or be out of sight.
func programOf(peer *unix.Ucred) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", peer.Pid))
	if err != nil {
		return "a program"
	}
	return printableName(strings.TrimSuffix(string(name), "\n"))
}
