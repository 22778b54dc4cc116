/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small checks that many handlers make: ids, query parameters, JSON bodies, entity tags. What is wrong is
 * answered here, with the field that is wrong, so that each handler reads as a list of what it needs.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT_DEFAULT = 50 };

/* --- the task --- */

enum err api_task_id(const struct http_request *r, struct id *id, struct error *e)
{
	const char *text = r->params[0];

	if (id_parse(text, strlen(text), id))
		return ERR_NONE;
	return err_set_field(e, ERR_NOT_FOUND, "id",
			     "\"%.80s\" is no task id: those look like 0193a5c2-7b1e-7c3d-8f00-5a6b7c8d9e0f",
			     text);
}

enum err api_task_missing(const struct http_request *r, struct error *e)
{
	return err_set_field(
		e, ERR_NOT_FOUND, "id",
		r->http->archive
			? "there is no task %s: it never was, it was deleted, or it is past its "
			  "retention time (store.retention_days)"
			: "there is no task %s: it never was, it was deleted, or it was finished and "
			  "has made room",
		r->params[0]);
}

enum err api_task_find(const struct http_request *r, struct id *id, struct task_ref *ref, struct error *e)
{
	enum err code = api_task_id(r, id, e);

	if (code == ERR_NONE && !task_find(r->http->store, id, ref))
		code = api_task_missing(r, e);
	return code;
}

/* --- entity tags --- */

/* One element of the list at *rest: `"..."` or `W/"..."`, without the W/. false at the end or where it is no
 * such list. */
static bool etag_next(struct slice *rest, struct slice *tag)
{
	const char *p = rest->ptr, *end = p + rest->len, *close;

	while (p < end && (*p == ' ' || *p == '\t' || *p == ','))
		p++;
	if (end - p >= 2 && p[0] == 'W' && p[1] == '/')
		p += 2;
	if (p == end || *p != '"')
		return false;
	close = memchr(p + 1, '"', (size_t)(end - p - 1));
	if (!close)
		return false;
	*tag = (struct slice){p + 1, (size_t)(close - p - 1)};
	*rest = (struct slice){close + 1, (size_t)(end - close - 1)};
	return true;
}

bool api_etag_matches_text(const struct http_request *r, const char *own)
{
	bool get = r->head->method == HTTP_GET || r->head->method == HTTP_HEAD;
	struct slice list = get ? http_request_header(r, "If-None-Match") : (struct slice){0}, tag;

	if (list.len == 0)
		return false;
	if (slice_eq_str(list, "*"))
		return true;
	while (etag_next(&list, &tag)) {
		if (slice_eq_str(tag, own))
			return true;
	}
	return false;
}

bool api_etag_matches(const struct http_request *r, uint64_t last_seq)
{
	char own[24];

	snprintf(own, sizeof(own), "%llu", (unsigned long long)last_seq);
	return api_etag_matches_text(r, own);
}

/* --- lists of names, for messages --- */

/* `"a", "b" and "c"`; nothing for an empty list. */
static void names_list(struct buf *out, const char *const *names)
{
	for (size_t i = 0; names[i]; i++) {
		if (i > 0)
			buf_add_str(out, names[i + 1] ? ", " : " and ");
		buf_printf(out, "\"%s\"", names[i]);
	}
}

static bool name_known(const char *const *names, struct slice name)
{
	for (size_t i = 0; names[i]; i++) {
		if (slice_eq_str(name, names[i]))
			return true;
	}
	return false;
}

/* --- query --- */

/* The parameter's name as the client wrote it, cut at what a message can hold. */
static void query_refuse(struct http_request *r, struct slice name, const char *const *names)
{
	struct buf known = BUF_INIT;
	char text[ERROR_FIELD_MAX];

	snprintf(text, sizeof(text), "%.*s", (int)(name.len < 80 ? name.len : 80), name.ptr);
	names_list(&known, names);
	if (known.len)
		http_reply_errorf(r, ERR_FIELD, text, "unknown query parameter \"%s\"; this operation has %s",
				  text, buf_cstr(&known));
	else
		http_reply_errorf(r, ERR_FIELD, text,
				  "unknown query parameter \"%s\"; this operation has none", text);
	buf_release(&known);
}

bool api_query_check(struct http_request *r, const char *const *names)
{
	const char *p = r->query.ptr, *end = p + r->query.len;

	while (p < end) {
		const char *amp = memchr(p, '&', (size_t)(end - p));
		size_t n = amp ? (size_t)(amp - p) : (size_t)(end - p);
		const char *equal = memchr(p, '=', n);
		struct slice name = {p, equal ? (size_t)(equal - p) : n};

		if (n > 0 && !name_known(names, name)) {
			query_refuse(r, name, names);
			return false;
		}
		p += n + (amp ? 1 : 0);
	}
	return true;
}

bool api_uint_parse(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || digit > max || v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return v <= max;
}

enum err api_limit_parse(struct http_request *r, uint64_t *limit, struct error *e)
{
	char *text = http_query_get(r->arena, r->query, "limit", e);

	*limit = LIMIT_DEFAULT;
	if (!text)
		return e->code;
	if (!api_uint_parse(text, API_LIMIT_MAX, limit) || *limit == 0)
		return err_set_field(e, ERR_FIELD, "limit",
				     "limit must be a number from 1 to %d, not \"%.40s\"", API_LIMIT_MAX,
				     text);
	return ERR_NONE;
}

bool api_duration_parse(const char *text, int64_t *ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}};
	size_t digits = strspn(text, "0123456789");
	char number[16];
	uint64_t n;

	if (digits == 0 || digits >= sizeof(number))
		return false;
	memcpy(number, text, digits);
	number[digits] = '\0';
	for (size_t i = 0; i < COUNT_OF(units); i++) {
		if (strcmp(text + digits, units[i].unit) != 0)
			continue;
		if (!api_uint_parse(number, (uint64_t)(INT64_MAX / units[i].ms), &n))
			return false;
		*ms = (int64_t)n * units[i].ms;
		return true;
	}
	return false;
}

/* --- streams --- */

bool api_after_parse(struct http_request *r, uint64_t *after, const char **field)
{
	static const char *const names[] = {"after", NULL};
	struct slice id = http_request_header(r, "Last-Event-ID");
	struct error e;
	char *text;

	*after = 0;
	*field = id.ptr ? "Last-Event-ID" : "after";
	if (!api_query_check(r, names))
		return false;
	text = http_query_get(r->arena, r->query, "after", &e);
	if (!text && e.code != ERR_NONE) {
		http_reply_error(r, &e);
		return false;
	}
	if (id.ptr)
		text = arena_strndup(r->arena, id.ptr, id.len);
	if (text && !api_uint_parse(text, UINT64_MAX - 1, after)) {
		http_reply_errorf(r, ERR_FIELD, *field,
				  "%s must be the number of an event, 0 for all of them, not \"%.40s\"",
				  *field, text);
		return false;
	}
	return true;
}

/* --- body --- */

/* Takes what stands before the next `end` (or all) from *rest, without white space around it. */
static struct slice piece_take(struct slice *rest, char end)
{
	const char *at = rest->len ? memchr(rest->ptr, end, rest->len) : NULL;
	struct slice piece = {rest->ptr, at ? (size_t)(at - rest->ptr) : rest->len};
	size_t eaten = piece.len + (at ? 1 : 0);

	*rest = (struct slice){rest->ptr + eaten, rest->len - eaten};
	while (piece.len && (piece.ptr[0] == ' ' || piece.ptr[0] == '\t'))
		piece = (struct slice){piece.ptr + 1, piece.len - 1};
	while (piece.len && (piece.ptr[piece.len - 1] == ' ' || piece.ptr[piece.len - 1] == '\t'))
		piece.len--;
	return piece;
}

/* JSON between systems is UTF-8 (RFC 8259 section 8.1): a client that says otherwise would be misread. Other
 * parameters mean nothing here. */
static bool media_type_is_json(struct slice type)
{
	if (!slice_eq_nocase(piece_take(&type, ';'), "application/json"))
		return false;
	while (type.len) {
		struct slice value = piece_take(&type, ';');
		struct slice name = piece_take(&value, '=');

		if (slice_eq_nocase(name, "charset") && !slice_eq_nocase(value, "utf-8") &&
		    !slice_eq_nocase(value, "\"utf-8\""))
			return false;
	}
	return true;
}

static enum err body_type_check(const struct http_request *r, struct error *e)
{
	struct slice type = http_request_header(r, "Content-Type");
	struct slice coding = http_request_header(r, "Content-Encoding");

	if (!type.ptr || !media_type_is_json(type))
		return err_set_field(
			e, ERR_MEDIA_TYPE, "Content-Type",
			"the body must be sent as \"Content-Type: application/json\", in UTF-8%s",
			type.ptr ? "" : ", and no type was given");
	if (coding.len && !slice_eq_nocase(coding, "identity"))
		return err_set_field(e, ERR_MEDIA_TYPE, "Content-Encoding",
				     "the body must not be compressed");
	return ERR_NONE;
}

/* A JSON pointer to a member at the top (RFC 6901). */
static void pointer_format(const char *name, char *out, size_t size)
{
	size_t n = 0;

	out[n++] = '/';
	for (; *name && n + 3 < size; name++) {
		if (*name == '~' || *name == '/')
			out[n++] = '~';
		out[n++] = *name == '~' ? '0' : *name == '/' ? '1' : *name;
	}
	out[n] = '\0';
}

/* Has body no member that is not in names? Else all that are not are named. */
static enum err members_check(const struct json *body, const char *const *names, struct error *e)
{
	struct buf unknown = BUF_INIT, known = BUF_INIT;
	char field[ERROR_FIELD_MAX] = "";
	enum err code = ERR_NONE;
	size_t count = 0;

	for (const struct json *m = json_first(body); m; m = json_next(m)) {
		if (name_known(names, slice_str(json_name(m))))
			continue;
		if (count++ == 0)
			pointer_format(json_name(m), field, sizeof(field));
		buf_printf(&unknown, "%s\"%.64s\"", unknown.len ? ", " : "", json_name(m));
	}
	if (count > 0) {
		names_list(&known, names);
		code = err_set_field(e, ERR_FIELD, field, "unknown field%s %.360s; known here: %s",
				     count > 1 ? "s" : "", buf_cstr(&unknown),
				     known.len ? buf_cstr(&known) : "none");
	}
	buf_release(&unknown);
	buf_release(&known);
	return code;
}

enum err api_body_object(struct http_request *r, const char *const *names, bool optional, struct json **out,
			 struct error *e)
{
	struct json *body;
	enum err code;

	*out = NULL;
	if (optional && r->body.len == 0)
		return ERR_NONE;
	code = body_type_check(r, e);
	if (code != ERR_NONE)
		return code;
	if (r->body.len == 0)
		return err_set(e, ERR_JSON, "the body is empty: a JSON object is expected");
	body = json_parse(r->body.ptr, r->body.len, r->http->options.json_depth_max, e);
	if (!body)
		return err_prefix(e, "the body is not valid JSON");
	if (!json_is(body, JSON_OBJECT))
		code = err_set(e, ERR_FIELD, "the body must be a JSON object, not %s",
			       json_type_name(json_type(body)));
	else
		code = members_check(body, names, e);
	if (code == ERR_NONE)
		*out = body;
	else
		json_free(body);
	return code;
}
