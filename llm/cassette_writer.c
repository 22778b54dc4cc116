/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded exchanges onto the disk, by a thread of its own, since the loop waits for no disk. Loop and thread
 * pass jobs to each other through two pipes and share nothing else: whoever holds the pointer owns the job.
 * The thread makes each file under another name first, so that a folder never holds half an exchange.
 *
 * What cannot be written (the disk is full, the folder gone, llm.cassette_bytes reached, more waits than the
 * disk takes) ends the recording for all processes, with one line in the log; model calls go on. Nothing is
 * synced: a recording is a copy for tests, not a promise.
 */
#include "base/base.h"
#include "llm/cassette_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Waiting for the disk: pointers fit into the smallest pipe there is, a page; one file may be of any size. */
enum { JOBS_MAX = 256, KEY_SHOWN = 16 };
static const size_t JOBS_BYTES_MAX = (size_t)64 << 20;

struct job {
	struct buf text;
	char key[KEY_SHOWN + 1];
	struct error e; /* the thread's answer */
};

struct cassette_writer {
	struct loop *loop;
	struct llm_cassette *cassette;
	struct loop_io *io;
	pthread_t thread;
	int jobs[2], done[2]; /* [0] is read from */
	size_t waiting, waiting_bytes;
};

/* --- the thread --- */

static enum err file_make(const struct llm_cassette *k, struct job *j, const char *name)
{
	int fd = openat(k->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set_errno(&j->e, errno, "%s: cannot make a file", k->options.dir);
	enum err code = fd_write_all(fd, j->text.data, j->text.len, &j->e);
	fd_close(&fd);
	return code;
}

/* The numbers of another service that records here, too, are taken. */
static enum err file_name(const struct llm_cassette *k, struct job *j, const char *from)
{
	char name[48];
	do {
		uint64_t seq = atomic_fetch_add(&k->shared->seq, 1) + 1;
		snprintf(name, sizeof name, "%06" PRIu64 "-%s.json", seq, j->key);
		if (linkat(k->dir_fd, from, k->dir_fd, name, 0) == 0)
			return ERR_NONE;
	} while (errno == EEXIST);
	return err_set_errno(&j->e, errno, "%s/%s: cannot be made", k->options.dir, name);
}

static void job_write(const struct llm_cassette *k, struct job *j)
{
	char name[32];
	uint64_t bytes = atomic_fetch_add(&k->shared->bytes, j->text.len) + j->text.len;
	if (bytes > k->options.bytes_max) {
		err_set(&j->e, ERR_FULL, "%s holds all the bytes that llm.cassette_bytes (%zu) allows",
			k->options.dir, k->options.bytes_max);
		return;
	}
	snprintf(name, sizeof name, ".%ld.tmp", (long)getpid());
	if (file_make(k, j, name) == ERR_NONE)
		(void)file_name(k, j, name);
	unlinkat(k->dir_fd, name, 0);
}

static void *writer_main(void *arg)
{
	struct cassette_writer *w = arg;
	struct job *j;
	while (read(w->jobs[0], &j, sizeof j) == (ssize_t)sizeof j) {
		if (!atomic_load(&w->cassette->shared->stopped))
			job_write(w->cassette, j);
		ensure(write(w->done[1], &j, sizeof j) == (ssize_t)sizeof j);
	}
	return NULL;
}

/* --- the loop --- */

static void recording_stop(struct cassette_writer *w, const char *why)
{
	if (!atomic_exchange(&w->cassette->shared->stopped, true))
		log_error(
			"recording has stopped: model exchanges are not kept any more, calls go on; see the "
			"error and start the service again to record",
			LF_STR("error", why));
}

static void jobs_done(int fd, int ready, void *arg)
{
	struct cassette_writer *w = arg;
	struct job *j;
	(void)ready;
	while (read(fd, &j, sizeof j) == (ssize_t)sizeof j) {
		w->waiting--;
		w->waiting_bytes -= j->text.len;
		if (j->e.code != ERR_NONE)
			recording_stop(w, j->e.msg);
		buf_release(&j->text);
		free(j);
	}
}

/* Signals are the loop's. */
static void thread_start(struct cassette_writer *w)
{
	sigset_t all, old;
	sigfillset(&all);
	ensure(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
	int code = pthread_create(&w->thread, NULL, writer_main, w);
	ensure(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
	if (code != 0)
		die(71, "cannot start a thread to record with: %s", strerror(code));
}

struct cassette_writer *cassette_writer_new(struct loop *l, struct llm_cassette *k)
{
	struct error e = {0};
	struct cassette_writer *w = xcalloc(1, sizeof *w);
	w->loop = l;
	w->cassette = k;
	if (pipe2(w->jobs, O_CLOEXEC) != 0 || pipe2(w->done, O_CLOEXEC) != 0)
		die(71, "cannot make a pipe to record with: %s", strerror(errno));
	if (fd_set_nonblock(w->jobs[1], &e) != ERR_NONE || fd_set_nonblock(w->done[0], &e) != ERR_NONE)
		die(71, "cannot record: %s", e.msg);
	w->io = loop_io_new(l, w->done[0], LOOP_READ, jobs_done, w);
	thread_start(w);
	return w;
}

void cassette_writer_free(struct cassette_writer *w)
{
	fd_close(&w->jobs[1]); /* the thread ends when it has read them all */
	ensure(pthread_join(w->thread, NULL) == 0);
	jobs_done(w->done[0], LOOP_READ, w);
	ensure(w->waiting == 0);
	loop_io_free(w->io);
	fd_close(&w->jobs[0]);
	fd_close(&w->done[0]);
	fd_close(&w->done[1]);
	free(w);
}

void cassette_writer_put(struct cassette_writer *w, struct buf *text, const char key[SHA256_HEX_SIZE])
{
	bool full =
		w->waiting == JOBS_MAX || (w->waiting > 0 && w->waiting_bytes + text->len > JOBS_BYTES_MAX);
	if (full)
		recording_stop(w, "more exchanges wait to be written than the disk takes");
	else if (text->overflow)
		recording_stop(w, "there is not memory enough for an exchange");
	if (atomic_load(&w->cassette->shared->stopped)) {
		buf_release(text);
		return;
	}
	struct job *j = xcalloc(1, sizeof *j);
	j->text = *text;
	*text = BUF_INIT;
	snprintf(j->key, sizeof j->key, "%s", key);
	w->waiting++;
	w->waiting_bytes += j->text.len;
	ensure(write(w->jobs[1], &j, sizeof j) == (ssize_t)sizeof j);
}
