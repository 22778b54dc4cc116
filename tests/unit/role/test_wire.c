/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every option of options.def reaches a room. Each gets a number or a text of its own, and must be found
 * again in one of the option structs, as it is or in the unit that is used there. What no room gets is listed
 * with who reads it instead.
 */
#include "base/base.h"
#include "role/role_int.h"
#include "conf/conf_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Read from the configuration by the role itself. */
static const char *const by_role[] = {
	"server.host",
	"server.port",
	"server.backlog", /* listen.c */
	"server.workers", /* wire_workers */
	"server.drain_seconds",
	"server.port_file", /* master.c, worker.c */
	"log.level",
	"log.format",     /* child.c */
	"tools.registry", /* conf_registry_load */
	"server.public_url",
	"tools.token_folder",
	"tools.token_key_file", /* wire_auth.c */
	"openai.api_key",
	"openai.base_url",
	"llm.model",
	"llm.ca_file",
	"llm.proxy",
	"llm.api_version",
	"llm.key_header",
	"llm.reasoning_effort", /* copied into conf.providers: test_wire_llm.c */
};

static struct {
	struct store_options store;
	struct gate_limits gate;
	struct db_options db;
	struct keeper_options keeper;
	struct http_options http;
	struct llm_options llm;
	struct llm_cassette_options cassette;
	struct agent_options agent;
	struct mcp_client_options client;
	struct mcp_broker_options broker;
} all;

static bool is_by_role(const char *key)
{
	for (size_t i = 0; i < COUNT_OF(by_role); i++)
		if (strcmp(by_role[i], key) == 0)
			return true;
	return false;
}

/* The configuration with every number and text different from all others; enums are looked at by hand. */
static struct conf *conf_marked(void)
{
	struct conf *c = xcalloc(1, sizeof *c);
	int64_t n = 1000003;
#define OPT_INT(section, name, def, min, max, unit, doc) c->section.name = (n += 17);
#define OPT_AUTO(section, name, min, max, unit, doc)     c->section.name = (n += 17);
#define OPT_MONEY(section, name, doc)                    c->section.name = (n += 17);
#define OPT_TEXT(section, name, def, doc)                c->section.name = xasprintf("text %s", #name);
#define OPT_URL(section, name, def, doc)                 c->section.name = xasprintf("url %s", #name);
#define OPT_SECRET(section, name, doc)                   c->section.name = xasprintf("secret %s", #name);
#include "conf/options.def"
	/* shifted by 20 bits it must still fit */
	c->store.size_mb = 9973;
	return c;
}

static void conf_marked_free(struct conf *c)
{
#define OPT_TEXT(section, name, def, doc) free((void *)(uintptr_t)c->section.name);
#define OPT_URL(section, name, def, doc)  free((void *)(uintptr_t)c->section.name);
#define OPT_SECRET(section, name, doc)    free((void *)(uintptr_t)c->section.name);
#include "conf/options.def"
	free(c);
}

static bool found(const void *value, size_t size)
{
	for (size_t at = 0; at + size <= sizeof all; at += 4)
		if (memcmp((const char *)&all + at, value, size) == 0)
			return true;
	return false;
}

static void assert_number_arrives(const char *key, int64_t n)
{
	int64_t scaled[] = {n, n * 1000, n * 3600 * 1000, n * 24 * 3600 * 1000, n << 20, n + (1 << 20)};
	if (is_by_role(key))
		return;
	for (size_t i = 0; i < COUNT_OF(scaled); i++) {
		int32_t small = (int32_t)scaled[i];
		if (found(&scaled[i], sizeof scaled[i]) ||
		    (small == scaled[i] && found(&small, sizeof small)))
			return;
	}
	fail_msg("%s reaches no room", key);
}

static void assert_text_arrives(const char *key, const char *text)
{
	if (!is_by_role(key) && !found(&text, sizeof text))
		fail_msg("%s reaches no room", key);
}

static void wire__every_option_reaches_a_room(void **state)
{
	struct conf *c = conf_marked();
	struct conf_registry registry = {0};
	struct mcp_server_options *servers;
	(void)state;
	struct error e = {0};
	c->llm.api = CONF_LLM_OFFLINE; /* budgets of money need no prices then */
	assert_int_equal(conf_providers_settle(c, &e), ERR_NONE);
	wire_store(c, 4, &all.store);
	all.gate = all.store.gates[0];
	wire_db(c, &all.db);
	wire_keeper(c, &all.keeper);
	wire_http(c, &all.http);
	struct llm_setup llm;
	wire_llm(c, &llm);
	all.llm = llm.providers[0];
	wire_llm_release(&llm);
	wire_cassette(c, &all.cassette);
	wire_agent(c, &all.agent);
	wire_client(c, &all.client);
	wire_broker(c, &registry, &all.broker, &servers);
#define OPT_INT(section, name, def, min, max, unit, doc) \
	assert_number_arrives(#section "." #name, c->section.name);
#define OPT_AUTO(section, name, min, max, unit, doc) \
	assert_number_arrives(#section "." #name, c->section.name);
#define OPT_MONEY(section, name, doc)     assert_number_arrives(#section "." #name, c->section.name);
#define OPT_TEXT(section, name, def, doc) assert_text_arrives(#section "." #name, c->section.name);
#define OPT_URL(section, name, def, doc)  assert_text_arrives(#section "." #name, c->section.name);
#define OPT_SECRET(section, name, doc)    assert_text_arrives(#section "." #name, c->section.name);
#include "conf/options.def"
	wire_broker_release(servers, 0);
	conf_providers_release(c);
	conf_marked_free(c);
}

static void wire__enums(void **state)
{
	struct conf c = {.server = {.user_header = "", .tenant_header = ""}};
	struct http_options http;
	(void)state;
	c.agent.approval = CONF_APPROVAL_AUTO;
	wire_http(&c, &http);
	assert_string_equal(http.approval, "auto");
	c.agent.approval = CONF_APPROVAL_REQUIRED;
	wire_http(&c, &http);
	assert_string_equal(http.approval, "required");
}

static void wire__workers(void **state)
{
	struct conf c = {.server = {.workers = 3}};
	(void)state;
	assert_int_equal(wire_workers(&c), 3);
	c.server.workers = 0;
	assert_true(wire_workers(&c) >= 1 && wire_workers(&c) <= STORE_PROCS_MAX);
}

static void wire__the_keeper_takes_part_in_the_table_when_there_is_one(void **state)
{
	struct conf c = {.store = {.backend = CONF_BACKEND_MEMORY, .path = "there"}};
	struct store_options o;
	(void)state;
	wire_store(&c, 3, &o);
	assert_false(wire_has_keeper(&c));
	assert_int_equal(o.procs_max, 3);
	assert_false(o.keeper);
	c.store.backend = CONF_BACKEND_SQLITE;
	wire_store(&c, 3, &o);
	assert_true(wire_has_keeper(&c));
	assert_int_equal(o.procs_max, 4);
	assert_true(o.keeper);
	char *socket_path = wire_keeper_socket(&c);
	assert_string_equal(socket_path, "there/keeper.sock");
	free(socket_path);
}

/* A document that is as large as a task may be fits into one frame, and two of them may wait. */
static void wire__frames_of_the_archive_hold_a_task(void **state)
{
	struct conf c = {.store = {.task_bytes = 16 << 20}};
	size_t frame, queue;
	(void)state;
	wire_archive(&c, &frame, &queue);
	assert_true(frame > 16 << 20);
	assert_true(queue >= 2 * frame);
	c.store.size_mb = 64; /* the end of a task may be as large as the table */
	wire_archive(&c, &frame, &queue);
	assert_true(frame > 64 << 20);
	c.store.size_mb = 65536;
	wire_archive(&c, &frame, &queue);
	assert_true(frame <= UINT32_MAX);
}

static void wire__tool_servers(void **state)
{
	const char *args[] = {"a", NULL};
	struct conf_env_pair env[] = {{"KEY", "value"}};
	struct conf_tool_effect effects[] = {{"look", CONF_EFFECT_READ}, {"put", CONF_EFFECT_IDEMPOTENT}};
	struct conf_tool_server rows[] = {
		{.id = "one",
		 .enabled = true,
		 .type = CONF_TOOL_STDIO,
		 .command = "cmd",
		 .args = args,
		 .env = env,
		 .env_count = 1,
		 .cwd = "/tmp",
		 .effects = effects,
		 .effects_count = 2},
		{.id = "two", .type = CONF_TOOL_HTTP, .url = "http://x", .trust = CONF_TRUST_ALL}};
	struct conf_registry registry = {.servers = rows, .servers_count = 2};
	struct conf c = {0};
	struct mcp_broker_options o;
	struct mcp_server_options *servers;
	(void)state;
	wire_broker(&c, &registry, &o, &servers);
	assert_int_equal(o.servers_count, 2);
	assert_string_equal(servers[0].id, "one");
	assert_true(servers[0].enabled);
	assert_string_equal(servers[0].command, "cmd");
	assert_string_equal(servers[0].args[0], "a");
	assert_string_equal(servers[0].env[0].name, "KEY");
	assert_string_equal(servers[0].env[0].value, "value");
	assert_string_equal(servers[0].cwd, "/tmp");
	assert_int_equal(servers[0].trust, MCP_TRUST_LOCAL_READS);
	assert_int_equal(servers[0].effects_count, 2);
	assert_string_equal(servers[0].effects[1].tool, "put");
	assert_int_equal(servers[0].effects[0].effect, MCP_READS);
	assert_int_equal(servers[0].effects[1].effect, MCP_WRITES_ONCE);
	assert_int_equal(servers[1].trust, MCP_TRUST_ALL);
	assert_int_equal(servers[1].transport, MCP_REMOTE);
	assert_string_equal(servers[1].url, "http://x");
	wire_broker_release(servers, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire__every_option_reaches_a_room),
		cmocka_unit_test(wire__enums),
		cmocka_unit_test(wire__workers),
		cmocka_unit_test(wire__the_keeper_takes_part_in_the_table_when_there_is_one),
		cmocka_unit_test(wire__frames_of_the_archive_hold_a_task),
		cmocka_unit_test(wire__tool_servers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
