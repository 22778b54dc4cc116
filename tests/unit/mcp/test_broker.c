/* SPDX-License-Identifier: Apache-2.0 */
/* Several servers and workers: routing, one server's trouble left with it, bad messages, settling, stopping.
 */
#include "tests/unit/mcp/rig.h"
#include "ipc/ipc.h"

static void broker__one_bad_server_does_not_harm_the_others(void **state)
{
	struct rig r;
	struct outcome o, p;
	const char *good[] = {"echo", NULL}, *bad[] = {"exit-at-once", NULL}, *silent[] = {"silent", NULL};
	(void)state;
	rig_init(&r);
	rig_add(&r, "good", rig_fake(), good);
	rig_add(&r, "bad", rig_fake(), bad);
	rig_add(&r, "silent", rig_fake(), silent);
	rig_start(&r);
	rig_settle(&r);
	rig_call(&r, "silent", "echo", "{}", 0, &p);
	rig_call_wait(&r, "good", "echo", "{\"text\":\"fine\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_int_equal(p.ends, 0);
	rig_call_wait(&r, "bad", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_UNAVAILABLE);
	assert_false(o.sent);
	rig_free(&r);
}

static void broker__unknown_server_and_bad_arguments_are_refused(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"echo", NULL};
	const char *const bad[] = {"[1]", "{\"a\":}", "{} {}", "{\"a\":\"\xff\"}", "{\"a\":1", "7"};
	(void)state;
	rig_init(&r);
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "nobody", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_NOT_FOUND);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		rig_call_wait(&r, "fake", "echo", bad[i], &o);
		assert_int_equal(o.error.code, ERR_INVALID);
		assert_false(o.sent);
	}
	rig_free(&r);
}

/* Two workers use the same numbers for their calls. */
static void broker__workers_do_not_see_each_other(void **state)
{
	struct rig r;
	struct outcome a, b;
	struct error e;
	int pair[2];
	const char *args[] = {"echo", NULL};
	struct mcp_client_options options = {1 << 20, 1 << 20, 60000};
	(void)state;
	rig_init(&r);
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	rig_settle(&r);
	struct mcp_client *second = mcp_client_new(r.loop, &options), *first = r.client;
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	mcp_broker_add_worker(r.broker, pair[0]);
	mcp_client_connect(second, pair[1]);
	rig_wait(&r, mcp_client_settled(second));
	rig_call(&r, "fake", "echo", "{\"text\":\"of the first\"}", 0, &a);
	r.client = second;
	rig_call(&r, "fake", "echo", "{\"text\":\"of the second\"}", 0, &b);
	rig_wait(&r, a.ends && b.ends);
	assert_non_null(strstr(buf_cstr(&a.result), "of the first"));
	assert_non_null(strstr(buf_cstr(&b.result), "of the second"));
	r.client = first;
	mcp_client_free(second);
	rig_free(&r);
}

static void broker__worker_that_breaks_a_message_is_cut_off(void **state)
{
	struct rig r;
	struct outcome o;
	struct error e;
	int pair[2];
	char byte;
	const char *args[] = {"echo", NULL};
	/* length, CALL, no flags, id 1, then no body at all */
	const unsigned char bad[16] = {0, 0, 0, 0, IPC_CALL, 0, 0, 0, 1};
	(void)state;
	rig_init(&r);
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	rig_settle(&r);
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	mcp_broker_add_worker(r.broker, pair[0]);
	assert_int_equal(write(pair[1], bad, sizeof(bad)), sizeof(bad));
	rig_wait(&r, read(pair[1], &byte, 1) == 0);
	close(pair[1]);
	rig_call_wait(&r, "fake", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	rig_free(&r);
}

/* A frame as server/ipc lays it out. */
static void raw_call(int fd, uint64_t id)
{
	struct buf body = BUF_INIT, frame = BUF_INIT;
	struct error e;
	pack_text(&body, "fake");
	pack_text(&body, "big");
	pack_slice(&body, SLICE_LIT("{\"bytes\":6000000}"));
	pack_text(&body, "task");
	pack_u64(&body, 0);
	pack_u32(&body, 0);
	pack_text(&body, NULL);
	pack_u32(&frame, (uint32_t)body.len);
	pack_u32(&frame, IPC_CALL);
	pack_u64(&frame, id);
	buf_add_slice(&frame, buf_slice(&body));
	assert_int_equal(fd_write_all(fd, frame.data, frame.len, &e), ERR_NONE);
	buf_release(&body);
	buf_release(&frame);
}

struct raw_ends {
	int count, full;
};

static void raw_frame(struct ipc_frame *f, void *arg)
{
	struct raw_ends *ends = arg;
	struct unpack u = UNPACK(f->body);
	ends->count += f->msg == IPC_CALL_DONE;
	ends->full += f->msg == IPC_CALL_DONE && unpack_u32(&u) == ERR_FULL;
}

static void raw_close(const struct error *why, void *arg)
{
	(void)arg;
	fail_msg("the connection was closed: %s", why->msg);
}

static void broker__worker_that_does_not_read_costs_bounded_memory_and_no_answer(void **state)
{
	struct rig r;
	struct outcome o;
	struct error e;
	struct raw_ends ends = {0};
	int pair[2];
	const char *args[] = {"big-line", NULL};
	(void)state;
	rig_init(&r);
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	rig_settle(&r);
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	mcp_broker_add_worker(r.broker, pair[0]);
	for (uint64_t i = 1; i <= 8; i++)
		raw_call(pair[1], i);
	rig_wait(&r, state_number(&r, "/servers/0/calls_total") == 8);
	rig_wait(&r, state_number(&r, "/servers/0/calls_in_flight") == 0);
	rig_call_wait(&r, "fake", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	struct ipc_handler h = {raw_frame, raw_close, &ends};
	struct ipc_channel *late = ipc_open(r.loop, pair[1], 16 << 20, 1 << 20, h);
	rig_wait(&r, ends.count == 8);
	assert_true(ends.full >= 2 && ends.full <= 4);
	ipc_close(late);
	rig_free(&r);
}

static void count_up(void *arg)
{
	++*(int *)arg;
}

static void broker__without_servers_settles_and_stops_at_once(void **state)
{
	struct rig r;
	int settled = 0;
	(void)state;
	rig_init(&r);
	rig_start(&r);
	mcp_broker_on_settled(r.broker, count_up, &settled);
	rig_settle(&r);
	assert_int_equal(settled, 1);
	assert_true(mcp_broker_settled(r.broker));
	rig_stop(&r);
	rig_free(&r);
}

static void broker__texts_are_what_the_routes_show(void **state)
{
	struct rig r;
	struct buf text = BUF_INIT;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_init(&r);
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	rig_settle(&r);
	mcp_broker_tools_text(r.broker, &text);
	const struct mcp_catalog *c = mcp_client_catalog(r.client);
	assert_true(slice_eq(c->text, buf_slice(&text)));
	assert_non_null(strstr(
		buf_cstr(&text),
		"{\"name\":\"fake__count\",\"server\":\"fake\",\"tool\":\"count\",\"title\":\"The count "
		"tool\",\"description\":\"Does count.\",\"input_schema\":{\"type\":\"object\","
		"\"properties\":{\"file\":{\"type\":\"string\"},\"ms\":{\"type\":\"integer\"}}},\"read_"
		"only\":false,"
		"\"destructive\":true,\"idempotent\":false,\"effect_source\":\"default\",\"open_world\":"
		"false,\"untrusted\":false,\"provided_by\":\"server\"}"));
	mcp_catalog_drop(c);
	buf_release(&text);
	rig_free(&r);
}

static void broker__freed_without_stopping_kills_what_is_left(void **state)
{
	struct rig r;
	const char *args[] = {"stubborn", NULL};
	(void)state;
	rig_init(&r);
	rig_add(&r, "fake", rig_fake(), args);
	rig_start(&r);
	rig_settle(&r);
	mcp_broker_free(r.broker);
	r.broker = NULL;
	rig_wait(&r, r.exits == 1);
	mcp_client_free(r.client);
	loop_turn(r.loop, 0);
	loop_free(r.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broker__one_bad_server_does_not_harm_the_others),
		cmocka_unit_test(broker__unknown_server_and_bad_arguments_are_refused),
		cmocka_unit_test(broker__workers_do_not_see_each_other),
		cmocka_unit_test(broker__worker_that_breaks_a_message_is_cut_off),
		cmocka_unit_test(broker__worker_that_does_not_read_costs_bounded_memory_and_no_answer),
		cmocka_unit_test(broker__without_servers_settles_and_stops_at_once),
		cmocka_unit_test(broker__texts_are_what_the_routes_show),
		cmocka_unit_test(broker__freed_without_stopping_kills_what_is_left),
	};
	return cmocka_run_group_tests_name("broker", tests, NULL, NULL);
}
