/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a confined server was granted, as paths, and whether a use of a file is within it: the rules of
 * Landlock (sandbox_landlock.c) over again, for telling of what they refuse. Nothing is decided here, and
 * nothing looked at: where a path leads is asked of the caller.
 *
 * A grant holds for the path and all below it. What is read or written must be granted itself; who makes,
 * removes or renames changes a folder, so the folder must be granted for writing. What is not there is
 * refused to nobody, and what is there already is not made.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct grants {
	struct sandbox_path *items; /* by path, each once */
	size_t count;
};

/* --- paths --- */

bool path_collapse(const char *path, char out[PATH_MAX])
{
	size_t len = 0;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		bool up = n == 2 && !memcmp(p, "..", 2);
		while (up && len && out[--len] != '/')
			;
		if (n && !up && !(n == 1 && *p == '.')) {
			if (len + n + 2 > PATH_MAX)
				return false;
			out[len++] = '/';
			memcpy(out + len, p, n);
			len += n;
		}
		p += n + (p[n] == '/');
	}
	if (!len)
		out[len++] = '/';
	out[len] = '\0';
	return true;
}

/* Of a path that stands for whoever says it: the rest behind the name, and where it goes in /proc/PID. */
static const char *alias_rest(const char *path, const char **to)
{
	static const struct {
		const char *from, *to;
	} ALIASES[] = {{"/proc/self", ""},       {"/proc/thread-self", ""}, {"/proc/mounts", "/mounts"},
		       {"/proc/net", "/net"},    {"/dev/fd", "/fd"},        {"/dev/stdin", "/fd/0"},
		       {"/dev/stdout", "/fd/1"}, {"/dev/stderr", "/fd/2"}};
	for (size_t i = 0; i < COUNT_OF(ALIASES); i++) {
		size_t n = strlen(ALIASES[i].from);
		*to = ALIASES[i].to;
		if (!strncmp(path, ALIASES[i].from, n) && (path[n] == '/' || !path[n]))
			return path + n;
	}
	return NULL;
}

bool path_is_own(const char *path)
{
	const char *to;
	return alias_rest(path, &to) != NULL;
}

bool path_own(const char *path, int process, char out[PATH_MAX])
{
	const char *to, *rest = alias_rest(path, &to);
	int n = rest ? snprintf(out, PATH_MAX, "/proc/%d%s%s", process, to, rest)
		     : snprintf(out, PATH_MAX, "%s", path);
	return n < PATH_MAX;
}

/* The folder that the last name of a path stands in. false: it has none, or that is no name. */
static bool path_folder(const char *path, char out[PATH_MAX])
{
	size_t end = strlen(path);
	while (end > 1 && path[end - 1] == '/')
		end--;
	size_t at = end;
	while (at && path[at - 1] != '/')
		at--;
	size_t n = end - at;
	if (!n || !at || (n <= 2 && !memcmp(path + at, "..", n)))
		return false;
	while (at > 1 && path[at - 1] == '/')
		at--;
	memcpy(out, path, at);
	out[at] = '\0';
	return true;
}

/* --- grants --- */

/* The place of the first n bytes of a path among the grants, or where it would stand. */
static size_t place_of(const struct grants *g, const char *path, size_t n, bool *there)
{
	size_t low = 0, high = g->count;
	*there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *item = g->items[middle].path;
		int order = strncmp(item, path, n);
		if (!order)
			order = item[n] ? 1 : 0;
		if (!order)
			*there = true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct grants *grants_new(void)
{
	return xcalloc(1, sizeof(struct grants));
}

void grants_free(struct grants *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->count; i++)
		free(g->items[i].path);
	free(g->items);
	free(g);
}

void grants_add(struct grants *g, const char *path, bool write)
{
	bool there;
	size_t at = place_of(g, path, strlen(path), &there);
	if (there) {
		g->items[at].write |= write;
		return;
	}
	g->items = xrealloc(g->items, (g->count + 1) * sizeof(*g->items));
	memmove(g->items + at + 1, g->items + at, (g->count - at) * sizeof(*g->items));
	g->items[at] = (struct sandbox_path){xstrdup(path), write};
	g->count++;
}

static bool is_granted(const struct grants *g, const char *path, size_t n, bool write)
{
	bool there;
	size_t at = place_of(g, path, n, &there);
	return there && (!write || g->items[at].write);
}

bool grants_allow(const struct grants *g, const char *path, bool write)
{
	if (is_granted(g, "/", 1, write))
		return true;
	for (const char *p = path + (*path == '/');; p++)
		if (!*p || *p == '/') {
			if (is_granted(g, path, (size_t)(p - path), write))
				return true;
			if (!*p)
				return false;
		}
}

/* --- uses --- */

/* May what is at this path be used so, as far as its text tells? */
static bool text_allows(const struct grants *g, const char *path, bool write)
{
	char text[PATH_MAX];
	return path_collapse(path, text) && grants_allow(g, text, write);
}

static enum file_verdict folder_judge(const struct grants *g, const char *path, file_look_fn *look, void *arg,
				      char real[PATH_MAX])
{
	char folder[PATH_MAX];
	if (!path_folder(path, folder))
		return FILE_NOTHING;
	enum file_look seen = look(folder, &(struct file_use){.folder_only = true}, real, arg);
	if (seen == FILE_ABSENT)
		return FILE_NOTHING;
	bool yes = seen == FILE_FOUND ? grants_allow(g, real, true) : text_allows(g, folder, true);
	if (seen == FILE_FOUND) {
		const char *name = path + strlen(folder);
		size_t len = strlen(real);
		snprintf(real + len, PATH_MAX - len, "%s%s", *name == '/' || real[len - 1] == '/' ? "" : "/",
			 name);
	}
	return yes ? FILE_GRANTED : FILE_REFUSED;
}

enum file_verdict file_judge(const struct grants *g, const struct file_use *u, const char *path,
			     file_look_fn *look, void *arg, char real[PATH_MAX])
{
	*real = '\0';
	if (u->kind == FILE_PLACED)
		return folder_judge(g, path, look, arg, real);
	enum file_look seen = look(path, u, real, arg);
	if (u->kind == FILE_OPENED && seen == FILE_FOUND)
		return grants_allow(g, real, u->write) ? FILE_GRANTED : FILE_REFUSED;
	if (u->kind == FILE_OPENED && seen == FILE_UNKNOWN)
		return text_allows(g, path, u->write) ? FILE_GRANTED : FILE_REFUSED;
	bool makes = u->kind == FILE_MADE || u->create;
	if (seen != FILE_UNKNOWN && makes != (seen == FILE_ABSENT))
		return FILE_NOTHING;
	return folder_judge(g, path, look, arg, real);
}

bool file_text_allows(const struct grants *g, const struct file_use *u, const char *path,
		      char decisive[PATH_MAX])
{
	bool itself = u->kind == FILE_OPENED;
	if (!itself && !path_folder(path, decisive))
		return false;
	if (itself && (size_t)snprintf(decisive, PATH_MAX, "%s", path) >= PATH_MAX)
		return false;
	return text_allows(g, decisive, itself ? u->write : true);
}
