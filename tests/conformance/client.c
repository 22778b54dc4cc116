/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client under test of the official conformance suite, made of our own mcp room as the supervisor and a
 * worker are: broker and client half in one process, one remote server. The suite starts it with the address
 * of its mock as last argument, the scenario's name in MCP_CONFORMANCE_SCENARIO and, for some, what it was
 * given beforehand (client ids, keys, calls to make) in MCP_CONFORMANCE_CONTEXT. Which era the mock speaks it
 * finds out by itself. calls.h is what it does then; where a person must log in, person.h is that person.
 *
 * Exit code: 0 when the server became ready and every call was answered.
 */
#include "tests/conformance/calls.h"
#include "tests/conformance/person.h"

#include <signal.h>
#include <unistd.h>

enum { CALL_MS_MAX = 20000, START_MS_MAX = 25000, MESSAGE_BYTES_MAX = 4 << 20 };
/* A server that changes its authorization server does so between calls. */
enum { ROUNDS_OF_MIGRATION = 4 };

struct run {
	struct loop *loop;
	struct mcp_broker *broker;
	struct mcp_client *client;
	struct calls calls;
};

static struct mcp_auth_options auth_options(const struct json *context, const char *scenario)
{
	return (struct mcp_auth_options){
		.type = strstr(scenario, "pre-registration") ? MCP_AUTH_CODE : MCP_AUTH_AUTO,
		.client_id = json_get_text(context, "client_id", NULL),
		.client_secret = json_get_text(context, "client_secret", NULL),
		.private_key = json_get_text(context, "private_key_pem", NULL),
		.key_alg = json_get_text(context, "signing_algorithm", NULL),
		.client_metadata_url = "https://conformance-test.local/client-metadata.json",
		.allow_private = true, /* the mocks are on loopback */
	};
}

static struct mcp_broker *broker_open(struct loop *l, const struct mcp_server_options *server)
{
	struct mcp_broker_options o = {.servers = server,
				       .servers_count = 1,
				       .start_ms_max = START_MS_MAX,
				       .call_idle_ms_max = CALL_MS_MAX,
				       .call_ms_max = CALL_MS_MAX,
				       .line_bytes_max = MESSAGE_BYTES_MAX,
				       .list_items_max = 5000,
				       .list_bytes_max = 4 << 20,
				       .stderr_tail_bytes = 1024,
				       .stop_grace_ms = 500,
				       .restart_ms_min = 100,
				       .restart_ms_max = 1000,
				       .calls_per_server_max = 16,
				       .input_ms_max = CALL_MS_MAX,
				       .asks_open_max = 8,
				       .asks_max = 64,
				       .input_rounds_max = 10,
				       .ask_bytes_max = 1 << 20,
				       .era_ms_max = 3600 * 1000,
				       .frame_bytes_max = 2 * MESSAGE_BYTES_MAX,
				       .queue_bytes_max = 4 * MESSAGE_BYTES_MAX,
				       .version = "conformance",
				       /* Nobody listens there: the person reads the redirect. */
				       .auth = {.redirect_uri = "http://127.0.0.1:9/v1/oauth/callback",
						.login_wait_ms = CALL_MS_MAX}};
	return mcp_broker_new(l, &o);
}

static struct mcp_client *client_open(struct loop *l, struct mcp_broker *b)
{
	struct mcp_client_options o = {2 * MESSAGE_BYTES_MAX, 4 * MESSAGE_BYTES_MAX, CALL_MS_MAX + 2000};
	struct mcp_client *c = mcp_client_new(l, &o);
	struct error e;
	int pair[2];
	if (fd_socketpair(pair, &e) != ERR_NONE)
		die(71, "%s", e.msg);
	mcp_broker_add_worker(b, pair[0]);
	mcp_client_connect(c, pair[1]);
	return c;
}

static void calls_make(struct calls *c, const struct json *context, const char *scenario)
{
	const struct json *named = json_get(context, "toolCalls");
	if (named)
		calls_named(c, named);
	else
		calls_every_tool(c);
	if (strcmp(scenario, "http-standard-headers") == 0) {
		calls_every(c, "resources/list", "resources", "resources/read", "uri");
		calls_every(c, "prompts/list", "prompts", "prompts/get", "name");
	}
}

static void stopped(void *arg)
{
	*(bool *)arg = true;
}

static void close_all(struct run *r, struct person *p)
{
	bool over = false;
	person_close(p);
	mcp_broker_stop(r->broker, stopped, &over);
	while (!over)
		loop_turn(r->loop, 1000);
	mcp_client_free(r->client);
	mcp_broker_free(r->broker);
	loop_turn(r->loop, 0);
	loop_free(r->loop);
}

int main(int argc, char **argv)
{
	const char *scenario = getenv("MCP_CONFORMANCE_SCENARIO"), *given = getenv("MCP_CONFORMANCE_CONTEXT");
	struct error e;
	struct run r = {0};
	struct person p;
	struct json *context = given ? json_parse(given, strlen(given), 0, &e) : NULL;
	signal(SIGPIPE, SIG_IGN);
	log_init("conformance", LOG_INFO, LOG_FORMAT_JSON);
	scenario = scenario ? scenario : "";
	struct mcp_server_options server = {.id = "mock",
					    .enabled = true,
					    .transport = MCP_REMOTE,
					    .url = argv[argc - 1],
					    .auth = auth_options(context, scenario)};
	r.loop = loop_new();
	r.broker = broker_open(r.loop, &server);
	r.client = client_open(r.loop, r.broker);
	r.calls = (struct calls){.loop = r.loop, .client = r.client};
	person_open(&p, r.loop, r.broker, r.client);
	while (!mcp_client_settled(r.client))
		loop_turn(r.loop, 1000);
	for (int i = strstr(scenario, "migration") ? ROUNDS_OF_MIGRATION : 1; i > 0; i--)
		calls_make(&r.calls, context, scenario);
	close_all(&r, &p);
	json_free(context);
	buf_release(&r.calls.result);
	return r.calls.failures ? 1 : 0;
}
