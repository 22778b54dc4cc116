/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish_step beside other calls, without a result of its own: the step needs nothing but their answers as
 * they are, and a turn is saved. It is decided when all of them have answered; one that failed, or a model
 * that goes in circles, makes it no finish. A finish_step that stands alone is executor.c's.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <string.h>

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
		     json_get_bool(j, "criteria_met", true) && result[strspn(result, " \n\t")] == '\0';
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
