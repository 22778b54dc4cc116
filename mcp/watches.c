/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which resources of a server were read, and when it said last that one of them has changed. Those are what
 * the server is asked to tell changes of; the one that was not read for longest makes room for another. Pure,
 * but for the clock.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <string.h>

void watches_release(struct watches *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->list[i].uri);
	free(w->list);
	*w = (struct watches){0};
}

static struct watch *watch_find(const struct watches *w, const char *uri)
{
	for (size_t i = 0; i < w->count; i++) {
		if (strcmp(w->list[i].uri, uri) == 0)
			return &w->list[i];
	}
	return NULL;
}

static struct watch *oldest_find(const struct watches *w)
{
	struct watch *oldest = w->list;
	for (size_t i = 1; i < w->count; i++) {
		if (w->list[i].read_at < oldest->read_at)
			oldest = &w->list[i];
	}
	return oldest;
}

bool watches_read(struct watches *w, const char *uri, size_t max, char **dropped)
{
	struct watch *known = watch_find(w, uri), *place;
	*dropped = NULL;
	if (known)
		known->read_at = ++w->reads;
	if (known || !max)
		return false;
	if (w->count < max) {
		w->list = xrealloc(w->list, (w->count + 1) * sizeof(*w->list));
		place = &w->list[w->count++];
	} else {
		place = oldest_find(w);
		*dropped = place->uri;
	}
	*place = (struct watch){.uri = xstrdup(uri), .read_at = ++w->reads};
	return true;
}

/* Told of a part of a resource, it is the resource that has changed (MCP, Resources, Subscriptions). */
static bool is_part_of(const char *part, const char *whole)
{
	size_t n = strlen(whole);
	return strncmp(part, whole, n) == 0 && (!part[n] || whole[n - 1] == '/' || strchr("/?#", part[n]));
}

void watches_updated(struct watches *w, const char *uri)
{
	for (size_t i = 0; i < w->count; i++) {
		if (is_part_of(uri, w->list[i].uri))
			w->list[i].updated_wall_ms = clock_wall_ms();
	}
}

void watches_write(const struct watches *w, struct jw *out)
{
	char at[CLOCK_TEXT_SIZE];
	jw_name(out, "subscriptions");
	jw_array(out);
	for (size_t i = 0; i < w->count; i++) {
		const struct watch *one = &w->list[i];
		if (one->updated_wall_ms)
			clock_format(one->updated_wall_ms, at);
		jw_object(out);
		jw_kv_text(out, "uri", one->uri);
		jw_kv_text(out, "updated_at", one->updated_wall_ms ? at : NULL);
		jw_object_end(out);
	}
	jw_array_end(out);
}
