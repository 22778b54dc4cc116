#!/bin/sh
# The official conformance suite (pinned in package.json) against our client: run.sh PATH-OF-CLIENT
# It needs Node 22 or newer: the machine's, else the one of deploy/node.
set -u
client=$1
here=$(cd "$(dirname "$0")" && pwd)
suite=$here/node_modules/@modelcontextprotocol/conformance/dist/index.js
node=node
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 22 ]; then
	for n in "$here"/../../deploy/node/node_modules/node-linux-*/bin/node; do
		"$n" --version >/dev/null 2>&1 && node=$n
	done
fi
out=$(mktemp)
trap 'rm -f "$out"' EXIT
failed=0
run() { # what, options of the suite
	what=$1
	shift
	if "$node" "$suite" client --command "$client" "$@" >"$out" 2>&1; then
		echo "conformance: $what: passed"
	else
		failed=1
		echo "conformance: $what: FAILED"
		cat "$out"
	fi
}
# Any failure and any warning counts; there is no list of expected failures.
run 'authorization, 2025-11-25' --suite auth --spec-version 2025-11-25
for scenario in auth/client-credentials-jwt auth/client-credentials-basic; do
	run "$scenario" --scenario $scenario
done
exit $failed
