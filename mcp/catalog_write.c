/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and prints the catalogue in the supervisor. A tool is exposed as server__tool in the letters that
 * model APIs take. The name depends on the tools of its server only, never on which other server is there, or
 * was first, so a plan made yesterday still finds its tools and nobody else's: what is cut, of another
 * script, or would be called like another, ends in a part of a digest of its true name. So does every tool of
 * a server in whose id the joint seems to stand: b of x__a and a__b of x would be called the same. Pure.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { SUFFIX_BYTES = 9 }; /* "_" and 8 digits */

static bool name_takes(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '-';
}

/* true when the whole name fits as it is. */
static bool name_plain(struct catalog_source *s)
{
	char *full = xasprintf("%s__%s", s->server, s->tool->name);
	size_t n = strlen(full);
	bool exact = n <= MCP_TOOL_NAME_MAX;
	for (size_t i = 0; i < n && i < MCP_TOOL_NAME_MAX; i++) {
		s->exposed[i] = name_takes(full[i]) ? full[i] : '_';
		exact = exact && name_takes(full[i]);
	}
	s->exposed[n < MCP_TOOL_NAME_MAX ? n : MCP_TOOL_NAME_MAX] = '\0';
	free(full);
	return exact;
}

bool server_id_seems_joined(const char *id)
{
	size_t n = strlen(id);
	return strstr(id, "__") || (n && id[n - 1] == '_');
}

/* Of what is cut, or of another script than ours, too little is left to tell it by. */
static bool name_is_lost(const struct catalog_source *s)
{
	bool foreign = false;
	for (const char *p = s->tool->name; *p; p++)
		foreign = foreign || (unsigned char)*p >= 0x80;
	return foreign || strlen(s->server) + 2 + strlen(s->tool->name) > MCP_TOOL_NAME_MAX;
}

/* `round` makes a further name should even the suffixed one be taken. */
static void name_suffix(struct catalog_source *s, int round)
{
	char hex[SHA256_HEX_SIZE];
	char *key = xasprintf("%s\n%s\n%d", s->server, s->tool->name, round);
	name_plain(s);
	size_t n = strlen(s->exposed);
	if (n > MCP_TOOL_NAME_MAX - SUFFIX_BYTES)
		n = MCP_TOOL_NAME_MAX - SUFFIX_BYTES;
	sha256_hex(key, strlen(key), hex);
	snprintf(s->exposed + n, SUFFIX_BYTES + 1, "_%.8s", hex);
	free(key);
}

static int source_order(const void *a, const void *b)
{
	const struct catalog_source *x = a, *y = b;
	int by_server = strcmp(x->server, y->server);
	return by_server ? by_server : strcmp(x->tool->name, y->tool->name);
}

static int exposed_order(const void *a, const void *b)
{
	const struct catalog_source *x = a, *y = b;
	int by_name = strcmp(x->exposed, y->exposed);
	return by_name ? by_name : source_order(a, b);
}

/* Of several that are called the same the one whose true name it is keeps it, or else nobody; the others get
 * a suffix. true when something was renamed. */
static bool collisions_break(struct catalog_source *sources, size_t count, int round)
{
	bool renamed = false;
	qsort(sources, count, sizeof(*sources), exposed_order);
	for (size_t i = 0, end; i < count; i = end) {
		char name[MCP_TOOL_NAME_MAX + 1];
		bool kept = false;
		memcpy(name, sources[i].exposed, sizeof(name));
		for (end = i + 1; end < count && strcmp(sources[end].exposed, name) == 0; end++)
			;
		for (size_t k = i; end - i > 1 && k < end; k++) {
			bool exact = name_plain(&sources[k]) && strcmp(sources[k].exposed, name) == 0;
			if (exact && !kept) {
				kept = true;
				continue;
			}
			name_suffix(&sources[k], round);
			renamed = true;
		}
	}
	return renamed;
}

void catalog_name(struct catalog_source *sources, size_t count)
{
	if (!count)
		return;
	qsort(sources, count, sizeof(*sources), source_order);
	for (size_t i = 0; i < count; i++) {
		if (name_is_lost(&sources[i]) || server_id_seems_joined(sources[i].server))
			name_suffix(&sources[i], 0);
		else
			name_plain(&sources[i]);
	}
	/* Each round gives other digests: two are already next to impossible. */
	for (int round = 0; collisions_break(sources, count, round); round++)
		ensure(round < 64);
}

void catalog_write(const struct catalog_source *sources, size_t count, struct buf *out)
{
	struct jw w = JW(out);
	jw_object(&w);
	jw_name(&w, "tools");
	jw_array(&w);
	for (size_t i = 0; i < count; i++) {
		const struct tool_entry *t = sources[i].tool;
		enum mcp_effect effect = sources[i].effect.effect;
		jw_object(&w);
		jw_kv_text(&w, "name", sources[i].exposed);
		jw_kv_text(&w, "server", sources[i].server);
		jw_kv_text(&w, "tool", t->name);
		jw_kv_text(&w, "title", t->title);
		jw_kv_text(&w, "description", t->description);
		jw_kv_raw(&w, "input_schema", t->input_schema.data, t->input_schema.len);
		if (t->output_schema.len)
			jw_kv_raw(&w, "output_schema", t->output_schema.data, t->output_schema.len);
		jw_kv_bool(&w, "read_only", effect == MCP_READS);
		jw_kv_bool(&w, "destructive", effect != MCP_READS);
		jw_kv_bool(&w, "idempotent", effect != MCP_WRITES);
		jw_kv_text(&w, "effect_source", sources[i].effect.source);
		jw_kv_bool(&w, "open_world", sources[i].world.open);
		jw_kv_bool(&w, "untrusted", sources[i].world.untrusted);
		jw_kv_text(&w, "provided_by", sources[i].by_runtime ? "runtime" : "server");
		jw_object_end(&w);
	}
	jw_array_end(&w);
	jw_object_end(&w);
}
