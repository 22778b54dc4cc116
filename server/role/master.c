/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master: prepares what all processes share (listening socket, mapping), forks the supervisor, the keeper
 * and the workers, keeps them alive, hands them their sockets to each other, and ends them in order. It
 * parses no request and touches no task: it has to outlive every bug of the others. It has no event loop,
 * because what it has at a fork its children have, too.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Beyond server.drain_seconds: for a worker to notice that its time is over. */
enum { DRAIN_SLACK_MS = 3000 };
/* For the keeper to commit what is left and to close the database. */
enum { KEEPER_STOP_MS = 20000, KEEPER_HURRY_MS = 1000 };
/* Taken in one go while the service starts: about a millisecond, so that signals are answered meanwhile. */
enum { FILL_BYTES = 4 << 20 };

static void master_prepare(struct master *m);
static void children_name(struct master *m);
static void port_file_write(const struct master *m);
static void signals_open(struct master *m);
static void master_run(struct master *m);
static void table_fill(struct master *m);
static void signals_read(struct master *m);
static void drain_begin(struct master *m, int signo);
static void phase_step(struct master *m);
static void stopping_begin(struct master *m);
static void runs_over_tell(struct master *m);
static void control_read(struct master *m, struct child *c);
static void ready_announce(struct master *m);
static int poll_timeout(const struct master *m, int64_t respawn_ms);

int master_main(struct conf *c, struct conf_registry *r, struct llm_cassette *k, int ready_fd)
{
	struct master *m = xcalloc(1, sizeof *m);
	m->heritage = (struct heritage){
		.conf = c, .registry = r, .cassette = k, .listen_fd = -1, .master_pid = getpid()};
	m->started_ms = clock_mono_ms();
	m->ready_fd = ready_fd;
	title_set("agent-runtime: master");
	child_log_init(c, "master");
	signal(SIGPIPE, SIG_IGN);
	/* Keys are in our memory: no other program of this user may look into it, nor we leave it in a file.
	 */
	if (c->server.debugging == CONF_OFF)
		prctl(PR_SET_DUMPABLE, 0);
	strays_adopt();
	/* First, so that a stop that comes early is an orderly one, too. */
	signals_open(m);
	recording_tell(k, c);
	master_prepare(m);
	children_name(m);
	master_run(m);
	strays_kill(m);
	log_info("stopped");
	master_port_file_remove(m);
	fd_close(&m->signal_fd);
	fd_close(&m->heritage.listen_fd);
	store_destroy(m->heritage.store);
	conf_registry_free(m->heritage.registry);
	llm_cassette_free(k);
	conf_free(c);
	free(m);
	return EXIT_OK;
}

void master_port_file_remove(const struct master *m)
{
	if (*m->heritage.conf->server.port_file != '\0')
		unlink(m->heritage.conf->server.port_file);
}

/* --- helpers --- */

static void master_prepare(struct master *m)
{
	struct conf *c = m->heritage.conf;
	struct store_options o;
	struct error e = {0};
	/* Bind before the mapping is paid for: a port in use is the commonest mistake. */
	if (listen_open(c, &m->heritage.listen_fd, &m->port, &e) != ERR_NONE)
		die(EXIT_UNAVAILABLE, "%s", e.msg);
	m->heritage.port = m->port;
	wire_store(c, wire_workers(c), &o);
	if (store_create(&o, &m->heritage.store, &e) != ERR_NONE)
		die(e.code == ERR_CONFIG ? EXIT_CONFIG : EXIT_OS, "the task table cannot be made: %s", e.msg);
	if (store_prove_locks(m->heritage.store, &e) != ERR_NONE)
		die(EXIT_OS, "%s", e.msg);
	port_file_write(m);
	if (strcmp(c->server.host, "127.0.0.1") != 0 && strcmp(c->server.host, "localhost") != 0 &&
	    strcmp(c->server.host, "::1") != 0)
		log_warn("the service listens beyond this machine and asks nobody who they are; put a "
			 "gateway in front",
			 LF_STR("server.host", c->server.host));
	if (!wire_has_keeper(c))
		log_info("tasks are kept in memory only and are gone when the service stops (store.backend: "
			 "memory)");
}

static void children_name(struct master *m)
{
	m->workers_count = wire_workers(m->heritage.conf);
	m->children[m->children_count++] = (struct child){.role = CHILD_SUPERVISOR, .control_fd = -1};
	if (store_has_keeper(m->heritage.store))
		m->children[m->children_count++] = (struct child){
			.role = CHILD_KEEPER, .index = (uint32_t)m->workers_count, .control_fd = -1};
	for (uint32_t i = 0; i < m->workers_count; i++)
		m->children[m->children_count++] =
			(struct child){.role = CHILD_WORKER, .index = i, .control_fd = -1};
}

/* Written aside and renamed, so that whoever waits for the file reads a whole number. */
static void port_file_write(const struct master *m)
{
	const char *path = m->heritage.conf->server.port_file;
	if (*path == '\0')
		return;
	char *aside = xasprintf("%s.%d", path, getpid());
	FILE *f = fopen(aside, "w");
	if (f == NULL || fprintf(f, "%d\n", m->port) < 0 || fclose(f) != 0 || rename(aside, path) != 0) {
		int saved = errno;
		unlink(aside);
		die(EXIT_CANNOT_CREATE, "cannot write %s (server.port_file): %s", path, strerror(saved));
	}
	free(aside);
}

static void signals_open(struct master *m)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (m->signal_fd < 0)
		die(EXIT_OS, "cannot make a signalfd: %s", strerror(errno));
}

static void master_run(struct master *m)
{
	struct pollfd fds[CHILDREN_MAX + 1];
	struct child *of[CHILDREN_MAX + 1];
	for (;;) {
		int64_t respawn_ms = children_respawn(m);
		table_fill(m);
		nfds_t n = 1;
		fds[0] = (struct pollfd){.fd = m->signal_fd, .events = POLLIN};
		for (size_t i = 0; i < m->children_count; i++) {
			if (m->children[i].pid == 0 || m->children[i].control_fd < 0)
				continue;
			of[n] = &m->children[i];
			fds[n++] = (struct pollfd){.fd = m->children[i].control_fd, .events = POLLIN};
		}
		if (poll(fds, n, poll_timeout(m, respawn_ms)) < 0 && errno != EINTR)
			die(EXIT_OS, "poll failed: %s", strerror(errno));
		for (nfds_t i = 1; i < n; i++)
			if (fds[i].revents != 0)
				control_read(m, of[i]);
		signals_read(m);
		phase_step(m);
		if (m->phase == MASTER_STOPPING && children_alive(m, CHILD_SUPERVISOR) == 0 &&
		    children_alive(m, CHILD_KEEPER) == 0)
			return;
	}
}

/* A part of what the task table still lacks. The service is ready with the part it began with: blocks without
 * memory behind them are on no list. If the system refuses more, the table stays as small as it is. */
static void table_fill(struct master *m)
{
	struct error e;
	bool whole;
	if (m->table_settled)
		return;
	if (store_grow(m->heritage.store, FILL_BYTES, &whole, &e) == ERR_NONE) {
		m->table_settled = whole;
		return;
	}
	m->table_settled = true;
	log_error("the task table stays smaller than configured: fewer tasks fit; give the service more "
		  "memory or lower "
		  "store.size_mb",
		  LF_STR("error", e.msg));
}

static void signals_read(struct master *m)
{
	struct signalfd_siginfo s;
	while (read(m->signal_fd, &s, sizeof s) == (ssize_t)sizeof s) {
		if (s.ssi_signo == SIGCHLD)
			children_reap(m);
		else if (s.ssi_signo == SIGHUP)
			master_reload(m);
		else
			drain_begin(m, (int)s.ssi_signo);
	}
}

static void drain_begin(struct master *m, int signo)
{
	if (m->phase != MASTER_SERVING) {
		log_warn("second signal: stopping now, calls in flight are lost",
			 LF_STR("signal", strsignal(signo)));
		m->phase_deadline_ms = clock_mono_ms();
		m->hurry = true;
		if (m->phase == MASTER_STOPPING &&
		    m->keeper_deadline_ms > m->phase_deadline_ms + KEEPER_HURRY_MS)
			m->keeper_deadline_ms = m->phase_deadline_ms + KEEPER_HURRY_MS;
		return;
	}
	log_info("draining", LF_STR("signal", strsignal(signo)),
		 LF_INT("drain_seconds", m->heritage.conf->server.drain_seconds));
	notify_send("STOPPING=1\nSTATUS=draining");
	m->phase = MASTER_DRAINING;
	m->phase_deadline_ms =
		clock_mono_ms() + m->heritage.conf->server.drain_seconds * 1000 + DRAIN_SLACK_MS;
	/* With the workers' copies gone, too, new connections are refused rather than left waiting. */
	fd_close(&m->heritage.listen_fd);
	children_signal(m, CHILD_WORKER, SIGTERM);
}

/* Workers first, since their calls need the supervisor and their answers the keeper; then these two. */
static void phase_step(struct master *m)
{
	int64_t now = clock_mono_ms();
	bool late = m->phase != MASTER_SERVING && now >= m->phase_deadline_ms;
	if (m->phase == MASTER_DRAINING && !m->runs_over_told)
		runs_over_tell(m);
	if (m->phase == MASTER_DRAINING && late && children_alive(m, CHILD_WORKER) > 0) {
		children_signal(m, CHILD_WORKER, SIGKILL);
		m->phase_deadline_ms = now + DRAIN_SLACK_MS;
	}
	if (m->phase == MASTER_DRAINING && children_alive(m, CHILD_WORKER) == 0) {
		stopping_begin(m);
	} else if (m->phase == MASTER_STOPPING && late) {
		children_signal(m, CHILD_SUPERVISOR, SIGKILL);
		m->phase_deadline_ms = now + DRAIN_SLACK_MS;
	}
	if (m->phase == MASTER_STOPPING && now >= m->keeper_deadline_ms &&
	    children_alive(m, CHILD_KEEPER) > 0) {
		log_error("the keeper does not end: it is killed; what was acknowledged is safe, look at the "
			  "disk");
		children_signal(m, CHILD_KEEPER, SIGKILL);
		m->keeper_deadline_ms = now + KEEPER_STOP_MS;
	}
}

static void stopping_begin(struct master *m)
{
	int64_t now = clock_mono_ms();
	m->phase = MASTER_STOPPING;
	m->phase_deadline_ms = now + 3 * m->heritage.conf->tools.stop_grace_ms + DRAIN_SLACK_MS;
	children_signal(m, CHILD_SUPERVISOR, SIGTERM);
	/* It has no ear for signals: one that is sent to all at once must not end it before the workers. */
	m->keeper_deadline_ms = now + (m->hurry ? KEEPER_HURRY_MS : KEEPER_STOP_MS);
	children_tell(m, CHILD_KEEPER, IPC_STOPPING);
}

/* Once no worker runs anything any more, nothing more can happen that a subscriber would miss. */
static void runs_over_tell(struct master *m)
{
	/* One without its control socket has ended already and is about to be reaped. */
	for (size_t i = 0; i < m->children_count; i++)
		if (m->children[i].role == CHILD_WORKER && m->children[i].control_fd >= 0 &&
		    !m->children[i].runs_over)
			return;
	/* Whoever is not reached ends its streams when its drain time is over. */
	children_tell(m, CHILD_WORKER, IPC_STOPPING);
	m->runs_over_told = true;
}

static void control_read(struct master *m, struct child *c)
{
	enum ipc_msg msg;
	int fd, got;
	while ((got = control_receive(c->control_fd, &msg, &fd)) > 0) {
		fd_close(&fd);
		if (msg == IPC_READY)
			c->ready = true;
		else if (msg == IPC_CHANNEL && c->role == CHILD_WORKER)
			c->cut_off |= 1u << CHILD_SUPERVISOR;
		else if (msg == IPC_ARCHIVE && c->role == CHILD_WORKER)
			c->cut_off |= 1u << CHILD_KEEPER;
		else if (msg == IPC_STOPPING)
			c->runs_over = true;
	}
	if (got < 0)
		fd_close(&c->control_fd); /* it is dying; SIGCHLD brings the rest */
	ready_announce(m);
}

/* Once everything is there: all children, and with the keeper the tasks of former times. */
static void ready_announce(struct master *m)
{
	char status[96];
	struct store_usage usage;
	for (size_t i = 0; i < m->children_count; i++)
		if (!m->children[i].ready)
			return;
	if (m->announced || m->phase != MASTER_SERVING)
		return;
	m->announced = true;
	store_usage_get(m->heritage.store, &usage);
	log_info("ready", LF_STR("host", m->heritage.conf->server.host), LF_INT("port", m->port),
		 LF_INT("workers", m->workers_count), LF_INT("ms", clock_mono_ms() - m->started_ms),
		 LF_INT("mapping_bytes", usage.bytes));
	snprintf(status, sizeof status, "READY=1\nSTATUS=serving on port %d with %zu workers", m->port,
		 m->workers_count);
	notify_send(status);
	if (m->ready_fd >= 0)
		dprintf(m->ready_fd, "%d\n", m->port);
	fd_close(&m->ready_fd);
}

static int poll_timeout(const struct master *m, int64_t respawn_ms)
{
	int64_t ms = respawn_ms;
	if (!m->table_settled)
		return 0;
	if (m->phase != MASTER_SERVING) {
		int64_t now = clock_mono_ms(), until = m->phase_deadline_ms;
		if (m->phase == MASTER_STOPPING && m->keeper_deadline_ms < until &&
		    children_alive(m, CHILD_KEEPER) > 0)
			until = m->keeper_deadline_ms;
		int64_t left = until > now ? until - now : 0;
		ms = respawn_ms >= 0 && respawn_ms < left ? respawn_ms : left;
	}
	return ms > 60000 ? 60000 : (int)ms;
}
