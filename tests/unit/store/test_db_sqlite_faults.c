/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same short life of a database, with something going wrong at each of its writes and syncs in turn:
 * killed, before the call or in the midst of it; a failing disk; a full one. What was committed must be there
 * afterwards, nothing may be there in part, and after a failure of the disk it must not be called again.
 */
#include "tests/unit/store/database.h"
#include "tests/unit/store/disk.h"

enum { ROUNDS = 5, TASKS = 3 };

/* Round r saves tasks r * 10 ... and the one of the round before ends; every second moves the log. */
static enum err round_run(struct database *d, uint32_t r, struct error *e)
{
	static char doc[5000];
	memset(doc, 'x', sizeof doc - 1);
	enum err code = d->b->begin(d->db, e);
	for (uint32_t i = 0; i < TASKS && code == ERR_NONE; i++) {
		struct task_saved t = task_nth(r * 10 + i, TASK_QUEUED, 3, doc);
		struct buf sse = BUF_INIT;
		events_add(&sse, &t.id, 1, 3);
		code = d->b->task_put(d->db, &t, e);
		if (code == ERR_NONE)
			code = d->b->events_put(d->db, &t.id, buf_slice(&sse), e);
		buf_release(&sse);
	}
	struct task_saved before = task_nth((r - 1) * 10, TASK_COMPLETED, 3, doc);
	if (code == ERR_NONE && r > 1)
		code = d->b->task_put(d->db, &before, e);
	if (code == ERR_NONE)
		return d->b->commit(d->db, e);
	if (code != ERR_IO)
		d->b->rollback(d->db);
	return code;
}

static enum err round_checkpoint(struct database *d, uint32_t r, struct error *e)
{
	return r % 2 == 0 ? d->b->checkpoint(d->db, true, e) : ERR_NONE;
}

/* Whole rounds up to `committed` are there, and at most the one behind it, as a whole. */
static void assert_rounds(struct database *d, uint32_t committed)
{
	bool next = task_there(d, (committed + 1) * 10);
	for (uint32_t r = 1; r <= ROUNDS; r++)
		for (uint32_t i = 0; i < TASKS; i++)
			assert_int_equal(task_there(d, r * 10 + i),
					 r <= committed || (r == committed + 1 && next));
	database_check(d);
}

/* How many calls a life without faults makes. */
static int calls_count(void)
{
	struct database d;
	struct error e = {0};
	disk = (struct disk){0};
	database_init(&d);
	database_open(&d);
	for (uint32_t r = 1; r <= ROUNDS; r++) {
		assert_well(round_run(&d, r, &e), &e);
		assert_well(round_checkpoint(&d, r, &e), &e);
	}
	d.b->close(d.db);
	d.db = NULL;
	int n = disk.writes + disk.syncs;
	database_free(&d);
	assert_in_range(n, 30, 500);
	return n;
}

/* In a child: ends with the number of committed rounds written to `report`. */
static _Noreturn void life_to_be_killed(struct database *d, int report)
{
	struct error e;
	d->options.path = d->folder;
	if (d->b->open(&d->options, &d->db, &e) != ERR_NONE)
		_exit(1);
	for (uint32_t r = 1; r <= ROUNDS; r++)
		if (round_run(d, r, &e) != ERR_NONE || write(report, "x", 1) != 1 ||
		    round_checkpoint(d, r, &e) != ERR_NONE)
			_exit(1);
	d->b->close(d->db);
	_exit(0);
}

static void a_kill_at_any_call_loses_nothing(void **state)
{
	int calls = calls_count();
	(void)state;
	for (int at = 1; at <= calls; at++) {
		struct database d;
		int report[2], status;
		uint32_t committed = 0;
		char c;
		database_init(&d);
		assert_int_equal(pipe(report), 0);
		disk = (struct disk){.at = at, .torn = at % 2 == 0};
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			life_to_be_killed(&d, report[1]);
		disk = (struct disk){0};
		close(report[1]);
		while (read(report[0], &c, 1) == 1)
			committed++;
		close(report[0]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		database_open(&d);
		assert_rounds(&d, committed);
		task_save(&d, 99, TASK_QUEUED, 1);
		database_free(&d);
	}
}

static void a_failing_disk_is_not_called_again(void **state)
{
	int calls = calls_count();
	(void)state;
	for (int at = 1; at <= calls; at++) {
		struct database d;
		struct error e;
		uint32_t committed = 0;
		database_init(&d);
		d.options.path = d.folder;
		disk = (struct disk){.at = at, .at_errno = EIO, .torn = at % 2 == 0};
		enum err code = d.b->open(&d.options, &d.db, &e);
		assert_true(code == ERR_NONE || code == ERR_CONFIG);
		for (uint32_t r = 1; r <= ROUNDS && code == ERR_NONE; r++) {
			code = round_run(&d, r, &e);
			committed += code == ERR_NONE;
			if (code == ERR_NONE)
				code = round_checkpoint(&d, r, &e);
		}
		if (d.db != NULL && code != ERR_NONE) {
			int before = disk.writes + disk.syncs;
			assert_int_equal(code, ERR_IO);
			assert_int_equal(before, at);
			d.b->abandon(d.db);
			assert_int_equal(disk.writes + disk.syncs, before);
		} else if (d.db != NULL) {
			enum log_level level = log_level();
			log_init("test", LOG_OFF, LOG_FORMAT_TEXT);
			d.b->close(d.db);
			log_init("test", level, LOG_FORMAT_AUTO);
			assert_int_equal(disk.writes + disk.syncs, at);
		}
		disk = (struct disk){0};
		database_open(&d);
		assert_rounds(&d, committed);
		database_free(&d);
	}
}

static void a_full_disk_passes(void **state)
{
	int calls = calls_count();
	(void)state;
	for (int at = 1; at <= calls; at++) {
		struct database d;
		struct error e;
		database_init(&d);
		d.options.path = d.folder;
		/* a sync never says so: that is a failure like any other */
		disk = (struct disk){
			.at = at, .at_errno = ENOSPC, .torn = at % 2 == 0, .lasting = at % 3 == 0};
		enum err code = d.b->open(&d.options, &d.db, &e);
		for (uint32_t r = 1; r <= ROUNDS && code == ERR_NONE; r++)
			for (int part = 0; part < 2 && code == ERR_NONE; part++) {
				code = part == 0 ? round_run(&d, r, &e) : round_checkpoint(&d, r, &e);
				if (code != ERR_NO_SPACE)
					continue;
				disk.at = 0;
				code = part == 0 ? round_run(&d, r, &e) : round_checkpoint(&d, r, &e);
				assert_well(code, &e);
			}
		assert_true(code == ERR_NONE || code == ERR_IO || (code == ERR_CONFIG && d.db == NULL));
		disk = (struct disk){0};
		if (d.db != NULL)
			d.b->abandon(d.db);
		database_open(&d);
		if (code == ERR_NONE)
			assert_rounds(&d, ROUNDS);
		database_free(&d);
	}
}

/* Thousands of syncs, none of which needs a real disk. */
static int folder_choose(void **state)
{
	(void)state;
	return access("/dev/shm", W_OK) == 0 ? setenv("TMPDIR", "/dev/shm", 1) : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_at_any_call_loses_nothing),
		cmocka_unit_test(a_failing_disk_is_not_called_again),
		cmocka_unit_test(a_full_disk_passes),
	};
	return cmocka_run_group_tests(tests, folder_choose, NULL);
}
