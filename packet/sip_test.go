package packet

import (
	"bytes"
	"strings"
	"testing"
)

// callIDTests are messages with their Call-ID, or "" for none.
var callIDTests = []struct{ what, message, id string }{
	{"RFC 3261, 24.2", "INVITE sip:bob@biloxi.com SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8\r\nMax-Forwards: 70\r\n" +
		"To: Bob <sip:bob@biloxi.com>\r\nFrom: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n" +
		"Call-ID: a84b4c76e66710\r\nCSeq: 314159 INVITE\r\n\r\n", "a84b4c76e66710"},
	{"an answer", "SIP/2.0 200 OK\r\nCall-ID: a@b\r\n\r\n", "a@b"},
	{"the compact form", "BYE sip:x SIP/2.0\r\ni: a@b\r\n\r\n", "a@b"},
	{"its other case", "BYE sip:x SIP/2.0\r\nI:a@b\r\n\r\n", "a@b"},
	{"another case", "BYE sip:x SIP/2.0\r\ncAlL-iD\t :\t a@b \r\n\r\n", "a@b"},
	{"LF alone", "BYE sip:x SIP/2.0\nCall-ID: a@b\n\n", "a@b"},
	{"CR alone", "BYE sip:x SIP/2.0\rCall-ID: a@b\r\r", "a@b"},
	{"folded", "BYE sip:x SIP/2.0\r\nCall-ID:\r\n \r\n\ta@b\r\n\r\n", "a@b"},
	{"empty lines first", "\r\n\r\nBYE sip:x SIP/2.0\r\nCall-ID: a@b\r\n", "a@b"},
	{"the first of two", "BYE sip:x SIP/2.0\r\ni: a\r\nCall-ID: b\r\n\r\n", "a"},
	{"case matters in it", "BYE sip:x SIP/2.0\r\ni: aB\r\n\r\n", "aB"},
	{"the longest", "B\r\ni: " + strings.Repeat("x", 255) + "\r\n", strings.Repeat("x", 255)},
	{"longer", "B\r\ni: " + strings.Repeat("x", 256) + "\r\n", ""},
	{"empty", "BYE sip:x SIP/2.0\r\nCall-ID: \r\nTo: b\r\n\r\n", ""},
	{"empty and folded", "BYE sip:x SIP/2.0\r\nCall-ID: \r\n \r\n\r\n", ""},
	{"cut off", "BYE sip:x SIP/2.0\r\nCall-ID: a@b", ""},
	{"cut off in the fold", "BYE sip:x SIP/2.0\r\nCall-ID:\r\n a@b", ""},
	{"no colon", "BYE sip:x SIP/2.0\r\nCall-ID a@b\r\n\r\n", ""},
	{"in the body", "BYE sip:x SIP/2.0\r\nTo: b\r\n\r\nCall-ID: a@b\r\n", ""},
	{"in another header", "BYE sip:x SIP/2.0\r\nTo: b\r\n Call-ID: a@b\r\n i: c\r\n\r\n", ""},
	{"as the start line", "Call-ID: a@b\r\nTo: b\r\n\r\n", ""},
	{"a longer name", "BYE sip:x SIP/2.0\r\nX-Call-ID: a\r\nCall-IDs: b\r\nid: c\r\n\r\n", ""},
	{"keep-alive (RFC 5626)", "\r\n\r\n", ""},
	{"keep-alive of zeroes", "\x00\x00\x00\x00", ""},
	{"nothing", "", ""},
}

func TestCallID(t *testing.T) {
	for _, test := range callIDTests {
		id, ok := CallID([]byte(test.message))
		if ok != (test.id != "") || ok && string(id) != test.id {
			t.Errorf("%s: %q, %v; want %q", test.what, id, ok, test.id)
		}
	}
}

// FuzzCallID checks that a Call-ID is a part of one line of the message, whatever the message is.
func FuzzCallID(f *testing.F) {
	for _, test := range callIDTests {
		f.Add([]byte(test.message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		id, ok := CallID(message)
		if ok && (len(id) == 0 || len(id) > MaxCallID || bytes.ContainsAny(id, "\r\n") ||
			!bytes.Contains(message, id)) {
			t.Errorf("%q has the Call-ID %q", message, id)
		}
	})
}

func TestCallIDAllocatesNothing(t *testing.T) {
	message := []byte(callIDTests[0].message)
	if n := testing.AllocsPerRun(100, func() { CallID(message) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
