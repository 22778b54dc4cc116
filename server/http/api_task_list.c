/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/tasks: documents, newest first, a page at a time; of the archive, which has all tasks, or of the
 * table when there is none or it does not answer. The cursor is the id of the last task of a page, so that a
 * page is not moved by tasks that come or go meanwhile. A page ends early when it gets heavy; the cursor
 * tells that there is more.
 */
#include "base/base.h"
#include "http/http_int.h"
#include "http/api_int.h"

#include <string.h>

enum { PAGE_BYTES_MAX = 8 << 20, CURSOR_CHARS = 22 };

/* --- cursor: 16 bytes in base64url without padding (RFC 4648 section 5) --- */

static void cursor_write(const struct id *id, struct buf *out)
{
	size_t at = out->len;

	base64_encode(id->b, ID_BYTES, out);
	for (; at < out->len && out->data[at] != '='; at++) {
		if (out->data[at] == '+')
			out->data[at] = '-';
		else if (out->data[at] == '/')
			out->data[at] = '_';
	}
	out->len = at;
}

static bool cursor_read(const char *text, struct id *id)
{
	char plain[CURSOR_CHARS + 2];
	struct buf bytes = BUF_INIT;
	bool good = strlen(text) == CURSOR_CHARS && !strpbrk(text, "+/=");

	if (good) {
		for (size_t i = 0; i < CURSOR_CHARS; i++)
			plain[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
		memcpy(plain + CURSOR_CHARS, "==", 2);
		good = base64_decode(plain, sizeof(plain), &bytes) && bytes.len == ID_BYTES;
	}
	if (good)
		memcpy(id->b, bytes.data, ID_BYTES);
	buf_release(&bytes);
	return good;
}

/* --- what is asked for --- */

struct page {
	uint32_t states;
	uint64_t limit;
	struct id before;
	bool continued; /* before is set */
};

static enum err states_parse(const char *text, uint32_t *states, struct error *e)
{
	for (; text; text = strchr(text, ',') ? strchr(text, ',') + 1 : NULL) {
		char name[32] = "";
		size_t n = strcspn(text, ",");
		struct buf known = BUF_INIT;
		enum task_state s;

		if (n < sizeof(name))
			memcpy(name, text, n);
		if (task_state_parse(name, &s)) {
			*states |= 1u << s;
			continue;
		}
		for (int i = 0; i < TASK_STATE_COUNT; i++)
			buf_printf(&known, "%s%s", i ? ", " : "", task_state_text((enum task_state)i));
		err_set_field(e, ERR_FIELD, "status", "unknown status \"%.*s\"; there are %s",
			      (int)(n < 40 ? n : 40), text, buf_cstr(&known));
		buf_release(&known);
		return ERR_FIELD;
	}
	return ERR_NONE;
}

/* Value of one parameter into *text, NULL when it was not given. */
static enum err parameter_get(struct http_request *r, const char *name, const char **text, struct error *e)
{
	*text = http_query_get(r->arena, r->query, name, e);
	return *text ? ERR_NONE : e->code;
}

static enum err page_parse(struct http_request *r, struct page *p, struct error *e)
{
	const char *text;

	*p = (struct page){0};
	if (parameter_get(r, "status", &text, e) != ERR_NONE ||
	    states_parse(text, &p->states, e) != ERR_NONE || api_limit_parse(r, &p->limit, e) != ERR_NONE)
		return e->code;
	if (parameter_get(r, "cursor", &text, e) != ERR_NONE)
		return e->code;
	if (text && !cursor_read(text, &p->before))
		return err_set_field(
			e, ERR_FIELD, "cursor",
			"cursor is none that this server gave: take next_cursor of the page before");
	p->continued = text != NULL;
	return ERR_NONE;
}

/* --- the answer --- */

static void page_end(struct jw *w, const struct id *last)
{
	jw_array_end(w);
	jw_name(w, "next_cursor");
	if (last) {
		buf_add_char(w->out, '"');
		cursor_write(last, w->out);
		buf_add_char(w->out, '"');
	} else {
		jw_null(w);
	}
	jw_object_end(w);
}

static enum err page_write(struct store *s, const struct page *p, struct buf *out)
{
	struct task_ref refs[API_LIMIT_MAX + 1];
	struct task_query q = {p->states, p->continued ? &p->before : NULL, (size_t)p->limit + 1};
	size_t found = task_list(s, &q, refs), i;
	struct task_head last = {0};
	struct jw w = JW(out);

	jw_object(&w);
	jw_name(&w, "tasks");
	jw_array(&w);
	for (i = 0; i < found && i < p->limit && out->len < PAGE_BYTES_MAX; i++) {
		size_t before = out->len;
		enum err code;

		if (w.comma)
			buf_add_char(out, ',');
		code = task_doc_copy(s, refs[i], out, &last);
		if (code == ERR_GONE && !out->overflow)
			out->len = before;
		else if (code != ERR_NONE)
			return ERR_MEMORY;
		else
			w.comma = true;
	}
	page_end(&w, i < found && !id_is_zero(&last.id) ? &last.id : NULL);
	return out->overflow ? ERR_MEMORY : ERR_NONE;
}

static void page_reply(struct http_request *r, const struct page *p)
{
	struct buf out = BUF_INIT;

	if (page_write(r->http->store, p, &out) != ERR_NONE)
		http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for a page of %llu tasks; ask for fewer",
				  (unsigned long long)p->limit);
	else
		http_reply(r, 200, "application/json", NULL, buf_slice(&out));
	buf_release(&out);
}

/* Documents with a newline behind each: they have none within. */
static void archive_page_reply(struct http_request *r, const struct archive_answer *a)
{
	struct buf out = BUF_INIT;
	struct slice rest = a->bytes;
	struct jw w = JW(&out);

	jw_object(&w);
	jw_name(&w, "tasks");
	jw_array(&w);
	while (rest.len > 0) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		size_t n = end ? (size_t)(end - rest.ptr) : rest.len, eaten = n + (end ? 1 : 0);

		jw_raw(&w, rest.ptr, n);
		rest = (struct slice){rest.ptr + eaten, rest.len - eaten};
	}
	page_end(&w, a->more ? &a->last_id : NULL);
	if (out.overflow)
		http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for a page of tasks; ask for fewer");
	else
		http_reply(r, 200, "application/json", NULL, buf_slice(&out));
	buf_release(&out);
}

/* One page that is asked of the archive; in the request's arena. */
struct listing {
	struct http_request *request;
	struct api_ask ask;
	struct page page;
};

static void listing_gone(struct http_request *r)
{
	api_ask_cancel(&((struct listing *)r->data)->ask);
}

static void archive_came(const struct archive_answer *a, void *arg)
{
	struct listing *l = arg;
	struct http_request *r = l->request;

	r->on_gone = NULL;
	if (a->error.code == ERR_UNAVAILABLE)
		page_reply(r, &l->page);
	else if (a->error.code != ERR_NONE)
		http_reply_error(r, &a->error);
	else
		archive_page_reply(r, a);
}

static void archive_ask(struct http_request *r, const struct page *p)
{
	struct listing *l = arena_alloc(r->arena, sizeof(*l));

	if (!l) {
		http_reply_errorf(r, ERR_MEMORY, NULL, "no memory for this request");
		return;
	}
	*l = (struct listing){.request = r, .page = *p};
	r->data = l;
	r->on_gone = listing_gone;
	api_ask_start(&l->ask, r->http,
		      archive_list(r->http->archive, p->states, p->continued ? &l->page.before : NULL,
				   (size_t)p->limit, PAGE_BYTES_MAX, api_ask_came, &l->ask),
		      archive_came, l);
}

void api_task_list(struct http_request *r)
{
	static const char *const names[] = {"status", "limit", "cursor", NULL};
	struct page p;
	struct error e;

	if (!api_query_check(r, names))
		return;
	if (page_parse(r, &p, &e) != ERR_NONE)
		http_reply_error(r, &e);
	else if (r->http->archive)
		archive_ask(r, &p);
	else
		page_reply(r, &p);
}
