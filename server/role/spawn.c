/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master's children: forked, connected to their peers, reaped, and forked again with back-off. A child
 * that lives for a while is forgiven its earlier deaths; one that keeps dying is reported with its reason,
 * and ends the service if nothing was ever ready. A keeper that has met a broken disk is not started again:
 * what was not written may be lost in the system's cache, and a second try could take it for written.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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
static struct child *child_find(struct master *m, pid_t pid);
static void peers_connect(struct master *m, struct child *c);
static void pair_connect(struct child *worker, const struct child *peer);
static bool respawn_wanted(const struct master *m, const struct child *c);
static int64_t cut_off_connect(struct master *m, int64_t now_ms);
static void stuck_kill(const struct master *m);
static void child_died(struct master *m, struct child *c, int status);
static void keeper_socket_remove(const struct master *m);
static void keeper_ended(struct master *m, struct child *c, int status);
static void death_tell(const struct master *m, const struct child *c, int status, int64_t wait_ms);

const char *child_name(const struct child *c, char out[24])
{
	if (c->role == CHILD_WORKER)
		snprintf(out, 24, "worker %u", c->index);
	else
		snprintf(out, 24, c->role == CHILD_KEEPER ? "keeper" : "supervisor");
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
	c->runs_over = false;
	c->cut_off = 0;
	c->started_ms = clock_mono_ms();
	c->respawn_at_ms = 0;
	if (c->role != CHILD_SUPERVISOR)
		store_proc_started(m->heritage.store, c->index, pid);
	peers_connect(m, c);
	return ERR_NONE;
}

void children_reap(struct master *m)
{
	siginfo_t info = {0};
	int status;
	for (; waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0;
	     info.si_pid = 0) {
		struct child *c = child_find(m, info.si_pid);
		if (c == NULL)
			stray_ended(m, info.si_pid);
		if (waitpid(info.si_pid, &status, WNOHANG) != info.si_pid)
			return;
		if (c != NULL)
			child_died(m, c, status);
		if (c != NULL && c->role == CHILD_SUPERVISOR)
			strays_expect(m);
	}
}

int64_t children_respawn(struct master *m)
{
	int64_t now = clock_mono_ms(), next = -1;
	for (size_t i = 0; i < m->children_count; i++) {
		struct child *c = &m->children[i];
		struct error e;
		if (!respawn_wanted(m, c))
			continue;
		if (c->respawn_at_ms <= now && child_spawn(m, c, &e) != ERR_NONE) {
			log_error("a process could not be started; it is tried again",
				  LF_STR("error", e.msg));
			c->respawn_at_ms = now + BACKOFF_MS_MAX;
		}
		int64_t wait_ms = c->respawn_at_ms > now ? c->respawn_at_ms - now : 0;
		if (c->pid == 0 && (next < 0 || wait_ms < next))
			next = wait_ms;
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

void children_tell(struct master *m, enum child_role role, enum ipc_msg msg)
{
	struct error e = {0};
	for (size_t i = 0; i < m->children_count; i++) {
		const struct child *c = &m->children[i];
		char name[24];
		if (c->role != role || c->control_fd < 0 ||
		    control_send(c->control_fd, msg, -1, &e) == ERR_NONE)
			continue;
		log_warn("a process cannot be told what to do", LF_STR("process", child_name(c, name)),
			 LF_STR("message", ipc_msg_name(msg)), LF_STR("error", e.msg));
	}
}

/* --- helpers --- */

/* The keeper is needed to the end of the drain, since answers wait for what it commits. */
static bool respawn_wanted(const struct master *m, const struct child *c)
{
	if (c->pid != 0 || c->given_up)
		return false;
	return m->phase == MASTER_SERVING ||
	       (m->phase == MASTER_DRAINING && c->role == CHILD_KEEPER && m->announced);
}

static struct child *child_find(struct master *m, pid_t pid)
{
	for (size_t i = 0; i < m->children_count; i++)
		if (m->children[i].pid == pid)
			return &m->children[i];
	return NULL; /* a stray: orphans come to the master */
}

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
	if (self->role == CHILD_KEEPER)
		keeper_main(&m->heritage);
	supervisor_main(&m->heritage);
}

/* A fresh socket for each pair of a worker and a peer of which one end is new. */
static void peers_connect(struct master *m, struct child *c)
{
	for (size_t i = 0; i < m->children_count; i++) {
		struct child *other = &m->children[i];
		if (other->pid == 0 || (c->role == CHILD_WORKER) == (other->role == CHILD_WORKER))
			continue;
		if (c->role == CHILD_WORKER)
			pair_connect(c, other);
		else
			pair_connect(other, c);
	}
}

/* Fails when the master has no descriptor left, or when one of the two takes no messages just now. */
static void pair_connect(struct child *worker, const struct child *peer)
{
	int pair[2] = {-1, -1};
	struct error e;
	char name[24];
	enum ipc_msg msg = peer->role == CHILD_KEEPER ? IPC_ARCHIVE : IPC_CHANNEL;
	bool bad = fd_socketpair(pair, &e) != ERR_NONE ||
		   control_send(worker->control_fd, msg, pair[0], &e) != ERR_NONE ||
		   control_send(peer->control_fd, msg, pair[1], &e) != ERR_NONE;
	worker->cut_off = (worker->cut_off & ~(1u << peer->role)) | (bad ? 1u << peer->role : 0);
	if (bad)
		log_error("a worker has no way to another process; it is tried again",
			  LF_INT("worker", worker->index), LF_STR("to", child_name(peer, name)),
			  LF_STR("error", e.msg));
	fd_close(&pair[0]);
	fd_close(&pair[1]);
}

/* Milliseconds until it is to be tried again, -1 when no worker is without its sockets. A peer that does not
 * run is no reason: the next one is connected to all. */
static int64_t cut_off_connect(struct master *m, int64_t now_ms)
{
	bool left = false, due = now_ms >= m->connect_again_ms;
	for (size_t i = 0; i < m->children_count && m->phase == MASTER_SERVING; i++) {
		for (size_t k = 0; k < m->children_count; k++) {
			struct child *c = &m->children[i], *peer = &m->children[k];
			if (c->pid == 0 || peer->pid == 0 || peer->role == CHILD_WORKER ||
			    !(c->cut_off & 1u << peer->role))
				continue;
			left = true;
			if (!due)
				continue;
			/* Whether it arrives is told by the worker: a pause follows in any case. */
			m->connect_again_ms = now_ms + CONNECT_AGAIN_MS;
			pair_connect(c, peer);
		}
	}
	return left ? (due ? CONNECT_AGAIN_MS : m->connect_again_ms - now_ms) : -1;
}

/* A process that waited in vain for a lock of the task table has said who holds it and ended. The holder is
 * stopped in the middle of its work; only its death gives the lock to others. */
static void stuck_kill(const struct master *m)
{
	uint32_t proc;
	int pid = store_stuck_take(m->heritage.store, &proc);
	for (size_t i = 0; pid > 0 && i < m->children_count; i++) {
		char name[24];
		if (m->children[i].pid != pid)
			continue;
		log_error("a process is stopped while it holds a lock that all need; it is killed",
			  LF_STR("process", child_name(&m->children[i], name)), LF_INT("process_pid", pid));
		kill(pid, SIGKILL);
	}
}

static void child_died(struct master *m, struct child *c, int status)
{
	int64_t now = clock_mono_ms(), wait_ms = 0;
	if (c->role != CHILD_SUPERVISOR)
		store_proc_died(m->heritage.store, c->index);
	stuck_kill(m);
	fd_close(&c->control_fd);
	/* Only its own: one that was never ready may have met another service on this store. */
	if (c->role == CHILD_KEEPER && c->ready)
		keeper_socket_remove(m);
	c->pid = 0;
	c->ready = false;
	if (m->phase != MASTER_SERVING && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	if (c->role == CHILD_KEEPER)
		keeper_ended(m, c, status);
	c->deaths_in_a_row = now - c->started_ms >= LIVED_MS ? 1 : c->deaths_in_a_row + 1;
	if (c->deaths_in_a_row > 1)
		wait_ms = (int64_t)BACKOFF_MS_MIN << (c->deaths_in_a_row > 9 ? 8 : c->deaths_in_a_row - 1);
	if (wait_ms > BACKOFF_MS_MAX)
		wait_ms = BACKOFF_MS_MAX;
	c->respawn_at_ms = now + wait_ms;
	if (!c->given_up)
		death_tell(m, c, status, wait_ms);
}

/* One that was killed, or that has met a broken disk, could not do it itself. */
static void keeper_socket_remove(const struct master *m)
{
	char *path = wire_keeper_socket(m->heritage.conf);
	unlink(path);
	free(path);
}

/* It has said why. Before the service was ready trying again does not help; afterwards it goes on without
 * what it can no longer do. */
static void keeper_ended(struct master *m, struct child *c, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_OK;
	if (!m->announced && m->phase == MASTER_SERVING && (code == EXIT_CONFIG || code == EXIT_IO)) {
		master_port_file_remove(m);
		die(code, "the tasks cannot be kept, so the service does not start; the keeper has said why "
			  "above");
	}
	c->given_up = code == EXIT_IO;
	if (!c->given_up)
		return;
	log_error("the disk failed: no new task, answer or key is accepted any more, what runs is not kept, "
		  "and "
		  "what was acknowledged before is safe; look at the disk and at the system's log, then "
		  "restart "
		  "the service",
		  LF_STR("store.path", m->heritage.conf->store.path));
	notify_send("STATUS=the disk failed: nothing new is accepted until a restart");
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
