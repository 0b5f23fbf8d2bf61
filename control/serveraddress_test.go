package control

import "testing"

// TestServerAddress: a real server's port may be left out, as in a file.
func TestServerAddress(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.0.11:80": "10.1.0.11:80", "10.1.0.11": "10.1.0.11:0", "fd00::11": "[fd00::11]:0",
		"[fd00::11]:0": "[fd00::11]:0", "10.1.0": "", "[fd00::11]": "", "": "",
	} {
		got, err := serverAddress(text)
		if err == nil && got.String() != want || err != nil && want != "" {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}
