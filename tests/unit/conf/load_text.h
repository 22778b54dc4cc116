/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration loaded from a text, or refused with a message. */
#ifndef TESTS_UNIT_CONF_LOAD_TEXT_H
#define TESTS_UNIT_CONF_LOAD_TEXT_H

#include "conf_test.h"

/* Loads `text` as a file; the caller frees *out. */
static inline enum err loaded(const char *text, const char *const *sets, size_t sets_count,
			      const char *const *env, struct conf **out, struct error *e)
{
	struct folder f;
	folder_open(&f);
	folder_write(f.file, text);
	*e = (struct error){0};
	enum err rc = conf_load(f.file, sets, sets_count, env_listed, (void *)(uintptr_t)env, out, e);
	/* Messages name a folder of a random name: cut it off. */
	size_t n = strlen(f.path) + 1;
	if (!strncmp(e->msg, f.path, n - 1))
		memmove(e->msg, e->msg + n, strlen(e->msg + n) + 1);
	folder_close(&f);
	return rc;
}

static inline void assert_refused(const char *text, const char *msg)
{
	struct conf *c = NULL;
	struct error e;
	assert_int_equal(loaded(text, NULL, 0, NULL, &c, &e), ERR_CONFIG);
	assert_null(c);
	assert_string_equal(e.msg, msg);
}

#endif
