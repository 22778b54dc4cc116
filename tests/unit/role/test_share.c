/* SPDX-License-Identifier: Apache-2.0 */
/* The llm room's questions arrive at the gates of the table, and the answers back. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static void share__is_the_gate_of_the_provider(void **state)
{
	static const struct gate_limits gates[] = {
		{0}, {.concurrency_max = 1, .breaker_failures = 1, .breaker_ms = 60000}};
	struct store_options o = {.bytes = 4 << 20,
				  .tasks_max = 8,
				  .procs_max = 1,
				  .task_events_max = 1000,
				  .task_bytes_max = 1 << 20,
				  .live_ring_bytes = 4096,
				  .gates = gates,
				  .gates_count = 2};
	struct store *created;
	struct error e = {0};
	struct gate_view v;
	struct llm_pass p, q;
	int64_t wait_ms;
	(void)state;
	assert_int_equal(store_create(&o, &created, &e), ERR_NONE);
	store_proc_started(created, 0, 1);
	struct store *s = store_attach(created, 0);
	struct llm_shared shared = share_make(s);
	assert_int_equal(shared.acquire(1, 10, 0, &p, &wait_ms, shared.arg), LLM_GO);
	assert_int_equal(shared.acquire(1, 10, 0, &q, &wait_ms, shared.arg), LLM_HOLD);
	assert_int_equal(wait_ms, -1);
	assert_int_equal(shared.acquire(0, 10, 0, &q, &wait_ms, shared.arg), LLM_GO);
	shared.report(1, &p, &(struct llm_report){.outcome = LLM_FAILED, .tokens = 3, .why = "gone"},
		      shared.arg);
	assert_int_equal(shared.acquire(1, 10, 0, &p, &wait_ms, shared.arg), LLM_SHUT);
	assert_true(wait_ms > 0);
	gate_view_get(s, 1, clock_mono_ms(), &v);
	assert_int_equal(v.state, GATE_TRIPPED);
	assert_int_equal(v.tokens, 3);
	assert_string_equal(v.error, "gone");
	assert_true(v.error_ms > 0);
	shared.report(0, &q, &(struct llm_report){.outcome = LLM_NEITHER}, shared.arg);
	store_detach(s);
	store_destroy(created);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(share__is_the_gate_of_the_provider),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
