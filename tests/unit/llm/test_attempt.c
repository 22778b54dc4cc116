/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts of a call: streaming, how answers end, what is tried again and what is not. */
#include "llm/llm.h"
#include "call_world.h"

static void llm_call__streams_text_as_it_comes(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("one ") "\x01" TEXT("tw") "\x01" TEXT("o") FINISH "\x01" DONE, SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_NONE);
	assert_string_equal(h.turn_text, "one two");
	assert_string_equal(buf_cstr(&h.text), "one two");
	assert_true(h.deltas >= 2);
	heard_release(&h);
}

static void llm_call__ends_well_when_the_connection_breaks_after_the_end(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" TEXT("fine") FINISH, SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_NONE);
	assert_string_equal(h.turn_text, "fine");
	heard_release(&h);
}

static void llm_call__does_not_wait_for_the_close_after_done(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{OK_HEAD TEXT("fine") FINISH DONE, SCRIPT_KEEP}};
	int64_t start = clock_mono_ms();
	struct heard h = call_once(replies, 1, 1);
	assert_string_equal(h.turn_text, "fine");
	assert_true(clock_mono_ms() - start < 1000);
	heard_release(&h);
}

static void llm_call__fails_a_stream_cut_after_its_first_text(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" TEXT("par") "\x01" TEXT("t"),
		 SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1); /* no second request: text was passed on */
	assert_int_equal(h.e.code, ERR_LOST);
	assert_non_null(strstr(h.e.msg, "127.0.0.1"));
	assert_int_equal(h.retries, 0);
	heard_release(&h);
}

static void llm_call__tries_again_when_cut_before_any_text(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD ": processing\n\n", SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
	};
	struct heard h = call_once(replies, 2, 2);
	assert_string_equal(h.turn_text, "fine");
	assert_int_equal(h.retries, 1);
	assert_int_equal(h.why.code, ERR_LOST);
	assert_in_range(h.wait_ms, 375, 500);
	heard_release(&h);
}

/* Whoever pays says of each further attempt whether it may be made, and knows which may have cost something.
 */
static void llm_call__asks_before_it_tries_again(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("500 Internal Server Error") SOON "\r\n{}", SCRIPT_CLOSE},
		{OK_HEAD ": processing\n\n", SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
	};
	struct world w;
	struct heard h = call_once(replies, 3, 3), stopped = {.no_repeats = true};
	assert_int_equal(h.retries, 2);
	assert_int_equal(h.repeats, 2);
	assert_int_equal(h.repeats_paid, 1);
	heard_release(&h);
	world_open(&w, replies, 1);
	call_start(&w, &stopped);
	turn_until(&w, &stopped.ends, 1);
	assert_int_equal(stopped.retries, 0);
	assert_non_null(strstr(stopped.e.msg, "status 500"));
	heard_release(&stopped);
	world_close(&w);
}

static void llm_call__obeys_retry_after(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("429 Too Many Requests") "Retry-After: 0.05\r\n\r\n"
						   "{\"error\":{\"message\":\"slow\",\"code\":\"rate_limit_"
						   "exceeded\"}}",
		 SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
	};
	struct heard h = call_once(replies, 2, 2);
	assert_string_equal(h.turn_text, "fine");
	assert_int_equal(h.retries, 1);
	assert_int_equal(h.wait_ms, 50);
	assert_int_equal(h.why.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(h.why.msg, "slow"));
	heard_release(&h);
}

static void llm_call__refuses_a_retry_after_over_the_limit(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("429 Too Many Requests") "Retry-After: 3600\r\n\r\n{}", SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(h.e.msg, "3600 s"));
	assert_non_null(strstr(h.e.msg, "llm.retry_wait_seconds"));
	heard_release(&h);
}

static void llm_call__survives_two_failures_of_the_server(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("500 Internal Server Error") SOON "\r\n{}", SCRIPT_CLOSE},
		{ERR_HEAD("500 Internal Server Error") SOON "\r\n{}", SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
	};
	struct heard h = call_once(replies, 3, 3);
	assert_string_equal(h.turn_text, "fine");
	assert_int_equal(h.retries, 2);
	heard_release(&h);
}

static void llm_call__gives_up_after_the_last_attempt(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("503 Busy") SOON "\r\n", SCRIPT_CLOSE},
		{ERR_HEAD("503 Busy") SOON "\r\n", SCRIPT_CLOSE},
		{ERR_HEAD("503 Busy") SOON "\r\n<html>", SCRIPT_CLOSE},
	};
	struct heard h = call_once(replies, 3, 3);
	assert_int_equal(h.e.code, ERR_UPSTREAM);
	assert_non_null(strstr(h.e.msg, "gave up after 3 attempts"));
	assert_non_null(strstr(h.e.msg, "503"));
	heard_release(&h);
}

static void llm_call__never_tries_again_without_money(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("429 Too Many Requests") SOON
		 "X-Should-Retry: true\r\n\r\n"
		 "{\"error\":{\"message\":\"You exceeded your quota\",\"type\":\"insufficient_quota\"}}",
		 SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_BUDGET);
	assert_int_equal(h.retries, 0);
	heard_release(&h);
}

static void llm_call__hides_a_key_the_server_echoes(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{ERR_HEAD("401 Unauthorized") "\r\n{\"error\":{\"message\":\"Incorrect API key: "
					      "sk-secret-key-1.\"}}",
		 SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1); /* looks for the key in the message */
	assert_int_equal(h.e.code, ERR_CONFIG);
	assert_non_null(strstr(h.e.msg, "openai.api_key"));
	heard_release(&h);
}

static void llm_call__hides_a_key_in_what_is_no_answer(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD "you sent: Bearer sk-secret-key-1", SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1); /* looks for the key in the message */
	assert_int_equal(h.e.code, ERR_UPSTREAM);
	assert_non_null(strstr(h.e.msg, "you sent"));
	heard_release(&h);
}

static void llm_call__reports_an_error_after_200(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("x") "\x01"
				   "data: {\"error\":{\"message\":\"backend fell over\",\"code\":502}}\n\n",
		 SCRIPT_CLOSE}};
	struct heard h = call_once(replies, 1, 1);
	assert_int_equal(h.e.code, ERR_UPSTREAM);
	assert_non_null(strstr(h.e.msg, "backend fell over"));
	heard_release(&h);
}

static void llm_call__asks_without_a_format_the_server_refuses(void **state)
{
	(void)state;
#define REFUSED(why) ERR_HEAD("400 Bad Request") "\r\n{\"error\":{\"message\":\"" why "\"}}"
	static const struct script_reply replies[] = {
		{REFUSED("response_format json_schema is unavailable now"), SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
		{REFUSED("response_format must be text"), SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
		{REFUSED("response_format? what response_format"), SCRIPT_CLOSE},
	};
	static const char *const asked[] = {"\"json_schema\"", NULL, "\"json_object\"", NULL, NULL, NULL};
	struct world w;
	world_open(&w, replies, COUNT_OF(replies));
	/* schema, then none; object, then none; none from then on, and nothing left to drop */
	for (int call = 0; call < 4; call++) {
		struct heard h = {.schema = "{\"type\":\"object\"}"};
		call_start(&w, &h);
		turn_until(&w, &h.ends, 1);
		assert_int_equal(h.e.code, call < 3 ? ERR_NONE : ERR_UPSTREAM);
		assert_int_equal(h.retries, call < 2 ? 1 : 0);
		heard_release(&h);
	}
	assert_int_equal(w.server->requests_count, COUNT_OF(replies));
	for (size_t i = 0; i < COUNT_OF(asked); i++) {
		const char *format = strstr(w.server->requests[i], "\"response_format\"");
		assert_true((format != NULL) == (asked[i] != NULL));
		if (format != NULL)
			assert_non_null(strstr(format, asked[i]));
	}
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_call__streams_text_as_it_comes),
		cmocka_unit_test(llm_call__ends_well_when_the_connection_breaks_after_the_end),
		cmocka_unit_test(llm_call__does_not_wait_for_the_close_after_done),
		cmocka_unit_test(llm_call__fails_a_stream_cut_after_its_first_text),
		cmocka_unit_test(llm_call__tries_again_when_cut_before_any_text),
		cmocka_unit_test(llm_call__asks_before_it_tries_again),
		cmocka_unit_test(llm_call__obeys_retry_after),
		cmocka_unit_test(llm_call__refuses_a_retry_after_over_the_limit),
		cmocka_unit_test(llm_call__survives_two_failures_of_the_server),
		cmocka_unit_test(llm_call__gives_up_after_the_last_attempt),
		cmocka_unit_test(llm_call__never_tries_again_without_money),
		cmocka_unit_test(llm_call__asks_without_a_format_the_server_refuses),
		cmocka_unit_test(llm_call__hides_a_key_the_server_echoes),
		cmocka_unit_test(llm_call__hides_a_key_in_what_is_no_answer),
		cmocka_unit_test(llm_call__reports_an_error_after_200),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
