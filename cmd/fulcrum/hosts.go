package main

import (
	"fmt"
	"io"
	"strings"

	"fulcrum/api"
	"fulcrum/control"
)

// heldVIPs says how many of the VIPs that the host owns it holds, if it owns any.
func heldVIPs(s *api.Status) string {
	if s.OwnedVIPs == 0 {
		return ""
	}
	return fmt.Sprintf("; the host holds %d of its %d", s.HeldVIPs, s.OwnedVIPs)
}

// hostComment returns what ports have from their host interfaces as comments of a file.
func hostComment(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "\n# " + strings.Join(lines, "\n# ") + "\n"
}

// showHosts shows what ports have of their host interfaces, and what they refuse.
func showHosts(w io.Writer, all []control.HostReport) {
	for i := range all {
		h := &all[i]
		if h.Exists && !h.Follow {
			continue // its frames say that it is there
		}
		fmt.Fprintf(w, "port %s\thost interface %s: %s\n", h.Port, h.Interface, h.Summary())
		for _, refused := range h.Refused {
			fmt.Fprintf(w, "\tnot followed: %s\n", refused)
		}
		if more := h.RefusedCount - len(h.Refused); more > 0 {
			fmt.Fprintf(w, "\tand %d more\n", more)
		}
	}
}
