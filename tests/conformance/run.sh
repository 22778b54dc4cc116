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
fail() { # what
	failed=1
	echo "conformance: $1: FAILED"
	cat "$out"
}
# The frozen set of what a client of that revision must do. The suite itself would be content with fewer scenarios than we know it
# to have, so they are counted: those that passed, without the ones that it shows and does not score.
required() { # revision, how many scored scenarios there are
	"$node" "$suite" client --command "$client" --requirements "$1" >"$out" 2>&1
	status=$?
	passed=$(awk '/^=== SUITE SUMMARY ===$/ { counting = 1 } /^Not scored for / { counting = 0; unscored = 1 }
		counting && $1 == "✓" { sub(":", "", $2); ok[$2] = 1 }
		unscored && ($1 == "✓" || $1 == "✗") { delete ok[$2] }
		END { n = 0; for (s in ok) n++; print n }' "$out")
	if [ $status -eq 0 ] && [ "$passed" -eq "$2" ]; then
		echo "conformance: required of clients, $1: $passed of $2 scenarios passed"
	else
		fail "required of clients, $1: $passed of $2 scenarios passed (status $status)"
	fi
}
# Any failure and any warning counts here.
scenario() { # revision, name
	if "$node" "$suite" client --command "$client" --spec-version "$1" --scenario "$2" >"$out" 2>&1; then
		echo "conformance: $2, $1: passed"
	else
		fail "$2, $1"
	fi
}
# There is no list of expected failures.
required 2025-11-25 18
required 2026-07-28 32
for revision in 2025-11-25 2026-07-28; do
	for name in auth/client-credentials-jwt auth/client-credentials-basic json-schema-2020-12-preservation; do
		scenario $revision $name
	done
done
# Servers of before there was metadata.
for name in auth/2025-03-26-oauth-metadata-backcompat auth/2025-03-26-oauth-endpoint-fallback; do
	scenario 2025-03-26 $name
done
exit $failed
