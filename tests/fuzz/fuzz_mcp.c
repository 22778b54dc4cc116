/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of what reads a tool server's output: the line framer, the scanner, the tool list and the
 * catalogue. Whatever the bytes are: the lines must not depend on how they are cut into reads; a part that
 * the scanner gives must lie within its line; what the strict parser takes the scanner must take too and see
 * the same members; what is made of a list must be readable as a catalogue.
 * Of the modern wire: params with an envelope are one object that still holds what they held; a value in a
 * header is one line of plain text that means the value again; an answer to a probe means something or other.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE_BYTES_MAX = 300, ROUNDS = 3 };

/* xorshift64: the same input takes the same path. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* All lines in one text; step_max 0: as large pieces as there is room for. An endless line is left out: when
 * it is told depends on the pieces. */
static void frames_print(struct slice s, size_t step_max, uint64_t *seed, struct buf *out)
{
	struct framer f;
	struct frame_line line;
	framer_init(&f, LINE_BYTES_MAX);
	for (size_t at = 0, n; at < s.len; at += n) {
		size_t room;
		char *p = framer_room(&f, &room);
		ensure(room > 0);
		n = step_max ? 1 + next_random(seed) % step_max : s.len;
		n = n < s.len - at ? n : s.len - at;
		n = n < room ? n : room;
		memcpy(p, s.ptr + at, n);
		framer_filled(&f, n);
		for (enum frame_kind k; (k = framer_next(&f, &line)) != FRAME_NONE;) {
			if (k == FRAME_ENDLESS)
				continue;
			ensure(k == FRAME_LINE ? line.bytes <= LINE_BYTES_MAX : line.bytes > LINE_BYTES_MAX);
			buf_printf(out, "%d %zu ", (int)k, line.bytes);
			buf_add_slice(out, line.text);
			buf_add_slice(out, line.head);
			buf_add_slice(out, line.tail);
			buf_add_char(out, '\n');
		}
	}
	framer_release(&f);
}

static void framer_check(struct slice s)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	uint64_t seed = 0x9e3779b97f4a7c15u;
	frames_print(s, 0, &seed, &whole);
	for (size_t i = 0; i < ROUNDS; i++) {
		buf_reset(&pieces);
		frames_print(s, (size_t)1 << (4 * i), &seed, &pieces);
		ensure(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
	}
	buf_release(&whole);
	buf_release(&pieces);
}

static void within_check(struct slice part, struct slice whole)
{
	ensure(!part.len || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len));
}

/* The parser is the stricter of the two. */
static void members_check(struct slice text)
{
	struct json *tree = json_parse(text.ptr, text.len, 0, NULL);
	if (json_is(tree, JSON_OBJECT)) {
		struct scan_iter it;
		struct slice name, value;
		size_t count = 0;
		ensure(scan_is_object(text) && scan_open(text, &it));
		while (scan_next(&it, &name, &value)) {
			struct json *part = json_parse(value.ptr, value.len, 0, NULL);
			within_check(name, text);
			within_check(value, text);
			ensure(part);
			json_free(part);
			count++;
		}
		ensure(!it.bad && count == json_count(tree));
	}
	json_free(tree);
}

static void message_check(struct slice text)
{
	struct scan_message m;
	bool answer;
	size_t half = text.len / 2;
	enum scan_kind kind = scan_message(text, &m);
	ensure(kind == SCAN_JUNK || scan_is_object(text));
	within_check(m.id, text);
	if (m.method.ptr == m.slashed)
		ensure(m.method.len < sizeof(m.slashed));
	else
		within_check(m.method, text);
	within_check(m.params, text);
	within_check(m.result, text);
	within_check(m.error, text);
	within_check(scan_edges((struct slice){text.ptr, half},
				(struct slice){text.ptr + half, text.len - half}, &answer),
		     text);
}

static void list_check(struct slice text)
{
	struct tool_list l = {0};
	struct error e = {0};
	struct buf out = BUF_INIT;
	if (tool_list_add(&l, scan_member(text, "tools"), &e) != ERR_NONE)
		goto out;
	struct catalog_source *sources = xcalloc(l.count + 1, sizeof(*sources));
	for (size_t i = 0; i < l.count; i++)
		sources[i] = (struct catalog_source){
			.server = "fuzz", .tool = &l.tools[i], .effect = {MCP_READS, "annotation"}};
	catalog_name(sources, l.count);
	catalog_write(sources, l.count, &out);
	const struct mcp_catalog *c = catalog_read(buf_slice(&out), 1, &e);
	ensure(c && c->count == l.count);
	for (size_t i = 0; i < c->count; i++)
		ensure(mcp_catalog_find(c, c->tools[i].exposed) == &c->tools[i]);
	mcp_catalog_drop(c);
	free(sources);
out:
	buf_release(&out);
	tool_list_release(&l);
}

static void envelope_check(struct slice text)
{
	struct envelope v = {.version = "2026-07-28", .capabilities = SLICE_LIT("{}")};
	struct buf out = BUF_INIT;
	struct scan_iter it;
	struct slice name, value;
	if (!scan_is_object(text))
		return;
	v.request_state = scan_member(text, "requestState");
	if (!v.request_state.len || v.request_state.ptr[0] != '"')
		v.request_state = (struct slice){0};
	envelope_write(text, &v, &out);
	ensure(scan_is_object(buf_slice(&out)));
	ensure(scan_member(scan_member(buf_slice(&out), "_meta"),
			   "io.modelcontextprotocol/clientCapabilities")
		       .len == 2);
	size_t members = 0, kept = 0;
	scan_open(text, &it);
	while (scan_next(&it, &name, &value))
		members += !slice_eq_str(name, "_meta");
	scan_open(buf_slice(&out), &it);
	while (scan_next(&it, &name, &value))
		kept += !slice_eq_str(name, "_meta");
	ensure(kept == members + (v.request_state.len > 0));
	buf_release(&out);
}

static void header_check(struct slice text)
{
	struct buf out = BUF_INIT, back = BUF_INIT;
	header_value_add(text, &out);
	for (size_t i = 0; i < out.len; i++)
		ensure((out.data[i] >= ' ' && out.data[i] <= '~') || out.data[i] == '\t');
	bool coded = out.len >= 11 && memcmp(out.data, "=?base64?", 9) == 0 &&
		     memcmp(out.data + out.len - 2, "?=", 2) == 0;
	if (coded)
		ensure(base64_decode(out.data + 9, out.len - 11, &back) && slice_eq(buf_slice(&back), text));
	else
		ensure(slice_eq(buf_slice(&out), text));
	buf_release(&out);
	buf_release(&back);
}

static void marks_check(struct slice text)
{
	struct json *tree = json_parse(text.ptr, text.len, 0, NULL);
	struct param_plan p;
	struct header_lines l = {0};
	struct error e = {0};
	if (tree && param_plan_make("fuzz", tree, &p, &e) == ERR_NONE) {
		ensure(p.count <= PARAM_HEADERS_MAX);
		ensure(param_headers_add(&p, text, &l, &e) == ERR_NONE || e.code == ERR_TOO_LARGE);
		header_lines_release(&l);
		param_plan_release(&p);
	}
	json_free(tree);
}

static void era_check(struct slice text)
{
	struct scan_message m;
	if (scan_message(text, &m) != SCAN_ANSWER)
		return;
	ensure(era_hint_of(&m) <= ERA_HINT_NO_METHOD);
	ensure(era_hint_of_list(&m) <= ERA_HINT_MODERN);
}

/* After a repair nothing has moved, and a second one finds nothing. */
static void repair_check(struct slice text)
{
	char *once = xstrndup(text.ptr, text.len), *twice;
	size_t len = strlen(once);
	bool object = scan_is_object((struct slice){once, len});
	escapes_repair(once, len);
	ensure(strlen(once) == len && scan_is_object((struct slice){once, len}) == object);
	twice = xstrndup(once, len);
	escapes_repair(twice, len);
	ensure(!object || memcmp(once, twice, len) == 0);
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = {(const char *)data, size};
	if (!size)
		return 0;
	framer_check(s);
	members_check(s);
	message_check(s);
	list_check(s);
	repair_check(s);
	envelope_check(s);
	header_check(s);
	marks_check(s);
	era_check(s);
	return 0;
}
