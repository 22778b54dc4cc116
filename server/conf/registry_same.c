/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an entry of the registry is the same as when it was read before. Its fingerprint covers every key
 * and value as they are written, and every text that was made of them: variables replaced, files read. So it
 * needs to know no option by name, and a new value of a secret is a change as well. Comments and the place in
 * the file do not count; the order of keys does.
 *
 * Only digests are kept, in a chain: no secret is copied for this.
 */
#include "base/base.h"
#include "conf/registry_int.h"

#include <string.h>

void registry_note(struct registry_read *r, struct slice text)
{
	uint8_t both[2 * SHA256_BYTES];
	memcpy(both, r->seen, SHA256_BYTES);
	sha256_bytes(text.len ? text.ptr : "", text.len, both + SHA256_BYTES);
	sha256_bytes(both, sizeof both, r->seen);
}

/* How a node begins and ends is noted too, so that the same texts in another nesting differ. */
static void node_note(struct registry_read *r, const struct conf_node *n)
{
	char kind[] = {(char)('a' + (int)n->kind), n->quoted ? 'q' : 'p', '\0'};
	registry_note(r, slice_str(n->key ? n->key : ""));
	registry_note(r, slice_str(kind));
	registry_note(r, slice_str(n->text ? n->text : ""));
	for (const struct conf_node *c = n->first; c; c = c->next)
		node_note(r, c);
	registry_note(r, SLICE_LIT("end"));
}

void registry_note_begin(struct registry_read *r, const struct conf_node *entry)
{
	memset(r->seen, 0, sizeof r->seen);
	node_note(r, entry);
}

void registry_note_end(struct registry_read *r, struct conf_tool_server *s)
{
	char hex[SHA256_HEX_SIZE];
	sha256_hex(r->seen, sizeof r->seen, hex);
	s->fingerprint = registry_keep(r, slice_str(hex));
}
