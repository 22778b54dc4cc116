/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of database by name. A row says how to open one; what is opened brings its own functions. A row
 * without `open` keeps nothing on disk: the service then runs without a keeper.
 */
#include "base/base.h"
#include "store/db_int.h"

#include <string.h>

static enum err postgresql_open(const struct db_options *o, struct db **out, struct error *e)
{
	(void)o;
	*out = NULL;
	return err_set(e, ERR_CONFIG,
		       "store.backend: postgresql is not supported yet, use sqlite (one machine) or memory "
		       "(nothing is kept)");
}

static const struct db_backend memory_backend = {.name = "memory"};
static const struct db_backend postgresql_backend = {.name = "postgresql", .open = postgresql_open};

const struct db_backend *db_backend_find(const char *name)
{
	static const struct db_backend *const rows[] = {
		&db_sqlite_backend,
		&memory_backend,
		&postgresql_backend,
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (strcmp(rows[i]->name, name) == 0)
			return rows[i];
	return NULL;
}
