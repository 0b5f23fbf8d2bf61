#!/bin/bash
# Installs what Fulcrum needs and this machine lacks: the packages listed beside this script, at their pinned versions.
# Checks that Go is there too. Says nothing when there is nothing to do; may be run as often, and by as many at once,
# as one likes. Needs root or sudo only if a package is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lock=/run/lock/fulcrum-third-party.lock
oldest_go=1.21 # the first that fetches the version named in go.mod by itself

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
		version=$(awk -v name="$name" '$1 == name { print $2; exit }' <<<"$installed")
		# shellcheck disable=SC2053 # the pattern is meant as one
		[[ -n $version && $version == $pattern ]] || echo "$name=$pattern"
	done < <(packages)
}

check_go() {
	local wanted found
	wanted=$(awk '$1 == "go" { print $2 }' "$here/../go.mod")
	found=$(cd / && PATH=$PATH:/usr/local/go/bin GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || found=
	found=${found#go}
	[[ -n $found ]] || fail "building Fulcrum needs Go $wanted, and there is no go command on the PATH;" \
		"get it from https://go.dev/dl/, unpack it into /usr/local and add /usr/local/go/bin to the PATH"
	[[ $(printf '%s\n' "$oldest_go" "$found" | sort -V | head -n 1) == "$oldest_go" ]] ||
		fail "building Fulcrum needs Go $wanted, and the go command on the PATH is $found, too old to fetch it;" \
			"get it from https://go.dev/dl/, unpack it into /usr/local and put /usr/local/go/bin first on the PATH"
}

check_debian() {
	command -v dpkg-query >/dev/null && command -v apt-get >/dev/null && return
	fail "installing native packages needs apt-get, which is not here: use Debian 12, or install these by hand: $(packages | tr '\n' ';')"
}

# become_root runs this script again as root, if it is not.
become_root() {
	[[ $EUID -ne 0 ]] || return 0
	command -v sudo >/dev/null || fail "installing $* needs root, and there is no sudo: run third_party/install.sh once as root"
	local ask=()
	[[ -t 0 ]] || ask=(-n) # nobody is there to type a password
	# The PATH goes along: sudo's own would not find the go command.
	sudo "${ask[@]}" env "PATH=$PATH" "${BASH_SOURCE[0]}" || fail "installing $* with sudo did not work: run third_party/install.sh once as root"
	exit 0
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

check_go
check_debian
mapfile -t wanted < <(missing)
[[ ${#wanted[@]} -gt 0 ]] || exit 0
become_root "${wanted[@]}"

exec 9>"$lock"
flock -w 900 9 || fail "another run has held $lock for 15 minutes: see whether it hangs"
mapfile -t wanted < <(missing) # the run before may have installed them
[[ ${#wanted[@]} -eq 0 ]] || install "${wanted[@]}"
