/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets of the decoders of model APIs share; each defines FUZZ_API. Whatever the bytes are:
 * the turn, the error and what the server reported must not depend on how the bytes are cut into reads; a
 * turn that ends well must be one the agent can work with; and what the model sent must be such that it can
 * be sent back on the next turn.
 */
#ifndef TESTS_FUZZ_FUZZ_LLM_H
#define TESTS_FUZZ_FUZZ_LLM_H

#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 4, BYTE_BY_BYTE_MAX = 2000, INPUT_BYTES = 100 };

struct outcome {
	struct llm_decode decode;
	enum err rc;
	struct error e;
};

/* xorshift64: the same input takes the same path. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* The one the encoder makes, so that what it wrote is read again. */
static const char *origin(void)
{
	static char text[LLM_ORIGIN_SIZE];
	if (text[0] == '\0')
		llm_wire_origin(llm_wire_of(FUZZ_API), &(struct llm_options){.model = "m"}, text);
	return text;
}

/* Decodes in pieces of 1 to step_max bytes; step_max 0: in one piece. */
static void decode_run(struct outcome *o, const struct llm_wire *wire, struct slice s, size_t step_max,
		       uint64_t *seed)
{
	o->rc = ERR_NONE;
	o->e = (struct error){0};
	llm_decode_init(&o->decode, wire,
			(struct llm_decode_from){.origin = origin(), .input_bytes = INPUT_BYTES});
	for (size_t at = 0, n; at < s.len && o->rc == ERR_NONE; at += n) {
		n = step_max == 0 ? s.len : 1 + next_random(seed) % step_max;
		n = n < s.len - at ? n : s.len - at;
		o->rc = llm_decode_feed(&o->decode, (struct slice){s.ptr + at, n}, &o->e);
	}
	if (o->rc == ERR_NONE)
		o->rc = llm_decode_finish(&o->decode, &o->e);
}

static void text_check(const char *a, const char *b)
{
	ensure((a == NULL) == (b == NULL));
	ensure(a == NULL || strcmp(a, b) == 0);
	ensure(a == NULL || utf8_valid(a, strlen(a)));
}

static void outcomes_check_same(struct outcome *a, struct outcome *b)
{
	ensure(a->rc == b->rc && strcmp(a->e.msg, b->e.msg) == 0);
	ensure(a->decode.faulted == b->decode.faulted);
	ensure(memcmp(&a->decode.fault, &b->decode.fault, sizeof(a->decode.fault)) == 0);
	const struct llm_turn *s = turn_buf_view(&a->decode.turn), *t = turn_buf_view(&b->decode.turn);
	text_check(s->text, t->text);
	text_check(s->refusal, t->refusal);
	text_check(s->reasoning, t->reasoning);
	text_check(s->echo, t->echo);
	ensure(s->calls_count == t->calls_count && s->stop == t->stop);
	ensure(memcmp(&s->usage, &t->usage, sizeof(s->usage)) == 0);
	for (size_t i = 0; i < s->calls_count; i++) {
		text_check(s->calls[i].id, t->calls[i].id);
		text_check(s->calls[i].name, t->calls[i].name);
		text_check(s->calls[i].arguments, t->calls[i].arguments);
		text_check(s->calls[i].opaque, t->calls[i].opaque);
	}
}

/* What the agent relies on, and that the turn can go back to the server. */
static void turn_check(struct outcome *o)
{
	const struct llm_turn *t = turn_buf_view(&o->decode.turn);
	ensure(t->calls_count <= LLM_CALLS_MAX);
	ensure(t->stop != LLM_STOP_TOOL || t->calls_count > 0);
	for (size_t i = 0; i < t->calls_count; i++) {
		ensure(t->calls[i].id[0] != '\0' && t->calls[i].name[0] != '\0' &&
		       t->calls[i].arguments[0] != '\0');
		for (size_t k = 0; k < i; k++)
			ensure(strcmp(t->calls[i].id, t->calls[k].id) != 0);
	}
	const struct llm_message echo = {.speaker = LLM_ASSISTANT,
					 .text = t->text,
					 .calls = t->calls,
					 .calls_count = t->calls_count,
					 .reasoning = t->reasoning,
					 .echo = t->echo};
	struct llm_request r = {.messages = &echo, .messages_count = 1};
	struct buf body = BUF_INIT;
	struct error e;
	const struct llm_options options = {.api = FUZZ_API, .model = "m"};
	ensure(llm_wire_of(FUZZ_API)->encode(&options, &r, &body, &e) == ERR_NONE);
	struct json *j = json_parse(body.data, body.len, JSON_DEPTH_MAX, &e);
	ensure(j != NULL);
	json_free(j);
	buf_release(&body);
}

static int fuzz_one(const uint8_t *data, size_t size)
{
	struct slice s = {(const char *)data, size};
	uint64_t seed = 0x9e3779b97f4a7c15 ^ size;
	struct outcome whole, cut, plain;
	const struct llm_wire *wire = llm_wire_of(FUZZ_API);
	struct llm_wire slow = *wire;
	slow.peek = NULL;
	for (size_t i = 0; i < size; i++)
		seed = (seed ^ data[i]) * 0x100000001b3;
	seed |= 1;
	decode_run(&whole, wire, s, 0, &seed);
	ensure(whole.rc == ERR_NONE || whole.e.msg[0] != '\0');
	ensure(utf8_valid(whole.e.msg, strlen(whole.e.msg)));
	if (whole.rc == ERR_NONE)
		turn_check(&whole);
	for (int round = 0; round < ROUNDS; round++) {
		bool bytes = round == 0 && size <= BYTE_BY_BYTE_MAX;
		decode_run(&cut, wire, s, bytes ? 1 : 1 + size / 3, &seed);
		outcomes_check_same(&whole, &cut);
		llm_decode_release(&cut.decode);
	}
	decode_run(&plain, &slow, s, 0, &seed);
	if (plain.rc == ERR_NONE)
		outcomes_check_same(&whole, &plain);
	llm_decode_release(&plain.decode);
	llm_decode_release(&whole.decode);
	return 0;
}

#endif
