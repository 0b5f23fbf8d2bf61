package ipvs

import (
	"fmt"
	"net"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// dialPatience is how long a director may take for the next part of an answer.
const dialPatience = 30 * time.Second

// Dial connects to a director's IPVS socket, or to the kernel if the path is empty.
func Dial(path string) (*genetlink.Conn, error) {
	if path == "" {
		return genetlink.Dial(nil)
	}
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	s := &packetSocket{UnixConn: conn, buffer: make([]byte, mostDatagram)}
	return genetlink.NewConn(netlink.NewConn(s, 0)), nil
}

// packetSocket is a netlink socket over a unix socket of packets. One goroutine may receive.
type packetSocket struct {
	*net.UnixConn
	buffer []byte
}

// Send sends one message.
func (s *packetSocket) Send(m netlink.Message) error {
	if err := s.SetDeadline(time.Now().Add(dialPatience)); err != nil {
		return err
	}
	_, err := s.Write(appendMessage(nil, m.Header, m.Data))
	return err
}

// SendMessages sends messages, each in a datagram of its own.
func (s *packetSocket) SendMessages(all []netlink.Message) error {
	for _, m := range all {
		if err := s.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// Receive returns the messages of the next datagram. They are valid for good.
func (s *packetSocket) Receive() ([]netlink.Message, error) {
	if err := s.SetReadDeadline(time.Now().Add(dialPatience)); err != nil {
		return nil, err
	}
	n, err := s.Read(s.buffer)
	if err != nil {
		return nil, err
	}
	all := split(append([]byte(nil), s.buffer[:n]...))
	if len(all) == 0 {
		return nil, fmt.Errorf("%d bytes are no netlink message", n)
	}
	return all, nil
}
