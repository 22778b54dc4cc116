/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes back to a model's API with its own turn: reasoning that is sealed or signed, in the place where
 * it stood between texts and calls. Pure.
 *
 * While an answer is decoded its parts are listed in order (struct llm_part_buf). The echo made of them is a
 * JSON text that the agent keeps with the turn without looking into it:
 *
 *   {"origin": "messages-0f3c...", "parts": [{"raw": {...}}, {"text": 12, "phase": "commentary"}, {"call":
 * 1}]}
 *
 * A text is told by its number of bytes and a call by its turn, since the turn itself holds both. So an echo
 * never says anything twice, and a turn that was changed since, or goes to another server after a failover,
 * is still written whole: without the raw parts then.
 */
#include "base/base.h"
#include "llm/llm.h"
#include "llm/wire_int.h"

#include <stdlib.h>
#include <string.h>

/* --- parts of an answer as it comes --- */

struct llm_part_buf *turn_buf_new_part(struct llm_turn_buf *t, enum llm_part_kind kind, int64_t key)
{
	if (t->parts_count == LLM_PARTS_MAX)
		return NULL;
	t->parts = xrealloc(t->parts, (t->parts_count + 1) * sizeof(*t->parts));
	struct llm_part_buf *p = &t->parts[t->parts_count++];
	*p = (struct llm_part_buf){
		.kind = kind,
		.key = key,
		.text = BUF_LIMIT(LLM_ECHO_BYTES_MAX),
		.signature = BUF_LIMIT(LLM_ECHO_BYTES_MAX),
	};
	return p;
}

struct llm_part_buf *turn_buf_find_part(struct llm_turn_buf *t, int64_t key)
{
	for (size_t i = t->parts_count; i > 0; i--) {
		if (t->parts[i - 1].key == key)
			return &t->parts[i - 1];
	}
	return NULL;
}

void turn_buf_add_part_text(struct llm_turn_buf *t, struct llm_part_buf *p, const char *text)
{
	if (text != NULL && turn_buf_add_text(t, text))
		p->bytes += strlen(text);
}

struct llm_call_buf *turn_buf_part_call(struct llm_turn_buf *t, const struct llm_part_buf *p)
{
	ensure(p->kind == LLM_PART_CALL && p->call < t->calls_count);
	return &t->calls[p->call];
}

void turn_buf_release_parts(struct llm_turn_buf *t)
{
	for (size_t i = 0; i < t->parts_count; i++) {
		json_free(t->parts[i].value);
		buf_release(&t->parts[i].text);
		buf_release(&t->parts[i].signature);
	}
	free(t->parts);
	t->parts = NULL;
	t->parts_count = 0;
}

/* --- writing --- */

/* Text and calls are written in this order anyway. */
static bool is_needed(const struct llm_turn_buf *t)
{
	bool called = false;
	for (size_t i = 0; i < t->parts_count; i++) {
		const struct llm_part_buf *p = &t->parts[i];
		if ((p->kind == LLM_PART_RAW && p->value != NULL) || p->phase[0] != '\0' ||
		    (p->kind == LLM_PART_TEXT && p->bytes > 0 && called))
			return true;
		called |= p->kind == LLM_PART_CALL;
	}
	return false;
}

static void put_part(struct jw *w, const struct llm_part_buf *p)
{
	jw_object(w);
	if (p->kind == LLM_PART_RAW) {
		jw_kv_json(w, "raw", p->value);
	} else if (p->kind == LLM_PART_CALL) {
		jw_kv_int(w, "call", 1);
	} else {
		jw_kv_int(w, "text", (int64_t)p->bytes);
		if (p->phase[0] != '\0')
			jw_kv_text(w, "phase", p->phase);
	}
	jw_object_end(w);
}

void turn_buf_make_echo(struct llm_turn_buf *t, const char *origin)
{
	buf_reset(&t->echo);
	if (!is_needed(t))
		return;
	struct jw w = JW(&t->echo);
	jw_object(&w);
	jw_kv_text(&w, "origin", origin);
	jw_name(&w, "parts");
	jw_array(&w);
	for (size_t i = 0; i < t->parts_count; i++) {
		const struct llm_part_buf *p = &t->parts[i];
		bool empty = (p->kind == LLM_PART_RAW && p->value == NULL) ||
			     (p->kind == LLM_PART_TEXT && p->bytes == 0);
		if (!empty)
			put_part(&w, p);
	}
	jw_array_end(&w);
	jw_object_end(&w);
	if (t->echo.overflow)
		buf_reset(&t->echo); /* sealed reasoning beyond any model's: the turn goes back without */
}

/* --- reading --- */

void llm_parts_open(struct llm_parts *p, const struct llm_message *m, const char *origin)
{
	*p = (struct llm_parts){.message = m, .text_len = m->text != NULL ? strlen(m->text) : 0};
	if (m->echo == NULL)
		return;
	p->tree = json_parse(m->echo, strlen(m->echo), JSON_DEPTH_MAX, NULL);
	if (strcmp(json_get_text(p->tree, "origin", ""), origin) != 0)
		return;
	uint64_t bytes = 0;
	p->at = json_first(json_get(p->tree, "parts"));
	for (const struct json *j = p->at; j != NULL; j = json_next(j))
		bytes += (uint64_t)json_get_integer(j, "text", 0);
	p->text_fits = bytes == p->text_len;
}

static bool give_text(struct llm_parts *p, size_t n, const char *phase, struct llm_part *out)
{
	*out = (struct llm_part){
		.kind = LLM_PART_TEXT, .text = {p->message->text + p->text_at, n}, .phase = phase};
	p->text_at += n;
	return true;
}

static bool give_call(struct llm_parts *p, struct llm_part *out)
{
	*out = (struct llm_part){.kind = LLM_PART_CALL, .call = &p->message->calls[p->calls_at++]};
	return true;
}

/* What a part of the echo stands for; false: nothing (any more). */
static bool part_read(struct llm_parts *p, const struct json *j, struct llm_part *out)
{
	int64_t n;
	size_t left = p->text_len - p->text_at;
	const struct json *raw = json_get(j, "raw");
	if (json_is(raw, JSON_OBJECT)) {
		*out = (struct llm_part){.kind = LLM_PART_RAW, .raw = raw};
		return true;
	}
	if (json_get(j, "call") != NULL)
		return p->calls_at < p->message->calls_count && give_call(p, out);
	if (!json_integer(json_get(j, "text"), &n) || n <= 0 || left == 0)
		return false;
	size_t take = p->text_fits && (uint64_t)n < left ? (size_t)n : left;
	return give_text(p, take, json_get_text(j, "phase", NULL), out);
}

bool llm_parts_next(struct llm_parts *p, struct llm_part *out)
{
	while (p->at != NULL) {
		const struct json *j = p->at;
		p->at = json_next(j);
		if (part_read(p, j, out))
			return true;
	}
	if (p->text_at < p->text_len)
		return give_text(p, p->text_len - p->text_at, NULL, out);
	return p->calls_at < p->message->calls_count && give_call(p, out);
}

void llm_parts_close(struct llm_parts *p)
{
	json_free(p->tree);
	p->tree = NULL;
	p->at = NULL;
}
