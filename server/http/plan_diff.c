/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between two versions of a plan: steps that came, went, or say something else, by their ids,
 * and which members of the plan and of each step are others. Progress (status, result, error) is no
 * difference. Pure.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <string.h>

static const char *const plan_but[] = {"version", "digest", "steps", NULL};
static const char *const step_but[] = {"id", "status", "result", "error", NULL};

static const struct json *step_find(const struct json *plan, const char *id)
{
	for (const struct json *s = json_first(json_get(plan, "steps")); s; s = json_next(s)) {
		if (strcmp(json_get_text(s, "id", ""), id) == 0)
			return s;
	}
	return NULL;
}

static bool listed(const char *const *names, const char *name)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names != NULL;
}

/* Names of the members that are only in one, or not the same in both; returns how many. */
static size_t members_write(const struct json *from, const struct json *to, const char *const *but,
			    struct jw *w)
{
	size_t n = 0;

	for (const struct json *m = json_first(to); m; m = json_next(m)) {
		const struct json *before = json_get(from, json_name(m));

		if (listed(but, json_name(m)) || (before && json_equal(before, m)))
			continue;
		jw_text(w, json_name(m));
		n++;
	}
	for (const struct json *m = json_first(from); m; m = json_next(m)) {
		if (listed(but, json_name(m)) || json_get(to, json_name(m)))
			continue;
		jw_text(w, json_name(m));
		n++;
	}
	return n;
}

/* Ids of the steps of `of` that `against` does not have. */
static void absent_write(const struct json *of, const struct json *against, const char *name, struct jw *w)
{
	jw_name(w, name);
	jw_array(w);
	for (const struct json *s = json_first(json_get(of, "steps")); s; s = json_next(s)) {
		if (!step_find(against, json_get_text(s, "id", "")))
			jw_text(w, json_get_text(s, "id", ""));
	}
	jw_array_end(w);
}

static void changed_write(const struct json *from, const struct json *to, struct jw *w)
{
	jw_name(w, "changed");
	jw_array(w);
	for (const struct json *s = json_first(json_get(to, "steps")); s; s = json_next(s)) {
		const struct json *before = step_find(from, json_get_text(s, "id", ""));
		struct buf names = BUF_INIT;
		struct jw list = JW(&names);

		jw_array(&list);
		if (before && members_write(before, s, step_but, &list) > 0) {
			jw_array_end(&list);
			jw_object(w);
			jw_kv_text(w, "id", json_get_text(s, "id", ""));
			jw_kv_raw(w, "members", names.data, names.len);
			jw_object_end(w);
		}
		buf_release(&names);
	}
	jw_array_end(w);
}

void plan_diff_write(const struct json *from, const struct json *to, struct jw *w)
{
	jw_object(w);
	jw_kv_int(w, "from", json_get_integer(from, "version", 0));
	jw_kv_int(w, "to", json_get_integer(to, "version", 0));
	jw_name(w, "members");
	jw_array(w);
	members_write(from, to, plan_but, w);
	jw_array_end(w);
	jw_name(w, "steps");
	jw_object(w);
	absent_write(to, from, "added", w);
	absent_write(from, to, "removed", w);
	changed_write(from, to, w);
	jw_object_end(w);
	jw_object_end(w);
}
