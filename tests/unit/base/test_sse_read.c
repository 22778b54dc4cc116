/* SPDX-License-Identifier: Apache-2.0 */
/* The splitter of event streams: line ends, fields, joins, limits, and that cuts in the bytes do not matter.
 */
#include "base/base.h"
#include "base/sse_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static enum err note_event(const struct sse_event *ev, void *arg, struct error *e)
{
	(void)e;
	buf_printf(arg, "%s=%.*s|", ev->event, (int)ev->data.len, ev->data.len > 0 ? ev->data.ptr : "");
	if (ev->id != NULL)
		buf_printf(arg, "#%s|", ev->id);
	return ERR_NONE;
}

/* Events of `stream`, fed in pieces of `step` bytes. */
static char *events_of(const char *stream, size_t step)
{
	struct buf out = BUF_INIT;
	struct sse_reader s;
	struct error e;
	sse_reader_init(&s, note_event, &out);
	for (size_t i = 0, n = strlen(stream); i < n; i += step)
		assert_int_equal(
			sse_reader_feed(&s, (struct slice){stream + i, n - i < step ? n - i : step}, &e),
			ERR_NONE);
	assert_int_equal(sse_reader_finish(&s, &e), ERR_NONE);
	sse_reader_release(&s);
	return buf_take(&out);
}

static void assert_events(const char *stream, const char *expected)
{
	for (size_t step = 1; step < 8; step++) {
		char *got = events_of(stream, step);
		assert_string_equal(got, expected);
		free(got);
	}
}

static void sse_reader__gives_events_for_all_line_ends(void **state)
{
	(void)state;
	assert_events("data: a\n\ndata: b\n\n", "message=a|message=b|");
	assert_events("data: a\r\n\r\ndata: b\r\n\r\n", "message=a|message=b|");
	assert_events("data: a\r\rdata: b\r\r", "message=a|message=b|");
}

static void sse_reader__skips_comments_and_unknown_fields(void **state)
{
	(void)state;
	assert_events(": OPENROUTER PROCESSING\n\nid: 7\nretry: 5\nfoo\n\ndata:x\n\n", "message=x|");
}

static void sse_reader__joins_data_lines_and_names_events(void **state)
{
	(void)state;
	assert_events("event: error\ndata: a\ndata:  b\n\ndata\n\n", "error=a\n b|message=|");
}

static void sse_reader__gives_an_event_without_a_blank_line_at_the_end(void **state)
{
	(void)state;
	assert_events("data: a\n\ndata: b", "message=a|message=b|");
	assert_events("data: a\n\ndata: b\n", "message=a|message=b|");
}

static void sse_reader__refuses_a_line_over_the_limit(void **state)
{
	(void)state;
	struct sse_reader s;
	struct error e;
	struct buf out = BUF_INIT;
	char piece[4096];
	enum err rc = ERR_NONE;
	size_t fed = 0;
	memset(piece, 'a', sizeof(piece));
	sse_reader_init(&s, note_event, &out);
	for (; rc == ERR_NONE && fed < (size_t)2 * SSE_LINE_BYTES_MAX; fed += sizeof(piece))
		rc = sse_reader_feed(&s, (struct slice){piece, sizeof(piece)}, &e);
	assert_int_equal(rc, ERR_UPSTREAM);
	assert_true(fed <= SSE_LINE_BYTES_MAX + sizeof(piece));
	sse_reader_release(&s);
	buf_release(&out);
}

static void sse_reader__refuses_an_event_over_the_limit(void **state)
{
	(void)state;
	struct sse_reader s;
	struct error e;
	struct buf out = BUF_INIT;
	char line[65536];
	enum err rc = ERR_NONE;
	memset(line, 'a', sizeof(line));
	memcpy(line, "data: ", 6);
	line[sizeof(line) - 1] = '\n';
	sse_reader_init(&s, note_event, &out);
	for (size_t i = 0; rc == ERR_NONE && i < 100; i++)
		rc = sse_reader_feed(&s, (struct slice){line, sizeof(line)}, &e);
	assert_int_equal(rc, ERR_UPSTREAM);
	sse_reader_release(&s);
	buf_release(&out);
}

static void sse_reader__keeps_the_last_id_and_retry(void **state)
{
	(void)state;
	struct sse_reader s;
	struct error e;
	struct buf out = BUF_INIT;
	char long_id[SSE_ID_SIZE + 16];
	sse_reader_init(&s, note_event, &out);
	assert_int_equal(s.retry_ms, -1);
	assert_int_equal(sse_reader_feed(&s, SLICE_LIT("id: 7\nretry: 250\n"), &e), ERR_NONE);
	assert_string_equal(s.last_id, ""); /* the event has not ended */
	assert_int_equal(sse_reader_feed(&s, SLICE_LIT("\nretry: soon\nid: 8\ndata: x\n\ndata: y\n\n"), &e),
			 ERR_NONE);
	assert_string_equal(s.last_id, "8");
	assert_int_equal(s.retry_ms, 250);
	memset(long_id, 'i', sizeof(long_id) - 1);
	memcpy(long_id, "id: ", 4);
	long_id[sizeof(long_id) - 1] = '\0';
	assert_int_equal(sse_reader_feed(&s, slice_str(long_id), &e), ERR_NONE);
	assert_int_equal(sse_reader_feed(&s, SLICE_LIT("\n\n"), &e), ERR_NONE);
	assert_string_equal(s.last_id, "");
	sse_reader_release(&s);
	buf_release(&out);
}

static void sse_reader__takes_another_limit(void **state)
{
	(void)state;
	struct sse_reader s;
	struct error e;
	struct buf out = BUF_INIT;
	sse_reader_init(&s, note_event, &out);
	sse_reader_limit(&s, 4);
	assert_int_equal(sse_reader_feed(&s, SLICE_LIT("data: 1234\n\n"), &e), ERR_NONE);
	assert_int_equal(sse_reader_feed(&s, SLICE_LIT("data: 12345\n\n"), &e), ERR_UPSTREAM);
	sse_reader_release(&s);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sse_reader__gives_events_for_all_line_ends),
		cmocka_unit_test(sse_reader__skips_comments_and_unknown_fields),
		cmocka_unit_test(sse_reader__joins_data_lines_and_names_events),
		cmocka_unit_test(sse_reader__gives_an_event_without_a_blank_line_at_the_end),
		cmocka_unit_test(sse_reader__refuses_a_line_over_the_limit),
		cmocka_unit_test(sse_reader__refuses_an_event_over_the_limit),
		cmocka_unit_test(sse_reader__keeps_the_last_id_and_retry),
		cmocka_unit_test(sse_reader__takes_another_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
