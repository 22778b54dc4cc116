/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of a tool that its server wants to see in headers too: "x-mcp-header" in the tool's input schema
 * (MCP 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters"). Pure: finds the annotations,
 * refuses what the rules do not allow, and makes header lines of the arguments of one call.
 *
 * A value that is not plain text for a header is sent as =?base64?...?=, so that nothing an argument holds
 * can end a header or begin another.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANNOTATION   "x-mcp-header"
#define BASE64_FRONT "=?base64?"
#define BASE64_BACK  "?="

/* --- values --- */

static bool value_is_plain(struct slice s)
{
	size_t front = sizeof(BASE64_FRONT) - 1;
	for (size_t i = 0; i < s.len; i++) {
		if ((s.ptr[i] < ' ' && s.ptr[i] != '\t') || s.ptr[i] > '~')
			return false;
	}
	if (!s.len || isspace((unsigned char)s.ptr[0]) || isspace((unsigned char)s.ptr[s.len - 1]))
		return s.len == 0;
	return s.len < front + 2 || memcmp(s.ptr, BASE64_FRONT, front) != 0 ||
	       memcmp(s.ptr + s.len - 2, BASE64_BACK, 2) != 0;
}

void header_value_add(struct slice text, struct buf *out)
{
	if (value_is_plain(text)) {
		buf_add_slice(out, text);
		return;
	}
	buf_add_str(out, BASE64_FRONT);
	base64_encode(text.ptr, text.len, out);
	buf_add_str(out, BASE64_BACK);
}

/* --- finding the annotations --- */

void param_plan_release(struct param_plan *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->headers[i].name);
		for (size_t k = 0; k < p->headers[i].depth; k++)
			free(p->headers[i].path[k]);
		free((void *)p->headers[i].path);
	}
	free(p->headers);
	free(p->tool);
	*p = (struct param_plan){0};
}

/* The way to the schema that is looked at: names of properties from the root. */
struct way {
	const struct way *up;
	const char *name; /* NULL: the root */
	size_t depth;
	bool is_straight; /* through "properties" alone */
};

static bool is_token(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
			return false;
	}
	return *text != '\0';
}

static bool type_is_primitive(const struct json *type)
{
	static const char *const names[] = {"string", "integer", "boolean"};
	for (size_t i = 0; json_text(type) && i < COUNT_OF(names); i++) {
		if (strcmp(json_text(type), names[i]) == 0)
			return true;
	}
	return false;
}

static enum err annotation_check(const struct param_plan *p, const struct json *schema, const struct way *way,
				 struct error *e)
{
	const struct json *value = json_get(schema, ANNOTATION);
	const char *name = json_text(value);
	if (!name || !is_token(name))
		return err_set(e, ERR_UPSTREAM,
			       "inputSchema: " ANNOTATION
			       " of \"%.60s\" is not the name of a header (letters, digits and -_.)",
			       way->name ? way->name : "");
	if (!way->is_straight || !way->name)
		return err_set(e, ERR_UPSTREAM,
			       "inputSchema: " ANNOTATION
			       " \"%.60s\" stands where no property is reached through \"properties\" alone",
			       name);
	if (!type_is_primitive(json_get(schema, "type")))
		return err_set(e, ERR_UPSTREAM,
			       "inputSchema: " ANNOTATION
			       " \"%.60s\" is on a property that is no string, integer or boolean",
			       name);
	for (size_t i = 0; i < p->count; i++) {
		if (strcasecmp(p->headers[i].name, name) == 0)
			return err_set(e, ERR_UPSTREAM, "inputSchema: " ANNOTATION " \"%.60s\" comes twice",
				       name);
	}
	if (p->count == PARAM_HEADERS_MAX)
		return err_set(e, ERR_UPSTREAM, "inputSchema has more than %d " ANNOTATION,
			       PARAM_HEADERS_MAX);
	return ERR_NONE;
}

static void header_add(struct param_plan *p, const char *name, const struct way *way)
{
	struct param_header *h;
	if (!p->headers)
		p->headers = xcalloc(PARAM_HEADERS_MAX, sizeof(*p->headers));
	h = &p->headers[p->count++];
	h->name = xstrdup(name);
	h->depth = way->depth;
	h->path = xcalloc(way->depth, sizeof(*h->path));
	for (const struct way *at = way; at->name; at = at->up)
		h->path[at->depth - 1] = xstrdup(at->name);
}

static bool word_is_in(const char *word, const char *const *words)
{
	for (; word && *words; words++) {
		if (strcmp(word, *words) == 0)
			return true;
	}
	return false;
}

static enum err schema_walk(struct param_plan *p, const struct json *schema, const struct way *way,
			    struct error *e);

/* Members that are schemas under names of their own. */
static enum err named_walk(struct param_plan *p, const struct json *map, const struct way *way, bool straight,
			   struct error *e)
{
	enum err rc = ERR_NONE;
	for (const struct json *j = json_first(map); j && !rc; j = json_next(j)) {
		struct way on = {way, json_name(j), way->depth + 1, way->is_straight && straight};
		rc = schema_walk(p, j, &on, e);
	}
	return rc;
}

static enum err keyword_walk(struct param_plan *p, const struct json *member, const struct way *way,
			     struct error *e)
{
	static const char *const data[] = {"const", "default", "enum", "examples", NULL};
	static const char *const maps[] = {
		"$defs", "definitions", "dependentSchemas", "patternProperties", "dependencies", NULL};
	struct way astray = {way, way->name, way->depth, false};
	const char *keyword = json_name(member);
	enum err rc = ERR_NONE;
	if (word_is_in(keyword, data))
		return ERR_NONE;
	if (keyword && strcmp(keyword, "properties") == 0)
		return named_walk(p, member, way, true, e);
	if (word_is_in(keyword, maps))
		return named_walk(p, member, way, false, e);
	if (json_is(member, JSON_OBJECT))
		return schema_walk(p, member, &astray, e);
	for (const struct json *j = json_is(member, JSON_ARRAY) ? json_first(member) : NULL; j && !rc;
	     j = json_next(j))
		rc = schema_walk(p, j, &astray, e);
	return rc;
}

static enum err schema_walk(struct param_plan *p, const struct json *schema, const struct way *way,
			    struct error *e)
{
	enum err rc = ERR_NONE;
	if (!json_is(schema, JSON_OBJECT))
		return ERR_NONE;
	if (json_get(schema, ANNOTATION)) {
		rc = annotation_check(p, schema, way, e);
		if (rc)
			return rc;
		header_add(p, json_get_text(schema, ANNOTATION, ""), way);
	}
	for (const struct json *j = json_first(schema); j && !rc; j = json_next(j))
		rc = keyword_walk(p, j, way, e);
	return rc;
}

enum err param_plan_make(const char *tool, const struct json *schema, struct param_plan *out, struct error *e)
{
	struct way root = {.is_straight = true};
	*out = (struct param_plan){.tool = xstrdup(tool)};
	enum err rc = schema_walk(out, schema, &root, e);
	if (rc)
		param_plan_release(out);
	return rc;
}

/* --- the headers of one call --- */

void header_lines_release(struct header_lines *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->lines[i]);
	*l = (struct header_lines){0};
}

enum err header_lines_add(struct header_lines *l, const char *name, struct slice value, struct error *e)
{
	struct buf line = BUF_INIT;
	ensure(l->count < HEADER_LINES_MAX);
	buf_printf(&line, "%s: ", name);
	header_value_add(value, &line);
	if (line.len > HEADER_LINE_BYTES_MAX) {
		buf_release(&line);
		return err_set(
			e, ERR_TOO_LARGE,
			"the server wants a value of %zu bytes in the header %.80s; what fits is %d bytes",
			value.len, name, HEADER_LINE_BYTES_MAX);
	}
	l->lines[l->count++] = buf_take(&line);
	return ERR_NONE;
}

/* false: it is absent, null, or nothing that a header may hold. */
static bool value_text(const struct json *value, struct buf *out)
{
	int64_t number;
	if (json_text(value))
		return buf_add_str(out, json_text(value));
	if (json_is(value, JSON_BOOL))
		return buf_add_str(out, json_truth(value) ? "true" : "false");
	return json_integer(value, &number) && buf_add_i64(out, number);
}

enum err param_headers_add(const struct param_plan *p, struct slice arguments, struct header_lines *l,
			   struct error *e)
{
	enum err rc = ERR_NONE;
	struct json *tree = json_parse(arguments.ptr, arguments.len, 0, e);
	for (size_t i = 0; i < p->count && tree && !rc; i++) {
		const struct json *value = tree;
		struct buf text = BUF_INIT;
		for (size_t k = 0; k < p->headers[i].depth; k++)
			value = json_get(value, p->headers[i].path[k]);
		if (value_text(value, &text)) {
			char *name = xasprintf("Mcp-Param-%s", p->headers[i].name);
			rc = header_lines_add(l, name, buf_slice(&text), e);
			free(name);
		}
		buf_release(&text);
	}
	if (!tree)
		rc = e->code;
	json_free(tree);
	return rc;
}
