/* SPDX-License-Identifier: Apache-2.0 */
/* What status, type and body of an answer mean; where the old transport says that messages go. */
#include "mcp/http_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void answer_type__looks_at_the_type_alone(void **state)
{
	(void)state;
	assert_int_equal(answer_type("application/json; charset=utf-8"), ANSWER_JSON);
	assert_int_equal(answer_type("Text/Event-Stream;x"), ANSWER_SSE);
	assert_int_equal(answer_type("text/html"), ANSWER_OTHER);
	assert_int_equal(answer_type(""), ANSWER_OTHER);
}

static void status__is_good_from_200_to_299(void **state)
{
	static const int good[] = {200, 202, 299}, bad[] = {0, 100, 199, 300, 304, 404, 500};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(status_is_good(good[i]));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(status_is_good(bad[i]));
}

static void refusal__of_a_session_is_404_or_400_with_words(void **state)
{
	(void)state;
	assert_true(refusal_is_expiry(404, slice_str("")));
	assert_true(refusal_is_expiry(400, slice_str("{\"message\":\"No valid Session ID\"}")));
	assert_false(refusal_is_expiry(400, slice_str("{\"message\":\"bad version\"}")));
	assert_false(refusal_is_expiry(400, slice_str("")));
	assert_false(refusal_is_expiry(500, slice_str("session")));
}

static void refusal__is_unsent_only_when_certain(void **state)
{
	(void)state;
	static const int certain[] = {301, 400, 401, 403, 404, 405, 406, 413, 415, 429, 501};
	static const int unknown[] = {408, 409, 500, 502, 503, 504};
	struct fetch_head busy = {.status = 503, .retry_after = "1"};
	for (size_t i = 0; i < COUNT_OF(certain); i++)
		assert_true(refusal_is_unsent(&(struct fetch_head){.status = certain[i]}));
	for (size_t i = 0; i < COUNT_OF(unknown); i++)
		assert_false(refusal_is_unsent(&(struct fetch_head){.status = unknown[i]}));
	assert_true(refusal_is_unsent(&busy));
}

static void refusal_word__says_where_and_hides_secrets_of_addresses(void **state)
{
	struct fetch_head h = {.status = 307, .location = "https://u:p@other/x?t=1"};
	struct error e;
	(void)state;
	assert_int_equal(refusal_word(&h, slice_str(""), "https://a:b@h/mcp?k=1", &e), ERR_CONFIG);
	assert_non_null(
		strstr(e.msg, "the server at https://h/mcp redirects (HTTP 307) to https://other/x;"));
	h = (struct fetch_head){.status = 502};
	assert_int_equal(refusal_word(&h, slice_str("<html>"), "http://h", &e), ERR_LOST);
	assert_string_equal(e.msg, "the server at http://h answered HTTP 502");
	h.status = 400;
	assert_int_equal(refusal_word(&h, slice_str("a\nb"), "http://h", &e), ERR_UPSTREAM);
	assert_string_equal(e.msg, "the server at http://h answered HTTP 400: a b");
	h = (struct fetch_head){.status = 503, .retry_after = "1"};
	assert_int_equal(refusal_word(&h, slice_str(""), "http://h", &e), ERR_UNAVAILABLE);
	h.status = 401;
	assert_int_equal(refusal_word(&h, slice_str(""), "http://h", &e), ERR_UNAUTHORIZED);
}

static void refusal_error__is_a_json_rpc_error_only(void **state)
{
	(void)state;
	struct slice error =
		refusal_error(slice_str("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-1}}"));
	assert_true(slice_eq_str(error, "{\"code\":-1}"));
	assert_int_equal(refusal_error(slice_str("{\"error\":\"no\"}")).len, 0);
	assert_int_equal(refusal_error(slice_str("<html>")).len, 0);
	assert_int_equal(refusal_error(slice_str("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}")).len, 0);
}

static void session_id__is_visible_ascii(void **state)
{
	char long_id[FETCH_SESSION_ID_SIZE];
	(void)state;
	memset(long_id, 'a', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	assert_true(session_id_is_good("a-1~!"));
	assert_false(session_id_is_good(""));
	assert_false(session_id_is_good("a b"));
	assert_false(session_id_is_good("\xc3\xa9"));
	assert_false(session_id_is_good(long_id)); /* may have been cut */
}

static void resolves(const char *base, const char *endpoint, const char *url)
{
	char *got = old_resolve(base, slice_str(endpoint));
	if (url)
		assert_string_equal(got ? got : "(null)", url);
	else
		assert_null(got);
	free(got);
}

static void old_resolve__stays_on_the_origin(void **state)
{
	(void)state;
	resolves("http://h:1/a/sse?x", "/message?s=1", "http://h:1/message?s=1");
	resolves("http://h:1/a/sse", "message", "http://h:1/a/message");
	resolves("http://h:1", "message", "http://h:1/message");
	resolves("http://h:1/a/sse?x", "?s=1", "http://h:1/a/sse?s=1");
	resolves("http://h:1/sse", "http://h:1/m", "http://h:1/m");
	resolves("http://h:1/sse", "http://h:2/m", NULL);
	resolves("http://h:1/sse", "https://h:1/m", NULL);
	resolves("http://h:1/sse", "http://h:1@evil/m", NULL);
	resolves("http://h:1/sse", "http://h:1.evil/m", NULL);
	resolves("http://h:1/sse", "//evil/m", NULL);
	resolves("http://h:1/sse", "file:///etc/passwd", NULL);
	resolves("http://h:1/sse", "javascript:1", NULL);
	resolves("http://h:1/sse", "/a b", NULL);
	resolves("http://h:1/sse", "", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status__is_good_from_200_to_299),
		cmocka_unit_test(answer_type__looks_at_the_type_alone),
		cmocka_unit_test(refusal__of_a_session_is_404_or_400_with_words),
		cmocka_unit_test(refusal__is_unsent_only_when_certain),
		cmocka_unit_test(refusal_word__says_where_and_hides_secrets_of_addresses),
		cmocka_unit_test(refusal_error__is_a_json_rpc_error_only),
		cmocka_unit_test(session_id__is_visible_ascii),
		cmocka_unit_test(old_resolve__stays_on_the_origin),
	};
	return cmocka_run_group_tests_name("http_status", tests, NULL, NULL);
}
