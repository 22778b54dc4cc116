/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's half against a supervisor played by hand: ends told once and never from within, loss, cancel.
 */
#include "base/base.h"
#include "ipc/ipc.h"
#include "mcp/mcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { FRAMES_MAX = 32 };

struct seen {
	enum ipc_msg msg;
	uint64_t id;
};

struct world {
	struct loop *loop;
	struct mcp_client *client;
	struct ipc_channel *supervisor; /* NULL once the client went away */
	struct seen frames[FRAMES_MAX];
	size_t frames_count;
	int changes, ends, progress, answers;
	struct mcp_call_end end;
	struct error error; /* of the servers question */
	char text[256];
	struct mcp_call *cancel_in_end;
	int64_t now_ms;
};

static void frame_received(struct ipc_frame *f, void *arg)
{
	struct world *w = arg;
	assert_true(w->frames_count < FRAMES_MAX);
	w->frames[w->frames_count++] = (struct seen){f->msg, f->id};
}

static void channel_closed(const struct error *why, void *arg)
{
	struct world *w = arg;
	(void)why;
	ipc_close(w->supervisor);
	w->supervisor = NULL;
}

static void changed(void *arg)
{
	((struct world *)arg)->changes++;
}

static void turns(struct world *w)
{
	for (int i = 0; i < 5; i++)
		loop_turn(w->loop, 0);
}

static void world_pass(struct world *w, int64_t ms)
{
	w->now_ms += ms;
	clock_fake_set(w->now_ms * 1000, w->now_ms);
	turns(w);
}

static void supervisor_connect(struct world *w)
{
	struct error e;
	struct ipc_handler h = {frame_received, channel_closed, w};
	int pair[2];
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	w->supervisor = ipc_open(w->loop, pair[0], 1 << 16, 1 << 16, h);
	mcp_client_connect(w->client, pair[1]);
	turns(w);
}

static void world_open(struct world *w)
{
	struct mcp_client_options o = {1 << 16, 1 << 16, 10000};
	*w = (struct world){.now_ms = 5000000};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	clock_fake_set(w->now_ms * 1000, w->now_ms);
	w->loop = loop_new();
	w->client = mcp_client_new(w->loop, &o);
	mcp_client_on_change(w->client, changed, w);
}

static void world_close(struct world *w)
{
	mcp_client_free(w->client);
	ipc_close(w->supervisor);
	loop_turn(w->loop, 0);
	loop_free(w->loop);
	clock_fake_clear();
}

static void frame_send(struct world *w, enum ipc_msg msg, uint64_t id, struct buf *body)
{
	struct error e;
	assert_int_equal(ipc_send(w->supervisor, msg, id, buf_slice(body), -1, &e), ERR_NONE);
	buf_release(body);
	turns(w);
}

static void catalog_send(struct world *w, const char *text, bool settled)
{
	struct buf b = BUF_INIT;
	pack_u64(&b, 3);
	pack_u32(&b, settled);
	pack_slice(&b, slice_str(text));
	frame_send(w, IPC_CATALOG, 0, &b);
}

static void done_send(struct world *w, uint64_t id, uint32_t code, const char *result)
{
	struct buf b = BUF_INIT;
	pack_u32(&b, code);
	pack_text(&b, code ? "told so" : "");
	pack_u32(&b, 1);
	pack_u32(&b, 0);
	pack_slice(&b, slice_str(result));
	frame_send(w, IPC_CALL_DONE, id, &b);
}

static void call_progress(struct slice progress, struct slice total, struct slice message, void *arg)
{
	struct world *w = arg;
	w->progress++;
	snprintf(w->text, sizeof(w->text), "%.*s of %.*s: %.*s", (int)progress.len, progress.ptr,
		 (int)total.len, total.len ? total.ptr : "", (int)message.len, message.ptr);
}

static void call_end(const struct mcp_call_end *end, void *arg)
{
	struct world *w = arg;
	w->ends++;
	w->end = *end;
	snprintf(w->text, sizeof(w->text), "%.*s", (int)end->result.len,
		 end->result.len ? end->result.ptr : "");
	if (w->cancel_in_end)
		mcp_call_cancel(w->cancel_in_end);
	w->cancel_in_end = NULL;
}

static struct mcp_call *call_start(struct world *w)
{
	struct mcp_call_request r = {"s", "t", SLICE_LIT("{}"), "task", 0, true};
	struct mcp_call_handler h = {call_progress, call_end, w};
	int before = w->ends;
	struct mcp_call *call = mcp_call_start(w->client, &r, h);
	assert_int_equal(w->ends, before);
	return call;
}

static uint64_t frame_last(const struct world *w, enum ipc_msg msg)
{
	assert_true(w->frames_count > 0);
	assert_int_equal(w->frames[w->frames_count - 1].msg, msg);
	return w->frames[w->frames_count - 1].id;
}

static void client__has_an_empty_catalog_before_the_supervisor_tells(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	const struct mcp_catalog *c = mcp_client_catalog(w.client);
	assert_int_equal(c->count, 0);
	assert_true(slice_eq_str(c->text, "{\"tools\":[]}"));
	assert_null(mcp_catalog_find(c, "a__b"));
	mcp_catalog_drop(c);
	assert_false(mcp_client_settled(w.client));
	world_close(&w);
}

static void client__greets_and_takes_catalogs(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	frame_last(&w, IPC_HELLO);
	catalog_send(&w,
		     "{\"tools\":[{\"name\":\"s__t\",\"server\":\"s\",\"tool\":\"t\",\"input_schema\":{}}]}",
		     false);
	assert_int_equal(w.changes, 1);
	const struct mcp_catalog *old = mcp_client_catalog(w.client);
	assert_int_equal(old->count, 1);
	assert_false(mcp_client_settled(w.client));
	catalog_send(&w, "{\"tools\":[]}", true);
	assert_true(mcp_client_settled(w.client));
	assert_int_equal(w.changes, 2);
	assert_non_null(mcp_catalog_find(old, "s__t")); /* held: still whole */
	mcp_catalog_drop(old);
	/* A broken one leaves the last. */
	catalog_send(&w, "{\"tools\":", true);
	const struct mcp_catalog *c = mcp_client_catalog(w.client);
	assert_int_equal(c->count, 0);
	mcp_catalog_drop(c);
	world_close(&w);
}

static void call__without_a_supervisor_fails_unsent(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	call_start(&w);
	turns(&w);
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.end.error.code, ERR_UNAVAILABLE);
	assert_false(w.end.sent);
	world_close(&w);
}

static void call__ends_once_with_what_the_supervisor_says(void **state)
{
	struct world w;
	struct buf b = BUF_INIT;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	call_start(&w);
	turns(&w);
	uint64_t id = frame_last(&w, IPC_CALL);
	pack_slice(&b, SLICE_LIT("1.50"));
	pack_slice(&b, SLICE_LIT("4"));
	pack_slice(&b, SLICE_LIT("half"));
	frame_send(&w, IPC_CALL_PROGRESS, id, &b);
	assert_string_equal(w.text, "1.50 of 4: half");
	w.now_ms += 42;
	clock_fake_set(w.now_ms * 1000, w.now_ms);
	done_send(&w, id + 1, 0, "{\"of\":\"another\"}");
	done_send(&w, id, 0, "{\"content\":[]}");
	done_send(&w, id, 0, "{\"late\":1}");
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.end.error.code, ERR_NONE);
	assert_true(w.end.sent);
	assert_int_equal(w.end.duration_ms, 42);
	assert_string_equal(w.text, "{\"content\":[]}");
	call_start(&w);
	turns(&w);
	done_send(&w, frame_last(&w, IPC_CALL), ERR_TIMEOUT, "");
	assert_int_equal(w.end.error.code, ERR_TIMEOUT);
	assert_string_equal(w.end.error.msg, "told so");
	world_close(&w);
}

static void call__unreadable_end_is_an_end(void **state)
{
	struct world w;
	struct buf b = BUF_INIT;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	call_start(&w);
	turns(&w);
	pack_u32(&b, 1 << 20);
	frame_send(&w, IPC_CALL_DONE, frame_last(&w, IPC_CALL), &b);
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.end.error.code, ERR_INTERNAL);
	world_close(&w);
}

static void call__cancelled_is_told_to_the_supervisor_only(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	struct mcp_call *call = call_start(&w);
	turns(&w);
	uint64_t id = frame_last(&w, IPC_CALL);
	mcp_call_cancel(call);
	turns(&w);
	assert_int_equal(frame_last(&w, IPC_CALL_CANCEL), id);
	done_send(&w, id, 0, "{}");
	assert_int_equal(w.ends, 0);
	world_close(&w);
}

static void call__loss_of_the_supervisor_ends_all_and_ends_may_cancel(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	w.cancel_in_end = call_start(&w);
	call_start(&w);
	turns(&w);
	ipc_close(w.supervisor);
	w.supervisor = NULL;
	turns(&w);
	/* The newer one ends first and cancels the older, whose end must not come then. */
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.end.error.code, ERR_LOST);
	assert_true(w.end.sent);
	supervisor_connect(&w);
	frame_last(&w, IPC_HELLO);
	world_close(&w);
}

static void call__meets_its_own_limit_when_the_supervisor_hangs(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	call_start(&w);
	turns(&w);
	uint64_t id = frame_last(&w, IPC_CALL);
	world_pass(&w, 9999);
	assert_int_equal(w.ends, 0);
	world_pass(&w, 1);
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.end.error.code, ERR_TIMEOUT);
	assert_true(w.end.sent);
	assert_int_equal(frame_last(&w, IPC_CALL_CANCEL), id);
	done_send(&w, id, 0, "{}");
	assert_int_equal(w.ends, 1);
	world_close(&w);
}

static void call__over_the_frame_limit_fails_unsent(void **state)
{
	struct world w;
	struct mcp_call_handler h = {call_progress, call_end, &w};
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	char *wide = xcalloc(1, 1 << 17);
	memset(wide, ' ', 1 << 17);
	struct mcp_call_request r = {"s", "t", {wide, 1 << 17}, "task", 0, true};
	mcp_call_start(w.client, &r, h);
	turns(&w);
	assert_int_equal(w.end.error.code, ERR_TOO_LARGE);
	assert_false(w.end.sent);
	free(wide);
	world_close(&w);
}

static void servers_told(struct slice text, const struct error *e, void *arg)
{
	struct world *w = arg;
	w->answers++;
	w->error = e ? *e : (struct error){0};
	snprintf(w->text, sizeof(w->text), "%.*s", (int)text.len, text.len ? text.ptr : "");
}

static void servers__are_asked_and_told_once(void **state)
{
	struct world w;
	struct buf b = BUF_INIT;
	(void)state;
	world_open(&w);
	mcp_client_servers(w.client, servers_told, &w);
	assert_int_equal(w.answers, 0);
	turns(&w);
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.error.code, ERR_UNAVAILABLE);
	supervisor_connect(&w);
	mcp_client_servers(w.client, servers_told, &w);
	turns(&w);
	uint64_t id = frame_last(&w, IPC_SERVERS_GET);
	buf_add_str(&b, "{\"servers\":[]}");
	frame_send(&w, IPC_SERVERS, id, &b);
	assert_int_equal(w.answers, 2);
	assert_int_equal(w.error.code, ERR_NONE);
	assert_string_equal(w.text, "{\"servers\":[]}");
	world_close(&w);
}

static void servers__forgotten_lost_and_late_questions(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	mcp_client_servers(w.client, servers_told, &w);
	mcp_client_servers_cancel(w.client, &w);
	turns(&w);
	mcp_client_servers(w.client, servers_told, &w);
	world_pass(&w, 5000);
	assert_int_equal(w.answers, 1);
	assert_int_equal(w.error.code, ERR_TIMEOUT);
	mcp_client_servers(w.client, servers_told, &w);
	ipc_close(w.supervisor);
	w.supervisor = NULL;
	turns(&w);
	assert_int_equal(w.answers, 2);
	assert_int_equal(w.error.code, ERR_LOST);
	mcp_client_servers(w.client, servers_told, &w);
	world_close(&w); /* with one open */
	assert_int_equal(w.answers, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client__has_an_empty_catalog_before_the_supervisor_tells),
		cmocka_unit_test(client__greets_and_takes_catalogs),
		cmocka_unit_test(call__without_a_supervisor_fails_unsent),
		cmocka_unit_test(call__ends_once_with_what_the_supervisor_says),
		cmocka_unit_test(call__unreadable_end_is_an_end),
		cmocka_unit_test(call__cancelled_is_told_to_the_supervisor_only),
		cmocka_unit_test(call__loss_of_the_supervisor_ends_all_and_ends_may_cancel),
		cmocka_unit_test(call__meets_its_own_limit_when_the_supervisor_hangs),
		cmocka_unit_test(call__over_the_frame_limit_fails_unsent),
		cmocka_unit_test(servers__are_asked_and_told_once),
		cmocka_unit_test(servers__forgotten_lost_and_late_questions),
	};
	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
