#!/bin/bash
# Installs what Fulcrum needs and this machine lacks: the packages listed beside this script, at their pinned versions.
# Fetches the Go of go.mod into the user's cache if there is none on the PATH that will do; --go-home prints that folder.
# Says nothing when there is nothing to do; may be run as often, and by as many at once, as one likes. Needs root or
# sudo only if a package is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lock=/run/lock/fulcrum-third-party.lock
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}
arch=$(uname -m | sed -e s/x86_64/amd64/ -e s/aarch64/arm64/)
go_version=$(awk '$1 == "go" { print $2 }' "$here/../go.mod")
go_home=$cache/fulcrum/go$go_version.linux-$arch
export PATH=$go_home/bin:$PATH:/usr/local/go/bin

fail() {
	echo "third_party/install.sh: $*" >&2
	exit 1
}

# packages prints "name pattern" for every line of the list.
packages() {
	sed -e 's/#.*//' "$here/packages" | awk 'NF { print $1, $2 }'
}

# missing prints those packages as apt-get's name=pattern, unless they are installed at a matching version.
missing() {
	local installed name pattern version
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' 2>/dev/null | awk '$1 == "installed" { print $2, $3 }')
	while read -r name pattern; do
		[[ $name != golang-go ]] || ! command -v go >/dev/null || continue
		version=$(awk -v name="$name" '$1 == name { print $2; exit }' <<<"$installed")
		# shellcheck disable=SC2053 # the pattern is meant as one
		[[ -n $version && $version == $pattern ]] || echo "$name=$pattern"
	done < <(packages)
}

# has_go is true if the go command that make finds is the one of go.mod or a later one, or fetches it by itself.
has_go() {
	local found
	found=$(cd "$here/.." && go env GOVERSION 2>/dev/null) || return 1
	[[ $(printf '%s\n' "$go_version" "${found#go}" | sort -V | head -n 1) == "$go_version" ]]
}

# fetch_go has an older go command fetch the toolchain as the module that later ones fetch themselves, checks its sum
# and completes it as they do: modules have neither run bits nor other modules' go.mod.
fetch_go() {
	local toolchain=golang.org/toolchain@v0.0.1-go$go_version.linux-$arch
	echo "third_party/install.sh: fetching Go $go_version to $go_home" >&2
	mkdir -p "$(dirname "$go_home")"
	room=$(mktemp -d "$go_home.XXXXXX")
	trap 'rm -rf "$room"' EXIT
	(cd "$room" && GOPATH=$room GOMODCACHE=$room/modules GOFLAGS=-modcacherw GOTOOLCHAIN=local \
		GOSUMDB=sum.golang.org GONOSUMDB='' GOPRIVATE='' go mod download "$toolchain") ||
		fail "could not fetch Go $go_version: see above; or get it from https://go.dev/dl/, unpack it into /usr/local" \
			"and put /usr/local/go/bin first on the PATH"
	chmod -R a+x "$room/modules/$toolchain"/{bin,pkg/tool}
	find "$room/modules/$toolchain" -name _go.mod -execdir cp {} go.mod \;
	mv -T "$room/modules/$toolchain" "$go_home" 2>/dev/null || [[ -x $go_home/bin/go ]] ||
		fail "could not write $go_home" # unless another run was faster
	echo "third_party/install.sh: make uses it; for the go command: PATH=$go_home/bin:\$PATH" >&2
}

check_debian() {
	command -v dpkg-query >/dev/null && command -v apt-get >/dev/null && return
	fail "installing native packages needs apt-get, which is not here: use Debian 12, or install these by hand: $(packages | tr '\n' ';')"
}

# as_root runs this script again as root, for the packages alone.
as_root() {
	command -v sudo >/dev/null || fail "installing $* needs root, and there is no sudo: run third_party/install.sh once as root"
	local ask=()
	[[ -t 0 ]] || ask=(-n) # nobody is there to type a password
	# The PATH goes along: sudo's own would not find the go command.
	sudo "${ask[@]}" env "PATH=$PATH" "${BASH_SOURCE[0]}" --packages || fail "installing $* with sudo did not work: run third_party/install.sh once as root"
}

apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 "$@" </dev/null
}

# install tries with the package lists as they are, and fetches new ones only if that does not work.
install() {
	local log
	log=$(mktemp)
	echo "third_party/install.sh: installing $*" >&2
	if ! { apt install --no-install-recommends "$@" || { apt update && apt install --no-install-recommends "$@"; }; } >"$log" 2>&1; then
		tail -n 25 "$log" >&2
		rm -f "$log"
		fail "apt-get could not install $*: see above; these versions are Debian 12's, so check /etc/apt/sources.list"
	fi
	rm -f "$log"
}

# install_missing installs what is missing, one run at a time.
install_missing() {
	local wanted
	mapfile -t wanted < <(missing)
	[[ ${#wanted[@]} -gt 0 ]] || return 0
	if [[ $EUID -ne 0 ]]; then
		as_root "${wanted[@]}"
		return
	fi
	exec 9>"$lock"
	flock -w 900 9 || fail "another run has held $lock for 15 minutes: see whether it hangs"
	mapfile -t wanted < <(missing) # the run before may have installed them
	[[ ${#wanted[@]} -eq 0 ]] || install "${wanted[@]}"
	exec 9>&-
}

if [[ ${1:-} == --go-home ]]; then
	echo "$go_home"
	exit
fi
check_debian
install_missing
[[ ${1:-} == --packages ]] || has_go || fetch_go
