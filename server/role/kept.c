/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database as commands read it. When a server runs on the same store.path, its keeper is asked to leave
 * the file as it is while we look, and at the end whether it could; when none runs the file is opened as it
 * lies there. Nothing is ever written: no recovery, no migration.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int backend_none(struct conf *c);

int kept_open(struct kept *k, const struct cli *cli)
{
	const struct db_backend *backend = db_backend_find("sqlite");
	struct db_options o;
	struct error e = {0};
	*k = (struct kept){.conf = cli_load_conf(cli), .hold_fd = -1};
	if (!wire_has_keeper(k->conf))
		return backend_none(k->conf);
	wire_db(k->conf, &o);
	o.read_only = true;
	o.lock_wait_ms = 0;
	char *socket_path = wire_keeper_socket(k->conf);
	/* ERR_NOT_FOUND: nobody listens there, so nobody has the database. */
	k->hold_fd = archive_hold(socket_path, &e);
	o.snapshot = k->hold_fd >= 0;
	if (k->hold_fd >= 0 || e.code == ERR_NOT_FOUND)
		e = (struct error){0};
	free(socket_path);
	if (e.code == ERR_NONE && backend->open(&o, &k->db, &e) == ERR_NONE)
		return EXIT_OK;
	fd_close(&k->hold_fd);
	conf_free(k->conf);
	return kept_failed(&e);
}

bool kept_close(struct kept *k)
{
	bool kept = k->hold_fd < 0 || archive_hold_kept(k->hold_fd);
	if (!kept)
		fprintf(stderr, "agent-runtime: the service could not hold its database still while it was "
				"read; try again\n");
	k->db->backend->close(k->db);
	fd_close(&k->hold_fd);
	conf_free(k->conf);
	return kept;
}

int kept_failed(const struct error *e)
{
	fprintf(stderr, "agent-runtime: %s\n", e->msg);
	switch (e->code) {
	case ERR_NOT_FOUND: return EXIT_NOT_COMPLETED;
	case ERR_CONFIG: return EXIT_CONFIG;
	case ERR_IO: return EXIT_IO;
	case ERR_UNAVAILABLE:
	case ERR_TIMEOUT:
	case ERR_CONFLICT: return EXIT_AGAIN;
	default: return EXIT_OS;
	}
}

bool kept_task_parse(const char *word, struct id *out)
{
	if (id_parse(word, strlen(word), out))
		return true;
	text_print(stderr,
		   "agent-runtime: \"%s\" is no task: give its id, as in "
		   "01936f2e-7c1a-7b3e-8f00-3c2a1b4d5e6f\n",
		   word);
	return false;
}

int kept_print(struct slice text)
{
	if (fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0)
		return EXIT_OK;
	fprintf(stderr, "agent-runtime: standard output cannot be written\n");
	return EXIT_IO;
}

/* --- helpers --- */

static int backend_none(struct conf *c)
{
	fprintf(stderr,
		"agent-runtime: store.backend is memory: tasks are not kept on disk, so there is nothing to "
		"read; a running service has them at /v1/tasks\n");
	conf_free(c);
	return EXIT_CONFIG;
}
