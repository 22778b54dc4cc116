/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of the registry: replacing ${NAME}, and owning what results until the registry is freed, when all is
 * wiped.
 *
 * A variable that is not set is an error, except in a disabled entry, where it stays as it is written.
 * ${REGISTRY_DIR} is always set.
 */
#include "base/base.h"
#include "conf/registry_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { EXPANDED_BYTES_MAX = 256 << 10, CREDENTIAL_BYTES = 8 << 10 };

struct text {
	struct text *next;
	size_t len;
	char bytes[];
};

/* The public part first: a registry is freed through it. */
struct registry_own {
	struct conf_registry face;
	struct text *texts;
};

struct conf_registry *registry_new(void)
{
	struct registry_own *own = xcalloc(1, sizeof(*own));
	return &own->face;
}

static const char *text_keep(struct registry_read *r, struct slice text)
{
	struct registry_own *own = (struct registry_own *)r->out;
	struct text *t = xmalloc(sizeof(*t) + text.len + 1);
	t->next = own->texts;
	t->len = text.len;
	if (text.len)
		memcpy(t->bytes, text.ptr, text.len);
	t->bytes[text.len] = '\0';
	own->texts = t;
	return t->bytes;
}

const char *registry_keep(struct registry_read *r, struct slice text)
{
	registry_note(r, text);
	return text_keep(r, text);
}

void conf_registry_free(struct conf_registry *r)
{
	if (!r)
		return;
	struct registry_own *own = (struct registry_own *)r;
	for (size_t i = 0; i < r->servers_count; i++) {
		free((void *)(uintptr_t)r->servers[i].args);
		free((void *)(uintptr_t)r->servers[i].env);
		free((void *)(uintptr_t)r->servers[i].effects);
		free((void *)(uintptr_t)r->servers[i].remote.headers);
		free((void *)(uintptr_t)r->servers[i].roots);
		free((void *)(uintptr_t)r->servers[i].sandbox.read);
		free((void *)(uintptr_t)r->servers[i].sandbox.write);
	}
	free(r->servers);
	free(r->variables);
	for (struct text *t = own->texts, *next; t; t = next) {
		next = t->next;
		explicit_bzero(t->bytes, t->len);
		free(t);
	}
	free(own);
}

enum err registry_folder(struct registry_read *r, const char *path, struct error *e)
{
	char *absolute = realpath(path, NULL);
	if (!absolute)
		return err_set_errno(e, errno, "cannot tell the folder of %s", path);
	char *slash = strrchr(absolute, '/');
	slash[slash == absolute] = '\0';
	r->folder = absolute;
	return ERR_NONE;
}

static void variable_note(struct registry_read *r, const char *name)
{
	struct conf_registry *reg = r->out;
	for (size_t i = 0; i < reg->variables_count; i++) {
		if (!strcmp(reg->variables[i], name))
			return;
	}
	reg->variables = xrealloc(reg->variables, (reg->variables_count + 1) * sizeof(*reg->variables));
	/* Once for all entries, so of none. */
	reg->variables[reg->variables_count++] = text_keep(r, slice_str(name));
}

struct expanding {
	struct registry_read *read;
	const struct conf_tool_server *server;
};

static enum err variable_add(const struct conf_node *n, struct slice name, struct buf *out, void *arg,
			     struct error *e)
{
	struct registry_read *r = ((struct expanding *)arg)->read;
	const struct conf_tool_server *s = ((struct expanding *)arg)->server;
	char *text = slice_dup(name);
	const char *value = slice_eq_str(name, "REGISTRY_DIR") ? r->folder : r->env(text, r->env_arg);
	enum err rc = ERR_NONE;
	if (value && s->enabled && value != r->folder)
		variable_note(r, text);
	if (value)
		buf_add_str(out, value);
	else if (!s->enabled)
		buf_printf(out, "${%s}", text);
	else
		rc = conf_error_at(&r->tree, n->place, e,
				   "the environment variable %.100s is not set (needed by %s; set it or "
				   "disable the server)",
				   text, s->id);
	free(text);
	return rc;
}

enum err registry_text(struct registry_read *r, const struct conf_node *n, const struct conf_tool_server *s,
		       const char **out, struct error *e)
{
	if (n->kind != CONF_SCALAR || conf_node_is_null(n))
		return conf_error_at(&r->tree, n->place, e, "%s%smust be text, is %s", n->key ? n->key : "",
				     n->key ? " " : "", conf_node_kind_name(n));
	struct buf b = BUF_LIMIT(EXPANDED_BYTES_MAX);
	buf_grow(&b, CREDENTIAL_BYTES); /* so that it does not move and leave a copy behind */
	enum err rc = conf_expand(&r->tree, n, variable_add, &(struct expanding){r, s}, &b, e);
	if (!rc)
		*out = registry_keep(r, buf_slice(&b));
	if (b.data)
		explicit_bzero(b.data, b.cap);
	buf_release(&b);
	return rc;
}

static enum err path_read(struct registry_read *r, const struct conf_node *n,
			  const struct conf_tool_server *s, const char *of, const char **out, struct error *e)
{
	enum err rc = registry_text(r, n, s, out, e);
	if (rc || !s->enabled || **out == '/')
		return rc;
	return conf_error_at(
		&r->tree, n->place, e,
		"a path of %s must be absolute, is \"%.200s\" (${REGISTRY_DIR}/... is beside this file)", of,
		*out);
}

enum err registry_paths(struct registry_read *r, const struct conf_node *n, const struct conf_tool_server *s,
			const char *of, size_t max, const char *const **out, struct error *e)
{
	size_t count = 0;
	if (!n)
		return ERR_NONE;
	if (n->kind != CONF_LIST)
		return conf_error_at(&r->tree, n->place, e, "%s must be a list of paths, is %s", n->key,
				     conf_node_kind_name(n));
	for (const struct conf_node *p = n->first; p; p = p->next)
		count++;
	if (count > max)
		return conf_error_at(&r->tree, n->place, e, "more than %zu paths of %s", max, of);
	const char **paths = xcalloc(count + 1, sizeof(*paths));
	*out = paths;
	for (const struct conf_node *p = n->first; p; p = p->next) {
		enum err rc = path_read(r, p, s, of, paths++, e);
		if (rc)
			return rc;
	}
	return ERR_NONE;
}
