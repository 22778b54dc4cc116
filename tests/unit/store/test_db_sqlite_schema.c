/* SPDX-License-Identifier: Apache-2.0 */
/* What is in people's files and must never change. */
#include "store/db_sqlite_int.h"
#include "tests/unit/store/database.h"

static void state_code__is_fixed_for_ever(void **state)
{
	static const struct {
		const char *text;
		int code;
	} rows[] = {
		{"queued", 1},   {"planning", 2},       {"awaiting_approval", 3},
		{"running", 4},  {"input_required", 5}, {"completed", 101},
		{"failed", 102}, {"cancelled", 103},    {"rejected", 104},
	};
	(void)state;
	assert_int_equal(COUNT_OF(rows), TASK_STATE_COUNT);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum task_state s, back;
		assert_true(task_state_parse(rows[i].text, &s));
		assert_int_equal(state_code(s), rows[i].code);
		assert_true(state_of_code(rows[i].code, &back));
		assert_int_equal(back, s);
		/* what the indexes and the deletion of old tasks go by */
		assert_int_equal(task_state_terminal(s), state_code(s) >= DB_FINISHED);
		assert_true(state_code(s) < DB_DELETED);
	}
}

static void state_of_code__knows_no_others(void **state)
{
	static const int64_t codes[] = {0, -1, 6, 100, 105, DB_DELETED, INT64_MAX};
	enum task_state s;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(codes); i++)
		assert_false(state_of_code(codes[i], &s));
}

static void schema_migrate__says_whose_and_which_version(void **state)
{
	struct database d = database_new();
	struct error e = {0};
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(database_number(&d, "PRAGMA application_id"), 0x41525453);
		assert_int_equal(database_number(&d, "PRAGMA user_version"), DB_SCHEMA_VERSION);
		assert_int_equal(
			database_number(&d, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"), 7);
		/* one that is up to date is left alone */
		assert_well(schema_migrate(db_of(d.db), DB_SCHEMA_VERSION, &e), &e);
		database_reopen(&d);
	}
	database_free(&d);
}

static void schema_migrate__brings_an_older_database_up_to_date(void **state)
{
	struct database d = database_new();
	struct id id = id_nth(1);
	struct error e = {0};
	struct buf want = BUF_INIT, got = BUF_INIT;
	uint64_t last_seq;
	(void)state;
	/* rows of one event each */
	for (uint64_t last = 1; last <= 40; last++)
		task_save(&d, 1, TASK_PLANNING, last);
	assert_int_equal(sql_exec(db_of(d.db), "DROP TABLE budget; ALTER TABLE event DROP COLUMN more;"
					       "PRAGMA user_version = 1"),
			 SQLITE_OK);
	database_reopen(&d);
	assert_int_equal(database_number(&d, "PRAGMA user_version"), DB_SCHEMA_VERSION);
	assert_int_equal(database_number(&d, "SELECT count(*) FROM budget"), 0);
	events_add(&want, &id, 1, 40);
	assert_well(d.b->events_get(d.db, &id, 0, 1 << 20, &got, &last_seq, &e), &e);
	assert_true(slice_eq(buf_slice(&got), buf_slice(&want)));
	buf_release(&want);
	buf_release(&got);
	database_free(&d);
}

/* What the promise of durability rests on. */
static void settings__are_those_of_a_database_that_loses_nothing(void **state)
{
	struct database d = database_new();
	(void)state;
	assert_int_equal(database_number(&d, "PRAGMA synchronous"), 2);
	assert_int_equal(
		database_number(&d, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"),
		1);
	assert_int_equal(
		database_number(&d,
				"SELECT count(*) FROM pragma_locking_mode WHERE locking_mode = 'exclusive'"),
		1);
	assert_int_equal(database_number(&d, "PRAGMA wal_autocheckpoint"), 0);
	assert_int_equal(database_number(&d, "PRAGMA mmap_size"), 0);
	database_free(&d);
}

/* No statement of the table goes through a whole table. */
static void statements__use_an_index(void **state)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
#define SQL(name, text) {#name, text},
#include "store/db_sqlite.def"
#undef SQL
	};
	struct database d = database_new();
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		sqlite3_stmt *s;
		char *text = xasprintf("EXPLAIN QUERY PLAN %s", rows[i].text);
		assert_int_equal(sqlite3_prepare_v2(db_of(d.db)->handle, text, -1, &s, NULL), SQLITE_OK);
		/* these two run at the start only */
		bool may_scan = strstr(rows[i].name, "ORPHANED") != NULL;
		while (sqlite3_step(s) == SQLITE_ROW) {
			const char *step = (const char *)sqlite3_column_text(s, 3);
			bool sorts = strstr(step, "TEMP B-TREE") != NULL;
			if (!may_scan &&
			    (sorts || (strstr(step, "SCAN") != NULL && strstr(step, "INDEX") == NULL)))
				fail_msg("%s: %s", rows[i].name, step);
		}
		sqlite3_finalize(s);
		free(text);
	}
	database_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_code__is_fixed_for_ever),
		cmocka_unit_test(state_of_code__knows_no_others),
		cmocka_unit_test(schema_migrate__says_whose_and_which_version),
		cmocka_unit_test(schema_migrate__brings_an_older_database_up_to_date),
		cmocka_unit_test(settings__are_those_of_a_database_that_loses_nothing),
		cmocka_unit_test(statements__use_an_index),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
