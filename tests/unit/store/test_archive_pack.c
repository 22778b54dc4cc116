/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions and answers of the archive there and back; and from peers that are out of their mind: cut at
 * every byte, longer than they should be, with values there are none of.
 */
#include "base/base.h"
#include "store/archive_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char HEX[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static const enum ipc_msg questions[] = {IPC_KEPT_TASK,     IPC_KEPT_EVENTS, IPC_KEPT_LIST,
					 IPC_KEPT_REQUEST,  IPC_KEPT_DELETE, IPC_KEPT_PART,
					 IPC_KEPT_ARTIFACT, IPC_KEPT_READ,   IPC_KEPT_HOLD};

static struct kept_ask ask_full(void)
{
	struct kept_ask q = {.from = 1ull << 40,
			     .bytes_max = 70000,
			     .states = 0x1f,
			     .limit = 100,
			     .has_before = true,
			     .number = 3,
			     .part = 7,
			     .bytes = SLICE_LIT("a\0part"),
			     .artifact_bytes = 1ull << 33,
			     .media_type = "text/plain",
			     .name = NULL,
			     .sha256 = HEX,
			     .at_ms = -5};
	memset(q.task.b, 1, ID_BYTES);
	memset(q.before.b, 2, ID_BYTES);
	memset(q.key.key, 3, REQUEST_DIGEST);
	memset(q.key.body, 4, REQUEST_DIGEST);
	return q;
}

static void kept_ask__comes_back_with_the_members_of_its_kind(void **state)
{
	(void)state;
	struct kept_ask q = ask_full(), got;
	struct buf b = BUF_INIT;
	kept_ask_pack(IPC_KEPT_LIST, &q, &b);
	assert_true(kept_ask_unpack(IPC_KEPT_LIST, buf_slice(&b), &got));
	assert_int_equal(got.states, q.states);
	assert_int_equal(got.limit, q.limit);
	assert_true(got.has_before);
	assert_int_equal(id_compare(&got.before, &q.before), 0);
	assert_int_equal(got.bytes_max, q.bytes_max);
	assert_true(id_is_zero(&got.task));
	buf_reset(&b);
	kept_ask_pack(IPC_KEPT_READ, &q, &b);
	assert_true(kept_ask_unpack(IPC_KEPT_READ, buf_slice(&b), &got));
	assert_int_equal(id_compare(&got.task, &q.task), 0);
	assert_true(got.from == q.from && got.bytes_max == q.bytes_max && got.number == q.number);
	buf_reset(&b);
	kept_ask_pack(IPC_KEPT_PART, &q, &b);
	assert_true(kept_ask_unpack(IPC_KEPT_PART, buf_slice(&b), &got));
	assert_int_equal(got.part, 7);
	assert_true(slice_eq(got.bytes, q.bytes));
	buf_reset(&b);
	kept_ask_pack(IPC_KEPT_REQUEST, &q, &b);
	assert_true(kept_ask_unpack(IPC_KEPT_REQUEST, buf_slice(&b), &got));
	assert_memory_equal(&got.key, &q.key, sizeof(q.key));
	buf_release(&b);
}

static void kept_ask__an_artifact_keeps_its_texts(void **state)
{
	(void)state;
	struct kept_ask q = ask_full(), got;
	struct buf b = BUF_INIT;
	kept_ask_pack(IPC_KEPT_ARTIFACT, &q, &b);
	assert_true(kept_ask_unpack(IPC_KEPT_ARTIFACT, buf_slice(&b), &got));
	assert_true(got.artifact_bytes == q.artifact_bytes && got.at_ms == -5 && got.number == 3);
	assert_string_equal(got.media_type, "text/plain");
	assert_null(got.name);
	assert_string_equal(got.sha256, HEX);
	buf_reset(&b);
	q.sha256 = HEX + 1;
	kept_ask_pack(IPC_KEPT_ARTIFACT, &q, &b);
	assert_false(kept_ask_unpack(IPC_KEPT_ARTIFACT, buf_slice(&b), &got));
	buf_reset(&b);
	q = ask_full();
	q.media_type = NULL;
	kept_ask_pack(IPC_KEPT_ARTIFACT, &q, &b);
	assert_false(kept_ask_unpack(IPC_KEPT_ARTIFACT, buf_slice(&b), &got));
	buf_release(&b);
}

/* Memory of its own of exactly that size, so that a byte too far is found. */
static bool ask_reads(enum ipc_msg msg, const struct buf *b, size_t n)
{
	struct kept_ask got;
	char *p = xmalloc(n ? n : 1);
	if (n)
		memcpy(p, b->data, n);
	bool ok = kept_ask_unpack(msg, (struct slice){p, n}, &got);
	free(p);
	return ok;
}

static void kept_ask__cut_or_longer_is_refused(void **state)
{
	(void)state;
	struct kept_ask q = ask_full();
	for (size_t i = 0; i < COUNT_OF(questions); i++) {
		struct buf b = BUF_INIT;
		kept_ask_pack(questions[i], &q, &b);
		assert_true(ask_reads(questions[i], &b, b.len));
		for (size_t n = 0; n < b.len; n++)
			assert_false(ask_reads(questions[i], &b, n));
		buf_add_char(&b, 0);
		assert_false(ask_reads(questions[i], &b, b.len));
		buf_release(&b);
	}
	struct kept_ask got;
	assert_false(kept_ask_unpack(IPC_KEPT, SLICE_LIT(""), &got));
	assert_false(kept_ask_unpack(IPC_CALL, SLICE_LIT(""), &got));
}

static struct archive_answer answer_full(void)
{
	struct archive_answer a = {
		.head = {.state = TASK_COMPLETED, .last_seq = 9, .created_ms = 11, .updated_ms = 12},
		.bytes = SLICE_LIT("{\"id\":1}\n"),
		.last_seq = 8,
		.more = true,
		.place = {.after_seq = 4, .at_ms = 13},
		.artifact_bytes = 1000,
		.media_type = "image/png",
		.name = "x.png",
		.sha256 = HEX};
	memset(a.head.id.b, 1, ID_BYTES);
	memset(a.last_id.b, 2, ID_BYTES);
	memset(a.place.task.b, 3, ID_BYTES);
	memset(a.body, 4, REQUEST_DIGEST);
	return a;
}

static void archive_answer__comes_back(void **state)
{
	(void)state;
	struct archive_answer a = answer_full(), got;
	struct buf b = BUF_INIT;
	archive_answer_pack(&a, &b);
	assert_true(b.len < KEPT_OVERHEAD_BYTES);
	assert_true(archive_answer_unpack(buf_slice(&b), &got));
	assert_int_equal(got.error.code, ERR_NONE);
	assert_int_equal(id_compare(&got.head.id, &a.head.id), 0);
	assert_int_equal(got.head.state, TASK_COMPLETED);
	assert_int_equal(got.head.durable_state, TASK_COMPLETED);
	assert_true(got.head.last_seq == 9 && got.head.durable_seq == 9 && got.head.first_seq == 10);
	assert_true(got.head.created_ms == 11 && got.head.updated_ms == 12 && !got.head.leased);
	assert_true(slice_eq(got.bytes, a.bytes));
	assert_true(got.last_seq == 8 && got.more);
	assert_int_equal(id_compare(&got.last_id, &a.last_id), 0);
	assert_int_equal(id_compare(&got.place.task, &a.place.task), 0);
	assert_true(got.place.after_seq == 4 && got.place.at_ms == 13);
	assert_memory_equal(got.body, a.body, REQUEST_DIGEST);
	assert_int_equal(got.artifact_bytes, 1000);
	assert_string_equal(got.media_type, "image/png");
	assert_string_equal(got.name, "x.png");
	assert_string_equal(got.sha256, HEX);
	buf_release(&b);
}

static void archive_answer__an_error_is_all_there_is(void **state)
{
	(void)state;
	struct archive_answer a = answer_full(), got;
	struct buf b = BUF_INIT;
	err_set_field(&a.error, ERR_NO_SPACE, "/x", "100%% full: %s", "store.max_bytes");
	archive_answer_pack(&a, &b);
	assert_true(archive_answer_unpack(buf_slice(&b), &got));
	assert_int_equal(got.error.code, ERR_NO_SPACE);
	assert_string_equal(got.error.msg, "100% full: store.max_bytes");
	assert_string_equal(got.error.field, "/x");
	assert_int_equal(got.bytes.len, 0);
	buf_reset(&b);
	pack_u32(&b, ERR_COUNT);
	pack_text(&b, "");
	pack_text(&b, "");
	assert_false(archive_answer_unpack(buf_slice(&b), &got));
	buf_release(&b);
}

static void archive_answer__malformed_is_refused(void **state)
{
	(void)state;
	struct archive_answer a = answer_full(), got;
	struct buf b = BUF_INIT;
	archive_answer_pack(&a, &b);
	for (size_t n = 0; n < b.len; n++) {
		char *p = xmalloc(n ? n : 1);
		memcpy(p, b.data, n);
		assert_false(archive_answer_unpack((struct slice){p, n}, &got));
		free(p);
	}
	buf_add_char(&b, 0);
	assert_false(archive_answer_unpack(buf_slice(&b), &got));
	buf_reset(&b);
	a.head.state = TASK_STATE_COUNT;
	archive_answer_pack(&a, &b);
	assert_false(archive_answer_unpack(buf_slice(&b), &got));
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_ask__comes_back_with_the_members_of_its_kind),
		cmocka_unit_test(kept_ask__an_artifact_keeps_its_texts),
		cmocka_unit_test(kept_ask__cut_or_longer_is_refused),
		cmocka_unit_test(archive_answer__comes_back),
		cmocka_unit_test(archive_answer__an_error_is_all_there_is),
		cmocka_unit_test(archive_answer__malformed_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
