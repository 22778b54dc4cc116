/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/tasks/{id}/artifacts/{n}: a result that was too large for an event, as it came from the tool, whole
 * or a range of it (RFC 9110 section 14). It never changes, so its digest is its entity tag.
 *
 * It is pulled through the archive piece by piece as its client takes it: one piece is on its way at most.
 * The first tells what it is (size, type, digest) and is thrown away when the range begins elsewhere. What a
 * tool made is never shown by a browser as a page of ours: it is an attachment.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stdio.h>
#include <string.h>

enum { PIECE_BYTES = 128 << 10, NUMBER_MAX = INT32_MAX };

/* One download; in the request's arena. */
struct download {
	struct http_request *request;
	struct id task;
	uint32_t number;
	struct api_ask ask;
	uint64_t at, end; /* what is left of what was asked for */
	bool started;
};

static void piece_came(const struct archive_answer *a, void *arg);

static void piece_ask(struct download *d)
{
	struct http *h = d->request->http;
	uint64_t left = d->end - d->at;
	size_t most = !d->started || left > PIECE_BYTES ? PIECE_BYTES : (size_t)left;

	api_ask_start(&d->ask, h,
		      artifact_read(h->archive, &d->task, d->number, d->at, most, api_ask_came, &d->ask),
		      piece_came, d);
}

static void download_gone(struct http_request *r)
{
	struct download *d = r->data;

	api_ask_cancel(&d->ask);
}

/* Writes what came, ends or goes on. */
static void download_go(struct download *d, struct slice piece)
{
	struct http_request *r = d->request;

	if (piece.len > d->end - d->at)
		piece.len = (size_t)(d->end - d->at);
	d->at += piece.len;
	http_stream_write(r, piece);
	if (d->at == d->end) {
		r->on_gone = NULL;
		http_stream_end(r);
	} else if (http_stream_has_room(r)) {
		piece_ask(d);
	}
}

static void download_ready(struct http_request *r)
{
	struct download *d = r->data;

	if (!d->ask.call && http_stream_has_room(r))
		piece_ask(d);
}

/* --- the head of the answer --- */

static bool name_plain(const char *name)
{
	for (; *name; name++) {
		if (!http_char_is(*name, CHAR_TOKEN) && *name != ' ')
			return false;
	}
	return true;
}

/* RFC 6266; the extended form (RFC 8187) for names that are not plain ASCII. */
static void disposition_add(struct buf *lines, const char *name)
{
	buf_add_str(lines, "Content-Disposition: attachment");
	if (name && *name && name_plain(name)) {
		buf_printf(lines, "; filename=\"%s\"", name);
	} else if (name && *name) {
		buf_add_str(lines, "; filename*=UTF-8''");
		for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
			bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
				     (*p >= 'a' && *p <= 'z') || strchr("-._~", *p);

			if (plain)
				buf_add_char(lines, (char)*p);
			else
				buf_printf(lines, "%%%02X", *p);
		}
	}
	buf_add_str(lines, "\r\n");
}

/* What of the artifact is meant. If-Range: only if it still is the one the client has a part of. */
static enum api_range range_of(const struct download *d, const struct archive_answer *a, uint64_t *from,
			       uint64_t *end)
{
	const struct http_request *r = d->request;
	struct slice range = http_request_header(r, "Range"), only = http_request_header(r, "If-Range");
	char tag[SHA256_HEX_SIZE + 2];

	snprintf(tag, sizeof(tag), "\"%s\"", a->sha256);
	if (!range.ptr || r->head->method != HTTP_GET || (only.ptr && !slice_eq_str(only, tag)))
		return RANGE_WHOLE;
	return api_range_parse(range, a->artifact_bytes, from, end);
}

static void outside_reply(struct http_request *r, uint64_t size)
{
	struct buf lines = BUF_INIT;
	struct error e;

	buf_printf(&lines, "Content-Range: bytes */%llu\r\n", (unsigned long long)size);
	err_set_field(&e, ERR_RANGE, "Range", "the artifact has %llu bytes: the range lies outside",
		      (unsigned long long)size);
	http_reply_problem(r, &e, buf_cstr(&lines));
	buf_release(&lines);
}

/* What a tool called it, if a header can hold that. */
static const char *type_of(const struct archive_answer *a)
{
	struct buf line = BUF_INIT;
	bool good = a->media_type && *a->media_type && http_header_add(&line, "Content-Type", a->media_type);

	buf_release(&line);
	return good ? a->media_type : "application/octet-stream";
}

static void download_start(struct download *d, const struct archive_answer *a, bool whole)
{
	struct http_request *r = d->request;
	struct buf lines = BUF_INIT;

	buf_printf(&lines, "Accept-Ranges: bytes\r\nETag: \"%s\"\r\n", a->sha256);
	disposition_add(&lines, a->name);
	if (!whole)
		buf_printf(&lines, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)d->at,
			   (unsigned long long)(d->end - 1), (unsigned long long)a->artifact_bytes);
	d->started = true;
	http_stream_start_sized(r, whole ? 200 : 206, type_of(a), buf_cstr(&lines), d->end - d->at,
				(struct http_stream_handler){download_ready});
	buf_release(&lines);
}

/* The first piece: from the start. */
static void download_begin(struct download *d, const struct archive_answer *a)
{
	struct http_request *r = d->request;
	uint64_t from = 0, end = a->artifact_bytes;
	enum api_range range = range_of(d, a, &from, &end);
	char line[SHA256_HEX_SIZE + 16];

	if (api_etag_matches_text(r, a->sha256)) {
		snprintf(line, sizeof(line), "ETag: \"%s\"\r\n", a->sha256);
		r->on_gone = NULL;
		http_reply(r, 304, NULL, line, (struct slice){0});
		return;
	}
	if (range == RANGE_OUTSIDE) {
		r->on_gone = NULL;
		outside_reply(r, a->artifact_bytes);
		return;
	}
	d->at = from;
	d->end = end;
	download_start(d, a, range == RANGE_WHOLE);
	if (!http_stream_has_room(r))
		return;
	if (from < a->bytes.len)
		download_go(d, (struct slice){a->bytes.ptr + from, a->bytes.len - (size_t)from});
	else if (from == end)
		download_go(d, (struct slice){0});
	else
		piece_ask(d);
}

static void download_fail(struct download *d, const struct error *why)
{
	struct http_request *r = d->request;
	struct error e = *why;

	r->on_gone = NULL;
	if (d->started) {
		log_info("a download is cut off: the artifact can no longer be read",
			 LF_STR("task_id", r->params[0]), LF_STR("error", e.msg),
			 LF_STR("request_id", r->id));
		http_stream_reset(r);
		return;
	}
	if (e.code == ERR_NOT_FOUND)
		err_set_field(&e, ERR_NOT_FOUND, "n", "task %s has no artifact %s", r->params[0],
			      r->params[1]);
	http_reply_error(r, &e);
}

static void piece_came(const struct archive_answer *a, void *arg)
{
	struct download *d = arg;
	struct error e;

	if (a->error.code != ERR_NONE) {
		download_fail(d, &a->error);
	} else if (!d->started) {
		download_begin(d, a);
	} else if (a->bytes.len == 0) {
		err_set(&e, ERR_IO, "it is shorter than it should be");
		download_fail(d, &e);
	} else {
		download_go(d, a->bytes);
	}
}

void api_artifact_get(struct http_request *r)
{
	static const char *const no_parameters[] = {NULL};
	struct download *d;
	struct error e;
	struct id id;
	uint64_t n;

	if (!api_query_check(r, no_parameters))
		return;
	if (api_task_id(r, &id, &e) != ERR_NONE) {
		http_reply_error(r, &e);
		return;
	}
	d = arena_alloc(r->arena, sizeof(*d));
	if (!d) {
		http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for this request");
		return;
	}
	*d = (struct download){.request = r, .task = id};
	if (!r->http->archive || !api_uint_parse(r->params[1], NUMBER_MAX, &n) || n == 0) {
		err_set(&e, ERR_NOT_FOUND, "there is no such artifact");
		download_fail(d, &e);
		return;
	}
	d->number = (uint32_t)n;
	r->data = d;
	r->on_gone = download_gone;
	piece_ask(d);
}
