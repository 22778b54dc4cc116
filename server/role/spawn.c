/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master's children: forked, connected to their peers, reaped, and forked again with back-off. A child
 * that lives for a while is forgiven its earlier deaths; one that keeps dying is reported with its reason,
 * and ends the service if nothing was ever ready.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LIVED_MS = 5000,
	CONNECT_AGAIN_MS = 1000,
	BACKOFF_MS_MIN = 50,
	BACKOFF_MS_MAX = 10000,
	DEATHS_REPORTED = 3,
	DEATHS_GIVEN_UP = 5
};

static _Noreturn void child_main(struct master *m, const struct child *self);
static void peers_connect(struct master *m, struct child *c);
static void pair_connect(struct child *worker, const struct child *supervisor);
static int64_t cut_off_connect(struct master *m, int64_t now_ms);
static void stuck_kill(const struct master *m);
static void child_died(struct master *m, struct child *c, int status);
static void death_tell(const struct master *m, const struct child *c, int status, int64_t wait_ms);

const char *child_name(const struct child *c, char out[24])
{
	if (c->role == CHILD_SUPERVISOR)
		snprintf(out, 24, "supervisor");
	else
		snprintf(out, 24, "worker %u", c->index);
	return out;
}

enum err child_spawn(struct master *m, struct child *c, struct error *e)
{
	int pair[2];
	enum err code = control_pair(pair, e);
	if (code != ERR_NONE)
		return code;
	pid_t pid = fork();
	if (pid < 0) {
		code = err_set_errno(e, errno, "cannot fork");
		fd_close(&pair[0]);
		fd_close(&pair[1]);
		return code;
	}
	if (pid == 0) {
		fd_close(&pair[0]);
		m->heritage.control_fd = pair[1];
		child_main(m, c);
	}
	fd_close(&pair[1]);
	c->pid = pid;
	c->control_fd = pair[0];
	c->ready = false;
	c->cut_off = c->runs_over = false;
	c->started_ms = clock_mono_ms();
	c->respawn_at_ms = 0;
	if (c->role == CHILD_WORKER)
		store_proc_started(m->heritage.store, c->index, pid);
	peers_connect(m, c);
	return ERR_NONE;
}

void children_reap(struct master *m)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		for (size_t i = 0; i < m->children_count; i++)
			if (m->children[i].pid == pid)
				child_died(m, &m->children[i], status);
		/* Any other pid is a stranger: as PID 1 the master reaps orphans, too. */
	}
}

int64_t children_respawn(struct master *m)
{
	int64_t now = clock_mono_ms(), next = -1;
	for (size_t i = 0; i < m->children_count; i++) {
		struct child *c = &m->children[i];
		struct error e;
		if (c->pid != 0 || m->phase != MASTER_SERVING)
			continue;
		if (c->respawn_at_ms <= now && child_spawn(m, c, &e) != ERR_NONE) {
			log_error("a process could not be started; it is tried again",
				  LF_STR("error", e.msg));
			c->respawn_at_ms = now + BACKOFF_MS_MAX;
		}
		if (c->pid == 0 && (next < 0 || c->respawn_at_ms - now < next))
			next = c->respawn_at_ms - now;
	}
	int64_t again = cut_off_connect(m, now);
	return again >= 0 && (next < 0 || again < next) ? again : next;
}

size_t children_alive(const struct master *m, enum child_role role)
{
	size_t n = 0;
	for (size_t i = 0; i < m->children_count; i++)
		n += m->children[i].pid != 0 && m->children[i].role == role;
	return n;
}

void children_signal(const struct master *m, enum child_role role, int signo)
{
	for (size_t i = 0; i < m->children_count; i++)
		if (m->children[i].pid != 0 && m->children[i].role == role)
			kill(m->children[i].pid, signo);
}

/* --- helpers --- */

static _Noreturn void child_main(struct master *m, const struct child *self)
{
	/* Only the master may hold the other children's control sockets: their end-of-file tells of its
	 * death. */
	for (size_t i = 0; i < m->children_count; i++)
		if (m->children[i].pid != 0)
			fd_close(&m->children[i].control_fd);
	fd_close(&m->signal_fd);
	fd_close(&m->ready_fd);
	m->heritage.index = self->index;
	if (self->role == CHILD_WORKER)
		worker_main(&m->heritage);
	fd_close(&m->heritage.listen_fd);
	supervisor_main(&m->heritage);
}

/* A fresh socket for each pair of worker and supervisor of which one end is new. */
static void peers_connect(struct master *m, struct child *c)
{
	const struct child *supervisor = &m->children[0];
	if (c->role == CHILD_WORKER) {
		if (supervisor->pid != 0)
			pair_connect(c, supervisor);
		return;
	}
	for (size_t i = 1; i < m->children_count; i++)
		if (m->children[i].pid != 0)
			pair_connect(&m->children[i], supervisor);
}

/* Fails when the master has no descriptor left, or when one of the two takes no messages just now. */
static void pair_connect(struct child *worker, const struct child *supervisor)
{
	int pair[2] = {-1, -1};
	struct error e;
	worker->cut_off = fd_socketpair(pair, &e) != ERR_NONE ||
			  control_send(worker->control_fd, IPC_CHANNEL, pair[0], &e) != ERR_NONE ||
			  control_send(supervisor->control_fd, IPC_CHANNEL, pair[1], &e) != ERR_NONE;
	if (worker->cut_off)
		log_error("a worker has no way to the tool servers; it is tried again",
			  LF_INT("worker", worker->index), LF_STR("error", e.msg));
	fd_close(&pair[0]);
	fd_close(&pair[1]);
}

/* Milliseconds until it is to be tried again, -1 when no worker is without its socket. */
static int64_t cut_off_connect(struct master *m, int64_t now_ms)
{
	bool left = false, due = now_ms >= m->connect_again_ms;
	if (m->children[0].pid == 0 || m->phase != MASTER_SERVING)
		return -1; /* the next supervisor is connected to all */
	for (size_t i = 1; i < m->children_count; i++) {
		struct child *c = &m->children[i];
		if (c->pid == 0 || !c->cut_off)
			continue;
		left = true;
		if (!due)
			continue;
		/* Whether it arrives is told by the worker: a pause follows in any case. */
		m->connect_again_ms = now_ms + CONNECT_AGAIN_MS;
		pair_connect(c, &m->children[0]);
	}
	return left ? (due ? CONNECT_AGAIN_MS : m->connect_again_ms - now_ms) : -1;
}

/* A worker that waited in vain for a lock of the task table has said who holds it and ended. The holder is
 * stopped in the middle of its work; only its death gives the lock to others. */
static void stuck_kill(const struct master *m)
{
	uint32_t proc;
	int pid = store_stuck_take(m->heritage.store, &proc);
	for (size_t i = 1; pid > 0 && i < m->children_count; i++) {
		if (m->children[i].pid != pid)
			continue;
		log_error("a worker is stopped while it holds a lock that all need; it is killed",
			  LF_INT("worker", proc), LF_INT("worker_pid", pid));
		kill(pid, SIGKILL);
	}
}

static void child_died(struct master *m, struct child *c, int status)
{
	int64_t now = clock_mono_ms(), wait_ms = 0;
	if (c->role == CHILD_WORKER)
		store_proc_died(m->heritage.store, c->index);
	stuck_kill(m);
	fd_close(&c->control_fd);
	c->pid = 0;
	c->ready = false;
	if (m->phase != MASTER_SERVING && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	c->deaths_in_a_row = now - c->started_ms >= LIVED_MS ? 1 : c->deaths_in_a_row + 1;
	if (c->deaths_in_a_row > 1)
		wait_ms = (int64_t)BACKOFF_MS_MIN << (c->deaths_in_a_row > 9 ? 8 : c->deaths_in_a_row - 1);
	if (wait_ms > BACKOFF_MS_MAX)
		wait_ms = BACKOFF_MS_MAX;
	c->respawn_at_ms = now + wait_ms;
	death_tell(m, c, status, wait_ms);
}

static void death_tell(const struct master *m, const struct child *c, int status, int64_t wait_ms)
{
	char name[24], reason[64];
	if (WIFSIGNALED(status))
		snprintf(reason, sizeof reason, "signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(reason, sizeof reason, "exit code %d", WEXITSTATUS(status));
	if (!m->announced && c->deaths_in_a_row >= DEATHS_GIVEN_UP) {
		master_port_file_remove(m);
		die(EXIT_SOFTWARE,
		    "%s died %d times before the service was ready, last by %s; see the log above",
		    child_name(c, name), c->deaths_in_a_row, reason);
	}
	if (c->deaths_in_a_row >= DEATHS_REPORTED)
		log_error("a process keeps dying", LF_STR("process", child_name(c, name)),
			  LF_STR("reason", reason), LF_INT("deaths", c->deaths_in_a_row),
			  LF_INT("wait_ms", wait_ms));
	else
		log_warn("a process died", LF_STR("process", child_name(c, name)), LF_STR("reason", reason),
			 LF_INT("wait_ms", wait_ms));
}
