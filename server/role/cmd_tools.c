/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `agent-runtime tools`: a broker in this very process starts the registry's servers, says what they offer,
 * and stops them. The exit code is 0 only when every enabled server came up.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

struct tools {
	struct loop *loop;
	struct mcp_broker *broker;
	bool json, all_ready;
};

static void child_caught(int signo, void *arg);
static void settled(void *arg);
static void stopped(void *arg);
static void print_text(const struct json *tools, const struct json *servers);

int command_tools(const struct cli *cli)
{
	struct conf *c;
	struct conf_registry *r;
	struct mcp_broker_options o;
	struct mcp_server_options *servers;
	cli_load(cli, &c, &r);
	signal(SIGPIPE, SIG_IGN);
	log_init("tools", LOG_ERROR, LOG_FORMAT_AUTO);
	conf_forget_secrets(c);
	wire_broker(c, r, &o, &servers);
	struct tools t = {.loop = loop_new(), .json = cli->json};
	loop_signal(t.loop, SIGCHLD, child_caught, &t);
	t.broker = mcp_broker_new(t.loop, &o);
	mcp_broker_on_settled(t.broker, settled, &t);
	if (mcp_broker_settled(t.broker))
		settled(&t);
	loop_run(t.loop);
	mcp_broker_free(t.broker);
	loop_turn(t.loop, 0);
	loop_free(t.loop);
	wire_broker_release(servers, r->servers_count);
	conf_registry_free(r);
	conf_free(c);
	return t.all_ready ? EXIT_OK : EXIT_UNAVAILABLE;
}

/* --- helpers --- */

static void child_caught(int signo, void *arg)
{
	struct tools *t = arg;
	int status;
	(void)signo;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		mcp_broker_child_exited(t->broker, pid, status);
}

/* One that rests has told its tools, too. */
static bool is_there(const char *state)
{
	return strcmp(state, "ready") == 0 || strcmp(state, "idle") == 0;
}

static void settled(void *arg)
{
	struct tools *t = arg;
	struct buf tools = BUF_INIT, servers = BUF_INIT;
	mcp_broker_on_settled(t->broker, NULL, NULL);
	mcp_broker_tools_text(t->broker, &tools);
	mcp_broker_servers_text(t->broker, &servers);
	struct json *tools_tree = json_parse(tools.data, tools.len, JSON_DEPTH_MAX, NULL);
	struct json *servers_tree = json_parse(servers.data, servers.len, JSON_DEPTH_MAX, NULL);
	t->all_ready = true;
	for (const struct json *s = json_first(json_get(servers_tree, "servers")); s != NULL;
	     s = json_next(s))
		if (json_get_bool(s, "enabled", false) && !is_there(json_get_text(s, "state", "")))
			t->all_ready = false;
	if (t->json)
		printf("%s\n", buf_cstr(&tools));
	else
		print_text(json_get(tools_tree, "tools"), json_get(servers_tree, "servers"));
	json_free(tools_tree);
	json_free(servers_tree);
	buf_release(&tools);
	buf_release(&servers);
	mcp_broker_stop(t->broker, stopped, t);
}

static void stopped(void *arg)
{
	struct tools *t = arg;
	loop_stop(t->loop);
}

static void print_text(const struct json *tools, const struct json *servers)
{
	if (json_count(servers) == 0)
		printf("No tool servers: there is no registry, or it is empty (tools.registry).\n");
	for (const struct json *s = json_first(servers); s != NULL; s = json_next(s)) {
		const char *id = json_get_text(s, "id", "?");
		printf("%s: %s", id,
		       json_get_bool(s, "enabled", false) ? json_get_text(s, "state", "?") : "disabled");
		if (json_get_text(s, "last_error", NULL) != NULL)
			text_print(stdout, " (%s)", json_get_text(s, "last_error", ""));
		printf("\n");
		for (const struct json *tool = json_first(tools); tool != NULL; tool = json_next(tool)) {
			if (strcmp(json_get_text(tool, "server", ""), id) != 0)
				continue;
			const char *text = json_get_text(tool, "description", "");
			text_print(stdout, "  %-48s %-5s %.*s\n", json_get_text(tool, "name", ""),
				   json_get_bool(tool, "read_only", false) ? "read" : "write",
				   (int)utf8_cut(text, strcspn(text, "\n"), 80), text);
		}
	}
	fflush(stdout);
}
