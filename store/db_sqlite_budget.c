/* SPDX-License-Identifier: Apache-2.0 */
/* What each tenant has charged on a day, in the database: one row a tenant, of today and the day before. */
#include "base/base.h"
#include "store/db_sqlite_int.h"

#include <stdio.h>

enum err db_budget_put(struct db *db, const struct budget_saved *b, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	enum err code = sql_use(d, SQL_BUDGET_PUT, &s, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(s, 1, b->day);
	sqlite3_bind_text(s, 2, b->tenant, -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 3, b->spent.input_tokens);
	sqlite3_bind_int64(s, 4, b->spent.output_tokens);
	sqlite3_bind_int64(s, 5, b->spent.cost_nano);
	sqlite3_bind_int64(s, 6, b->spent.model_calls);
	sqlite3_bind_int64(s, 7, b->spent.tool_calls);
	code = sql_run(d, s, e);
	if (code == ERR_NONE)
		code = sql_use(d, SQL_BUDGETS_EXPIRE, &s, e);
	if (code != ERR_NONE)
		return code;
	sqlite3_bind_int64(s, 1, b->day);
	return sql_run(d, s, e);
}

enum err db_budgets_each(struct db *db, int64_t day, void (*fn)(const struct budget_saved *b, void *arg),
			 void *arg, struct error *e)
{
	struct db_sqlite *d = db_of(db);
	sqlite3_stmt *s;
	bool row = true;
	enum err code = sql_use(d, SQL_BUDGETS, &s, e);
	if (code == ERR_NONE)
		sqlite3_bind_int64(s, 1, day);
	while (code == ERR_NONE && row) {
		code = sql_row(d, s, &row, e);
		if (code != ERR_NONE || !row)
			break;
		struct budget_saved b = {.day = day,
					 .spent = {.input_tokens = sqlite3_column_int64(s, 1),
						   .output_tokens = sqlite3_column_int64(s, 2),
						   .cost_nano = sqlite3_column_int64(s, 3),
						   .model_calls = sqlite3_column_int64(s, 4),
						   .tool_calls = sqlite3_column_int64(s, 5)}};
		struct slice tenant = sql_column(s, 0);
		snprintf(b.tenant, sizeof b.tenant, "%.*s", (int)tenant.len, tenant.ptr);
		fn(&b, arg);
	}
	return code;
}
