/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: owns the tool servers and brokers calls to them. It knows no task and makes no model call;
 * the model's key is wiped from its memory first. It ends its servers by the stop ladder when it is told to
 * stop, or when the master dies. When the master says so it reads the registry again, and a registry is let
 * go when no server is made from it any more.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct supervisor {
	struct heritage *heritage;
	struct loop *loop;
	struct mcp_broker *broker;
	struct mcp_broker_options options; /* without servers */
	struct loop_io *control;
	bool stopping;
};

/* A registry as the broker has it. */
struct rows {
	struct conf_registry *registry;
	struct mcp_server_options *servers;
};

static struct rows *rows_wire(struct supervisor *s, struct conf_registry *r, struct mcp_broker_options *o);
static void rows_give(struct supervisor *s, struct rows *rows);
static void rows_release(void *arg);
static void reload(struct supervisor *s, int fd);
static void control_ready(int fd, int ready, void *arg);
static void child_caught(int signo, void *arg);
static void term_caught(int signo, void *arg);
static void servers_stop(struct supervisor *s);
static void servers_stopped(void *arg);

_Noreturn void supervisor_main(struct heritage *h)
{
	struct error e = {0};
	struct supervisor s = {.heritage = h};
	child_begin(h, "supervisor", SIGTERM);
	child_models_forget(h);
	struct rows *rows = rows_wire(&s, h->registry, &s.options);
	s.options.servers = NULL; /* they come with their owner */
	s.options.servers_count = 0;
	wire_auth(h->conf, h->port, &s.options.auth);
	s.loop = loop_new();
	loop_signal(s.loop, SIGCHLD, child_caught, &s);
	s.broker = mcp_broker_new(s.loop, &s.options);
	rows_give(&s, rows);
	loop_signal(s.loop, SIGTERM, term_caught, &s);
	child_signals_open();
	s.control = loop_io_new(s.loop, h->control_fd, LOOP_READ, control_ready, &s);
	if (control_send(h->control_fd, IPC_READY, -1, &e) != ERR_NONE)
		die(EXIT_OS, "the master is gone: %s", e.msg);
	loop_run(s.loop);
	loop_io_free(s.control);
	mcp_broker_free(s.broker); /* and with it the registry */
	loop_turn(s.loop, 0);
	loop_free(s.loop);
	wire_auth_release(&s.options.auth);
	conf_free(h->conf);
	exit(EXIT_OK);
}

/* --- helpers --- */

/* Takes the registry. */
static struct rows *rows_wire(struct supervisor *s, struct conf_registry *r, struct mcp_broker_options *o)
{
	struct rows *rows = xcalloc(1, sizeof *rows);
	rows->registry = r;
	wire_broker(s->heritage->conf, r, o, &rows->servers);
	return rows;
}

static void rows_give(struct supervisor *s, struct rows *rows)
{
	struct mcp_rows given = {.rows = rows->servers,
				 .count = rows->registry->servers_count,
				 .release = rows_release,
				 .arg = rows};
	mcp_broker_reload(s->broker, &given, &s->options.auth);
}

static void rows_release(void *arg)
{
	struct rows *rows = arg;
	wire_broker_release(rows->servers, rows->registry->servers_count);
	conf_registry_free(rows->registry);
	free(rows);
}

static void reload(struct supervisor *s, int fd)
{
	struct mcp_broker_options o; /* the other options stay as they are */
	struct conf_registry *r;
	struct error e;
	if (s->stopping)
		fd_close(&fd);
	else if (reload_take(s->heritage->conf, fd, &r, &e) == ERR_NONE)
		rows_give(s, rows_wire(s, r, &o));
	else
		log_error("the tool registry is not taken, all servers stay as they are: correct it, then "
			  "send SIGHUP again",
			  LF_STR("error", e.msg));
}

static void control_ready(int fd, int ready, void *arg)
{
	struct supervisor *s = arg;
	enum ipc_msg msg;
	int passed, got;
	(void)ready;
	while ((got = control_receive(fd, &msg, &passed)) > 0) {
		if (msg == IPC_CHANNEL && passed >= 0)
			mcp_broker_add_worker(s->broker, passed);
		else if (msg == IPC_RELOAD && passed >= 0)
			reload(s, passed);
		else
			fd_close(&passed);
	}
	if (got < 0) {
		loop_io_set(s->control, 0);
		servers_stop(s);
	}
}

static void child_caught(int signo, void *arg)
{
	struct supervisor *s = arg;
	int status;
	(void)signo;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		mcp_broker_child_exited(s->broker, pid, status);
}

static void term_caught(int signo, void *arg)
{
	(void)signo;
	servers_stop(arg);
}

static void servers_stop(struct supervisor *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	mcp_broker_stop(s->broker, servers_stopped, s);
}

static void servers_stopped(void *arg)
{
	struct supervisor *s = arg;
	loop_stop(s->loop);
}
