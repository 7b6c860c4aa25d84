#!/bin/sh
# A cluster through Temporal's HTTP API, with nothing but curl:
#
#   examples/http.sh forum status
#   examples/http.sh forum add vm3 fra 192.0.2.13 SHA256:…
#   examples/http.sh forum remove vm2
#
# TEMPORAL_HTTP is where the API is (of the embedded server, `farweave dev status --json` tells it), TEMPORAL_NAMESPACE
# whose it is. A host that is added comes by signal: it is reached as the cluster file says.
set -eu
: "${TEMPORAL_HTTP:=http://127.0.0.1:7243}" "${TEMPORAL_NAMESPACE:=default}"
usage() {
  echo "usage: $0 CLUSTER status | add NAME SITE ADDRESS [SHA256:…] | remove NAME" >&2
  exit 2
}
[ $# -ge 2 ] || usage
workflow="$TEMPORAL_HTTP/api/v1/namespaces/$TEMPORAL_NAMESPACE/workflows/cluster:$1"
what=$2
shift 2

# Names, addresses and keys hold nothing that JSON would want escaped.
case "${*:-}" in *[!A-Za-z0-9.:/+=\ -]*) echo "not a name, an address or a key: $*" >&2; exit 2 ;; esac

post() { curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' --data "$2" "$workflow/$1"; echo; }

case $what in
status) post query/status '{}' ;;
add)
  [ $# -ge 3 ] || usage
  key=${4:+, \"hostKey\": \"$4\"}
  post signal/addHost "{\"input\": [{\"host\": {\"name\": \"$1\", \"site\": \"$2\", \"address\": \"$3\"$key}, \"by\": \"curl\"}]}"
  ;;
remove)
  [ $# -ge 1 ] || usage
  post signal/removeHost "{\"input\": [{\"hosts\": [\"$1\"], \"by\": \"curl\"}]}"
  ;;
*) usage ;;
esac
