/* SPDX-License-Identifier: Apache-2.0 */
/* Which wire a local server speaks, found out with real children of both eras, and those that a first request
 * they do not know takes badly. */
#include "tests/unit/mcp/rig.h"

static const char *fake(void)
{
	static char path[PATH_MAX];
	snprintf(path, sizeof(path), "%.*smodern_mcp", (int)(strrchr(rig_fake(), '/') + 1 - rig_fake()),
		 rig_fake());
	return path;
}

/* One server with that mode; the requests it sees are lines of the file log, which is made. */
static struct mcp_server_options *probed_rig(struct rig *r, const char *const *args, enum mcp_era era)
{
	rig_init(r);
	unlink(args[1]);
	struct mcp_server_options *s = rig_add(r, "fake", fake(), args);
	s->era = era;
	s->sandbox.off = true;
	return s;
}

static char *log_name(void)
{
	return xasprintf("/tmp/mcp_probe_%d.log", (int)getpid());
}

/* How many processes wrote to the log, and which requests came in all, in one text. */
static int log_read(const char *path, struct buf *methods)
{
	FILE *f = fopen(path, "re");
	int processes = 0, last = 0, pid;
	char method[80];
	assert_non_null(f);
	while (fscanf(f, "%d %79s", &pid, method) == 2) {
		processes += pid != last;
		last = pid;
		buf_printf(methods, "%s ", method);
	}
	fclose(f);
	return processes;
}

static void file_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void assert_found(const char *mode, enum mcp_era era, const char *expected, const char *how,
			 const char *methods, int processes)
{
	struct rig r;
	struct buf seen = BUF_INIT;
	char *path = log_name();
	const char *args[] = {mode, path, NULL};
	probed_rig(&r, args, era);
	r.options.probe_ms_max = strcmp(mode, "hangs") == 0 ? 200 : 10000;
	rig_start(&r);
	rig_settle(&r);
	assert_string_equal(state_text(&r, "/servers/0/state"), "ready");
	assert_string_equal(state_text(&r, "/servers/0/era"), expected);
	if (how) {
		assert_non_null(strstr(state_text(&r, "/servers/0/era_found/how"), how));
		assert_string_equal(state_text(&r, "/servers/0/era_found/era"), expected);
		assert_int_equal(strlen(state_text(&r, "/servers/0/era_found/at")), 24);
	} else {
		assert_true(json_is(rig_state(&r, "/servers/0/era_found"), JSON_NULL));
	}
	struct outcome o;
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"hello\"}", &o);
	assert_non_null(strstr(buf_cstr(&o.result), "hello"));
	int count = log_read(path, &seen);
	if (!strstr(buf_cstr(&seen), methods))
		fail_msg("%s: %s", mode, buf_cstr(&seen));
	assert_int_equal(count, processes);
	rig_free(&r);
	unlink(path);
	free(path);
	buf_release(&seen);
}

static void probe__tells_the_eras_of_local_servers_apart(void **state)
{
	(void)state;
	assert_found("modern", MCP_ERA_AUTO, "modern", "as the modern wire demands",
		     "server/discover server/discover subscriptions/listen tools/list ", 2);
	assert_found("dual", MCP_ERA_AUTO, "modern", "as the modern wire demands", "server/discover", 2);
	assert_found("legacy", MCP_ERA_AUTO, "handshake", "does not know server/discover",
		     "server/discover initialize notifications/initialized tools/list ", 2);
}

static void probe__harms_no_server_that_takes_it_badly(void **state)
{
	(void)state;
	assert_found("exits", MCP_ERA_AUTO, "handshake", "it ended", "server/discover initialize ", 2);
	assert_found("floods", MCP_ERA_AUTO, "handshake", "does not know", "server/discover initialize ", 2);
	assert_found("hangs", MCP_ERA_AUTO, "handshake", "no answer", "server/discover initialize ", 2);
}

static void probe__is_not_made_where_the_era_is_given(void **state)
{
	(void)state;
	assert_found("legacy", MCP_ERA_DEFAULT, "handshake", NULL, "initialize ", 1);
	assert_found("dual", MCP_ERA_HANDSHAKE, "handshake", NULL, "initialize ", 1);
	assert_found("modern", MCP_ERA_MODERN, "modern", NULL, "server/discover subscriptions/listen ", 1);
}

static void probe__its_verdict_holds_for_the_next_start(void **state)
{
	struct rig r;
	struct buf seen = BUF_INIT;
	char *path = log_name();
	const char *args[] = {"legacy", path, NULL};
	(void)state;
	probed_rig(&r, args, MCP_ERA_AUTO);
	rig_start(&r);
	rig_settle(&r);
	kill((pid_t)state_number(&r, "/servers/0/pid"), SIGKILL);
	rig_wait(&r, state_number(&r, "/servers/0/restarts") == 1 && rig_state_is(&r, "ready"));
	assert_int_equal(log_read(path, &seen), 3);
	assert_null(strstr(strstr(buf_cstr(&seen), "initialize"), "discover"));
	rig_free(&r);
	unlink(path);
	free(path);
	buf_release(&seen);
}

static void probe__a_handshake_is_looked_at_again_and_given_up_for_the_modern_wire(void **state)
{
	struct rig r;
	char *path = log_name(), *link = xasprintf("%s.mode", path);
	char *script = xasprintf("exec %s $(cat %s) %s", fake(), link, path);
	const char *args[] = {"-c", script, NULL};
	(void)state;
	file_write(link, "legacy");
	probed_rig(&r, args, MCP_ERA_AUTO)->command = "/bin/sh";
	r.options.era_ms_max = 300;
	rig_start(&r);
	rig_settle(&r);
	assert_string_equal(state_text(&r, "/servers/0/era"), "handshake");
	file_write(link, "modern");
	rig_wait(&r, rig_state_is(&r, "ready") && strcmp(state_text(&r, "/servers/0/era"), "modern") == 0);
	rig_free(&r);
	unlink(path);
	unlink(link);
	free(path);
	free(link);
	free(script);
}

static void probe__a_command_that_is_not_there_is_no_verdict(void **state)
{
	struct rig r;
	const char *args[] = {"x", "/nowhere", NULL};
	(void)state;
	probed_rig(&r, args, MCP_ERA_AUTO)->command = "/no/such/server";
	rig_start(&r);
	rig_settle(&r);
	assert_non_null(strstr(state_text(&r, "/servers/0/last_error"), "command not found"));
	assert_true(json_is(rig_state(&r, "/servers/0/era_found"), JSON_NULL));
	rig_free(&r);
}

static void probe__a_stop_meanwhile_waits_for_its_child(void **state)
{
	struct rig r;
	char *path = log_name();
	const char *args[] = {"hangs", path, NULL};
	(void)state;
	probed_rig(&r, args, MCP_ERA_AUTO);
	r.options.probe_ms_max = 60000;
	rig_start(&r);
	rig_wait(&r, access(path, F_OK) == 0);
	rig_stop(&r);
	assert_int_equal(r.exits, 1);
	rig_free(&r);
	unlink(path);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe__tells_the_eras_of_local_servers_apart),
		cmocka_unit_test(probe__harms_no_server_that_takes_it_badly),
		cmocka_unit_test(probe__is_not_made_where_the_era_is_given),
		cmocka_unit_test(probe__its_verdict_holds_for_the_next_start),
		cmocka_unit_test(probe__a_handshake_is_looked_at_again_and_given_up_for_the_modern_wire),
		cmocka_unit_test(probe__a_command_that_is_not_there_is_no_verdict),
		cmocka_unit_test(probe__a_stop_meanwhile_waits_for_its_child),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
