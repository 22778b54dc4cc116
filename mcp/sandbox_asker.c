/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read of a process that waits for an answer: which process a thread belongs to, bytes of its memory,
 * the folders it has open. Only memory that is there is read: a page that must come from a disk first, or
 * from the far end of a network file system, would make us wait for it, and whoever asks may choose such a
 * page.
 *
 * The two files in /proc that this takes stay open for the threads that asked last. They are those of the
 * thread's memory at the time: it must be forgotten when it executes another program, and after a while, when
 * its number may be that of another thread.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEMORIES_MAX = 8 };
static const uint64_t PAGE_IS_THERE = 1ULL << 63; /* of an entry of /proc/PID/pagemap */

static struct memory {
	int thread; /* 0: none */
	int bytes, pages;
} memories[MEMORIES_MAX];
static size_t oldest;

int asker_process(int thread)
{
	char path[64], line[128];
	int process = 0;
	snprintf(path, sizeof path, "/proc/%d/status", thread);
	FILE *f = fopen(path, "re");
	while (f && !process && fgets(line, sizeof line, f))
		sscanf(line, "Tgid: %d", &process);
	if (f)
		fclose(f);
	return process;
}

/* --- memory --- */

static void memory_drop(struct memory *m)
{
	if (!m->thread)
		return;
	fd_close(&m->bytes);
	fd_close(&m->pages);
	m->thread = 0;
}

void asker_forget(int thread)
{
	for (size_t i = 0; i < MEMORIES_MAX; i++)
		if (!thread || memories[i].thread == thread)
			memory_drop(&memories[i]);
}

static struct memory *memory_find(int thread)
{
	for (size_t i = 0; i < MEMORIES_MAX; i++)
		if (memories[i].thread == thread)
			return &memories[i];
	return NULL;
}

static int file_open(int thread, const char *name)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", thread, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static struct memory *memory_open(int thread)
{
	struct memory *m = &memories[oldest];
	oldest = (oldest + 1) % MEMORIES_MAX;
	memory_drop(m);
	*m = (struct memory){thread, file_open(thread, "mem"), -1};
	if (m->bytes >= 0)
		m->pages = file_open(thread, "pagemap");
	if (m->pages >= 0)
		return m;
	int errnum = errno;
	memory_drop(m);
	errno = errnum;
	return NULL;
}

/* 1: the page is there, 0: not now, -1: the memory is another one by now. */
static int page_is_there(const struct memory *m, uint64_t page)
{
	uint64_t entry;
	if (pread(m->pages, &entry, sizeof entry, (off_t)(page * sizeof entry)) != (ssize_t)sizeof entry)
		return -1;
	return entry & PAGE_IS_THERE ? 1 : 0;
}

/* Up to n bytes, none beyond the end of the page. */
static enum asker_read page_read(int thread, uint64_t at, void *out, size_t n)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	for (int tries = 0; tries < 2; tries++) {
		struct memory *m = memory_find(thread);
		if (!m && !(m = memory_open(thread)))
			return ASKER_REFUSED;
		int there = page_is_there(m, at / page_bytes);
		if (!there)
			return ASKER_LATER;
		if (there > 0 && pread(m->bytes, out, n, (off_t)at) == (ssize_t)n)
			return ASKER_READ;
		memory_drop(m);
	}
	return ASKER_LATER;
}

static size_t within_page(uint64_t at, size_t n)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE), rest = page_bytes - at % page_bytes;
	return n < rest ? n : (size_t)rest;
}

enum asker_read asker_bytes(int thread, uint64_t at, void *out, size_t n)
{
	enum asker_read rc = ASKER_READ;
	for (size_t done = 0, part; done < n && rc == ASKER_READ; done += part) {
		part = within_page(at + done, n - done);
		rc = page_read(thread, at + done, (char *)out + done, part);
	}
	return rc;
}

enum asker_read asker_text(int thread, uint64_t at, char *out, size_t size)
{
	enum { STEP = 256 };
	for (size_t done = 0, part; done < size; done += part) {
		part = within_page(at + done, size - done < STEP ? size - done : STEP);
		enum asker_read rc = page_read(thread, at + done, out + done, part);
		if (rc != ASKER_READ || memchr(out + done, '\0', part))
			return rc;
	}
	return ASKER_LATER; /* longer than any path */
}

/* --- folders --- */

bool asker_folder(int thread, int fd, char *out, size_t size)
{
	char path[64];
	if (fd == AT_FDCWD)
		snprintf(path, sizeof path, "/proc/%d/cwd", thread);
	else
		snprintf(path, sizeof path, "/proc/%d/fd/%d", thread, fd);
	ssize_t n = readlink(path, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	return *out == '/';
}
