#!/bin/sh
# What the compiler does not check: format, the direction of includes, which file may know which library, leftovers.
set -u
cd "$(dirname "$0")/../.."
bad=0
files=$(git ls-files -co --exclude-standard 'server/*.[ch]' 'store/*.[ch]' 'mcp/*.[ch]' 'llm/*.[ch]' 'tests/*.[ch]')
code=$(printf '%s\n' "$files" | grep -v '^tests/')

fail() {
	bad=1
	printf 'lint: %s\n' "$1"
	printf '%s\n' "$2" | sed 's/^/    /'
}
check() { # message, offending lines
	[ -z "$2" ] || fail "$1" "$2"
}

# Format: the pinned major version only, since others decide differently.
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
	check "not formatted (make format)" "$(printf '%s\n' "$files" | xargs clang-format --dry-run -Werror 2>&1 |
		grep 'error:' | cut -d: -f1 | sort -u)"
else
	echo "lint: clang-format 14 is not installed: format was not checked"
fi

# Arrows between rooms: a file may include its own room and those on its row, nothing else.
allowed() {
	case $1 in
	server/base) echo 'base' ;;
	server/conf) echo 'base|conf' ;;
	server/ipc) echo 'base|ipc' ;;
	store) echo 'base|ipc|store' ;;
	llm) echo 'base|llm' ;;
	mcp) echo 'base|ipc|mcp' ;;
	server/agent) echo 'base|store|llm|mcp|agent' ;;
	server/http) echo 'base|store|mcp|http' ;;
	server/role) echo '[a-z]*' ;;
	esac
}
for f in $code; do
	room=$(dirname "$f")
	check "$f includes what its room may not" "$(grep -nE '^#include "' "$f" |
		grep -vE "#include \"($(allowed "$room"))/" | grep -vE '\.def"')"
	# A private header is private.
	check "$f includes another room's private header" "$(grep -nE '^#include "[a-z]+/[a-z]+_int\.h"' "$f" |
		grep -v "\"$(basename "$room")/")"
	head -n 1 "$f" | grep -q 'SPDX-License-Identifier' || fail "no SPDX line" "$f"
	sed -n 2p "$f" | grep -q '^/\*' || fail "does not open with what it is" "$f"
done

only() { # pattern, allowed files (regex), what
	check "$3" "$(printf '%s\n' "$code" | grep -vE "$2" | xargs grep -nE "$1" /dev/null)"
}
only '#include <curl/' '/fetch_curl\.c$' 'curl is one file'
only '#include <cjson/' '^server/base/json[a-z_]*\.c$|^server/base/base_int\.h$' 'cJSON is behind base/json.h'
only '#include <sqlite3\.h>' '^store/db_sqlite[a-z_]*\.c$|^store/db_sqlite_int\.h$' 'SQLite is behind store_db.h'
only '#include <yaml\.h>' '^server/conf/' 'YAML is in conf'
only 'pthread_mutex_[a-z]+\(' '^store/lock\.c$|^server/base/log\.c$' 'locks are taken in one file'
check 'a third-party type in a face' "$(grep -nE '#include <(event2|curl|cjson|openssl|yaml|sqlite3)' server/*/[a-z]*.h store/*.h \
	mcp/*.h llm/*.h | grep -v '_int\.h:')"
check 'leftovers' "$(printf '%s\n' "$files" | xargs grep -nE '\b(TODO|FIXME|XXX|HACK)\b|#if 0' /dev/null)"
check 'tests that are focused or silently skipped' "$(grep -rnE '\b(it|test|describe)\.(only|skip|todo)\b' tests/e2e/*.mjs 2>/dev/null)"
check 'a registry host in a lock file' "$(grep -rln '"resolved"' --include=package-lock.json etc tests deploy \
	--exclude-dir=node_modules 2>/dev/null)"

[ $bad = 0 ] && echo "lint: $(printf '%s\n' "$files" | wc -l) files, no findings"
exit $bad
