#!/bin/sh
# Installs the project's dependencies, Node 24 among them, on a machine that has nothing but make.
set -eu

if ! command -v npm >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'Installing the system packages nodejs and npm (any version will do: the project brings its own Node 24).'
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nodejs npm
  else
    echo 'farweave: npm is needed. Install Node.js (any version from 18 on; https://nodejs.org), then run this again.' >&2
    exit 1
  fi
fi

echo 'Installing dependencies with npm ci …'
npm ci --ignore-scripts --no-fund --no-audit --loglevel=error &
installing=$!
# npm is silent where there is no terminal: say that it lives.
seconds=0
while kill -0 "$installing" 2>/dev/null; do
  sleep 1
  seconds=$((seconds + 1))
  [ $((seconds % 5)) -ne 0 ] || echo "  … $seconds s"
done
wait "$installing"

# The one install script that is allowed: it puts the pinned Node in place. A Node that is new enough serves as well.
if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 24 ? 0 : 1)'; then
  echo 'Installing the pinned Node 24 …'
fi
npm rebuild node --ignore-scripts=false --loglevel=error >/dev/null
node_modules/.bin/node --version
