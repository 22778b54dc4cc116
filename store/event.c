/* SPDX-License-Identifier: Apache-2.0 */
/* Events as ready-made server-sent bytes (WHATWG HTML section 9.2), made once and copied ever after. Pure. */
#include "base/base.h"
#include "store/store_int.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	struct slice text;
	bool live;
} types[] = {
#define EVENT(name, wire, live) {SLICE_LIT(wire), live},
#include "store/event.def"
#undef EVENT
};

const char *event_type_text(enum event_type t)
{
	ensure(t < EVENT_COUNT);
	return types[t].text.ptr;
}

bool event_type_parse(struct slice text, enum event_type *out)
{
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		if (text.len == types[i].text.len && memcmp(text.ptr, types[i].text.ptr, text.len) == 0) {
			*out = (enum event_type)i;
			return true;
		}
	}
	return false;
}

bool event_type_live(enum event_type t)
{
	return t < EVENT_COUNT && types[t].live;
}

bool event_members(struct slice data, struct slice *members)
{
	*members = (struct slice){"", 0};
	if (data.len == 0)
		return true;
	if (data.len < 2 || data.ptr[0] != '{' || data.ptr[data.len - 1] != '}' ||
	    memchr(data.ptr, '\n', data.len) != NULL || memchr(data.ptr, '\r', data.len) != NULL)
		return false;
	size_t blanks = 1;
	while (blanks < data.len - 1 && (data.ptr[blanks] == ' ' || data.ptr[blanks] == '\t'))
		blanks++;
	/* "{ }" has none */
	if (blanks < data.len - 1)
		*members = (struct slice){data.ptr + 1, data.len - 2};
	return true;
}

bool event_format(struct buf *out, uint64_t seq, int64_t at_ms, enum event_type type, struct slice data)
{
	char at[CLOCK_TEXT_SIZE];
	struct slice members;
	if (!event_members(data, &members))
		return false;
	clock_format(at_ms, at);
	buf_add_str(out, "id: ");
	buf_add_u64(out, seq);
	buf_add_str(out, "\nevent: ");
	buf_add_slice(out, types[type].text);
	buf_add_str(out, "\ndata: {\"seq\":");
	buf_add_u64(out, seq);
	buf_add_str(out, ",\"at\":\"");
	buf_add_str(out, at);
	buf_add_char(out, '"');
	if (members.len > 0)
		buf_add_char(out, ',');
	buf_add_slice(out, members);
	buf_add_str(out, "}\n\n");
	return true;
}

bool event_format_live(struct buf *out, enum event_type type, struct slice data)
{
	struct slice members;
	if (!event_members(data, &members))
		return false;
	buf_add_str(out, "event: ");
	buf_add_slice(out, types[type].text);
	buf_add_str(out, "\ndata: {");
	buf_add_slice(out, members);
	buf_add_str(out, "}\n\n");
	return true;
}

/* One "name: value\n" line off the front. */
static bool line_take(struct slice *rest, const char *name, struct slice *value)
{
	size_t n = strlen(name);
	const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
	if (end == NULL || (size_t)(end - rest->ptr) < n || memcmp(rest->ptr, name, n) != 0)
		return false;
	*value = (struct slice){rest->ptr + n, (size_t)(end - rest->ptr) - n};
	rest->len -= (size_t)(end + 1 - rest->ptr);
	rest->ptr = end + 1;
	return true;
}

bool event_next(struct slice *rest, struct event_view *out)
{
	struct slice id, type, blank;
	if (!line_take(rest, "id: ", &id) || !line_take(rest, "event: ", &type) ||
	    !line_take(rest, "data: ", &out->data) || !line_take(rest, "", &blank))
		return false;
	out->seq = strtoull(id.ptr, NULL, 10);
	return event_type_parse(type, &out->type);
}

struct slice events_after(struct slice sse, uint64_t seq)
{
	struct slice from = sse;
	struct event_view v;
	while (event_next(&sse, &v) && v.seq <= seq)
		from = sse;
	return from;
}
