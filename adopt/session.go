package adopt

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Session is a connection that this process depends on: the SSH session that it runs in.
type Session struct {
	Local netip.Addr
	How   string // how it was found
}

// Sessions returns the connections that this process and those that started it depend on: what
// SSH_CONNECTION says, and the established TCP connections of all of them. sudo hides the first.
func Sessions() (all []Session) {
	if fields := strings.Fields(os.Getenv("SSH_CONNECTION")); len(fields) == 4 {
		if a, err := netip.ParseAddr(fields[2]); err == nil {
			all = append(all, Session{a.WithZone("").Unmap(), "SSH_CONNECTION"})
		}
	}
	sockets := established()
	for pid := os.Getpid(); pid > 1; pid = parent(pid) {
		for _, inode := range socketsOf(pid) {
			if a, there := sockets[inode]; there {
				all = append(all, Session{a, fmt.Sprintf("process %d", pid)})
			}
		}
	}
	return all
}

// Cut returns the session that a move would take the address from.
func (m *Move) Cut(all []Session) (s Session, cut bool) {
	i := slices.IndexFunc(all, func(s Session) bool { return slices.Contains(m.Addresses, s.Local) })
	if i < 0 {
		return s, false
	}
	return all[i], true
}

// parent returns the process that started another, or 0.
func parent(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	return parentIn(string(data))
}

// parentIn reads a line of /proc/PID/stat. The name in it may have any characters.
func parentIn(line string) int {
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	pid, _ := strconv.Atoi(fields[1])
	return pid
}

// socketsOf returns the inodes of a process's sockets.
func socketsOf(pid int) (inodes []string) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, file := range files {
		to, _ := os.Readlink(file)
		if inode, is := strings.CutPrefix(to, "socket:["); is {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

// established returns the local addresses of established TCP connections, by inode.
func established() map[string]netip.Addr {
	all := map[string]netip.Addr{}
	for _, name := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if inode, a, ok := connection(lines.Text()); ok {
				all[inode] = a
			}
		}
		f.Close()
	}
	return all
}

// connection reads a line of /proc/net/tcp or tcp6, which has an address as words of 32 bits in the
// machine's byte order.
func connection(line string) (inode string, local netip.Addr, ok bool) {
	const isEstablished, fieldLocal, fieldState, fieldInode = "01", 1, 3, 9
	fields := strings.Fields(line)
	if len(fields) <= fieldInode || fields[fieldState] != isEstablished {
		return "", local, false
	}
	text, _, _ := strings.Cut(fields[fieldLocal], ":")
	b, err := hex.DecodeString(text)
	if err != nil || len(b)%4 != 0 {
		return "", local, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	local, ok = netip.AddrFromSlice(b)
	return fields[fieldInode], local.Unmap(), ok
}
