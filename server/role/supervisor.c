/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: owns the tool servers and brokers calls to them. It knows no task and makes no model call;
 * the model's key is wiped from its memory first. It ends its servers by the stop ladder when it is told to
 * stop, or when the master dies.
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
	struct mcp_server_options *servers;
	struct loop_io *control;
	bool stopping;
};

static void control_ready(int fd, int ready, void *arg);
static void child_caught(int signo, void *arg);
static void term_caught(int signo, void *arg);
static void servers_stop(struct supervisor *s);
static void servers_stopped(void *arg);

_Noreturn void supervisor_main(struct heritage *h)
{
	struct error e = {0};
	struct supervisor s = {.heritage = h};
	struct mcp_broker_options o;
	child_begin(h, "supervisor", SIGTERM);
	conf_forget_secrets(h->conf);
	title_env_forget("OPENAI_API_KEY");
	wire_broker(h->conf, h->registry, &o, &s.servers);
	wire_auth(h->conf, h->port, &o.auth);
	s.loop = loop_new();
	loop_signal(s.loop, SIGCHLD, child_caught, &s);
	s.broker = mcp_broker_new(s.loop, &o);
	wire_auth_release(&o.auth); /* it has its own copies */
	loop_signal(s.loop, SIGTERM, term_caught, &s);
	child_signals_open();
	s.control = loop_io_new(s.loop, h->control_fd, LOOP_READ, control_ready, &s);
	if (control_send(h->control_fd, IPC_READY, -1, &e) != ERR_NONE)
		die(EXIT_OS, "the master is gone: %s", e.msg);
	loop_run(s.loop);
	loop_io_free(s.control);
	mcp_broker_free(s.broker);
	loop_turn(s.loop, 0);
	loop_free(s.loop);
	wire_broker_release(s.servers, h->registry->servers_count);
	conf_registry_free(h->registry);
	conf_free(h->conf);
	exit(EXIT_OK);
}

/* --- helpers --- */

static void control_ready(int fd, int ready, void *arg)
{
	struct supervisor *s = arg;
	enum ipc_msg msg;
	int passed, got;
	(void)ready;
	while ((got = control_receive(fd, &msg, &passed)) > 0) {
		if (msg == IPC_CHANNEL && passed >= 0)
			mcp_broker_add_worker(s->broker, passed);
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
