/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process titles as ps(1) shows them. The kernel shows the memory where argv and the environment were put at
 * exec; to have room, and to leave no keys in /proc/PID/environ, the environment is copied away and the old
 * memory is cleared.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *title_start;
static size_t title_room;

void title_init(int argc, char **argv)
{
	size_t count = 0;
	char *end = argv[0];
	for (int i = 0; i < argc; i++)
		if (end == argv[i])
			end = argv[i] + strlen(argv[i]) + 1;
	for (char **p = environ; *p != NULL; p++, count++)
		if (end == *p)
			end = *p + strlen(*p) + 1;
	char **copy = xcalloc(count + 1, sizeof *copy);
	for (size_t i = 0; i < count; i++)
		copy[i] = xstrdup(environ[i]);
	title_start = argc > 0 ? argv[0] : NULL;
	title_room = argc > 0 ? (size_t)(end - argv[0]) : 0;
	for (int i = 0; i < argc; i++)
		argv[i] = xstrdup(argv[i]);
	environ = copy;
	if (title_start != NULL)
		explicit_bzero(title_start, title_room);
}

void title_set(const char *text)
{
	char name[16];
	const char *colon = strstr(text, ": ");
	snprintf(name, sizeof name, "%s", colon != NULL ? colon + 2 : text);
	prctl(PR_SET_NAME, name);
	if (title_start == NULL || title_room < 2)
		return;
	memset(title_start, 0, title_room);
	snprintf(title_start, title_room, "%s", text);
}

void title_env_forget(const char *name)
{
	size_t n = strlen(name);
	for (char **p = environ; *p != NULL; p++) {
		char *text = *p;
		if (strncmp(text, name, n) != 0 || text[n] != '=')
			continue;
		unsetenv(name);
		explicit_bzero(text, strlen(text));
		free(text);
		return;
	}
}
