#!/bin/sh
# Becomes systemd in namespaces of its own, with nothing to start but fulcrum.service.
# $1 is the unit, $2 the program, $3 its configuration.
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/test
cp "$2" /run/test/fulcrum
cp "$3" /run/test/fulcrum.toml
mount -t tmpfs tmpfs /etc/systemd/system
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cp "$1" /etc/systemd/system/fulcrum.service
mkdir /etc/systemd/system/fulcrum.service.d
# Nothing else of this machine is to be started; the program and its file lie elsewhere; a test does not wait for ten seconds.
cat > /etc/systemd/system/fulcrum.service.d/test.conf <<END
[Unit]
DefaultDependencies=no
[Service]
Environment=FULCRUM_TEST_AS_PROGRAM=1
ExecStartPre=
ExecStartPre=/run/test/fulcrum check /run/test/fulcrum.toml
ExecStart=
ExecStart=/run/test/fulcrum run --config /run/test/fulcrum.toml
WatchdogSec=2s
StandardOutput=append:/run/test/log
StandardError=append:/run/test/log
END
ln -s /dev/null /etc/systemd/system/network-online.target
cat > /etc/systemd/system/test.target <<END
[Unit]
DefaultDependencies=no
Requires=fulcrum.service
END
export container=lxc
exec /lib/systemd/systemd --system --unit=test.target --log-target=console --show-status=no
