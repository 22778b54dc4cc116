/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths a confined server gets: from its command, arguments, variables and grants. */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* A folder of its own: all names below are in it. */
static char dir[64];
enum grant { NOTHING, READ, WRITE };

static const char *in(const char *name)
{
	static char paths[8][256];
	static int turn;
	turn = (turn + 1) % 8;
	snprintf(paths[turn], sizeof paths[turn], "%s%s%s", dir, *name ? "/" : "", name);
	return paths[turn];
}

static void file_make(const char *name, int mode)
{
	int fd = open(in(name), O_WRONLY | O_CREAT | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sandbox-path-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char *command = xasprintf("rm -r %s", dir);
	int rc = system(command);
	free(command);
	return rc;
}

/* The best of the grants for exactly this path. */
static enum grant granted(const struct mcp_server_options *o, const char *path)
{
	struct sandbox_paths p;
	enum grant best = NOTHING;
	sandbox_paths_collect(o, "/usr/bin:/bin", NULL, &p);
	for (size_t i = 0; i < p.count; i++)
		if (!strcmp(p.items[i].path, path) && (p.items[i].write || best == NOTHING))
			best = p.items[i].write ? WRITE : READ;
	sandbox_paths_release(&p);
	return best;
}

static void paths__no_secrets_of_the_system(void **state)
{
	struct mcp_server_options o = {.command = "sh"};
	(void)state;
	assert_int_equal(granted(&o, "/usr"), READ);
	assert_int_equal(granted(&o, "/dev/null"), WRITE);
	const char *none[] = {"/",    "/etc",  "/etc/shadow", "/proc", "/dev",
			      "/tmp", "/root", "/home",       "/var",  "/run"};
	for (size_t i = 0; i < COUNT_OF(none); i++)
		assert_int_equal(granted(&o, none[i]), NOTHING);
}

static void paths__command_brings_its_libraries(void **state)
{
	(void)state;
	mkdir(in("venv"), 0700);
	mkdir(in("venv/bin"), 0700);
	mkdir(in("venv/lib"), 0700);
	file_make("venv/bin/tool", 0700);
	struct mcp_server_options o = {.command = in("venv/bin/tool")};
	assert_int_equal(granted(&o, in("venv/bin")), READ);
	assert_int_equal(granted(&o, in("venv/lib")), READ);
	assert_int_equal(granted(&o, in("venv")), NOTHING);
}

static void paths__script_brings_its_package(void **state)
{
	(void)state;
	mkdir(in("app"), 0700);
	mkdir(in("app/node_modules"), 0700);
	mkdir(in("app/node_modules/pkg"), 0700);
	mkdir(in("app/dist"), 0700);
	file_make("app/package.json", 0600);
	file_make("app/node_modules/pkg/index.js", 0600);
	file_make("app/dist/main.mjs", 0600);
	file_make("lonely.py", 0600);
	const char *args[] = {in("app/node_modules/pkg/index.js"), NULL};
	struct mcp_server_options o = {.command = "sh", .args = args};
	assert_int_equal(granted(&o, in("app/node_modules")), READ);
	assert_int_equal(granted(&o, in("app")), NOTHING);
	args[0] = in("app/dist/main.mjs");
	assert_int_equal(granted(&o, in("app")), READ);
	args[0] = in("lonely.py");
	assert_int_equal(granted(&o, dir), READ);
}

static void paths__arguments_that_exist_may_be_written(void **state)
{
	(void)state;
	mkdir(in("data"), 0700);
	file_make("notes.db", 0600);
	char *option = xasprintf("--db=%s", in("notes.db"));
	const char *args[] = {in("data"), option, in("absent"), "data", "./data", NULL};
	struct mcp_server_options o = {.command = "sh", .args = args, .cwd = dir};
	assert_int_equal(granted(&o, in("data")), WRITE);
	assert_int_equal(granted(&o, in("notes.db")), WRITE);
	assert_int_equal(granted(&o, in("absent")), NOTHING);
	assert_int_equal(granted(&o, in("./data")), WRITE);
	assert_int_equal(granted(&o, dir), READ); /* the working directory */
	args[0] = "data";                         /* a word */
	args[4] = NULL;
	assert_int_equal(granted(&o, in("data")), NOTHING);
	free(option);
}

static void paths__variables_name_files(void **state)
{
	(void)state;
	mkdir(in("kept"), 0700);
	mkdir(in("kept/data"), 0700);
	file_make("key.pem", 0600);
	char *memory = xasprintf("%s", in("new/memory.jsonl")), *beside = xasprintf("%s", in("kept/m.json"));
	struct mcp_env env[] = {{"MEMORY_FILE_PATH", memory},
				{"STORE", beside},
				{"TLS_CERT", in("key.pem")},
				{"HOME", dir},
				{"MODE", "plain"}};
	struct mcp_server_options o = {.command = "sh", .env = env, .env_count = COUNT_OF(env)};
	o.sandbox.withheld = in("kept/data");
	assert_int_equal(granted(&o, in("new")), WRITE); /* made */
	assert_int_equal(granted(&o, in("kept")), NOTHING);
	assert_int_equal(granted(&o, in("kept/m.json")), WRITE); /* made, alone */
	assert_int_equal(granted(&o, in("key.pem")), READ);
	assert_int_equal(granted(&o, dir), NOTHING);
	free(memory);
	free(beside);
}

static void paths__grants_of_the_operator(void **state)
{
	(void)state;
	mkdir(in("r"), 0700);
	const char *reads[] = {in("r"), NULL}, *writes[] = {in("made.txt"), in("absent"), NULL};
	struct mcp_server_options o = {.command = "sh", .sandbox = {.read = reads, .write = writes}};
	assert_int_equal(granted(&o, in("r")), READ);
	assert_int_equal(granted(&o, in("made.txt")), WRITE);
	assert_int_equal(granted(&o, in("absent")), NOTHING);
}

static void path_is_program__by_name_or_mode(void **state)
{
	(void)state;
	file_make("run", 0700);
	file_make("text.txt", 0600);
	assert_true(sandbox_path_is_program("/x/index.js"));
	assert_true(sandbox_path_is_program(in("run")));
	assert_false(sandbox_path_is_program(in("text.txt")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paths__no_secrets_of_the_system, setup, teardown),
		cmocka_unit_test_setup_teardown(paths__command_brings_its_libraries, setup, teardown),
		cmocka_unit_test_setup_teardown(paths__script_brings_its_package, setup, teardown),
		cmocka_unit_test_setup_teardown(paths__arguments_that_exist_may_be_written, setup, teardown),
		cmocka_unit_test_setup_teardown(paths__variables_name_files, setup, teardown),
		cmocka_unit_test_setup_teardown(paths__grants_of_the_operator, setup, teardown),
		cmocka_unit_test_setup_teardown(path_is_program__by_name_or_mode, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
