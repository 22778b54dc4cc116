/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private server for one `agent-runtime run`: the same master with the same processes, on a free port of
 * the loopback address, in a process group of its own so that Ctrl-C reaches the command first.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void server_main(struct conf *c, struct conf_registry *r, struct llm_cassette *k,
				  int ready_fd, pid_t parent)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_OK);
	exit(master_main(c, r, k, ready_fd));
}

enum err private_server_start(struct private_server *p, struct conf *c, struct conf_registry *r,
			      struct llm_cassette *k, struct error *e)
{
	int pair[2];
	char text[16] = "";
	pid_t parent = getpid();
	if (pipe2(pair, O_CLOEXEC) != 0)
		return err_set_errno(e, errno, "cannot make a pipe");
	p->pid = fork();
	if (p->pid == 0) {
		close(pair[0]);
		server_main(c, r, k, pair[1], parent);
	}
	close(pair[1]);
	if (p->pid < 0) {
		close(pair[0]);
		p->pid = 0;
		return err_set_errno(e, errno, "cannot fork");
	}
	ssize_t n = read(pair[0], text, sizeof text - 1);
	close(pair[0]);
	p->port = n > 0 ? atoi(text) : 0;
	if (p->port > 0)
		return ERR_NONE;
	private_server_stop(p);
	return err_set(e, ERR_UNAVAILABLE,
		       "the private server ended before it was ready; it has said why above");
}

void private_server_stop(struct private_server *p)
{
	if (p->pid == 0)
		return;
	kill(p->pid, SIGTERM);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	p->pid = 0;
}
