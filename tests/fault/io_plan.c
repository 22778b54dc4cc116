/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The will of io_fault.so: reads the control file at each operation, counts those that match, and writes the
 * records. It speaks to the kernel by system calls of its own, so that it never meets the functions it stands
 * before. The one descriptor it keeps, of the log, is high up and survives a program that closes what it does
 * not know (io_plan_keeps).
 *
 * When the control file cannot be read nothing is injected; when a record cannot be written the process ends,
 * because a test that goes on with half a record would prove nothing.
 */
#include "tests/fault/io_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CONTROL_MAX = 512, LOG_FD = 900 };
static int log_fd = -1;

static struct {
	char text[CONTROL_MAX]; /* as it was parsed */
	enum io_fault fault;
	unsigned ops; /* bits of enum io_op */
	uint64_t at, text_hash;
	bool ever;
	char path[64], sql[32];
	int64_t wall_s, mono_s;
} plan;

/* Counted over all processes that come from one: a keeper goes on where the one before it stopped. */
static struct {
	uint64_t text_hash, count;
} * shared;

static __attribute__((constructor)) void shared_make(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		abort();
	shared = p;
}

static const char *const fault_names[FAULT_COUNT] = {
	"none", "kill-before", "kill-torn", "kill-after", "eio", "enospc", "short", "eintr",
};
static const char *const op_names[IO_OP_COUNT] = IO_OP_NAMES;

static unsigned ops_parse(const char *list)
{
	unsigned ops = 0;
	for (size_t n; *list; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		for (unsigned i = 0; i < IO_OP_COUNT; i++)
			if (strlen(op_names[i]) == n && memcmp(op_names[i], list, n) == 0)
				ops |= 1u << i;
	}
	return ops;
}

static void word_parse(const char *w)
{
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		if (strcmp(w, fault_names[i]) == 0)
			plan.fault = i;
	if (strncmp(w, "at=", 3) == 0)
		plan.at = strtoull(w + 3, NULL, 10);
	else if (strcmp(w, "for=ever") == 0)
		plan.ever = true;
	else if (strncmp(w, "ops=", 4) == 0)
		plan.ops = ops_parse(w + 4);
	else if (strncmp(w, "path=", 5) == 0)
		snprintf(plan.path, sizeof plan.path, "%s", w + 5);
	else if (strncmp(w, "sql=", 4) == 0)
		snprintf(plan.sql, sizeof plan.sql, "%s", w + 4);
	else if (strncmp(w, "clock=", 6) == 0)
		plan.wall_s = strtoll(w + 6, NULL, 10);
	else if (strncmp(w, "mono=", 5) == 0)
		plan.mono_s = strtoll(w + 5, NULL, 10);
}

static void plan_parse(const char *text)
{
	char words[CONTROL_MAX], *rest = NULL;
	memset(&plan, 0, sizeof plan);
	snprintf(plan.text, sizeof plan.text, "%s", text);
	memcpy(words, plan.text, sizeof words);
	plan.ops = ~0u;
	plan.at = 1;
	for (const char *c = plan.text; *c; c++)
		plan.text_hash = (plan.text_hash ^ (uint8_t)*c) * 0x100000001b3u;
	for (char *w = strtok_r(words, " \t\n", &rest); w; w = strtok_r(NULL, " \t\n", &rest))
		word_parse(w);
}

/* The text is read again only when the file is another one. */
static void plan_read(void)
{
	static const char *path;
	static struct stat seen;
	struct stat st;
	char text[CONTROL_MAX];
	if (!path && !(path = getenv("IO_FAULT_CONTROL")))
		path = "";
	int saved = errno;
	if (!*path || stat(path, &st) != 0 ||
	    (st.st_ino == seen.st_ino && st.st_size == seen.st_size &&
	     st.st_mtim.tv_sec == seen.st_mtim.tv_sec && st.st_mtim.tv_nsec == seen.st_mtim.tv_nsec)) {
		errno = saved;
		return;
	}
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : syscall(SYS_read, fd, text, sizeof text - 1);
	if (fd >= 0)
		syscall(SYS_close, fd);
	errno = saved;
	if (n < 0)
		return;
	seen = st;
	text[n] = 0;
	if (strcmp(text, plan.text) != 0)
		plan_parse(text);
}

enum io_fault io_plan_next(enum io_op op, const char *path)
{
	plan_read();
	if (plan.fault == FAULT_NONE || !(plan.ops & 1u << op) || !strstr(path, plan.path))
		return FAULT_NONE;
	if (shared->text_hash != plan.text_hash)
		shared->count = 0;
	shared->text_hash = plan.text_hash;
	shared->count++;
	return shared->count == plan.at || (plan.ever && shared->count > plan.at) ? plan.fault : FAULT_NONE;
}

int64_t io_plan_clock_s(bool wall)
{
	plan_read();
	return wall ? plan.wall_s : plan.mono_s;
}

bool io_plan_sql(const char *mutant)
{
	plan_read();
	return strcmp(plan.sql, mutant) == 0;
}

const char *io_plan_folder(void)
{
	static const char *folder;
	if (!folder && !(folder = getenv("IO_FAULT_DIR")))
		folder = "";
	return folder;
}

static _Noreturn void log_failed(void)
{
	fprintf(stderr, "io_fault: IO_FAULT_LOG cannot be written: %s\n", strerror(errno));
	_exit(70);
}

/* false: nothing is recorded. */
static bool log_open(void)
{
	static const char *path;
	if (!path && !(path = getenv("IO_FAULT_LOG")))
		path = "";
	if (!*path || log_fd >= 0)
		return *path;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CLOEXEC);
	log_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LOG_FD);
	if (log_fd < 0)
		log_failed();
	syscall(SYS_close, fd);
	return true;
}

int io_plan_keeps(void)
{
	return log_fd;
}

void io_plan_record(const struct io_rec *head, const char *path, const void *data)
{
	static const char zeros[8];
	struct io_rec r = *head;
	int saved = errno;
	if (!log_open())
		return;
	r.pid = (uint32_t)getpid();
	r.path_len = (uint32_t)strlen(path) + 1;
	r.bytes = (uint32_t)sizeof r + r.path_len + r.data_len;
	size_t pad = -r.bytes & 7;
	r.bytes += (uint32_t)pad;
	union {
		const void *in;
		void *iov;
	} p[] = {{&r}, {path}, {data}, {zeros}};
	struct iovec v[] = {
		{p[0].iov, sizeof r}, {p[1].iov, r.path_len}, {p[2].iov, r.data_len}, {p[3].iov, pad}};
	if (syscall(SYS_writev, log_fd, v, 4) != (long)r.bytes)
		log_failed();
	errno = saved;
}

_Noreturn void io_plan_die(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
	for (;;)
		pause();
}
