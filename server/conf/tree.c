/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From YAML text to a tree of nodes that know their place, over libyaml's events: its own documents resolve
 * aliases silently and forget duplicate keys, and we want both to be errors. Knows no option and no registry.
 *
 * What is refused, with its place: anchors and aliases (no bombs, no surprises), explicit tags, duplicate
 * keys, keys that are not plain words, NUL characters, a second document, and more depth or nodes than
 * conf_int.h allows.
 *
 * The tree owns all it holds and wipes it when released, as does this file with libyaml's buffers: keys and
 * passwords pass through here.
 */
#include "base/base.h"
#include "conf/conf_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Building: the stack of open collections, and the key that waits for its value. */
struct builder {
	struct conf_tree *tree;
	struct conf_node *open[CONF_TREE_DEPTH_MAX];
	int depth;
	char *key;
	struct conf_place key_place;
	int documents;
};

enum err conf_error_at(const struct conf_tree *t, struct conf_place at, struct error *e, const char *fmt, ...)
{
	char msg[ERROR_MSG_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_CONFIG, "%s:%d:%d: %s", t->file, at.line, at.column, msg);
}

static void wipe(void *p, size_t n)
{
	if (p && n)
		explicit_bzero(p, n);
}

static void text_free(char *s)
{
	if (s)
		wipe(s, strlen(s));
	free(s);
}

void conf_tree_release(struct conf_tree *t)
{
	for (struct conf_node *n = t->made, *next; n; n = next) {
		next = n->next_made;
		text_free(n->key);
		text_free(n->text);
		free(n);
	}
	free(t->file);
	*t = (struct conf_tree){0};
}

bool conf_node_is_null(const struct conf_node *n)
{
	if (n->kind != CONF_SCALAR || n->quoted)
		return false;
	return !*n->text || !strcmp(n->text, "~") || !strcasecmp(n->text, "null");
}

const char *conf_node_kind_name(const struct conf_node *n)
{
	switch (n->kind) {
	case CONF_LIST: return "a list";
	case CONF_MAP: return "a map";
	case CONF_SCALAR: break;
	}
	return conf_node_is_null(n) ? "empty" : "text";
}

const struct conf_node *conf_node_find(const struct conf_node *map, const char *key)
{
	for (const struct conf_node *n = map->first; n; n = n->next)
		if (!strcmp(n->key, key))
			return n;
	return NULL;
}

static struct conf_place place_of(yaml_mark_t mark)
{
	return (struct conf_place){(int)mark.line + 1, (int)mark.column + 1};
}

/* Hangs a new node into the open collection, or makes it the root. */
static enum err node_add(struct builder *b, enum conf_node_kind kind, struct conf_place at,
			 struct conf_node **out, struct error *e)
{
	if (b->tree->count >= CONF_TREE_NODES_MAX)
		return conf_error_at(b->tree, at, e, "more than %d values in one file", CONF_TREE_NODES_MAX);
	struct conf_node *n = xcalloc(1, sizeof(*n));
	n->kind = kind;
	n->place = at;
	n->key = b->key;
	n->key_place = b->key_place;
	b->key = NULL;
	n->next_made = b->tree->made;
	b->tree->made = n;
	b->tree->count++;
	*out = n;
	if (!b->depth) {
		b->tree->root = n;
		return ERR_NONE;
	}
	struct conf_node *parent = b->open[b->depth - 1];
	if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	parent->last = n;
	return ERR_NONE;
}

static bool key_is_due(const struct builder *b)
{
	return b->depth && b->open[b->depth - 1]->kind == CONF_MAP && !b->key;
}

static enum err key_add(struct builder *b, const char *text, struct conf_place at, struct error *e)
{
	const struct conf_node *before = conf_node_find(b->open[b->depth - 1], text);
	if (before)
		return conf_error_at(b->tree, at, e,
				     "\"%s\" stands here a second time; the first is on line %d", text,
				     before->key_place.line);
	b->key = xstrdup(text);
	b->key_place = at;
	return ERR_NONE;
}

static enum err scalar_add(struct builder *b, const yaml_event_t *ev, struct error *e)
{
	const char *text = (const char *)ev->data.scalar.value;
	struct conf_place at = place_of(ev->start_mark);
	if (strlen(text) != ev->data.scalar.length)
		return conf_error_at(b->tree, at, e, "text must not contain a NUL character");
	if (key_is_due(b))
		return key_add(b, text, at, e);
	struct conf_node *n;
	enum err rc = node_add(b, CONF_SCALAR, at, &n, e);
	if (rc)
		return rc;
	n->text = xstrdup(text);
	n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return ERR_NONE;
}

static enum err collection_open(struct builder *b, enum conf_node_kind kind, struct conf_place at,
				struct error *e)
{
	if (key_is_due(b))
		return conf_error_at(b->tree, at, e, "a key must be a plain word, not a list or a map");
	if (b->depth == CONF_TREE_DEPTH_MAX)
		return conf_error_at(b->tree, at, e, "nested deeper than %d levels", CONF_TREE_DEPTH_MAX);
	struct conf_node *n;
	enum err rc = node_add(b, kind, at, &n, e);
	if (rc)
		return rc;
	b->open[b->depth++] = n;
	return ERR_NONE;
}

/* Anchors and tags are properties that any node may carry; neither is supported. */
static enum err properties_check(struct builder *b, struct conf_place at, const yaml_char_t *anchor,
				 const yaml_char_t *tag, struct error *e)
{
	if (anchor)
		return conf_error_at(b->tree, at, e, "anchors (&%s) are not supported: write the value out",
				     (const char *)anchor);
	if (tag)
		return conf_error_at(b->tree, at, e, "tags (%s) are not supported", (const char *)tag);
	return ERR_NONE;
}

static enum err event_take(struct builder *b, const yaml_event_t *ev, struct error *e)
{
	struct conf_place at = place_of(ev->start_mark);
	enum err rc;
	switch (ev->type) {
	case YAML_ALIAS_EVENT:
		return conf_error_at(b->tree, at, e, "aliases (*%s) are not supported: write the value out",
				     (const char *)ev->data.alias.anchor);
	case YAML_SCALAR_EVENT:
		rc = properties_check(b, at, ev->data.scalar.anchor, ev->data.scalar.tag, e);
		return rc ? rc : scalar_add(b, ev, e);
	case YAML_SEQUENCE_START_EVENT:
		rc = properties_check(b, at, ev->data.sequence_start.anchor, ev->data.sequence_start.tag, e);
		return rc ? rc : collection_open(b, CONF_LIST, at, e);
	case YAML_MAPPING_START_EVENT:
		rc = properties_check(b, at, ev->data.mapping_start.anchor, ev->data.mapping_start.tag, e);
		return rc ? rc : collection_open(b, CONF_MAP, at, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: b->depth--; return ERR_NONE;
	case YAML_DOCUMENT_START_EVENT:
		if (b->documents++)
			return conf_error_at(b->tree, at, e,
					     "a second document starts here; there must be one");
		return ERR_NONE;
	default: return ERR_NONE;
	}
}

/* The event's own copy of a text is wiped before libyaml frees it. */
static void event_release(yaml_event_t *ev)
{
	if (ev->type == YAML_SCALAR_EVENT)
		wipe(ev->data.scalar.value, ev->data.scalar.length);
	yaml_event_delete(ev);
}

static enum err problem_tell(const struct conf_tree *t, const yaml_parser_t *p, struct error *e)
{
	if (p->error == YAML_MEMORY_ERROR)
		return err_set(e, ERR_MEMORY, "%s: memory ran out", t->file);
	const char *problem = p->problem ? p->problem : "not valid YAML";
	/* The reader fails on bytes, before there are lines and columns. */
	if (p->error == YAML_READER_ERROR)
		return err_set(e, ERR_CONFIG, "%s: %s at byte %zu (the file must be UTF-8 text)", t->file,
			       problem, p->problem_offset);
	return conf_error_at(t, place_of(p->problem_mark), e, "%s%s%s", problem, p->context ? ", " : "",
			     p->context ? p->context : "");
}

enum err conf_tree_parse(const char *file, struct slice text, struct conf_tree *out, struct error *e)
{
	*out = (struct conf_tree){.file = xstrdup(file)};
	struct builder b = {.tree = out};
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return err_set(e, ERR_MEMORY, "%s: memory ran out", file);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
	enum err rc = ERR_NONE;
	for (bool more = true; more && !rc;) {
		yaml_event_t ev;
		if (!yaml_parser_parse(&parser, &ev)) {
			rc = problem_tell(out, &parser, e);
			break;
		}
		more = ev.type != YAML_STREAM_END_EVENT;
		rc = event_take(&b, &ev, e);
		event_release(&ev);
	}
	text_free(b.key);
	wipe(parser.buffer.start, (size_t)(parser.buffer.end - parser.buffer.start));
	wipe(parser.raw_buffer.start, (size_t)(parser.raw_buffer.end - parser.raw_buffer.start));
	yaml_parser_delete(&parser);
	if (!rc && out->root && conf_node_is_null(out->root))
		out->root = NULL;
	return rc;
}

enum err conf_tree_read(const char *path, struct conf_tree *out, struct error *e)
{
	*out = (struct conf_tree){0};
	struct buf text = BUF_INIT;
	enum err rc = file_read(path, CONF_FILE_BYTES_MAX, &text, e);
	if (rc)
		rc = err_set(e, ERR_CONFIG, "%s", e ? e->msg : "");
	else
		rc = conf_tree_parse(path, buf_slice(&text), out, e);
	wipe(text.data, text.cap);
	buf_release(&text);
	return rc;
}
