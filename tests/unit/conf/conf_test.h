/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of the conf room: a folder of its own for each test, and an environment made of a list.
 */
#ifndef CONF_TEST_H
#define CONF_TEST_H

#include "base/base.h"
#include "conf/conf.h"

#include <stdarg.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct folder {
	char path[64];
	char file[128];  /* <path>/config.yaml */
	char other[128]; /* <path>/tool_registry.yaml */
};

static inline void folder_write(const char *path, const char *text)
{
	struct error e = {0};
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), &e), ERR_NONE);
	fd_close(&fd);
}

static inline void folder_open(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/conf-test-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->file, sizeof(f->file), "%s/config.yaml", f->path);
	snprintf(f->other, sizeof(f->other), "%s/tool_registry.yaml", f->path);
}

static inline void folder_close(struct folder *f)
{
	unlink(f->file);
	unlink(f->other);
	assert_int_equal(rmdir(f->path), 0);
}

/* arg: {"NAME", "value", ..., NULL}, or NULL for an empty environment. */
static inline const char *env_listed(const char *name, void *arg)
{
	const char *const *list = arg;
	for (; list && *list; list += 2)
		if (!strcmp(*list, name))
			return list[1];
	return NULL;
}

/* The registry of that text, in a folder of its own. */
static inline enum err registry_loaded(const char *text, struct conf_registry **out, struct error *e)
{
	struct folder f;
	struct conf *c;
	folder_open(&f);
	folder_write(f.file, "");
	folder_write(f.other, text);
	*e = (struct error){0};
	assert_int_equal(conf_load(f.file, NULL, 0, env_listed, NULL, &c, e), ERR_NONE);
	enum err rc = conf_registry_load(c, env_listed, NULL, out, e);
	conf_free(c);
	folder_close(&f);
	return rc;
}

static inline void assert_registry_refused(const char *text, const char *msg)
{
	struct conf_registry *r = NULL;
	struct error e;
	assert_int_equal(registry_loaded(text, &r, &e), ERR_CONFIG);
	assert_null(r);
	if (!strstr(e.msg, msg))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, msg);
}

#endif
