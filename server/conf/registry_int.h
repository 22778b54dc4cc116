/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the files of the registry: what is carried along while one is read, and its texts. */
#ifndef CONF_REGISTRY_INT_H
#define CONF_REGISTRY_INT_H

#include "conf/conf_int.h"

struct registry_read {
	struct conf_tree tree;
	struct conf_registry *out;
	conf_env_fn *env;
	void *env_arg;
	uint8_t seen[SHA256_BYTES]; /* registry_same.c: of the entry that is being read */
	char *folder;               /* absolute; what ${REGISTRY_DIR} stands for; owned by the reader */
};

/* --- registry.c: small checks on nodes --- */

/* Everything in a map must be one of these. `what` names the map in the message. */
must_check enum err registry_keys_check(const struct registry_read *r, const struct conf_node *map,
					const char *what, const char *const *keys, size_t count,
					struct error *e);
/* A member that is there and not empty; NULL also for a NULL map. */
const struct conf_node *registry_member(const struct conf_node *map, const char *key);
must_check enum err registry_bool(const struct registry_read *r, const struct conf_node *n, bool *out,
				  struct error *e);

/* --- registry_effect.c --- */

/* `trust_annotations` and `tools` of an entry. */
must_check enum err registry_effects_read(struct registry_read *r, const struct conf_node *entry,
					  struct conf_tool_server *s, struct error *e);

/* --- registry_auth.c --- */

/* `auth` of a config; s->type is set. */
must_check enum err registry_auth_read(struct registry_read *r, const struct conf_node *config,
				       struct conf_tool_server *s, struct error *e);

/* --- registry_remote.c --- */

/* `headers`, `tls`, `proxy`, `timeout`, `era` and `allow_http` of a config; s->type and s->url are set. */
must_check enum err registry_remote_read(struct registry_read *r, const struct conf_node *config,
					 struct conf_tool_server *s, struct error *e);

/* --- registry_sandbox.c --- */

void registry_sandbox_default(struct conf_sandbox *s);
/* `sandbox` of an entry whose type is known. */
must_check enum err registry_sandbox_read(struct registry_read *r, const struct conf_node *entry,
					  struct conf_tool_server *s, struct error *e);

/* --- registry_scope.c --- */

/* `scope` and what goes with it, of an entry whose type and auth are known. */
must_check enum err registry_scope_read(const struct registry_read *r, const struct conf_node *entry,
					struct conf_tool_server *s, struct error *e);

/* --- registry_offer.c --- */

/* `roots`, `sampling` and `log_level` of an entry. */
must_check enum err registry_offer_read(struct registry_read *r, const struct conf_node *entry,
					struct conf_tool_server *s, struct error *e);

/* --- registry_text.c --- */

struct conf_registry *registry_new(void);
/* A copy that lives as long as the registry. */
const char *registry_keep(struct registry_read *r, struct slice text);
/* The text of a node with its ${NAME}s replaced, kept in *out. What is not text is an error with its place.
 */
must_check enum err registry_text(struct registry_read *r, const struct conf_node *n,
				  const struct conf_tool_server *s, const char **out, struct error *e);
/* A list of absolute paths, of `of` in messages; NULL-terminated in *out, and left alone when n is NULL. */
must_check enum err registry_paths(struct registry_read *r, const struct conf_node *n,
				   const struct conf_tool_server *s, const char *of, size_t max,
				   const char *const **out, struct error *e);
must_check enum err registry_folder(struct registry_read *r, const char *path, struct error *e);

/* --- registry_same.c --- */

/* One entry: begin, what it says as it is written, each text that was made from it, and then its fingerprint.
 */
void registry_note_begin(struct registry_read *r, const struct conf_node *entry);
void registry_note(struct registry_read *r, struct slice text);
void registry_note_end(struct registry_read *r, struct conf_tool_server *s);

#endif
