/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: where options may stand, how mistakes are told, which exit code they give. Each case runs
 * in a process of its own, as main() would. */
#include "base/base.h"
#include "role/role_int.h"
#include "capture.h"

#include <signal.h>
#include <sys/wait.h>

enum { WORDS_MAX = 16 };

/* Exit code of `agent-runtime WORDS...`; what it wrote goes to *text, to be freed. */
static int run_words(char **text, const char *const *words)
{
	struct capture c;
	int status;
	capture_begin(&c);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* writable, and not from the heap: role_main clears the words and goes on with copies */
		static char room[WORDS_MAX + 1][128] = {"agent-runtime"}, *argv[WORDS_MAX + 2] = {room[0]};
		int argc = 1;
		for (; words[argc - 1] != NULL; argc++) {
			snprintf(room[argc], sizeof room[argc], "%s", words[argc - 1]);
			argv[argc] = room[argc];
		}
		int code = role_main(argc, argv);
		fflush(stdout);
		_exit(code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*text = capture_end(&c);
	if (!WIFEXITED(status))
		fail_msg("killed by signal %d: %s", WTERMSIG(status), *text);
	return WEXITSTATUS(status);
}

#define assert_run(code, says, ...)                                                \
	do {                                                                       \
		char *text_;                                                       \
		int got_ = run_words(&text_, (const char *[]){__VA_ARGS__, NULL}); \
		assert_says(text_, says);                                          \
		if (got_ != (code))                                                \
			fail_msg("exit code %d: %s", got_, text_);                 \
		free(text_);                                                       \
	} while (0)

static void cli__mistakes_are_told(void **state)
{
	(void)state;
	char *text;
	assert_int_equal(run_words(&text, (const char *[]){NULL}), EXIT_USAGE);
	assert_says(text, "no command given");
	free(text);
	assert_run(EXIT_USAGE, "unknown command: serv (did you mean \"serve\"?)", "serv");
	assert_run(EXIT_USAGE, "unknown option: --sever (did you mean \"server\"?)", "run", "--sever", "x");
	assert_run(EXIT_USAGE, "unknown option: -q", "serve", "-q");
	assert_run(EXIT_USAGE, "a value is missing after: --set", "check", "--set");
	assert_run(EXIT_USAGE, "a value is missing after: --record", "serve", "--record");
	assert_run(EXIT_USAGE, "--record and --replay cannot go together", "serve", "--record", "a",
		   "--replay", "b");
	assert_run(EXIT_USAGE, "--record and --replay go with serve and run", "verify", "--replay", "a");
	assert_run(EXIT_USAGE, "not for one that runs already", "run", "--server", "http://127.0.0.1:1",
		   "--record", "a", "x");
	assert_run(EXIT_USAGE, "a value is missing after: -c", "check", "-c");
	assert_run(EXIT_USAGE, "serve takes no words, but got \"now\"", "serve", "now");
	assert_run(EXIT_USAGE, "run takes one PROMPT", "run");
	assert_run(EXIT_USAGE, "export takes one TASK\n", "export");
	assert_run(EXIT_USAGE, "replay takes one TASK\n", "replay", "--verify");
	assert_run(EXIT_USAGE, "export takes one TASK, but got \"two\"\n", "export", "one", "two");
	assert_run(EXIT_USAGE, "verify takes no words, but got \"all\"\n", "verify", "all");
	assert_run(EXIT_USAGE, "run takes one PROMPT, but got \"prompts\"; put it in quotes", "run", "two",
		   "prompts");
	assert_run(EXIT_USAGE, "tools takes no words", "tools", "list");
}

static void cli__options_stand_anywhere(void **state)
{
	(void)state;
	assert_run(EXIT_OK, "port: 4711", "--set", "server.port=4711", "check", "-c", "etc/config.yaml");
	assert_run(EXIT_OK, "port: 4711", "check", "-c", "etc/config.yaml", "--set=server.port=4711");
	assert_run(EXIT_OK, "port: 2", "check", "-c", "etc/config.yaml", "--set", "server.port=1", "--set",
		   "server.port=2");
	assert_run(EXIT_OK, "agent-runtime ", "version");
	assert_run(EXIT_OK, "agent-runtime ", "--version");
	assert_run(EXIT_OK, "Usage:", "-h");
	assert_run(EXIT_OK, "Usage:", "help");
}

static void cli__bad_configuration_is_told(void **state)
{
	(void)state;
	assert_run(EXIT_CONFIG, "--set", "check", "-c", "etc/config.yaml", "--set", "server.port");
	assert_run(EXIT_CONFIG, "did you mean", "check", "-c", "etc/config.yaml", "--set", "server.prt=1");
	assert_run(EXIT_CONFIG, "/nonexistent/x.yaml", "check", "-c", "/nonexistent/x.yaml");
	assert_run(EXIT_CONFIG, "/nonexistent/x.yaml", "run", "-c", "/nonexistent/x.yaml", "prompt");
}

/* Port 1 of the loopback address: nobody listens there. */
static void cli__a_prompt_may_begin_with_a_dash(void **state)
{
	(void)state;
	assert_run(EXIT_UNAVAILABLE, "127.0.0.1:1", "run", "--server", "http://127.0.0.1:1", "--",
		   "--json is a word");
	assert_run(EXIT_USAGE, "unknown option: --jsonic", "run", "--server", "http://127.0.0.1:1",
		   "--jsonic");
}

static void cli__a_server_that_is_none(void **state)
{
	(void)state;
	assert_run(EXIT_UNAVAILABLE, "127.0.0.1:1", "run", "--server", "http://127.0.0.1:1/", "x");
	assert_run(EXIT_UNAVAILABLE, "127.0.0.1:1", "run", "--server", "https://127.0.0.1:1", "x");
	assert_run(EXIT_UNAVAILABLE, "agent-runtime: ", "run", "--server", "nonsense://x", "x");
	assert_run(EXIT_UNAVAILABLE, "agent-runtime: ", "run", "--server", "", "x");
}

/* Started with closed standard descriptors, as some supervisors do: nothing else may become them. */
static void cli__closed_descriptors_are_filled(void **state)
{
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char *argv[] = {xstrdup("agent-runtime"), xstrdup("version"), NULL};
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		int code = role_main(2, argv);
		for (int fd = 0; fd < 3; fd++)
			if (write(fd, "", 0) != 0)
				code = 99;
		_exit(code);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cli__mistakes_are_told),
		cmocka_unit_test(cli__options_stand_anywhere),
		cmocka_unit_test(cli__bad_configuration_is_told),
		cmocka_unit_test(cli__a_prompt_may_begin_with_a_dash),
		cmocka_unit_test(cli__a_server_that_is_none),
		cmocka_unit_test(cli__closed_descriptors_are_filled),
	};
	unsetenv("AGENT_RUNTIME_CONFIG");
	unsetenv("OPENAI_API_KEY");
	unsetenv("OPENAI_BASE_URL");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
