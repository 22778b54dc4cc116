/* SPDX-License-Identifier: Apache-2.0 */
/* As which client an issuer is asked. */
#include "mcp/auth_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char AS[] = "https://as", OTHER[] = "https://other", REGISTER[] = "https://as/r";
static const char BACK[] = "http://127.0.0.1:1/cb";

static struct metadata at(char *issuer)
{
	return (struct metadata){.issuer = issuer, .registration_endpoint = REGISTER, .basic = true};
}

static enum err answer_read(const char *text, int status, const struct metadata *m, struct client *c)
{
	struct error e;
	struct json *j = json_parse(text, strlen(text), 0, &e);
	struct ask_answer a = {.status = status, .json = j};
	enum err rc = registration_read(&a, m, BACK, c, &e);
	json_free(j);
	return rc;
}

static void client_choose__takes_the_given_one_first(void **state)
{
	struct mcp_auth_options o = {
		.client_id = "mine", .client_secret = "s", .client_metadata_url = "https://c/d"};
	struct metadata m = at(AS);
	struct client c = {0};
	struct error e;
	(void)state;
	m.client_documents = true;
	assert_int_equal(client_choose(&c, &o, &m, BACK, &e), ERR_NONE);
	assert_string_equal(c.id, "mine");
	assert_string_equal(c.method, "client_secret_basic");
	m.basic = false;
	m.post = true;
	assert_int_equal(client_choose(&c, &o, &m, BACK, &e), ERR_NONE);
	assert_string_equal(c.method, "client_secret_post");
	o.client_secret = NULL;
	assert_int_equal(client_choose(&c, &o, &m, BACK, &e), ERR_NONE);
	assert_string_equal(c.method, "none");
	o.private_key = "pem";
	assert_int_equal(client_choose(&c, &o, &m, BACK, &e), ERR_NONE);
	assert_string_equal(c.method, "private_key_jwt");
	client_release(&c);
}

static void client_choose__shows_the_given_one_to_one_issuer_only(void **state)
{
	struct mcp_auth_options o = {.client_id = "mine", .client_secret = "s"};
	struct metadata first = at(AS), second = at(OTHER);
	struct client c = {0};
	struct error e;
	(void)state;
	assert_int_equal(client_choose(&c, &o, &first, BACK, &e), ERR_NONE);
	assert_int_equal(client_choose(&c, &o, &second, BACK, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "auth.issuer"));
	o.issuer = OTHER;
	assert_int_equal(client_choose(&c, &o, &second, BACK, &e), ERR_NONE);
	assert_int_equal(client_choose(&c, &o, &first, BACK, &e), ERR_CONFIG);
	client_release(&c);
}

static void client_choose__goes_down_the_list(void **state)
{
	struct mcp_auth_options o = {.client_metadata_url = "https://c/d"};
	struct metadata m = at(AS);
	struct client c = {0};
	struct error e;
	(void)state;
	assert_int_equal(client_choose(&c, &o, &m, BACK, &e), ERR_UNAVAILABLE); /* to be registered */
	m.client_documents = true;
	assert_int_equal(client_choose(&c, &o, &m, BACK, &e), ERR_NONE);
	assert_string_equal(c.id, "https://c/d");
	assert_string_equal(c.method, "none");
	m.client_documents = false;
	m.registration_endpoint = NULL;
	assert_int_equal(client_choose(&c, &o, &m, BACK, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "auth.client_id"));
	client_release(&c);
}

static void client_choose__keeps_a_registration_while_it_is_good(void **state)
{
	struct mcp_auth_options o = {0};
	struct metadata m = at(AS), moved = at(OTHER);
	struct client c = {0};
	struct error e;
	(void)state;
	clock_fake_set(0, 1000000);
	assert_int_equal(
		answer_read("{\"client_id\":\"d\",\"client_secret\":\"s\",\"client_secret_expires_at\":1001}",
			    201, &m, &c),
		ERR_NONE);
	assert_int_equal(client_choose(&c, &o, &m, BACK, &e), ERR_NONE);
	assert_string_equal(c.id, "d");
	clock_fake_set(0, 1001000); /* the secret has run out */
	assert_int_equal(client_choose(&c, &o, &m, BACK, &e), ERR_UNAVAILABLE);
	assert_int_equal(answer_read("{\"client_id\":\"d\",\"client_secret\":\"s\"}", 201, &m, &c), ERR_NONE);
	assert_int_equal(client_choose(&c, &o, &m, "http://127.0.0.1:2/cb", &e), ERR_UNAVAILABLE);
	assert_int_equal(answer_read("{\"client_id\":\"d\",\"client_secret\":\"s\"}", 201, &m, &c), ERR_NONE);
	assert_int_equal(client_choose(&c, &o, &moved, BACK, &e), ERR_UNAVAILABLE);
	clock_fake_clear();
	client_release(&c);
}

static void registration_read__refuses_what_cannot_be_used(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"client_id\":\"\"}",
		"{\"client_id\":7}",
		"{\"error\":\"invalid_redirect_uri\"}",
		"{\"client_id\":\"a\",\"token_endpoint_auth_method\":\"client_secret_basic\"}",
		"{\"client_id\":\"a\",\"client_secret\":\"s\",\"token_endpoint_auth_method\":\"tls_client_"
		"auth\"}",
	};
	struct metadata m = at(AS);
	struct client c = {0};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (answer_read(bad[i], 201, &m, &c) == ERR_NONE)
			fail_msg("%s", bad[i]);
		assert_null(c.id);
	}
	assert_int_equal(answer_read("{\"client_id\":\"a\"}", 400, &m, &c), ERR_UPSTREAM);
	assert_int_equal(answer_read("{\"client_id\":\"a\"}", 200, &m, &c), ERR_NONE);
	assert_string_equal(c.method, "none");
	client_release(&c);
}

static void registration_write__says_what_kind_of_client_it_is(void **state)
{
	struct metadata m = at(AS);
	struct buf b = BUF_INIT;
	(void)state;
	registration_write(&m, BACK, "a b", &b);
	assert_non_null(strstr(b.data, "\"application_type\":\"native\""));
	assert_non_null(strstr(b.data, "\"refresh_token\""));
	assert_non_null(strstr(b.data, "\"scope\":\"a b\""));
	assert_non_null(strstr(b.data, "\"client_secret_basic\""));
	buf_reset(&b);
	m.basic = false;
	registration_write(&m, "https://agents.example/cb", NULL, &b);
	assert_non_null(strstr(b.data, "\"application_type\":\"web\""));
	assert_non_null(strstr(b.data, "\"token_endpoint_auth_method\":\"none\""));
	assert_null(strstr(b.data, "\"scope\""));
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_choose__takes_the_given_one_first),
		cmocka_unit_test(client_choose__shows_the_given_one_to_one_issuer_only),
		cmocka_unit_test(client_choose__goes_down_the_list),
		cmocka_unit_test(client_choose__keeps_a_registration_while_it_is_good),
		cmocka_unit_test(registration_read__refuses_what_cannot_be_used),
		cmocka_unit_test(registration_write__says_what_kind_of_client_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
