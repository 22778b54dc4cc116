#!/bin/sh
# The files of deploy/ and the Dockerfile, as far as they can be checked without systemd and docker running. Seconds; a check
# whose tool is missing says so and is skipped.
set -u
cd "$(dirname "$0")/../.."
bad=0
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

report() { # what, findings
	[ -z "$2" ] && return
	bad=1
	printf 'deploy: %s\n%s\n' "$1" "$2"
}
skip() { echo "deploy: $1 is missing: $2 not checked"; }

# The unit, with a program that exists; warnings are findings, since a misspelt line is only warned of.
unit=deploy/agent-runtime.service
if command -v systemd-analyze >/dev/null; then
	sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' $unit >"$temp/agent-runtime.service"
	report "$unit" "$(systemd-analyze verify "$temp/agent-runtime.service" 2>&1)"
	systemd-analyze security --offline=yes --threshold=20 "$temp/agent-runtime.service" >"$temp/security" 2>&1 ||
		report "$unit is less hardened than it was (systemd-analyze security)" "$(tail -n 1 "$temp/security")"
else
	skip "systemd-analyze (package systemd)" $unit
fi

manifests=tests/lint/manifests
if [ -e $manifests/node_modules/yaml ]; then
	report "manifests" "$(node $manifests/check.mjs "$temp" 2>&1)"
else
	skip "$manifests/node_modules (npm ci --ignore-scripts in $manifests)" "Dockerfile, compose.yaml and kubernetes.yaml"
fi

# What deps.sh installs for the tests from a lock file it must find in the image, too; peers of the bench are no tests.
for folder in $(sed -n '/= bench/d; s/^.*npm_install \(etc\|tests\)\/\([a-z0-9/]*\).*/\1\/\2/p' deploy/deps.sh); do
	grep -q "^COPY .*$folder/package-lock.json" Dockerfile ||
		report "Dockerfile" "    deploy/deps.sh needs $folder/package-lock.json"
done

# Each library that the program was linked with comes from a package that the production image installs.
if [ -e build/agent-runtime ] && command -v dpkg-query >/dev/null; then
	installed=$(sed -n '/ AS production$/,$p' Dockerfile | tr -s ' \t\\' '\n')
	for library in $(objdump -p build/agent-runtime | awk '$1 == "NEEDED" {print $2}'); do
		package=$(dpkg-query -S "*/$(uname -m)-linux-gnu/$library" 2>/dev/null | head -n 1 | cut -d: -f1)
		case $package in libc6 | libgcc-s1) continue ;; esac
		printf '%s\n' "$installed" | grep -qx "$package" ||
			report "Dockerfile" "    $library needs package $package in the production image"
	done
else
	skip "build/agent-runtime" "the packages of the production image"
fi

# The manifest's own configuration and registry, as the service itself reads them.
if [ -e build/agent-runtime ] && [ -e "$temp/config.yaml" ]; then
	build/agent-runtime check -c "$temp/config.yaml" >/dev/null 2>"$temp/check" ||
		report "deploy/kubernetes.yaml, its ConfigMap" "$(cat "$temp/check")"
fi

[ $bad = 0 ] && echo "deploy: no findings"
exit $bad
