/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the result of a tool call is kept. Images, audio and blobs of resources are written to the archive,
 * each as an artifact of the task with its own media type, and the result has typed previews in their place
 * (parts.c). Up to limits.tool_result_bytes it then stands in tool.completed; a larger one is written to the
 * archive, too, and tool.completed has the bounded text of it and says where the whole is. All artifacts are
 * durable before tool.completed is written; a full disk is waited for; without an archive, or when the
 * writing fails otherwise, previews say that the bytes are not kept, and the bounded text is all there is.
 * The model is shown its part in any case.
 *
 * Artifacts of a task are numbered 1, 2, 3 ... A run that died may have left some that no event names: a call
 * that is made again takes their numbers where its result is the same, else the next ones.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_TRIED_MAX = 100, ROOM_WAITS_MAX = 20, MARKER_BYTES_MAX = 64 /* of result_bound */ };
static const char MEDIA_TYPE[] = "application/json";

/* A result between its arrival and tool.completed. */
struct call_result {
	struct json *result; /* as the server sent it */
	bool is_error;
	char *schema_error; /* NULL: none */
	int64_t duration_ms;
	struct result_part *parts;
	size_t parts_count, parts_done;
	struct buf whole; /* the text of the result, once all parts are done: with their previews */
	bool whole_tried, whole_kept;
	uint32_t whole_number;
	char whole_sha256[SHA256_HEX_SIZE];
	/* The artifact that is being written: */
	struct buf bytes; /* of a part */
	uint32_t number, numbers_tried;
	int room_waits; /* for what there never is room for */
	char sha256[SHA256_HEX_SIZE];
};

static void result_next(struct exec_call *c);
static bool part_begin(struct exec_call *c, struct result_part *p);
static void artifact_begin(struct exec_call *c);
static struct slice artifact_bytes(const struct call_result *k);
static void artifact_written(const struct archive_answer *a, void *arg);
static void artifact_done(struct exec_call *c, const struct error *why);
static void result_completed(struct exec_call *c);

void result_keep(struct exec_call *c, const struct mcp_call_end *end, struct json *result)
{
	struct call_result *k = xcalloc(1, sizeof *k);
	k->result = result;
	k->duration_ms = end->duration_ms;
	k->schema_error = output_fault(c, end, result);
	k->is_error = end->is_error || k->schema_error != NULL;
	k->parts = parts_find(result, &k->parts_count);
	if (k->parts_count == 0)
		buf_add_slice(&k->whole, end->result);
	c->result = k;
	result_next(c);
}

void call_result_free(struct call_result *k)
{
	if (k == NULL)
		return;
	json_free(k->result);
	free(k->schema_error);
	free(k->parts);
	buf_release(&k->whole);
	buf_release(&k->bytes);
	free(k);
}

void result_write_text(struct record *rec, const char *text, size_t bytes_max)
{
	struct buf bounded = BUF_INIT;
	result_bound(slice_str(text), bytes_max, &bounded);
	jw_name(&rec->w, "result");
	jw_object(&rec->w);
	jw_name(&rec->w, "content");
	jw_array(&rec->w);
	jw_object(&rec->w);
	jw_kv_text(&rec->w, "type", "text");
	jw_kv_text(&rec->w, "text", buf_cstr(&bounded));
	jw_object_end(&rec->w);
	jw_array_end(&rec->w);
	jw_object_end(&rec->w);
	buf_release(&bounded);
}

char *artifact_url(const char *task_id, uint32_t number)
{
	return xasprintf("/v1/tasks/%s/artifacts/%u", task_id, number);
}

void result_keep_again(struct exec_call *c)
{
	struct run *r = c->exec->run;
	const struct call_result *k = c->result;
	const struct result_part *p = k->parts_done < k->parts_count ? &k->parts[k->parts_done] : NULL;
	char name[CALL_ID_SIZE + 32];
	if (c->keeping != NULL || store_accepts(r->agent->store, NULL) != ERR_NONE)
		return;
	if (p != NULL)
		snprintf(name, sizeof name, "%s-%zu.%s", c->id, k->parts_done + 1, part_suffix(p));
	else
		snprintf(name, sizeof name, "%s.json", c->id);
	struct artifact_new n = {.task = r->id,
				 .number = k->number,
				 .media_type = p != NULL ? part_media_type(p) : MEDIA_TYPE,
				 .name = name,
				 .bytes = artifact_bytes(k)};
	c->keeping = artifact_write(r->agent->archive, &n, artifact_written, c);
}

/* --- helpers --- */

/* The parts in their order, the whole if it is large, then the event. */
static void result_next(struct exec_call *c)
{
	struct run *r = c->exec->run;
	struct call_result *k = c->result;
	for (; k->parts_done < k->parts_count; k->parts_done++)
		if (part_begin(c, &k->parts[k->parts_done]))
			return;
	if (k->parts_count > 0 && !k->whole_tried)
		parts_print(k->result, k->parts, k->parts_count, r->task_id, &k->whole);
	if (!k->whole_tried && k->whole.len > r->agent->options.tool_result_bytes_max) {
		k->whole_tried = true;
		if (r->agent->archive != NULL) {
			artifact_begin(c);
			return;
		}
	}
	result_completed(c);
}

/* false: there is nothing of it to be written. */
static bool part_begin(struct exec_call *c, struct result_part *p)
{
	struct agent *a = c->exec->run->agent;
	struct call_result *k = c->result;
	if (!part_decode(p, &k->bytes))
		return false;
	p->state = PART_DROPPED;
	if (a->archive == NULL)
		p->why = "there is no store to keep it in (store.backend: memory)";
	else if (k->parts_done >= (size_t)a->options.tool_result_parts_max)
		p->why = "the result has more parts than limits.tool_result_parts";
	else
		p->why = NULL;
	if (p->why != NULL)
		return false;
	artifact_begin(c);
	return true;
}

static struct slice artifact_bytes(const struct call_result *k)
{
	return buf_slice(k->parts_done < k->parts_count ? &k->bytes : &k->whole);
}

static void artifact_begin(struct exec_call *c)
{
	struct call_result *k = c->result;
	struct slice bytes = artifact_bytes(k);
	sha256_hex(bytes.ptr, bytes.len, k->sha256);
	k->number = ++c->exec->run->artifacts_named;
	k->numbers_tried++;
	c->state = CALL_KEEPING;
	result_keep_again(c);
}

static void artifact_written(const struct archive_answer *a, void *arg)
{
	struct exec_call *c = arg;
	struct run *r = c->exec->run;
	c->keeping = NULL;
	if (a->error.code == ERR_CONFLICT && c->result->numbers_tried < NUMBERS_TRIED_MAX) {
		artifact_begin(c);
		return;
	}
	/* The news that there is room again wakes the run. */
	if (a->error.code == ERR_NO_SPACE && c->result->room_waits++ < ROOM_WAITS_MAX) {
		result_keep_again(c);
		return;
	}
	artifact_done(c, &a->error);
	result_next(c);
	if (!run_over(r))
		run_wake(r);
}

static void artifact_done(struct exec_call *c, const struct error *why)
{
	struct call_result *k = c->result;
	bool kept = why->code == ERR_NONE;
	k->numbers_tried = 0;
	k->room_waits = 0;
	if (!kept)
		log_warn("a part of a tool result could not be kept: the task goes on without it",
			 LF_STR("task_id", c->exec->run->task_id), LF_STR("call", c->id),
			 LF_STR("error", why->msg));
	if (k->parts_done == k->parts_count) {
		k->whole_kept = kept;
		k->whole_number = k->number;
		memcpy(k->whole_sha256, k->sha256, sizeof k->sha256);
		return;
	}
	struct result_part *p = &k->parts[k->parts_done++];
	p->state = kept ? PART_KEPT : PART_DROPPED;
	p->why = kept ? NULL : "it could not be written";
	p->number = k->number;
	memcpy(p->sha256, k->sha256, sizeof k->sha256);
}

/* --- the event --- */

static void artifact_describe(struct jw *w, const struct run *r, uint32_t number, size_t bytes,
			      const char *media_type, const char *sha256)
{
	char *url = artifact_url(r->task_id, number);
	jw_object(w);
	jw_kv_int(w, "number", number);
	jw_kv_int(w, "bytes", (int64_t)bytes);
	jw_kv_text(w, "media_type", media_type);
	jw_kv_text(w, "sha256", sha256);
	jw_kv_text(w, "url", url);
	jw_object_end(w);
	free(url);
}

static void parts_describe(struct jw *w, const struct run *r, const struct call_result *k)
{
	bool any = false;
	for (size_t i = 0; i < k->parts_count; i++)
		any = any || k->parts[i].state == PART_KEPT;
	if (!any)
		return;
	jw_name(w, "artifacts");
	jw_array(w);
	for (size_t i = 0; i < k->parts_count; i++) {
		const struct result_part *p = &k->parts[i];
		if (p->state == PART_KEPT)
			artifact_describe(w, r, p->number, p->bytes, part_media_type(p), p->sha256);
	}
	jw_array_end(w);
}

/* The event has what a text of this result has room for. */
static struct json *result_preview(const struct run *r, const struct json *result)
{
	struct buf text = BUF_INIT;
	result_text(result, NULL, r->agent->options.tool_result_bytes_max - MARKER_BYTES_MAX, &text);
	struct json *preview = json_new_object(), *content = json_new_array(), *block = json_new_object();
	json_set(block, "type", json_new_text("text"));
	json_set(block, "text", json_new_text(buf_cstr(&text)));
	json_push(content, block);
	json_set(preview, "content", content);
	buf_release(&text);
	return preview;
}

/* The result as the event has it. */
static struct json *result_of_event(const struct run *r, struct call_result *k)
{
	struct json *result = k->result, *whole = NULL;
	if (k->parts_count > 0)
		result = whole = json_parse(k->whole.data, k->whole.len, JSON_DEPTH_MAX, NULL);
	if (k->whole_tried)
		result = result_preview(r, result);
	if (whole != NULL && whole != result)
		json_free(whole);
	if (result == k->result)
		k->result = NULL;
	return result;
}

static void completed_write(struct record *rec, const struct exec_call *c, const struct call_result *k,
			    const struct json *result)
{
	const struct run *r = c->exec->run;
	call_head(rec, c);
	jw_kv_bool(&rec->w, "is_error", k->is_error);
	if (k->schema_error != NULL)
		jw_kv_text(&rec->w, "schema_error", k->schema_error);
	jw_kv_int(&rec->w, "duration_ms", k->duration_ms);
	if (k->whole_tried)
		jw_kv_json(&rec->w, "result", result);
	else
		jw_kv_raw(&rec->w, "result", k->whole.data, k->whole.len);
	if (k->whole_tried) {
		jw_kv_bool(&rec->w, "truncated", true);
		jw_kv_int(&rec->w, "result_bytes", (int64_t)k->whole.len);
	}
	if (k->whole_kept) {
		jw_name(&rec->w, "artifact");
		artifact_describe(&rec->w, r, k->whole_number, k->whole.len, MEDIA_TYPE, k->whole_sha256);
	}
	parts_describe(&rec->w, r, k);
}

static void result_completed(struct exec_call *c)
{
	struct run *r = c->exec->run;
	struct call_result *k = c->result;
	struct json *result = result_of_event(r, k);
	enum event_type type = EVENT_TOOL_COMPLETED;
	struct record rec;
	c->result = NULL;
	completed_write(&rec, c, k, result);
	struct result_view view = {.result = result,
				   .is_error = k->is_error,
				   .fault = k->schema_error,
				   .whole_bytes = k->whole_tried ? (int64_t)k->whole.len : 0,
				   .artifact = k->whole_kept ? k->whole_number : 0};
	/* What took effect is said at once: who does not know of it would ask a person. */
	if (c->read_only ? record_soon(r, &rec, &type, 1) : record_event(r, &rec, type))
		calls_answer_result(c, &view);
	json_free(result);
	call_result_free(k);
}
