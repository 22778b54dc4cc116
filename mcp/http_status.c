/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What status, type and body of an answer mean to a link over HTTP. Pure: nothing here sends or remembers.
 * Servers differ in what they answer to a session they have forgotten: 404 by the text, 400 with words about
 * a session by many implementations; both are taken for it. Bodies are shown to people, cut and on one line.
 */
#include "base/base.h"
#include "mcp/http_int.h"

#include <string.h>
#include <stdlib.h>

enum { SHOWN_BYTES_MAX = 200 };

bool status_is_good(int status)
{
	return status >= 200 && status < 300;
}

enum answer_type answer_type(const char *content_type)
{
	size_t n = strcspn(content_type, "; \t");
	struct slice type = {content_type, n};
	if (slice_eq_nocase(type, "text/event-stream"))
		return ANSWER_SSE;
	if (slice_eq_nocase(type, "application/json"))
		return ANSWER_JSON;
	return ANSWER_OTHER;
}

bool refusal_is_expiry(int status, struct slice body)
{
	char text[HTTP_ERROR_BODY_MAX + 1];
	if (status == 404)
		return true;
	if (status != 400)
		return false;
	size_t n = body.len < HTTP_ERROR_BODY_MAX ? body.len : HTTP_ERROR_BODY_MAX;
	if (n)
		memcpy(text, body.ptr, n);
	text[n] = '\0';
	return strcasestr(text, "session") != NULL;
}

bool refusal_is_unsent(const struct fetch_head *head)
{
	int status = head->status;
	/* 408 and 409 may come after the work has begun, as may whatever a proxy answers with 5xx: 503, too,
	 * is what some say when the server behind them went away. Who says when to come again sheds load. */
	return (status >= 300 && status < 500 && status != 408 && status != 409) || status == 501 ||
	       status == 505 || (status == 503 && head->retry_after[0]);
}

struct slice refusal_error(struct slice body)
{
	struct scan_message m;
	if (scan_message(body, &m) != SCAN_ANSWER || m.result.len)
		return (struct slice){0};
	return m.error.len && m.error.ptr[0] == '{' ? m.error : (struct slice){0};
}

/* One line of what the server said; "" when it is no text for people (pages are not). */
static void shown(struct slice body, char *out, size_t size)
{
	size_t n = 0;
	out[0] = '\0';
	if (!body.len || body.ptr[0] == '<')
		return;
	size_t len = utf8_cut(body.ptr, body.len, size - 1);
	for (size_t i = 0; i < len; i++)
		out[n++] = (unsigned char)body.ptr[i] < ' ' ? ' ' : body.ptr[i];
	out[n] = '\0';
}

enum err refusal_word(const struct fetch_head *head, struct slice body, const char *url, struct error *e)
{
	char text[SHOWN_BYTES_MAX];
	char *at = url_shown(url);
	enum err rc;
	shown(body, text, sizeof(text));
	if (head->status >= 300 && head->status < 400) {
		char *to = url_shown(head->location);
		rc = err_set(
			e, ERR_CONFIG,
			"the server at %s redirects (HTTP %d) to %.200s; redirects are not followed: if that "
			"address is right, put it in the registry's url",
			at, head->status, to);
		free(to);
	} else if (head->status == 401 || head->status == 403) {
		rc = err_set(
			e, ERR_UNAUTHORIZED,
			"the server at %s refuses our credentials (HTTP %d)%s%s; check headers and auth of "
			"its entry in the registry",
			at, head->status, text[0] ? ": " : "", text);
	} else {
		bool unsent = refusal_is_unsent(head), later = head->status == 503 || head->status == 429;
		rc = err_set(e,
			     !unsent ? ERR_LOST
			     : later ? ERR_UNAVAILABLE
				     : ERR_UPSTREAM,
			     "the server at %s answered HTTP %d%s%s", at, head->status, text[0] ? ": " : "",
			     text);
	}
	free(at);
	return rc;
}

bool session_id_is_good(const char *id)
{
	for (const char *p = id; *p; p++) {
		if (*p < 0x21 || *p > 0x7e)
			return false;
	}
	return *id != '\0' && strlen(id) < FETCH_SESSION_ID_SIZE - 1;
}
