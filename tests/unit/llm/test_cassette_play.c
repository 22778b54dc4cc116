/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are recorded, and then answered from the recording, with nobody there to ask. */
#include "call_world.h"
#include "cassette_rig.h"

static struct llm *llm_with(struct world *w, struct llm_cassette *k, const char *name)
{
	struct llm_options o = options_of(w->url);
	o.name = name;
	return llm_new(w->loop, &(struct llm_setup){.providers = &o, .providers_count = 1, .cassette = k});
}

/* One call in the world as it is, with this cassette. */
static struct heard call_with(struct world *w, struct llm_cassette *k, const char *name)
{
	struct heard h = {0};
	llm_free(w->llm);
	w->llm = llm_with(w, k, name);
	call_start(w, &h);
	turn_until(w, &h.ends, 1);
	loop_turn(w->loop, 0);
	llm_free(w->llm);
	w->llm = llm_with(w, NULL, name);
	return h;
}

static void assert_same(const struct heard *a, const struct heard *b)
{
	assert_int_equal(a->e.code, b->e.code);
	assert_string_equal(a->e.msg, b->e.msg);
	assert_int_equal(a->turn_text == NULL, b->turn_text == NULL);
	if (a->turn_text != NULL)
		assert_string_equal(a->turn_text, b->turn_text);
	assert_string_equal(buf_cstr(&a->text), buf_cstr(&b->text));
	assert_int_equal(a->deltas, b->deltas);
	assert_int_equal(a->retries, b->retries);
	assert_int_equal(a->why.code, b->why.code);
}

/* Recorded against the replies and replayed, it is the same. Returns the number of files. */
static size_t record_and_replay(const struct script_reply *replies, size_t count, enum err code)
{
	struct world w;
	char *dir = folder_make();
	world_open(&w, replies, count);
	struct llm_cassette *k = recording(dir, 1 << 20);
	struct heard first = call_with(&w, k, NULL);
	llm_cassette_free(k);
	assert_int_equal(first.e.code, code);
	assert_int_equal(w.server->requests_count, count);
	k = replaying(dir);
	struct heard second = call_with(&w, k, NULL);
	assert_same(&first, &second);
	assert_int_equal(w.server->requests_count, count); /* none came */
	llm_cassette_free(k);
	heard_release(&first);
	heard_release(&second);
	world_close(&w);
	return folder_remove(dir);
}

static void cassette__an_answer_comes_in_the_same_pieces(void **state)
{
	(void)state;
	static const struct script_reply keep[] = {
		{OK_HEAD TEXT("one ") "\x01"
				      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"tw\xc3"
				      "\x01"
				      "\xa4\"}}]}\n\n" TEXT("o") FINISH "\x01" DONE,
		 SCRIPT_KEEP}};
	static const struct script_reply whole[] = {
		{OK_HEAD TEXT("one ") "\x01" TEXT("two") FINISH, SCRIPT_CLOSE}};
	assert_int_equal(record_and_replay(keep, 1, ERR_NONE), 1);
	assert_int_equal(record_and_replay(whole, 1, ERR_NONE), 1);
}

static void cassette__failures_are_tried_again_as_then(void **state)
{
	(void)state;
	static const struct script_reply busy[] = {
		{ERR_HEAD("500 Oops") SOON "\r\n{\"error\":\"oops\"}", SCRIPT_CLOSE},
		{OK_HEAD ": processing\n\n", SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
	};
	static const struct script_reply refused[] = {
		{ERR_HEAD("401 No") "\r\n{\"error\":{\"message\":\"bad sk-secret-key-1\"}}", SCRIPT_CLOSE}};
	static const struct script_reply cut[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" TEXT("par") "\x01" TEXT("t"),
		 SCRIPT_CLOSE}};
	static const struct script_reply odd[] = {{OK_HEAD "data: {broken\n\n"
							   "\x01" TEXT("never"),
						   SCRIPT_KEEP}};
	assert_int_equal(record_and_replay(busy, 3, ERR_NONE), 3);
	assert_int_equal(record_and_replay(refused, 1, ERR_CONFIG), 1);
	assert_int_equal(record_and_replay(cut, 1, ERR_LOST), 1);
	assert_int_equal(record_and_replay(odd, 1, ERR_UPSTREAM), 1);
}

static void cassette__what_is_not_there_fails_at_once(void **state)
{
	(void)state;
	struct world w;
	char *dir = folder_make();
	static const struct script_reply replies[] = {{ANSWER, SCRIPT_CLOSE}};
	world_open(&w, replies, 1);
	struct llm_cassette *k = recording(dir, 1 << 20);
	struct heard h = call_with(&w, k, "main");
	assert_int_equal(h.e.code, ERR_NONE);
	heard_release(&h);
	llm_cassette_free(k);
	k = replaying(dir);
	h = call_with(&w, k, "other");
	assert_int_equal(h.e.code, ERR_NOT_FOUND);
	assert_non_null(strstr(h.e.msg, "differs first in the provider, which was main"));
	assert_int_equal(h.retries, 0);
	heard_release(&h);
	llm_cassette_free(k);
	world_close(&w);
	folder_remove(dir);
}

static void cassette__a_replayed_call_can_be_cancelled(void **state)
{
	(void)state;
	struct world w;
	char *dir = folder_make();
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("one ") "\x01" TEXT("two") "\x01" FINISH DONE, SCRIPT_CLOSE}};
	world_open(&w, replies, 1);
	struct llm_cassette *k = recording(dir, 1 << 20);
	struct heard h = call_with(&w, k, NULL), first = {.cancel_on_delta = true}, second = {0};
	heard_release(&h);
	llm_cassette_free(k);
	k = replaying(dir);
	llm_free(w.llm);
	w.llm = llm_with(&w, k, NULL);
	call_start(&w, &first);
	turn_until(&w, &first.deltas, 1);
	for (int i = 0; i < 5; i++)
		loop_turn(w.loop, 0);
	assert_int_equal(first.deltas, 1);
	assert_int_equal(first.ends, 0);
	call_start(&w, &second);
	llm_call_cancel(second.call); /* before its first piece */
	for (int i = 0; i < 5; i++)
		loop_turn(w.loop, 0);
	assert_int_equal(second.deltas, 0);
	llm_free(w.llm);
	w.llm = NULL;
	heard_release(&first);
	heard_release(&second);
	llm_cassette_free(k);
	world_close(&w);
	folder_remove(dir);
}

static const struct heard *ended[8];
static size_t ended_count;

static void on_ordered_end(const struct llm_turn *turn, const struct error *e, void *arg)
{
	ended[ended_count++] = arg;
	on_end(turn, e, arg);
}

static void say(struct world *w, struct heard *h, const char *text)
{
	const struct llm_message m = {.speaker = LLM_USER, .text = text};
	const struct llm_request r = {
		.role = LLM_EXECUTOR, .messages = &m, .messages_count = 1, .task_id = "t1"};
	h->w = w;
	h->call = llm_call_start(
		w->llm, &r, (struct llm_handler){.on_delta = on_delta, .on_end = on_ordered_end, .arg = h});
}

/* The order in which calls under way end is that of the recording, whichever was made first. */
static void cassette__calls_side_by_side_end_in_the_recorded_order(void **state)
{
	(void)state;
	struct world w;
	char *dir = folder_make();
	static const char *const texts[] = {"slow", "quick", "quickest"};
	static const struct script_reply replies[] = {
		{OK_HEAD TEXT("1") "\x01" TEXT("2") "\x01" TEXT("3") FINISH DONE, SCRIPT_CLOSE},
		{ANSWER, SCRIPT_CLOSE},
		{OK_HEAD TEXT("a") "\x01" TEXT("b") FINISH DONE, SCRIPT_CLOSE}};
	world_open(&w, replies, 3);
	struct llm_cassette *k = recording(dir, 1 << 20);
	llm_free(w.llm);
	w.llm = llm_with(&w, k, NULL);
	for (int i = 2; i >= 0; i--) {
		struct heard h = {0};
		say(&w, &h, texts[i]);
		turn_until(&w, &h.ends, 1);
		heard_release(&h);
	}
	llm_free(w.llm);
	llm_cassette_free(k);
	k = replaying(dir);
	w.llm = llm_with(&w, k, NULL);
	struct heard hs[4] = {0};
	for (int i = 0; i < 3; i++)
		say(&w, &hs[i], texts[i]);
	say(&w, &hs[3], "slow"); /* the same answer again, after the first */
	ended_count = 0;
	for (int i = 0; i < 4; i++)
		turn_until(&w, &hs[i].ends, 1);
	assert_ptr_equal(ended[0], &hs[2]);
	assert_ptr_equal(ended[1], &hs[1]);
	assert_ptr_equal(ended[2], &hs[0]);
	assert_ptr_equal(ended[3], &hs[3]);
	assert_string_equal(hs[0].turn_text, "ab");
	for (size_t i = 0; i < COUNT_OF(hs); i++)
		heard_release(&hs[i]);
	llm_free(w.llm);
	w.llm = NULL;
	llm_cassette_free(k);
	world_close(&w);
	folder_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cassette__an_answer_comes_in_the_same_pieces),
		cmocka_unit_test(cassette__failures_are_tried_again_as_then),
		cmocka_unit_test(cassette__what_is_not_there_fails_at_once),
		cmocka_unit_test(cassette__a_replayed_call_can_be_cancelled),
		cmocka_unit_test(cassette__calls_side_by_side_end_in_the_recorded_order),
	};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
