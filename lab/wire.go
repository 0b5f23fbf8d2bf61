package lab

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// A Wire is a raw socket on the router's end of one cable. Frames that it sends reach the host at
// the other end, past the bridge and the kernel. It receives what that host sends. One goroutine at
// a time may use it. The caller closes it.
type Wire struct {
	plug   string
	socket int
}

// PortWire opens the cable of a director's port ("front", "back").
func (l *Lab) PortWire(port string) (*Wire, error) { return l.openWire("director-" + port) }

// RealServerWire opens the cable of a real server ("rs1", ...).
func (l *Lab) RealServerWire(name string) (*Wire, error) { return l.openWire(name) }

func (l *Lab) openWire(plug string) (w *Wire, err error) {
	err = l.namespace(roleRouter).do(func() error {
		w, err = openWire(plug)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("opening a raw socket on the router's %s: %w", plug, err)
	}
	return w, nil
}

func openWire(plug string) (*Wire, error) {
	device, err := net.InterfaceByName(plug)
	if err != nil {
		return nil, err
	}
	protocol := uint16(networkOrder(unix.ETH_P_ALL))
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		unix.SetsockoptInt(socket, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: device.Index}),
	)
	if err != nil {
		unix.Close(socket)
		return nil, err
	}
	return &Wire{plug: plug, socket: socket}, nil
}

// Send sends a frame as it is, from the Ethernet header on.
func (w *Wire) Send(frame []byte) error {
	if _, err := unix.Write(w.socket, frame); err != nil {
		return fmt.Errorf("sending a frame of %d bytes on %s: %w", len(frame), w.plug, err)
	}
	return nil
}

// Await returns the first frame from the host for which wanted returns true.
func (w *Wire) Await(deadline time.Duration, wanted func(frame []byte) bool) ([]byte, error) {
	end := time.Now().Add(deadline)
	buffer := make([]byte, 64<<10)
	for time.Now().Before(end) {
		if err := w.awaitFrame(time.Until(end)); err != nil {
			return nil, err
		}
		n, err := unix.Read(w.socket, buffer)
		if err == nil && wanted(buffer[:n]) {
			return buffer[:n], nil
		}
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("receiving on %s: %w", w.plug, err)
		}
	}
	return nil, fmt.Errorf("waiting for a frame on %s: none of the wanted kind within %s",
		w.plug, deadline)
}

func (w *Wire) awaitFrame(most time.Duration) error {
	set := []unix.PollFd{{Fd: int32(w.socket), Events: unix.POLLIN}}
	_, err := unix.Poll(set, int(most.Milliseconds())+1)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("waiting for a frame on %s: %w", w.plug, err)
	}
	return nil
}

// Close closes the socket.
func (w *Wire) Close() error { return unix.Close(w.socket) }
