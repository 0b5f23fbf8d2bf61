package fulcrum

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// freshMachine lays this machine's files and the working folder under a layer of their own, in a
// mount namespace, takes Go away there, and runs a script. Nothing reaches the machine itself. $1
// is an empty folder, $2 the installed Go, $3 the script.
const freshMachine = `
set -eu
mount --make-rprivate /
mount -t tmpfs fresh "$1"
mkdir "$1/upper" "$1/work" "$1/root" "$1/tree-upper" "$1/tree-work"
mount -t overlay fresh -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
rm -rf "$1/root/${2:?}" "$1/root/usr/local/go" "$1/root/usr/bin/go"
mkdir -p "$1/root/fresh" "$1/root/$PWD"
mount -t overlay tree -o "lowerdir=$PWD,upperdir=$1/tree-upper,workdir=$1/tree-work" "$1/root/$PWD"
for d in dev proc sys; do mount --rbind "/$d" "$1/root/$d"; done
exec chroot "$1/root" env -i HOME=/fresh PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	GOCACHE="$GOCACHE" GOMODCACHE="$GOMODCACHE" bash -euc "$3" fresh "$PWD"
`

// TestFreshMachine builds on a machine that has no Go. It downloads Debian's Go and the toolchain
// of go.mod, 150 MB.
func TestFreshMachine(t *testing.T) {
	if os.Getenv("FULCRUM_FRESH") != "true" {
		t.Skip("downloads 150 MB: make soak runs it")
	}
	const script = `
		cd "$1"
		! command -v go || { echo "there is a Go: $(command -v go)"; exit 1; }
		make build
		third_party/install.sh 2>again
		! [ -s again ] || { echo "the second run speaks: $(cat again)"; exit 1; }
		"$(third_party/install.sh --go-home)/bin/go" version bin/fulcrum
		bin/fulcrum version`
	c := exec.Command("unshare", "--mount", "bash", "-euc", freshMachine, "fresh",
		t.TempDir(), goEnv(t, "GOROOT"), script)
	c.Env = append(os.Environ(), "GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	for _, want := range []string{"fetching Go " + goOfModule(t), "bin/fulcrum: go" + goOfModule(t)} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Clean(strings.TrimSpace(string(out)))
}

// goOfModule returns the version that go.mod asks for.
func goOfModule(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\ngo ")
	version, _, _ := strings.Cut(after, "\n")
	return version
}
