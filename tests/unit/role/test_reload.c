/* SPDX-License-Identifier: Apache-2.0 */
/* The registry, read again: what the master takes and hands over, and what the supervisor makes of it. */
#include "base/base.h"
#include "role/role_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world {
	char path[64];
	struct conf conf;
	struct master master;
	int told; /* the supervisor's end of its control socket */
};

static void registry_write(struct world *w, const char *text)
{
	FILE *f = fopen(w->path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void begin(struct world *w, const char *text)
{
	struct error e;
	int pair[2];
	*w = (struct world){0};
	log_init("test", LOG_OFF, LOG_FORMAT_JSON);
	snprintf(w->path, sizeof w->path, "/tmp/reload.XXXXXX");
	close(mkstemp(w->path));
	w->conf.tools.registry = w->path;
	w->master.heritage.conf = &w->conf;
	registry_write(w, text);
	assert_int_equal(
		conf_registry_load(&w->conf, conf_env_process, NULL, &w->master.heritage.registry, &e),
		ERR_NONE);
	assert_int_equal(control_pair(pair, &e), ERR_NONE);
	w->master.children[0] = (struct child){.role = CHILD_SUPERVISOR, .pid = 1, .control_fd = pair[0]};
	w->master.children_count = 1;
	w->told = pair[1];
}

static void end(struct world *w)
{
	unlink(w->path);
	conf_registry_free(w->master.heritage.registry);
	fd_close(&w->master.children[0].control_fd);
	fd_close(&w->told);
}

static const char ONE[] = "tool_registry: [{id: a, type: local_stdio, config: {command: c, env: {K: "
			  "'${RELOAD_SECRET}', E: '${RELOAD_EMPTY}'}}}]\n";

static void reload__hands_over_the_variables_that_the_registry_uses(void **state)
{
	struct world w;
	struct conf_registry *r;
	struct error e;
	enum ipc_msg msg;
	int fd = -1;
	char bytes[200];
	(void)state;
	setenv("RELOAD_SECRET", "canary", 1);
	setenv("RELOAD_EMPTY", "", 1);
	setenv("RELOAD_OTHER", "not asked for", 1);
	begin(&w, "tool_registry: []\n");
	registry_write(&w, ONE);
	master_reload(&w.master);
	assert_int_equal(w.master.heritage.registry->servers_count, 1);
	assert_int_equal(control_receive(w.told, &msg, &fd), 1);
	assert_int_equal(msg, IPC_RELOAD);
	assert_true(fd >= 0);
	ssize_t n = pread(fd, bytes, sizeof bytes, 0);
	static const char expected[] = "RELOAD_SECRET\0canary\0RELOAD_EMPTY\0";
	assert_int_equal(n, sizeof expected);
	assert_memory_equal(bytes, expected, sizeof expected);
	/* As in a supervisor that has forgotten it. */
	unsetenv("RELOAD_SECRET");
	assert_int_equal(reload_take(&w.conf, fd, &r, &e), ERR_NONE);
	assert_string_equal(r->servers[0].env[0].value, "canary");
	assert_string_equal(r->servers[0].env[1].value, "");
	assert_string_equal(r->servers[0].fingerprint, w.master.heritage.registry->servers[0].fingerprint);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
	conf_registry_free(r);
	end(&w);
}

static void reload__refuses_what_is_not_valid(void **state)
{
	struct world w;
	enum ipc_msg msg;
	int fd;
	(void)state;
	begin(&w, "tool_registry: []\n");
	const struct conf_registry *before = w.master.heritage.registry;
	registry_write(&w, "tool_registry: [\n");
	master_reload(&w.master);
	assert_ptr_equal(w.master.heritage.registry, before);
	assert_int_equal(control_receive(w.told, &msg, &fd), 0);
	registry_write(&w, "tool_registry: [{id: a, config: {command: '${RELOAD_NOT_SET}'}}]\n");
	master_reload(&w.master);
	assert_ptr_equal(w.master.heritage.registry, before);
	assert_int_equal(control_receive(w.told, &msg, &fd), 0);
	end(&w);
}

static void reload__without_a_supervisor_is_for_the_next(void **state)
{
	struct world w;
	(void)state;
	begin(&w, "tool_registry: []\n");
	fd_close(&w.master.children[0].control_fd);
	registry_write(&w, "tool_registry: [{id: a, config: {command: c}}]\n");
	master_reload(&w.master);
	assert_int_equal(w.master.heritage.registry->servers_count, 1);
	end(&w);
}

static void reload__is_ignored_while_stopping(void **state)
{
	struct world w;
	enum ipc_msg msg;
	int fd;
	(void)state;
	begin(&w, "tool_registry: []\n");
	w.master.phase = MASTER_DRAINING;
	registry_write(&w, "tool_registry: [{id: a, config: {command: c}}]\n");
	master_reload(&w.master);
	assert_int_equal(w.master.heritage.registry->servers_count, 0);
	assert_int_equal(control_receive(w.told, &msg, &fd), 0);
	end(&w);
}

static void reload_take__refuses_a_variable_that_is_cut_off(void **state)
{
	struct world w;
	struct conf_registry *r = NULL;
	struct error e;
	(void)state;
	begin(&w, "tool_registry: []\n");
	registry_write(&w, ONE);
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "RELOAD_SECRET", 13), 13);
	assert_int_equal(reload_take(&w.conf, fd, &r, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "RELOAD_SECRET is not set"));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reload__hands_over_the_variables_that_the_registry_uses),
		cmocka_unit_test(reload__refuses_what_is_not_valid),
		cmocka_unit_test(reload__without_a_supervisor_is_for_the_next),
		cmocka_unit_test(reload__is_ignored_while_stopping),
		cmocka_unit_test(reload_take__refuses_a_variable_that_is_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
