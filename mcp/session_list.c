/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/list of a session: all pages into a list aside, which replaces the last good one only when complete.
 * An empty string is a cursor like any other. Changes are told in bursts (seven within a millisecond is
 * normal), so a fetch waits for a quiet moment, though not for ever. A refresh that fails keeps what was
 * known; the first list failing ends the session.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

static void page_request(struct session *s, struct slice cursor);

static void list_failed(struct session *s, const struct error *why)
{
	s->list_id = 0;
	tool_list_release(&s->incoming);
	loop_timer_set(s->list_timer, -1);
	if (!s->ready) {
		struct error e = *why;
		err_prefix(&e, "tools/list");
		session_break(s, &e);
		return;
	}
	log_warn("the changed tool list of a server could not be read; the last one is kept",
		 LF_STR("server", s->server), LF_STR("error", why->msg));
	s->list_failures++;
	fresh_arm(s);
	modern_list_over(s, false);
}

/* A quiet moment from now, but not for ever after the first of the changes. */
static void list_wait(struct session *s)
{
	int64_t left = s->list_changed_ms + LIST_DELAY_MS_MAX - clock_mono_ms();
	left = left > 0 ? left : 0;
	loop_timer_set(s->list_timer, left < LIST_DEBOUNCE_MS ? left : LIST_DEBOUNCE_MS);
}

static void list_done(struct session *s)
{
	bool first = !s->ready;
	s->list_id = 0;
	loop_timer_set(s->list_timer, -1);
	if (s->list_again) {
		s->list_changed_ms = clock_mono_ms();
		list_wait(s);
	}
	s->list_again = false;
	tool_list_release(&s->tools);
	s->tools = s->incoming;
	s->incoming = (struct tool_list){0};
	s->ready = true;
	s->list_failures = 0;
	s->list_ttl_ms = s->incoming_ttl_ms;
	plans_make(s);
	fresh_arm(s);
	for (size_t i = 0; i < s->tools.faults_count; i++)
		log_warn("a tool was left out", LF_STR("server", s->server),
			 LF_STR("tool", s->tools.faults[i].name), LF_STR("error", s->tools.faults[i].reason));
	if (first)
		s->events.on_ready(s->events.arg);
	else
		s->events.on_tools(s->events.arg);
	modern_list_over(s, true);
}

/* The server's cursors may have expired under us: once, from the beginning. */
static void page_refused(struct session *s, const struct error *why)
{
	if (s->pages == 0 || s->list_restarted) {
		list_failed(s, why);
		return;
	}
	list_start(s);
	s->list_restarted = true;
}

/* The shortest of the pages' counts. */
static void ttl_take(struct session *s, struct slice result)
{
	struct slice raw = scan_member(result, "ttlMs");
	struct json *j = raw.len ? json_parse(raw.ptr, raw.len, 0, NULL) : NULL;
	int64_t ms;
	if (json_integer(j, &ms) && (s->incoming_ttl_ms < 0 || ms < s->incoming_ttl_ms))
		s->incoming_ttl_ms = ms > 0 ? ms : 0;
	json_free(j);
}

static void page_received(const struct answer *a, void *arg)
{
	struct session *s = arg;
	struct error e = a->error;
	s->list_id = 0;
	if (e.code) {
		page_refused(s, &e);
		return;
	}
	if (tool_list_add(&s->incoming, scan_member(a->result, "tools"), &e) != ERR_NONE) {
		list_failed(s, &e);
		return;
	}
	ttl_take(s, a->result);
	struct slice cursor = scan_member(a->result, "nextCursor");
	if (!cursor.len || cursor.ptr[0] != '"') {
		list_done(s);
		return;
	}
	if (++s->pages >= PAGES_MAX || s->incoming.count >= TOOLS_MAX) {
		log_warn("a tool server lists without end; what came so far is used",
			 LF_STR("server", s->server), LF_INT("pages", s->pages),
			 LF_INT("tools", s->incoming.count));
		list_done(s);
		return;
	}
	page_request(s, cursor);
}

static void page_request(struct session *s, struct slice cursor)
{
	struct buf params = BUF_INIT;
	struct error e;
	if (cursor.len) {
		buf_add_str(&params, "{\"cursor\":");
		buf_add_slice(&params, cursor);
		buf_add_char(&params, '}');
	}
	struct request_handler h = {.on_end = page_received, .arg = s};
	s->list_id = wire_request(s, "tools/list", buf_slice(&params), h, &e);
	buf_release(&params);
	if (!s->list_id)
		list_failed(s, &e);
}

void list_start(struct session *s)
{
	tool_list_release(&s->incoming);
	s->pages = 0;
	s->incoming_ttl_ms = -1;
	s->list_restarted = s->list_again = false;
	s->incoming.wants_headers = s->modern && s->link->ops->has_headers;
	if (!s->has_tools) {
		list_done(s);
		return;
	}
	/* The first list is under the deadline of the start. */
	loop_timer_set(s->list_timer, s->ready ? s->list_ms_max : -1);
	page_request(s, (struct slice){0});
}

void list_note_changed(struct session *s)
{
	if (s->list_id || !s->ready) {
		s->list_again = true;
		return;
	}
	if (!loop_timer_armed(s->list_timer))
		s->list_changed_ms = clock_mono_ms();
	list_wait(s);
}

void list_timer_fired(void *arg)
{
	struct session *s = arg;
	struct error e;
	if (!s->list_id) {
		list_start(s);
		return;
	}
	wire_forget(s, s->list_id);
	err_set(&e, ERR_TIMEOUT, "no complete answer within %lld ms", (long long)s->list_ms_max);
	list_failed(s, &e);
}
