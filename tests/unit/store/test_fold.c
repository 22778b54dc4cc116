/* SPDX-License-Identifier: Apache-2.0 */
/* What each event does to the document, and that any participant can go on from it. */
#include "store/doc.h"
#include "tests/unit/store/table.h"

/* Both participants in turn, so that the document is parsed back each time. */
static void tell(struct table *t, struct task_ref ref, enum event_type type, const char *data,
		 enum task_state to)
{
	static int turn;
	move(turn++ % 2 ? t->a : t->b, ref, type, data, to);
}

static void assert_doc_has(struct table *t, struct task_ref ref, const char *piece)
{
	char *text = doc_text(t->a, ref);
	if (strstr(text, piece) == NULL)
		fail_msg("no %s in %s", piece, text);
	free(text);
	table_check(t);
}

static void doc_apply__folds_a_whole_run(void **state)
{
	struct table t = table_open(4, 4);
	struct task_ref ref = create(t.a);
	(void)state;
	tell(&t, ref, EVENT_MODEL_STARTED, "{\"call\":\"m1\"}", TASK_PLANNING);
	tell(&t, ref, EVENT_MODEL_COMPLETED,
	     "{\"call\":\"m1\",\"usage\":{\"input_tokens\":10,\"output_tokens\":4,\"estimated\":true}}",
	     TASK_SAME);
	tell(&t, ref, EVENT_PLAN_CREATED,
	     "{\"plan\":{\"version\":1,\"goal\":\"g\",\"steps\":[{\"id\":\"s1\"},{\"id\":\"s2\"},{\"id\":"
	     "\"s3\"},"
	     "{\"id\":\"s4\"},{\"id\":\"s5\"}]}}",
	     TASK_RUNNING);
	tell(&t, ref, EVENT_STEP_STARTED, "{\"step\":\"s1\"}", TASK_SAME);
	tell(&t, ref, EVENT_TOOL_STARTED, "{\"call\":\"t1\"}", TASK_SAME);
	tell(&t, ref, EVENT_STEP_COMPLETED, "{\"step\":\"s1\",\"result\":{\"x\":[1,2.50]}}", TASK_SAME);
	assert_doc_has(&t, ref, "\"id\":\"s1\",\"status\":\"completed\",\"result\":{\"x\":[1,2.5]}");
	tell(&t, ref, EVENT_STEP_FAILED, "{\"step\":\"s2\",\"error\":{\"code\":\"c\"}}", TASK_SAME);
	tell(&t, ref, EVENT_STEP_IN_DOUBT, "{\"step\":\"s3\"}", TASK_SAME);
	tell(&t, ref, EVENT_STEP_WAITING, "{\"step\":\"s4\"}", TASK_SAME);
	tell(&t, ref, EVENT_STEP_STARTED, "{\"step\":\"no such step\"}", TASK_SAME);
	tell(&t, ref, EVENT_TASK_PENDING, "{\"pending\":{\"on\":\"you\"}}", TASK_SAME);
	assert_doc_has(&t, ref, "\"pending\":{\"on\":\"you\"}");
	assert_doc_has(&t, ref, "\"model_calls\":1,\"tool_calls\":1,\"estimated\":true");
	/* no step stays open in a task that is over */
	tell(&t, ref, EVENT_TASK_RESULT, "{\"result\":\"r\"}", TASK_FAILED);
	assert_doc_has(&t, ref,
		       "\"id\":\"s2\",\"status\":\"failed\",\"result\":null,\"error\":{\"code\":\"c\"}");
	assert_doc_has(&t, ref, "\"id\":\"s3\",\"status\":\"failed\"");
	assert_doc_has(&t, ref, "\"id\":\"s4\",\"status\":\"skipped\"");
	assert_doc_has(&t, ref, "\"id\":\"s5\",\"status\":\"skipped\"");
	assert_doc_has(&t, ref, "\"status\":\"failed\",\"prompt\"");
	table_close(&t);
}

/* The figures come from a model's server, which may say anything. */
static void doc_apply__usage_neither_shrinks_nor_wraps(void **state)
{
	struct table t = table_open(4, 4);
	struct task_ref ref = create(t.a);
	(void)state;
	tell(&t, ref, EVENT_MODEL_COMPLETED,
	     "{\"usage\":{\"input_tokens\":9000000000000000000,\"output_tokens\":7}}", TASK_PLANNING);
	tell(&t, ref, EVENT_MODEL_COMPLETED,
	     "{\"usage\":{\"input_tokens\":9000000000000000000,\"output_tokens\":-9,\"cached_tokens\":\"x\"}"
	     "}",
	     TASK_SAME);
	assert_doc_has(&t, ref,
		       "\"input_tokens\":9223372036854775807,\"output_tokens\":7,\"cached_tokens\":0");
	table_close(&t);
}

/* What a document becomes by one event after a plan; with a member of an unusual name in front of all others
 * it is parsed. */
static char *doc_after(enum event_type type, const char *members, bool unusual)
{
	static const char plan[] =
		"{\"\\u0061\":1,\"plan\":{\"goal\":\"g\",\"steps\":[{\"id\":\"s1\"},{\"id\":\"s2\"}]}}";
	struct task_doc *d = doc_new();
	struct buf data = BUF_INIT, out = BUF_INIT;
	struct error e = {0};
	assert_int_equal(doc_apply(d, 1, 0, EVENT_PLAN_CREATED, slice_str(plan), &e), ERR_NONE);
	assert_int_equal(
		doc_apply(d, 2, 0, EVENT_STEP_COMPLETED, SLICE_LIT("{\"step\":\"s2\",\"result\":\"r\"}"), &e),
		ERR_NONE);
	buf_add_str(&data, unusual ? "{\"\\u0061\":1," : "{");
	buf_add_str(&data, members);
	if (doc_apply(d, 3, 0, type, buf_slice(&data), &e) != ERR_NONE)
		fail_msg("%s: %s", buf_cstr(&data), e.msg);
	doc_render(d, &out);
	buf_release(&data);
	doc_free(d);
	return buf_take(&out);
}

/* The look into a usual event and the tree of an unusual one say the same. */
static void doc_apply__folds_with_and_without_a_tree(void **state)
{
	static const struct {
		enum event_type type;
		const char *members;
	} rows[] = {
		{EVENT_MODEL_COMPLETED,
		 "\"text\":\"a\\nb\",\"usage\":{\"input_tokens\":10,\"output_tokens\":4,"
		 "\"cached_tokens\":2,\"estimated\":true},\"cost\":0.00125}"},
		{EVENT_MODEL_COMPLETED,
		 "\"usage\":{\"input_tokens\":10,\"output_tokens\":4},\"cost\":0.5,\"text\":\"t\"}"},
		{EVENT_MODEL_COMPLETED,
		 "\"cost\":0.5,\"text\":\"t\",\"usage\":{\"input_tokens\":10,\"output_tokens\":4}}"},
		{EVENT_MODEL_COMPLETED, "\"text\":{\"usage\":{\"input_tokens\":1}}}"},
		{EVENT_MODEL_COMPLETED, "\"usage\":{\"input_tokens\":10,\"estimated\":1},\"cost\":3}"},
		{EVENT_MODEL_COMPLETED, "\"usage\":{\"output_tokens\":null,\"input_tokens\":\"7\"}}"},
		{EVENT_MODEL_COMPLETED,
		 "\"usage\":{\"input_tokens\":1.5,\"output_tokens\":2},\"cost\":null}"},
		{EVENT_MODEL_COMPLETED, "\"usage\":null,\"cost\":1e-05}"},
		{EVENT_MODEL_COMPLETED, "\"calls\":[]}"},
		{EVENT_STEP_STARTED, "\"step\":\"s1\"}"},
		{EVENT_STEP_STARTED, "\"step\":\"s9\"}"},
		{EVENT_STEP_COMPLETED, "\"step\":\"s1\",\"result\":\"a\\n\\\"b\\\" \xc3\xa9\"}"},
		{EVENT_STEP_COMPLETED, "\"step\":\"s1\",\"result\":\"\\/\\b\",\"error\":null}"},
		{EVENT_STEP_COMPLETED, "\"step\":\"s1\",\"result\":{\"x\" : [1,2.50]}}"},
		{EVENT_STEP_COMPLETED, "\"step\":\"s1\",\"result\":1.50}"},
		{EVENT_STEP_FAILED, "\"step\":\"s1\",\"error\":{\"code\" : \"c\"}}"},
		{EVENT_STEP_FAILED, "\"step\":7}"},
		{EVENT_TASK_RESULT, "\"result\":\"plain\"}"},
		{EVENT_TASK_RESULT, "\"result\":{\"a\":[ 1.0 ]}}"},
		{EVENT_TASK_RESULT, "\"other\":1}"},
		{EVENT_TASK_STATE, "\"from\":\"running\",\"to\":\"completed\"}"},
		{EVENT_TASK_STATE, "\"to\":\"failed\",\"error\":{\"code\":\"c\"}}"},
		{EVENT_TASK_STATE, "\"to\":\"failed\",\"error\":null}"},
		{EVENT_TASK_STATE, "\"to\":\"no such state\"}"},
		{EVENT_PLAN_CREATED,
		 "\"plan\":{\"version\":2,\"goal\":\"h\",\"steps\":[{\"id\":\"s1\",\"depends_on\":[\"s2\"]},"
		 "{\"id\":\"s2\",\"title\":\"\\\"t\\\"\"}],\"final_output\":\"\"}}"},
		{EVENT_PLAN_CREATED,
		 "\"plan\":{\"steps\":[{\"id\":\"s3\"}],\"goal\":\"h\",\"k\":{\"steps\":[1]}}}"},
		{EVENT_PLAN_CREATED, "\"plan\":{\"goal\":\"h\",\"steps\":[{\"id\":\"s3\"}]}}"},
		{EVENT_PLAN_CREATED, "\"plan\":{\"steps\":[{\"id\":\"s3\"}]}}"},
		{EVENT_PLAN_CREATED, "\"plan\":{\"steps\":[{}]}}"},
		{EVENT_PLAN_CREATED, "\"plan\":{\"goal\":\"h\", \"steps\" : [{\"id\":\"s3\"}] ,\"k\":1}}"},
		{EVENT_PLAN_CREATED,
		 "\"plan\":{\"goal\":\"h\",\"steps\":[{\"id\":\"s3\",\"status\":\"skipped\",\"result\":1},"
		 "{\"id\":\"s2\"}]}}"},
		{EVENT_PLAN_CREATED, "\"plan\":{\"goal\":\"h\",\"steps\":[]}}"},
		{EVENT_PLAN_CREATED, "\"plan\":{\"goal\":\"h\",\"steps\":[1,{\"id\":\"s3\"}]}}"},
		{EVENT_PLAN_CREATED, "\"plan\":{\"goal\":\"h\",\"steps\":7}}"},
		{EVENT_PLAN_CREATED, "\"plan\":null}"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *fast = doc_after(rows[i].type, rows[i].members, false);
		char *plain = doc_after(rows[i].type, rows[i].members, true);
		assert_string_equal(fast, plain);
		free(fast);
		free(plain);
	}
}

/* A member of an event lies deeper in the document: what is taken must stay readable for the next worker. */
static void doc_apply__refuses_nesting_that_no_other_could_read_back(void **state)
{
	struct table t = table_open(8, 4);
	struct task_ref ref = create(t.a);
	struct error e;
	int taken = 0;
	(void)state;
	move(t.a, ref, 0, NULL, TASK_PLANNING);
	move(t.a, ref, EVENT_PLAN_CREATED, "{\"plan\":{\"steps\":[{\"id\":\"s1\"}]}}", TASK_RUNNING);
	for (int depth = JSON_DEPTH_MAX - 20; depth < JSON_DEPTH_MAX + 5; depth++) {
		struct buf data = BUF_INIT;
		buf_add_str(&data, "{\"step\":\"s1\",\"result\":");
		for (int i = 0; i < depth; i++)
			buf_add_char(&data, '[');
		for (int i = 0; i < depth; i++)
			buf_add_char(&data, ']');
		buf_add_char(&data, '}');
		enum err code = move_as(t.a, ref, NULL, EVENT_STEP_COMPLETED, buf_cstr(&data), TASK_SAME, &e);
		assert_true(code == ERR_NONE || code == ERR_JSON);
		taken += code == ERR_NONE;
		move(t.b, ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
		buf_release(&data);
	}
	assert_true(taken > 0 && taken < 25);
	table_close(&t);
}

static void task_move__refuses_data_that_is_no_object_and_keeps_the_document(void **state)
{
	static const char *const bad[] = {"[1]", "{\"a\":}", "{\"a\":1}x", "{\"a\":1,}", "nonsense"};
	struct table t = table_open(4, 4);
	struct task_ref ref = create(t.a);
	struct error e;
	(void)state;
	move(t.a, ref, 0, NULL, TASK_PLANNING);
	char *before = doc_text(t.a, ref);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct task_event ev[] = {{EVENT_TASK_RESULT, SLICE_LIT("{\"result\":\"lost\"}")},
					  {EVENT_TASK_PENDING, slice_str(bad[i])}};
		struct task_change c = {.events = ev, .events_count = 2, .to = TASK_SAME};
		assert_int_equal(task_move(t.a, ref, &c, NULL, &e), ERR_JSON);
		struct task_change s = {.to = TASK_FAILED, .state_data = slice_str(bad[i])};
		assert_int_equal(task_move(t.a, ref, &s, NULL, &e), ERR_JSON);
	}
	char *after = doc_text(t.b, ref);
	assert_string_equal(before, after);
	/* nothing of the refused changes is left in the kept fold state */
	move(t.a, ref, EVENT_TOOL_STARTED, "{}", TASK_SAME);
	assert_doc_has(&t, ref, "\"result\":null");
	struct task_change c = {.to = TASK_FAILED, .state_data = SLICE_LIT("{ }")};
	assert_int_equal(task_move(t.a, ref, &c, NULL, &e), ERR_NONE);
	free(before);
	free(after);
	table_close(&t);
}

static void task_fold__tells_damage(void **state)
{
	static const char *const bad[] = {
		"id: 2\nevent: tool.started\ndata: {\"seq\":2,\"at\":\"2026-11-23T03:24:41.123Z\"}\n\n",
		"id: 1\nevent: tool.started\ndata: {\"seq\":1,\"at\":\"yesterday\"}\n\n",
		"id: 1\nevent: tool.started\ndata: {\"seq\":1\n\n",
		"garbage",
	};
	struct buf doc = BUF_INIT;
	struct error e;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(task_fold(slice_str(bad[i]), &doc, &e), ERR_INTERNAL);
	assert_int_equal(doc.len, 0);
	buf_release(&doc);
}

RUN_TESTS(cmocka_unit_test(doc_apply__folds_a_whole_run),
	  cmocka_unit_test(doc_apply__folds_with_and_without_a_tree),
	  cmocka_unit_test(doc_apply__usage_neither_shrinks_nor_wraps),
	  cmocka_unit_test(doc_apply__refuses_nesting_that_no_other_could_read_back),
	  cmocka_unit_test(task_move__refuses_data_that_is_no_object_and_keeps_the_document),
	  cmocka_unit_test(task_fold__tells_damage))
