/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both halves of the room in one process, on one loop, over a socket pair, with real children: what the loop
 * tests of this folder share. Waiting is always for something to happen, with a deadline that only a broken
 * build meets.
 */
#ifndef TESTS_UNIT_MCP_RIG_H
#define TESTS_UNIT_MCP_RIG_H

#include "base/base.h"
#include "mcp/mcp.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { RIG_WAIT_MS = 20000, RIG_SERVERS_MAX = 4 };

struct rig {
	struct loop *loop;
	struct mcp_broker *broker;
	struct mcp_client *client;
	struct mcp_server_options servers[RIG_SERVERS_MAX];
	struct mcp_broker_options options;
	int exits; /* children reaped */
	bool stopped;
};

/* Texts of results, kept until rig_free. */
enum { RIG_RESULTS_MAX = 256 };
static struct buf rig_results[RIG_RESULTS_MAX];
static int rig_results_count;

/* How one call ended, copied. */
struct outcome {
	int ends;
	struct error error;
	bool sent, is_error;
	struct buf result;
	int progress;
	char last_progress[128];
};

static inline const char *rig_fake(void)
{
	static char path[PATH_MAX];
	const char *given = getenv("MCP_FAKE");
	if (given)
		return given;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 40);
	assert_true(n > 0);
	path[n] = '\0';
	char *slash = strrchr(path, '/');
	strcpy(slash, "/../../fake/mcp_fake");
	return path;
}

static inline void rig_child(int signo, void *arg)
{
	struct rig *r = arg;
	int status;
	(void)signo;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		r->exits++;
		if (r->broker)
			mcp_broker_child_exited(r->broker, pid, status);
	}
}

/* args: NULL-terminated. Sets the defaults; a test changes r->options before rig_start. */
static inline struct mcp_server_options *rig_add(struct rig *r, const char *id, const char *command,
						 const char *const *args)
{
	struct mcp_server_options *s = &r->servers[r->options.servers_count++];
	*s = (struct mcp_server_options){.id = id, .enabled = true, .command = command, .args = args};
	return s;
}

static inline void rig_init(struct rig *r)
{
	*r = (struct rig){0};
	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	r->options = (struct mcp_broker_options){
		.servers = r->servers,
		.start_ms_max = 15000,
		.call_idle_ms_max = 15000,
		.call_ms_max = 30000,
		.line_bytes_max = 8 << 20,
		.list_items_max = 5000,
		.list_bytes_max = 4 << 20,
		.resource_subscriptions_max = 3,
		.stderr_tail_bytes = 4096,
		.stop_grace_ms = 300,
		.restart_ms_min = 20,
		.restart_ms_max = 200,
		.calls_per_server_max = 8,
		.input_ms_max = 15000,
		.probe_ms_max = 5000,
		.era_ms_max = 3600 * 1000,
		.asks_open_max = 4,
		.input_rounds_max = 3,
		.asks_max = 8,
		.ask_bytes_max = 4096,
		.notices_per_second_max = 100,
		.frame_bytes_max = 16 << 20,
		.queue_bytes_max = 32 << 20,
		.version = "test",
	};
	r->loop = loop_new();
	loop_signal(r->loop, SIGCHLD, rig_child, r);
}

static inline void rig_connect(struct rig *r)
{
	struct error e;
	int pair[2];
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	mcp_broker_add_worker(r->broker, pair[0]);
	mcp_client_connect(r->client, pair[1]);
}

static inline void rig_start(struct rig *r)
{
	struct mcp_client_options o = {16 << 20, 32 << 20, 60000};
	r->broker = mcp_broker_new(r->loop, &r->options);
	r->client = mcp_client_new(r->loop, &o);
	rig_connect(r);
}

#define rig_wait(r, condition)                                         \
	do {                                                           \
		int64_t until_ms = clock_mono_ms() + RIG_WAIT_MS;      \
		while (!(condition) && clock_mono_ms() < until_ms)     \
			loop_turn((r)->loop, 100);                     \
		if (!(condition))                                      \
			fail_msg("waited in vain for %s", #condition); \
	} while (0)

static inline void rig_settle(struct rig *r)
{
	rig_wait(r, mcp_client_settled(r->client));
}

static inline void rig_stopped(void *arg)
{
	struct rig *r = arg;
	r->stopped = true;
}

static inline void rig_stop(struct rig *r)
{
	mcp_broker_stop(r->broker, rig_stopped, r);
	rig_wait(r, r->stopped);
}

static inline void rig_free(struct rig *r)
{
	if (!r->stopped)
		rig_stop(r);
	while (rig_results_count)
		buf_release(&rig_results[--rig_results_count]);
	mcp_client_free(r->client);
	mcp_broker_free(r->broker);
	r->broker = NULL;
	loop_turn(r->loop, 0);
	loop_free(r->loop);
	int status;
	assert_int_equal(waitpid(-1, &status, WNOHANG), -1); /* no child is left */
}

static inline void outcome_progress(struct slice progress, struct slice total, struct slice message,
				    void *arg)
{
	struct outcome *o = arg;
	o->progress++;
	snprintf(o->last_progress, sizeof(o->last_progress), "%.*s/%.*s %.*s", (int)progress.len,
		 progress.ptr, (int)total.len, total.ptr, (int)message.len, message.ptr);
}

static inline void outcome_end(const struct mcp_call_end *end, void *arg)
{
	struct outcome *o = arg;
	o->ends++;
	o->error = end->error;
	o->sent = end->sent;
	o->is_error = end->is_error;
	buf_add_slice(&o->result, end->result);
	assert_true(rig_results_count < RIG_RESULTS_MAX);
	rig_results[rig_results_count++] = o->result;
}

static inline struct mcp_call *rig_call(struct rig *r, const char *server, const char *tool,
					const char *arguments, int64_t timeout_ms, struct outcome *o)
{
	struct mcp_call_request q = {server, tool, slice_str(arguments), "task", timeout_ms, true, "task:c1"};
	struct mcp_call_handler h = {.on_progress = outcome_progress, .on_end = outcome_end, .arg = o};
	*o = (struct outcome){0};
	struct mcp_call *call = mcp_call_start(r->client, &q, h);
	assert_int_equal(o->ends, 0);
	return call;
}

static inline void rig_call_wait(struct rig *r, const char *server, const char *tool, const char *arguments,
				 struct outcome *o)
{
	rig_call(r, server, tool, arguments, 0, o);
	rig_wait(r, o->ends);
}

/* The value at a JSON pointer in GET /v1/servers; valid until the next call. */
static inline const struct json *rig_state(struct rig *r, const char *pointer)
{
	static struct json *tree;
	struct buf text = BUF_INIT;
	struct error e;
	mcp_broker_servers_text(r->broker, &text);
	json_free(tree);
	tree = json_parse(text.data, text.len, 0, &e);
	buf_release(&text);
	assert_non_null(tree);
	return json_pointer(tree, pointer);
}

static inline bool rig_state_is(struct rig *r, const char *state)
{
	return strcmp(json_text(rig_state(r, "/servers/0/state")), state) == 0;
}

static inline void rig_one(struct rig *r, const char *const *args)
{
	rig_init(r);
	rig_add(r, "fake", rig_fake(), args);
}

static inline const char *state_text(struct rig *r, const char *pointer)
{
	const char *text = json_text(rig_state(r, pointer));
	return text ? text : "(null)";
}

static inline int64_t state_number(struct rig *r, const char *pointer)
{
	int64_t n = -1;
	json_integer(rig_state(r, pointer), &n);
	return n;
}

#endif
