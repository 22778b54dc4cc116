/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the steps of a plan build on: what they say they depend on, the steps they take input from, and those
 * their objectives refer to. Each must be a step, and there must be an order. Pure.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <ctype.h>
#include <string.h>

/* Said twice is said once. */
static void depends_add(struct plan_step *s, size_t on)
{
	for (size_t k = 0; k < s->depends_count; k++)
		if (s->depends_on[k] == on)
			return;
	ensure(s->depends_count < PLAN_STEPS_MAX);
	s->depends_on[s->depends_count++] = on;
}

/* "$s1" and "${s1}" in an objective, as planners of other designs write it: that step's result is needed.
 * What names no step is text. */
static void references_add(const struct plan *p, struct plan_step *s)
{
	for (const char *at = strchr(s->objective, '$'); at != NULL; at = strchr(at + 1, '$')) {
		const char *name = at + (at[1] == '{' ? 2 : 1);
		for (size_t i = 0; i < p->steps_count; i++) {
			size_t n = strlen(p->steps[i].id);
			bool named = strncmp(name, p->steps[i].id, n) == 0 && &p->steps[i] != s &&
				     (at[1] == '{' ? name[n] == '}' : !isalnum((unsigned char)name[n]));
			if (named)
				depends_add(s, i);
		}
	}
}

static enum err depends_read(struct plan *p, const struct json *steps, struct error *e)
{
	size_t i = 0, on;
	for (const struct json *j = json_first(steps); j != NULL; j = json_next(j), i++) {
		struct plan_step *s = &p->steps[i];
		const struct json *deps = json_get(j, "depends_on");
		for (const struct json *d = json_first(deps); d != NULL; d = json_next(d)) {
			if (plan_step_find(p, json_text(d), &on) == NULL)
				return err_set_field(e, ERR_FIELD, "/steps",
						     "step \"%s\" depends on \"%.40s\", which is no step",
						     s->id, json_text(d) ? json_text(d) : "?");
			depends_add(s, on);
		}
		/* An input from a step is a dependency, said or not. */
		for (const struct json *in = json_first(s->inputs); in != NULL; in = json_next(in)) {
			const char *from = json_get_text(in, "from_step", NULL);
			if (from == NULL)
				continue;
			if (plan_step_find(p, from, &on) == NULL)
				return err_set_field(
					e, ERR_FIELD, "/steps",
					"step \"%s\" takes input from \"%.40s\", which is no step", s->id,
					from);
			depends_add(s, on);
		}
		references_add(p, s);
	}
	return ERR_NONE;
}

/* Kahn's algorithm: whatever cannot be ordered is on a cycle. */
static enum err order_check(const struct plan *p, struct error *e)
{
	bool done[PLAN_STEPS_MAX] = {false};
	for (size_t ordered = 0; ordered < p->steps_count;) {
		size_t before = ordered;
		for (size_t i = 0; i < p->steps_count; i++) {
			bool ready = !done[i];
			for (size_t k = 0; ready && k < p->steps[i].depends_count; k++)
				ready = done[p->steps[i].depends_on[k]];
			if (ready) {
				done[i] = true;
				ordered++;
			}
		}
		if (ordered != before)
			continue;
		for (size_t i = 0; i < p->steps_count; i++)
			if (!done[i])
				return err_set_field(
					e, ERR_FIELD, "/steps",
					"step \"%s\" depends on itself, directly or through others",
					p->steps[i].id);
	}
	return ERR_NONE;
}

enum err plan_graph_read(struct plan *p, const struct json *steps, struct error *e)
{
	enum err bad = depends_read(p, steps, e);
	return bad != ERR_NONE ? bad : order_check(p, e);
}
