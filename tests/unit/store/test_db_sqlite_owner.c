/* SPDX-License-Identifier: Apache-2.0 */
/* One process has the database; what others get who come meanwhile, or after it was killed. */
#include "tests/unit/store/database.h"

#include <signal.h>
#include <sys/prctl.h>

/* Starts a child that has the database open and does what fn does, then holds still until it is killed. */
static pid_t owner_start(struct database *d, void (*fn)(struct database *d))
{
	int ready[2];
	char c;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		database_open(d);
		fn(d);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return child;
}

static void owner_kill(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void one_saved(struct database *d)
{
	task_save(d, 1, TASK_QUEUED, 1);
}

static void open__refuses_what_another_process_has(void **state)
{
	struct database d;
	(void)state;
	database_init(&d);
	pid_t child = owner_start(&d, one_saved);
	assert_refused(&d,
		       "is in use: another service or program has it open; stop that one, or choose another");
	d.options.read_only = true;
	assert_refused(&d, "is in use");
	d.options.read_only = false;
	owner_kill(child);
	database_open(&d);
	assert_true(task_there(&d, 1));
	database_free(&d);
}

static void open__to_read_sees_the_log_and_leaves_everything(void **state)
{
	struct database d;
	struct buf file = BUF_INIT, log = BUF_INIT;
	struct error e = {0};
	(void)state;
	database_init(&d);
	owner_kill(owner_start(&d, one_saved));
	assert_well(file_read(d.file, 1 << 20, &file, &e), &e);
	assert_well(file_read(d.log, 1 << 20, &log, &e), &e);
	d.options.read_only = true;
	database_open(&d);
	assert_true(task_there(&d, 1));
	database_check(&d);
	d.b->close(d.db);
	d.db = NULL;
	assert_file(d.file, file.data, file.len);
	assert_file(d.log, log.data, log.len);
	buf_release(&file);
	buf_release(&log);
	database_free(&d);
}

static void open__to_read_makes_nothing(void **state)
{
	struct database d;
	char none[128];
	(void)state;
	database_init(&d);
	d.options.read_only = true;
	assert_refused(&d, "there is no database; look at store.path");
	snprintf(none, sizeof none, "%s/none", d.folder);
	assert_refused_at(&d, none, "No such file or directory");
	assert_int_equal(access(none, F_OK), -1);
	file_write(d.file, "", 0);
	assert_refused(&d, "its schema is 0, this version of agent-runtime needs 4; start the service once");
	assert_int_equal(file_bytes(d.file), 0);
	database_free(&d);
}

static void one_moved_and_one_in_the_log(struct database *d)
{
	struct error e = {0};
	task_save(d, 1, TASK_QUEUED, 1);
	assert_well(d->b->checkpoint(d->db, true, &e), &e);
	task_save(d, 2, TASK_QUEUED, 1);
}

static void open__of_a_snapshot_reads_beside_the_owner(void **state)
{
	struct database d;
	char plain[96];
	(void)state;
	database_init(&d);
	/* a name that an URI must not take apart */
	memcpy(plain, d.folder, sizeof plain);
	strncat(d.folder, " b?mode=rw&c#%41", sizeof d.folder - strlen(d.folder) - 1);
	assert_int_equal(rename(plain, d.folder), 0);
	pid_t child = owner_start(&d, one_moved_and_one_in_the_log);
	d.options.snapshot = true;
	database_open(&d);
	assert_true(task_there(&d, 1));
	assert_false(task_there(&d, 2));
	database_check(&d);
	d.b->close(d.db);
	owner_kill(child);
	d.options.snapshot = false;
	database_open(&d);
	assert_true(task_there(&d, 1) && task_there(&d, 2));
	database_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open__refuses_what_another_process_has),
		cmocka_unit_test(open__to_read_sees_the_log_and_leaves_everything),
		cmocka_unit_test(open__to_read_makes_nothing),
		cmocka_unit_test(open__of_a_snapshot_reads_beside_the_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
