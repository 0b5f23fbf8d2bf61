package control

import "runtime"

// Version is the semantic version of the program.
const Version = "0.12.0"

// revision is the commit that the program was built from. `make build` has the linker set it.
var revision = "unknown"

// Build returns the program's semantic version, the commit that it was built from ("unknown" unless
// `make build` built it) and the version of Go that compiled it. Anyone may call it.
func Build() (version, commit, goVersion string) { return Version, revision, runtime.Version() }
