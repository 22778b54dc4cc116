/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's process: opens the database, restores the tasks into the table, and from then on commits what
 * the others change. It is the only process that may wait for the disk; it serves no client, makes no call
 * and knows no key. What it does with tasks is the store's part (store_db.h); here is how it begins and ends.
 *
 * It hears no signal: it ends when the master says so, after the last worker, or when the master is gone.
 * A database that cannot be opened ends it with EXIT_CONFIG, a disk that fails with EXIT_IO, each with a
 * message; then the master starts no other. Killed at any instant it loses nothing: the next one goes on from
 * what is durable.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct keeper_process {
	struct heritage *heritage;
	struct loop *loop;
	struct store *store;
	struct keeper *keeper;
	struct loop_io *control, *wake;
};

static struct db *database_open(struct keeper_process *p);
static _Noreturn void cannot_start(struct keeper_process *p, const struct error *e);
static void control_ready(int fd, int ready, void *arg);
static void wake_ready(int fd, int ready, void *arg);
static void disk_failed(void *arg);

_Noreturn void keeper_main(struct heritage *h)
{
	struct keeper_process p = {.heritage = h};
	struct keeper_options o;
	struct error e = {0};
	child_begin(h, "keeper", SIGKILL);
	signal(SIGTERM, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit of file size is an error of a write like any other */
	child_signals_open();
	child_registry_forget(h->registry);
	child_models_forget(h);
	p.store = store_attach(h->store, h->index);
	struct db *db = database_open(&p);
	char *socket_path = wire_keeper_socket(h->conf);
	wire_keeper(h->conf, &o);
	o.socket_path = socket_path;
	o.on_broken = disk_failed;
	p.loop = loop_new();
	p.keeper = keeper_new(p.loop, p.store, db, &o);
	if (keeper_restore(p.keeper, &e) != ERR_NONE)
		cannot_start(&p, &e);
	p.wake = loop_io_new(p.loop, store_wake_fd(p.store), LOOP_READ, wake_ready, &p);
	p.control = loop_io_new(p.loop, h->control_fd, LOOP_READ, control_ready, &p);
	if (control_send(h->control_fd, IPC_READY, -1, &e) != ERR_NONE)
		die(EXIT_OS, "the master is gone: %s", e.msg);
	loop_run(p.loop);
	loop_io_free(p.control);
	loop_io_free(p.wake);
	keeper_free(p.keeper);
	loop_turn(p.loop, 0);
	loop_free(p.loop);
	store_detach(p.store);
	free(socket_path);
	conf_free(h->conf);
	exit(EXIT_OK);
}

/* --- helpers --- */

static struct db *database_open(struct keeper_process *p)
{
	const struct db_backend *backend = db_backend_find("sqlite");
	struct db_options o;
	struct db *db;
	struct error e = {0};
	ensure(backend != NULL && backend->open != NULL);
	wire_db(p->heritage->conf, &o);
	if (backend->open(&o, &db, &e) != ERR_NONE)
		cannot_start(p, &e);
	return db;
}

static _Noreturn void cannot_start(struct keeper_process *p, const struct error *e)
{
	/* A predecessor could: whatever has come between may go again, and the master goes on trying. Nobody
	 * need wait for it meanwhile. */
	if (store_health(p->store, NULL) != STORE_STARTING)
		store_health_set(p->store, STORE_AWAY,
				 "the database cannot be opened; the service's log says why");
	switch (e->code) {
	case ERR_IO:
		/* Those who serve requests must know, since there will be no other keeper. */
		store_health_set(p->store, STORE_BROKEN, e->msg);
		die(EXIT_IO, "store.path %s: %s", p->heritage->conf->store.path, e->msg);
	case ERR_CONFIG:
	case ERR_FULL: die(EXIT_CONFIG, "%s", e->msg);
	default: die(EXIT_OS, "%s", e->msg);
	}
}

static void control_ready(int fd, int ready, void *arg)
{
	struct keeper_process *p = arg;
	enum ipc_msg msg;
	int passed, got;
	(void)ready;
	while ((got = control_receive(fd, &msg, &passed)) > 0) {
		if (msg == IPC_ARCHIVE && passed >= 0)
			keeper_add_worker(p->keeper, passed);
		else
			fd_close(&passed);
		if (msg == IPC_STOPPING)
			loop_stop(p->loop);
	}
	if (got < 0)
		loop_stop(p->loop); /* the master is gone */
}

static void wake_ready(int fd, int ready, void *arg)
{
	struct keeper_process *p = arg;
	(void)fd;
	(void)ready;
	keeper_on_wake(p->keeper);
}

/* It has said why. At once: closing the database in order would write to it. */
static void disk_failed(void *arg)
{
	(void)arg;
	_exit(EXIT_IO);
}
