/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our decoders as a program, to be held beside others: reads a recorded answer of a model API from stdin.
 *
 *   llm_turn API           prints the turn it decodes to, as one JSON object; an error says so in "error"
 *   llm_turn API ROUNDS    decodes it so many times and prints {"bytes": N, "mb_s": [...]}, one figure a
 * round
 *
 * It feeds the decoder as a socket does, in pieces of 16 KiB.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_BYTES = 16 << 10 };

static void input_read(struct buf *b)
{
	char piece[PIECE_BYTES];
	ssize_t n;
	while ((n = read(STDIN_FILENO, piece, sizeof(piece))) > 0)
		ensure(buf_add(b, piece, (size_t)n));
	ensure(n == 0);
}

static const struct llm_wire *wire_find(const char *name)
{
	static const enum llm_api apis[] = {LLM_CHAT, LLM_RESPONSES, LLM_MESSAGES};
	for (size_t i = 0; i < COUNT_OF(apis); i++) {
		if (strcmp(llm_wire_of(apis[i])->name, name) == 0)
			return llm_wire_of(apis[i]);
	}
	return NULL;
}

/* d is initialised, and the caller's to release. */
static enum err decode(struct llm_decode *d, struct slice s, struct error *e)
{
	enum err rc = ERR_NONE;
	for (size_t at = 0, n; at < s.len && rc == ERR_NONE; at += n) {
		n = s.len - at < PIECE_BYTES ? s.len - at : PIECE_BYTES;
		rc = llm_decode_feed(d, (struct slice){s.ptr + at, n}, e);
	}
	return rc == ERR_NONE ? llm_decode_finish(d, e) : rc;
}

static void put_turn(struct jw *w, const struct llm_turn *t)
{
	jw_kv_text(w, "text", t->text);
	jw_kv_text(w, "refusal", t->refusal);
	jw_kv_text(w, "reasoning", t->reasoning);
	jw_kv_text(w, "model", t->model);
	jw_kv_text(w, "stop", llm_stop_text(t->stop));
	jw_name(w, "calls");
	jw_array(w);
	for (size_t i = 0; i < t->calls_count; i++) {
		jw_object(w);
		jw_kv_text(w, "id", t->calls[i].id);
		jw_kv_text(w, "name", t->calls[i].name);
		jw_kv_text(w, "arguments", t->calls[i].arguments);
		jw_object_end(w);
	}
	jw_array_end(w);
	jw_name(w, "usage");
	jw_object(w);
	jw_kv_int(w, "input", t->usage.input_tokens);
	jw_kv_int(w, "output", t->usage.output_tokens);
	jw_kv_int(w, "cached", t->usage.cached_tokens);
	jw_kv_int(w, "cache_write", t->usage.cache_write_tokens);
	jw_kv_int(w, "reasoning", t->usage.reasoning_tokens);
	jw_object_end(w);
	jw_kv_raw(w, "echo", t->echo, t->echo != NULL ? strlen(t->echo) : 0);
}

static void turn_print(const struct llm_wire *wire, struct slice s)
{
	struct llm_decode d;
	struct error e = {0};
	struct buf out = BUF_INIT;
	struct jw w = JW(&out);
	llm_decode_init(&d, wire, (struct llm_decode_from){.origin = wire->name});
	enum err rc = decode(&d, s, &e);
	jw_object(&w);
	if (rc != ERR_NONE)
		jw_kv_text(&w, "error", d.faulted ? d.fault.message : e.msg);
	else
		put_turn(&w, turn_buf_view(&d.turn));
	jw_object_end(&w);
	puts(buf_cstr(&out));
	buf_release(&out);
	llm_decode_release(&d);
}

/* Of this process alone: others on the machine do not count. */
static int64_t cpu_us(void)
{
	struct timespec t;
	ensure(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void speed_print(const struct llm_wire *wire, struct slice s, int rounds)
{
	printf("{\"bytes\": %zu, \"mb_s\": [", s.len);
	for (int i = 0; i < rounds; i++) {
		struct llm_decode d;
		struct error e = {0};
		llm_decode_init(&d, wire, (struct llm_decode_from){.origin = wire->name});
		int64_t begin = cpu_us();
		if (decode(&d, s, &e) != ERR_NONE) {
			fprintf(stderr, "llm_turn: %s\n", e.msg);
			exit(1);
		}
		int64_t us = cpu_us() - begin;
		printf("%s%.1f", i > 0 ? ", " : "", (double)s.len / (double)(us > 0 ? us : 1));
		llm_decode_release(&d);
	}
	puts("]}");
}

int main(int argc, char **argv)
{
	struct buf input = BUF_INIT;
	const struct llm_wire *wire = argc >= 2 ? wire_find(argv[1]) : NULL;
	if (wire == NULL) {
		fputs("usage: llm_turn chat|responses|messages [ROUNDS] <answer\n", stderr);
		return 64;
	}
	input_read(&input);
	if (argc > 2)
		speed_print(wire, buf_slice(&input), atoi(argv[2]));
	else
		turn_print(wire, buf_slice(&input));
	buf_release(&input);
	return 0;
}
