package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespaceFolder is where `ip netns` looks for names.
const namespaceFolder = "/run/netns"

// namespace is the name of a network namespace in namespaceFolder.
type namespace string

func (n namespace) path() string { return filepath.Join(namespaceFolder, string(n)) }

// create makes the namespace and its name, as `ip netns add` does.
func (n namespace) create() error {
	if err := prepareNamespaceFolder(); err != nil {
		return err
	}
	file, err := os.OpenFile(n.path(), os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("naming network namespace %s: %w", n, err)
	}
	file.Close()
	done := make(chan error, 1)
	go func() { done <- n.pin() }()
	if err := <-done; err != nil {
		return errors.Join(err, n.remove())
	}
	return nil
}

// pin makes a new namespace and binds it to its name. The goroutine's thread stays locked and ends
// with the goroutine. So no other code runs in the new namespace by accident.
func (n namespace) pin() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("making network namespace %s: %w; run as root, with CAP_SYS_ADMIN inside a container", n, err)
	}
	own := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
	if err := unix.Mount(own, n.path(), "none", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("binding network namespace %s to its name: %w", n, err)
	}
	return nil
}

// prepareNamespaceFolder makes the folder a shared mount before the first name, as `ip netns add`
// does. If that command did it after us, its recursive bind would double our mounts. The lock is
// the one that newer iproute2 takes.
func prepareNamespaceFolder() error {
	if err := os.MkdirAll(namespaceFolder, 0o755); err != nil {
		return fmt.Errorf("making the folder of namespace names: %w", err)
	}
	folder, err := os.Open(namespaceFolder)
	if err != nil {
		return fmt.Errorf("opening the folder of namespace names: %w", err)
	}
	defer folder.Close()
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", namespaceFolder, err)
	}
	return shareNamespaceFolder()
}

func shareNamespaceFolder() error {
	share := func() error {
		return unix.Mount("", namespaceFolder, "none", unix.MS_SHARED|unix.MS_REC, "")
	}
	err := share()
	if errors.Is(err, unix.EINVAL) { // not a mount point yet
		bound := unix.Mount(namespaceFolder, namespaceFolder, "none", unix.MS_BIND|unix.MS_REC, "")
		err = errors.Join(bound, share())
	}
	if err != nil {
		return fmt.Errorf("making %s a shared mount: %w; run as root, with CAP_SYS_ADMIN inside a container", namespaceFolder, err)
	}
	return nil
}

// remove removes the name. The namespace itself ends with its last process and socket. It is no
// error if the name is gone.
func (n namespace) remove() error {
	err := unix.Unmount(n.path(), unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmounting network namespace %s: %w", n, err)
	}
	if err := os.Remove(n.path()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the name of network namespace %s: %w", n, err)
	}
	return nil
}

// do runs a function inside the namespace, on a thread that runs nothing else meanwhile.
func (n namespace) do(inside func() error) error {
	done := make(chan error, 1)
	go func() { done <- n.visit(inside) }()
	return <-done
}

// visit runs a function inside the namespace on this goroutine's thread. If the thread cannot
// return, it stays locked and must end with its goroutine.
func (n namespace) visit(inside func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("finding this thread's network namespace: %w", err)
	}
	defer home.Close()
	if err := n.enter(); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = inside()
	if back := netns.Set(home); back != nil {
		return errors.Join(err, fmt.Errorf("returning from network namespace %s: %w", n, back))
	}
	runtime.UnlockOSThread()
	return err
}

func (n namespace) enter() error {
	handle, err := netns.GetFromName(string(n))
	if err != nil {
		return fmt.Errorf("opening network namespace %s: %w", n, err)
	}
	defer handle.Close()
	if err := netns.Set(handle); err != nil {
		return fmt.Errorf("entering network namespace %s: %w; root is needed", n, err)
	}
	return nil
}
