#!/bin/sh
# Installs what a fresh Debian 12 machine lacks to build, run and test: packages, Node 20 or newer, and the pinned
# npm packages. Repeating it costs a second. Root (or sudo) is needed only while packages are missing.
# Usage: deploy/deps.sh run|check|bench     (check adds what only the tests need, bench the peers of make bench)
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-check}
packages="build-essential pkg-config libevent-dev libcurl4-openssl-dev libcjson-dev libyaml-dev libssl-dev
	libsqlite3-dev ca-certificates curl"
[ "$purpose" = check ] && packages="$packages libcmocka-dev clang-format chromium procps"

missing=
for p in $packages; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || missing="$missing nodejs npm"
if [ -n "$missing" ]; then
	sudo=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null 2>&1 || {
			echo "deps: these packages are missing and this is not root: apt-get install$missing" >&2
			exit 1
		}
		sudo=sudo
	fi
	echo "deps: installing$missing"
	$sudo apt-get update -q
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends $missing
fi

# $1: folder with a lock file. Installed once for each content of the lock file. Install scripts of packages do not run.
npm_install() {
	sum=$(sha256sum "$1/package-lock.json" | cut -d' ' -f1)
	[ "$(cat "$1/node_modules/.installed" 2>/dev/null || true)" = "$sum" ] && return 0
	echo "deps: npm ci in $1"
	(cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
	echo "$sum" >"$1/node_modules/.installed"
}

# A Node of our own only where the machine's is too old: build/node/bin goes first in PATH (see the Makefile).
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 20 ]; then
	npm_install deploy/node
	mkdir -p build/node/bin
	for n in deploy/node/node_modules/node-linux-*/bin/node; do
		[ -e "$n" ] && ln -sf "$PWD/$n" build/node/bin/node
	done
fi
npm_install etc/mcp
[ "$purpose" = check ] && npm_install tests/e2e
if [ "$purpose" = check ]; then
	[ "$major" -lt 22 ] && npm_install deploy/node # what the conformance suite needs
	npm_install tests/conformance
fi
[ "$purpose" = check ] && npm_install tests/lint/manifests
[ "$purpose" = bench ] && npm_install tests/bench
exit 0
