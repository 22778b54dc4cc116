/* SPDX-License-Identifier: Apache-2.0 */
/* The address a person is sent to, and what is believed of what comes back. */
#include "mcp/auth_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static enum err checked(const char *iss, bool promised, const char *code, const char *error)
{
	struct metadata m = {.issuer = (char[]){"https://as"},
			     .authorization_endpoint = (char[]){"https://as/authorize?x=y"},
			     .resource = (char[]){"https://h/mcp"},
			     .iss_promised = promised};
	struct client c = {.id = (char[]){"c d"}};
	struct login l = {0};
	struct error e;
	login_begin(&l, &m, &c, "http://127.0.0.1/cb", NULL);
	assert_non_null(strstr(l.url, "https://as/authorize?x=y&response_type=code&client_id=c%20d&"));
	assert_null(strstr(l.url, "scope="));
	assert_null(strstr(l.url, l.verifier));
	struct mcp_login r = {.code = code, .state = l.state, .iss = iss, .error = error};
	enum err rc = login_check(&l, &m, &r, &e);
	login_release(&l);
	return rc;
}

static void login_check__goes_by_the_issuer_first(void **state)
{
	(void)state;
	assert_int_equal(checked("https://as", true, "c", NULL), ERR_NONE);
	assert_int_equal(checked("https://as", false, "c", NULL), ERR_NONE);
	assert_int_equal(checked(NULL, false, "c", NULL), ERR_NONE);
	assert_int_equal(checked(NULL, true, "c", NULL), ERR_UPSTREAM);
	assert_int_equal(checked("https://as/", true, "c", NULL), ERR_UPSTREAM);
	assert_int_equal(checked("https://AS", false, "c", NULL), ERR_UPSTREAM);
	assert_int_equal(checked("https://evil", false, NULL, "access_denied"), ERR_UPSTREAM);
	assert_int_equal(checked("https://as", true, NULL, "access_denied"), ERR_UNAUTHORIZED);
	assert_int_equal(checked("https://as", true, "", NULL), ERR_UPSTREAM);
	assert_int_equal(checked("https://as", true, NULL, NULL), ERR_UPSTREAM);
}

static void login_check__ends_after_an_hour(void **state)
{
	struct metadata m = {.issuer = (char[]){"https://as"},
			     .authorization_endpoint = (char[]){"https://as/a"}};
	struct client c = {.id = (char[]){"c"}};
	struct login l = {0};
	struct error e;
	(void)state;
	clock_fake_set(1000, 0);
	login_begin(&l, &m, &c, "http://127.0.0.1/cb", "s");
	struct mcp_login r = {.code = "c", .state = l.state};
	clock_fake_set(INT64_C(3600000000), 0);
	assert_int_equal(login_check(&l, &m, &r, &e), ERR_NONE);
	clock_fake_set(INT64_C(3601001000), 0);
	assert_int_equal(login_check(&l, &m, &r, &e), ERR_GONE);
	clock_fake_clear();
	login_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(login_check__goes_by_the_issuer_first),
		cmocka_unit_test(login_check__ends_after_an_hour),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
