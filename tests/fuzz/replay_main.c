/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main() for a fuzz target where libFuzzer is not: feeds every file of one folder (the corpus), the built-in
 * seeds and a fixed number of mutations of each to LLVMFuzzerTestOneInput. The same input gives the same run
 * on every machine, so `make check` can use it; looking for new input is tests/fuzz/fuzz.sh's work.
 *
 * Each input is copied to a block of its own exact size, so that AddressSanitizer sees the first byte read
 * past it. A missing folder is no error: then the seeds alone are used. When the target aborts or faults, the
 * last input is named, kept as a file in $TMPDIR, and the signal takes its course.
 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FILES_MAX = 10000,
	INPUT_BYTES_MAX = 1 << 20,
	MUTATIONS_PER_INPUT = 500,
	EDITS_MAX = 4,
	SPLICE_MAX = 64
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	char name[256];
	uint8_t *bytes;
	size_t size;
};

#define SEED(name, text)                                             \
	{                                                            \
		name, (uint8_t *)(uintptr_t)(text), sizeof(text) - 1 \
	}
/* One of each grammar that crosses a wire here: what suits another target is a cheap refusal to this one. */
static const struct input seeds[] = {
	SEED("seed empty", ""),
	SEED("seed get", "GET /v1/tasks/x?wait=1s HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"1\"\r\n\r\n"),
	SEED("seed post",
	     "POST /v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\n\r\n{\"prompt\":\"x\"}"),
	SEED("seed chunked",
	     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n"),
	SEED("seed sse",
	     "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\ndata: [DONE]\n\n"),
	SEED("seed json-rpc", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"a\"}]}}\n"),
};
/* Put in by mutations: what the grammars have at their joints. */
static const char *const pieces[] = {
	"\r\n",
	"\n",
	"\r",
	"\r\n\r\n",
	"\n\n",
	"\r\n ",
	" ",
	"\t",
	":",
	";a=b",
	"+",
	"0x",
	"%",
	"%00",
	"?after=1",
	"#",
	"http://b",
	" HTTP/1.0",
	"Host: b\r\n",
	"Content-Length: 3\r\n",
	"Transfer-Encoding: chunked\r\n",
	"0\r\n\r\n",
	"ffffffffffffffff",
	"-1",
	"1e999",
	"9007199254740993",
	"\"",
	"\\u0000",
	"\\ud800",
	"\\",
	"{",
	"}",
	"[",
	"]",
	",",
	"null",
	"data: ",
	"event: x\n",
	"[DONE]",
	"\"id\":",
	"\xff",
	"\xc3",
	"\xed\xa0\x80",
};

/* Read by the signal handler: which input the target is working on. */
static const char *current_name = "";
static const uint8_t *current_bytes;
static volatile size_t current_size;
static volatile int current_mutation;

static size_t corpus_read(const char *folder, struct input *files);
static void input_run(const char *name, int mutation, const uint8_t *bytes, size_t size);
static size_t input_mutate(uint64_t *random, const struct input *from, const struct input *other,
			   uint8_t *out);
static void crash_report(int signo);
static void crash_watch(void);

#ifdef __SANITIZE_ADDRESS__
/* Findings abort, so that they pass crash_report too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "abort_on_error=1";
}
#endif

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
		return 64;
	}
	struct input *all = xcalloc(FILES_MAX + COUNT_OF(seeds), sizeof *all);
	size_t files = corpus_read(argv[1], all), count = files, mutations = 0;
	for (size_t i = 0; i < COUNT_OF(seeds); i++)
		all[count++] = seeds[i];
	crash_watch();
	uint64_t random = 0x9e3779b97f4a7c15;
	uint8_t *mutant = xcalloc(1, INPUT_BYTES_MAX + EDITS_MAX * SPLICE_MAX);
	for (size_t i = 0; i < count; i++) {
		input_run(all[i].name, 0, all[i].bytes, all[i].size);
		for (int m = 1; m <= MUTATIONS_PER_INPUT; m++, mutations++) {
			const struct input *other = &all[(i + (size_t)m) % count];
			size_t size = input_mutate(&random, &all[i], other, mutant);
			input_run(all[i].name, m, mutant, size);
		}
	}
	printf("%s: %zu files of %s, %zu built-in seeds, %zu mutations\n", argv[0], files, argv[1],
	       COUNT_OF(seeds), mutations);
	for (size_t i = 0; i < files; i++)
		free(all[i].bytes);
	free(mutant);
	free(all);
	return 0;
}

/* --- helpers --- */

static void die_errno(const char *what, const char *path)
{
	fprintf(stderr, "replay: %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

static int input_order(const void *a, const void *b)
{
	return strcmp(((const struct input *)a)->name, ((const struct input *)b)->name);
}

static void input_read(const char *folder, struct input *in)
{
	char path[4096];
	struct buf bytes = BUF_INIT;
	struct error e = {0};
	snprintf(path, sizeof path, "%s/%s", folder, in->name);
	if (file_read(path, INPUT_BYTES_MAX, &bytes, &e) != ERR_NONE) {
		fprintf(stderr, "replay: %s\n", e.msg);
		exit(1);
	}
	in->size = bytes.len;
	in->bytes = (uint8_t *)buf_take(&bytes);
}

/* Sorted by name: the order of a folder is not the same everywhere. */
static size_t corpus_read(const char *folder, struct input *files)
{
	size_t count = 0;
	DIR *d = opendir(folder);
	if (d == NULL && errno == ENOENT)
		return 0;
	if (d == NULL)
		die_errno("cannot open", folder);
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		if (count == FILES_MAX) {
			fprintf(stderr, "replay: more than %d files in %s\n", FILES_MAX, folder);
			exit(1);
		}
		snprintf(files[count].name, sizeof files[count].name, "%s", e->d_name);
		input_read(folder, &files[count++]);
	}
	closedir(d);
	qsort(files, count, sizeof *files, input_order);
	return count;
}

static void input_run(const char *name, int mutation, const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size); /* exact: not one byte of slack */
	if (copy == NULL && size > 0)
		die_errno("no memory for", name);
	if (size > 0)
		memcpy(copy, bytes, size);
	current_name = name;
	current_mutation = mutation;
	current_bytes = copy;
	current_size = size;
	(void)LLVMFuzzerTestOneInput(copy, size);
	current_size = 0;
	free(copy);
}

/* xorshift64*: the mutations must be the same on every machine and in every run. */
static size_t pick(uint64_t *random, size_t below)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return below == 0 ? 0 : (size_t)((*random * 0x2545f4914f6cdd1d) >> 33) % below;
}

static size_t part_size(uint64_t *random, size_t at_most)
{
	size_t n = 1 + pick(random, SPLICE_MAX);
	return n < at_most ? n : at_most;
}

static size_t part_insert(uint8_t *out, size_t size, size_t at, const void *part, size_t n)
{
	memmove(out + at + n, out + at, size - at);
	if (n > 0)
		memcpy(out + at, part, n);
	return size + n;
}

/* One to EDITS_MAX of: another byte, a flipped bit, a cut, a part left out, a piece or a part of another
 * input put in. */
static size_t input_mutate(uint64_t *random, const struct input *from, const struct input *other,
			   uint8_t *out)
{
	size_t size = from->size, n, at, start;
	if (size > 0)
		memcpy(out, from->bytes, size);
	for (size_t edits = 1 + pick(random, EDITS_MAX); edits > 0; edits--) {
		const char *piece = pieces[pick(random, COUNT_OF(pieces))];
		at = pick(random, size);
		switch (pick(random, 6)) {
		case 0:
			if (size > 0)
				out[at] = (uint8_t)pick(random, 256);
			break;
		case 1:
			if (size > 0)
				out[at] ^= (uint8_t)(1u << pick(random, 8));
			break;
		case 2: size = at; break;
		case 3:
			n = part_size(random, size - at);
			memmove(out + at, out + at + n, size - at - n);
			size -= n;
			break;
		case 4: size = part_insert(out, size, at, piece, strlen(piece)); break;
		default:
			start = pick(random, other->size);
			n = part_size(random, other->size - start);
			size = part_insert(out, size, at, n > 0 ? other->bytes + start : NULL, n);
		}
	}
	return size;
}

/* Async-signal-safe but for snprintf, which does no more than copy text and digits here. */
static void crash_report(int signo)
{
	char path[512], line[1024];
	const char *folder = getenv("TMPDIR");
	snprintf(path, sizeof path, "%s/replay-%d.bin", folder != NULL ? folder : "/tmp", (int)getpid());
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool kept = fd >= 0 && write(fd, current_bytes, current_size) == (ssize_t)current_size;
	int n = snprintf(line, sizeof line,
			 "replay: signal %d at \"%s\", mutation %d, %zu bytes, kept as %s\n", signo,
			 current_name, current_mutation, current_size, kept ? path : "nothing");
	if (write(STDERR_FILENO, line, (size_t)n) != n)
		_exit(1);
	signal(signo, SIG_DFL);
	raise(signo);
}

/* A sanitizer's own handler for faults stays: it ends in abort(), which comes here. */
static void crash_watch(void)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	for (size_t i = 0; i < COUNT_OF(signals); i++) {
		struct sigaction old;
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			signal(signals[i], crash_report);
	}
}
