package config

import (
	"strings"
	"testing"
)

// FTP in nat is warned of if the service is persistent, which says that data connections are meant.
func TestFTPInNAT(t *testing.T) {
	base := readFile(t, "testdata/base/ports.toml") + readFile(t, "testdata/base/service.toml")
	ftp := strings.NewReplacer(`"10.0.0.100:80"`, `"10.0.0.100:21"`)
	sticky := strings.NewReplacer("mode = \"nat\"\n", "mode = \"nat\"\npersistence = \"5m\"\n")
	for _, test := range []struct {
		text string
		want bool
	}{
		{base, false}, {ftp.Replace(base), false}, {sticky.Replace(base), false},
		{sticky.Replace(ftp.Replace(base)), true},
	} {
		all := strings.Join(mustParse(t, test.text).warnings([]int{0, 1}), "\n")
		if got := strings.Contains(all, "FTP in nat"); got != test.want {
			t.Errorf("%s\nwarns of %q", test.text, all)
		}
	}
}
