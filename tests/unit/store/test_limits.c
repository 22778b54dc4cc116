/* SPDX-License-Identifier: Apache-2.0 */
/* Each bounded option at its maximum and one past it. What is refused names the limit, its value, its option.
 */
#include "store/doc.h"
#include "tests/unit/store/table.h"

static void tasks_max__one_past_is_refused(void **state)
{
	struct table t = table_open(4, 16);
	struct task_ref ref;
	struct id id;
	struct error e;
	(void)state;
	for (int i = 0; i < 16; i++)
		create(t.a);
	assert_int_equal(create_sized(t.b, 1, &ref, &id, &e), ERR_FULL);
	assert_non_null(strstr(e.msg, "all 16 tasks"));
	assert_non_null(strstr(e.msg, "store.tasks_max"));
	table_close(&t);
}

static void task_events_max__one_past_is_refused_and_the_task_can_end(void **state)
{
	struct store_options o = table_options(4, 16);
	struct error e;
	(void)state;
	o.task_events_max = 20;
	struct table t = table_open_with(&o);
	struct task_ref ref = create(t.a);
	for (int i = 2; i < 20; i++)
		move(i % 2 ? t.a : t.b, ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	/* two at once would be one past; one reaches the limit */
	assert_int_equal(move_as(t.a, ref, NULL, EVENT_TOOL_STARTED, "{}", TASK_PLANNING, &e), ERR_FULL);
	assert_int_equal(move_as(t.a, ref, NULL, EVENT_TOOL_STARTED, "{}", TASK_SAME, &e), ERR_NONE);
	assert_int_equal(head_of(t.a, ref).last_seq, 20);
	assert_int_equal(move_as(t.a, ref, NULL, EVENT_TOOL_STARTED, "{}", TASK_SAME, &e), ERR_FULL);
	assert_non_null(strstr(e.msg, "20 (store.task_events_max)"));
	assert_int_equal(move_as(t.a, ref, NULL, EVENT_TOOL_FAILED, "{}", TASK_FAILED, &e), ERR_NONE);
	assert_int_equal(head_of(t.a, ref).last_seq, 22);
	table_close(&t);
}

static void task_bytes__one_past_is_refused_and_the_task_can_end(void **state)
{
	struct store_options o = table_options(4, 16);
	struct error e;
	(void)state;
	o.task_bytes_max = 65536;
	struct table t = table_open_with(&o);
	struct task_ref ref = create(t.a);
	uint64_t had = slot_version(slot_at(t.a, ref.slot))->events_bytes;
	size_t fits = 65536 - had - strlen("{\"result\":\"\"}");
	assert_int_equal(move_sized(t.a, ref, fits + 1, TASK_SAME, &e), ERR_FULL);
	assert_non_null(strstr(e.msg, "65536 (store.task_bytes)"));
	assert_int_equal(move_sized(t.a, ref, fits, TASK_SAME, &e), ERR_NONE);
	assert_int_equal(move_as(t.b, ref, NULL, EVENT_TOOL_STARTED, "{}", TASK_SAME, &e), ERR_FULL);
	assert_int_equal(move_sized(t.b, ref, 1000, TASK_CANCELLED, &e), ERR_NONE);
	table_close(&t);
}

static void task_bytes__bounds_the_first_event_too(void **state)
{
	struct store_options o = table_options(4, 16);
	struct task_ref ref;
	struct id id;
	struct error e;
	(void)state;
	o.task_bytes_max = 65536;
	struct table t = table_open_with(&o);
	size_t most = 60000;
	for (; create_sized(t.a, most, &ref, &id, &e) == ERR_NONE; most++)
		move(t.a, ref, 0, NULL, TASK_CANCELLED);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	if (strstr(e.msg, "65537 bytes") == NULL)
		fail_msg("%s", e.msg);
	assert_non_null(strstr(e.msg, "65536 (store.task_bytes)"));
	assert_int_equal(create_sized(t.a, most - 1, &ref, &id, &e), ERR_NONE);
	assert_int_equal(slot_version(slot_at(t.a, ref.slot))->events_bytes, 65536);
	table_close(&t);
}

static void steps__beyond_the_most_are_left_out_alike_by_all(void **state)
{
	struct table t = table_open(4, 16);
	struct error e;
	(void)state;
	for (int n = DOC_STEPS_MAX; n <= DOC_STEPS_MAX + 1; n++) {
		struct task_ref ref = create(t.a);
		struct buf plan = BUF_INIT;
		buf_add_str(&plan, "{\"plan\":{\"steps\":[");
		for (int i = 0; i < n; i++)
			buf_printf(&plan, "%s{\"id\":\"s%d\"}", i > 0 ? "," : "", i);
		buf_add_str(&plan, "]}}");
		move(t.a, ref, EVENT_PLAN_CREATED, buf_cstr(&plan), TASK_PLANNING);
		move(t.b, ref, EVENT_STEP_STARTED, "{\"step\":\"s255\"}", TASK_SAME);
		assert_int_equal(
			move_as(t.a, ref, NULL, EVENT_STEP_STARTED, "{\"step\":\"s256\"}", TASK_SAME, &e),
			ERR_NONE);
		char *text = doc_text(t.b, ref);
		assert_non_null(strstr(text, "{\"id\":\"s255\",\"status\":\"running\""));
		assert_null(strstr(text, "s256"));
		free(text);
		buf_release(&plan);
	}
	table_close(&t);
}

static void change_of_nothing__only_asks(void **state)
{
	struct table t = table_open(4, 16);
	struct task_ref ref = create(t.a);
	struct error e;
	(void)state;
	struct task_change c = {.to = TASK_SAME};
	uint64_t last = 0;

	assert_int_equal(task_move(t.a, ref, &c, &last, &e), ERR_NONE);
	assert_int_equal(last, 1);
	c.if_last_seq = 2;
	assert_int_equal(task_move(t.a, ref, &c, &last, &e), ERR_CONFLICT);
	assert_non_null(strstr(e.msg, "its last event is 1, not 2"));
	table_close(&t);
}

RUN_TESTS(cmocka_unit_test(tasks_max__one_past_is_refused),
	  cmocka_unit_test(task_events_max__one_past_is_refused_and_the_task_can_end),
	  cmocka_unit_test(task_bytes__one_past_is_refused_and_the_task_can_end),
	  cmocka_unit_test(task_bytes__bounds_the_first_event_too),
	  cmocka_unit_test(steps__beyond_the_most_are_left_out_alike_by_all),
	  cmocka_unit_test(change_of_nothing__only_asks))
