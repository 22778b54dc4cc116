/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary parts of a tool's result: images, audio, blobs of resources, as base64 in its content blocks.
 * Finding and decoding them, and printing the result with a typed preview in the place of each:
 *
 *   kept      "bytes", "artifact": {number url sha256}
 *   not kept  "bytes", "kept": false, "why"
 *   invalid   "invalid" (what is wrong), the beginning of the text that is no base64, "data_bytes"
 *
 * What a server sends under these names is left out, so that a preview is always the runtime's own. Where the
 * bytes are kept, and when, is keep.c's matter. Pure.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdlib.h>
#include <string.h>

enum { MEDIA_TYPE_MAX = 127, INVALID_SHOWN_BYTES = 1024 };

static bool block_part(const struct json *block, struct result_part *p);
static void member_write(struct jw *w, const struct json *m);
static void part_write(struct jw *w, const struct result_part *p, const char *task_id);

struct result_part *parts_find(const struct json *result, size_t *count)
{
	const struct json *content = json_get(result, "content");
	struct result_part *parts = xcalloc(json_count(content) + 1, sizeof *parts);
	*count = 0;
	if (json_is(content, JSON_ARRAY))
		for (const struct json *b = json_first(content); b != NULL; b = json_next(b))
			*count += block_part(b, &parts[*count]);
	return parts;
}

bool part_decode(struct result_part *p, struct buf *out)
{
	const char *data = json_get_text(p->holder, p->member, NULL);
	buf_reset(out);
	if (data == NULL) {
		p->state = PART_INVALID;
		p->why = "there is no data";
	} else if (!base64_decode(data, strlen(data), out)) {
		p->state = PART_INVALID;
		p->why = "the data is not base64";
	} else {
		p->bytes = out->len;
	}
	return p->state != PART_INVALID;
}

const char *part_media_type(const struct result_part *p)
{
	const char *type = json_get_text(p->holder, "mimeType", "");
	size_t n = strlen(type);
	bool good = n > 0 && n <= MEDIA_TYPE_MAX && strchr(type, '/') != NULL;
	for (size_t i = 0; i < n && good; i++)
		good = type[i] >= ' ' && type[i] <= '~';
	return good ? type : "application/octet-stream";
}

const char *part_suffix(const struct result_part *p)
{
	static const char *const suffixes[][2] = {
		{"image/png", "png"},       {"image/jpeg", "jpg"},    {"image/gif", "gif"},
		{"image/webp", "webp"},     {"image/svg+xml", "svg"}, {"audio/wav", "wav"},
		{"audio/mpeg", "mp3"},      {"audio/ogg", "ogg"},     {"application/pdf", "pdf"},
		{"application/zip", "zip"}, {"text/plain", "txt"},    {"application/gzip", "gz"},
	};
	for (size_t i = 0; i < COUNT_OF(suffixes); i++)
		if (strcmp(part_media_type(p), suffixes[i][0]) == 0)
			return suffixes[i][1];
	return "bin";
}

static bool name_is(const struct json *member, const char *name)
{
	return strcmp(json_name(member), name) == 0;
}

/* A block, or the resource in it, with the part's preview in place of the base64. */
static void holder_write(struct jw *w, const struct json *j, const struct result_part *p, const char *task_id)
{
	jw_object(w);
	for (const struct json *m = json_first(j); m != NULL; m = json_next(m)) {
		static const char *const own[] = {"bytes", "artifact", "kept",
						  "why",   "invalid",  "data_bytes"};
		bool skip = name_is(m, p->member);
		for (size_t i = 0; i < COUNT_OF(own); i++)
			skip = skip || name_is(m, own[i]);
		if (!skip)
			member_write(w, m);
	}
	part_write(w, p, task_id);
	jw_object_end(w);
}

static void block_write(struct jw *w, const struct json *block, const struct result_part *p,
			const char *task_id)
{
	if (p->holder == block) {
		holder_write(w, block, p, task_id);
		return;
	}
	jw_object(w);
	for (const struct json *m = json_first(block); m != NULL; m = json_next(m)) {
		if (m != p->holder) {
			member_write(w, m);
			continue;
		}
		jw_name(w, "resource");
		holder_write(w, m, p, task_id);
	}
	jw_object_end(w);
}

void parts_print(const struct json *result, const struct result_part *parts, size_t count,
		 const char *task_id, struct buf *out)
{
	struct jw w = JW(out);
	size_t next = 0;
	jw_object(&w);
	for (const struct json *m = json_first(result); m != NULL; m = json_next(m)) {
		if (!name_is(m, "content")) {
			member_write(&w, m);
			continue;
		}
		jw_name(&w, "content");
		jw_array(&w);
		for (const struct json *b = json_first(m); b != NULL; b = json_next(b)) {
			if (next < count && parts[next].block == b)
				block_write(&w, b, &parts[next++], task_id);
			else
				jw_json(&w, b);
		}
		jw_array_end(&w);
	}
	jw_object_end(&w);
}

/* --- helpers --- */

/* Names of others are escaped. */
static void member_write(struct jw *w, const struct json *m)
{
	jw_text(w, json_name(m));
	buf_add_char(w->out, ':');
	w->comma = false;
	jw_json(w, m);
}

static bool block_part(const struct json *block, struct result_part *p)
{
	const char *type = json_get_text(block, "type", "");
	const struct json *resource = json_get(block, "resource");
	*p = (struct result_part){.block = block};
	if (strcmp(type, "image") == 0 || strcmp(type, "audio") == 0) {
		p->holder = block;
		p->member = "data";
		return true;
	}
	p->holder = resource;
	p->member = "blob";
	return strcmp(type, "resource") == 0 && json_is(resource, JSON_OBJECT) &&
	       (json_get(resource, "blob") != NULL || json_get_text(resource, "text", NULL) == NULL);
}

static void part_write(struct jw *w, const struct result_part *p, const char *task_id)
{
	const char *data = json_get_text(p->holder, p->member, "");
	if (p->state == PART_INVALID) {
		jw_kv_text(w, "invalid", p->why);
		jw_kv_int(w, "data_bytes", (int64_t)strlen(data));
		jw_name(w, p->member);
		jw_text_n(w, data, utf8_cut(data, strlen(data), INVALID_SHOWN_BYTES));
		return;
	}
	jw_kv_int(w, "bytes", (int64_t)p->bytes);
	if (p->state != PART_KEPT) {
		jw_kv_bool(w, "kept", false);
		jw_kv_text(w, "why", p->why);
		return;
	}
	char *url = artifact_url(task_id, p->number);
	jw_name(w, "artifact");
	jw_object(w);
	jw_kv_int(w, "number", p->number);
	jw_kv_text(w, "url", url);
	jw_kv_text(w, "sha256", p->sha256);
	jw_object_end(w);
	free(url);
}
