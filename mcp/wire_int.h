/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure bottom of the room: JSON text, lines, versions and envelopes of the protocol, what is hidden of
 * it. Part of mcp_int.h.
 */
#ifndef MCP_WIRE_INT_H
#define MCP_WIRE_INT_H

#include "mcp/mcp.h"

/* --- scan.c: JSON text looked at without building a tree --- */

enum scan_kind { SCAN_JUNK, SCAN_REQUEST, SCAN_NOTIFICATION, SCAN_ANSWER };

/* Parts of one JSON-RPC message, borrowed from the line as raw JSON text; what is absent is empty. */
struct scan_message {
	struct slice id;     /* a string with its quotes, or a number */
	struct slice method; /* without quotes; other escapes than that of a slash are kept */
	struct slice params, result, error;
	bool is_error;    /* result.isError is true */
	char slashed[64]; /* the method, where its slashes were escaped */
};

/* Checks the whole line against the grammar of JSON; SCAN_JUNK when it is not one JSON-RPC object. */
enum scan_kind scan_message(struct slice line, struct scan_message *out);
/* Members or elements of a JSON object or array, in order. */
struct scan_iter {
	const char *at, *end;
	bool object, first, bad;
};
bool scan_open(struct slice value, struct scan_iter *it); /* false: neither object nor array */
/* name is the text between the quotes; empty for elements. false at the end or when it is broken (it->bad).
 */
bool scan_next(struct scan_iter *it, struct slice *name, struct slice *value);
/* Raw value of a member, slashes of whose name may be escaped; empty when absent. */
struct slice scan_member(struct slice object, const char *name);
/* true when text is exactly one JSON object by the grammar. */
bool scan_is_object(struct slice text);
/* Raw string (with quotes) to text. false when it is no string, or not UTF-8. */
bool scan_text(struct slice raw, struct buf *out);
/* The id of a message of which only the first and the last bytes are known; empty when it does not show.
 * *answer: it is not a request or notification as far as one can see. */
struct slice scan_edges(struct slice head, struct slice tail, bool *answer);

/* An id of ours that came back raw; 0: it is none. */
uint64_t wire_id_number(struct slice raw);

/* --- era.c: versions of the protocol, and which wire an answer speaks of --- */

/* Errors of JSON-RPC and of MCP 2026-07-28 that mean something to us. */
enum {
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_RESOURCE_NOT_FOUND = -32002,
	RPC_URLS_REQUIRED = -32042,
	RPC_HEADER_MISMATCH = -32020,
	RPC_CAPABILITY_MISSING = -32021,
	RPC_VERSION_UNSUPPORTED = -32022,
};
/* What an answer says about its sender. NO_METHOD: "there is no such method", which both eras may say. */
enum era_hint { ERA_HINT_HANDSHAKE, ERA_HINT_MODERN, ERA_HINT_NO_METHOD };

const char *version_newest(bool is_modern);
const char *version_oldest_handshake(void);
/* Our own text of it; NULL: not one of that era that is known here. */
const char *version_known(const char *version, bool is_modern);
/* The newest of a raw array of strings that is known here, or NULL. */
const char *version_pick(struct slice array, bool is_modern);
/* The code of a raw JSON-RPC error; 0 when it has none that is a small integer. */
int64_t rpc_error_code(struct slice error);
/* m answers server/discover. */
enum era_hint era_hint_of(const struct scan_message *m);
/* m answers tools/list that was asked the modern way. */
enum era_hint era_hint_of_list(const struct scan_message *m);

/* --- envelope.c: what each request of the modern wire says about itself --- */

struct envelope {
	const char *version, *client_version; /* of the protocol; ours (may be NULL) */
	struct slice capabilities;            /* ours, a raw object */
	struct slice input_responses;         /* raw object; empty: none */
	struct slice request_state;           /* raw string; empty: none */
	const char *log_level; /* from which on the server is to log in its course; NULL: it is not to */
};
/* params (a raw object, or empty) with all that, appended. */
void envelope_write(struct slice params, const struct envelope *v, struct buf *out);

/* --- param_header.c: arguments that are sent in headers, too --- */

enum { PARAM_HEADERS_MAX = 32, HEADER_LINES_MAX = PARAM_HEADERS_MAX + 4, HEADER_LINE_BYTES_MAX = 8 << 10 };

struct param_header {
	char *name;  /* without "Mcp-Param-" */
	char **path; /* names of properties from the root of the arguments */
	size_t depth;
};
/* Those of one tool. */
struct param_plan {
	char *tool;
	struct param_header *headers;
	size_t count;
};
/* Lines "Name: value", ready to be sent. */
struct header_lines {
	char *lines[HEADER_LINES_MAX + 1]; /* the last is NULL */
	size_t count;
};
/* ERR_UPSTREAM: an annotation of the schema breaks the rules; e says which and how. Nothing to release then.
 */
must_check enum err param_plan_make(const char *tool, const struct json *schema, struct param_plan *out,
				    struct error *e);
void param_plan_release(struct param_plan *p);
/* The value of a header: as it is, or =?base64?...?=. */
void header_value_add(struct slice text, struct buf *out);
must_check enum err header_lines_add(struct header_lines *l, const char *name, struct slice value,
				     struct error *e);
/* arguments: a raw object. ERR_TOO_LARGE: a value that does not fit a header. */
must_check enum err param_headers_add(const struct param_plan *p, struct slice arguments,
				      struct header_lines *l, struct error *e);
void header_lines_release(struct header_lines *l);

/* --- repair.c --- */

/* Replaces in place, by \ufffd, the escapes in valid JSON text that stand for no text. */
void escapes_repair(char *json, size_t len);
bool escapes_broken(struct slice json); /* would it change anything? */

/* --- frame.c: lines out of a stream of bytes --- */

enum { FRAME_EDGE_BYTES = 512 };
enum frame_kind { FRAME_NONE, FRAME_LINE, FRAME_OVERLONG, FRAME_ENDLESS };

struct framer {
	char *data; /* data[start..end) is received and not yet given out */
	size_t start, end, cap;
	size_t searched; /* no newline within that many bytes from start */
	size_t line_bytes_max;
	bool skipping;  /* within a line over the limit */
	size_t skipped; /* bytes of it so far */
	char head[FRAME_EDGE_BYTES], tail[FRAME_EDGE_BYTES];
	size_t head_len, tail_len;
};

struct frame_line {
	struct slice text; /* FRAME_LINE: without LF and CR */
	struct slice head, tail;
	size_t bytes; /* the others: first and last bytes, and length so far */
	size_t bytes_max;
};

void framer_init(struct framer *f, size_t line_bytes_max);
void framer_release(struct framer *f);
/* Room to read into (never 0), then how much of it was filled. */
char *framer_room(struct framer *f, size_t *room);
void framer_filled(struct framer *f, size_t n);
/* The next line; its slices are valid until the next call. FRAME_OVERLONG comes at the end of a line over the
 * limit, FRAME_ENDLESS once when it goes on for many times the limit. */
enum frame_kind framer_next(struct framer *f, struct frame_line *out);

/* --- tail.c: the last bytes of a stream --- */

struct tail {
	char *ring;
	size_t size, at, len;
};
void tail_init(struct tail *t, size_t size);
void tail_release(struct tail *t);
void tail_add(struct tail *t, struct slice bytes);
/* Appends them; from the beginning of a line when the first of them has lost its front. */
void tail_text(const struct tail *t, struct buf *out);
/* The last line that is not blank, or what it was that killed a Node program; cut to size, "" when there is
 * none. */
void text_last_line(struct slice text, char *out, size_t size);

/* --- mask.c --- */

/* Overwrites with '*' one secret wherever the text has it, or ends with a beginning of it; in place. What is
 * shorter than 8 bytes is no secret; NULL is fine. */
void secret_mask(const char *value, char *text, size_t len);
/* The same for all secrets of a row of the registry. */
void secrets_mask(const struct mcp_server_options *o, char *text, size_t len);

#endif
