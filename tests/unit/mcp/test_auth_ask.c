/* SPDX-License-Identifier: Apache-2.0 */
/* One exchange: what is sent, what an answer is, and what is not followed. */
#include "tests/unit/mcp/auth_rig.h"

static int answers, status;
static struct error result;
static bool is_object;

static void answered(const struct ask_answer *a, void *arg)
{
	(void)arg;
	answers++;
	status = a->status;
	result = a->e;
	is_object = a->json != NULL;
}

static void ask(struct auth_rig *r, struct auth_net *n, const char *path, const char *body)
{
	char *url = xasprintf("%s%s", r->origin, path);
	struct ask_request q = {.what = "it",
				.url = url,
				.allow_private = true,
				.media_type = body ? "text/x" : NULL,
				.authorization = body ? "Authorization: Basic c2VjcmV0" : NULL,
				.body = slice_str(body)};
	int before = answers;
	ask_start(n, &q, answered, NULL);
	free(url); /* everything is copied */
	assert_int_equal(answers, before);
	auth_rig_wait(r, &answers, before + 1);
}

static void ask__tells_what_came(void **state)
{
	struct auth_rig r;
	(void)state;
	auth_rig_init(&r);
	struct auth_net *n = auth_net_new(r.loop, NULL);
	auth_rig_say(&r, "/object", 200, "{\"a\":1}");
	auth_rig_say(&r, "/list", 200, "[1]");
	auth_rig_say(&r, "/junk", 418, "<html>");
	ask(&r, n, "/object", NULL);
	assert_true(result.code == ERR_NONE && status == 200 && is_object);
	ask(&r, n, "/list", NULL);
	assert_true(result.code == ERR_NONE && status == 200 && !is_object);
	ask(&r, n, "/junk", NULL);
	assert_true(result.code == ERR_NONE && status == 418 && !is_object);
	ask(&r, n, "/object", "body");
	assert_non_null(strstr(auth_rig_last(&r, "/object"), "POST /object"));
	assert_non_null(strstr(auth_rig_last(&r, "/object"), "Authorization: Basic c2VjcmV0"));
	assert_non_null(strstr(auth_rig_last(&r, "/object"), "Content-Type: text/x"));
	assert_non_null(strstr(auth_rig_last(&r, "/object"), "\r\n\r\nbody"));
	auth_net_free(n);
	auth_rig_free(&r);
}

static void ask__sends_a_secret_nowhere_else(void **state)
{
	struct auth_rig r;
	(void)state;
	auth_rig_init(&r);
	struct auth_net *n = auth_net_new(r.loop, NULL);
	auth_rig_say(&r, "/moved", 307, "{}");
	r.said[r.said_count - 1].location = "/here";
	auth_rig_say(&r, "/here", 200, "{}");
	ask(&r, n, "/moved", "secret");
	assert_int_equal(result.code, ERR_UPSTREAM);
	assert_int_equal(auth_rig_asked_for(&r, "/here"), 0);
	ask(&r, n, "/moved", NULL); /* without one it is followed */
	assert_int_equal(status, 200);
	auth_net_free(n);
	auth_rig_free(&r);
}

static void ask__goes_in_no_circle(void **state)
{
	struct auth_rig r;
	(void)state;
	auth_rig_init(&r);
	struct auth_net *n = auth_net_new(r.loop, NULL);
	auth_rig_say(&r, "/round", 302, "");
	r.said[r.said_count - 1].location = "/round";
	ask(&r, n, "/round", NULL);
	assert_int_equal(result.code, ERR_UPSTREAM);
	assert_int_equal(r.asked_count, 4);
	auth_net_free(n);
	auth_rig_free(&r);
}

static void ask_cancel__leaves_nothing(void **state)
{
	struct auth_rig r;
	(void)state;
	auth_rig_init(&r);
	struct auth_net *n = auth_net_new(r.loop, NULL);
	struct ask_request q = {.what = "it", .url = r.url, .allow_private = true};
	int before = answers;
	ask_cancel(ask_start(n, &q, answered, NULL));
	q.allow_private = false; /* refused before it begins */
	ask_cancel(ask_start(n, &q, answered, NULL));
	ask_cancel(NULL);
	loop_turn(r.loop, 0);
	loop_turn(r.loop, 0);
	assert_int_equal(answers, before);
	auth_net_free(n);
	auth_rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ask__tells_what_came),
		cmocka_unit_test(ask__sends_a_secret_nowhere_else),
		cmocka_unit_test(ask__goes_in_no_circle),
		cmocka_unit_test(ask_cancel__leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
