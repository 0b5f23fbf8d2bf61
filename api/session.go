package api

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// Session is a session, as JSON has it.
type Session struct {
	Service     string  `json:"service"` // none if the real server was removed
	Protocol    string  `json:"protocol"`
	State       string  `json:"state"`
	Mode        string  `json:"mode"`
	Client      string  `json:"client"`
	VIP         string  `json:"vip"`
	Local       string  `json:"local,omitempty"` // fullnat: what the real server takes for the client
	RealServer  string  `json:"real_server"`
	IdleSeconds float64 `json:"idle_seconds"`
	LeftSeconds float64 `json:"left_seconds"` // until it times out if no packet comes
	PacketsIn   uint32  `json:"packets_in"`   // modulo 2^32
	PacketsOut  uint32  `json:"packets_out"`
	Worker      int     `json:"worker"`
	Cursor      string  `json:"cursor"` // where the listing goes on after it
}

// sessionLine writes sessions as JSON, a line each. Ten million of them must not keep the garbage collector busy, which stops the workers, so
// that encoding/json is no way to do it.
type sessionLine struct {
	text    []byte
	service string // the last one, and how it is written
	quoted  []byte
}

// of returns the line of a session. It is valid until the next.
func (l *sessionLine) of(s *engine.SessionInfo, after engine.Cursor) []byte {
	if s.Service != l.service || l.quoted == nil {
		l.service = s.Service
		l.quoted, _ = json.Marshal(s.Service) // a string has no errors
	}
	t := append(l.text[:0], `{"service":`...)
	t = append(t, l.quoted...)
	t = appendText(t, "protocol", lvs.Protocol(s.Protocol).String())
	t = appendText(t, "state", s.State.String())
	t = appendText(t, "mode", s.Mode.String())
	t = appendAddress(t, "client", s.Client)
	t = appendAddress(t, "vip", s.VIP)
	if s.Local.IsValid() {
		t = appendAddress(t, "local", s.Local)
	}
	t = appendAddress(t, "real_server", s.RealServer)
	t = strconv.AppendFloat(appendKey(t, "idle_seconds"), s.Idle.Seconds(), 'f', -1, 64)
	t = strconv.AppendFloat(appendKey(t, "left_seconds"), s.Left.Seconds(), 'f', -1, 64)
	t = strconv.AppendUint(appendKey(t, "packets_in"), uint64(s.PacketsIn), 10)
	t = strconv.AppendUint(appendKey(t, "packets_out"), uint64(s.PacketsOut), 10)
	t = strconv.AppendInt(appendKey(t, "worker"), int64(s.Worker), 10)
	t = append(appendKey(t, "cursor"), '"')
	t = strconv.AppendUint(t, uint64(after), 10)
	l.text = append(t, "\"}\n"...)
	return l.text
}

func appendKey(t []byte, key string) []byte {
	t = append(append(t, `,"`...), key...)
	return append(t, `":`...)
}

// appendText appends a text in which nothing has to be escaped.
func appendText(t []byte, key, text string) []byte {
	t = append(appendKey(t, key), '"')
	return append(append(t, text...), '"')
}

func appendAddress(t []byte, key string, a netip.AddrPort) []byte {
	t = append(appendKey(t, key), '"')
	return append(a.AppendTo(t), '"')
}

// endpoint matches addresses, with a port or any.
type endpoint struct {
	addresses netip.Prefix
	port      uint16 // 0 is any
}

// parseEndpoint reads an address, a subnet, or an address with a port.
func parseEndpoint(text string) (e endpoint, err error) {
	if a, err := netip.ParseAddrPort(text); err == nil {
		return endpoint{netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), a.Port()}, nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return endpoint{addresses: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	if e.addresses, err = netip.ParsePrefix(text); err != nil {
		return e, fmt.Errorf("%q is no address, subnet, or address with a port, such as 10.1.0.11, 10.1.0.0/24 or 10.1.0.11:80", text)
	}
	return e, nil
}

func (e *endpoint) matches(a netip.AddrPort) bool {
	return !e.addresses.IsValid() || e.addresses.Contains(a.Addr()) && (e.port == 0 || e.port == a.Port())
}
