/* SPDX-License-Identifier: Apache-2.0 */
/* Where a person comes back from logging in to a tool server. */
#include "api_rig.h"

/* Sends it and waits until the stand-in for mcp has it. */
static int come_back(const char *query)
{
	char head[600];
	int fd = api_client(), before = api.logins;

	snprintf(head, sizeof(head), "GET /v1/oauth/callback?%s", query);
	api_send(fd, head, NULL);
	for (int i = 0; i < 50 && api.logins == before; i++)
		rig_turns(1);
	assert_int_equal(api.logins, before + 1);
	return fd;
}

static const char *page(int fd, int status)
{
	rig_read(fd, NULL);
	assert_int_equal(api_answer(), status);
	assert_string_equal(api_header("Content-Type"), "text/html; charset=utf-8");
	assert_string_equal(api_header("Referrer-Policy"), "no-referrer");
	assert_string_equal(api_header("Cache-Control"), "no-store");
	assert_non_null(strstr(api_header("Content-Security-Policy"), "default-src 'none'"));
	close(fd);
	return buf_cstr(&rig.got);
}

static void oauth__hands_on_what_came_and_says_that_it_worked(void **state)
{
	(void)state;
	int fd = come_back("code=a%2Bb+c&state=s1&iss=https%3A%2F%2Fas&session_state=unknown");
	assert_string_equal(api.login.code, "a+b c");
	assert_string_equal(api.login.state, "s1");
	assert_string_equal(api.login.iss, "https://as");
	assert_null(api.login.error);
	api.servers_fn(slice_str("mail"), NULL, api.servers_arg);
	assert_non_null(strstr(page(fd, 200), "The tool server mail may be used now"));
}

static void oauth__escapes_what_it_shows(void **state)
{
	struct error e;

	(void)state;
	int fd = come_back("state=s1&error=access_denied&error_description=%3Cscript%3E");
	assert_null(api.login.code);
	assert_string_equal(api.login.error, "access_denied");
	assert_string_equal(api.login.error_description, "<script>");
	err_set(&e, ERR_UNAUTHORIZED, "<script>alert('1')</script>&\"");
	api.servers_fn((struct slice){0}, &e, api.servers_arg);
	const char *text = page(fd, 401);
	assert_null(strstr(text, "<script"));
	assert_non_null(strstr(text, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"));
}

static void oauth__refuses_what_is_no_return(void **state)
{
	(void)state;
	assert_int_equal(api_ask("GET /v1/oauth/callback", NULL), 400);
	assert_string_equal(api_text("/field"), "state");
	assert_int_equal(api_ask("GET /v1/oauth/callback?state=&code=x", NULL), 400);
	assert_int_equal(api_ask("GET /v1/oauth/callback?state=a&code=1&code=2", NULL), 400);
	assert_int_equal(api_ask("GET /v1/oauth/callback?state=%zz", NULL), 400);
	assert_int_equal(api.logins, 0);
}

static void oauth__forgets_a_browser_that_left(void **state)
{
	(void)state;
	int fd = come_back("state=s1&code=x");
	rig_reset(fd);
	api_until_connections(0);
	assert_null(api.servers_fn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(oauth__hands_on_what_came_and_says_that_it_worked),
		API_TEST(oauth__escapes_what_it_shows),
		API_TEST(oauth__refuses_what_is_no_return),
		API_TEST(oauth__forgets_a_browser_that_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
