package config

import (
	"fmt"
	"testing"
)

// TestFTPHasItsDataPorts: a persistent service of FTP whose mode does not translate has the ports
// of data connections, and others have not.
func TestFTPHasItsDataPorts(t *testing.T) {
	const form = `
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24", "10.1.0.1/24"]
[[service]]
name = "ftp"
address = "10.0.0.100:%d"
protocol = "tcp"
mode = "%s"
persistence = "%s"
[[service.real_server]]
address = "10.1.0.11:%[1]d"
`
	for _, test := range []struct {
		port              int
		mode, persistence string
		want              string
	}{
		{21, "dr", "5m", "[tcp 10.0.0.100:21 tcp 10.0.0.100:20 tcp 10.0.0.100:1024-65535]"},
		{21, "dr", "0s", "[tcp 10.0.0.100:21]"},
		{21, "nat", "5m", "[tcp 10.0.0.100:21]"},
		{80, "dr", "5m", "[tcp 10.0.0.100:80]"},
	} {
		c := mustParse(t, fmt.Sprintf(form, test.port, test.mode, test.persistence))
		if got := fmt.Sprint(c.Claims(&c.Services[0])); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}
