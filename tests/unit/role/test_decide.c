/* SPDX-License-Identifier: Apache-2.0 */
/* What a person types about what a task waits for. */
#include "role/role_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define DOUBT    "{\"id\":\"c1\",\"arguments\":{},\"actions\":[\"retry\",\"completed\",\"skip\",\"fail\"]}"
#define APPROVAL "{\"id\":\"c2\",\"arguments\":{\"a\":1},\"actions\":[\"approve\",\"deny\"]}"
#define STEP     "{\"id\":\"s1.v1\",\"actions\":[\"approve\",\"skip\",\"fail\"]}"
#define FORM     "{\"id\":\"e1\",\"schema\":{},\"actions\":[\"accept\",\"decline\",\"cancel\"]}"

static void asks(const char *pending, const char *expected)
{
	struct json *j = json_parse(pending, strlen(pending), 0, NULL);
	struct buf out = BUF_INIT;
	decide_question(j, &out);
	assert_string_equal(buf_cstr(&out), expected);
	buf_release(&out);
	json_free(j);
}

static void decides(const char *pending, const char *answer, const char *expected)
{
	struct json *j = json_parse(pending, strlen(pending), 0, NULL);
	struct buf body = BUF_INIT;
	bool good = decide_parse(j, answer, &body);
	assert_int_equal(good, expected != NULL);
	if (good)
		assert_string_equal(buf_cstr(&body), expected);
	buf_release(&body);
	json_free(j);
}

static void decide_question__names_the_actions(void **state)
{
	(void)state;
	asks(DOUBT, "[r]etry, [c]ompleted and what its result was, [s]kip or [f]ail: ");
	asks(APPROVAL, "[a]pprove (other arguments behind it, as JSON) or [d]eny: ");
	asks(STEP, "[a]pprove, [s]kip or [f]ail: ");
	asks(FORM, "[a]ccept and what is filled in, as JSON, [d]ecline or [c]ancel: ");
}

static void decide_parse__takes_words_and_their_beginnings(void **state)
{
	(void)state;
	decides(DOUBT, "r", "{\"id\":\"c1\",\"action\":\"retry\"}");
	decides(DOUBT, "Completed  it is 7",
		"{\"id\":\"c1\",\"action\":\"completed\",\"content\":\"it is 7\"}");
	decides(DOUBT, "skip", "{\"id\":\"c1\",\"action\":\"skip\"}");
	decides(APPROVAL, "a", "{\"id\":\"c2\",\"action\":\"approve\"}");
	decides(APPROVAL, "a {\"a\":2}", "{\"id\":\"c2\",\"action\":\"approve\",\"arguments\":{\"a\":2}}");
	decides(APPROVAL, "deny not now", "{\"id\":\"c2\",\"action\":\"deny\",\"content\":\"not now\"}");
	decides(STEP, "approve", "{\"id\":\"s1.v1\",\"action\":\"approve\"}");
	decides(FORM, "a", "{\"id\":\"e1\",\"action\":\"accept\",\"content\":{}}");
	decides(FORM, "acc {\"n\":1}", "{\"id\":\"e1\",\"action\":\"accept\",\"content\":{\"n\":1}}");
	decides(FORM, "c", "{\"id\":\"e1\",\"action\":\"cancel\"}");
}

static void decide_parse__does_nothing_by_a_slip(void **state)
{
	(void)state;
	decides(DOUBT, "", NULL);
	decides(DOUBT, "c", NULL);
	decides(DOUBT, "retry now", NULL);
	decides(DOUBT, "yes", NULL);
	decides(DOUBT, "retryy", NULL);
	decides(APPROVAL, "a {\"a\":", NULL);
	decides(APPROVAL, "a [1]", NULL);
	decides(FORM, "accept 7", NULL);
	decides("{\"id\":\"x\",\"actions\":[\"skip\",\"stop\"]}", "s", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decide_question__names_the_actions),
		cmocka_unit_test(decide_parse__takes_words_and_their_beginnings),
		cmocka_unit_test(decide_parse__does_nothing_by_a_slip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
