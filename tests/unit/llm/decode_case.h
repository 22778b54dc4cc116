/* SPDX-License-Identifier: Apache-2.0 */
/* Decodes answers of a wire for tests, each whole and byte by byte: both must give the same. */
#ifndef TESTS_UNIT_LLM_DECODE_CASE_H
#define TESTS_UNIT_LLM_DECODE_CASE_H

#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static enum llm_api decode_api = LLM_CHAT;
static struct llm_decode decode; /* of the last answer */
static struct error failure;

static inline enum err decode_in_steps(const char *bytes, size_t n, size_t step)
{
	llm_decode_release(&decode);
	llm_decode_init(&decode, llm_wire_of(decode_api),
			(struct llm_decode_from){.origin = "here", .input_bytes = 400, .calls_before = 3});
	failure = (struct error){0};
	for (size_t i = 0; i < n; i += step) {
		enum err rc = llm_decode_feed(&decode, (struct slice){bytes + i, n - i < step ? n - i : step},
					      &failure);
		if (rc != ERR_NONE)
			return rc;
	}
	return llm_decode_finish(&decode, &failure);
}

static inline char *turn_print(void)
{
	const struct llm_turn *t = turn_buf_view(&decode.turn);
	struct buf b = BUF_INIT;
	buf_printf(&b, "%s|%s|%s|%s|%s|", t->text, t->refusal ? t->refusal : "-",
		   t->reasoning ? t->reasoning : "-", llm_stop_text(t->stop), t->model);
	for (size_t i = 0; i < t->calls_count; i++)
		buf_printf(&b, "[%s %s %s %s]", t->calls[i].id, t->calls[i].name, t->calls[i].arguments,
			   t->calls[i].opaque ? t->calls[i].opaque : "-");
	if (t->echo != NULL)
		buf_printf(&b, "|%s", t->echo);
	return buf_take(&b);
}

static inline enum err decode_all(const char *stream)
{
	size_t n = strlen(stream);
	enum err rc = decode_in_steps(stream, n, n);
	char *whole = turn_print();
	assert_int_equal(decode_in_steps(stream, n, 1), rc);
	char *bytewise = turn_print();
	assert_string_equal(whole, bytewise);
	free(whole);
	free(bytewise);
	return rc;
}

static inline const struct llm_turn *turn_of(const char *stream)
{
	enum err rc = decode_all(stream);
	if (rc != ERR_NONE)
		fail_msg("decode failed: %s", failure.msg);
	return turn_buf_view(&decode.turn);
}

#define CHUNK(delta)         "data: {\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":" delta "}]}\n\n"
#define CALLS(fragments)     CHUNK("{\"tool_calls\":[" fragments "]}")
#define FINISH(reason)       "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"
#define DONE                 "data: [DONE]\n\n"
#define FUNCTION(name, args) "\"function\":{\"name\":\"" name "\",\"arguments\":\"" args "\"}"

static inline int decode_teardown(void **state)
{
	(void)state;
	llm_decode_release(&decode);
	return 0;
}

#endif
