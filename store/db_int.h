/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of database that db.c lists; each is known to it by its row only. */
#ifndef STORE_DB_INT_H
#define STORE_DB_INT_H

#include "store/store_db.h"

extern const struct db_backend db_sqlite_backend;

#endif
