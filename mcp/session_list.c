/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of a session (tools, resources, resource templates, prompts): all pages into a list aside, which
 * replaces the last good one only when complete. An empty string is a cursor like any other. Changes are told
 * in bursts (seven within a millisecond is normal), so a fetch waits for a quiet moment, though not for ever.
 * A refresh that fails keeps what was known. The first list of tools failing ends the session; the others
 * harm nobody but those who ask for them, and hold up a session that has its tools for two seconds at most.
 *
 * How long a list is good is for a modern server to say (2026-07-28, Caching: ttlMs). That one may be meant
 * for a single credential (cacheScope) asks nothing of us: a session has no more than one, and its lists
 * serve no other session.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

static const struct {
	const char *method, *capability, *granted;
} kinds[LIST_KINDS] = {
	[LIST_TOOLS] = {"tools/list", "tools", "toolsListChanged"},
	[LIST_RESOURCES] = {"resources/list", "resources", "resourcesListChanged"},
	[LIST_TEMPLATES] = {"resources/templates/list", "resources", "resourcesListChanged"},
	[LIST_PROMPTS] = {"prompts/list", "prompts", "promptsListChanged"},
};

static void page_request(struct list_fetch *f, struct slice cursor);

/* --- what a fetch brings --- */

static size_t item_kind_of(enum list_kind kind)
{
	ensure(kind > LIST_TOOLS && kind < LIST_KINDS);
	return (size_t)kind - LIST_RESOURCES + MCP_RESOURCES;
}

static void incoming_release(struct list_fetch *f)
{
	if (f->kind == LIST_TOOLS)
		tool_list_release(&f->session->incoming);
	else
		item_list_release(&f->session->items_incoming[item_kind_of(f->kind)]);
}

static enum err incoming_add(struct list_fetch *f, struct slice result, struct error *e)
{
	struct session *s = f->session;
	if (f->kind == LIST_TOOLS)
		return tool_list_add(&s->incoming, scan_member(result, "tools"), e);
	return item_list_add(&s->items_incoming[item_kind_of(f->kind)], result, s->limits.list_items_max,
			     s->limits.list_bytes_max, e);
}

static bool incoming_full(struct list_fetch *f)
{
	struct session *s = f->session;
	if (f->kind == LIST_TOOLS)
		return f->pages >= PAGES_MAX || s->incoming.count >= TOOLS_MAX;
	struct item_list *l = &s->items_incoming[item_kind_of(f->kind)];
	l->truncated = l->truncated || f->pages >= PAGES_MAX;
	return l->truncated;
}

static void faults_tell(const struct list_fetch *f, const struct faults *faults)
{
	if (faults->count)
		log_warn("entries of a server's list were left out; all of them are told by the API",
			 LF_STR("server", f->session->server), LF_STR("list", kinds[f->kind].method),
			 LF_INT("entries", faults->count), LF_STR("name", faults->list[0].name),
			 LF_STR("error", faults->list[0].reason));
}

static void tools_come(struct list_fetch *f)
{
	struct session *s = f->session;
	tool_list_release(&s->tools);
	s->tools = s->incoming;
	s->incoming = (struct tool_list){0};
	s->list_failures = 0;
	plans_make(s);
	task_tools_make(s);
	fresh_arm(s);
	faults_tell(f, &s->tools.faults);
	if (s->ready)
		s->events.on_tools(s->events.arg);
}

static void items_come(struct list_fetch *f)
{
	struct session *s = f->session;
	size_t i = item_kind_of(f->kind);
	item_list_release(&s->items[i]);
	s->items[i] = s->items_incoming[i];
	s->items_incoming[i] = (struct item_list){.kind = s->items[i].kind};
	faults_tell(f, &s->items[i].faults);
	if (s->events.on_items)
		s->events.on_items(f->kind, NULL, s->events.arg);
}

/* --- its end --- */

/* A quiet moment from now, but not for ever after the first of the changes. */
static void list_wait(struct list_fetch *f)
{
	int64_t left = f->changed_ms + LIST_DELAY_MS_MAX - clock_mono_ms();
	left = left > 0 ? left : 0;
	loop_timer_set(f->timer, left < LIST_DEBOUNCE_MS ? left : LIST_DEBOUNCE_MS);
}

static void ready_now(struct session *s)
{
	struct list_fetch *tools = &s->lists[LIST_TOOLS];
	s->ready = true;
	loop_timer_set(tools->timer, -1);
	if (tools->again) {
		tools->again = false;
		tools->changed_ms = clock_mono_ms();
		list_wait(tools);
	}
	subscribe_begin(s);
	s->events.on_ready(s->events.arg);
}

/* Ready with tools, and with the other lists unless they take their time. */
static void ready_check(struct session *s)
{
	if (s->closed || s->ready || !s->lists[LIST_TOOLS].over)
		return;
	for (int k = LIST_TOOLS + 1; k < LIST_KINDS; k++) {
		if (!s->lists[k].offered || s->lists[k].over)
			continue;
		if (!loop_timer_armed(s->lists[LIST_TOOLS].timer))
			loop_timer_set(s->lists[LIST_TOOLS].timer, LISTS_WAIT_MS);
		return;
	}
	ready_now(s);
}

static void fetch_over(struct list_fetch *f, bool failed)
{
	f->id = 0;
	f->ttl_ms = failed ? f->ttl_ms : f->incoming_ttl_ms;
	f->over = true;
	f->failed = failed;
	f->over_ms = clock_mono_ms();
	loop_timer_set(f->timer, -1);
	/* Of a first list of tools it waits for the session to be ready. */
	if (f->again && (f->kind != LIST_TOOLS || f->session->ready)) {
		f->again = false;
		f->changed_ms = clock_mono_ms();
		list_wait(f);
	}
}

static void list_failed(struct list_fetch *f, const struct error *why)
{
	struct session *s = f->session;
	struct error e = *why;
	incoming_release(f);
	if (f->kind == LIST_TOOLS && !f->over) {
		f->id = 0;
		err_prefix(&e, "tools/list");
		session_break(s, &e);
		return;
	}
	log_warn("a list of a server could not be read; the last one is kept", LF_STR("server", s->server),
		 LF_STR("list", kinds[f->kind].method), LF_STR("error", why->msg));
	fetch_over(f, true);
	if (f->kind == LIST_TOOLS) {
		s->list_failures++;
		fresh_arm(s);
		modern_list_over(s, false);
	} else if (s->events.on_items) {
		s->events.on_items(f->kind, &e, s->events.arg);
	}
	ready_check(s);
}

static void list_done(struct list_fetch *f)
{
	fetch_over(f, false);
	if (f->kind == LIST_TOOLS)
		tools_come(f);
	else
		items_come(f);
	ready_check(f->session);
	if (f->kind == LIST_TOOLS)
		modern_list_over(f->session, true);
}

/* --- its pages --- */

/* The server's cursors may have expired under us: once, from the beginning. */
static void page_refused(struct list_fetch *f, const struct error *why)
{
	if (f->pages == 0 || f->restarted) {
		list_failed(f, why);
		return;
	}
	list_fetch(f->session, f->kind);
	f->restarted = true;
}

/* The shortest of the pages' counts. */
static void ttl_take(struct list_fetch *f, struct slice result)
{
	struct slice raw = f->session->modern ? scan_member(result, "ttlMs") : (struct slice){0};
	struct json *j = raw.len ? json_parse(raw.ptr, raw.len, 0, NULL) : NULL;
	int64_t ms;
	if (json_integer(j, &ms) && (f->incoming_ttl_ms < 0 || ms < f->incoming_ttl_ms))
		f->incoming_ttl_ms = ms > 0 ? ms : 0;
	json_free(j);
}

static void page_received(const struct answer *a, void *arg)
{
	struct list_fetch *f = arg;
	struct error e = a->error;
	f->id = 0;
	/* A server need not have templates because it has resources. */
	if (f->kind == LIST_TEMPLATES && a->rpc_code == RPC_METHOD_NOT_FOUND) {
		list_done(f);
		return;
	}
	if (e.code) {
		page_refused(f, &e);
		return;
	}
	if (incoming_add(f, a->result, &e) != ERR_NONE) {
		list_failed(f, &e);
		return;
	}
	ttl_take(f, a->result);
	struct slice cursor = scan_member(a->result, "nextCursor");
	bool more = cursor.len && cursor.ptr[0] == '"';
	f->pages += more;
	if (more && !incoming_full(f)) {
		page_request(f, cursor);
		return;
	}
	if (more)
		log_warn("a server lists without end, or more than the limits let in; what came so far is "
			 "used",
			 LF_STR("server", f->session->server), LF_STR("list", kinds[f->kind].method),
			 LF_INT("pages", f->pages));
	list_done(f);
}

static void page_request(struct list_fetch *f, struct slice cursor)
{
	struct buf params = BUF_INIT;
	struct error e;
	if (cursor.len) {
		buf_add_str(&params, "{\"cursor\":");
		buf_add_slice(&params, cursor);
		buf_add_char(&params, '}');
	}
	struct request_handler h = {.on_end = page_received, .arg = f};
	f->id = wire_request(f->session, kinds[f->kind].method, buf_slice(&params), h, &e);
	buf_release(&params);
	if (!f->id)
		list_failed(f, &e);
}

void list_fetch(struct session *s, enum list_kind kind)
{
	struct list_fetch *f = &s->lists[kind];
	ensure(!f->id);
	incoming_release(f);
	f->pages = 0;
	f->restarted = f->again = false;
	f->incoming_ttl_ms = -1;
	s->incoming.wants_headers = s->modern && s->link->ops->has_headers;
	if (!f->offered) {
		list_done(f);
		return;
	}
	/* The first list of tools is under the deadline of the start. */
	loop_timer_set(f->timer, kind != LIST_TOOLS || f->over ? s->limits.list_ms_max : -1);
	page_request(f, (struct slice){0});
}

static void timer_fired(void *arg)
{
	struct list_fetch *f = arg;
	struct session *s = f->session;
	struct error e;
	if (f->id) {
		wire_forget(s, f->id);
		err_set(&e, ERR_TIMEOUT, "no complete answer within %lld ms",
			(long long)s->limits.list_ms_max);
		list_failed(f, &e);
	} else if (f->kind == LIST_TOOLS && !s->ready) {
		ready_now(s);
	} else {
		list_fetch(s, f->kind);
	}
}

/* --- the session's side --- */

void lists_init(struct session *s)
{
	for (int k = 0; k < LIST_KINDS; k++) {
		s->lists[k] = (struct list_fetch){.session = s, .kind = (enum list_kind)k};
		s->lists[k].timer = loop_timer_new(s->loop, timer_fired, &s->lists[k]);
	}
	for (int i = 0; i < ITEM_KINDS; i++)
		s->items[i].kind = s->items_incoming[i].kind = (enum mcp_list)i;
}

void lists_release(struct session *s)
{
	for (int k = 0; k < LIST_KINDS; k++)
		loop_timer_free(s->lists[k].timer);
}

void lists_begin(struct session *s, struct slice capabilities)
{
	for (int k = 0; k < LIST_KINDS; k++) {
		struct slice capability = scan_member(capabilities, kinds[k].capability);
		s->lists[k].offered = capability.len > 0;
		/* On the modern wire: once the subscription is acknowledged (lists_told). */
		s->lists[k].tells =
			!s->modern && slice_eq_str(scan_member(capability, "listChanged"), "true");
	}
	if (!s->lists[LIST_TOOLS].offered)
		log_warn("the server offers no tools", LF_STR("server", s->server));
	for (int k = 0; k < LIST_KINDS && !s->closed; k++) {
		if (k == LIST_TOOLS || s->lists[k].offered)
			list_fetch(s, (enum list_kind)k);
	}
}

void lists_told(struct session *s, struct slice granted)
{
	for (int k = 0; k < LIST_KINDS; k++)
		s->lists[k].tells = slice_eq_str(scan_member(granted, kinds[k].granted), "true");
}

void list_note_changed(struct session *s, enum list_kind kind)
{
	struct list_fetch *f = &s->lists[kind];
	if (!f->offered)
		return;
	if (f->id || !f->over || (kind == LIST_TOOLS && !s->ready)) {
		f->again = true;
		return;
	}
	if (!loop_timer_armed(f->timer))
		f->changed_ms = clock_mono_ms();
	list_wait(f);
}

struct item_list session_items_take(struct session *s, enum list_kind kind)
{
	size_t i = item_kind_of(kind);
	struct item_list l = s->items[i];
	s->items[i] = (struct item_list){.kind = l.kind};
	return l;
}

bool session_offers(const struct session *s, enum list_kind kind)
{
	return s->lists[kind].offered;
}

void session_list_refresh(struct session *s, enum list_kind kind)
{
	struct list_fetch *f = &s->lists[kind];
	int64_t fresh_ms = f->failed || f->ttl_ms < LIST_FRESH_MS ? LIST_FRESH_MS : f->ttl_ms;
	bool stale = f->over && (f->failed || !f->tells) && clock_mono_ms() - f->over_ms >= fresh_ms;
	if (f->offered && !f->id && stale && !loop_timer_armed(f->timer))
		list_fetch(s, kind);
}
