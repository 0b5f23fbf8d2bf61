package api

import (
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	stranger = 65534 // a user without rights
	ours     = 54321 // a group
	another  = 54322
)

// connectAs connects to a socket as another user, in one group.
func connectAs(t *testing.T, uid, gid int, path string) error {
	t.Helper()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread has other rights and ends with the goroutine
		_, _, e1 := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		_, _, e2 := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid))
		_, _, e3 := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
		if e1|e2|e3 != 0 {
			result <- errors.Join(e1, e2, e3)
			return
		}
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
		}
		result <- err
	}()
	return <-result
}

// openFolder returns a folder that all users may enter.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "")
	if err := errors.Join(err, os.Chmod(folder, 0o755)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// TestSocketOfAGroup connects as another user, in the socket's group and in another one.
func TestSocketOfAGroup(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	path := filepath.Join(openFolder(t), "c.sock")
	for _, tt := range []struct {
		mode       fs.FileMode
		group      string
		gid        int
		may        bool
		fileBelong int
	}{
		{0, "", ours, false, 0},
		{0o600, "54321", ours, false, ours},
		{0o660, "54321", ours, true, ours},
		{0o660, "54321", another, false, ours},
		{0o660, "", 0, true, 0},
		{0o660, "root", 0, true, 0},
		{0o660, "root", ours, false, 0},
	} {
		at := Socket{Path: path, Mode: tt.mode, Group: tt.group}
		s, err := ServeSocket(at, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		err = connectAs(t, stranger, tt.gid, path)
		if (err == nil) != tt.may || err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%+v: %v", tt, err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Sys().(*syscall.Stat_t).Gid != uint32(tt.fileBelong) {
			t.Errorf("%+v: %v, %v", tt, info, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSocketIsNeverOpenWider: the file has no right too many from its first moment on, even if the
// process denies no right to new files.
func TestSocketIsNeverOpenWider(t *testing.T) {
	before := unix.Umask(0)
	defer unix.Umask(before)
	path := filepath.Join(t.TempDir(), "c.sock")
	l, err := listenPrivately("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != ownerOnly {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestSocketOfAnUnknownGroup: the error names the key, and no file is left.
func TestSocketOfAnUnknownGroup(t *testing.T) {
	folder := t.TempDir()
	at := Socket{Path: filepath.Join(folder, "c.sock"), Group: "no such group"}
	_, err := ServeSocket(at, nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "see director.control_group") {
		t.Error(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}
