package control

import "runtime/debug"

// revision is the commit that the program was built from, which `make build` has the linker set.
var revision = "unknown"

// Build tells what the program was built from.
func Build() (version, commit, goVersion string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", revision, "unknown"
	}
	return info.Main.Version, revision, info.GoVersion
}
