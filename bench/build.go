package bench

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// Build is what decides, beside the source, which instructions a program has.
type Build struct {
	Go      string `json:"go"`      // the compiler's version
	Profile string `json:"profile"` // the beginning of the SHA-256 of default.pgo, or "none"
	Flags   string `json:"flags"`   // GOAMD64, and flags that change the code, such as -race
}

// codeFlags are the settings of a build, besides the profile, that change code.
var codeFlags = []string{"GOARCH", "GOAMD64", "-race", "-gcflags", "-asan", "-msan", "-cover"}

// BuildOf reads how a program was built.
func BuildOf(binary string) (Build, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return Build{}, fmt.Errorf("read how %s was built: %w", binary, err)
	}
	b := Build{Go: info.GoVersion, Profile: "none"}
	given := map[string]string{}
	for _, s := range info.Settings {
		given[s.Key] = s.Value
	}
	if file := given["-pgo"]; file != "" {
		if b.Profile, err = digest(file); err != nil {
			return b, fmt.Errorf("read the profile that %s was built with: %w; build it anew", binary, err)
		}
	}
	var flags []string
	for _, key := range codeFlags {
		if value := given[key]; value != "" {
			flags = append(flags, key+"="+value)
		}
	}
	b.Flags = strings.Join(flags, " ")
	return b, nil
}

// digest returns the first digits of a file's SHA-256.
func digest(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6]), nil
}
