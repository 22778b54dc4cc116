/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the conf room: the tree a YAML file becomes, the table of options as data, and how errors are
 * placed. */
#ifndef CONF_CONF_INT_H
#define CONF_CONF_INT_H

#include "conf/conf.h"

/* --- tree.c: one YAML document, every node with its place --- */

enum { CONF_FILE_BYTES_MAX = 1 << 20, CONF_TREE_DEPTH_MAX = 16, CONF_TREE_NODES_MAX = 10000 };

enum conf_node_kind { CONF_SCALAR, CONF_LIST, CONF_MAP };

struct conf_place {
	int line, column; /* from 1 */
};

/* Owned by its tree. Members and elements hang on `first` in the order of the file. */
struct conf_node {
	enum conf_node_kind kind;
	struct conf_place place;
	char *key; /* of a member of a map; else NULL */
	struct conf_place key_place;
	char *text;  /* scalar, without NUL bytes inside */
	bool quoted; /* scalar: was not written plain, so it is text whatever it looks like */
	struct conf_node *first, *last, *next;
	struct conf_node *next_made; /* all nodes of the tree, for freeing */
};

struct conf_tree {
	char *file;             /* as it is named in messages */
	struct conf_node *root; /* NULL for an empty document */
	struct conf_node *made;
	size_t count;
};

/* Reads and parses; anchors, aliases, tags, duplicate keys and a second document are errors. The caller
 * releases the tree, also after a failure. */
must_check enum err conf_tree_read(const char *path, struct conf_tree *out, struct error *e);
must_check enum err conf_tree_parse(const char *file, struct slice text, struct conf_tree *out,
				    struct error *e);
void conf_tree_release(struct conf_tree *t); /* wipes every text: any of them may be a secret */

bool conf_node_is_null(const struct conf_node *n);          /* plain and empty, "~" or "null" */
const char *conf_node_kind_name(const struct conf_node *n); /* "a list", "a map", "text", "empty" */
const struct conf_node *conf_node_find(const struct conf_node *map, const char *key); /* NULL when absent */

/* "file:line:column: " and the message; returns ERR_CONFIG. */
enum err conf_error_at(const struct conf_tree *t, struct conf_place at, struct error *e, const char *fmt, ...)
	printf_like(4);

/* --- expand.c: ${NAME}, texts in files, headers --- */

enum { CONF_SECRET_BYTES_MAX = 8 << 10 };
/* Appends what the variable holds, or is an error. */
typedef enum err conf_value_fn(const struct conf_node *n, struct slice name, struct buf *out, void *arg,
			       struct error *e);
/* Appends the text of a scalar with its variables replaced. */
must_check enum err conf_expand(const struct conf_tree *t, const struct conf_node *n, conf_value_fn *value,
				void *arg, struct buf *out, struct error *e);
/* Appends what a file holds, without white space at its end; n is the node that names it. */
must_check enum err conf_secret_read(const struct conf_tree *t, const struct conf_node *n, const char *path,
				     struct buf *out, struct error *e);
bool conf_header_name_ok(const char *s);
bool conf_header_value_ok(const char *s); /* no line break, at most CONF_SECRET_BYTES_MAX */

/* --- providers.c: llm.providers and llm.roles --- */

/* From the section `llm` of the file. */
must_check enum err conf_providers_read(struct conf *c, const struct conf_tree *t,
					const struct conf_node *section, conf_env_fn *env, void *env_arg,
					struct error *e);
/* The flat options become the one provider when there is no list; what a provider does not say is as they
 * say. */
must_check enum err conf_providers_settle(struct conf *c, struct error *e);
void conf_providers_release(struct conf *c);
void conf_providers_forget(struct conf *c); /* keys and headers */
void conf_providers_print(const struct conf *c, struct buf *out);

/* --- rules.c: agent.rules --- */

must_check enum err conf_rules_read(struct conf *c, const struct conf_tree *t, const struct conf_node *rules,
				    struct error *e);
void conf_rules_release(struct conf *c);
void conf_rules_print(const struct conf *c, struct buf *out);

/* --- options.c: the table --- */

enum conf_option_kind {
	OPTION_INT,
	OPTION_AUTO,
	OPTION_TEXT,
	OPTION_URL,
	OPTION_SECRET,
	OPTION_ENUM,
	OPTION_MONEY
};

struct conf_option {
	const char *section, *name;
	enum conf_option_kind kind;
	size_t offset; /* of the value in struct conf: int64_t, const char * or an enum */
	int64_t def, min, max;
	const char *def_text; /* OPTION_TEXT, OPTION_URL */
	const char *words;    /* OPTION_ENUM: "a|b|c" */
	const char *unit, *doc;
};

extern const struct conf_option conf_options[]; /* grouped by section */
extern const size_t conf_options_count;

const struct conf_option *conf_option_find(const char *section, size_t section_len, const char *name);
/* Sets one option from text. On failure the message says what is allowed and, but for secrets, what was
 * given. */
must_check enum err conf_option_assign(struct conf *c, const struct conf_option *o, const char *text,
				       bool quoted, struct error *e);
void conf_option_default(struct conf *c, const struct conf_option *o);
void conf_option_release(struct conf *c, const struct conf_option *o);         /* leaves NULL */
int64_t conf_option_number(const struct conf *c, const struct conf_option *o); /* of INT, AUTO, ENUM, MONEY */
const char *conf_option_text(const struct conf *c, const struct conf_option *o);
/* "2.50" with at most so many decimals, as a whole number of the last one's; false when it is none. */
bool conf_decimal_parse(const char *text, int decimals, int64_t *out);
void conf_decimal_print(int64_t value, int decimals, struct buf *out);
/* The word number `i` of "a|b|c". */
struct slice conf_word(const char *words, int64_t i);

/* Appends `; did you mean x?` when one of the names is near, else `; known here: ...`. */
void conf_suggest(struct error *e, const char *wrong, const char *const *names, size_t count);
/* The same over the table, for a key that is wrong in (or as) `section`. */
void conf_suggest_option(struct error *e, const char *section, const char *name);

#endif
