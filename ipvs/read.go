package ipvs

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// Content is what an IPVS has.
type Content struct {
	Services []Served
	Timeouts [3]uint32 // of TCP, of TCP after a FIN, of UDP; in seconds
}

// Served is a service with its destinations, the newest first.
type Served struct {
	Service
	Destinations []Destination
}

// Read asks an IPVS for all it has. It changes nothing.
func Read(c *genetlink.Conn) (*Content, error) {
	family, err := c.GetFamily(FamilyName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the kernel has no IPVS: its module ip_vs is not loaded")
	}
	if err != nil {
		return nil, fmt.Errorf("ask for IPVS: %w", err)
	}
	r := reader{c, family.ID}
	var content Content
	if err := r.ask(GetConfig, 0, nil, content.takeTimeouts); err != nil {
		return nil, err
	}
	if err := r.ask(GetService, netlink.Dump, nil, content.takeService); err != nil {
		return nil, err
	}
	for i := range content.Services {
		if err := r.readDestinations(&content.Services[i]); err != nil {
			return nil, err
		}
	}
	return &content, nil
}

// reader asks an IPVS whose family has a number.
type reader struct {
	*genetlink.Conn
	family uint16
}

// ask sends a request and calls take for each attribute of the answers.
func (r reader) ask(
	c Command, flags netlink.HeaderFlags, attributes []byte, take func(uint16, []byte) error,
) error {
	answers, err := r.Execute(genetlink.Message{
		Header: genetlink.Header{Command: uint8(c), Version: version}, Data: attributes,
	}, r.family, netlink.Request|flags)
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	for _, m := range answers {
		_, err := eachAttribute(m.Data, func(kind uint16, d *netlink.AttributeDecoder) {
			d.Do(func(b []byte) error { return take(kind, b) })
		})
		if err != nil {
			return fmt.Errorf("%s: read the answer: %w", c, err)
		}
	}
	return nil
}

func (c *Content) takeTimeouts(kind uint16, b []byte) error {
	if kind < attrTimeoutTCP || kind > attrTimeoutUDP {
		return nil
	}
	var seconds uint64
	err := number(b, &seconds)
	c.Timeouts[kind-attrTimeoutTCP] = uint32(seconds)
	return err
}

func (c *Content) takeService(kind uint16, b []byte) error {
	if kind != attrService {
		return nil
	}
	s, err := decodeService(slices.Clone(b))
	c.Services = append(c.Services, Served{Service: s})
	return err
}

func (r reader) readDestinations(s *Served) error {
	e := newEncoder()
	e.nested(attrService, s.Service.encode())
	return r.ask(GetDest, netlink.Dump, e.bytes(), func(kind uint16, b []byte) error {
		if kind != attrDest {
			return nil
		}
		d, err := decodeDestination(slices.Clone(b))
		d.in(s.Family)
		s.Destinations = append(s.Destinations, d)
		return err
	})
}
