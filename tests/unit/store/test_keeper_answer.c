/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every question of the archive, asked by the worker's half and answered by the keeper's, down to the
 * database and back; and what becomes of the database's failures.
 */
#include "keeper_world.h"

static void archive_task__is_the_document_and_its_head(void **state)
{
	(void)state;
	struct world w;
	struct id id = id_of(3), none = id_of(9);
	world_open(&w);
	archive_task(w.archive, &id, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NONE);
	assert_string_equal(buf_cstr(&w.bytes), "3333333333");
	assert_int_equal(id_compare(&w.answer.head.id, &id), 0);
	assert_int_equal(w.answer.head.state, TASK_COMPLETED);
	assert_true(w.answer.head.last_seq == 2 && w.answer.head.durable_seq == 2);
	assert_true(w.answer.head.created_ms == 103 && w.answer.head.updated_ms == 203);
	archive_task(w.archive, &none, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NOT_FOUND);
	assert_int_equal(w.failures, 0);
	world_close(&w);
}

static void archive_task__one_too_large_for_a_message_says_so(void **state)
{
	(void)state;
	struct world w;
	struct id id = id_of(3);
	world_open(&w);
	w.fake.doc_bytes = FRAME_MAX - KEPT_OVERHEAD_BYTES;
	archive_task(w.archive, &id, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NONE);
	w.fake.doc_bytes++;
	archive_task(w.archive, &id, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_TOO_LARGE);
	w.fake.doc_bytes = 10;
	archive_task(w.archive, &id, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NONE);
	world_close(&w);
}

static void archive_events__from_where_and_how_many(void **state)
{
	(void)state;
	struct world w;
	struct id id = id_of(1), none = id_of(9);
	world_open(&w);
	archive_events(w.archive, &id, 0, 1 << 20, hear_answer, &w);
	hear(&w, 1);
	assert_string_equal(buf_cstr(&w.bytes), "id: 1\n\nid: 2\n\n");
	assert_true(w.answer.last_seq == 2 && w.answer.head.last_seq == 2);
	archive_events(w.archive, &id, 0, 1, hear_answer, &w);
	hear(&w, 1);
	assert_string_equal(buf_cstr(&w.bytes), "id: 1\n\n");
	assert_int_equal(w.answer.last_seq, 1);
	archive_events(w.archive, &id, 2, 100, hear_answer, &w);
	hear(&w, 1);
	assert_string_equal(buf_cstr(&w.bytes), "");
	assert_int_equal(w.answer.last_seq, 2);
	archive_events(w.archive, &none, 0, 100, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NOT_FOUND);
	world_close(&w);
}

static void list(struct world *w, uint32_t states, const struct id *before, size_t limit, size_t bytes_max)
{
	archive_list(w->archive, states, before, limit, bytes_max, hear_answer, w);
	hear(w, 1);
	assert_int_equal(w->error.code, ERR_NONE);
}

static void archive_list__by_limit_bytes_state_and_page(void **state)
{
	(void)state;
	struct world w;
	struct id third = id_of(3), second = id_of(2);
	world_open(&w);
	w.fake.doc_bytes = 2;
	list(&w, 0, NULL, 100, 1000);
	assert_string_equal(buf_cstr(&w.bytes), "55\n44\n33\n22\n11\n");
	assert_false(w.answer.more);
	list(&w, 0, NULL, 3, 1000);
	assert_string_equal(buf_cstr(&w.bytes), "55\n44\n33\n");
	assert_true(w.answer.more);
	assert_int_equal(id_compare(&w.answer.last_id, &third), 0);
	list(&w, 0, &third, 3, 1000);
	assert_string_equal(buf_cstr(&w.bytes), "22\n11\n");
	assert_false(w.answer.more);
	list(&w, 1u << TASK_FAILED, NULL, 2, 1000);
	assert_string_equal(buf_cstr(&w.bytes), "44\n22\n");
	assert_false(w.answer.more);
	assert_int_equal(id_compare(&w.answer.last_id, &second), 0);
	list(&w, 0, NULL, 100, 6);
	assert_string_equal(buf_cstr(&w.bytes), "55\n44\n");
	assert_true(w.answer.more);
	list(&w, 0, NULL, 100, 0);
	assert_string_equal(buf_cstr(&w.bytes), "55\n");
	assert_true(w.answer.more);
	world_close(&w);
}

static void archive_request__place_and_body(void **state)
{
	(void)state;
	struct world w;
	struct request_key known = {{7}, {0}}, other = {{6}, {0}};
	struct id third = id_of(3);
	uint8_t body[REQUEST_DIGEST];
	memset(body, 8, sizeof(body));
	world_open(&w);
	archive_request(w.archive, &known, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(id_compare(&w.answer.place.task, &third), 0);
	assert_true(w.answer.place.after_seq == 1 && w.answer.place.at_ms == 55);
	assert_memory_equal(w.answer.body, body, sizeof(body));
	archive_request(w.archive, &other, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NOT_FOUND);
	world_close(&w);
}

static void archive_delete__is_the_keepers(void **state)
{
	(void)state;
	struct world w;
	struct id over = id_of(1), running = id_of(2);
	world_open(&w);
	archive_delete(w.archive, &over, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NONE);
	archive_delete(w.archive, &running, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_CONFLICT);
	assert_int_equal(w.deletes, 2);
	world_close(&w);
}

static void artifact__written_and_read_in_ranges(void **state)
{
	(void)state;
	struct world w;
	struct id id = id_of(1);
	char sha256[SHA256_HEX_SIZE];
	world_open(&w);
	artifact_read(w.archive, &id, 1, 0, 10, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NOT_FOUND);
	write_bytes(&w, 2 * DB_PART_BYTES + 100, 'x');
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NONE);
	/* Three parts and their end. */
	assert_int_equal(w.transactions, 4);
	artifact_read(w.archive, &id, 1, 2 * DB_PART_BYTES - 3, 8, hear_answer, &w);
	hear(&w, 1);
	assert_string_equal(buf_cstr(&w.bytes), "xxxxxxxx");
	assert_int_equal(w.answer.artifact_bytes, 2 * DB_PART_BYTES + 100);
	assert_string_equal(w.media_type, "text/plain");
	assert_null(w.answer.name);
	char *all = xmalloc(2 * DB_PART_BYTES + 100);
	memset(all, 'x', 2 * DB_PART_BYTES + 100);
	sha256_hex(all, 2 * DB_PART_BYTES + 100, sha256);
	free(all);
	assert_string_equal(w.sha256, sha256);
	/* No more than a message may have, and nothing behind the end. */
	artifact_read(w.archive, &id, 1, 0, SIZE_MAX, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.bytes.len, FRAME_MAX - KEPT_OVERHEAD_BYTES);
	artifact_read(w.archive, &id, 1, 1ull << 40, 10, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NONE);
	assert_int_equal(w.bytes.len, 0);
	world_close(&w);
}

static void artifact__a_complete_one_is_never_changed(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	write_bytes(&w, 10, 'a');
	hear(&w, 1);
	int transactions = w.transactions;
	/* The answer was lost, all of it comes again. */
	write_bytes(&w, 10, 'a');
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NONE);
	write_bytes(&w, 10, 'b');
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_CONFLICT);
	assert_int_equal(w.transactions, transactions);
	assert_int_equal(w.fake.parts[0].data[0], 'a');
	world_close(&w);
}

static void keeper_answer__a_full_disk_is_told_and_passes(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	w.fake.fail = ERR_NO_SPACE;
	struct id id = id_of(1);
	write_bytes(&w, 10, 'a');
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NO_SPACE);
	assert_true(w.failures > 0);
	assert_false(w.keeper.broken);
	w.fake.fail = ERR_NONE;
	archive_task(w.archive, &id, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_NONE);
	world_close(&w);
}

static void keeper_answer__a_broken_database_is_asked_no_more(void **state)
{
	(void)state;
	struct world w;
	struct id id = id_of(1);
	world_open(&w);
	w.fake.fail = ERR_IO;
	archive_task(w.archive, &id, hear_answer, &w);
	hear(&w, 1);
	assert_int_equal(w.error.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(w.error.msg, "the fake database fails"));
	assert_int_equal(w.failures, 1);
	int reads = w.fake.reads;
	w.fake.fail = ERR_NONE;
	archive_task(w.archive, &id, hear_answer, &w);
	write_bytes(&w, 10, 'a');
	hear(&w, 2);
	assert_int_equal(w.error.code, ERR_UNAVAILABLE);
	assert_int_equal(w.fake.reads, reads);
	assert_int_equal(w.fake.parts_put, 0);
	world_close(&w);
}

static void keeper_answer__what_is_no_question_has_none(void **state)
{
	(void)state;
	struct world w;
	struct buf out = BUF_INIT, body = BUF_INIT;
	enum err code;
	struct ipc_frame f = {.msg = IPC_KEPT_TASK, .body = SLICE_LIT("short"), .fd = -1};
	world_open(&w);
	assert_false(keeper_answer(&w.keeper, &f, &out, &code));
	f.msg = IPC_HELLO;
	f.body.len = 0;
	assert_false(keeper_answer(&w.keeper, &f, &out, &code));
	/* An artifact has a number, and its parts a size. */
	struct kept_ask q = {.task = id_of(1)};
	kept_ask_pack(IPC_KEPT_READ, &q, &body);
	f = (struct ipc_frame){.msg = IPC_KEPT_READ, .body = buf_slice(&body), .fd = -1};
	assert_false(keeper_answer(&w.keeper, &f, &out, &code));
	buf_reset(&body);
	char *large = xcalloc(1, DB_PART_BYTES + 1);
	q.number = 1;
	q.bytes = (struct slice){large, DB_PART_BYTES + 1};
	kept_ask_pack(IPC_KEPT_PART, &q, &body);
	f = (struct ipc_frame){.msg = IPC_KEPT_PART, .body = buf_slice(&body), .fd = -1};
	assert_false(keeper_answer(&w.keeper, &f, &out, &code));
	assert_int_equal(w.fake.reads + w.transactions, 0);
	free(large);
	buf_release(&out);
	buf_release(&body);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archive_task__is_the_document_and_its_head),
		cmocka_unit_test(archive_task__one_too_large_for_a_message_says_so),
		cmocka_unit_test(archive_events__from_where_and_how_many),
		cmocka_unit_test(archive_list__by_limit_bytes_state_and_page),
		cmocka_unit_test(archive_request__place_and_body),
		cmocka_unit_test(archive_delete__is_the_keepers),
		cmocka_unit_test(artifact__written_and_read_in_ranges),
		cmocka_unit_test(artifact__a_complete_one_is_never_changed),
		cmocka_unit_test(keeper_answer__a_full_disk_is_told_and_passes),
		cmocka_unit_test(keeper_answer__a_broken_database_is_asked_no_more),
		cmocka_unit_test(keeper_answer__what_is_no_question_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
