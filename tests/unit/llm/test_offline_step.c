/* SPDX-License-Identifier: Apache-2.0 */
/* One turn of one step: calls, choices, failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/llm/test_offline_tools.h"

struct turn_of {
	char name[64];
	struct json *arguments;
};

struct scene {
	const char *step; /* the step's JSON */
	struct llm_result_of results[2];
	size_t results_count;
	struct llm_message messages[8];
	struct llm_tool_call calls[4];
	size_t messages_count;
	const char *force;
};

static void scene_answer(struct scene *s, const char *tool, const char *arguments, const char *text)
{
	size_t n = s->messages_count / 2;
	s->calls[n] = (struct llm_tool_call){.id = n == 0   ? "call_0"
						   : n == 1 ? "call_1"
							    : "call_2",
					     .name = tool,
					     .arguments = arguments};
	s->messages[s->messages_count++] =
		(struct llm_message){.speaker = LLM_ASSISTANT, .calls = &s->calls[n], .calls_count = 1};
	s->messages[s->messages_count++] = (struct llm_message){.speaker = LLM_TOOL,
								.tool_call_id = s->calls[n].id,
								.text = text,
								.is_error = strncmp(text, "Error: ", 7) == 0};
}

static struct turn_of scene_turn(const struct scene *s)
{
	struct offer o;
	struct llm_turn_buf buf;
	struct turn_of out;
	char *text = xasprintf("{\"steps\":[%s]}", s->step);
	struct json *plan = json_parse(text, strlen(text), 0, NULL);
	assert_non_null(plan);
	offer_filesystem(&o);
	struct llm_context c = {.goal = "Read a file",
				.plan = plan,
				.step_id = "s3",
				.results = s->results,
				.results_count = s->results_count};
	struct llm_request r = {.role = LLM_EXECUTOR,
				.tools = o.tools,
				.tools_count = o.count,
				.messages = s->messages,
				.messages_count = s->messages_count,
				.context = &c,
				.force_tool = s->force};
	turn_buf_init(&buf);
	assert_int_equal(llm_offline_answer(&r, &buf, NULL), ERR_NONE);
	const struct llm_turn *t = turn_buf_view(&buf);
	assert_int_equal(t->calls_count, 1);
	snprintf(out.name, sizeof out.name, "%s", t->calls[0].name);
	out.arguments = json_parse(t->calls[0].arguments, strlen(t->calls[0].arguments), 0, NULL);
	assert_non_null(out.arguments);
	turn_buf_release(&buf);
	offer_release(&o);
	json_free(plan);
	free(text);
	return out;
}

static void assert_turn(const struct scene *s, const char *name, const char *member, const char *part)
{
	struct turn_of t = scene_turn(s);
	const char *text = json_get_text(t.arguments, member, "(none)");
	if (strcmp(t.name, name) != 0 || strstr(text, part) == NULL)
		fail_msg("%s(%s=%s), expected %s(%s has %s)", t.name, member, text, name, member, part);
	json_free(t.arguments);
}

#define READ(inputs) "{\"id\":\"s3\",\"tool_hints\":[\"files__read_text_file\"],\"inputs\":[" inputs "]}"
#define LITERAL      READ("{\"name\":\"path\",\"from_step\":null,\"literal\":\"notes.md\"}")
#define CHOSEN                                                            \
	READ("{\"name\":\"path\",\"from_step\":\"s2\",\"literal\":null}," \
	     "{\"name\":\"in_directory\",\"from_step\":\"s1\",\"literal\":null}")
#define RESULTS(listing) \
	.results = {{"s1", "", "Allowed directories:\n/srv/data"}, {"s2", "", listing}}, .results_count = 2

static void step__calls_then_hands_over(void **state)
{
	struct scene s = {.step = LITERAL};
	(void)state;
	assert_turn(&s, "files__read_text_file", "path", "notes.md");
	scene_answer(&s, "files__read_text_file", "{\"path\":\"notes.md\"}", "the text");
	assert_turn(&s, "finish_step", "status", "success");
	assert_turn(&s, "finish_step", "result", "the text");
}

static void step__chooses_from_a_listing(void **state)
{
	struct scene s = {.step = CHOSEN, RESULTS("[FILE] b.md\n[FILE] README.md")};
	(void)state;
	assert_turn(&s, "files__read_text_file", "path", "/srv/data/README.md");
	scene_answer(&s, "files__read_text_file", "{\"path\":\"/srv/data/README.md\"}", "the text");
	assert_turn(&s, "finish_step", "result",
		    CHOSEN_PREFIX "/srv/data/README.md (of 2 entries: a README comes first)\n\nthe text");
}

static void step__fails_with_the_listing_when_no_file_is_text(void **state)
{
	struct scene s = {.step = CHOSEN, RESULTS("[FILE] a.png\n[FILE] b.zip")};
	(void)state;
	assert_turn(&s, "finish_step", "status", "failed");
	assert_turn(&s, "finish_step", "result", "[FILE] a.png\n[FILE] b.zip");
}

static void step__looks_one_level_down_and_no_further(void **state)
{
	struct scene s = {.step = CHOSEN, RESULTS("[DIR] z\n[DIR] docs\n[FILE] a.png")}, none;
	(void)state;
	assert_turn(&s, "files__list_directory", "path", "/srv/data/docs");
	none = s;
	scene_answer(&s, "files__list_directory", "{\"path\":\"/srv/data/docs\"}", "[FILE] guide.md");
	assert_turn(&s, "files__read_text_file", "path", "/srv/data/docs/guide.md");
	scene_answer(&s, "files__read_text_file", "{\"path\":\"/srv/data/docs/guide.md\"}", "the guide");
	assert_turn(&s, "finish_step", "result",
		    "/srv/data/docs/guide.md (of 1 entry: it is the only text file)\n\nthe guide");
	scene_answer(&none, "files__list_directory", "{\"path\":\"/srv/data/docs\"}", "[DIR] deeper");
	assert_turn(&none, "finish_step", "status", "failed");
}

static void step__fails_with_the_tools_error(void **state)
{
	struct scene s = {.step = READ("{\"name\":\"path\",\"from_step\":null,\"literal\":\"/nope.md\"}")};
	(void)state;
	scene_answer(&s, "files__read_text_file", "{\"path\":\"/nope.md\"}", "Error: Access denied");
	assert_turn(&s, "finish_step", "status", "failed");
	assert_turn(&s, "finish_step", "result", "Access denied");
}

static void step__tries_a_relative_path_below_the_root(void **state)
{
	struct scene s = {.step = LITERAL};
	(void)state;
	scene_answer(&s, "files__read_text_file", "{\"path\":\"notes.md\"}", "Error: ENOENT");
	assert_turn(&s, "files__list_allowed_directories", "path", "(none)");
	scene_answer(&s, "files__list_allowed_directories", "{}", "Allowed directories:\n/srv/data");
	assert_turn(&s, "files__read_text_file", "path", "/srv/data/notes.md");
	scene_answer(&s, "files__read_text_file", "{\"path\":\"/srv/data/notes.md\"}", "Error: ENOENT again");
	assert_turn(&s, "finish_step", "result", "ENOENT again");
}

static void step__refuses_a_writing_tool(void **state)
{
	struct scene s = {.step = "{\"id\":\"s3\",\"tool_hints\":[\"files__write_file\"],\"inputs\":[]}"};
	(void)state;
	assert_turn(&s, "finish_step", "result", "not marked read-only");
}

static void step__transforms_at_once(void **state)
{
	struct scene s = {.step = "{\"id\":\"s3\",\"tool_hints\":[],\"inputs\":["
				  "{\"name\":\"operation\",\"from_step\":null,\"literal\":\"count\"},"
				  "{\"name\":\"unit\",\"from_step\":null,\"literal\":\"lines\"},"
				  "{\"name\":\"text\",\"from_step\":\"s1\",\"literal\":null}]}",
			  .results = {{"s1", "", CHOSEN_PREFIX "/a/b.md (of 3 entries: why)\n\none\ntwo\n"}},
			  .results_count = 1};
	(void)state;
	assert_turn(&s, "finish_step", "result", "/a/b.md (of 3 entries: why) has 2 lines.");
}

static void step__fails_what_it_cannot_do(void **state)
{
	struct scene s = {.step = "{\"id\":\"s3\",\"tool_hints\":[],\"inputs\":[]}"},
		     other = {.step = "{\"id\":\"s9\"}"};
	(void)state;
	assert_turn(&s, "finish_step", "result", "offline rules, no language model");
	assert_turn(&other, "finish_step", "status", "failed");
	struct scene gone = {.step = CHOSEN};
	assert_turn(&gone, "finish_step", "result", "The result of s2 is missing.");
}

static void step__ends_when_it_must(void **state)
{
	struct scene s = {.step = LITERAL, .force = "finish_step"};
	(void)state;
	assert_turn(&s, "finish_step", "status", "failed");
}

static void step__cuts_what_does_not_fit(void **state)
{
	struct scene s = {.step = LITERAL};
	char *big = xmalloc(1 << 20);
	(void)state;
	memset(big, '"', (1 << 20) - 1);
	big[(1 << 20) - 1] = '\0';
	scene_answer(&s, "files__read_text_file", "{\"path\":\"notes.md\"}", big);
	assert_turn(&s, "finish_step", "result", " bytes left out ...]");
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(step__calls_then_hands_over),
		cmocka_unit_test(step__chooses_from_a_listing),
		cmocka_unit_test(step__fails_with_the_listing_when_no_file_is_text),
		cmocka_unit_test(step__looks_one_level_down_and_no_further),
		cmocka_unit_test(step__fails_with_the_tools_error),
		cmocka_unit_test(step__tries_a_relative_path_below_the_root),
		cmocka_unit_test(step__refuses_a_writing_tool),
		cmocka_unit_test(step__transforms_at_once),
		cmocka_unit_test(step__fails_what_it_cannot_do),
		cmocka_unit_test(step__ends_when_it_must),
		cmocka_unit_test(step__cuts_what_does_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
