/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of an answer's head. */
#include "base/base.h"
#include "base/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void take(struct fetch_head *h, const char *line)
{
	fetch_head_line(h, slice_str(line));
}

static void fetch_head__keeps_what_matters(void **state)
{
	(void)state;
	struct fetch_head h = {0};
	take(&h, "HTTP/1.1 429 Too Many Requests\r\n");
	take(&h, "RETRY-AFTER:  7 \r\n");
	take(&h, "retry-after-ms:1500\r\n");
	take(&h, "X-Should-Retry: true\r\n");
	take(&h, "request-id: req_0\r\n"); /* Anthropic's name for it */
	assert_string_equal(h.request_id, "req_0");
	take(&h, "x-request-id: req:1\r\n");
	take(&h, "Location: https://h/x\r\n");
	take(&h, "Server: nginx\r\n");
	take(&h, "\r\n");
	assert_int_equal(h.status, 429);
	assert_string_equal(h.retry_after, "7");
	assert_string_equal(h.retry_after_ms, "1500");
	assert_string_equal(h.should_retry, "true");
	assert_string_equal(h.request_id, "req:1");
	assert_string_equal(h.location, "https://h/x");
}

static void fetch_head__forgets_an_interim_answer(void **state)
{
	(void)state;
	struct fetch_head h = {0};
	take(&h, "HTTP/1.1 103 Early Hints\r\n");
	take(&h, "Location: /elsewhere\r\n");
	take(&h, "\r\n");
	take(&h, "HTTP/2 200\r\n");
	assert_int_equal(h.status, 200);
	assert_string_equal(h.location, "");
}

static void fetch_head__cuts_long_values(void **state)
{
	(void)state;
	struct fetch_head h = {0};
	char line[500] = "x-request-id: ";
	memset(line + strlen(line), 'a', 400);
	take(&h, line);
	assert_int_equal(strlen(h.request_id), sizeof(h.request_id) - 1);
}

static void fetch_head__joins_challenges(void **state)
{
	(void)state;
	struct fetch_head h = {0};
	char line[3000] = "WWW-Authenticate: Basic x=";
	take(&h, "HTTP/1.1 401 Unauthorized\r\n");
	take(&h, "WWW-Authenticate: Bearer scope=\"a b\"\r\n");
	take(&h, "www-authenticate: Negotiate\r\n");
	memset(line + strlen(line), 'a', 2500);
	take(&h, line);
	assert_string_equal(h.www_authenticate, "Bearer scope=\"a b\", Negotiate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetch_head__keeps_what_matters),
		cmocka_unit_test(fetch_head__forgets_an_interim_answer),
		cmocka_unit_test(fetch_head__cuts_long_values),
		cmocka_unit_test(fetch_head__joins_challenges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
