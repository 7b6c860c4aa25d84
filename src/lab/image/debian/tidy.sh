#!/bin/sh
# Makes a fresh debootstrap tree ($1) small and the same on every build.
set -eu
root=$1
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/*
rm -rf "$root"/var/log/* "$root"/var/cache/ldconfig/aux-cache "$root"/etc/machine-id "$root"/etc/hostname
rm -f "$root"/etc/apt/sources.list "$root"/etc/resolv.conf
find "$root/var/lib/dpkg" "$root/var/cache/debconf" -name '*-old' -delete
cat >"$root/etc/dpkg/dpkg.cfg.d/no-docs" <<X
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
X
