/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person types about a pending entry of a task: the first word is one of the entry's actions or the
 * beginning of one, the rest is what that action takes: a result, a reason, other arguments, what a form is
 * filled with. What is none of these, or lacks what it needs, is no decision: nothing is done by a slip of
 * the hand. Pure.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <string.h>
#include <strings.h>

enum { TAKES_NOTHING, TAKES_TEXT, TAKES_WORDS /* if there are some */, TAKES_ARGUMENTS, TAKES_FORM };

static int takes(const struct json *pending, const char *action)
{
	if (strcmp(action, "completed") == 0)
		return TAKES_TEXT;
	if (strcmp(action, "skip") == 0 || strcmp(action, "fail") == 0 || strcmp(action, "deny") == 0)
		return TAKES_WORDS;
	if (strcmp(action, "approve") == 0 && json_get(pending, "arguments") != NULL)
		return TAKES_ARGUMENTS;
	return strcmp(action, "accept") == 0 && json_get(pending, "schema") != NULL ? TAKES_FORM
										    : TAKES_NOTHING;
}

void decide_question(const struct json *pending, struct buf *out)
{
	static const char *const hints[] = {[TAKES_TEXT] = " and what its result was",
					    [TAKES_ARGUMENTS] = " (other arguments behind it, as JSON)",
					    [TAKES_FORM] = " and what is filled in, as JSON"};
	const struct json *actions = json_get(pending, "actions");
	size_t n = json_count(actions), i = 0;
	for (const struct json *a = json_first(actions); a != NULL; a = json_next(a), i++) {
		const char *word = json_text(a) != NULL ? json_text(a) : "?";
		int what = takes(pending, word);
		const char *hint = what < (int)COUNT_OF(hints) && hints[what] != NULL ? hints[what] : "";
		buf_printf(out, "%s[%.1s]%s%s",
			   i == 0       ? ""
			   : i + 1 == n ? " or "
					: ", ",
			   word, word + 1, hint);
	}
	buf_add_str(out, ": ");
}

/* The action that the word is, or begins as the only one; NULL. */
static const char *action_of(const struct json *pending, const char *word, size_t n)
{
	const char *found = NULL;
	for (const struct json *a = json_first(json_get(pending, "actions")); a != NULL; a = json_next(a)) {
		const char *action = json_text(a);
		if (action == NULL || n == 0 || n > strlen(action) || strncasecmp(action, word, n) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = action;
	}
	return found;
}

/* An object behind an action, as a member; none is an empty form, or no other arguments. */
static bool object_add(struct jw *w, const char *name, const char *rest, bool needed)
{
	struct json *object = *rest != '\0' ? json_parse(rest, strlen(rest), 0, NULL) : json_new_object();
	bool good = json_is(object, JSON_OBJECT);
	if (good && (needed || *rest != '\0'))
		jw_kv_json(w, name, object);
	json_free(object);
	return good;
}

bool decide_parse(const struct json *pending, const char *answer, struct buf *body)
{
	size_t n = strcspn(answer, " \t");
	const char *rest = answer + n + strspn(answer + n, " \t"), *action = action_of(pending, answer, n);
	struct jw w = JW(body);
	bool good = action != NULL;
	int what = good ? takes(pending, action) : TAKES_NOTHING;
	jw_object(&w);
	jw_kv_text(&w, "id", json_get_text(pending, "id", ""));
	jw_kv_text(&w, "action", action);
	if (what == TAKES_TEXT)
		good = good && *rest != '\0';
	if ((what == TAKES_TEXT || what == TAKES_WORDS) && *rest != '\0')
		jw_kv_text(&w, "content", rest);
	else if (what == TAKES_ARGUMENTS)
		good = object_add(&w, "arguments", rest, false);
	else if (what == TAKES_FORM)
		good = object_add(&w, "content", rest, true);
	else if (what == TAKES_NOTHING)
		good = good && *rest == '\0';
	jw_object_end(&w);
	return good;
}
