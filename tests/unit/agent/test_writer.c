/* SPDX-License-Identifier: Apache-2.0 */
/* The final answer: what the model is shown for it, and what happens when there is none. */
#include "base/base.h"
#include "run_rig.h"

static void writer__is_shown_every_result_and_failure(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP_AFTER("s1", "none", "", "skip") "," STEP_AFTER("s2", "none", "\"s1\"", "abort"));
	model_finish(&w, "failed", "disk on fire");
	model_finish(&w, "success", "forty-two");
	model_text(&w, "It is 42 [s2].");
	task_give(&w, "what is it");
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(doc, "result", ""),
			    "It is 42 [s2].\n\nNot completed:\n- [s1] title s1: disk on fire");
	assert_says(model_shown(&w, 3), "disk on fire");
	assert_says(model_shown(&w, 3), "forty-two");
	assert_says(model_shown(&w, 3), "The answer should be: a line");
	assert_silent(model_shown(&w, 3), "\"tools\"");
	json_free(doc);
	world_close(&w);
}

static void writer__without_an_answer_the_results_stay(void **state)
{
	static const char *const answers[] = {
		"{\"role\":\"assistant\",\"content\":\"\"}",
		"{\"role\":\"assistant\",\"content\":null,\"refusal\":\"No.\"}"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		struct world w;
		world_open(&w, NULL, false);
		model_plan(&w, STEP("s1", "none"));
		model_finish(&w, "success", "forty-two");
		model_message(&w, answers[i], "stop");
		task_give(&w, "what is it");
		struct json *doc = task_end(&w);
		assert_string_equal(json_get_text(doc, "status", ""), "failed");
		const struct json *step = json_at(json_get(json_get(doc, "plan"), "steps"), 0);
		assert_string_equal(json_get_text(step, "result", ""), "forty-two");
		json_free(doc);
		world_close(&w);
	}
}

static const char gone[] = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n";

/* What was finished is not lost with the model that should sum it up. */
static void writer__a_model_that_cannot_be_asked_leaves_what_was_found(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none") "," STEP_AFTER("s2", "none", "\"s1\"", "skip"));
	model_finish(&w, "success", "forty-two");
	model_finish(&w, "failed", "disk on fire");
	model_raw(&w, xstrdup(gone));
	task_give(&w, "what is it");
	struct json *doc = task_end(&w);
	const char *result = json_get_text(doc, "result", "");
	assert_string_equal(json_get_text(doc, "status", ""), "completed");
	assert_says(result, "The model that writes the answer could not be asked (");
	assert_says(result, "404");
	assert_says(result, "[s1] title s1: forty-two");
	assert_says(result, "1 of 2 steps were finished.");
	assert_says(result, "Not completed:\n- [s2] title s2: disk on fire");
	assert_int_equal(events_count(&w, EVENT_MODEL_FAILED), 1);
	json_free(doc);
	world_close(&w);
}

static void writer__citations_of_no_step_are_put_right_once(void **state)
{
	struct world w;
	(void)state;
	for (int good = 0; good < 2; good++) {
		world_open(&w, NULL, false);
		model_plan(&w, STEP("s1", "none"));
		model_finish(&w, "success", "forty-two");
		model_text(&w, "It is 42 [s7].");
		model_text(&w, good ? "It is 42 [s1]." : "It is 42 [s7] and [s8].");
		task_give(&w, "what is it");
		struct json *doc = task_end(&w);
		assert_says(model_shown(&w, 3), "cites s7, and there is no such step");
		assert_says(model_shown(&w, 3), "It is 42 [s7].");
		assert_string_equal(
			json_get_text(doc, "result", ""),
			good ? "It is 42 [s1]."
			     : "It is 42 [s7] and [s8].\n\nNote: there is no step s7, s8; what is said of "
			       "it rests on nothing.");
		json_free(doc);
		world_close(&w);
	}
}

/* An answer that was cut off says so: by its bound, by a filter. */
static void writer__an_answer_that_is_cut_says_so(void **state)
{
	static const char *const reasons[][2] = {{"length", "at the most output that a model call may have."},
						 {"content_filter", "a content filter of the model server"}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(reasons); i++) {
		struct world w;
		world_open(&w, NULL, false);
		model_plan(&w, STEP("s1", "none"));
		model_finish(&w, "success", "forty-two");
		model_message(&w, "{\"role\":\"assistant\",\"content\":\"It is [s1] for\"}", reasons[i][0]);
		task_give(&w, "what is it");
		struct json *doc = task_end(&w);
		assert_says(json_get_text(doc, "result", ""),
			    "It is [s1] for\n\nNote: this answer is not whole: ");
		assert_says(json_get_text(doc, "result", ""), reasons[i][1]);
		json_free(doc);
		world_close(&w);
	}
}

static const char number_schema[] =
	"{\"type\":\"object\",\"required\":[\"n\"],\"additionalProperties\":false,"
	"\"properties\":{\"n\":{\"type\":\"integer\"}}}";

/* A task whose result follows a schema. */
static void task_give_schema(struct world *w, const char *schema)
{
	char text[ID_TEXT_SIZE];
	struct id id;
	struct error e = {0};
	id_new(&id);
	id_format(&id, text);
	char *created =
		xasprintf("{\"task_id\":\"%s\",\"prompt\":\"p\",\"approval\":\"auto\",\"metadata\":{},"
			  "\"output_schema\":%s}",
			  text, schema);
	if (task_create(w->other, &id, slice_str(created), &w->ref, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	free(created);
	agent_on_work(w->agent);
}

static void writer__a_result_that_follows_a_schema(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP_AFTER("s1", "none", "", "skip") "," STEP("s2", "none"));
	model_finish(&w, "failed", "no");
	model_finish(&w, "success", "forty-two");
	model_text(&w, "It is 42 [s7].");
	model_text(&w, "```json\n{\"n\": 42}\n```");
	task_give_schema(&w, number_schema);
	struct json *doc = task_end(&w);
	assert_int_equal(json_get_integer(json_get(doc, "result"), "n", 0), 42);
	assert_non_null(json_get(doc, "output_schema"));
	assert_says(model_shown(&w, 3), "\"json_schema\"");
	assert_says(model_shown(&w, 3), "It must be valid by this JSON Schema");
	assert_says(model_shown(&w, 4), "the answer does not follow the output schema");
	json_free(doc);
	world_close(&w);
}

/* Nor is there anything in place of JSON. */
static void writer__no_model_no_json(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none"));
	model_finish(&w, "success", "forty-two");
	model_raw(&w, xstrdup(gone));
	task_give_schema(&w, number_schema);
	assert_ended(&w, "failed", "404");
	world_close(&w);
}

static void writer__a_result_that_does_not_follow_it_is_none(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_plan(&w, STEP("s1", "none"));
	model_finish(&w, "success", "forty-two");
	model_text(&w, "{\"n\":\"42\"}");
	model_text(&w, "{\"n\":true}");
	task_give_schema(&w, number_schema);
	struct json *doc = task_end(&w);
	assert_string_equal(json_get_text(json_get(doc, "error"), "code", ""), "output-invalid");
	assert_says(json_get_text(json_get(doc, "error"), "message", ""), "/n");
	assert_string_equal(json_get_text(json_at(json_get(json_get(doc, "plan"), "steps"), 0), "result", ""),
			    "forty-two");
	json_free(doc);
	world_close(&w);
}

/* Not every schema is one that providers take as strict: then it stands in the prompt alone. A plan without
 * steps has such a result, too. */
static void writer__a_schema_no_provider_takes_and_nothing_to_do(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, false);
	model_text(&w, "{\"steps\":[],\"final_output\":\"Four.\"}");
	model_text(&w, "[4]");
	task_give_schema(&w, "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":1}}");
	struct json *doc = task_end(&w);
	assert_int_equal(json_count(json_get(doc, "result")), 1);
	assert_silent(model_shown(&w, 1), "\"response_format\"");
	assert_says(model_shown(&w, 1), "Four.");
	json_free(doc);
	world_close(&w);
}

static void writer__offline_writes_text_only(void **state)
{
	struct world w;
	(void)state;
	world_open(&w, NULL, true);
	task_give_schema(&w, number_schema);
	assert_ended(&w, "failed", "needs a language model");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer__is_shown_every_result_and_failure),
		cmocka_unit_test(writer__without_an_answer_the_results_stay),
		cmocka_unit_test(writer__citations_of_no_step_are_put_right_once),
		cmocka_unit_test(writer__a_result_that_follows_a_schema),
		cmocka_unit_test(writer__a_result_that_does_not_follow_it_is_none),
		cmocka_unit_test(writer__a_schema_no_provider_takes_and_nothing_to_do),
		cmocka_unit_test(writer__offline_writes_text_only),
		cmocka_unit_test(writer__a_model_that_cannot_be_asked_leaves_what_was_found),
		cmocka_unit_test(writer__no_model_no_json),
		cmocka_unit_test(writer__an_answer_that_is_cut_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
