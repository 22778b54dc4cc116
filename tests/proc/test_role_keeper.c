/* SPDX-License-Identifier: Apache-2.0 */
/* `serve` with a database: what becomes of it and of the service when the keeper, the disk or the master goes
 * away, and when the database cannot be used. */
#include "base/base.h"
#include "role_proc.h"

#include <sys/resource.h>

enum { TASKS = 5 };
static const char json_task[] = "{\"prompt\":\"Say what can be said\",\"approval\":\"required\"}";

struct service {
	struct proc p;
	int port;
	char port_path[PATH_MAX];
};

/* more: further words, NULL-terminated. */
static void service_start(struct service *s, const char *const *more)
{
	const char *words[WORDS_MAX] = {"serve",
					"-c",
					config,
					"--set",
					"server.port=0",
					"--set",
					NULL,
					"--set",
					"log.format=json",
					"--set",
					"store.backend=sqlite"};
	size_t n = 11;
	char *port_file = port_file_set(s->port_path);
	words[6] = port_file;
	for (; more != NULL && *more != NULL; more++)
		words[n++] = *more;
	proc_start(&s->p, words);
	proc_says(&s->p, "\"msg\":\"ready\"");
	s->port = port_of(s->port_path, &s->p);
	free(port_file);
}

static void service_stop(struct service *s)
{
	char path[PATH_MAX];
	kill(s->p.pid, SIGTERM);
	int status = all_gone(&s->p);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("status %x: %s", (unsigned)status, buf_cstr(&s->p.text));
	if (proc_said(&s->p, "\"process\":\"keeper\",\"reason\":\"exit code") > 0)
		fail_msg("the keeper did not end well: %s", buf_cstr(&s->p.text));
	snprintf(path, sizeof path, "%.4000s/data/keeper.sock", dir);
	assert_int_equal(access(path, F_OK), -1);
	proc_close(&s->p);
}

/* Its id in id. */
static void task_submit(struct service *s, char id[ID_TEXT_SIZE])
{
	struct buf answer = BUF_INIT;
	int status = ask(s->port, "/v1/tasks", json_task, &answer);
	const char *at = strstr(buf_cstr(&answer), "\"id\":\"");
	if (status != 202 || at == NULL)
		fail_msg("%d: %s\n%s", status, buf_cstr(&answer), buf_cstr(&s->p.text));
	snprintf(id, ID_TEXT_SIZE, "%s", at + 6);
	buf_release(&answer);
}

static void assert_task_there(struct service *s, const char *id)
{
	struct buf answer = BUF_INIT;
	char *path = xasprintf("/v1/tasks/%s", id);
	int status = ask(s->port, path, NULL, &answer);
	if (status != 200 || strstr(buf_cstr(&answer), id) == NULL)
		fail_msg("%s: %d: %s", id, status, buf_cstr(&answer));
	free(path);
	buf_release(&answer);
}

static pid_t keeper_of(struct service *s)
{
	pid_t pid = 0;
	assert_int_equal(children_of(s->p.pid, "agent-runtime: keeper", &pid), 1);
	return pid;
}

static int store_clean(void **state)
{
	leftovers_teardown(state);
	store_remove();
	return 0;
}

static void keeper__killed_is_replaced_and_nothing_is_lost(void **state)
{
	struct service s;
	char ids[2 * TASKS][ID_TEXT_SIZE];
	(void)state;
	service_start(&s, NULL);
	pid_t first = keeper_of(&s), next = first;
	for (int i = 0; i < TASKS; i++)
		task_submit(&s, ids[i]);
	assert_int_equal(kill(first, SIGKILL), 0);
	for (int i = TASKS; i < 2 * TASKS; i++)
		task_submit(&s, ids[i]); /* answered when the next keeper has committed it */
	proc_says(&s.p, "\"process\":\"keeper\"");
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	while ((children_of(s.p.pid, "agent-runtime: keeper", &next) == 0 || next == first) &&
	       clock_mono_ms() < until)
		proc_read(&s.p, 5);
	assert_true(next != first);
	service_stop(&s);
	service_start(&s, NULL);
	for (int i = 0; i < 2 * TASKS; i++)
		assert_task_there(&s, ids[i]);
	service_stop(&s);
}

static void keeper__does_not_end_before_the_workers(void **state)
{
	struct service s;
	char id[ID_TEXT_SIZE];
	(void)state;
	service_start(&s, NULL);
	pid_t keeper = keeper_of(&s);
	/* as a terminal, or somebody who stops a whole group, does it */
	kill(keeper, SIGTERM);
	kill(keeper, SIGINT);
	kill(keeper, SIGHUP);
	task_submit(&s, id);
	assert_int_equal(keeper_of(&s), keeper);
	assert_int_equal(proc_said(&s.p, "a process died"), 0);
	service_stop(&s);
}

/* The command to its end; its exit code, what it said in *said. */
static int command_run(const char *const *words, struct buf *said)
{
	struct proc p;
	int status = -1;
	proc_start(&p, words);
	while (proc_read(&p, 1000) && waitpid(p.pid, &status, WNOHANG) == 0)
		;
	if (status == -1)
		waitpid(p.pid, &status, 0);
	while (proc_read(&p, 0)) {
		struct pollfd f = {.fd = p.out, .events = POLLIN};
		if (poll(&f, 1, 0) <= 0)
			break;
	}
	buf_reset(said);
	buf_add_slice(said, buf_slice(&p.text));
	proc_close(&p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What is acknowledged is seen by them at once, and nobody is disturbed. */
static void commands__read_beside_the_service_and_after_it(void **state)
{
	struct service s;
	struct buf said = BUF_INIT;
	char id[ID_TEXT_SIZE];
	(void)state;
	const char *const verify[] = {"verify", "-c", config, "--set", "store.backend=sqlite", NULL};
	const char *const export[] = {"export", id, "-c", config, "--set", "store.backend=sqlite", NULL};
	service_start(&s, NULL);
	for (int i = 0; i < TASKS; i++) {
		task_submit(&s, id);
		if (command_run(export, &said) != 0 || strstr(buf_cstr(&said), id) == NULL)
			fail_msg("%s", buf_cstr(&said));
		assert_int_equal(strncmp(buf_cstr(&said), "{\"document\":", 12), 0);
		if (command_run(verify, &said) != 0)
			fail_msg("%s", buf_cstr(&said));
		char *count = xasprintf("%d tasks (", i + 1);
		assert_non_null(strstr(buf_cstr(&said), count));
		free(count);
	}
	service_stop(&s);
	assert_int_equal(command_run(verify, &said), 0);
	assert_non_null(strstr(buf_cstr(&said), "5 tasks ("));
	assert_int_equal(command_run(export, &said), 0);
	buf_release(&said);
	/* and it goes on from what they have read */
	service_start(&s, NULL);
	assert_task_there(&s, id);
	service_stop(&s);
}

/* No write of the keeper beyond this size succeeds from now on. */
static void disk_break(pid_t keeper)
{
	struct rlimit none = {.rlim_cur = 1, .rlim_max = 1};
	assert_int_equal(prlimit(keeper, RLIMIT_FSIZE, &none, NULL), 0);
}

static void keeper__is_not_replaced_when_the_disk_fails(void **state)
{
	struct service s;
	char id[ID_TEXT_SIZE];
	struct buf answer = BUF_INIT;
	(void)state;
	service_start(&s, NULL);
	task_submit(&s, id);
	disk_break(keeper_of(&s));
	assert_int_equal(ask(s.port, "/v1/tasks", json_task, &answer), 503);
	proc_says(&s.p, "the disk failed");
	assert_int_equal(ask(s.port, "/readyz", NULL, &answer), 503);
	assert_int_equal(ask(s.port, "/v1/tasks", json_task, &answer), 503);
	assert_task_there(&s, id);
	/* a worker that is born later knows it, too */
	pid_t worker = 0;
	assert_int_equal(children_of(s.p.pid, "agent-runtime: worker 0", &worker), 1);
	kill(worker, SIGKILL);
	proc_says(&s.p, "\"process\":\"worker 0\"");
	for (int i = 0; i < 8; i++)
		assert_int_equal(ask(s.port, "/v1/tasks", json_task, &answer), 503);
	assert_int_equal(children_of(s.p.pid, "agent-runtime: keeper", NULL), 0);
	assert_int_equal(proc_said(&s.p, "the disk failed"), 1);
	buf_release(&answer);
	service_stop(&s);
	/* the disk is well again */
	service_start(&s, NULL);
	assert_task_there(&s, id);
	task_submit(&s, id);
	service_stop(&s);
}

static void master__killed_the_next_one_finds_everything(void **state)
{
	struct service s;
	char ids[3 * TASKS][ID_TEXT_SIZE];
	(void)state;
	for (int round = 0; round < 3; round++) {
		service_start(&s, NULL);
		for (int i = 0; i < round * TASKS; i++)
			assert_task_there(&s, ids[i]);
		for (int i = round * TASKS; i < (round + 1) * TASKS; i++)
			task_submit(&s, ids[i]);
		kill(s.p.pid, SIGKILL);
		int status = -1;
		/* At once: the next start meets the processes of the last one. */
		assert_int_equal(waitpid(s.p.pid, &status, 0), s.p.pid);
		close(s.p.out);
		buf_release(&s.p.text);
		unlink(s.port_path);
	}
	service_start(&s, NULL);
	for (int i = 0; i < 3 * TASKS; i++)
		assert_task_there(&s, ids[i]);
	service_stop(&s);
}

static void serve__two_on_one_store_are_one_too_many(void **state)
{
	struct service s;
	struct proc second;
	char id[ID_TEXT_SIZE];
	(void)state;
	service_start(&s, NULL);
	start(&second, "serve", "-c", config, "--set", "server.port=0", "--set", "store.backend=sqlite");
	proc_says(&second, "in use");
	int status = 0;
	assert_int_equal(waitpid(second.pid, &status, 0), second.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 78);
	proc_says(&second, "does not start");
	proc_close(&second);
	task_submit(&s, id);
	service_stop(&s);
}

static void serve__a_database_that_is_none_is_left_as_it_is(void **state)
{
	static const char words[] = "Dear diary, today I was taken for a database. ";
	struct proc p;
	char path[PATH_MAX], text[4096] = "", before[4096];
	(void)state;
	for (size_t n = 0; n + sizeof words < sizeof text; n += sizeof words - 1)
		memcpy(text + n, words, sizeof words);
	snprintf(path, sizeof path, "%.4000s/data", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%.4000s/data/tasks.db", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, sizeof text), sizeof text);
	start(&p, "serve", "-c", config, "--set", "server.port=0", "--set", "store.backend=sqlite");
	int status = all_gone(&p);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 78)
		fail_msg("status %x: %s", (unsigned)status, buf_cstr(&p.text));
	assert_non_null(strstr(buf_cstr(&p.text), "not a database"));
	assert_int_equal(pread(fd, before, sizeof before, 0), sizeof before);
	assert_memory_equal(before, text, sizeof before);
	close(fd);
	proc_close(&p);
}

static void serve__in_memory_there_is_no_keeper(void **state)
{
	struct service s;
	char path[PATH_MAX];
	static const char *const memory[] = {"--set", "store.backend=memory", NULL};
	(void)state;
	service_start(&s, memory);
	assert_int_equal(children_of(s.p.pid, "agent-runtime: keeper", NULL), 0);
	proc_says(&s.p, "in memory only");
	service_stop(&s);
	snprintf(path, sizeof path, "%.4000s/data", dir);
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(keeper__killed_is_replaced_and_nothing_is_lost, store_clean),
		cmocka_unit_test_teardown(keeper__does_not_end_before_the_workers, store_clean),
		cmocka_unit_test_teardown(keeper__is_not_replaced_when_the_disk_fails, store_clean),
		cmocka_unit_test_teardown(master__killed_the_next_one_finds_everything, store_clean),
		cmocka_unit_test_teardown(commands__read_beside_the_service_and_after_it, store_clean),
		cmocka_unit_test_teardown(serve__two_on_one_store_are_one_too_many, store_clean),
		cmocka_unit_test_teardown(serve__a_database_that_is_none_is_left_as_it_is, store_clean),
		cmocka_unit_test_teardown(serve__in_memory_there_is_no_keeper, store_clean),
	};
	role_proc_begin();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	config_remove();
	return failed;
}
