/* SPDX-License-Identifier: Apache-2.0 */
/* The child process of a server and its pipes: how it starts, what it inherits, floods, long lines, its end.
 */
#include "tests/unit/mcp/rig.h"

/* Whoever adopts it reaps it: until then it is at most a zombie. */
static void process_ends(pid_t pid)
{
	for (int i = 0; i < 500 && kill(pid, 0) == 0; i++) {
		char path[64], text[512] = "";
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		FILE *f = fopen(path, "r");
		bool zombie = !f || !fgets(text, sizeof(text), f) || strstr(text, ") Z");
		if (f)
			fclose(f);
		if (zombie)
			return;
		assert_true(i < 499);
		usleep(10000);
	}
}

static void stdio__missing_command_is_named(void **state)
{
	struct rig r;
	struct outcome o;
	(void)state;
	rig_init(&r);
	rig_add(&r, "gone", "no-such-command-anywhere", NULL);
	rig_start(&r);
	rig_settle(&r);
	assert_non_null(strstr(state_text(&r, "/servers/0/last_error"),
			       "command not found: no-such-command-anywhere"));
	rig_call_wait(&r, "gone", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_UNAVAILABLE);
	assert_false(o.sent);
	assert_non_null(strstr(o.error.msg, "command not found"));
	rig_free(&r);
}

static void stdio__missing_folder_is_named(void **state)
{
	struct rig r;
	const char *args[] = {"echo", NULL};
	(void)state;
	rig_one(&r, args);
	r.servers[0].cwd = "/no/such/folder";
	rig_start(&r);
	rig_settle(&r);
	assert_non_null(strstr(state_text(&r, "/servers/0/last_error"), "working directory /no/such/folder"));
	rig_free(&r);
}

static void stdio__stderr_flood_blocks_nobody(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"stderr-flood", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"a\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(strlen(state_text(&r, "/servers/0/stderr_tail")) <= r.options.stderr_tail_bytes);
	rig_free(&r);
}

static void stdio__environment_is_cleared(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"echo", NULL};
	struct mcp_env env[] = {{"GIVEN", "to it"}, {"HOME", "/elsewhere"}};
	(void)state;
	setenv("OPENAI_API_KEY", "sk-not-for-children", 1);
	rig_one(&r, args);
	r.servers[0].env = env;
	r.servers[0].env_count = COUNT_OF(env);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "env", "{}", &o);
	assert_null(strstr(buf_cstr(&o.result), "sk-not"));
	assert_non_null(strstr(buf_cstr(&o.result), "GIVEN=to it"));
	assert_non_null(strstr(buf_cstr(&o.result), "HOME=/elsewhere"));
	assert_non_null(strstr(buf_cstr(&o.result), "PATH="));
	unsetenv("OPENAI_API_KEY");
	rig_free(&r);
}

static void stdio__descriptors_are_not_inherited(void **state)
{
	struct rig r;
	const char *args[] = {"echo", NULL};
	char path[64], target[8];
	int count = 0, leaked = dup(2);
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)state_number(&r, "/servers/0/pid"), fd);
		count += readlink(path, target, sizeof(target)) > 0;
	}
	assert_int_equal(count, 3);
	close(leaked);
	rig_free(&r);
}

static void big_line(const char *arguments)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"big-line", NULL};
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "big", arguments, &o);
	assert_int_equal(o.error.code, ERR_TOO_LARGE);
	assert_true(o.sent);
	rig_call_wait(&r, "fake", "echo", "{\"text\":\"still here\"}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_int_equal(state_number(&r, "/servers/0/restarts"), 0);
	rig_free(&r);
}

static void stdio__line_over_the_limit_fails_one_call_only(void **state)
{
	(void)state;
	big_line("{\"id_first\":true}");
	big_line("{\"id_first\":false}");
}

static void stdio__result_over_the_frame_limit_fails_one_call_only(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"big-line", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.line_bytes_max = 32 << 20;
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "big", "{}", &o);
	assert_int_equal(o.error.code, ERR_TOO_LARGE);
	rig_call_wait(&r, "fake", "big", "{\"bytes\":6000000}", &o);
	assert_int_equal(o.error.code, ERR_NONE);
	assert_true(o.result.len > 6000000);
	rig_free(&r);
}

static void stdio__stubborn_one_is_killed_by_the_ladder(void **state)
{
	struct rig r;
	const char *args[] = {"stubborn", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.stop_grace_ms = 100;
	rig_start(&r);
	rig_settle(&r);
	int64_t before_ms = clock_mono_ms();
	rig_stop(&r);
	assert_true(clock_mono_ms() - before_ms >= 200);
	assert_string_equal(state_text(&r, "/servers/0/state"), "stopped");
	rig_free(&r);
}

static void stdio__grandchildren_end_with_it(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"grandchild", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "grandchild", "{}", &o);
	pid_t pid = atoi(strstr(buf_cstr(&o.result), "\"text\":\"") + 8);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, 0), 0);
	rig_stop(&r);
	process_ends(pid);
	rig_free(&r);
}

static void stdio__a_line_without_end_restarts_the_server(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"endless-line", NULL};
	(void)state;
	rig_one(&r, args);
	r.options.line_bytes_max = 65536;
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_LOST);
	assert_true(o.sent);
	assert_non_null(strstr(o.error.msg, "did not end within"));
	rig_wait(&r, rig_state_is(&r, "ready"));
	rig_free(&r);
}

static void stdio__a_closed_input_is_noticed(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"close-input", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_LOST);
	assert_non_null(strstr(o.error.msg, "closed its standard input"));
	rig_wait(&r, state_number(&r, "/servers/0/restarts") >= 1);
	rig_free(&r);
}

static void stdio__a_closed_output_is_noticed(void **state)
{
	struct rig r;
	struct outcome o;
	const char *args[] = {"close-output", NULL};
	(void)state;
	rig_one(&r, args);
	rig_start(&r);
	rig_settle(&r);
	rig_call_wait(&r, "fake", "echo", "{}", &o);
	assert_int_equal(o.error.code, ERR_LOST);
	assert_non_null(strstr(o.error.msg, "closed its standard output"));
	rig_free(&r);
}

static void stdio__secrets_of_its_environment_are_not_shown(void **state)
{
	struct rig r;
	const char *args[] = {"tell-secret", NULL};
	struct mcp_env env[] = {{"SERVICE_TOKEN", "hush-hush-123"}, {"PLAIN", "quite-public"}};
	(void)state;
	rig_one(&r, args);
	r.servers[0].env = env;
	r.servers[0].env_count = COUNT_OF(env);
	rig_start(&r);
	rig_settle(&r);
	assert_non_null(
		strstr(state_text(&r, "/servers/0/stderr_tail"), "token ************* for quite-public"));
	assert_null(strstr(state_text(&r, "/servers/0/last_error"), "hush"));
	rig_free(&r);
}

/* The process that owns the servers is killed without a chance to stop them. */
static void stdio__servers_die_with_the_supervisor(void **state)
{
	int pipe_fds[2], status;
	pid_t server = 0;
	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	pid_t supervisor = fork();
	if (supervisor == 0) {
		struct rig r;
		const char *args[] = {"stubborn", NULL};
		rig_one(&r, args);
		rig_start(&r);
		rig_settle(&r);
		server = (pid_t)state_number(&r, "/servers/0/pid");
		if (write(pipe_fds[1], &server, sizeof(server)) != sizeof(server))
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pipe_fds[0], &server, sizeof(server)), sizeof(server));
	assert_true(server > 1);
	kill(supervisor, SIGKILL);
	assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
	process_ends(server);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stdio__missing_command_is_named),
		cmocka_unit_test(stdio__missing_folder_is_named),
		cmocka_unit_test(stdio__stderr_flood_blocks_nobody),
		cmocka_unit_test(stdio__environment_is_cleared),
		cmocka_unit_test(stdio__descriptors_are_not_inherited),
		cmocka_unit_test(stdio__line_over_the_limit_fails_one_call_only),
		cmocka_unit_test(stdio__result_over_the_frame_limit_fails_one_call_only),
		cmocka_unit_test(stdio__stubborn_one_is_killed_by_the_ladder),
		cmocka_unit_test(stdio__grandchildren_end_with_it),
		cmocka_unit_test(stdio__a_line_without_end_restarts_the_server),
		cmocka_unit_test(stdio__a_closed_input_is_noticed),
		cmocka_unit_test(stdio__a_closed_output_is_noticed),
		cmocka_unit_test(stdio__secrets_of_its_environment_are_not_shown),
		cmocka_unit_test(stdio__servers_die_with_the_supervisor),
	};
	return cmocka_run_group_tests_name("stdio", tests, NULL, NULL);
}
