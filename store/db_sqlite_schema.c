/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables, and how a database of an older version becomes one of ours: steps forward only, each done once,
 * all in one transaction. The version is user_version in the file's header, and application_id says that the
 * file is ours at all; a file that says neither and is not empty belongs to somebody else and is left alone.
 *
 * Events are appended in the order of their commits, with a narrow index by task: measured 2.6 times the rows
 * a second of a table clustered by task, where each row dirties another page.
 */
#include "base/base.h"
#include "store/db_sqlite_int.h"

#include <stdio.h>

static const char *const steps[] = {
	/* 0 to 1 */
	"CREATE TABLE task("
	" key INTEGER PRIMARY KEY,"
	" id BLOB NOT NULL UNIQUE,"
	" state INTEGER NOT NULL," /* state_code() */
	" last_seq INTEGER NOT NULL,"
	" doc_seq INTEGER NOT NULL," /* the document is as of this event */
	" created_ms INTEGER NOT NULL,"
	" updated_ms INTEGER NOT NULL,"
	" doc BLOB) STRICT;"
	"CREATE INDEX task_by_state ON task(state, id);"
	"CREATE INDEX task_by_end ON task(updated_ms) WHERE state >= 100;"
	"CREATE TABLE event("
	" gid INTEGER PRIMARY KEY,"
	" task INTEGER NOT NULL," /* task.key */
	" seq INTEGER NOT NULL,"
	" body BLOB NOT NULL," /* as it is sent */
	" UNIQUE(task, seq)) STRICT;"
	"CREATE TABLE request("
	" key BLOB PRIMARY KEY NOT NULL,"
	" body BLOB NOT NULL,"
	" task BLOB NOT NULL," /* task.id */
	" after_seq INTEGER NOT NULL,"
	" at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX request_by_task ON request(task);"
	"CREATE INDEX request_by_time ON request(at_ms);"
	"CREATE TABLE artifact("
	" task BLOB NOT NULL," /* task.id */
	" number INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL,"
	" media_type TEXT NOT NULL,"
	" name TEXT,"
	" sha256 TEXT NOT NULL,"
	" at_ms INTEGER NOT NULL,"
	" PRIMARY KEY(task, number)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE artifact_part("
	" pid INTEGER PRIMARY KEY,"
	" task BLOB NOT NULL,"
	" number INTEGER NOT NULL,"
	" part INTEGER NOT NULL,"
	" bytes BLOB NOT NULL,"
	" UNIQUE(task, number, part)) STRICT;"
	"CREATE TABLE outbox("
	" gid INTEGER PRIMARY KEY,"
	" task BLOB NOT NULL,"
	" topic TEXT NOT NULL,"
	" body BLOB NOT NULL,"
	" at_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX outbox_by_task ON outbox(task);",
	/* 1 to 2 */
	"CREATE TABLE budget("
	" day INTEGER NOT NULL," /* since 1970 */
	" tenant TEXT NOT NULL," /* '': all */
	" input_tokens INTEGER NOT NULL,"
	" output_tokens INTEGER NOT NULL,"
	" cost_nano INTEGER NOT NULL,"
	" model_calls INTEGER NOT NULL,"
	" tool_calls INTEGER NOT NULL,"
	" PRIMARY KEY(day, tenant)) STRICT, WITHOUT ROWID;",
	/* 2 to 3: events that the body has behind the one of seq */
	"ALTER TABLE event ADD COLUMN more INTEGER NOT NULL DEFAULT 0;",
	/* 3 to 4: last_seq and updated_ms of a task whose document is behind may be behind its events, too */
	"",
};
_Static_assert(sizeof steps / sizeof steps[0] == DB_SCHEMA_VERSION, "a step for each version");

/* Never renumber: these are in people's files. */
static const int codes[TASK_STATE_COUNT] = {
	[TASK_QUEUED] = 1,
	[TASK_PLANNING] = 2,
	[TASK_AWAITING_APPROVAL] = 3,
	[TASK_RUNNING] = 4,
	[TASK_INPUT_REQUIRED] = 5,
	[TASK_COMPLETED] = DB_FINISHED + 1,
	[TASK_FAILED] = DB_FINISHED + 2,
	[TASK_CANCELLED] = DB_FINISHED + 3,
	[TASK_REJECTED] = DB_FINISHED + 4,
};

int state_code(enum task_state s)
{
	ensure(s < TASK_STATE_COUNT && codes[s] != 0);
	return codes[s];
}

bool state_of_code(int64_t code, enum task_state *out)
{
	for (size_t i = 0; i < TASK_STATE_COUNT; i++) {
		if (codes[i] == code) {
			*out = (enum task_state)i;
			return true;
		}
	}
	return false;
}

static int number_of(struct db_sqlite *d, const char *query, int64_t *out)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(d->handle, query, -1, &s, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
		*out = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

enum err schema_look(struct db_sqlite *d, int64_t *version, struct error *e)
{
	int64_t application = 0, things = 0;
	int rc = number_of(d, "PRAGMA application_id", &application);
	if (rc == SQLITE_OK)
		rc = number_of(d, "PRAGMA user_version", version);
	if (rc == SQLITE_OK)
		rc = number_of(d, "SELECT count(*) FROM sqlite_schema", &things);
	if (rc != SQLITE_OK)
		return open_failed(d, rc, e);
	bool fresh = application == 0 && *version == 0 && things == 0;
	if (!fresh && application != DB_APPLICATION_ID)
		return err_set(
			e, ERR_CONFIG,
			"%s: is a database of another program and is left as it is; choose another folder "
			"for store.path",
			d->path);
	if (*version > DB_SCHEMA_VERSION)
		return err_set(
			e, ERR_CONFIG,
			"%s: was written by a newer version of agent-runtime (its schema is %lld, this one "
			"knows up to %d); use a newer binary",
			d->path, (long long)*version, DB_SCHEMA_VERSION);
	if (d->read_only && *version < DB_SCHEMA_VERSION)
		return err_set(
			e, ERR_CONFIG,
			"%s: its schema is %lld, this version of agent-runtime needs %d; start the service "
			"once, which brings it up to date",
			d->path, (long long)*version, DB_SCHEMA_VERSION);
	return ERR_NONE;
}

enum err schema_migrate(struct db_sqlite *d, int64_t from, struct error *e)
{
	char header[128];
	if (from == DB_SCHEMA_VERSION)
		return ERR_NONE;
	int rc = sql_exec(d, "BEGIN IMMEDIATE");
	for (int64_t v = from; rc == SQLITE_OK && v < DB_SCHEMA_VERSION; v++)
		rc = sql_exec(d, steps[v]);
	snprintf(header, sizeof header, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		 DB_APPLICATION_ID, DB_SCHEMA_VERSION);
	if (rc == SQLITE_OK)
		rc = sql_exec(d, header);
	return rc == SQLITE_OK ? ERR_NONE : open_failed(d, rc, e);
}
