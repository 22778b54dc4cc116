/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the binary parts of a result: artifacts before the event, or words about why not. */
#include "base/base.h"
#include "run_rig.h"

enum { LARGE_BYTES = 100000 };

static void content_end(struct world *w)
{
	model_finish(w, "success", "done");
	model_text(w, "The end.");
}

/* A turn whose one call answers with this content. */
static void content_begin(struct world *w, const char *content)
{
	struct buf arguments = BUF_INIT;
	struct jw j = JW(&arguments);
	char *result = xasprintf("{\"content\":[%s]}", content);
	jw_object(&j);
	jw_kv_text(&j, "result", result);
	jw_object_end(&j);
	model_plan(w, STEP("s1", "read"));
	model_calls(w, "fake__verbatim", buf_cstr(&arguments));
	buf_release(&arguments);
	free(result);
}

#define PNG(data) "{\"type\":\"image\",\"mimeType\":\"image/png\",\"data\":\"" data "\"}"

static void keep_parts__are_artifacts_before_the_event(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "verbatim", false, true);
	content_begin(
		&w, PNG("AAAA") ",{\"type\":\"new\",\"x\":[1]},{\"type\":\"resource\",\"resource\":{\"uri\":"
				"\"u\",\"mimeType\":\"audio/wav\",\"blob\":\"QUJD\"}}");
	content_end(&w);
	w.archive.holds = true;
	task_give(&w, "call");
	world_wait(&w, w.archive.writes == 1);
	assert_string_equal(w.archive.last_type, "image/png");
	assert_string_equal(w.archive.last_name, "c3-1.png");
	assert_memory_equal(w.archive.written.data, "\0\0\0", 3);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 0);
	w.archive.holds = false;
	fake_archive_answer(&w.archive);
	assert_ended(&w, "completed", NULL);
	assert_int_equal(w.archive.writes, 2);
	assert_string_equal(w.archive.last_type, "audio/wav");
	assert_memory_equal(w.archive.written.data, "ABC", 3);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	const struct json *content = json_pointer(j, "/result/content");
	assert_int_equal(json_get_integer(json_get(json_at(content, 0), "artifact"), "number", 0), 1);
	assert_null(json_get(json_at(content, 0), "data"));
	assert_string_equal(json_get_text(json_at(content, 1), "type", ""), "new");
	assert_int_equal(json_get_integer(json_pointer(content, "/2/resource/artifact"), "number", 0), 2);
	assert_int_equal(json_count(json_get(j, "artifacts")), 2);
	assert_int_equal(json_get_integer(json_at(json_get(j, "artifacts"), 1), "bytes", 0), 3);
	assert_null(json_get(j, "truncated"));
	assert_says(model_shown(&w, 2), "[image image/png, 3 bytes, artifact 1]");
	assert_says(model_shown(&w, 2), "[resource u audio/wav, 3 bytes, artifact 2]");
	json_free(j);
	world_close(&w);
}

static void keep_parts__that_cannot_be_kept_say_why(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "verbatim", false, true);
	/* the fourth is one more than limits.tool_result_parts */
	content_begin(&w, PNG("AAAA") "," PNG("A") "," PNG("BBBB") "," PNG("CCCC"));
	content_end(&w);
	w.archive.fails = ERR_UNAVAILABLE;
	task_give(&w, "call");
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	const struct json *content = json_pointer(j, "/result/content");
	assert_int_equal(w.archive.writes, 2);
	assert_string_equal(json_get_text(json_at(content, 0), "why", ""), "it could not be written");
	assert_string_equal(json_get_text(json_at(content, 1), "invalid", ""), "the data is not base64");
	assert_says(json_get_text(json_at(content, 3), "why", ""), "limits.tool_result_parts");
	assert_null(json_get(j, "artifacts"));
	json_free(j);
	world_close(&w);
}

static void keep_parts__without_an_archive_are_described(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, "verbatim", false);
	content_begin(&w, PNG("AAAA"));
	content_end(&w);
	task_give(&w, "call");
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_says(json_text(json_pointer(j, "/result/content/0/why")), "store.backend");
	assert_says(model_shown(&w, 2), "[image image/png, 3 bytes, not kept]");
	json_free(j);
	world_close(&w);
}

/* Each part waits for room and passes over numbers by itself. */
static void keep_parts__wait_for_room_and_find_their_numbers(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "verbatim", false, true);
	content_begin(&w, PNG("AAAA") "," PNG("BBBB"));
	content_end(&w);
	w.archive.holds = true;
	w.archive.fails = ERR_NO_SPACE;
	task_give(&w, "call");
	world_wait(&w, w.archive.writes == 1);
	store_health_set(w.keeper, STORE_NO_SPACE, "the disk is full");
	w.archive.holds = false;
	fake_archive_answer(&w.archive);
	assert_int_equal(events_count(&w, EVENT_TOOL_COMPLETED), 0);
	w.archive.fails = ERR_NONE;
	w.archive.conflicts = 2;
	store_health_set(w.keeper, STORE_WORKS, "");
	world_wake(&w);
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_int_equal(w.archive.writes, 5);
	assert_int_equal(json_get_integer(json_at(json_get(j, "artifacts"), 0), "number", 0), 3);
	assert_int_equal(json_get_integer(json_at(json_get(j, "artifacts"), 1), "number", 0), 4);
	json_free(j);
	world_close(&w);
}

static void keep_parts__cancelled_while_a_part_is_written(void **state)
{
	struct world w;
	(void)state;
	world_open_as(&w, "verbatim", false, true);
	content_begin(&w, PNG("AAAA") "," PNG("BBBB"));
	w.archive.holds = true;
	task_give(&w, "call");
	world_wait(&w, w.archive.writes == 1);
	task_change(&w, 0, NULL, TASK_CANCELLED, NULL);
	agent_on_task(w.agent, w.ref);
	assert_int_equal(w.archive.cancelled, 1);
	assert_int_equal(agent_runs(w.agent), 0);
	world_close(&w);
}

/* What is large beside its parts: the whole has previews in their place. */
static void keep_parts__a_large_result_with_parts_is_both(void **state)
{
	struct world w;
	(void)state;
	struct buf content = BUF_INIT;
	world_open_as(&w, "verbatim", false, true);
	buf_add_str(&content, PNG("AAAA") ",{\"type\":\"text\",\"text\":\"");
	for (int i = 0; i < LARGE_BYTES; i++)
		buf_add_char(&content, 'x');
	buf_add_str(&content, "\"}");
	content_begin(&w, buf_cstr(&content));
	content_end(&w);
	task_give(&w, "call");
	assert_ended(&w, "completed", NULL);
	struct json *j = event_nth(&w, EVENT_TOOL_COMPLETED, 0);
	assert_true(json_get_bool(j, "truncated", false));
	assert_int_equal(json_get_integer(json_get(j, "artifact"), "number", 0), 2);
	assert_int_equal(json_get_integer(json_at(json_get(j, "artifacts"), 0), "number", 0), 1);
	struct json *whole = json_parse(w.archive.written.data, w.archive.written.len, 0, NULL);
	assert_int_equal(json_get_integer(json_pointer(whole, "/content/0/artifact"), "number", 0), 1);
	assert_says(model_shown(&w, 2), "which is artifact 2]");
	json_free(whole);
	json_free(j);
	buf_release(&content);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keep_parts__are_artifacts_before_the_event),
		cmocka_unit_test(keep_parts__that_cannot_be_kept_say_why),
		cmocka_unit_test(keep_parts__without_an_archive_are_described),
		cmocka_unit_test(keep_parts__wait_for_room_and_find_their_numbers),
		cmocka_unit_test(keep_parts__cancelled_while_a_part_is_written),
		cmocka_unit_test(keep_parts__a_large_result_with_parts_is_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
