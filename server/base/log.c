/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: each line is built in a buffer on the stack and leaves in one write(2), so that lines of several
 * processes on one pipe do not mix: a pipe keeps writes of up to PIPE_BUF (4096) bytes whole, hence
 * LINE_BYTES_MAX.
 *
 * It is not a queue and keeps nothing: a line that the descriptor does not take (a full non-blocking pipe, a
 * closed terminal) is lost, because a server must not stop for its log. It never allocates, so it also works
 * when memory is out. What does not fit is cut and the line says "truncated": true; a JSON line stays valid
 * JSON whatever it is given.
 */
#include "base/base.h"
#include "base/base_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
	LINE_BYTES_MAX = 4096,
	LINE_TAIL_BYTES = 24,   /* kept free for: ,"truncated":true}\n */
	VALUE_BYTES_MAX = 2048, /* one long value must not push the others out */
	ROLE_BYTES_MAX = 32,
};

struct line {
	char data[LINE_BYTES_MAX];
	size_t len;
	bool cut;
};

static struct {
	char role[ROLE_BYTES_MAX];
	enum log_level level;
	enum log_format format;
	int fd;
} state = {"main", LOG_INFO, LOG_FORMAT_AUTO, STDERR_FILENO};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void log_init(const char *role, enum log_level level, enum log_format format)
{
	snprintf(state.role, sizeof(state.role), "%s", role);
	state.level = level;
	state.format = format;
	if (format == LOG_FORMAT_AUTO)
		state.format = isatty(state.fd) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
}

void log_set_fd(int fd)
{
	state.fd = fd;
}

enum log_level log_level(void)
{
	return state.level;
}

bool log_level_parse(const char *text, enum log_level *out)
{
	for (size_t i = 0; i < COUNT_OF(level_names); i++) {
		if (strcasecmp(text, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	if (strcasecmp(text, "warning") == 0) {
		*out = LOG_WARN;
		return true;
	}
	return false;
}

static bool is_plain_text(void)
{
	if (state.format == LOG_FORMAT_AUTO) /* before log_init */
		return isatty(state.fd);
	return state.format == LOG_FORMAT_TEXT;
}

bool log_is_on_terminal(void)
{
	return state.fd == STDERR_FILENO && is_plain_text();
}

/* All or nothing, so that a name never stands without its value. */
static bool line_add(struct line *l, const char *s, size_t n)
{
	if (n > sizeof(l->data) - LINE_TAIL_BYTES - l->len) {
		l->cut = true;
		return false;
	}
	memcpy(l->data + l->len, s, n);
	l->len += n;
	return true;
}

static bool line_add_str(struct line *l, const char *s)
{
	return line_add(l, s, strlen(s));
}

static bool line_add_int(struct line *l, int64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)v);
	return line_add(l, text, (size_t)n);
}

/* The escaped form of the character at s; returns how many bytes of s it stands for. */
static size_t char_escape(const char *s, size_t n, bool json, char out[8], size_t *out_bytes)
{
	unsigned char c = (unsigned char)*s;
	size_t bytes = utf8_char_bytes(s, n);

	if (bytes == 0) {
		memcpy(out, "\xEF\xBF\xBD", *out_bytes = 3);
		return 1;
	}
	if (json && (c == '"' || c == '\\')) {
		out[0] = '\\';
		out[1] = (char)c;
		*out_bytes = 2;
		return 1;
	}
	if (c == '\n' || c == '\t') {
		memcpy(out, c == '\n' ? "\\n" : "\\t", *out_bytes = 2);
		return 1;
	}
	if (c < 0x20 || c == 0x7f) {
		*out_bytes = (size_t)snprintf(out, 8, json ? "\\u%04x" : "\\x%02x", c);
		return 1;
	}
	memcpy(out, s, *out_bytes = bytes);
	return bytes;
}

/* Text is cut at a character when it does not fit; what was added stays. */
static void line_add_escaped(struct line *l, const char *s, bool json)
{
	size_t n = strlen(s), begin = l->len;

	while (n > 0) {
		char out[8];
		size_t out_bytes = text_plain_run(s, n), used = out_bytes;
		const char *from = s;
		if (out_bytes == 0) {
			used = char_escape(s, n, json, out, &out_bytes);
			from = out;
		}
		size_t room = VALUE_BYTES_MAX - (l->len - begin);
		size_t room_line = sizeof(l->data) - LINE_TAIL_BYTES - l->len;
		room_line = room_line > 2 ? room_line - 2 : 0; /* the closing quote must still fit */
		room = room < room_line ? room : room_line;
		if (out_bytes > room) {
			l->cut = true;
			if (from == s) /* a run of plain ASCII may be cut anywhere */
				line_add(l, s, room);
			return;
		}
		line_add(l, from, out_bytes);
		s += used;
		n -= used;
	}
}

static void line_add_json_text(struct line *l, const char *s)
{
	line_add(l, "\"", 1);
	line_add_escaped(l, s, true);
	line_add(l, "\"", 1);
}

static void field_json(struct line *l, const struct log_field *f)
{
	size_t before = l->len;
	/* Room for name, quotes and a number; a text value is cut to what is left after that. */
	if (sizeof(l->data) - LINE_TAIL_BYTES - l->len < strlen(f->name) + 32) {
		l->cut = true;
		return;
	}
	line_add(l, ",", 1);
	line_add_json_text(l, f->name);
	line_add(l, ":", 1);
	bool ok = true;
	if (f->kind == LOG_FIELD_INT)
		ok = line_add_int(l, f->num);
	else if (f->kind == LOG_FIELD_BOOL)
		ok = line_add_str(l, f->num ? "true" : "false");
	else if (!f->str)
		ok = line_add_str(l, "null");
	else
		line_add_json_text(l, f->str);
	if (!ok)
		l->len = before;
}

static void field_text(struct line *l, const struct log_field *f)
{
	line_add(l, " ", 1);
	line_add_str(l, f->name);
	line_add(l, "=", 1);
	if (f->kind == LOG_FIELD_INT)
		line_add_int(l, f->num);
	else if (f->kind == LOG_FIELD_BOOL)
		line_add_str(l, f->num ? "true" : "false");
	else
		line_add_escaped(l, f->str ? f->str : "null", false);
}

static void line_build_json(struct line *l, enum log_level level, const char *msg,
			    const struct log_field *fields)
{
	char ts[CLOCK_TEXT_SIZE];

	clock_format(clock_wall_ms(), ts);
	line_add_str(l, "{\"ts\":\"");
	line_add_str(l, ts);
	line_add_str(l, "\",\"level\":\"");
	line_add_str(l, level_names[level]);
	line_add_str(l, "\",\"role\":");
	line_add_json_text(l, state.role);
	line_add_str(l, ",\"pid\":");
	line_add_int(l, getpid());
	line_add_str(l, ",\"msg\":");
	line_add_json_text(l, msg);
	for (; fields && fields->kind != LOG_FIELD_END; fields++)
		field_json(l, fields);
	/* The tail has its own room. */
	const char *tail = l->cut ? ",\"truncated\":true}\n" : "}\n";
	memcpy(l->data + l->len, tail, strlen(tail));
	l->len += strlen(tail);
}

static void line_build_text(struct line *l, enum log_level level, const char *msg,
			    const struct log_field *fields)
{
	char ts[CLOCK_TEXT_SIZE];

	clock_format(clock_wall_ms(), ts);
	line_add(l, ts + 11, 12); /* the time of day is enough on a terminal */
	line_add(l, " ", 1);
	line_add_str(l, level_names[level]);
	line_add(l, level == LOG_INFO || level == LOG_WARN ? "  [" : " [",
		 level == LOG_INFO || level == LOG_WARN ? 3 : 2);
	line_add_str(l, state.role);
	line_add(l, "] ", 2);
	line_add_escaped(l, msg, false);
	for (; fields && fields->kind != LOG_FIELD_END; fields++)
		field_text(l, fields);
	const char *tail = l->cut ? " ...\n" : "\n";
	memcpy(l->data + l->len, tail, strlen(tail));
	l->len += strlen(tail);
}

void log_write(enum log_level level, const char *msg, const struct log_field *fields)
{
	struct line l;
	int saved = errno;

	if (level < state.level || level >= LOG_OFF)
		return;
	l.len = 0;
	l.cut = false;
	if (is_plain_text())
		line_build_text(&l, level, msg, fields);
	else
		line_build_json(&l, level, msg, fields);
	ssize_t n;
	do {
		n = write(state.fd, l.data, l.len);
	} while (n < 0 && errno == EINTR);
	errno = saved;
}
