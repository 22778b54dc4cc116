/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a task's calls have changed in the world, from its events: each call that may change something and
 * that took effect, with its result, or of which nobody knows. Whoever carries the task's plan out again is
 * told, so that no effect is repeated. What a task has inherited of such itself is handed on. Pure.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stdlib.h>
#include <string.h>

static struct json **effect_find(const struct effects *f, const char *call)
{
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(json_get_text(f->list[i], "call", ""), call) == 0)
			return &f->list[i];
	}
	return NULL;
}

static void effect_drop(struct effects *f, struct json **at)
{
	json_free(*at);
	memmove(at, at + 1, (size_t)(f->list + f->count - at - 1) * sizeof(*at));
	f->count--;
}

/* Takes it. */
static void effect_add(struct effects *f, struct json *effect)
{
	f->list = xrealloc(f->list, (f->count + 1) * sizeof(struct json *));
	f->list[f->count++] = effect;
}

static void member_copy(struct json *to, const struct json *from, const char *name)
{
	if (json_get(from, name))
		json_set(to, name, json_copy(json_get(from, name)));
}

static void call_started(struct effects *f, const struct json *data)
{
	static const char *const members[] = {"call", "step", "server", "tool", "arguments"};
	struct json *effect;

	if (json_get_bool(data, "read_only", false))
		return;
	effect = json_new_object();
	for (size_t i = 0; i < COUNT_OF(members); i++)
		member_copy(effect, data, members[i]);
	json_set(effect, "outcome", json_new_text("unknown"));
	effect_add(f, effect);
}

/* A call that the tool itself reports as failed, or that never reached it, has not taken effect. */
static void call_ended(struct effects *f, struct json **at, enum event_type type, const struct json *data)
{
	if (type == EVENT_TOOL_FAILED) {
		if (!json_get_bool(data, "sent", true))
			effect_drop(f, at);
		return;
	}
	if (json_get_bool(data, "is_error", false)) {
		effect_drop(f, at);
		return;
	}
	json_set(*at, "outcome", json_new_text("completed"));
	member_copy(*at, data, "result");
	member_copy(*at, data, "artifact");
}

/* What was taken from an earlier task is not there to be taken again. */
static void inherited_used(struct effects *f, const struct json *data)
{
	const struct json *reused = json_get(data, "reused");

	for (size_t i = 0; reused && i < f->count; i++) {
		if (strcmp(json_get_text(f->list[i], "call", ""), json_get_text(reused, "call", "?")) == 0 &&
		    strcmp(json_get_text(f->list[i], "task_id", ""), json_get_text(reused, "task_id", "?")) ==
			    0) {
			json_set(f->list[i], "call", json_copy(json_get(data, "call")));
			json_remove(f->list[i], "task_id");
			return;
		}
	}
}

void effects_take(struct effects *f, enum event_type type, const struct json *data)
{
	const struct json *inherited = json_get(json_get(data, "inherited"), "effects");
	struct json **at = effect_find(f, json_get_text(data, "call", "?"));

	if (type == EVENT_TASK_CREATED) {
		for (const struct json *j = json_first(inherited); j; j = json_next(j))
			effect_add(f, json_copy(j));
	} else if (type == EVENT_TOOL_STARTED) {
		call_started(f, data);
	} else if (type == EVENT_TOOL_UNSENT && at) {
		json_set(*at, "unsent", json_new_bool(true));
	} else if (type == EVENT_TOOL_REPEATED && at) {
		json_remove(*at, "unsent");
	} else if (type == EVENT_TOOL_COMPLETED && json_get(data, "reused")) {
		inherited_used(f, data);
	} else if ((type == EVENT_TOOL_COMPLETED || type == EVENT_TOOL_FAILED) && at) {
		call_ended(f, at, type, data);
	}
}

bool effects_concern(enum event_type type)
{
	return type == EVENT_TASK_CREATED || type == EVENT_TOOL_STARTED || type == EVENT_TOOL_UNSENT ||
	       type == EVENT_TOOL_REPEATED || type == EVENT_TOOL_COMPLETED || type == EVENT_TOOL_FAILED;
}

void effects_write(const struct effects *f, const char *task_id, bool (*kept)(const char *step, void *arg),
		   void *arg, struct jw *w)
{
	jw_array(w);
	for (size_t i = 0; i < f->count; i++) {
		const struct json *effect = f->list[i];
		struct json *copy;

		if (json_get_bool(effect, "unsent", false) || kept(json_get_text(effect, "step", ""), arg))
			continue;
		copy = json_copy(effect);
		if (!json_get(copy, "task_id"))
			json_set(copy, "task_id", json_new_text(task_id));
		jw_json(w, copy);
		json_free(copy);
	}
	jw_array_end(w);
}

void effects_release(struct effects *f)
{
	for (size_t i = 0; i < f->count; i++)
		json_free(f->list[i]);
	free(f->list);
	*f = (struct effects){0};
}
