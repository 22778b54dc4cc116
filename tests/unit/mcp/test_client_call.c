/* SPDX-License-Identifier: Apache-2.0 */
/* Tool calls of a worker: ends told once and never from within, loss, cancel, limits. */
#include "tests/unit/mcp/client_world.h"

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
	struct mcp_call_handler h = {.on_progress = call_progress, .on_end = call_end, .arg = &w};
	(void)state;
	world_open(&w);
	supervisor_connect(&w);
	char *wide = xcalloc(1, 1 << 17);
	memset(wide, ' ', 1 << 17);
	struct mcp_call_request r = {"s", "t", {wide, 1 << 17}, "task", 0, true, NULL};
	mcp_call_start(w.client, &r, h);
	turns(&w);
	assert_int_equal(w.end.error.code, ERR_TOO_LARGE);
	assert_false(w.end.sent);
	free(wide);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call__without_a_supervisor_fails_unsent),
		cmocka_unit_test(call__ends_once_with_what_the_supervisor_says),
		cmocka_unit_test(call__unreadable_end_is_an_end),
		cmocka_unit_test(call__cancelled_is_told_to_the_supervisor_only),
		cmocka_unit_test(call__loss_of_the_supervisor_ends_all_and_ends_may_cancel),
		cmocka_unit_test(call__meets_its_own_limit_when_the_supervisor_hangs),
		cmocka_unit_test(call__over_the_frame_limit_fails_unsent),
	};
	return cmocka_run_group_tests_name("client_call", tests, NULL, NULL);
}
