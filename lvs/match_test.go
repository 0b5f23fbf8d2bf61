package lvs

import "testing"

// FuzzParseMatch checks that a match reads as it is written, and that what it has is in order.
func FuzzParseMatch(f *testing.F) {
	for _, text := range []string{
		"tcp 10.0.0.100:80", "udp 10.0.0.1-10.0.0.9:8000-8100", "sctp 10.0.0.0/28:*",
		"tcp [fd00::/64]:80", "tcp [fd00::1-fd00::2]:1-65535", "udp [::ffff:10.0.0.0/120]:53",
		"tcp 10.0.0.1/32:80-81", "tcp 0.0.0.0/0:*", "tcp [::/0]:*", "tcp [fd00::1%eth0]:80",
		"tcp 10.0.0.1/24:80", "tcp 10.0.0.2-10.0.0.1:80", "tcp 10.0.0.1:70000", "tcp 10.0.0.1:0", "tcp", "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMatch(text)
		if err != nil {
			return
		}
		again, err := ParseMatch(m.String())
		if err != nil || again != m {
			t.Fatalf("%q is %s, which is read as %s: %v", text, m, again, err)
		}
		switch {
		case m.Last.Less(m.First), !m.Has(m.First), !m.Has(m.Last), m.First.Zone() != "",
			m.Ports.Last < m.Ports.First, m.Ports.Last == 0, m.Narrower(m) != 0:
			t.Fatalf("%q is %+v", text, m)
		}
		if p, ok := m.Prefix(); ok && (p.Masked() != p || LastOf(p) != m.Last) {
			t.Fatalf("%q has the prefix %s", text, p)
		}
	})
}
