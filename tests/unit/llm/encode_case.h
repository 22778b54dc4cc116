/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes requests of a wire for tests and reads the body back with the JSON parser. */
#ifndef TESTS_UNIT_LLM_ENCODE_CASE_H
#define TESTS_UNIT_LLM_ENCODE_CASE_H

#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A schema within the strict subset, and one that is not. */
#define STRICT_SCHEMA                                                                             \
	"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"]," \
	"\"additionalProperties\":false}"
#define LOOSE_SCHEMA "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}"

static inline struct json *body_of(const struct llm_options *o, const struct llm_request *r)
{
	struct buf b = BUF_INIT;
	struct error e = {0};
	assert_int_equal(llm_wire_of(o->api)->encode(o, r, &b, &e), ERR_NONE);
	struct json *j = json_parse(b.data, b.len, 0, &e);
	if (j == NULL)
		fail_msg("%s in %s", e.msg, b.data);
	buf_release(&b);
	return j;
}

/* What stands at a JSON pointer, "" when nothing does. */
static inline void assert_at(const struct json *j, const char *pointer, const char *expected)
{
	struct buf b = BUF_INIT;
	const struct json *at = json_pointer(j, pointer);
	if (at != NULL)
		json_print(at, &b);
	assert_string_equal(buf_cstr(&b), expected);
	buf_release(&b);
}

static inline char *origin_of(const struct llm_options *o)
{
	static char origin[LLM_ORIGIN_SIZE];
	llm_wire_origin(llm_wire_of(o->api), o, origin);
	return origin;
}

#endif
