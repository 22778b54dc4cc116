/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish_step beside other calls, without a result of its own: the step needs nothing but their answers as
 * they are, and a turn is saved. It is decided when all of them have answered; one that failed, or a model
 * that goes in circles, makes it no finish. A finish_step that stands alone is exec_turn.c's, unless its
 * success is to be checked first (check.c); what it rests on is looked at here: a success of which neither a
 * result nor an answered call tells is none.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

bool finish_is_shown(const struct exec *x, const char *result)
{
	bool shown = !is_blank(result);
	for (size_t i = 0; i < x->messages_count && !shown; i++)
		shown = x->messages[i].speaker == LLM_TOOL && !x->messages[i].is_error &&
			*x->messages[i].text != '\0';
	return shown;
}

void finish_refusal(const struct exec *x, struct error *e)
{
	err_set(e, ERR_INVALID,
		"%scall " FINISH_STEP " alone, after the other calls have answered, with "
		"{\"status\": \"success\" or \"failed\", \"result\": \"...\"}%s",
		x->calls_count == 1 ? "the step is not finished: " : "",
		x->calls_count == 1
			? "; a success needs a result that tells what was found or done"
			: "; or beside them with an empty result, if their answers are the result");
}

/* A success that is claimed without anything against it, and its result. */
static bool success_read(const char *arguments, struct buf *result)
{
	struct json *j = json_parse(arguments, strlen(arguments), 0, NULL);
	bool success = strcmp(json_get_text(j, "status", ""), "success") == 0 &&
		       json_get_bool(j, "criteria_met", true) && json_get_text(j, "result", NULL) != NULL;
	buf_add_str(result, json_get_text(j, "result", ""));
	json_free(j);
	return success;
}

/* Alone, and well-formed. In a conversation it stands only while it waits for its check. */
static bool success_is_shown(const struct exec *x, const char *arguments)
{
	struct buf result = BUF_INIT;
	bool shown = success_read(arguments, &result) && finish_is_shown(x, buf_cstr(&result));
	buf_release(&result);
	return shown;
}

bool finish_waits(const struct exec *x, const struct llm_turn *turn)
{
	return check_due(x) && turn->calls_count == 1 && turn->stop != LLM_STOP_LENGTH &&
	       strcmp(turn->calls[0].name, FINISH_STEP) == 0 && success_is_shown(x, turn->calls[0].arguments);
}

static bool rides_read(const struct exec_call *c)
{
	const struct exec *x = c->exec;
	struct buf result = BUF_INIT;
	size_t finishes = 0;
	if (x->calls_count == 1)
		return success_is_shown(x, c->arguments);
	for (size_t i = 0; i < x->calls_count; i++)
		finishes += strcmp(x->calls[i].name, FINISH_STEP) == 0;
	bool rides = finishes == 1 && success_read(c->arguments, &result) && is_blank(buf_cstr(&result));
	buf_release(&result);
	return rides;
}

/* Asked in each turn of the loop; the arguments say the same each time. */
bool finish_rides(struct exec_call *c)
{
	if (strcmp(c->name, FINISH_STEP) != 0)
		return false;
	if (c->finish == FINISH_UNREAD)
		c->finish = rides_read(c) ? FINISH_RIDES : FINISH_STANDS;
	return c->finish == FINISH_RIDES;
}

void finish_ride(struct exec_call *c)
{
	struct exec *x = c->exec;
	struct error e;
	bool failed = false;
	for (size_t i = 0; i < x->calls_count; i++) {
		if (&x->calls[i] == c)
			continue;
		if (x->calls[i].state != CALL_DONE)
			return;
		failed = failed || x->messages[x->calls[i].message].is_error;
	}
	if (failed || x->stuck != NULL) {
		err_set(&e, ERR_CONFLICT, "the step is not finished: a call of this turn failed");
		call_failed(c, &e, false);
		return;
	}
	c->state = CALL_DONE;
	x->finishing = true;
}

void finish_result(const struct exec *x, struct buf *out)
{
	if (x->calls_count == 1) {
		(void)success_read(x->calls[0].arguments, out);
		return;
	}
	for (size_t i = 0; i < x->calls_count; i++) {
		const char *text = context_full(x, x->calls[i].id);
		if (text != NULL)
			buf_put(out, out->len > 0 ? "\n" : "", text);
	}
}
