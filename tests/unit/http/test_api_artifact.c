/* SPDX-License-Identifier: Apache-2.0 */
/* Artifacts: whole and in ranges, pulled as the client takes them, never shown as pages. */
#include "api_rig.h"

static const char id_text[] = "0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f";
static struct buf content;

static int start(void **state)
{
	api_start_kept(state);
	kept_put(id_text, TASK_COMPLETED, 2);
	for (int i = 0; i < 100; i++)
		buf_printf(&content, "%010d", i);
	kept.artifact = buf_slice(&content);
	kept.media_type = "text/csv";
	kept.name = "table.csv";
	return 0;
}

static int stop(void **state)
{
	buf_release(&content);
	return api_stop(state);
}

static int get(const char *number, const char *lines)
{
	char head[600];

	snprintf(head, sizeof(head), "GET /v1/tasks/%s/artifacts/%s%s", id_text, number, lines);
	return api_ask(head, NULL);
}

static const char *body(void)
{
	return strstr(buf_cstr(&rig.got), "\r\n\r\n") + 4;
}

static void artifact__is_given_whole(void **state)
{
	(void)state;
	assert_int_equal(get("1", ""), 200);
	assert_string_equal(body(), content.data);
	assert_string_equal(api_header("Content-Length"), "1000");
	assert_string_equal(api_header("Content-Type"), "text/csv");
	assert_string_equal(api_header("Accept-Ranges"), "bytes");
	assert_string_equal(api_header("X-Content-Type-Options"), "nosniff");
	assert_string_equal(api_header("Content-Disposition"), "attachment; filename=\"table.csv\"");
	assert_int_equal(strlen(api_header("ETag")), 66);
	assert_null(strstr(buf_cstr(&rig.got), "Transfer-Encoding"));
}

static void artifact__is_given_in_ranges(void **state)
{
	static const struct {
		const char *range, *content_range;
		size_t from, n;
	} cases[] = {
		{"bytes=0-9", "bytes 0-9/1000", 0, 10},
		{"bytes=995-", "bytes 995-999/1000", 995, 5},
		{"bytes=-15", "bytes 985-999/1000", 985, 15},
		{"bytes=500-5000", "bytes 500-999/1000", 500, 500},
	};
	char line[100];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		snprintf(line, sizeof(line), "\r\nRange: %s", cases[i].range);
		assert_int_equal(get("1", line), 206);
		assert_string_equal(api_header("Content-Range"), cases[i].content_range);
		assert_int_equal(strlen(body()), cases[i].n);
		assert_int_equal(atoi(api_header("Content-Length")), cases[i].n);
		assert_memory_equal(body(), content.data + cases[i].from, cases[i].n);
	}
	assert_int_equal(get("1", "\r\nRange: bytes=1000-"), 416);
	assert_string_equal(api_header("Content-Range"), "bytes */1000");
	assert_string_equal(api_text("/type"), "/problems/range-not-satisfiable");
	assert_int_equal(get("1", "\r\nRange: bytes=0-1,5-6"), 200);
	assert_int_equal(strlen(body()), 1000);
}

static void artifact__is_told_by_its_tag(void **state)
{
	char tag[300], lines[400];

	(void)state;
	assert_int_equal(get("1", ""), 200);
	snprintf(tag, sizeof(tag), "%s", api_header("ETag"));
	snprintf(lines, sizeof(lines), "\r\nIf-None-Match: \"x\", %s", tag);
	assert_int_equal(get("1", lines), 304);
	assert_string_equal(api_header("ETag"), tag);
	snprintf(lines, sizeof(lines), "\r\nRange: bytes=0-1\r\nIf-Range: %s", tag);
	assert_int_equal(get("1", lines), 206);
	assert_int_equal(get("1", "\r\nRange: bytes=0-1\r\nIf-Range: \"other\""), 200);
	snprintf(lines, sizeof(lines), "\r\nRange: bytes=0-1\r\nIf-Range: W/%s", tag);
	assert_int_equal(get("1", lines), 200);
}

static void artifact__head_has_its_length(void **state)
{
	char head[200];

	(void)state;
	snprintf(head, sizeof(head), "HEAD /v1/tasks/%s/artifacts/1\r\nRange: bytes=0-1", id_text);
	assert_int_equal(api_ask(head, NULL), 200);
	assert_string_equal(api_header("Content-Length"), "1000");
	assert_string_equal(body(), "");
}

static void artifact__empty_ones_are_given(void **state)
{
	(void)state;
	kept.artifact.len = 0;
	assert_int_equal(get("1", ""), 200);
	assert_string_equal(api_header("Content-Length"), "0");
	assert_int_equal(get("1", "\r\nRange: bytes=0-"), 416);
}

static void artifact__may_be_missing(void **state)
{
	static const char *const numbers[] = {"0", "2", "x", "-1", "99999999999", "1x"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		assert_int_equal(get(numbers[i], ""), 404);
		assert_string_equal(api_text("/field"), "n");
	}
	assert_int_equal(api_ask("GET /v1/tasks/x/artifacts/1", NULL), 404);
	assert_int_equal(get("1?x=1", ""), 400);
	kept.lost = true;
	assert_int_equal(get("1", ""), 503);
}

/* Names and types come from tools. */
static void artifact__a_name_cannot_break_the_head(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{"a b.txt", "attachment; filename=\"a b.txt\""},
		{"a\"b", "attachment; filename*=UTF-8''a%22b"},
		{"\xc3\xa4.csv", "attachment; filename*=UTF-8''%C3%A4.csv"},
		{"a\r\nX: y", "attachment; filename*=UTF-8''a%0D%0AX%3A%20y"},
		{"", "attachment"},
		{NULL, "attachment"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		kept.name = cases[i].name;
		assert_int_equal(get("1", ""), 200);
		assert_string_equal(api_header("Content-Disposition"), cases[i].want);
	}
	kept.media_type = "text/html\r\nX-Evil: 1";
	assert_int_equal(get("1", ""), 200);
	assert_string_equal(api_header("Content-Type"), "application/octet-stream");
	assert_null(strstr(buf_cstr(&rig.got), "Evil"));
}

/* The big one: begins a download and reads its head only. */
static int begin_big(void)
{
	char head[100];

	rig_big_fill();
	kept.artifact = buf_slice(&rig.big);
	snprintf(head, sizeof(head), "GET /v1/tasks/%s/artifacts/1", id_text);
	return api_begin(head, NULL);
}

static void artifact__is_pulled_as_its_client_takes_it(void **state)
{
	int fd = begin_big(), asked;

	(void)state;
	for (int i = 0; i < 50; i++)
		rig_turns(1);
	asked = kept.asked;
	rig_turns(20);
	assert_int_equal(kept.asked, asked);
	assert_true(asked < 40);
	assert_true(TAILQ_FIRST(&api.http->conns->all)->out.len < 256 << 10);
	rig_read(fd, NULL);
	assert_true(rig.got_end);
	assert_int_equal(rig.got.len - (size_t)(body() - rig.got.data), RIG_BIG_BYTES);
	assert_memory_equal(body(), rig.big.data, RIG_BIG_BYTES);
	close(fd);
	assert_true(kept.asked >= 64);
}

static void artifact__cut_short_is_no_end(void **state)
{
	int fd = begin_big();

	(void)state;
	rig_turns(20);
	kept.lost = true;
	rig_read(fd, NULL);
	assert_true(rig.got_reset);
	close(fd);
	api_until_connections(0);
	/* A client that leaves is forgotten. */
	kept.lost = false;
	kept.held = true;
	fd = begin_big();
	assert_int_equal(kept.pending, 1);
	rig_reset(fd);
	api_until_connections(0);
	assert_int_equal(kept.pending, 0);
}

static void artifact__there_are_none_in_memory(void **state)
{
	(void)state;
	assert_int_equal(get("1", ""), 404);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(artifact__is_given_whole),
		TEST(artifact__is_given_in_ranges),
		TEST(artifact__is_told_by_its_tag),
		TEST(artifact__head_has_its_length),
		TEST(artifact__empty_ones_are_given),
		TEST(artifact__may_be_missing),
		TEST(artifact__a_name_cannot_break_the_head),
		TEST(artifact__is_pulled_as_its_client_takes_it),
		TEST(artifact__cut_short_is_no_end),
		API_TEST(artifact__there_are_none_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
