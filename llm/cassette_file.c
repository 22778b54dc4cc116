/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange with a model server as a file, for people to read and to mend: one JSON object. The body of
 * the answer stands in it as text where it is text, else in base64; `pieces` says how it was cut when it
 * came, so that the decoder sees the same: so many bytes each, the last with the end (0: the end came alone),
 * unless we left before. A file that was changed by hand is as good as any other, as long
 * as the pieces add up. Pure.
 */
#include "base/base.h"
#include "llm/cassette_int.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_VERSION = 1, PIECES_MAX = 1 << 20 };

static const struct {
	const char *name;
	size_t offset, size; /* in struct fetch_head */
} headers[CASSETTE_HEADERS] = {
#define HEADER(name, member)                                                                           \
	{                                                                                              \
		name, offsetof(struct fetch_head, member), sizeof(((struct fetch_head *)NULL)->member) \
	}
	HEADER("retry-after", retry_after),     HEADER("retry-after-ms", retry_after_ms),
	HEADER("x-should-retry", should_retry), HEADER("x-request-id", request_id),
	HEADER("location", location),
#undef HEADER
};

static const char *const ends[] = {
	[CASSETTE_WHOLE] = "whole", [CASSETTE_LEFT] = "left", [CASSETTE_FAILED] = "failed"};

/* --- an exchange in memory --- */

void cassette_exchange_release(struct cassette_exchange *x)
{
	free(x->provider);
	free(x->api);
	free(x->path);
	for (size_t i = 0; i < CASSETTE_HEADERS; i++)
		free(x->headers[i]);
	free(x->pieces);
	buf_release(&x->request);
	buf_release(&x->body);
	*x = (struct cassette_exchange){0};
}

void cassette_head_take(struct cassette_exchange *x, const struct fetch_head *h)
{
	x->status = h->status;
	for (size_t i = 0; i < CASSETTE_HEADERS; i++) {
		const char *value = (const char *)h + headers[i].offset;
		free(x->headers[i]);
		x->headers[i] = *value == '\0' ? NULL
				: headers[i].offset == offsetof(struct fetch_head, location)
					? url_shown(value)
					: xstrdup(value);
	}
}

void cassette_head_give(const struct cassette_exchange *x, struct fetch_head *h)
{
	*h = (struct fetch_head){.status = x->status};
	for (size_t i = 0; i < CASSETTE_HEADERS; i++)
		if (x->headers[i] != NULL)
			snprintf((char *)h + headers[i].offset, headers[i].size, "%s", x->headers[i]);
}

void cassette_piece_add(struct cassette_exchange *x, struct slice bytes)
{
	/* A reader takes no more; what comes so finely cut is joined. */
	if (x->pieces_count == PIECES_MAX) {
		x->pieces[PIECES_MAX - 1] += bytes.len;
	} else {
		if ((x->pieces_count & (x->pieces_count + 1)) == 0)
			x->pieces = xrealloc(x->pieces, (2 * x->pieces_count + 2) * sizeof *x->pieces);
		x->pieces[x->pieces_count++] = bytes.len;
	}
	buf_add_slice(&x->body, bytes);
}

/* --- writing --- */

static bool is_text(struct slice s)
{
	return utf8_valid(s.ptr, s.len) && (s.len == 0 || memchr(s.ptr, '\0', s.len) == NULL);
}

static void body_put(struct jw *w, struct slice body)
{
	if (is_text(body)) {
		jw_name(w, "body");
		jw_text_n(w, body.ptr, body.len);
		return;
	}
	struct buf coded = BUF_INIT;
	base64_encode(body.ptr, body.len, &coded);
	jw_kv_text(w, "body_base64", buf_cstr(&coded));
	buf_release(&coded);
}

static void end_put(struct jw *w, const struct cassette_exchange *x)
{
	jw_kv_text(w, "end", ends[x->end]);
	if (x->end != CASSETTE_FAILED)
		return;
	jw_name(w, "error");
	jw_object(w);
	jw_kv_text(w, "code", err_info(x->e.code)->name);
	jw_kv_text(w, "message", x->e.msg);
	jw_object_end(w);
}

void cassette_file_write(const struct cassette_exchange *x, struct buf *out)
{
	struct jw w = JW(out);
	jw_object(&w);
	jw_kv_int(&w, "version", FILE_VERSION);
	jw_kv_text(&w, "provider", x->provider);
	jw_kv_text(&w, "api", x->api);
	jw_kv_text(&w, "path", x->path);
	jw_kv_raw(&w, "request", x->request.data, x->request.len);
	jw_kv_int(&w, "status", x->status);
	jw_name(&w, "headers");
	jw_object(&w);
	for (size_t i = 0; i < CASSETTE_HEADERS; i++)
		if (x->headers[i] != NULL)
			jw_kv_text(&w, headers[i].name, x->headers[i]);
	jw_object_end(&w);
	body_put(&w, buf_slice(&x->body));
	jw_name(&w, "pieces");
	jw_array(&w);
	for (size_t i = 0; i < x->pieces_count; i++)
		jw_uint(&w, x->pieces[i]);
	jw_array_end(&w);
	end_put(&w, x);
	jw_object_end(&w);
	buf_add_char(out, '\n');
}

/* --- reading --- */

static enum err text_read(const struct json *j, const char *name, char **out, struct error *e)
{
	const char *text = json_get_text(j, name, NULL);
	if (text == NULL || *text == '\0')
		return err_set(e, ERR_JSON, "\"%s\" is missing or no text", name);
	*out = xstrdup(text);
	return ERR_NONE;
}

static enum err body_read(const struct json *j, struct cassette_exchange *x, struct error *e)
{
	const char *text = json_get_text(j, "body", NULL), *coded = json_get_text(j, "body_base64", NULL);
	if ((text == NULL) == (coded == NULL))
		return err_set(e, ERR_JSON, "one of \"body\" and \"body_base64\" must be there, as text");
	if (text != NULL)
		buf_add_str(&x->body, text);
	else if (!base64_decode(coded, strlen(coded), &x->body))
		return err_set(e, ERR_JSON, "\"body_base64\" is no base64");
	return x->body.overflow ? err_set(e, ERR_MEMORY, "the body does not fit into memory") : ERR_NONE;
}

static enum err pieces_read(const struct json *j, struct cassette_exchange *x, struct error *e)
{
	const struct json *list = json_get(j, "pieces");
	size_t left = x->body.len, count = json_count(list);
	int64_t n = 0;
	if (!json_is(list, JSON_ARRAY) || count == 0 || count > PIECES_MAX)
		return err_set(e, ERR_JSON, "\"pieces\" is missing, or no list of 1 to %d numbers",
			       PIECES_MAX);
	x->pieces = xcalloc(count + 1, sizeof *x->pieces);
	for (const struct json *p = json_first(list); p != NULL; p = json_next(p)) {
		if (!json_integer(p, &n) || n < 0 || (uint64_t)n > left)
			return err_set(e, ERR_JSON,
				       "\"pieces\": number %zu is no part of the body's %zu bytes",
				       x->pieces_count + 1, x->body.len);
		x->pieces[x->pieces_count++] = (size_t)n;
		left -= (size_t)n;
	}
	if (left > 0)
		return err_set(e, ERR_JSON, "\"pieces\" leave %zu of the body's %zu bytes over", left,
			       x->body.len);
	return ERR_NONE;
}

static enum err end_read(const struct json *j, struct cassette_exchange *x, struct error *e)
{
	const char *end = json_get_text(j, "end", ""),
		   *code = json_get_text(json_get(j, "error"), "code", "");
	size_t i = 0;
	while (i < COUNT_OF(ends) && strcmp(ends[i], end) != 0)
		i++;
	if (i == COUNT_OF(ends))
		return err_set(e, ERR_JSON, "\"end\" must be whole, left or failed");
	x->end = (enum cassette_end)i;
	if (x->end != CASSETTE_FAILED)
		return ERR_NONE;
	enum err known = ERR_NONE;
	for (int c = ERR_NONE + 1; c < ERR_COUNT; c++)
		if (strcmp(err_info((enum err)c)->name, code) == 0)
			known = (enum err)c;
	if (known == ERR_NONE)
		return err_set(e, ERR_JSON, "\"error\" needs a \"code\", as LOST or TIMEOUT");
	err_set(&x->e, known, "%s", json_get_text(json_get(j, "error"), "message", ""));
	return ERR_NONE;
}

static enum err head_read(const struct json *j, struct cassette_exchange *x, struct error *e)
{
	int64_t status = json_get_integer(j, "status", -1);
	if (json_get_integer(j, "version", 0) != FILE_VERSION)
		return err_set(e, ERR_JSON,
			       "\"version\" must be %d: it is no recorded exchange, or one of "
			       "another version of this program",
			       FILE_VERSION);
	if (status != 0 && (status < 100 || status > 599))
		return err_set(e, ERR_JSON, "\"status\" must be 0 or one of HTTP, 100 to 599");
	x->status = (int)status;
	for (size_t i = 0; i < CASSETTE_HEADERS; i++)
		x->headers[i] = xstrdup(json_get_text(json_get(j, "headers"), headers[i].name, NULL));
	enum err code = text_read(j, "provider", &x->provider, e);
	code = code != ERR_NONE ? code : text_read(j, "api", &x->api, e);
	code = code != ERR_NONE ? code : text_read(j, "path", &x->path, e);
	if (code == ERR_NONE && json_get(j, "request") == NULL)
		code = err_set(e, ERR_JSON, "\"request\" is missing");
	if (code == ERR_NONE)
		json_print(json_get(j, "request"), &x->request);
	return code;
}

enum err cassette_file_read(struct slice text, struct cassette_exchange *x, struct error *e)
{
	*x = (struct cassette_exchange){0};
	struct json *j = json_parse(text.ptr, text.len, JSON_DEPTH_MAX, e);
	if (j == NULL)
		return e->code;
	enum err code = head_read(j, x, e);
	code = code != ERR_NONE ? code : body_read(j, x, e);
	code = code != ERR_NONE ? code : pieces_read(j, x, e);
	code = code != ERR_NONE ? code : end_read(j, x, e);
	json_free(j);
	if (code != ERR_NONE)
		cassette_exchange_release(x);
	return code;
}
