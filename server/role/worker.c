/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: HTTP connections and task runs on one event loop. It wires the rooms to each other: the store's
 * wake-ups go to agent and http, the master's messages to the tool client and to the archive. It opens no
 * database, reads no
 * configuration file, starts no program. When it drains, the runs end at their next call border first, and
 * only then are streams reset, so that subscribers see everything that still happened.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Besides connections: model calls, sockets to the other processes, logs. */
enum { DESCRIPTORS_OWN = 256, HEAP_KEPT_BYTES = 1 << 20 };

struct worker {
	struct heritage *heritage;
	struct loop *loop;
	struct store *store;
	struct llm *llm;
	struct http_model *models;
	struct mcp_client *mcp;
	struct archive *archive; /* NULL: there is no keeper */
	struct agent *agent;
	struct agent_rule *rules;
	struct http *http;
	struct loop_io *control, *wake;
	struct loop_timer *drain_timer, *self_timer;
	bool draining, http_draining;
};

static void descriptors_allow(const struct conf *c);
static void worker_open(struct worker *w);
static enum err plan_check(const struct json *given, const struct json *now, uint64_t version,
			   struct buf *out, struct error *e, void *agent);
static void worker_close(struct worker *w);
static void control_ready(int fd, int ready, void *arg);
static void descriptor_lost(struct worker *w, enum ipc_msg msg);
static void health_check(struct worker *w);
static void wake_ready(int fd, int ready, void *arg);
static void self_tell(void *worker);
static void woken_self(void *worker);
static void task_changed(struct task_ref ref, void *arg);
static void term_caught(int signo, void *arg);
static void runs_over(void *arg);
static void streams_end_told(struct worker *w);
static void streams_end(void *arg);
static void connections_over(void *arg);

_Noreturn void worker_main(struct heritage *h)
{
	char role[24];
	struct error e = {0};
	struct worker w = {.heritage = h};
	snprintf(role, sizeof role, "worker %u", h->index);
	child_begin(h, role, SIGKILL);
	descriptors_allow(h->conf);
	child_registry_forget(h->registry);
	worker_open(&w);
	if (control_send(h->control_fd, IPC_READY, -1, &e) != ERR_NONE)
		die(EXIT_OS, "the master is gone: %s", e.msg);
	loop_run(w.loop);
	worker_close(&w);
	exit(EXIT_OK);
}

/* --- helpers --- */

/* As many as server.connections_max needs, as far as the hard limit goes: the soft one is often 1024, and a
 * worker without descriptors could not even take a new socket to the supervisor. */
static void descriptors_allow(const struct conf *c)
{
	struct rlimit l;
	rlim_t need = (rlim_t)c->server.connections_max + DESCRIPTORS_OWN;
	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= need)
		return;
	l.rlim_cur = need < l.rlim_max ? need : l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_cur < need)
		log_debug("fewer descriptors than server.connections_max may need",
			  LF_INT("descriptors", l.rlim_cur), LF_INT("needed", need));
}

static void worker_open(struct worker *w)
{
	struct conf *c = w->heritage->conf;
	struct llm_setup llm;
	struct mcp_client_options mcp;
	struct agent_options agent;
	struct http_options http;
	wire_llm(c, &llm);
	wire_client(c, &mcp);
	wire_agent(c, &agent);
	w->rules = wire_rules(c, &agent.policy);
	if (w->heritage->cassette != NULL)
		agent.marks = llm_cassette_marks(w->heritage->cassette);
	wire_http(c, &http);
	http.models = w->models = wire_models(c);
	/* A task's memory comes and goes: the system is not asked for it each time. */
	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_BYTES);
	w->loop = loop_new();
	w->store = store_attach(w->heritage->store, w->heritage->index);
	llm.shared = share_make(w->store);
	llm.cassette = w->heritage->cassette;
	w->llm = llm_new(w->loop, &llm);
	wire_llm_release(&llm);
	w->mcp = mcp_client_new(w->loop, &mcp);
	if (store_has_keeper(w->store)) {
		size_t frame_bytes_max, queue_bytes_max;
		wire_archive(c, &frame_bytes_max, &queue_bytes_max);
		w->archive = archive_new(w->loop, frame_bytes_max, queue_bytes_max);
	}
	w->agent = agent_new(w->loop, w->store, w->llm, w->mcp, w->archive, &agent);
	http.plans = (struct http_plans){plan_check, w->agent};
	w->http = http_new(w->loop, w->heritage->listen_fd, w->store, w->archive, w->mcp, &http);
	w->control = loop_io_new(w->loop, w->heritage->control_fd, LOOP_READ, control_ready, w);
	w->wake = loop_io_new(w->loop, store_wake_fd(w->store), LOOP_READ, wake_ready, w);
	/* Before what is deferred, as the descriptor is. */
	w->self_timer = loop_timer_new(w->loop, self_tell, w);
	store_wake_self_set(w->store, woken_self, w);
	w->drain_timer = loop_timer_new(w->loop, streams_end, w);
	loop_signal(w->loop, SIGTERM, term_caught, w);
	child_signals_open();
	health_check(w);
	/* A predecessor may have died with tasks in its hands. */
	agent_on_work(w->agent);
}

static enum err plan_check(const struct json *given, const struct json *now, uint64_t version,
			   struct buf *out, struct error *e, void *agent)
{
	return agent_plan_check(agent, given, now, version, out, e);
}

static void worker_close(struct worker *w)
{
	loop_timer_free(w->drain_timer);
	loop_io_free(w->wake);
	store_wake_self_set(w->store, NULL, NULL);
	loop_timer_free(w->self_timer);
	loop_io_free(w->control);
	http_free(w->http);
	free(w->models);
	agent_free(w->agent);
	loop_turn(w->loop, 0); /* what is freed at the bottom of the loop */
	if (w->archive != NULL)
		archive_free(w->archive);
	mcp_client_free(w->mcp);
	llm_free(w->llm);
	loop_turn(w->loop, 0);
	store_detach(w->store);
	loop_free(w->loop);
	wire_rules_release(w->rules, w->heritage->conf->rules.count);
	llm_cassette_free(w->heritage->cassette);
	conf_free(w->heritage->conf);
	fd_close(&w->heritage->control_fd);
	fd_close(&w->heritage->listen_fd);
}

static void control_ready(int fd, int ready, void *arg)
{
	struct worker *w = arg;
	enum ipc_msg msg;
	int passed, got;
	(void)ready;
	while ((got = control_receive(fd, &msg, &passed)) > 0) {
		if (msg == IPC_CHANNEL && passed >= 0)
			mcp_client_connect(w->mcp, passed);
		else if (msg == IPC_ARCHIVE && passed >= 0)
			archive_connect(w->archive, passed);
		else if (msg == IPC_CHANNEL || msg == IPC_ARCHIVE)
			descriptor_lost(w, msg);
		else if (msg == IPC_STOPPING)
			streams_end_told(w);
		else
			fd_close(&passed);
	}
	if (got < 0)
		_exit(EXIT_SOFTWARE); /* the master is gone; nothing here may outlive it */
}

/* The descriptor did not come along: there was no room for it here. The master sends another one later. */
static void descriptor_lost(struct worker *w, enum ipc_msg msg)
{
	struct error e;
	log_error(
		"no descriptor is left for the socket to another process; raise the limit of open files, or "
		"lower server.connections_max",
		LF_STR("to", msg == IPC_ARCHIVE ? "keeper" : "supervisor"));
	if (control_send(w->heritage->control_fd, msg, -1, &e) != ERR_NONE)
		log_error("the master cannot be asked for another socket", LF_STR("error", e.msg));
}

/* After a broken disk there is no keeper any more to ask. */
static void health_check(struct worker *w)
{
	if (w->archive != NULL && store_health(w->store, NULL) == STORE_BROKEN)
		archive_lost(w->archive);
}

static void wake_ready(int fd, int ready, void *arg)
{
	struct worker *w = arg;
	(void)fd;
	(void)ready;
	unsigned what = wake_take(w->store, task_changed, w);
	if (what & WAKE_LIVE)
		http_on_live(w->http);
	if (what & WAKE_HEALTH) {
		health_check(w);
		agent_on_health(w->agent);
		http_on_health(w->http);
	}
	if (what & (WAKE_WORK | WAKE_PEER_DIED))
		agent_on_work(w->agent);
	if (what & (WAKE_GATES | WAKE_PEER_DIED))
		llm_on_room(w->llm);
	if (what & WAKE_REQUESTS)
		http_on_requests(w->http);
}

static void self_tell(void *worker)
{
	struct worker *w = worker;
	wake_ready(store_wake_fd(w->store), LOOP_READ, w);
}

static void woken_self(void *worker)
{
	struct worker *w = worker;
	loop_timer_set(w->self_timer, 0);
}

static void task_changed(struct task_ref ref, void *arg)
{
	struct worker *w = arg;
	agent_on_task(w->agent, ref);
	http_on_task(w->http, ref);
}

static void term_caught(int signo, void *arg)
{
	struct worker *w = arg;
	(void)signo;
	if (w->draining)
		return;
	w->draining = true;
	log_info("draining", LF_INT("runs", agent_runs(w->agent)));
	http_quiesce(w->http);
	/* The last copy that is closed turns new connections away; one left open would let them wait for
	 * nobody. */
	fd_close(&w->heritage->listen_fd);
	loop_timer_set(w->drain_timer, w->heritage->conf->server.drain_seconds * 1000);
	agent_drain(w->agent, runs_over, w);
}

/* Our runs have come to a border. Those of other workers may still have something to tell our subscribers. */
static void runs_over(void *arg)
{
	struct worker *w = arg;
	struct error e;
	if (control_send(w->heritage->control_fd, IPC_STOPPING, -1, &e) != ERR_NONE)
		streams_end(w);
}

/* What the others did last is shown first: its wake may not have been looked at yet. */
static void streams_end_told(struct worker *w)
{
	self_tell(w);
	streams_end(w);
}

/* Every run of every worker has come to a border, or the time for that is over. */
static void streams_end(void *arg)
{
	struct worker *w = arg;
	if (w->http_draining)
		return;
	w->http_draining = true;
	if (agent_runs(w->agent) > 0)
		log_warn("the drain time is over with calls in flight; raise server.drain_seconds to let "
			 "them finish",
			 LF_INT("runs", agent_runs(w->agent)));
	http_drain(w->http, 1000, connections_over, w);
}

static void connections_over(void *arg)
{
	struct worker *w = arg;
	loop_stop(w->loop);
}
