/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/tasks/{id}/retry and /fork: a new task with a parent, which goes on where that one stands. Both
 * take the parent's prompt, settings and plan, and the results of its finished steps; a fork leaves out those
 * from one step on, and may bring a plan of its own. What calls of the steps that are not kept have changed
 * in the world goes along as well: it is not repeated (effects.c). The parent must be over, and is not
 * touched.
 *
 * First the parent's events are read, all of them, without blocking; what the new task begins with is made of
 * them; then this is a POST like any other.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct fork {
	struct api_walk walk;
	bool is_retry;
	struct buf doc; /* the parent so far, folded */
	struct json *created;
	struct effects effects;
	struct json *body, *parent; /* while it is being checked */
	const char *from_step;
	bool *left_out; /* of each step of the parent's plan, when there is a from_step; in the arena */
	/* What was made of all that, in the request's arena: members of task.created behind the task's id. */
	struct slice members;
};

static void fork_release(struct fork *f)
{
	api_walk_cancel(&f->walk);
	buf_release(&f->doc);
	json_free(f->created);
	json_free(f->body);
	json_free(f->parent);
	f->created = f->body = f->parent = NULL;
	effects_release(&f->effects);
}

/* --- reading the parent --- */

static enum err event_take(struct fork *f, const struct event_view *v, struct error *e)
{
	struct json *data;

	if (!effects_concern(v->type))
		return ERR_NONE;
	data = json_parse(v->data.ptr, v->data.len, JSON_DEPTH_MAX, e);
	if (!data)
		return err_set(e, ERR_INTERNAL, "event %llu of the task cannot be read",
			       (unsigned long long)v->seq);
	effects_take(&f->effects, v->type, data);
	if (v->type == EVENT_TASK_CREATED && !f->created)
		f->created = data;
	else
		json_free(data);
	return ERR_NONE;
}

static enum err fork_take(struct api_walk *w, struct slice sse, struct error *e)
{
	struct fork *f = (struct fork *)w;
	struct slice rest = sse;
	struct buf doc = BUF_INIT;
	struct event_view v;
	enum err code = ERR_NONE;

	while (code == ERR_NONE && event_next(&rest, &v))
		code = event_take(f, &v, e);
	if (code == ERR_NONE)
		code = f->doc.len ? task_fold_on(buf_slice(&f->doc), sse, &doc, e) : task_fold(sse, &doc, e);
	buf_release(&f->doc);
	f->doc = doc;
	return code;
}

/* --- which steps are kept --- */

static const struct json *step_of(const struct json *plan, const char *id)
{
	for (const struct json *s = json_first(json_get(plan, "steps")); s; s = json_next(s)) {
		if (strcmp(json_get_text(s, "id", ""), id) == 0)
			return s;
	}
	return NULL;
}

static size_t step_index(const struct json *plan, const char *id)
{
	size_t i = 0;

	for (const struct json *s = json_first(json_get(plan, "steps")); s; s = json_next(s), i++) {
		if (strcmp(json_get_text(s, "id", ""), id) == 0)
			break;
	}
	return i;
}

/* Does the step build on one that is left out? */
static bool builds_on_left_out(const struct fork *f, const struct json *plan, const struct json *step)
{
	for (const struct json *d = json_first(json_get(step, "depends_on")); d; d = json_next(d)) {
		if (json_text(d) && step_of(plan, json_text(d)) &&
		    f->left_out[step_index(plan, json_text(d))])
			return true;
	}
	return false;
}

/* from_step and what builds on it, directly or through others: until nothing changes, each step once. */
static void left_out_mark(struct fork *f)
{
	const struct json *plan = json_get(f->parent, "plan");

	f->left_out[step_index(plan, f->from_step)] = true;
	for (bool again = true; again;) {
		size_t i = 0;

		again = false;
		for (const struct json *s = json_first(json_get(plan, "steps")); s; s = json_next(s), i++) {
			if (f->left_out[i] || !builds_on_left_out(f, plan, s))
				continue;
			f->left_out[i] = again = true;
		}
	}
}

/* Its result stands in the new task: it is completed, and not from from_step on. */
static bool step_kept(const char *id, void *arg)
{
	const struct fork *f = arg;
	const struct json *plan = json_get(f->parent, "plan"), *step = step_of(plan, id);

	if (!step || strcmp(json_get_text(step, "status", ""), "completed") != 0)
		return false;
	return !f->from_step || !f->left_out[step_index(plan, id)];
}

/* --- what the new task begins with --- */

/* The plan as a document has it, but only the steps that are kept say that they are done. */
static struct json *plan_base(const struct fork *f)
{
	struct json *plan = json_copy(json_get(f->parent, "plan")), *steps = json_new_array();

	for (const struct json *s = json_first(json_get(plan, "steps")); s; s = json_next(s)) {
		struct json *step = json_copy(s);

		if (!step_kept(json_get_text(s, "id", ""), (void *)(uintptr_t)f)) {
			json_remove(step, "status");
			json_remove(step, "result");
			json_remove(step, "error");
		}
		json_push(steps, step);
	}
	json_set(plan, "steps", steps);
	json_set(plan, "version", json_new_integer(1));
	return plan;
}

/* A plan of the request's own is checked against what is kept, then told what of it is done. */
static enum err plan_given(const struct fork *f, const struct json *given, struct json **plan,
			   struct error *e)
{
	const struct http_plans *plans = &f->walk.request->http->options.plans;
	struct json *base = *plan, *checked, *steps = json_new_array();
	struct buf text = BUF_INIT;
	enum err code = plans->check(given, base, 1, &text, e, plans->arg);

	checked = code == ERR_NONE ? json_parse(text.data, text.len, JSON_DEPTH_MAX, e) : NULL;
	buf_release(&text);
	if (!checked) {
		json_free(steps);
		return e->code;
	}
	for (const struct json *s = json_first(json_get(checked, "steps")); s; s = json_next(s)) {
		struct json *step = json_copy(s);
		const struct json *done = step_of(base, json_get_text(s, "id", ""));

		if (json_get(done, "status")) {
			json_set(step, "status", json_copy(json_get(done, "status")));
			json_set(step, "result", json_copy(json_get(done, "result")));
		}
		json_push(steps, step);
	}
	json_set(checked, "steps", steps);
	json_free(base);
	*plan = checked;
	return ERR_NONE;
}

static enum err inherited_write(const struct fork *f, struct jw *w, struct error *e)
{
	const struct json *given = json_get(f->body, "plan");
	struct json *plan;
	enum err code = ERR_NONE;

	if (!json_is(json_get(f->parent, "plan"), JSON_OBJECT))
		return ERR_NONE;
	plan = plan_base(f);
	if (given)
		code = plan_given(f, given, &plan, e);
	if (code == ERR_NONE) {
		jw_name(w, "inherited");
		jw_object(w);
		jw_kv_json(w, "plan", plan);
		jw_name(w, "effects");
		effects_write(&f->effects, f->walk.request->params[0], step_kept, (void *)(uintptr_t)f, w);
		jw_object_end(w);
	}
	json_free(plan);
	return code;
}

/* Members of task.created: the parent's own, then where it comes from and what it goes on with. */
static enum err members_write(struct fork *f, struct error *e)
{
	static const char *const own[] = {"prompt",        "approval", "metadata",
					  "output_schema", "tenant",   "budget"};
	struct http_request *r = f->walk.request;
	size_t most = r->http->options.body_bytes_max;
	struct buf text = BUF_INIT;
	struct jw w = JW(&text);
	enum err code;

	for (size_t i = 0; i < COUNT_OF(own); i++) {
		if (json_get(f->created, own[i]))
			jw_kv_json(&w, own[i], json_get(f->created, own[i]));
	}
	jw_name(&w, "parent");
	jw_object(&w);
	jw_kv_text(&w, "task_id", r->params[0]);
	jw_kv_text(&w, "kind", f->is_retry ? "retry" : "fork");
	if (f->from_step)
		jw_kv_text(&w, "from_step", f->from_step);
	jw_object_end(&w);
	code = inherited_write(f, &w, e);
	if (code == ERR_NONE && text.len > most)
		code = err_set(
			e, ERR_TOO_LARGE,
			"what the new task takes over has %zu bytes, the most is %zu (limits.body_bytes)",
			text.len, most);
	if (code == ERR_NONE)
		f->members = (struct slice){arena_strndup(r->arena, text.data, text.len), text.len};
	buf_release(&text);
	return code;
}

static enum err from_step_check(struct fork *f, struct error *e)
{
	const struct json *given = json_get(f->body, "from_step");
	const struct json *plan = json_get(f->parent, "plan");

	if (!given || json_is(given, JSON_NULL))
		return ERR_NONE;
	f->from_step = json_text(given);
	if (!f->from_step)
		return err_set_field(e, ERR_FIELD, "/from_step", "from_step must be the id of a step, not %s",
				     json_type_name(json_type(given)));
	if (!step_of(plan, f->from_step))
		return err_set_field(e, ERR_FIELD, "/from_step", "the task's plan has no step \"%.40s\"",
				     f->from_step);
	size_t bytes = json_count(json_get(plan, "steps")) * sizeof(bool);
	f->left_out = arena_alloc(f->walk.request->arena, bytes);
	if (!f->left_out)
		return err_set(e, ERR_MEMORY, "no memory for this request");
	memset(f->left_out, 0, bytes);
	left_out_mark(f);
	return ERR_NONE;
}

static enum err plan_check(const struct fork *f, struct error *e)
{
	const struct json *given = json_get(f->body, "plan");

	if (!given)
		return ERR_NONE;
	if (!json_is(given, JSON_OBJECT))
		return err_set_field(e, ERR_FIELD, "/plan", "plan must be an object, not %s",
				     json_type_name(json_type(given)));
	if (!json_is(json_get(f->parent, "plan"), JSON_OBJECT))
		return err_set_field(e, ERR_CONFLICT, "/plan",
				     "the task never had a plan: submit a new task with its prompt");
	return ERR_NONE;
}

static enum err fork_check(struct fork *f, struct error *e)
{
	static const char *const nothing[] = {NULL}, *const members[] = {"from_step", "plan", NULL};
	enum task_state state;
	enum err code =
		api_body_object(f->walk.request, f->is_retry ? nothing : members, f->is_retry, &f->body, e);

	if (code != ERR_NONE)
		return code;
	f->parent = json_parse(f->doc.data, f->doc.len, JSON_DEPTH_MAX, e);
	if (!f->parent || !f->created || !task_state_parse(json_get_text(f->parent, "status", ""), &state))
		return err_set(e, ERR_INTERNAL, "the task's document cannot be read");
	if (!task_state_terminal(state))
		return err_set(e, ERR_CONFLICT,
			       "the task is %s: cancel it first, so that nothing is done twice",
			       task_state_text(state));
	code = from_step_check(f, e);
	if (code == ERR_NONE)
		code = plan_check(f, e);
	return code == ERR_NONE ? members_write(f, e) : code;
}

/* --- the new task --- */

static enum err fork_make(struct api_post *p, struct api_made *made, struct error *e)
{
	const struct fork *f = p->arg;
	char id_text[ID_TEXT_SIZE];
	struct buf created = BUF_INIT;
	struct jw w = JW(&created);
	struct id id;
	enum err code;

	if (p->request->http->draining)
		return err_set(e, ERR_UNAVAILABLE, "this server is stopping: send the request again");
	id_new(&id);
	id_format(&id, id_text);
	jw_object(&w);
	jw_kv_text(&w, "task_id", id_text);
	buf_add_char(&created, ',');
	buf_add_slice(&created, f->members);
	if (p->hex[0])
		jw_kv_text(&w, "request", p->hex);
	jw_object_end(&w);
	api_post_begin(p, &id, 0);
	code = created.overflow
		       ? err_set(e, ERR_MEMORY, "no memory for the task")
		       : task_create(p->request->http->store, &id, buf_slice(&created), &made->ref, e);
	made->last_seq = 1;
	buf_release(&created);
	return code;
}

static void fork_end(struct api_walk *w, const struct error *why)
{
	struct fork *f = (struct fork *)w;
	struct http_request *r = w->request;
	struct error e = {0};

	r->on_gone = NULL;
	if (why)
		e = api_walk_why(w, why);
	else
		(void)(fork_check(f, &e) == ERR_NONE);
	fork_release(f);
	if (e.code != ERR_NONE)
		http_reply_error(r, &e);
	else
		api_post_start_with(r, 202, fork_make, f);
}

static void fork_gone(struct http_request *r)
{
	fork_release(r->data);
}

static void fork_begin(struct http_request *r, bool is_retry)
{
	struct fork *f = arena_alloc(r->arena, sizeof(*f));
	struct error e;
	struct id id;

	if (!f) {
		http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for this request");
		return;
	}
	if (api_task_id(r, &id, &e) != ERR_NONE) {
		http_reply_error(r, &e);
		return;
	}
	*f = (struct fork){.walk = {.request = r, .task = id, .take = fork_take, .end = fork_end},
			   .is_retry = is_retry};
	r->data = f;
	r->on_gone = fork_gone;
	api_walk_start(&f->walk);
}

void api_task_retry(struct http_request *r)
{
	fork_begin(r, true);
}

void api_task_fork(struct http_request *r)
{
	fork_begin(r, false);
}
