package api

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// Session is one session of a listing. Addresses have a port, such as 10.0.0.100:80 or
// [fd00::100]:80.
type Session struct {
	Service     string  `json:"service"` // empty if the real server was removed
	Protocol    string  `json:"protocol"`
	State       string  `json:"state"` // IPVS's name
	Mode        string  `json:"mode"`
	Client      string  `json:"client"`
	VIP         string  `json:"vip"`
	Local       string  `json:"local,omitempty"` // the client that the real server sees; only fullnat
	RealServer  string  `json:"real_server"`
	IdleSeconds float64 `json:"idle_seconds"`
	LeftSeconds float64 `json:"left_seconds"` // until it times out if no packet comes
	PacketsIn   uint32  `json:"packets_in"`   // modulo 2^32
	PacketsOut  uint32  `json:"packets_out"`  // modulo 2^32
	Worker      int     `json:"worker"`
	Cursor      string  `json:"cursor"` // continues the listing after this session
}

// sessionLine writes sessions as lines of JSON. It does not use encoding/json, which allocates: the
// garbage of ten million sessions would keep the collector busy, and the collector stops workers.
type sessionLine struct {
	text    []byte
	service string // of the last session
	quoted  []byte // service as JSON
}

// of returns the line of a session. The line is valid until the next call.
func (l *sessionLine) of(s *engine.SessionInfo, after engine.Cursor) []byte {
	if s.Service != l.service || l.quoted == nil {
		l.service = s.Service
		l.quoted, _ = json.Marshal(s.Service) // cannot fail for a string
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

// appendText appends a key and a text that needs no escaping.
func appendText(t []byte, key, text string) []byte {
	t = append(appendKey(t, key), '"')
	return append(append(t, text...), '"')
}

func appendAddress(t []byte, key string, a netip.AddrPort) []byte {
	t = append(appendKey(t, key), '"')
	return append(a.AppendTo(t), '"')
}

// endpoint matches addresses, with one port or any. The zero endpoint matches every address.
type endpoint struct {
	addresses netip.Prefix
	port      uint16 // 0 is any; host byte order
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
		return e, fmt.Errorf("invalid address %q: write an address, a subnet or an address with a port, "+
			"such as 10.1.0.11, 10.1.0.0/24 or 10.1.0.11:80", text)
	}
	return e, nil
}

func (e *endpoint) matches(a netip.AddrPort) bool {
	if !e.addresses.IsValid() {
		return true
	}
	return e.addresses.Contains(a.Addr()) && (e.port == 0 || e.port == a.Port())
}
