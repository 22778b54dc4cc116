/* SPDX-License-Identifier: Apache-2.0 */
/* Calls from start to their one end: the queue, deadlines, cancelling at any time. */
#include "llm/llm.h"
#include "call_world.h"

static void llm_call__ends_at_its_deadline(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{"", SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	struct llm_options o = options_of(w.url);
	o.call_ms_max = 30;
	world_options(&w, o);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_TIMEOUT);
	assert_non_null(strstr(h.e.msg, "llm.call_seconds"));
	world_close(&w);
	heard_release(&h);
}

static void llm_call__can_be_cancelled_in_the_middle(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {{OK_HEAD TEXT("x"), SCRIPT_KEEP}};
	struct world w;
	struct heard h = {0};
	world_open(&w, replies, 1);
	call_start(&w, &h);
	turn_until(&w, &h.deltas, 1);
	llm_call_cancel(h.call);
	int64_t end = clock_mono_ms() + PATIENCE_MS;
	while (w.server->conns_closed == 0 && clock_mono_ms() < end)
		loop_turn(w.loop, 50);
	assert_int_equal(w.server->conns_closed, 1); /* the server can stop generating */
	assert_int_equal(h.ends, 0);
	world_close(&w);
	heard_release(&h);
}

static void llm_call__can_be_cancelled_from_its_own_functions(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("x") FINISH DONE, SCRIPT_CLOSE},
		{ERR_HEAD("500 No") SOON "\r\n", SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
	};
	struct world w;
	struct heard in_delta = {.cancel_on_delta = true}, in_retry = {.cancel_on_retry = true};
	struct heard in_end = {.cancel_on_end = true, .free_on_end = true};
	world_open(&w, replies, 3);
	call_start(&w, &in_delta);
	turn_until(&w, &in_delta.deltas, 1);
	call_start(&w, &in_retry);
	turn_until(&w, &in_retry.retries, 1);
	call_start(&w, &in_end);
	turn_until(&w, &in_end.ends, 1);
	loop_turn(w.loop, 0);
	assert_int_equal(in_delta.ends, 0);
	assert_int_equal(in_retry.ends, 0);
	assert_int_equal(in_end.ends, 1);
	world_close(&w);
	heard_release(&in_delta);
	heard_release(&in_retry);
	heard_release(&in_end);
}

static void llm_call__can_be_cancelled_before_and_after_it_ran(void **state)
{
	(void)state;
	struct world w;
	struct heard h = {0};
	world_open(&w, NULL, 0);
	call_start(&w, &h);
	llm_call_cancel(h.call);
	struct llm_options o = options_of(w.url);
	o.api_key = "two words";
	world_options(&w, o);
	call_start(&w, &h); /* is over at once, on_end is due */
	llm_call_cancel(h.call);
	for (int i = 0; i < 3; i++)
		loop_turn(w.loop, 0);
	assert_int_equal(h.ends, 0);
	world_close(&w);
	heard_release(&h);
}

static void llm_call__refuses_a_key_that_is_no_header(void **state)
{
	(void)state;
	struct world w;
	struct heard h = {0};
	world_open(&w, NULL, 0);
	struct llm_options o = options_of(w.url);
	o.api_key = "sk-secret\r\nX-Evil: 1";
	world_options(&w, o);
	call_start(&w, &h);
	turn_until(&w, &h.ends, 1);
	assert_int_equal(h.e.code, ERR_CONFIG);
	assert_null(strstr(h.e.msg, "sk-secret"));
	world_close(&w);
	heard_release(&h);
}

static void llm_call__waits_for_a_place_in_order(void **state)
{
	(void)state;
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("first") "\x01\x01\x01" FINISH DONE, SCRIPT_CLOSE},
		{OK_HEAD TEXT("second") FINISH DONE, SCRIPT_CLOSE},
		{OK_HEAD TEXT("third") FINISH DONE, SCRIPT_CLOSE},
	};
	struct world w;
	struct heard h[4] = {0};
	world_open(&w, replies, 3);
	struct llm_options o = options_of(w.url);
	o.concurrency_max = 1;
	world_options(&w, o);
	for (int i = 0; i < 4; i++)
		call_start(&w, &h[i]);
	llm_call_cancel(h[1].call); /* one that waits may leave */
	turn_until(&w, &h[0].deltas, 1);
	assert_int_equal(w.server->requests_count, 1);
	turn_until(&w, &h[3].ends, 1);
	assert_string_equal(h[0].turn_text, "first");
	assert_int_equal(h[1].ends, 0);
	assert_string_equal(h[2].turn_text, "second");
	assert_string_equal(h[3].turn_text, "third");
	world_close(&w);
	for (int i = 0; i < 4; i++)
		heard_release(&h[i]);
}

static void llm_call__gives_an_offline_answer_from_the_loop(void **state)
{
	(void)state;
	struct world w;
	struct heard h[2] = {0};
	world_open(&w, NULL, 0);
	world_options(&w, (struct llm_options){.api = LLM_OFFLINE});
	h[1].cancel_on_delta = true;
	for (int i = 0; i < 2; i++) {
		static const struct llm_message messages[] = {{.speaker = LLM_USER, .text = "hello"}};
		const struct llm_result_of results[] = {
			{"s1", "Read the file", "A file about cats. It is short."}};
		const struct llm_context context = {
			.goal = "Summarize cats.txt", .results = results, .results_count = 1};
		struct llm_request r = {
			.role = LLM_WRITER, .messages = messages, .messages_count = 1, .context = &context};
		struct llm_handler handler = {.on_delta = on_delta, .on_end = on_end, .arg = &h[i]};
		h[i].w = &w;
		h[i].call = llm_call_start(w.llm, &r, handler);
		assert_int_equal(h[i].deltas + h[i].ends, 0);
	}
	turn_until(&w, &h[0].ends, 1);
	loop_turn(w.loop, 0);
	assert_int_equal(h[0].e.code, ERR_NONE);
	assert_int_equal(h[0].deltas, 1);
	assert_string_equal(buf_cstr(&h[0].text), h[0].turn_text);
	assert_int_equal(h[1].deltas, 1);
	assert_int_equal(h[1].ends, 0);
	world_close(&w);
	heard_release(&h[0]);
	heard_release(&h[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(llm_call__ends_at_its_deadline),
		cmocka_unit_test(llm_call__can_be_cancelled_in_the_middle),
		cmocka_unit_test(llm_call__can_be_cancelled_from_its_own_functions),
		cmocka_unit_test(llm_call__can_be_cancelled_before_and_after_it_ran),
		cmocka_unit_test(llm_call__refuses_a_key_that_is_no_header),
		cmocka_unit_test(llm_call__waits_for_a_place_in_order),
		cmocka_unit_test(llm_call__gives_an_offline_answer_from_the_loop),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
