/* SPDX-License-Identifier: Apache-2.0 */
/* A person's answer on its way from a worker to the server that waits for it, and back. */
#include "tests/unit/mcp/auth_rig.h"
#include "mcp/broker_int.h"

static struct mcp_server_options row;
static struct mcp_broker *broker;
static struct mcp_client *client;
static int answers;
static struct error answer;
static char answer_server[64];

static void answered(struct slice server, const struct error *e, void *arg)
{
	(void)arg;
	answers++;
	answer = e ? *e : (struct error){0};
	snprintf(answer_server, sizeof(answer_server), "%.*s", (int)server.len, server.ptr);
}

/* A broker with one remote server on the rig, of which a person is wanted. */
static struct auth *waiting(struct auth_rig *r)
{
	static const struct mcp_broker_options limits = {.start_ms_max = 15000,
							 .call_ms_max = 15000,
							 .line_bytes_max = 1 << 20,
							 .list_items_max = 5000,
							 .list_bytes_max = 4 << 20,
							 .stderr_tail_bytes = 1000,
							 .restart_ms_min = 60000,
							 .restart_ms_max = 60000,
							 .calls_per_server_max = 8,
							 .frame_bytes_max = 1 << 20,
							 .queue_bytes_max = 2 << 20,
							 .version = "test"};
	struct mcp_broker_options o = limits;
	struct mcp_client_options co = {1 << 20, 2 << 20, 15000};
	struct error e;
	int pair[2];
	auth_rig_init(r);
	row = (struct mcp_server_options){.id = "peer",
					  .enabled = true,
					  .transport = MCP_REMOTE,
					  .url = r->url,
					  .auth = {.allow_private = true}};
	o.servers = &row;
	o.servers_count = 1;
	broker = mcp_broker_new(r->loop, &o);
	client = mcp_client_new(r->loop, &co);
	assert_int_equal(fd_socketpair(pair, &e), ERR_NONE);
	mcp_broker_add_worker(broker, pair[0]);
	mcp_client_connect(client, pair[1]);
	struct auth *a = broker->pools[0]->auth;
	if (!auth_login_url(a)) {
		auth_challenged(a, 401, slice_str("Bearer"), 0, auth_rig_verdict, r);
		auth_rig_wait(r, &r->verdicts, 1);
	}
	snprintf(r->login_url, sizeof(r->login_url), "%s", auth_login_url(a));
	return a;
}

static void end(struct auth_rig *r)
{
	mcp_client_free(client);
	mcp_broker_free(broker);
	r->auth = NULL;
	auth_rig_free(r);
}

static void login__reaches_the_server_that_waits(void **state)
{
	struct auth_rig r;
	char right[1024];
	uint64_t generation;
	(void)state;
	struct auth *a = waiting(&r);
	struct buf text = BUF_INIT;
	mcp_broker_servers_text(broker, &text);
	assert_non_null(strstr(text.data, "\"state\":\"auth_required\""));
	assert_non_null(strstr(text.data, "\"authorization_url\":\"http://127.0.0.1:"));
	buf_release(&text);
	snprintf(right, sizeof(right), "%s", auth_rig_value(r.login_url, "state"));
	struct mcp_login wrong = {.code = "c", .state = "nobody's", .iss = r.origin};
	answers = 0;
	mcp_client_login(client, &wrong, answered, &r);
	auth_rig_wait(&r, &answers, 1);
	assert_int_equal(answer.code, ERR_NOT_FOUND);
	struct mcp_login good = {.code = "c", .state = right, .iss = r.origin};
	mcp_client_login(client, &good, answered, &r);
	auth_rig_wait(&r, &answers, 2);
	assert_int_equal(answer.code, ERR_NONE);
	assert_string_equal(answer_server, "peer");
	assert_string_equal(auth_header(a, &generation), "Authorization: Bearer tok-1");
	text = BUF_INIT;
	mcp_broker_servers_text(broker, &text);
	assert_null(strstr(text.data, "auth_required"));
	assert_null(strstr(text.data, "authorization_url"));
	buf_release(&text);
	end(&r);
}

static void login__tells_why_it_failed(void **state)
{
	struct auth_rig r;
	char right[1024];
	(void)state;
	waiting(&r);
	snprintf(right, sizeof(right), "%s", auth_rig_value(r.login_url, "state"));
	struct mcp_login no = {.state = right, .iss = r.origin, .error = "access_denied"};
	answers = 0;
	mcp_client_login(client, &no, answered, &r);
	auth_rig_wait(&r, &answers, 1);
	assert_int_equal(answer.code, ERR_UNAUTHORIZED);
	assert_non_null(strstr(answer.msg, "access_denied"));
	end(&r);
}

static void login__goes_on_when_its_worker_is_gone(void **state)
{
	struct auth_rig r;
	char right[1024];
	uint64_t generation;
	(void)state;
	struct auth *a = waiting(&r);
	snprintf(right, sizeof(right), "%s", auth_rig_value(r.login_url, "state"));
	struct mcp_login good = {.code = "c", .state = right, .iss = r.origin};
	mcp_client_login(client, &good, answered, &r);
	while (a->step == STEP_LOGIN)
		loop_turn(r.loop, 100);
	mcp_client_free(client); /* before the token has come */
	client = NULL;
	while (!auth_header(a, &generation))
		loop_turn(r.loop, 100);
	assert_null(broker->workers);
	end(&r);
}

static void login__ends_when_the_row_becomes_another(void **state)
{
	struct auth_rig r;
	struct mcp_auth_common none = {0};
	char right[1024];
	(void)state;
	struct auth *a = waiting(&r);
	snprintf(right, sizeof(right), "%s", auth_rig_value(r.login_url, "state"));
	struct mcp_login good = {.code = "c", .state = right, .iss = r.origin};
	answers = 0;
	loop_io_set(r.io, 0); /* the token does not come */
	mcp_client_login(client, &good, answered, &r);
	while (a->step == STEP_LOGIN)
		loop_turn(r.loop, 100);
	struct mcp_server_options other = row; /* without a fingerprint: like no other */
	struct mcp_rows rows = {.rows = &other, .count = 1};
	mcp_broker_reload(broker, &rows, &none);
	auth_rig_wait(&r, &answers, 1);
	assert_int_equal(answer.code, ERR_GONE);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(login__reaches_the_server_that_waits),
		cmocka_unit_test(login__tells_why_it_failed),
		cmocka_unit_test(login__goes_on_when_its_worker_is_gone),
		cmocka_unit_test(login__ends_when_the_row_becomes_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
