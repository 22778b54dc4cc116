/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at JSON text without building a tree: the broker forwards results of megabytes of which it needs to
 * know the id only. The grammar (RFC 8259) is checked completely, by a loop with a bit per open bracket, so
 * that what is forwarded is JSON; values stay raw bytes.
 *
 * It is not a parser: escapes in names are not decoded (a name with one matches nothing), duplicate names are
 * not refused (the last counts), numbers keep their text. Pure: no allocation but in scan_text, no state.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <endian.h>
#include <string.h>

enum { DEPTH_MAX = 512 };

static const char *space_skip(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

/* To what needs a look within a string, eight bytes at a time: texts of megabytes are mostly plain. In the
 * word below a byte's high bit is set where the byte is below 0x20, a quote or a backslash; borrows mark too
 * much only beyond a byte that is marked. */
static const char *plain_skip(const char *p, const char *end)
{
	const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
	for (uint64_t v; end - p >= 8; p += 8) {
		memcpy(&v, p, 8);
		v = le64toh(v);
		uint64_t quote = v ^ (ones * '"'), slash = v ^ (ones * '\\');
		uint64_t marks =
			(((v - ones * 0x20) & ~v) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) &
			highs;
		if (marks)
			return p + __builtin_ctzll(marks) / 8;
	}
	while (p < end && is_plain(*p))
		p++;
	return p;
}

/* p is at the opening quote; returns behind the closing one, or NULL. */
static const char *string_skip(const char *p, const char *end)
{
	static const char escapes[] = "\"\\/bfnrtu";
	for (p++; p < end; p++) {
		p = plain_skip(p, end);
		if (p == end)
			return NULL;
		if (*p == '"')
			return p + 1;
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (++p == end || !memchr(escapes, *p, sizeof(escapes) - 1))
			return NULL;
		if (*p != 'u')
			continue;
		for (int i = 0; i < 4; i++) {
			if (++p == end || !is_hex(*p))
				return NULL;
		}
	}
	return NULL;
}

static const char *digits_skip(const char *p, const char *end)
{
	const char *from = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > from ? p : NULL;
}

static const char *number_skip(const char *p, const char *end)
{
	if (*p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else
		p = digits_skip(p, end);
	if (p && p < end && *p == '.')
		p = digits_skip(p + 1, end);
	if (p && p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = digits_skip(p, end);
	}
	return p;
}

static const char *scalar_skip(const char *p, const char *end)
{
	static const char *const words[] = {"true", "false", "null"};
	if (*p == '"')
		return string_skip(p, end);
	if (*p == '-' || (*p >= '0' && *p <= '9'))
		return number_skip(p, end);
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		size_t n = strlen(words[i]);
		if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0)
			return p + n;
	}
	return NULL;
}

/* From before a member's name to behind its colon. */
static const char *name_skip(const char *p, const char *end)
{
	p = space_skip(p, end);
	if (p == end || *p != '"' || !(p = string_skip(p, end)))
		return NULL;
	p = space_skip(p, end);
	return p < end && *p == ':' ? p + 1 : NULL;
}

/* The brackets that are open around a place. */
struct nesting {
	uint64_t object[DEPTH_MAX / 64]; /* bit: '{', else '[' */
	size_t depth;
};

static bool nesting_in_object(const struct nesting *n)
{
	return n->object[(n->depth - 1) / 64] >> ((n->depth - 1) % 64) & 1;
}

static bool nesting_push(struct nesting *n, bool object)
{
	if (n->depth == DEPTH_MAX)
		return false;
	uint64_t bit = UINT64_C(1) << (n->depth % 64), *word = &n->object[n->depth / 64];
	*word = object ? *word | bit : *word & ~bit;
	n->depth++;
	return true;
}

/* p is behind a value or an opening bracket that closes at once: takes closing brackets and the comma before
 * the next value. NULL when broken; depth 0 says that the outermost value is complete. */
static const char *close_skip(const char *p, const char *end, struct nesting *n)
{
	while (n->depth) {
		const char *q = space_skip(p, end);
		if (q == end)
			return NULL;
		bool object = nesting_in_object(n);
		if (*q == (object ? '}' : ']')) {
			n->depth--;
			p = q + 1;
			continue;
		}
		if (*q != ',')
			return NULL;
		return object ? name_skip(q + 1, end) : q + 1;
	}
	return p;
}

/* Behind the value that begins at p (white space before it is skipped), or NULL. */
static const char *value_skip(const char *p, const char *end)
{
	struct nesting n;
	n.depth = 0;
	do {
		p = space_skip(p, end);
		if (p == end)
			return NULL;
		if (*p == '{' || *p == '[') {
			bool object = *p == '{';
			if (!nesting_push(&n, object))
				return NULL;
			const char *inner = space_skip(p + 1, end);
			if (inner < end && *inner == (object ? '}' : ']')) {
				p = close_skip(inner, end, &n);
			} else {
				p = object ? name_skip(p + 1, end) : p + 1;
			}
		} else {
			p = scalar_skip(p, end);
			if (p)
				p = close_skip(p, end, &n);
		}
	} while (p && n.depth);
	return p;
}

bool scan_open(struct slice value, struct scan_iter *it)
{
	*it = (struct scan_iter){0};
	if (!value.len)
		return false;
	const char *end = value.ptr + value.len, *p = space_skip(value.ptr, end);
	if (p == end || (*p != '{' && *p != '['))
		return false;
	it->first = true;
	it->end = end;
	it->object = *p == '{';
	it->at = p + 1;
	return true;
}

/* Steps over the comma, or meets the end (false). */
static bool iter_step(struct scan_iter *it)
{
	it->at = space_skip(it->at, it->end);
	if (it->at == it->end) {
		it->bad = true;
		return false;
	}
	if (*it->at == (it->object ? '}' : ']'))
		return false;
	if (it->first) {
		it->first = false;
		return true;
	}
	it->bad = *it->at != ',';
	it->at++;
	return !it->bad;
}

bool scan_next(struct scan_iter *it, struct slice *name, struct slice *value)
{
	*name = *value = (struct slice){0};
	if (it->bad || !iter_step(it))
		return false;
	const char *p = it->at;
	if (it->object) {
		const char *open = space_skip(p, it->end);
		p = name_skip(p, it->end);
		it->bad = !p;
		if (it->bad)
			return false;
		*name = (struct slice){open + 1, (size_t)(string_skip(open, it->end) - open) - 2};
	}
	p = space_skip(p, it->end);
	const char *after = value_skip(p, it->end);
	it->bad = !after;
	if (it->bad)
		return false;
	*value = (struct slice){p, (size_t)(after - p)};
	it->at = after;
	return true;
}

/* Some encoders of JSON escape each slash, of which the protocol's names are full. */
static bool name_is(struct slice raw, const char *name)
{
	size_t i = 0;
	for (; i < raw.len && *name; i++, name++) {
		i += raw.ptr[i] == '\\' && *name == '/';
		if (i == raw.len || raw.ptr[i] != *name)
			return false;
	}
	return i == raw.len && !*name;
}

struct slice scan_member(struct slice object, const char *name)
{
	struct scan_iter it;
	struct slice n, v, found = {0};
	if (!scan_open(object, &it) || !it.object)
		return found;
	while (scan_next(&it, &n, &v)) {
		if (name_is(n, name))
			found = v;
	}
	return found;
}

bool scan_is_object(struct slice text)
{
	if (!text.len)
		return false;
	const char *end = text.ptr + text.len, *p = space_skip(text.ptr, end);
	if (p == end || *p != '{' || !(p = value_skip(p, end)))
		return false;
	return space_skip(p, end) == end && utf8_valid(text.ptr, text.len);
}

bool scan_text(struct slice raw, struct buf *out)
{
	struct json *j = raw.len && raw.ptr[0] == '"' ? json_parse(raw.ptr, raw.len, 0, NULL) : NULL;
	const char *text = json_text(j);
	bool ok = text && buf_add_str(out, text);
	json_free(j);
	return ok;
}

/* --- messages --- */

static bool id_is_valid(struct slice id)
{
	return id.len && (id.ptr[0] == '"' || id.ptr[0] == '-' || (id.ptr[0] >= '0' && id.ptr[0] <= '9'));
}

static void method_take(struct scan_message *m, struct slice raw)
{
	size_t n = 0;
	m->method = raw;
	if (raw.len > sizeof(m->slashed) || !memchr(raw.ptr, '\\', raw.len))
		return;
	for (size_t i = 0; i < raw.len; i++) {
		i += raw.ptr[i] == '\\' && raw.ptr[i + 1] == '/'; /* a quote is behind the last one */
		m->slashed[n++] = raw.ptr[i];
	}
	m->method = (struct slice){m->slashed, n};
}

static void member_take(struct scan_message *m, struct slice name, struct slice value)
{
	if (slice_eq_str(name, "id"))
		m->id = id_is_valid(value) ? value : (struct slice){0};
	else if (slice_eq_str(name, "method") && value.len > 2 && value.ptr[0] == '"')
		method_take(m, (struct slice){value.ptr + 1, value.len - 2});
	else if (slice_eq_str(name, "params"))
		m->params = value;
	else if (slice_eq_str(name, "result"))
		m->result = value;
	else if (slice_eq_str(name, "error") && !slice_eq_str(value, "null"))
		m->error = value;
}

static enum scan_kind message_kind(const struct scan_message *m)
{
	if (m->method.len)
		return m->id.len ? SCAN_REQUEST : SCAN_NOTIFICATION;
	return m->result.len || m->error.len ? SCAN_ANSWER : SCAN_JUNK;
}

enum scan_kind scan_message(struct slice line, struct scan_message *out)
{
	struct scan_iter it;
	struct slice name, value;
	*out = (struct scan_message){0};
	if (!scan_open(line, &it) || !it.object)
		return SCAN_JUNK;
	while (scan_next(&it, &name, &value))
		member_take(out, name, value);
	if (it.bad || space_skip(it.at + 1, it.end) != it.end || !utf8_valid(line.ptr, line.len))
		return SCAN_JUNK;
	if (out->result.len && out->result.ptr[0] == '{')
		out->is_error = slice_eq_str(scan_member(out->result, "isError"), "true");
	return message_kind(out);
}

/* Text that ends in ,"id":ID} has the envelope's id there: the last brace is the envelope's own. */
static struct slice tail_id(struct slice tail)
{
	if (!tail.len)
		return tail;
	const char *end = tail.ptr + tail.len, *p = end;
	while (p > tail.ptr && (p[-1] == ' ' || p[-1] == '\t' || p[-1] == '\r'))
		p--;
	if (p == tail.ptr || p[-1] != '}')
		return (struct slice){0};
	const char *close = p - 1;
	for (p = close; p - tail.ptr >= 4; p--) {
		if (memcmp(p - 4, "\"id\"", 4) != 0)
			continue;
		const char *v = space_skip(p, close);
		if (v == close || *v != ':')
			continue;
		v = space_skip(v + 1, close);
		const char *after = v < close ? scalar_skip(v, close) : NULL;
		if (after && space_skip(after, close) == close)
			return (struct slice){v, (size_t)(after - v)};
	}
	return (struct slice){0};
}

struct slice scan_edges(struct slice head, struct slice tail, bool *answer)
{
	struct scan_message m = {0};
	struct scan_iter it;
	struct slice name, value;
	if (scan_open(head, &it) && it.object) {
		while (scan_next(&it, &name, &value))
			member_take(&m, name, value);
	}
	*answer = m.method.len == 0;
	if (m.id.len)
		return m.id;
	struct slice id = tail_id(tail);
	return id_is_valid(id) ? id : (struct slice){0};
}
