/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of a step's tool from its plan: literals as they are, and what earlier results give: the first
 * allowed directory, the one file chosen from a listing (or all of its texts where a list is wanted), one
 * level further down when a listing has directories only. A result that gives nothing fails the step, with
 * that result as the reason.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <string.h>

enum { CHOSEN_FILES_MAX = 10, VALUE_BYTES_MAX = 4096 };

static const char *result_of(const struct llm_context *c, const char *step_id)
{
	for (size_t i = 0; step_id != NULL && i < c->results_count; i++)
		if (strcmp(c->results[i].step_id, step_id) == 0)
			return c->results[i].text != NULL ? c->results[i].text : "";
	return NULL;
}

const struct json *stepping_input(const struct stepping *s, const char *name)
{
	const struct json *inputs = json_get(s->step, "inputs");
	for (const struct json *in = json_first(inputs); in != NULL; in = json_next(in))
		if (strcmp(json_get_text(in, "name", ""), name) == 0)
			return in;
	return NULL;
}

const char *stepping_text(const struct stepping *s, const char *name)
{
	const struct json *in = stepping_input(s, name);
	const char *from = json_get_text(in, "from_step", NULL);
	return from != NULL ? result_of(s->r->context, from) : json_get_text(in, "literal", NULL);
}

bool stepping_directory(const char *text, struct buf *out)
{
	struct listing l;
	rules_listing_parse(slice_str(text), &l);
	bool found = l.count > 0 && (l.kind == LISTING_ROOTS || (l.kind == LISTING_PATHS && l.count == 1));
	struct slice whole = rules_trim(slice_str(text));
	if (found)
		buf_add_slice(out, l.entries[0].name);
	else if (whole.len > 0 && whole.len < VALUE_BYTES_MAX && memchr(whole.ptr, '\n', whole.len) == NULL)
		found = buf_add_slice(out, whole);
	rules_listing_release(&l);
	return found;
}

/* A name below the listed directory (a path, or the text that names the roots); absolute names stay. */
static void path_join(const char *in, struct slice name, struct buf *out)
{
	struct buf directory = BUF_INIT;
	bool absolute = name.ptr[0] == '/' || name.ptr[0] == '~' || (name.len > 1 && name.ptr[1] == ':');
	if (!absolute && in != NULL && stepping_directory(in, &directory)) {
		buf_add_slice(out, buf_slice(&directory));
		if (directory.data[directory.len - 1] != '/')
			buf_add_char(out, '/');
	}
	buf_add_slice(out, name);
	buf_release(&directory);
}

static struct json *all_texts(struct stepping *s, const struct listing *l)
{
	struct json *list = json_new_array();
	size_t texts = 0;
	for (size_t i = 0; i < l->count; i++) {
		if (l->entries[i].directory || !rules_is_text_file(l->entries[i].name) ||
		    texts++ >= CHOSEN_FILES_MAX)
			continue;
		struct buf path = BUF_INIT;
		path_join(stepping_text(s, INPUT_DIRECTORY), l->entries[i].name, &path);
		json_push(list, json_new_text(buf_cstr(&path)));
		buf_printf(&s->chosen, "%s%s", s->chosen.len > 0 ? ", " : CHOSEN_PREFIX, buf_cstr(&path));
		buf_release(&path);
	}
	if (texts == 0) {
		json_free(list);
		return NULL;
	}
	buf_printf(&s->chosen, " (%s%zu text file%s of %zu entr%s)\n\n",
		   texts > CHOSEN_FILES_MAX ? "the first 10 of " : "", texts, texts == 1 ? "" : "s", l->count,
		   l->count == 1 ? "y" : "ies");
	return list;
}

static struct json *chosen_text(struct stepping *s, const struct listing *l, const char *in)
{
	const char *why;
	const struct entry *e = rules_listing_choose(l, slice_str(s->r->context->goal), &why);
	if (e == NULL)
		return NULL;
	struct buf path = BUF_INIT;
	path_join(in, e->name, &path);
	buf_printf(&s->chosen, CHOSEN_PREFIX "%s (of %zu entr%s: %s%s)\n\n", buf_cstr(&path), l->count,
		   l->count == 1 ? "y" : "ies", why,
		   l->left_out > 0 ? "; further entries were not looked at" : "");
	struct json *value = json_new_text(buf_cstr(&path));
	buf_release(&path);
	return value;
}

/* One level down, and no further: the first directory by name, listed by the same server. */
static struct json *deeper_text(struct stepping *s, const struct listing *l)
{
	struct json *value = NULL;
	struct listing below;
	if (s->deeper_text != NULL) {
		rules_listing_parse(slice_str(s->deeper_text), &below);
		value = chosen_text(s, &below, buf_cstr(&s->deeper_in));
		rules_listing_release(&below);
		return value;
	}
	const struct entry *first = NULL;
	for (size_t i = 0; i < l->count; i++)
		if (l->entries[i].directory &&
		    (first == NULL || rules_name_order(l->entries[i].name, first->name) < 0))
			first = &l->entries[i];
	const struct llm_tool *lister = rules_tool_lister(s->r, s->tool->server);
	if (first != NULL && lister != NULL && rules_arg_required(lister->schema, ARG_PATH) != NULL)
		path_join(stepping_text(s, INPUT_DIRECTORY), first->name, &s->look_in);
	return NULL;
}

/* What an earlier result gives for a property. NULL, and why in s->failure. */
static struct json *value_of_result(struct stepping *s, const char *name, const char *text)
{
	const struct json *property = json_get(json_get(s->tool->schema, "properties"), name);
	bool many = rules_arg_kind(property, name) == ARG_ARRAY;
	struct json *value = NULL;
	struct listing l;
	rules_listing_parse(slice_str(text), &l);
	if (l.kind == LISTING_ENTRIES || l.kind == LISTING_PATHS) {
		value = many ? all_texts(s, &l) : chosen_text(s, &l, stepping_text(s, INPUT_DIRECTORY));
		if (value == NULL && !many)
			value = deeper_text(s, &l);
		if (value == NULL)
			buf_printf(&s->failure, "No text file to choose among these entries:\n%s%s%s", text,
				   s->deeper_text != NULL ? "\nnor one level below:\n" : "",
				   s->deeper_text != NULL ? s->deeper_text : "");
	} else {
		struct buf path = BUF_INIT;
		if (stepping_directory(text, &path))
			value = json_new_text(buf_cstr(&path));
		else
			buf_printf(&s->failure, "The earlier result names nothing that fits \"%s\":\n%s",
				   name, text);
		if (value != NULL && many) {
			struct json *list = json_new_array();
			json_push(list, value);
			value = list;
		}
		buf_release(&path);
	}
	rules_listing_release(&l);
	return value;
}

bool stepping_arguments(struct stepping *s)
{
	const struct json *inputs = json_get(s->step, "inputs");
	s->arguments = json_new_object();
	for (const struct json *in = json_first(inputs); in != NULL; in = json_next(in)) {
		const char *name = json_get_text(in, "name", NULL),
			   *from = json_get_text(in, "from_step", NULL);
		struct json *value = NULL;
		if (name == NULL || strcmp(name, INPUT_DIRECTORY) == 0)
			continue;
		if (from == NULL) {
			value = json_copy(json_get(in, "literal"));
		} else {
			const char *text = result_of(s->r->context, from);
			if (text != NULL)
				value = value_of_result(s, name, text);
			else
				buf_printf(&s->failure, "The result of %s is missing.", from);
		}
		if (value == NULL)
			return false;
		json_set(s->arguments, name, value);
	}
	return true;
}
