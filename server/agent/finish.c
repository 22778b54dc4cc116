/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish_step beside other calls, without a result of its own: the step needs nothing but their answers as
 * they are, and a turn is saved. It is decided when all of them have answered; one that failed, or a model
 * that goes in circles, makes it no finish. A finish_step that stands alone is executor.c's; what it rests on
 * is looked at here: a success of which neither a result nor an answered call tells is none.
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
		shown = x->messages[i].speaker == LLM_TOOL && !x->messages[i].is_error;
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

bool finish_rides(const struct exec_call *c)
{
	const struct exec *x = c->exec;
	size_t finishes = 0;
	if (strcmp(c->name, FINISH_STEP) != 0 || x->calls_count < 2)
		return false;
	for (size_t i = 0; i < x->calls_count; i++)
		finishes += strcmp(x->calls[i].name, FINISH_STEP) == 0;
	struct json *j = json_parse(c->arguments, strlen(c->arguments), 0, NULL);
	const char *result = json_get_text(j, "result", "");
	bool rides = finishes == 1 && strcmp(json_get_text(j, "status", ""), "success") == 0 &&
		     json_get_bool(j, "criteria_met", true) && is_blank(result);
	json_free(j);
	return rides;
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
	for (size_t i = 0; i < x->calls_count; i++) {
		const char *text = context_full(x, x->calls[i].id);
		if (text != NULL)
			buf_printf(out, "%s%s", out->len > 0 ? "\n" : "", text);
	}
}
