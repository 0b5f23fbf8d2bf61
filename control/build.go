package control

import "runtime/debug"

// revision is the commit that the program was built from. The linker sets it in `make build`.
var revision = "unknown"

// Build returns the module version, the commit and the Go version that the program was built from.
// A value that is missing is "unknown".
func Build() (version, commit, goVersion string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", revision, "unknown"
	}
	return info.Main.Version, revision, info.GoVersion
}
