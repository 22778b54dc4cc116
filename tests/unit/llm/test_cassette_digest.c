/* SPDX-License-Identifier: Apache-2.0 */
/* What of a request counts when its answer is looked up. */
#include "cassette_rig.h"

/* The day is another in each run. */
static void plain(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++)
		buf_add_char(out, text.ptr[i] >= '0' && text.ptr[i] <= '9' ? 'N' : text.ptr[i]);
}

static char *made(const char *body, void (*fn)(struct slice text, struct buf *out))
{
	struct buf out = BUF_INIT;
	cassette_request_plain(slice_str(body), fn, &out);
	return buf_take(&out);
}

static void assert_made(const char *body, const char *wanted)
{
	char *once = made(body, plain), *twice = made(once, plain);
	assert_string_equal(once, wanted);
	assert_string_equal(twice, wanted);
	free(once);
	free(twice);
}

static void cassette_digest__is_of_canonical_json(void **state)
{
	(void)state;
	assert_made("{ \"b\" : [1, true , null], \"a\": {\"d\": 2, \"c\": \"x\\n\\u00e4\"} }",
		    "{\"a\":{\"c\":\"x\\nä\",\"d\":2},\"b\":[1,true,null]}");
	assert_made("{}", "{}");
	assert_made("[]", "[]");
}

static void cassette_digest__leaves_out_what_varies(void **state)
{
	(void)state;
	assert_made("{\"model\":\"m\",\"prompt_cache_key\":\"t\",\"max_tokens\":5,\"max_completion_tokens\":"
		    "5,\"max_output_tokens\":5,\"response_format\":{},\"text\":{\"format\":1},\"output_"
		    "config\":{}}",
		    "{\"model\":\"m\"}");
	/* of members at the top only: a tool may have a parameter of that name */
	assert_made("{\"tools\":[{\"text\":\"t\",\"max_tokens\":1}]}",
		    "{\"tools\":[{\"max_tokens\":1,\"text\":\"t\"}]}");
	assert_made("{\"messages\":[{\"content\":\"Today is 2026-11-28.\"}]}",
		    "{\"messages\":[{\"content\":\"Today is NNNN-NN-NN.\"}]}");
	char *as_is = made("{\"a\":\"1\"}", NULL);
	assert_string_equal(as_is, "{\"a\":\"1\"}");
	free(as_is);
}

static void cassette_digest__takes_what_is_no_json_as_text(void **state)
{
	(void)state;
	char *text = made("{\"a\":1,\"a\":2} \"", NULL);
	assert_string_equal(text, "\"{\\\"a\\\":1,\\\"a\\\":2} \\\"\"");
	free(text);
}

static void cassette_key__is_of_provider_path_and_request(void **state)
{
	(void)state;
	char key[4][SHA256_HEX_SIZE], again[SHA256_HEX_SIZE];
	cassette_key("a", "/v1", SLICE_LIT("{}"), key[0]);
	cassette_key("b", "/v1", SLICE_LIT("{}"), key[1]);
	cassette_key("a", "/v2", SLICE_LIT("{}"), key[2]);
	cassette_key("a", "/v1", SLICE_LIT("[]"), key[3]);
	cassette_key("a", "/v1", SLICE_LIT("{}"), again);
	assert_string_equal(key[0], again);
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(key[i], key[j]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cassette_digest__is_of_canonical_json),
		cmocka_unit_test(cassette_digest__leaves_out_what_varies),
		cmocka_unit_test(cassette_digest__takes_what_is_no_json_as_text),
		cmocka_unit_test(cassette_key__is_of_provider_path_and_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
