/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of tool servers, read again on SIGHUP while the service runs. The master reads it first: what
 * is not valid is refused there, and what is valid is what supervisors to come start with. Then the present
 * supervisor is told, reads the file by itself and changes its servers.
 *
 * ${NAME} stands for a variable of the environment that the service was started with. Only the master still
 * has all of it, because the others forget the keys that are not theirs; so it notes each variable that the
 * registry asked for and hands these, and no others, over in a file in memory. They are what a supervisor
 * that is started later would find in its copy of the registry.
 *
 * Nothing but the registry is read again: not the configuration, and so not the registry's path.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { VARIABLES_BYTES_MAX = 16 << 20 };

static const char *variable_note(const char *name, void *arg);
static const char *variable_find(const char *name, void *arg);
static void supervisor_tell(struct master *m, struct slice variables);
static enum err variables_write(struct slice variables, int *fd, struct error *e);
static enum err variables_read(int fd, struct buf *out, struct error *e);
static void variables_release(struct buf *variables);

void master_reload(struct master *m)
{
	struct buf variables = BUF_LIMIT(VARIABLES_BYTES_MAX);
	struct conf_registry *r;
	struct error e = {0};
	if (m->phase != MASTER_SERVING) {
		log_warn("SIGHUP is ignored: the service is being stopped");
		return;
	}
	if (conf_registry_load(m->heritage.conf, variable_note, &variables, &r, &e) != ERR_NONE) {
		log_error("the tool registry is refused, all servers stay as they are: correct it, then send "
			  "SIGHUP again",
			  LF_STR("error", e.msg));
	} else {
		conf_registry_free(m->heritage.registry);
		m->heritage.registry = r;
		log_info("tool registry read again", LF_STR("path", r->path != NULL ? r->path : ""),
			 LF_INT("servers", r->servers_count));
		supervisor_tell(m, buf_slice(&variables));
	}
	variables_release(&variables);
}

enum err reload_take(const struct conf *c, int fd, struct conf_registry **out, struct error *e)
{
	struct buf variables = BUF_LIMIT(VARIABLES_BYTES_MAX);
	enum err code = variables_read(fd, &variables, e);
	fd_close(&fd);
	if (code == ERR_NONE)
		code = conf_registry_load(c, variable_find, &variables, out, e);
	variables_release(&variables);
	return code;
}

/* --- helpers --- */

/* NAME NUL VALUE NUL, for each that is set. */
static const char *variable_note(const char *name, void *arg)
{
	struct buf *variables = arg;
	const char *value = conf_env_process(name, NULL);
	if (value != NULL) {
		buf_add(variables, name, strlen(name) + 1);
		buf_add(variables, value, strlen(value) + 1);
	}
	return value;
}

static const char *variable_find(const char *name, void *arg)
{
	const struct buf *variables = arg;
	const char *at = variables->data, *end = at + variables->len;
	while (at < end) {
		const char *value = at + strlen(at) + 1;
		if (value >= end)
			break;
		if (strcmp(at, name) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

/* One that is not there starts with the new registry. */
static void supervisor_tell(struct master *m, struct slice variables)
{
	struct error e = {0};
	int fd = -1;
	enum err code = variables_write(variables, &fd, &e);
	for (size_t i = 0; i < m->children_count && code == ERR_NONE; i++) {
		const struct child *c = &m->children[i];
		if (c->role == CHILD_SUPERVISOR && c->control_fd >= 0)
			code = control_send(c->control_fd, IPC_RELOAD, fd, &e);
	}
	fd_close(&fd);
	if (code != ERR_NONE)
		log_error("the supervisor cannot be told of the new tool registry: send SIGHUP again",
			  LF_STR("error", e.msg));
}

static enum err variables_write(struct slice variables, int *fd, struct error *e)
{
	*fd = memfd_create("agent-runtime-variables", MFD_CLOEXEC);
	if (*fd < 0)
		return err_set_errno(e, errno, "memfd_create failed");
	for (size_t at = 0; at < variables.len;) {
		ssize_t n = pwrite(*fd, variables.ptr + at, variables.len - at, (off_t)at);
		if (n <= 0)
			return err_set_errno(e, errno, "cannot write a file in memory");
		at += (size_t)n;
	}
	return ERR_NONE;
}

static enum err variables_read(int fd, struct buf *out, struct error *e)
{
	char part[4096];
	ssize_t n;
	for (off_t at = 0; (n = pread(fd, part, sizeof part, at)) > 0; at += n)
		buf_add(out, part, (size_t)n);
	explicit_bzero(part, sizeof part);
	if (n < 0)
		return err_set_errno(e, errno, "cannot read a file in memory");
	/* What is cut off at the end is a variable that is not found, and the registry is refused. */
	buf_add(out, "", 1);
	return out->overflow ? err_set(e, ERR_TOO_LARGE, "the variables of the registry are too long")
			     : ERR_NONE;
}

static void variables_release(struct buf *variables)
{
	if (variables->data != NULL)
		explicit_bzero(variables->data, variables->cap);
	buf_release(variables);
}
