/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to offline*.c and rules*.c: the rule-based stand-in for a model. rules_* know text, tools and
 * schemas but no roles; offline_* turn them into what the planner, the executor and the writer say. All of it
 * is pure: the same request gives the same bytes, nothing is called, nothing outlives the answer, every input
 * is bounded by a row below.
 */
#ifndef LLM_OFFLINE_INT_H
#define LLM_OFFLINE_INT_H

#include "llm/llm.h"

enum {
	GOAL_BYTES_MAX = 64 << 10, /* of a prompt; the rest is not looked at, and the plan says so */
	SPANS_MAX = 64,
	CLAUSES_MAX = 8,
	PLAN_STEPS_MAX = 16,
	STEP_INPUTS_MAX = 8,
	NOTES_MAX = 16,    /* assumptions, questions */
	ENTRIES_MAX = 200, /* of a listing that are looked at */
	SENTENCES_MAX = 400,
	TEXT_BYTES_MAX = 4 << 20, /* of a text that is transformed */
	EXCERPT_BYTES_MAX = 12 << 10,
	RESULT_JSON_BYTES_MAX = 240 << 10, /* arguments of finish_step; below LLM_ARGUMENTS_BYTES_MAX */
	WISH_BYTES_MAX = 4096,
	DESCRIPTION_BYTES_MAX = 8192,
};

/* --- spans: parts of a prompt that stand for themselves --- */

enum span_kind {
	SPAN_QUOTED,
	SPAN_URL,
	SPAN_PATH,
	SPAN_GLOB,
	SPAN_DATE,
	SPAN_KEY_VALUE,
	SPAN_EMAIL,
	SPAN_NUMBER,
	SPAN_NAME
};

struct span {
	enum span_kind kind;
	struct slice text; /* without quotes; of a key and value: the value */
	struct slice name; /* of a key and value: the key */
	size_t at, end;    /* in the text, quotes included */
	bool directory;    /* a path that is named as a folder */
};

/* In order of place, never overlapping. */
size_t rules_spans_find(struct slice text, struct span *out, size_t max);
bool rules_is_path(struct slice word); /* "/a/b", "./a", "~/a", "C:\a", "name.ext" */
bool rules_is_glob(struct slice word);

/* --- words --- */

/* Copies lower-case ASCII of w, cut to size. */
void rules_lower(struct slice w, char *out, size_t size);
bool rules_word_is(struct slice w, const char *list); /* list is "|one|two|", case does not matter */
/* The next run of letters and digits (UTF-8 counts as letters, inner ' is kept) at or after *at; empty at the
 * end. */
struct slice rules_word_next(struct slice text, size_t *at);
bool rules_has_word(struct slice text, const char *list);
struct slice rules_trim(struct slice s);
/* The next line without its end; false after the last. */
bool rules_line_next(struct slice text, size_t *at, struct slice *line);
/* At most max bytes, not ending inside a UTF-8 character. */
struct slice rules_cut(struct slice s, size_t max);

/* --- clauses and what they want --- */

enum intent {
	INTENT_NONE,
	INTENT_READ,
	INTENT_LIST,
	INTENT_SEARCH,
	INTENT_INFO,
	INTENT_COMPUTE,
	INTENT_TRANSFORM,
	INTENT_WRITE,
	INTENT_EDIT,
	INTENT_MOVE,
	INTENT_DELETE,
	INTENT_SEND
};
const char *rules_intent_text(enum intent i);

enum operation { OP_NONE, OP_SUMMARISE, OP_COUNT, OP_EXTRACT, OP_KEYWORDS, OP_SORT, OP_UNSUPPORTED };
const char *rules_operation_text(enum operation op); /* "summarise" ..., as it stands in a plan */
enum operation rules_operation_find(const char *text);

struct verb {
	enum intent intent;
	enum operation op;
	bool weak; /* show, get, give: the object says what is meant */
};
/* false when w is no verb of the table. */
bool rules_verb_find(struct slice w, struct verb *out);
/* What a tool does, by the first verb in its name. */
enum intent rules_tool_intent(const char *tool_name);
bool rules_tool_is_getter(const char *tool_name); /* get_, fetch_, query_: fits any question */

struct clause {
	struct slice text;
	size_t at, end; /* in the prompt */
	enum intent intent;
	enum operation op;   /* of INTENT_TRANSFORM */
	struct slice verb;   /* empty when the wish has no verb */
	const char *unit;    /* of a count: "lines", "files" ...; NULL */
	struct slice needle; /* of an extraction: what the lines contain, or "emails" ... */
	bool question;       /* what, which, is ...: any reading tool may answer */
	bool all;            /* every file, not one */
	bool content;        /* looks inside files */
	bool descending;
	const struct span *spans; /* borrowed from the analysis */
	size_t spans_count;
};

struct analysis {
	struct slice text;
	struct span spans[SPANS_MAX];
	size_t spans_count;
	struct clause clauses[CLAUSES_MAX];
	size_t clauses_count;
	size_t clauses_left_out;
	struct slice inline_text; /* what follows "this text:"; empty when there is none */
};
/* text must outlive *out, which holds pointers into itself: do not copy it. */
void rules_analyse(struct slice text, struct analysis *out);
void rules_clause_classify(struct clause *c);
const struct span *rules_clause_span(const struct clause *c, enum span_kind kind, size_t nth);

/* --- tools --- */

enum tool_fit { FIT_NONE, FIT_NOT_READ_ONLY, FIT_YES };

struct tool_wish {
	enum intent intent;
	struct slice words; /* what is looked for, in words */
	bool question;
	bool several; /* a tool that takes a list is meant */
};
/* FIT_NONE leaves *out NULL. */
enum tool_fit rules_tool_choose(const struct llm_request *r, const struct tool_wish *w,
				const struct llm_tool **out);
/* The three names that come nearest to the words, whatever they do; returns how many. */
size_t rules_tool_nearest(const struct llm_request *r, struct slice words, const struct llm_tool *out[3]);
/* A tool of the same server that says which directories may be used, without arguments. */
const struct llm_tool *rules_tool_roots(const struct llm_request *r, const char *server);
/* A read-only tool of the same server that lists a directory and needs at most a path. */
const struct llm_tool *rules_tool_lister(const struct llm_request *r, const char *server);
const struct llm_tool *rules_tool_find(const struct llm_request *r, const char *exposed);

/* --- arguments --- */

enum arg_kind {
	ARG_TEXT,
	ARG_PATH,
	ARG_PATTERN,
	ARG_URL,
	ARG_DATE,
	ARG_NUMBER,
	ARG_BOOL,
	ARG_QUERY,
	ARG_ARRAY,
	ARG_OTHER
};
/* What a property wants, by its type and name. */
enum arg_kind rules_arg_kind(const struct json *property, const char *name);
/* NULL when the schema requires none of that kind. */
const char *rules_arg_required(const struct json *schema, enum arg_kind kind);

struct evidence {
	const struct clause *clause; /* of the prompt */
	struct slice answer;         /* feedback: explicit values here are stronger than the prompt's */
	const struct span *answer_spans;
	size_t answer_spans_count;
	bool answer_is_value; /* the whole answer is one plain value */
};
/* Values of the tool's properties that the evidence states; what is required and not stated goes into missing
 * (borrowed names). The caller frees *args. */
size_t rules_fill(const struct llm_tool *t, const struct evidence *ev, struct json **args,
		  const char **missing, size_t missing_max);

/* --- listings --- */

struct entry {
	struct slice name; /* as listed: a name or a path */
	bool directory;
	int64_t bytes; /* -1: not told */
};

enum listing_kind { LISTING_NONE, LISTING_ROOTS, LISTING_ENTRIES, LISTING_PATHS };
struct listing {
	enum listing_kind kind;
	struct entry *entries; /* owned */
	size_t count;
	size_t left_out;   /* over ENTRIES_MAX, as said */
	struct json *tree; /* owned: what names of a JSON listing point into */
};
void rules_listing_parse(struct slice text, struct listing *out);
void rules_listing_release(struct listing *l);
int rules_name_order(struct slice a, struct slice b); /* by bytes, as strcmp */
bool rules_is_text_file(struct slice name);
/* The file to read by the fixed rules, NULL when none is a text; why is a sentence. goal gives the words. */
const struct entry *rules_listing_choose(const struct listing *l, struct slice goal, const char **why);

/* --- transforms --- */

/* A result that begins with this line names the file that was chosen; transforms strip and quote it. */
#define CHOSEN_PREFIX "Chosen file: "

struct transform {
	enum operation op;
	const char *unit;    /* may be NULL */
	const char *needle;  /* may be NULL */
	const char *subject; /* what the text is, for headings; may be NULL */
	bool descending;
};
void rules_transform(const struct transform *t, struct slice text, struct buf *out);
void rules_summary(struct slice text, struct buf *out);
void rules_keywords(struct slice text, size_t max, struct buf *out);
/* Summary of a CSV, JSON or log text by its structure; false when it is none of these. */
bool rules_shape_summary(struct slice text, struct buf *out);
/* Rows below the header; -1 when the text is no CSV. */
int64_t rules_csv_rows(struct slice text);
size_t rules_count_lines(struct slice text);
size_t rules_count_words(struct slice text);

/* --- offline_draft.c: a plan while it is made --- */

enum source_kind { SOURCE_TEXT, SOURCE_LISTING, SOURCE_LITERAL };

/* Something that a later step can work on. */
struct source {
	enum source_kind kind;
	int step;            /* -1 of a literal */
	int roots;           /* the step that told the allowed directories, -1 */
	const char *subject; /* what it is, for headings; NULL when chosen at run time */
	struct slice literal;
};

struct draft_input {
	const char *name;
	int from; /* a step, or -1: literal */
	struct json *literal;
};

struct draft_step {
	const char *title, *objective, *expected, *success;
	const struct llm_tool *tool; /* NULL: done by the rules themselves */
	struct draft_input inputs[STEP_INPUTS_MAX];
	size_t inputs_count;
};

struct draft {
	const struct llm_request *r;
	struct arena *arena;
	struct draft_step steps[PLAN_STEPS_MAX];
	size_t steps_count;
	const char *assumptions[NOTES_MAX], *questions[NOTES_MAX], *declined[NOTES_MAX];
	size_t assumptions_count, questions_count, declined_count;
	struct source sources[PLAN_STEPS_MAX]; /* what the last clause made */
	size_t sources_count;
	bool sources_declined; /* the last clause could not be done */
	struct evidence evidence;
	bool answer_taken; /* the spans of the feedback are used */
};

#define NOT_DONE_PREFIX "Not done: "
#define OFFLINE_MARK    "offline rules, no language model"
/* Inputs that are no argument of the tool. */
#define INPUT_DIRECTORY "in_directory" /* where the names of a listing are */
#define INPUT_OPERATION "operation"
#define INPUT_TEXT      "text"
#define INPUT_UNIT      "unit"
#define INPUT_CONTAINS  "contains"
#define INPUT_ORDER     "order"
#define INPUT_SUBJECT   "subject"

void draft_init(struct draft *d, const struct llm_request *r);
void draft_release(struct draft *d);
/* A new step, NULL (and said in the assumptions) when the plan is full. */
struct draft_step *draft_step_add(struct draft *d, int *index);
void draft_input_literal(struct draft_step *s, const char *name, struct json *value); /* takes value */
void draft_input_from(struct draft_step *s, const char *name, int step);
void draft_assume(struct draft *d, const char *fmt, ...) printf_like(2);
void draft_ask(struct draft *d, const char *fmt, ...) printf_like(2);
/* A clause that is not done, with the reason. */
void draft_decline(struct draft *d, const struct clause *c, const char *fmt, ...) printf_like(3);
const char *draft_text(struct draft *d, struct slice s);
void draft_source_add(struct draft *d, struct source s);
/* The plan object. */
void draft_print(const struct draft *d, struct buf *out);

/* offline_chain.c: one clause that needs a tool becomes steps; false when it was declined or asked about. */
bool draft_tool_clause(struct draft *d, const struct clause *c, enum intent intent);
/* offline_transform.c: a clause that the rules do by themselves */
void draft_transform_clause(struct draft *d, const struct clause *c, struct slice inline_text);

/* --- offline_value.c: a step while it is carried out --- */

struct stepping {
	const struct llm_request *r;
	const struct json *step;
	const struct llm_tool *tool;
	struct json *arguments;
	struct buf chosen; /* line that says which file was chosen and why; "" */
	struct buf failure;
	struct buf look_in;      /* a directory to be listed first, since the listing has no text file */
	const char *deeper_text; /* its listing, once it was made; NULL */
	struct buf deeper_in;    /* where */
};

const struct json *stepping_input(const struct stepping *s, const char *name); /* NULL when there is none */
/* Text of an input, from a literal or an earlier result; NULL when there is none. */
const char *stepping_text(const struct stepping *s, const char *name);
/* "Allowed directories:" gives its first one, a path is itself. */
bool stepping_directory(const char *text, struct buf *out);
/* Fills s->arguments (owned by the caller). false: s->failure says why, or s->look_in what to list first. */
bool stepping_arguments(struct stepping *s);

/* --- the three roles --- */

void offline_plan(const struct llm_request *r, struct buf *out);
/* One call: name and arguments (JSON text). */
void offline_step(const struct llm_request *r, struct buf *name, struct buf *arguments);
void offline_write(const struct llm_request *r, struct buf *out);

#endif
