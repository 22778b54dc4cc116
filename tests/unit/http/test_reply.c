/* SPDX-License-Identifier: Apache-2.0 */
/* What answers look like. */
#include "conn_rig.h"

#include <sys/mman.h>

static const char *answer(const char *request)
{
	int fd = rig_client();

	rig_send(fd, request);
	rig_read(fd, NULL);
	close(fd);
	return buf_cstr(&rig.got);
}

static void reply__has_the_lines_that_every_answer_has(void **state)
{
	const char *got =
		answer("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: me\r\n\r\n");

	(void)state;
	assert_string_equal(got, "HTTP/1.1 200 OK\r\n"
				 "X-Content-Type-Options: nosniff\r\n"
				 "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
				 "X-Request-Id: me\r\n"
				 "Content-Type: text/plain\r\n"
				 "Content-Length: 2\r\n"
				 "Connection: close\r\n"
				 "ETag: \"1\"\r\n"
				 "\r\n"
				 "/x");
}

static void reply__date_follows_the_clock(void **state)
{
	(void)state;
	assert_non_null(strstr(answer("GET / HTTP/1.0\r\n\r\n"), "Date: Tue, 14 Nov 2023 22:13:20 GMT"));
	clock_fake_set(rig.now_us, 1700000001000);
	assert_non_null(strstr(answer("GET / HTTP/1.0\r\n\r\n"), "Date: Tue, 14 Nov 2023 22:13:21 GMT"));
}

static void reply__to_head_tells_the_length_and_sends_no_body(void **state)
{
	const char *got = answer("HEAD /abc HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

	(void)state;
	assert_non_null(strstr(got, "Content-Length: 4\r\n"));
	assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n");
}

static void reply__204_has_neither_body_nor_length(void **state)
{
	const char *got = answer("GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

	(void)state;
	assert_non_null(strstr(got, "HTTP/1.1 204 No Content\r\n"));
	assert_null(strstr(got, "Content-Length"));
	assert_null(strstr(got, "not sent"));
}

static void reply__holds_back_headers_that_would_split_it(void **state)
{
	const char *got = answer("GET /split HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

	(void)state;
	assert_non_null(strstr(got, "HTTP/1.1 500 "));
	assert_null(strstr(got, "evil"));
	assert_int_equal(rig_count(got, "HTTP/1.1"), 1);
}

static void reply_error__is_a_problem_document(void **state)
{
	const char *got =
		answer("GET /error HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: me\r\n\r\n");

	(void)state;
	assert_non_null(strstr(got, "HTTP/1.1 503 Service Unavailable\r\n"));
	assert_non_null(strstr(got, "Content-Type: application/problem+json\r\n"));
	assert_non_null(strstr(got, "Retry-After: 1\r\n"));
	assert_string_equal(
		strstr(got, "\r\n\r\n") + 4,
		"{\"type\":\"/problems/full\",\"title\":\"A limit of the service is reached\",\"status\":503,"
		"\"detail\":\"no room for \\\"it\\\"\",\"field\":\"/prompt\",\"instance\":\"me\"}");
}

static void header_add__refuses_what_would_break_a_head(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_true(http_header_add(&b, "Location", "/v1/tasks/1"));
	assert_false(http_header_add(&b, "Location", "/x\r\nSet-Cookie: a"));
	assert_false(http_header_add(&b, "Location", "a\nb"));
	assert_false(http_header_add(&b, "Location", "a\x01"));
	assert_false(http_header_add(&b, "Loc ation", "a"));
	assert_false(http_header_add(&b, "", "a"));
	assert_string_equal(buf_cstr(&b), "Location: /v1/tasks/1\r\n");
	buf_release(&b);
}

static void reply__is_logged_at_debug(void **state)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	char text[4096] = "";

	(void)state;
	log_init("test", LOG_DEBUG, LOG_FORMAT_JSON);
	log_set_fd(fd);
	answer("GET /path?token=secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: me\r\n\r\n");
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	log_set_fd(STDERR_FILENO);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(
		text, "\"method\":\"GET\",\"path\":\"/path\",\"status\":200,\"ms\":0,\"request_id\":\"me\""));
	assert_null(strstr(text, "secret"));
	close(fd);
}

static void status_text__knows_every_error(void **state)
{
	(void)state;
	for (int e = 0; e < ERR_COUNT; e++)
		assert_string_not_equal(http_status_text(err_info((enum err)e)->http_status), "Unknown");
	assert_string_equal(http_status_text(299), "Unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(reply__has_the_lines_that_every_answer_has),
		RIG_TEST(reply__date_follows_the_clock),
		RIG_TEST(reply__to_head_tells_the_length_and_sends_no_body),
		RIG_TEST(reply__204_has_neither_body_nor_length),
		RIG_TEST(reply__holds_back_headers_that_would_split_it),
		RIG_TEST(reply_error__is_a_problem_document),
		RIG_TEST(header_add__refuses_what_would_break_a_head),
		RIG_TEST(reply__is_logged_at_debug),
		RIG_TEST(status_text__knows_every_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
