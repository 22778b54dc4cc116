/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read_result: a model reads what it was shown only a part of: the result of a call of its step ("c7"), of a
 * finished step ("s1"), or an artifact of the task ("a2", which is how a result is kept that is too large for
 * its event). A piece by offset and length, or the lines that hold a text, with the offset of each.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LINE_BYTES_MAX = 400, UTF8_BYTES_MAX = 4 };

static void text_read(struct exec_call *c, struct slice whole, const struct json *arguments);
static void lines_find(struct slice whole, const char *query, size_t bytes_max, struct buf *out);
static void artifact_ask(struct exec_call *c, uint32_t number, const struct json *arguments);
static void artifact_read_done(const struct archive_answer *a, void *arg);

/* Of what a piece may have, so much is left for the words around it. */
static size_t piece_bytes_max(const struct exec_call *c)
{
	size_t max = exec_context_bytes_max(c->exec->run->agent);
	return max > 256 ? max - 128 : max / 2;
}

void read_result(struct exec_call *c, const struct json *arguments)
{
	static const char scheme[] = "result://";
	struct run *r = c->exec->run;
	const char *handle = json_get_text(arguments, "handle", "");
	struct error e;
	size_t i;
	if (strncmp(handle, scheme, sizeof scheme - 1) == 0)
		handle += sizeof scheme - 1;
	const char *full = context_full(c->exec, handle);
	unsigned long number = handle[0] == 'a' ? strtoul(handle + 1, NULL, 10) : 0;
	if (full == NULL && plan_step_find(r->plan, handle, &i) != NULL &&
	    r->steps[i].status == STEP_COMPLETED)
		full = r->steps[i].result;
	if (full != NULL) {
		text_read(c, slice_str(full), arguments);
	} else if (number > 0 && number <= r->artifacts_named) {
		artifact_ask(c, (uint32_t)number, arguments);
	} else {
		err_set(&e, ERR_NOT_FOUND,
			"there is no result \"%.60s\": a handle is the id of a call of this step (like c7), "
			"of "
			"a finished step (like s1), or of an artifact (a2 for artifact 2)",
			handle);
		call_failed(c, &e, false);
	}
}

/* --- helpers --- */

static void text_read(struct exec_call *c, struct slice whole, const struct json *arguments)
{
	const char *query = json_get_text(arguments, "query", "");
	int64_t from = json_get_integer(arguments, "offset", 0),
		length = json_get_integer(arguments, "length", 0);
	size_t max = piece_bytes_max(c), offset = from > 0 ? (size_t)from : 0;
	struct buf out = BUF_INIT;
	if (*query != '\0') {
		lines_find(whole, query, max, &out);
	} else if (offset >= whole.len) {
		buf_printf(&out, "[nothing at offset %zu: there are %zu bytes]", offset, whole.len);
	} else {
		while (offset > 0 && ((unsigned char)whole.ptr[offset] & 0xC0) == 0x80)
			offset--;
		size_t want = length >= UTF8_BYTES_MAX && (size_t)length < max ? (size_t)length : max;
		size_t n = utf8_cut(whole.ptr + offset, whole.len - offset, want);
		buf_printf(&out, "[bytes %zu to %zu of %zu]\n", offset, offset + n, whole.len);
		buf_add(&out, whole.ptr + offset, n);
	}
	builtin_answer(c, buf_cstr(&out), (struct slice){NULL, 0});
	buf_release(&out);
}

static bool holds(struct slice line, const char *query, size_t len)
{
	for (size_t i = 0; i + len <= line.len; i++)
		if (strncasecmp(line.ptr + i, query, len) == 0)
			return true;
	return false;
}

static void lines_find(struct slice whole, const char *query, size_t bytes_max, struct buf *out)
{
	size_t found = 0, left_out = 0, len = strlen(query);
	for (size_t at = 0; at < whole.len;) {
		const char *end = memchr(whole.ptr + at, '\n', whole.len - at);
		size_t n = end != NULL ? (size_t)(end - whole.ptr) - at : whole.len - at;
		struct slice line = {whole.ptr + at, n};
		if (holds(line, query, len)) {
			size_t cut = utf8_cut(line.ptr, n, LINE_BYTES_MAX);
			found++;
			if (out->len + cut + 32 <= bytes_max)
				buf_printf(out, "%zu: %.*s%s\n", at, (int)cut, line.ptr,
					   cut < n ? " ..." : "");
			else
				left_out++;
		}
		at += n + 1;
	}
	if (found == 0)
		buf_printf(out, "[no line of the %zu bytes holds this text]", whole.len);
	else if (left_out > 0)
		buf_printf(out, "[%zu more lines hold it]", left_out);
}

static void artifact_ask(struct exec_call *c, uint32_t number, const struct json *arguments)
{
	struct run *r = c->exec->run;
	int64_t from = json_get_integer(arguments, "offset", 0),
		length = json_get_integer(arguments, "length", 0);
	size_t max = piece_bytes_max(c);
	struct error e = {0};
	if (*json_get_text(arguments, "query", "") != '\0')
		err_set(&e, ERR_NOT_FOUND, "an artifact can be read by offset and length only, not searched");
	else if (r->agent->archive == NULL)
		err_set(&e, ERR_NOT_FOUND, "artifacts are not kept (store.backend: memory)");
	if (e.code != ERR_NONE) {
		call_failed(c, &e, false);
		return;
	}
	c->read_offset = from > 0 ? (uint64_t)from : 0;
	c->state = CALL_READING;
	c->keeping = artifact_read(r->agent->archive, &r->id, number, c->read_offset,
				   length > 0 && (size_t)length < max ? (size_t)length : max,
				   artifact_read_done, c);
}

/* The characters that are whole: a piece may begin and end within one. false: it is no text. */
static bool piece_text(struct slice *piece)
{
	while (piece->len > 0 && ((unsigned char)*piece->ptr & 0xC0) == 0x80) {
		piece->ptr++;
		piece->len--;
	}
	size_t valid = utf8_valid_prefix(piece->ptr, piece->len), cut = piece->len - valid;
	piece->len = valid;
	return cut < UTF8_BYTES_MAX && (valid == 0 || memchr(piece->ptr, '\0', valid) == NULL);
}

static void artifact_read_done(const struct archive_answer *a, void *arg)
{
	struct exec_call *c = arg;
	struct run *r = c->exec->run;
	struct slice piece = a->bytes;
	struct error e = a->error;
	struct buf out = BUF_INIT;
	c->keeping = NULL;
	if (e.code == ERR_NONE && !piece_text(&piece))
		err_set(&e, ERR_NOT_FOUND, "this artifact is no text (%s)",
			a->media_type != NULL ? a->media_type : "unknown type");
	if (e.code == ERR_NONE) {
		buf_printf(&out, "[from byte %llu of %llu]\n", (unsigned long long)c->read_offset,
			   (unsigned long long)a->artifact_bytes);
		buf_add_slice(&out, piece);
		builtin_answer(c, buf_cstr(&out), (struct slice){NULL, 0});
	} else {
		call_failed(c, &e, false);
	}
	buf_release(&out);
	if (!run_over(r))
		run_wake(r);
}
