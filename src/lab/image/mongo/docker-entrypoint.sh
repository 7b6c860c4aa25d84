#!/bin/sh
# As in the published image: options alone mean mongod, and mongod does not stay root.
set -eu
case "${1:-mongod}" in
-*) set -- mongod "$@" ;;
esac
if [ "${1:-}" = mongod ] && [ "$(id -u)" = 0 ]; then
  find /data/db /data/configdb ! -user mongodb -exec chown mongodb '{}' +
  exec setpriv --reuid=mongodb --regid=mongodb --init-groups -- "$@"
fi
exec "$@"
