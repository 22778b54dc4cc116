/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker's half does with answers, what becomes of its questions when keepers end, its limits, and
 * callers that change their mind at any moment.
 */
#include "archive_world.h"

static void archive__answers_find_their_question_in_any_order(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	ask_request(&w, 1);
	ask_request(&w, 2);
	keeper_start(&w);
	assert_int_equal(w.heard_count, 2);
	struct archive_answer a = {.last_seq = 22, .bytes = SLICE_LIT("second")};
	answer(&w, w.heard[1].id, &a);
	turns(&w);
	assert_int_equal(w.told, 1);
	assert_string_equal(w.bytes, "second");
	err_set(&a.error, ERR_NOT_FOUND, "no such task");
	answer(&w, w.heard[0].id, &a);
	answer(&w, 1000, &a);
	turns(&w);
	assert_int_equal(w.told, 2);
	assert_int_equal(w.error.code, ERR_NOT_FOUND);
	assert_string_equal(w.error.msg, "no such task");
	world_close(&w);
}

static void archive__an_answer_that_cannot_be_read_ends_its_question(void **state)
{
	(void)state;
	struct world w;
	struct error e;
	world_open(&w);
	keeper_start(&w);
	ask_request(&w, 1);
	turns(&w);
	assert_int_equal(ipc_send(w.keeper, IPC_KEPT, w.heard[0].id, SLICE_LIT("x"), -1, &e), ERR_NONE);
	turns(&w);
	assert_int_equal(w.told, 1);
	assert_int_equal(w.error.code, ERR_INTERNAL);
	world_close(&w);
}

static void archive__a_lost_keeper_is_not_noticed_by_who_asks(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	keeper_start(&w);
	ask_request(&w, 1);
	ask_request(&w, 2);
	turns(&w);
	struct archive_answer a = {0};
	answer(&w, w.heard[0].id, &a);
	turns(&w);
	keeper_dies(&w);
	ask_request(&w, 3);
	turns(&w);
	assert_int_equal(w.told, 1);
	keeper_start(&w);
	assert_int_equal(w.heard_count, 2);
	assert_int_equal(w.heard[0].ask.key.key[0], 2);
	assert_int_equal(w.heard[1].ask.key.key[0], 3);
	answer(&w, w.heard[0].id, &a);
	answer(&w, w.heard[1].id, &a);
	turns(&w);
	assert_int_equal(w.told, 3);
	assert_int_equal(w.error.code, ERR_NONE);
	world_close(&w);
}

static void archive__a_question_that_ends_keepers_is_given_up(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	ask_request(&w, 1);
	for (int i = 1; i < ARCHIVE_SENDS_MAX; i++) {
		keeper_start(&w);
		keeper_dies(&w);
		assert_int_equal(w.told, 0);
	}
	keeper_start(&w);
	keeper_dies(&w);
	assert_int_equal(w.told, 1);
	assert_int_equal(w.error.code, ERR_UNAVAILABLE);
	world_close(&w);
}

static void archive_lost__ends_what_was_and_will_be_asked(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	keeper_start(&w);
	ask_request(&w, 1);
	turns(&w);
	archive_cancel(ask_request(&w, 2));
	keeper_dies(&w);
	ask_request(&w, 3);
	archive_lost(w.archive);
	assert_int_equal(w.told, 0);
	turns(&w);
	assert_int_equal(w.told, 2);
	ask_request(&w, 4);
	assert_int_equal(w.told, 2);
	turns(&w);
	assert_int_equal(w.told, 3);
	assert_int_equal(w.error.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(w.error.msg, "nothing can be read from the database"));
	world_close(&w);
}

static void archive__one_question_too_many_is_refused_later(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	for (int i = 0; i < ARCHIVE_CALLS_MAX; i++)
		ask_request(&w, (uint8_t)i);
	assert_int_equal(w.told, 0);
	ask_request(&w, 1);
	assert_int_equal(w.told, 0);
	turns(&w);
	assert_int_equal(w.told, 1);
	assert_int_equal(w.error.code, ERR_FULL);
	assert_non_null(strstr(w.error.msg, "4096"));
	w.prompt = true;
	keeper_start(&w);
	for (int i = 0; i < 200 && w.told < ARCHIVE_CALLS_MAX + 1; i++)
		turns(&w);
	assert_int_equal(w.told, ARCHIVE_CALLS_MAX + 1);
	assert_int_equal(w.heard_all, ARCHIVE_CALLS_MAX);
	assert_int_equal(w.error.code, ERR_NONE);
	world_close(&w);
}

static void archive__asks_no_more_than_the_keeper_can_answer(void **state)
{
	(void)state;
	struct world w;
	struct archive_answer a = {0};
	world_open(&w);
	for (uint8_t i = 0; i < 5; i++)
		ask_task(&w, i);
	keeper_start(&w);
	/* Two of the greatest answers fit into the queue with what surrounds them. */
	assert_int_equal(w.heard_count, 2);
	answer(&w, w.heard[0].id, &a);
	turns(&w);
	assert_int_equal(w.heard_count, 3);
	answer(&w, w.heard[1].id, &a);
	answer(&w, w.heard[2].id, &a);
	turns(&w);
	assert_int_equal(w.heard_count, 5);
	assert_int_equal(w.heard[4].ask.task.b[0], 4);
	world_close(&w);
}

static void archive__small_questions_do_not_wait_for_large_ones(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	for (uint8_t i = 0; i < 5; i++)
		ask_task(&w, i);
	ask_request(&w, 9);
	keeper_start(&w);
	assert_int_equal(w.heard_count, 3);
	assert_int_equal(w.heard[2].msg, IPC_KEPT_REQUEST);
	world_close(&w);
}

static void archive_cancel__nobody_is_called_wherever_the_question_is(void **state)
{
	(void)state;
	struct world w;
	struct archive_answer a = {0};
	world_open(&w);
	archive_cancel(ask_request(&w, 1)); /* waiting */
	keeper_start(&w);
	assert_int_equal(w.heard_count, 0);
	archive_cancel(ask_request(&w, 2)); /* asked */
	turns(&w);
	answer(&w, w.heard[0].id, &a);
	turns(&w);
	archive_cancel(ask_request(&w, 3)); /* asked, and its keeper ends */
	keeper_dies(&w);
	keeper_start(&w);
	assert_int_equal(w.heard_count, 0);
	archive_lost(w.archive);
	archive_cancel(ask_request(&w, 4)); /* ended */
	turns(&w);
	assert_int_equal(w.told, 0);
	world_close(&w);
}

static void archive__callers_may_do_anything_when_told(void **state)
{
	(void)state;
	struct world w;
	struct archive_answer a = {0};
	world_open(&w);
	keeper_start(&w);
	w.cancel_when_told = ask_request(&w, 1); /* itself */
	turns(&w);
	answer(&w, w.heard[0].id, &a);
	turns(&w);
	assert_int_equal(w.told, 1);
	ask_request(&w, 2);
	w.cancel_when_told = ask_request(&w, 3);
	w.ask_when_told = true;
	turns(&w);
	answer(&w, w.heard[1].id, &a);
	answer(&w, w.heard[2].id, &a);
	turns(&w);
	assert_int_equal(w.told, 2);
	assert_int_equal(w.heard[3].ask.key.key[0], 99);
	ask_request(&w, 5);
	w.free_when_told = true;
	answer(&w, w.heard[3].id, &a);
	turns(&w);
	assert_int_equal(w.told, 3);
	world_close(&w);
}

static void archive_free__calls_nobody(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	ask_request(&w, 1);
	keeper_start(&w);
	write_bytes(&w, 10);
	for (uint8_t i = 0; i < 5; i++)
		ask_task(&w, i);
	archive_lost(w.archive);
	ask_request(&w, 2);
	world_close(&w);
	assert_int_equal(w.told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archive__answers_find_their_question_in_any_order),
		cmocka_unit_test(archive__an_answer_that_cannot_be_read_ends_its_question),
		cmocka_unit_test(archive__a_lost_keeper_is_not_noticed_by_who_asks),
		cmocka_unit_test(archive__a_question_that_ends_keepers_is_given_up),
		cmocka_unit_test(archive_lost__ends_what_was_and_will_be_asked),
		cmocka_unit_test(archive__one_question_too_many_is_refused_later),
		cmocka_unit_test(archive__asks_no_more_than_the_keeper_can_answer),
		cmocka_unit_test(archive__small_questions_do_not_wait_for_large_ones),
		cmocka_unit_test(archive_cancel__nobody_is_called_wherever_the_question_is),
		cmocka_unit_test(archive__callers_may_do_anything_when_told),
		cmocka_unit_test(archive_free__calls_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
