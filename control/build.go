package control

import (
	"runtime"
	"runtime/debug"
)

// Version is the semantic version of the program.
const Version = "0.12.0"

// unknownRevision is the revision of a program that nothing stamped.
const unknownRevision = "unknown"

// revision is the commit that the program was built from. `make build` has the linker set it.
var revision = unknownRevision

// Build returns the program's semantic version, the commit that it was built from and the version
// of Go that compiled it. The commit is what `make build` set, or what the go command stamped, or
// "unknown". Anyone may call it.
func Build() (version, commit, goVersion string) {
	commit = revision
	if info, ok := debug.ReadBuildInfo(); ok && commit == unknownRevision {
		commit = stamped(info.Settings)
	}
	return Version, commit, runtime.Version()
}

// stamped returns the commit in a program's build settings in the form of `make build`.
func stamped(settings []debug.BuildSetting) string {
	commit, dirty := unknownRevision, ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision" && s.Value != "":
			const length = 12
			commit = s.Value[:min(len(s.Value), length)]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if commit == unknownRevision {
		return commit
	}
	return commit + dirty
}
