/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks of the modern wire (MCP extension io.modelcontextprotocol/tasks of 2026-07-28). Nobody asks for one:
 * a server that we told we know the extension may answer a call of a tool with a task instead of a result.
 * The life of one: session_task.c. What is of this wire alone: the status that tasks/get answers with holds
 * all there is (the result, the error, what the server wants to know), and so does the one that it tells
 * on a subscription (session_task_listen.c). What it wants to know goes to session_task_inputs.c.
 *
 * How long the server keeps a task is its own affair: a call has its own time limits, and while the server
 * still answers, its word counts.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/session_int.h"

#include <string.h>

enum { WORDS_BYTES_MAX = 200 };

/* The call's own result, as it would have come at once. */
static void completed(struct protocol_task *t, struct slice status)
{
	struct answer a = {.result = scan_member(status, "result")};
	char type[32];
	fact_copy(a.result, "resultType", type, sizeof(type));
	a.is_error = slice_eq_str(scan_member(a.result, "isError"), "true");
	if (!a.result.len || a.result.ptr[0] != '{')
		err_set(&a.error, ERR_UPSTREAM, "the server's task is completed and has no result");
	else if (*type && strcmp(type, "complete") != 0)
		err_set(&a.error, ERR_UPSTREAM,
			"the result of the server's task is of the type \"%s\", which it may not be", type);
	task_end(t, &a);
}

static void failed(struct protocol_task *t, struct slice status)
{
	struct answer a = {.rpc_error = scan_member(status, "error")};
	char words[WORDS_BYTES_MAX + 1];
	fact_copy(status, "statusMessage", words, sizeof(words));
	a.rpc_code = rpc_error_code(a.rpc_error);
	if (a.rpc_error.len)
		wire_error_set(a.rpc_error, &a.error);
	else
		err_set(&a.error, ERR_UPSTREAM, "the server's task of this call failed without an error%s%s",
			*words ? ": " : "", words);
	task_end(t, &a);
}

/* It goes on. */
static void goes_on(struct protocol_task *t, const char *word, struct slice status)
{
	bool input = strcmp(word, "input_required") == 0;
	struct slice requests = scan_member(status, "inputRequests");
	struct error e = {0};
	if (!input && strcmp(word, "working") != 0)
		task_status_unknown(word, &e);
	else if (input && !requests.len)
		err_set(&e, ERR_UPSTREAM, "the server's task requires input and does not say which");
	else if (task_inputs_take(t, input ? requests : (struct slice){0}, &e) == ERR_NONE)
		task_poll_later(t);
	if (e.code)
		task_abandon(t, &e);
}

static void status_take(struct protocol_task *t, struct slice status)
{
	struct slice id = scan_member(status, "taskId");
	struct error e;
	char word[32];
	if (!slice_eq(id, buf_slice(&t->id))) {
		err_set(&e, ERR_UPSTREAM, "the server answers for another task than it was asked about");
		task_abandon(t, &e);
		return;
	}
	fact_copy(status, "status", word, sizeof(word));
	task_times_take(t, scan_member(status, "pollIntervalMs"), scan_member(status, "ttlMs"));
	task_progress(t, status);
	if (strcmp(word, "completed") == 0)
		completed(t, status);
	else if (strcmp(word, "failed") == 0)
		failed(t, status);
	else if (strcmp(word, "cancelled") == 0)
		task_ended_by_server(t, status);
	else
		goes_on(t, word, status);
}

/* What a new task says of itself holds neither result nor questions: if there are any, it is asked at once.
 */
enum err task_created(struct session *s, struct request *call, struct slice result, struct error *e)
{
	char word[32];
	if (strcmp(call->repeat->method, "tools/call") != 0)
		return err_set(e, ERR_UPSTREAM, "the server answers %s with a task, which it may not",
			       call->repeat->method);
	if (!s->task_extension)
		return err_set(e, ERR_UPSTREAM,
			       "the server answers with a task and has not declared the extension %s",
			       TASK_EXTENSION);
	struct protocol_task *t = task_new(s, call, status_take);
	if (task_name(t, scan_member(result, "taskId"), e) != ERR_NONE)
		return e->code;
	wire_rest(s, call);
	fact_copy(result, "status", word, sizeof(word));
	task_times_take(t, scan_member(result, "pollIntervalMs"), scan_member(result, "ttlMs"));
	task_progress(t, result);
	loop_timer_set(t->timer, strcmp(word, "working") == 0 ? t->poll_ms : 0);
	task_listen_start(t);
	return ERR_NONE;
}

void task_orphaned(struct session *s, struct slice result)
{
	struct slice id = scan_member(result, "taskId");
	struct buf name = BUF_INIT;
	bool is_task = s->task_extension && slice_eq_str(scan_member(result, "resultType"), "\"task\"");
	if (is_task && task_id_fits(id)) {
		buf_add_slice(&name, id);
		task_cancel_send(s, &name);
	}
	buf_release(&name);
}
