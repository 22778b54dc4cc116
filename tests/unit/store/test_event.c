/* SPDX-License-Identifier: Apache-2.0 */
/* Events as text: the bytes that go over the wire. */
#include "tests/unit/store/table.h"

static void event_format__writes_the_bytes_of_a_stream(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	assert_true(event_format(&b, 7, 1000, EVENT_STEP_STARTED, SLICE_LIT("{\"step\":\"s1\"}")));
	assert_string_equal(buf_cstr(&b), "id: 7\nevent: step.started\ndata: {\"seq\":7,\"at\":"
					  "\"1970-01-01T00:00:01.000Z\",\"step\":\"s1\"}\n\n");
	buf_reset(&b);
	assert_true(event_format_live(&b, EVENT_MODEL_DELTA, SLICE_LIT("{\"text\":\"x\"}")));
	assert_string_equal(buf_cstr(&b), "event: model.delta\ndata: {\"text\":\"x\"}\n\n");
	buf_release(&b);
}

static void event_format__makes_valid_json_of_objects_without_members(void **state)
{
	static const char *const empty[] = {"", "{}", "{ }", "{ \t }"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(empty); i++) {
		struct buf b = BUF_INIT;
		struct event_view v;
		struct error e = {0};
		assert_true(event_format(&b, 1, 0, EVENT_TOOL_STARTED, slice_str(empty[i])));
		struct slice rest = buf_slice(&b);
		assert_true(event_next(&rest, &v));
		struct json *j = json_parse(v.data.ptr, v.data.len, 0, &e);
		if (j == NULL)
			fail_msg("'%s': %s", empty[i], e.msg);
		json_free(j);
		buf_release(&b);
	}
}

static void event_format__refuses_what_would_break_the_stream(void **state)
{
	static const char *const bad[] = {"[1]", "1", "{", "}", "{\"a\":\n1}", "{\"a\":\r1}", " {}", "{} "};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct buf b = BUF_INIT;
		assert_false(event_format(&b, 1, 0, EVENT_TOOL_STARTED, slice_str(bad[i])));
		assert_false(event_format_live(&b, EVENT_TOOL_LOG, slice_str(bad[i])));
		assert_int_equal(b.len, 0);
		buf_release(&b);
	}
}

static void event_next__stops_at_damage(void **state)
{
	static const char *const bad[] = {"id: 1\nevent: step.started\ndata: {}\n", "event: step.started\n\n",
					  "id: 1\nevent: no.such\ndata: {}\n\n", "id: 1"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct slice rest = slice_str(bad[i]);
		struct event_view v;
		assert_false(event_next(&rest, &v));
	}
}

static void events_after__leaves_out_what_is_known(void **state)
{
	struct buf b = BUF_INIT;
	(void)state;
	for (uint64_t seq = 3; seq <= 5; seq++)
		assert_true(event_format(&b, seq, 0, EVENT_STEP_STARTED, SLICE_LIT("{}")));
	struct slice all = buf_slice(&b), third = all;
	struct event_view v;
	assert_true(slice_eq(events_after(all, 0), all));
	assert_true(slice_eq(events_after(all, 2), all));
	assert_true(event_next(&third, &v));
	assert_true(slice_eq(events_after(all, 3), third));
	assert_int_equal(events_after(all, 5).len, 0);
	assert_int_equal(events_after(all, 9).len, 0);
	buf_release(&b);
}

static void event_type_parse__reads_what_text_writes(void **state)
{
	enum event_type t;
	(void)state;
	for (enum event_type i = 0; i < EVENT_COUNT; i++) {
		assert_true(event_type_parse(slice_str(event_type_text(i)), &t));
		assert_int_equal(t, i);
	}
	assert_false(event_type_parse(SLICE_LIT("task"), &t));
	assert_true(event_type_live(EVENT_MODEL_DELTA));
	assert_false(event_type_live(EVENT_TASK_STATE));
	assert_false(event_type_live(EVENT_COUNT));
}

RUN_TESTS(cmocka_unit_test(event_format__writes_the_bytes_of_a_stream),
	  cmocka_unit_test(event_format__makes_valid_json_of_objects_without_members),
	  cmocka_unit_test(event_format__refuses_what_would_break_the_stream),
	  cmocka_unit_test(event_next__stops_at_damage),
	  cmocka_unit_test(events_after__leaves_out_what_is_known),
	  cmocka_unit_test(event_type_parse__reads_what_text_writes))
