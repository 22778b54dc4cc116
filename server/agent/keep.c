/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the result of a tool call is kept. Up to limits.tool_result_bytes it stands in tool.completed as the
 * server sent it. A larger one is written to the archive first, as an artifact of the task, and
 * tool.completed has the bounded text of it and says where the whole is; a full disk is waited for; without
 * an archive, or when the writing fails otherwise, the bounded text is all there is. The model is shown its
 * part in any case.
 *
 * Artifacts of a task are numbered 1, 2, 3 ... A run that died may have left one that no event names: a call
 * that is made again takes its number when its result is the same, else the next one.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_TRIED_MAX = 100, ROOM_WAITS_MAX = 20 };
static const char MEDIA_TYPE[] = "application/json";

/* A large result between its arrival and tool.completed. */
struct call_result {
	char *preview, *shown; /* for the event, for the model */
	bool is_error;
	int64_t duration_ms;
	size_t bytes;
	struct buf whole; /* until it is written */
	uint32_t number, numbers_tried;
	int room_waits; /* for a result for which there never is room */
	char sha256[SHA256_HEX_SIZE];
};

static char *shown_text(const struct exec_call *c, const struct mcp_call_end *end, const struct json *result);
static void large_keep(struct exec_call *c, const struct mcp_call_end *end, const struct json *result);
static void artifact_begin(struct exec_call *c);
static void artifact_written(const struct archive_answer *a, void *arg);
static void large_completed(struct exec_call *c, bool kept);

void result_keep(struct exec_call *c, const struct mcp_call_end *end, const struct json *result)
{
	struct run *r = c->exec->run;
	struct record rec;
	if (end->result.len > r->agent->options.tool_result_bytes_max) {
		large_keep(c, end, result);
		return;
	}
	call_head(&rec, c);
	jw_kv_bool(&rec.w, "is_error", end->is_error);
	jw_kv_int(&rec.w, "duration_ms", end->duration_ms);
	jw_kv_raw(&rec.w, "result", end->result.ptr, end->result.len);
	if (!record_event(r, &rec, EVENT_TOOL_COMPLETED))
		return;
	char *shown = shown_text(c, end, result);
	calls_answer(c, shown, end->is_error);
	free(shown);
}

void call_result_free(struct call_result *k)
{
	if (k == NULL)
		return;
	free(k->preview);
	free(k->shown);
	buf_release(&k->whole);
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

/* --- helpers --- */

static char *shown_text(const struct exec_call *c, const struct mcp_call_end *end, const struct json *result)
{
	struct buf text = BUF_INIT;
	if (end->is_error)
		buf_add_str(&text, "Error: ");
	result_text(result, exec_context_bytes_max(c->exec->run->agent), &text);
	return buf_take(&text);
}

static void large_keep(struct exec_call *c, const struct mcp_call_end *end, const struct json *result)
{
	struct run *r = c->exec->run;
	struct call_result *k = xcalloc(1, sizeof *k);
	struct buf preview = BUF_INIT;
	result_text(result, r->agent->options.tool_result_bytes_max, &preview);
	k->preview = buf_take(&preview);
	k->shown = shown_text(c, end, result);
	k->is_error = end->is_error;
	k->duration_ms = end->duration_ms;
	k->bytes = end->result.len;
	k->whole = BUF_LIMIT(end->result.len);
	c->result = k;
	if (r->agent->archive == NULL || !buf_add_slice(&k->whole, end->result))
		large_completed(c, false);
	else
		artifact_begin(c);
}

static void artifact_begin(struct exec_call *c)
{
	struct slice bytes = buf_slice(&c->result->whole);
	sha256_hex(bytes.ptr, bytes.len, c->result->sha256);
	c->result->number = ++c->exec->run->artifacts_named;
	c->result->numbers_tried++;
	c->state = CALL_KEEPING;
	result_keep_again(c);
}

void result_keep_again(struct exec_call *c)
{
	struct run *r = c->exec->run;
	char name[CALL_ID_SIZE + 8];
	if (c->keeping != NULL || store_accepts(r->agent->store, NULL) != ERR_NONE)
		return;
	snprintf(name, sizeof name, "%s.json", c->id);
	struct artifact_new n = {.task = r->id,
				 .number = c->result->number,
				 .media_type = MEDIA_TYPE,
				 .name = name,
				 .bytes = buf_slice(&c->result->whole)};
	c->keeping = artifact_write(r->agent->archive, &n, artifact_written, c);
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
	if (a->error.code != ERR_NONE)
		log_warn("a large tool result could not be kept whole: only its ends are",
			 LF_STR("task_id", r->task_id), LF_STR("call", c->id), LF_STR("error", a->error.msg));
	large_completed(c, a->error.code == ERR_NONE);
	if (!run_over(r))
		run_wake(r);
}

static void artifact_write_members(struct jw *w, const struct run *r, const struct call_result *k)
{
	char *url = xasprintf("/v1/tasks/%s/artifacts/%u", r->task_id, k->number);
	jw_name(w, "artifact");
	jw_object(w);
	jw_kv_int(w, "number", k->number);
	jw_kv_int(w, "bytes", (int64_t)k->bytes);
	jw_kv_text(w, "media_type", MEDIA_TYPE);
	jw_kv_text(w, "sha256", k->sha256);
	jw_kv_text(w, "url", url);
	jw_object_end(w);
	free(url);
}

static void large_completed(struct exec_call *c, bool kept)
{
	struct run *r = c->exec->run;
	struct call_result *k = c->result;
	struct record rec;
	c->result = NULL;
	call_head(&rec, c);
	jw_kv_bool(&rec.w, "is_error", k->is_error);
	jw_kv_int(&rec.w, "duration_ms", k->duration_ms);
	/* The marker of what was left out comes on top: it was bounded already. */
	result_write_text(&rec, k->preview, strlen(k->preview));
	jw_kv_bool(&rec.w, "truncated", true);
	jw_kv_int(&rec.w, "result_bytes", (int64_t)k->bytes);
	if (kept)
		artifact_write_members(&rec.w, r, k);
	if (record_event(r, &rec, EVENT_TOOL_COMPLETED))
		calls_answer(c, k->shown, k->is_error);
	call_result_free(k);
}
