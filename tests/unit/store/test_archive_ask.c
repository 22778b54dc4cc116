/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes over the socket for each question; artifacts part by part.
 */
#include "archive_world.h"

static void archive__each_question_says_what_it_was_asked(void **state)
{
	(void)state;
	struct world w;
	struct id id = id_of(3);
	struct request_key key = {{1}, {2}};
	world_open(&w);
	w.prompt = true;
	keeper_start(&w);
	ask_task(&w, 3);
	archive_events(w.archive, &id, 7, SIZE_MAX, hear_answer, &w);
	archive_list(w.archive, 6, NULL, 20, 1000, hear_answer, &w);
	archive_list(w.archive, 0, &id, SIZE_MAX, 1000, hear_answer, &w);
	archive_request(w.archive, &key, hear_answer, &w);
	archive_delete(w.archive, &id, hear_answer, &w);
	artifact_read(w.archive, &id, 4, 1ull << 34, 500, hear_answer, &w);
	assert_int_equal(w.told, 0);
	turns(&w);
	assert_int_equal(w.told, 7);
	/* As they were asked, whatever the order in which there was room for them. */
	struct heard h[7] = {0};
	for (size_t i = 0; i < 7; i++)
		h[w.heard[i].id - 1] = w.heard[i];
	assert_int_equal(h[0].msg, IPC_KEPT_TASK);
	assert_int_equal(id_compare(&h[0].ask.task, &id), 0);
	assert_int_equal(h[1].ask.from, 7);
	assert_int_equal(h[1].ask.bytes_max, FRAME_MAX - KEPT_OVERHEAD_BYTES);
	assert_true(h[2].ask.states == 6 && h[2].ask.limit == 20 && !h[2].ask.has_before);
	assert_true(h[3].ask.has_before && h[3].ask.limit == UINT32_MAX);
	assert_memory_equal(&h[4].ask.key, &key, sizeof(key));
	assert_int_equal(h[5].msg, IPC_KEPT_DELETE);
	assert_true(h[6].ask.number == 4 && h[6].ask.from == 1ull << 34 && h[6].ask.bytes_max == 500);
	world_close(&w);
}

static void artifact_write__goes_part_by_part(void **state)
{
	(void)state;
	struct world w;
	struct archive_answer a = {0};
	world_open(&w);
	keeper_start(&w);
	write_bytes(&w, 2 * DB_PART_BYTES + 10);
	for (uint32_t i = 0; i < 3; i++) {
		turns(&w);
		assert_int_equal(w.heard_count, i + 1);
		assert_int_equal(w.heard[i].msg, IPC_KEPT_PART);
		assert_int_equal(w.heard[i].ask.part, i);
		assert_int_equal(w.heard[i].ask.number, 2);
		assert_int_equal(w.heard[i].bytes_len, i < 2 ? DB_PART_BYTES : 10);
		assert_int_equal(w.heard[i].first, 'a' + (char)i);
		answer(&w, w.heard[i].id, &a);
	}
	turns(&w);
	assert_int_equal(w.heard[3].msg, IPC_KEPT_ARTIFACT);
	assert_int_equal(w.heard[3].ask.artifact_bytes, 2 * DB_PART_BYTES + 10);
	assert_int_equal(w.told, 0);
	answer(&w, w.heard[3].id, &a);
	turns(&w);
	assert_int_equal(w.told, 1);
	assert_int_equal(w.error.code, ERR_NONE);
	world_close(&w);
}

static void artifact_write__whole_parts_and_nothing_at_all(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	w.prompt = true;
	keeper_start(&w);
	write_bytes(&w, DB_PART_BYTES);
	turns(&w);
	assert_int_equal(w.heard_count, 2);
	assert_int_equal(w.heard[1].msg, IPC_KEPT_ARTIFACT);
	write_bytes(&w, 0);
	turns(&w);
	assert_int_equal(w.heard_count, 3);
	assert_int_equal(w.heard[2].ask.artifact_bytes, 0);
	assert_int_equal(w.told, 2);
	world_close(&w);
}

static void artifact_write__all_of_it_again_for_the_next_keeper(void **state)
{
	(void)state;
	struct world w;
	struct archive_answer a = {0};
	world_open(&w);
	keeper_start(&w);
	write_bytes(&w, DB_PART_BYTES + 1);
	turns(&w);
	answer(&w, w.heard[0].id, &a);
	turns(&w);
	assert_int_equal(w.heard[1].ask.part, 1);
	keeper_dies(&w);
	w.prompt = true;
	keeper_start(&w);
	assert_int_equal(w.heard_count, 3);
	assert_int_equal(w.heard[0].ask.part, 0);
	assert_int_equal(w.heard[1].ask.part, 1);
	assert_int_equal(w.told, 1);
	world_close(&w);
}

static void artifact_write__a_part_without_room_ends_it(void **state)
{
	(void)state;
	struct world w;
	struct archive_answer full = {0};
	world_open(&w);
	keeper_start(&w);
	write_bytes(&w, DB_PART_BYTES + 1);
	turns(&w);
	err_set(&full.error, ERR_NO_SPACE, "the disk is full");
	answer(&w, w.heard[0].id, &full);
	turns(&w);
	assert_int_equal(w.told, 1);
	assert_int_equal(w.error.code, ERR_NO_SPACE);
	assert_int_equal(w.heard_count, 1);
	/* One that was cancelled goes no further either. */
	archive_cancel(write_bytes(&w, DB_PART_BYTES + 1));
	turns(&w);
	answer(&w, w.heard[1].id, &(struct archive_answer){0});
	turns(&w);
	assert_int_equal(w.heard_count, 2);
	assert_int_equal(w.told, 1);
	world_close(&w);
}

static void artifact_write__texts_have_a_limit(void **state)
{
	(void)state;
	struct world w;
	char *name = xcalloc(1, ARCHIVE_TEXT_BYTES_MAX + 2);
	memset(name, 'n', ARCHIVE_TEXT_BYTES_MAX + 1);
	world_open(&w);
	struct artifact_new new = {.task = id_of(1), .number = 1, .media_type = "a/b", .name = name};
	artifact_write(w.archive, &new, hear_answer, &w);
	assert_int_equal(w.told, 0);
	turns(&w);
	assert_int_equal(w.error.code, ERR_TOO_LARGE);
	free(name);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archive__each_question_says_what_it_was_asked),
		cmocka_unit_test(artifact_write__goes_part_by_part),
		cmocka_unit_test(artifact_write__whole_parts_and_nothing_at_all),
		cmocka_unit_test(artifact_write__all_of_it_again_for_the_next_keeper),
		cmocka_unit_test(artifact_write__a_part_without_room_ends_it),
		cmocka_unit_test(artifact_write__texts_have_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
