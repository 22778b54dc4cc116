/* SPDX-License-Identifier: Apache-2.0 */
/* What single events say of a run that is being rebuilt. Nothing is sent or written meanwhile. */
#include "base/base.h"
#include "run_rig.h"

/* A run of one writing step, in which the model has asked for two calls of one id. */
static struct run *run_begin(struct world *w)
{
	task_create_as(w, "do it", "auto");
	assert_true(lease_next(w->other, &w->lease));
	event(w, 0, NULL, TASK_PLANNING);
	event(w, EVENT_PLAN_CREATED,
	      "{\"plan\":{\"version\":1,\"digest\":\"d\",\"goal\":\"g\",\"steps\":[" STEP("s1",
											  "write") "]}}",
	      TASK_RUNNING);
	store_proc_died(w->created, 0);
	agent_on_work(w->agent);
	struct run *r = w->agent->runs;
	assert_non_null(r);
	assert_int_equal(resume_pump(r), RESUME_DONE);
	return r;
}

static void replay(struct run *r, enum event_type type, const char *text)
{
	struct error e = {0};
	struct json *data = json_parse(text, strlen(text), 0, &e);
	if (data == NULL)
		fail_msg("%s: %s", text, e.msg);
	event_replay(r, type, data);
	json_free(data);
}

static struct exec *conversation(struct run *r)
{
	replay(r, EVENT_STEP_STARTED, "{\"step\":\"s1\"}");
	replay(r, EVENT_MODEL_COMPLETED,
	       "{\"step\":\"s1\",\"call\":\"c1\",\"stop\":\"tool\",\"calls\":[{\"id\":\"m\",\"name\":\"x__"
	       "a\","
	       "\"arguments\":\"{}\"},{\"id\":\"m\",\"name\":\"x__b\",\"arguments\":\"{}\"}]}");
	struct exec *x = r->steps[0].exec;
	assert_non_null(x);
	assert_int_equal(x->calls_count, 2);
	return x;
}

#define STARTED(call, tool, more)                                                          \
	"{\"seq\":9,\"at\":\"2026-01-02T03:04:05.006Z\",\"step\":\"s1\",\"call\":\"" call  \
	"\",\"model_call\":\"m\",\"server\":\"x\",\"tool\":\"" tool "\",\"arguments\":{}," \
	"\"read_only\":false" more "}"

static void event_replay__a_call_is_as_it_was_started(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_begin(&w);
	struct exec *x = conversation(r);
	struct exec_call *c = x->calls;
	replay(r, EVENT_TOOL_STARTED, STARTED("c2", "a", ",\"idempotent\":true"));
	assert_true(c->started && c->idempotent && !c->read_only && x->wrote);
	assert_string_equal(c->id, "c2");
	assert_string_equal(c->server, "x");
	assert_string_equal(c->server_tool, "a");
	assert_int_equal(c->seq, 9);
	assert_true(c->started_ms > 0);
	replay(r, EVENT_TOOL_UNSENT, "{\"step\":\"s1\",\"call\":\"c2\"}");
	assert_true(c->unsent);
	replay(r, EVENT_TOOL_REPEATED, "{\"seq\":12,\"step\":\"s1\",\"call\":\"c2\"}");
	assert_true(!c->unsent && !c->was_sent && c->repeats == 1 && c->seq == 12);
	replay(r, EVENT_TOOL_REPEATED, "{\"seq\":13,\"step\":\"s1\",\"call\":\"c2\"}");
	assert_true(c->was_sent);
	/* the other one of the same model id was refused: it never had a start */
	replay(r, EVENT_TOOL_FAILED,
	       "{\"step\":\"s1\",\"call\":\"c3\",\"model_call\":\"m\",\"error\":{\"message\":\"no\"}}");
	assert_int_equal(x->calls[1].state, CALL_DONE);
	assert_int_equal(c->state, CALL_WAITING);
	assert_int_equal(r->calls_named, 3);
	world_close(&w);
}

static void event_replay__a_word_counts_for_what_is_in_doubt(void **state)
{
	static const struct {
		const char *input;
		enum call_word word;
		const char *content;
	} cases[] = {
		{"{\"id\":\"c2\",\"action\":\"retry\"}", WORD_RETRY, ""},
		{"{\"id\":\"c2\",\"action\":\"completed\",\"content\":\"done\"}", WORD_COMPLETED, "done"},
		{"{\"id\":\"c2\",\"action\":\"completed\",\"content\":{\"a\":1}}", WORD_COMPLETED,
		 "{\"a\":1}"},
		{"{\"id\":\"c2\",\"action\":\"skip\",\"content\":null}", WORD_SKIP, ""},
		{"{\"id\":\"c2\",\"action\":\"fail\"}", WORD_FAIL, ""},
		{"{\"id\":\"c2\",\"action\":\"dance\"}", WORD_NONE, ""},
	};
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_begin(&w);
	struct exec_call *c = conversation(r)->calls;
	replay(r, EVENT_TOOL_STARTED, STARTED("c2", "a", ""));
	replay(r, EVENT_TASK_INPUT, cases[0].input); /* nobody asked */
	assert_int_equal(c->word, WORD_NONE);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		c->repeats = 0;
		replay(r, EVENT_STEP_IN_DOUBT, "{\"step\":\"s1\",\"call\":\"c2\"}");
		replay(r, EVENT_TASK_INPUT, "{\"id\":\"c9\",\"action\":\"skip\"}");
		assert_int_equal(c->word, WORD_NONE);
		replay(r, EVENT_TASK_INPUT, cases[i].input);
		assert_int_equal(c->word, cases[i].word);
		assert_string_equal(c->content, cases[i].content);
		replay(r, EVENT_TOOL_REPEATED, "{\"seq\":12,\"step\":\"s1\",\"call\":\"c2\"}");
		assert_true(c->word == WORD_NONE && !c->in_doubt);
	}
	/* an answer to the question before is none to this one */
	replay(r, EVENT_STEP_IN_DOUBT, "{\"step\":\"s1\",\"call\":\"c2\"}");
	replay(r, EVENT_TASK_INPUT, "{\"id\":\"c2\",\"action\":\"skip\"}");
	assert_int_equal(c->word, WORD_NONE);
	replay(r, EVENT_TASK_INPUT, "{\"id\":\"c2.2\",\"action\":\"skip\"}");
	assert_int_equal(c->word, WORD_SKIP);
	world_close(&w);
}

static void event_replay__the_highest_artifact_counts(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_begin(&w);
	replay(r, EVENT_TOOL_COMPLETED, "{\"step\":\"s0\",\"artifact\":{\"number\":7}}");
	replay(r, EVENT_TOOL_COMPLETED, "{\"step\":\"s0\",\"artifact\":{\"number\":3}}");
	replay(r, EVENT_TOOL_COMPLETED, "{\"step\":\"s0\",\"artifact\":{\"number\":99999999999}}");
	assert_int_equal(r->artifacts_named, 7);
	world_close(&w);
}

/* Also where a run began recorded and goes on otherwise, or the other way round. */
static void event_replay__no_call_gets_a_name_again(void **state)
{
	struct world w;
	char id[CALL_ID_SIZE];
	(void)state;
	world_open(&w, NULL, true);
	struct run *r = run_begin(&w);
	struct exec first = {.step = 0}, last = {.step = PLAN_STEPS_MAX - 1};
	replay(r, EVENT_MODEL_COMPLETED, "{\"step\":\"s0\",\"call\":\"c1000007\"}");
	replay(r, EVENT_MODEL_COMPLETED, "{\"step\":\"s0\",\"call\":\"c1000005\"}");
	replay(r, EVENT_MODEL_COMPLETED, "{\"step\":\"s0\",\"call\":\"c64000002\"}");
	replay(r, EVENT_MODEL_COMPLETED, "{\"step\":\"s0\",\"call\":\"c65000001\"}");
	replay(r, EVENT_MODEL_COMPLETED, "{\"call\":\"c9\"}");
	run_call_name(r, &first, id);
	assert_string_equal(id, "c10");
	r->agent->options.marks = "0123";
	run_call_name(r, &first, id);
	assert_string_equal(id, "c1000008");
	run_call_name(r, &last, id);
	assert_string_equal(id, "c64000003");
	run_call_name(r, NULL, id);
	assert_string_equal(id, "c11");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_replay__a_call_is_as_it_was_started),
		cmocka_unit_test(event_replay__a_word_counts_for_what_is_in_doubt),
		cmocka_unit_test(event_replay__the_highest_artifact_counts),
		cmocka_unit_test(event_replay__no_call_gets_a_name_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
