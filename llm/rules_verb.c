/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb table: what a word of a prompt, or the first verb in a tool's name, asks for. A word that is not
 * here is not understood, and what is not understood is not done.
 */
#include "base/base.h"
#include "llm/offline_int.h"

#include <string.h>

struct verb_row {
	enum intent intent;
	enum operation op;
	bool weak;
	const char *words;
};

static const struct verb_row verb_rows[] = {
	{INTENT_READ, OP_NONE, false, "|read|open|cat|view|fetch|load|download|retrieve|"},
	{INTENT_READ, OP_NONE, true, "|show|get|give|tell|display|print|see|"},
	{INTENT_LIST, OP_NONE, false, "|list|ls|enumerate|"},
	{INTENT_SEARCH, OP_NONE, false, "|search|find|locate|look|lookup|query|"},
	{INTENT_INFO, OP_NONE, false, "|inspect|stat|describe|"},
	{INTENT_COMPUTE, OP_NONE, false,
	 "|calculate|compute|evaluate|solve|multiply|divide|subtract|sum|convert|"},
	{INTENT_TRANSFORM, OP_SUMMARISE, false, "|summarize|summarise|condense|recap|"},
	{INTENT_TRANSFORM, OP_COUNT, false, "|count|tally|"},
	{INTENT_TRANSFORM, OP_EXTRACT, false, "|extract|grep|"},
	{INTENT_TRANSFORM, OP_SORT, false, "|sort|"},
	{INTENT_TRANSFORM, OP_UNSUPPORTED, false,
	 "|explain|translate|compare|analyze|analyse|classify|rewrite|paraphrase|review|rephrase|interpret|"
	 "evaluate|"
	 "categorize|categorise|brainstorm|"},
	{INTENT_WRITE, OP_NONE, false,
	 "|write|create|save|append|store|insert|touch|mkdir|draft|compose|generate|put|record|add|"},
	{INTENT_WRITE, OP_NONE, true, "|make|produce|prepare|provide|"},
	{INTENT_EDIT, OP_NONE, false, "|edit|change|update|modify|replace|fix|patch|set|correct|overwrite|"},
	{INTENT_MOVE, OP_NONE, false, "|move|rename|copy|"},
	{INTENT_DELETE, OP_NONE, false,
	 "|delete|remove|erase|drop|purge|wipe|trash|destroy|uninstall|clear|clean|"},
	{INTENT_SEND, OP_NONE, false,
	 "|send|email|mail|post|publish|tweet|book|order|buy|pay|reserve|schedule|notify|upload|share|reply|"
	 "invite|"
	 "cancel|subscribe|deploy|run|execute|start|stop|restart|install|trigger|toggle|"},
};

static const char *const intent_texts[] = {
	[INTENT_NONE] = "not understood", [INTENT_READ] = "read",     [INTENT_LIST] = "list",
	[INTENT_SEARCH] = "search",       [INTENT_INFO] = "look up",  [INTENT_COMPUTE] = "compute",
	[INTENT_TRANSFORM] = "work on",   [INTENT_WRITE] = "write",   [INTENT_EDIT] = "edit",
	[INTENT_MOVE] = "move",           [INTENT_DELETE] = "delete", [INTENT_SEND] = "act",
};

static const char *const operation_texts[] = {
	[OP_NONE] = "none",         [OP_SUMMARISE] = "summarise", [OP_COUNT] = "count",
	[OP_EXTRACT] = "extract",   [OP_KEYWORDS] = "keywords",   [OP_SORT] = "sort",
	[OP_UNSUPPORTED] = "other",
};

const char *rules_intent_text(enum intent i)
{
	ensure((size_t)i < COUNT_OF(intent_texts));
	return intent_texts[i];
}

const char *rules_operation_text(enum operation op)
{
	ensure((size_t)op < COUNT_OF(operation_texts));
	return operation_texts[op];
}

enum operation rules_operation_find(const char *text)
{
	for (size_t i = OP_SUMMARISE; i < OP_UNSUPPORTED; i++)
		if (text != NULL && strcmp(operation_texts[i], text) == 0)
			return (enum operation)i;
	return OP_NONE;
}

bool rules_verb_find(struct slice w, struct verb *out)
{
	for (size_t i = 0; i < COUNT_OF(verb_rows); i++) {
		if (!rules_word_is(w, verb_rows[i].words))
			continue;
		*out = (struct verb){verb_rows[i].intent, verb_rows[i].op, verb_rows[i].weak};
		return true;
	}
	return false;
}

/* A name's next word, split at every non-alphanumeric and at camelCase. */
static struct slice name_word_next(struct slice name, size_t *at)
{
	struct slice w = rules_word_next(name, at);
	for (size_t i = 1; i < w.len; i++) {
		bool lower_before = w.ptr[i - 1] >= 'a' && w.ptr[i - 1] <= 'z';
		if (lower_before && w.ptr[i] >= 'A' && w.ptr[i] <= 'Z') {
			*at -= w.len - i;
			w.len = i;
		}
	}
	return w;
}

enum intent rules_tool_intent(const char *tool_name)
{
	struct slice name = slice_str(tool_name);
	enum intent found = INTENT_NONE;
	bool info = false, tree = false;
	size_t at = 0;
	for (struct slice w = name_word_next(name, &at); w.len > 0; w = name_word_next(name, &at)) {
		struct verb v;
		if (found == INTENT_NONE && rules_verb_find(w, &v))
			found = v.intent == INTENT_TRANSFORM ? INTENT_COMPUTE : v.intent;
		info = info || rules_word_is(w, "|info|information|metadata|stat|stats|status|details|");
		tree = tree || rules_word_is(w, "|tree|listing|index|");
	}
	if (info && (found == INTENT_READ || found == INTENT_NONE))
		return INTENT_INFO;
	return tree && found == INTENT_NONE ? INTENT_LIST : found;
}

bool rules_tool_is_getter(const char *tool_name)
{
	size_t at = 0;
	struct slice name = slice_str(tool_name);
	return rules_word_is(name_word_next(name, &at), "|get|fetch|retrieve|query|lookup|");
}
