/* SPDX-License-Identifier: Apache-2.0 */
/* The header Idempotency-Key: which forms mean the same key, which are none, what a key is bound to. */
#include "conn_rig.h"
#include "http/api_int.h"

static struct http_head head;
static struct http_request request;

/* A POST of `body` to `path` with these values of the header; the key's digests. */
static enum err read_key(const char *path, const char *const *values, const char *body,
			 struct request_key *key, struct error *e)
{
	bool given;
	enum err code;

	head = (struct http_head){.method = HTTP_POST};
	head.headers[head.headers_count++] = (struct http_header){SLICE_LIT("Host"), SLICE_LIT("a")};
	for (; *values; values++)
		head.headers[head.headers_count++] =
			(struct http_header){SLICE_LIT("idempotency-KEY"), slice_str(*values)};
	request = (struct http_request){
		.head = &head, .path = (char *)(uintptr_t)path, .body = slice_str(body)};
	code = api_key_read(&request, key, &given, e);
	assert_int_equal(given, head.headers_count > 1);
	return code;
}

static enum err read_one(const char *value, struct request_key *key)
{
	const char *const values[] = {value, NULL};
	struct error e;
	enum err code = read_key("/v1/tasks", values, "{}", key, &e);

	if (code != ERR_NONE)
		assert_string_equal(e.field, "Idempotency-Key");
	return code;
}

static void key__is_bare_or_a_string(void **state)
{
	static const char *const same[][2] = {
		{"abc", "\"abc\""},         {"8e03978e-40d5", "\"8e03978e-40d5\""},
		{"a\\b", "\"a\\\\b\""},     {"a\"b", "\"a\\\"b\""},
		{"a,b;c=d", "\"a,b;c=d\""},
	};
	struct request_key a, b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		assert_int_equal(read_one(same[i][0], &a), ERR_NONE);
		assert_int_equal(read_one(same[i][1], &b), ERR_NONE);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

static void key__refuses_what_is_none(void **state)
{
	static const char *const bad[] = {"",         "\"\"",      "\"",      "\"a",     "a b",
					  "\"a b\"",  "\"a\"b",    "\"a\"\"", "\"a\\\"", "\"a\\b\"",
					  "\xc3\xa4", "\"a\";x=1", "a\tb",    "\"\\\"",  "a\x7f"};
	char longest[259];
	struct request_key k;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (read_one(bad[i], &k) != ERR_FIELD)
			fail_msg("%s was taken", bad[i]);
	}
	memset(longest, 'k', sizeof(longest));
	longest[256] = '\0';
	assert_int_equal(read_one(longest, &k), ERR_FIELD);
	longest[255] = '\0';
	assert_int_equal(read_one(longest, &k), ERR_NONE);
}

static void key__is_given_once_or_not_at_all(void **state)
{
	static const char *const twice[] = {"a", "a", NULL}, *const none[] = {NULL};
	struct request_key k;
	struct error e;

	(void)state;
	assert_int_equal(read_key("/v1/tasks", twice, "", &k, &e), ERR_FIELD);
	assert_non_null(strstr(e.msg, "2 times"));
	assert_int_equal(read_key("/v1/tasks", none, "", &k, &e), ERR_NONE);
}

static void key__is_bound_to_path_and_body(void **state)
{
	static const char *const values[] = {"a", NULL};
	struct request_key a, b;
	struct error e;

	(void)state;
	assert_int_equal(read_key("/v1/tasks", values, "{}", &a, &e), ERR_NONE);
	assert_int_equal(read_key("/v1/tasks", values, "{ }", &b, &e), ERR_NONE);
	assert_memory_equal(a.key, b.key, REQUEST_DIGEST);
	assert_memory_not_equal(a.body, b.body, REQUEST_DIGEST);
	assert_int_equal(read_key("/v1/tasks/x/cancel", values, "{}", &b, &e), ERR_NONE);
	assert_memory_not_equal(a.key, b.key, REQUEST_DIGEST);
	assert_memory_equal(a.body, b.body, REQUEST_DIGEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key__is_bare_or_a_string),
		cmocka_unit_test(key__refuses_what_is_none),
		cmocka_unit_test(key__is_given_once_or_not_at_all),
		cmocka_unit_test(key__is_bound_to_path_and_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
