#!/bin/sh
# Runs fuzz targets under libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer.
# Usage: tests/fuzz/fuzz.sh SECONDS NAME...     (NAME is the target tests/fuzz/fuzz_NAME.c)
# Each target gets SECONDS, its corpus grows in a temporary folder that starts from tests/fuzz/corpus_NAME. A finding ends the
# run; its input is kept under build-fuzz/ and is to be added to the corpus with the fix.
set -eu
cd "$(dirname "$0")/../.."
[ $# -ge 2 ] || { echo "usage: tests/fuzz/fuzz.sh SECONDS NAME..." >&2; exit 64; }
seconds=$1
shift

command -v clang >/dev/null || { echo "fuzz: clang is missing: apt-get install clang libclang-rt-14-dev" >&2; exit 69; }
runtime=$(clang -print-file-name="libclang_rt.fuzzer-$(uname -m).a")
[ -e "$runtime" ] || {
	echo "fuzz: clang has no libFuzzer runtime: apt-get install libclang-rt-14-dev" >&2
	exit 69
}

sanitize=address,undefined
flags="-O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=undefined -fsanitize=fuzzer-no-link,$sanitize"
fuzz_make() { make --no-print-directory -j2 FLAVOUR=fuzz CC=clang "CFLAGS_fuzz=$flags" "$@"; }
libs=$(fuzz_make --eval='libs-print:;@echo $(LIBS)' libs-print)

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
trap 'exit 130' INT TERM
mkdir -p build-fuzz/findings
for name in "$@"; do
	[ -e "tests/fuzz/fuzz_$name.c" ] || { echo "fuzz: no target tests/fuzz/fuzz_$name.c" >&2; exit 64; }
	# The replay program pulls in the target and the archives of its rooms; only main() differs.
	fuzz_make "build-fuzz/tests/fuzz/replay_$name"
	# shellcheck disable=SC2086 # the libraries are words
	clang -fsanitize=fuzzer,$sanitize -o "$temp/fuzz_$name" "build-fuzz/obj/tests/fuzz/fuzz_$name.o" \
		-Wl,--start-group build-fuzz/lib/*.a -Wl,--end-group $libs
	mkdir "$temp/corpus_$name"
	[ ! -d "tests/fuzz/corpus_$name" ] || cp -R "tests/fuzz/corpus_$name/." "$temp/corpus_$name"
	echo "== fuzz_$name, $seconds s"
	"$temp/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
		-artifact_prefix="build-fuzz/findings/$name-" "$temp/corpus_$name" >"$temp/log" 2>&1 || {
		cat "$temp/log"
		exit 1
	}
	grep '^stat::' "$temp/log"
done
