/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's and master's side of the fault tests. The test process is under io_fault.so from its start,
 * and so are the keepers it forks; the control file says when something is to go wrong. Nothing here waits
 * without an end: a keeper that neither works nor ends within WAIT_MS fails the test.
 */
#include "tests/fault/rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };

struct rig_paths rig_paths;
uint64_t rig_seed;
bool rig_long;
static pid_t rig_owner;
static int mono_s; /* it never goes back */

/* --- folders --- */

static int removed(const char *path, const struct stat *s, int type, struct FTW *f)
{
	(void)s;
	(void)type;
	return f->level ? remove(path) : 0;
}

void folder_clear(const char *path)
{
	if (nftw(path, removed, 8, FTW_DEPTH | FTW_PHYS) != 0)
		die(73, "cannot empty %s", path);
}

static const char *copy_from, *copy_to;
static int copied(const char *path, const struct stat *s, int type, struct FTW *f)
{
	char to[256];
	struct buf b = BUF_INIT;
	struct error e = {0};
	(void)s;
	snprintf(to, sizeof to, "%s%s", copy_to, path + strlen(copy_from));
	if (type == FTW_D)
		return f->level ? mkdir(to, 0700) : 0;
	int fd = open(to, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || file_read(path, BUF_MAX_DEFAULT, &b, &e) != ERR_NONE ||
	    fd_write_all(fd, b.data, b.len, &e) != ERR_NONE)
		return -1;
	close(fd);
	buf_release(&b);
	return 0;
}

void folder_copy(const char *from, const char *to)
{
	folder_clear(to);
	copy_from = from;
	copy_to = to;
	if (nftw(from, copied, 8, FTW_PHYS) != 0)
		die(73, "cannot copy %s to %s", from, to);
}

static void scratch_remove(void)
{
	if (getpid() != rig_owner)
		return;
	folder_clear(rig_paths.scratch);
	rmdir(rig_paths.scratch);
}

static void paths_of(const char *scratch)
{
	struct rig_paths *p = &rig_paths;
	p->scratch = xasprintf("%s", scratch);
	p->live = xasprintf("%s/live", p->scratch);
	p->db = xasprintf("%s/var/store", p->live);
	p->state = xasprintf("%s/state", p->scratch);
	p->log = xasprintf("%s/log", p->scratch);
	p->control = xasprintf("%s/control", p->scratch);
}

static void file_put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	struct error e = {0};
	if (fd < 0 || fd_write_all(fd, text, strlen(text), &e) != ERR_NONE)
		die(73, "cannot write %s", path);
	close(fd);
}

/* The library lies beside the program. Never returns. */
static _Noreturn void start_anew(char **argv)
{
	/* In memory when there is such a folder: thousands of states are written. */
	char *scratch = xasprintf("%s/fault-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0 || mkdtemp(scratch) == NULL)
		die(73, "cannot make %s", scratch);
	self[n] = 0;
	*strrchr(self, '/') = 0;
	char *preload = xasprintf("%s/io_fault.so", self);
	if (access(preload, R_OK) != 0)
		die(64, "%s is not there: run by make fault", preload);
	paths_of(scratch);
	setenv("FAULT_SCRATCH", scratch, 1);
	setenv("IO_FAULT_DIR", rig_paths.live, 1);
	setenv("IO_FAULT_LOG", rig_paths.log, 1);
	setenv("IO_FAULT_CONTROL", rig_paths.control, 1);
	setenv("LD_PRELOAD", preload, 1);
	execv("/proc/self/exe", argv);
	die(71, "cannot start anew under %s", preload);
}

void rig_begin(char **argv)
{
	const char *seed = getenv("FAULT_SEED");
	if (getenv("IO_FAULT_DIR") == NULL)
		start_anew(argv);
	paths_of(getenv("FAULT_SCRATCH"));
	rig_owner = getpid();
	atexit(scratch_remove);
	rig_log_clear();
	rig_control("%s", "");
	mkdir(rig_paths.live, 0700);
	mkdir(rig_paths.state, 0700);
	rig_seed = seed ? strtoull(seed, NULL, 10) : random_u64() % 1000000000;
	rig_long = getenv("FAULT_LONG") != NULL;
	log_init("fault", getenv("FAULT_LOUD") ? LOG_INFO : LOG_ERROR, LOG_FORMAT_TEXT);
	signal(SIGPIPE, SIG_IGN);
	printf("FAULT_SEED=%llu\n", (unsigned long long)rig_seed);
	fflush(stdout);
}

uint64_t rig_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* --- io_fault.so --- */

void rig_control(const char *fmt, ...)
{
	static unsigned serial;
	char text[400], whole[440], aside[96];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	snprintf(whole, sizeof whole, "%s mono=%d %u\n", text, mono_s, ++serial);
	snprintf(aside, sizeof aside, "%s.new", rig_paths.control);
	file_put(aside, whole);
	if (rename(aside, rig_paths.control) != 0)
		die(73, "cannot write %s", rig_paths.control);
}

void rig_log_clear(void)
{
	file_put(rig_paths.log, "");
}

void rig_mark(enum mark_kind kind, uint32_t index, uint64_t value)
{
	struct {
		struct io_rec r;
		char path[8];
		struct mark m;
	} rec = {.r = {.op = IO_MARK, .pid = (uint32_t)getpid(), .path_len = 8, .data_len = sizeof rec.m},
		 .m = {kind, index, value}};
	rec.r.bytes = sizeof rec;
	int fd = open(rig_paths.log, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 || write(fd, &rec, sizeof rec) != (ssize_t)sizeof rec)
		die(73, "cannot write %s", rig_paths.log);
	close(fd);
}

uint64_t vector_hash(const struct id *id, uint64_t last_seq)
{
	uint64_t h[2];
	memcpy(h, id->b, sizeof h);
	h[0] ^= last_seq;
	h[0] = rig_random(&h[0]) ^ h[1];
	return rig_random(&h[0]);
}

/* --- the table and its keeper --- */

static void on_task(struct task_ref ref, void *arg)
{
	(void)ref;
	(void)arg;
}

static void on_wake(int fd, int ready, void *rig)
{
	struct rig *r = rig;
	(void)fd;
	(void)ready;
	wake_take(r->worker, on_task, NULL);
}

static void on_said(int fd, int ready, void *rig)
{
	struct rig *r = rig;
	char *at = buf_grow(&r->said, 4096);
	ssize_t n = at ? read(fd, at, 4096) : 0;
	(void)ready;
	if (n > 0)
		r->said.len += (size_t)n;
	else
		loop_io_set(r->said_io, 0);
}

/* A byte says that it serves, the end of the file that it is no more. */
static void on_gone(int fd, int ready, void *rig)
{
	struct rig *r = rig;
	char c;
	(void)ready;
	if (read(fd, &c, 1) == 1) {
		r->serves = true;
		return;
	}
	loop_io_free(r->gone_io);
	r->gone_io = NULL;
	if (waitpid(r->keeper, &r->status, 0) != r->keeper)
		die(71, "the keeper cannot be waited for");
	r->gone = true;
	r->keeper = 0;
	store_proc_died(r->created, KEEPER);
}

static void table_open(struct rig *r)
{
	struct error e = {0};
	struct store_options o = {.bytes = 6 << 20,
				  .tasks_max = 64,
				  .procs_max = PARTICIPANTS,
				  .task_events_max = 10000,
				  .task_bytes_max = 1 << 20,
				  .live_ring_bytes = 4096,
				  .keeper = true,
				  .requests_max = 256};
	if (store_create(&o, &r->created, &e) != ERR_NONE)
		die(71, "%s", e.msg);
	store_proc_started(r->created, WORKER, getpid());
	r->worker = store_attach(r->created, WORKER);
	r->loop = loop_new();
	r->wake_io = loop_io_new(r->loop, store_wake_fd(r->worker), LOOP_READ, on_wake, r);
	r->archive = archive_new(r->loop, 1 << 20, 4 << 20);
}

static void table_close(struct rig *r)
{
	archive_free(r->archive);
	loop_turn(r->loop, 0);
	loop_io_free(r->wake_io);
	loop_free(r->loop);
	store_detach(r->worker);
	store_destroy(r->created);
}

void rig_open(struct rig *r)
{
	*r = (struct rig){.gone_fd = -1, .stop_fd = -1, .said_fd = -1};
	rig_control("%s", "");
	folder_clear(rig_paths.live);
	rig_log_clear();
	table_open(r);
}

static void keeper_forget(struct rig *r)
{
	loop_io_free(r->gone_io);
	loop_io_free(r->said_io);
	r->gone_io = r->said_io = NULL;
	fd_close(&r->gone_fd);
	fd_close(&r->stop_fd);
	fd_close(&r->said_fd);
}

void rig_close(struct rig *r)
{
	rig_keeper_kill(r);
	rig_control("%s", "");
	table_close(r);
	buf_release(&r->said);
}

void rig_restart(struct rig *r)
{
	rig_keeper_kill(r);
	table_close(r);
	table_open(r);
}

void rig_turn(struct rig *r)
{
	loop_turn(r->loop, 100);
}

bool rig_keeper_start(struct rig *r, const struct keeper_how *how)
{
	int gone[2], stop[2], said[2], archive[2];
	struct error e = {0};
	keeper_forget(r);
	if (pipe2(gone, O_CLOEXEC) || pipe2(stop, O_CLOEXEC) || pipe2(said, O_CLOEXEC | O_NONBLOCK) ||
	    fd_socketpair(archive, &e) != ERR_NONE)
		die(71, "no pipes");
	buf_reset(&r->said);
	r->gone = r->serves = false;
	fflush(stdout);
	r->keeper = fork();
	if (r->keeper == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(gone[0]);
		close(stop[1]);
		close(archive[0]);
		dup2(said[1], STDERR_FILENO);
		keeper_child(r->created, how, &(struct keeper_ends){archive[1], stop[0], gone[1]});
	}
	if (r->keeper < 0)
		die(71, "cannot fork");
	store_proc_started(r->created, KEEPER, r->keeper);
	close(gone[1]);
	close(stop[0]);
	close(said[1]);
	close(archive[1]);
	r->gone_fd = gone[0];
	r->stop_fd = stop[1];
	r->said_fd = said[0];
	r->gone_io = loop_io_new(r->loop, r->gone_fd, LOOP_READ, on_gone, r);
	r->said_io = loop_io_new(r->loop, r->said_fd, LOOP_READ, on_said, r);
	archive_connect(r->archive, archive[0]);
	int64_t until_ms = clock_mono_ms() + WAIT_MS;
	while (!r->gone && !r->serves) {
		if (clock_mono_ms() > until_ms)
			die(70, "the keeper neither serves nor ends: %s", buf_cstr(&r->said));
		rig_turn(r);
	}
	return !r->gone;
}

static void gone_wait(struct rig *r)
{
	int64_t until_ms = clock_mono_ms() + WAIT_MS;
	while (!r->gone) {
		if (clock_mono_ms() > until_ms)
			die(70, "the keeper does not end: %s", buf_cstr(&r->said));
		rig_turn(r);
	}
	if (r->said_io)
		on_said(r->said_fd, LOOP_READ, r);
	keeper_forget(r);
}

void rig_keeper_stop(struct rig *r)
{
	if (r->keeper == 0)
		return;
	fd_close(&r->stop_fd);
	gone_wait(r);
}

void rig_keeper_kill(struct rig *r)
{
	if (r->keeper != 0) {
		kill(r->keeper, SIGKILL);
		gone_wait(r);
	}
	keeper_forget(r);
}

void rig_keeper_freeze(struct rig *r, bool frozen)
{
	int status;
	if (r->keeper != 0 && kill(r->keeper, frozen ? SIGSTOP : SIGCONT) == 0 && frozen)
		waitpid(r->keeper, &status, WUNTRACED);
}

void rig_time_pass(struct rig *r, int seconds, const char *control)
{
	mono_s += seconds;
	rig_control("%s", control);
	if (r->stop_fd >= 0 && write(r->stop_fd, "p", 1) != 1)
		log_warn("the keeper is gone");
}
