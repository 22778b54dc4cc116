/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The versions of the protocol that are known here, and what an answer to server/discover says about the era
 * of whoever gave it. Pure.
 *
 * The shape decides, never the mere fact of an answer: many servers of the handshake era answer whatever they
 * are asked, some with an empty result (MCP 2026-07-28, Versioning, "Backward Compatibility").
 */
#include "base/base.h"
#include "mcp/mcp_int.h"

#include <string.h>

/* Newest first. */
static const char *const handshake[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
static const char *const modern[] = {"2026-07-28"};

const char *version_newest(bool is_modern)
{
	return is_modern ? modern[0] : handshake[0];
}

const char *version_oldest_handshake(void)
{
	return handshake[COUNT_OF(handshake) - 1];
}

const char *version_known(const char *version, bool is_modern)
{
	const char *const *known = is_modern ? modern : handshake;
	size_t count = is_modern ? COUNT_OF(modern) : COUNT_OF(handshake);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(version, known[i]) == 0)
			return known[i];
	}
	return NULL;
}

const char *version_pick(struct slice array, bool is_modern)
{
	struct scan_iter it;
	struct slice name, value;
	const char *best = NULL;
	if (!scan_open(array, &it) || it.object)
		return NULL;
	while (scan_next(&it, &name, &value)) {
		struct buf text = BUF_INIT;
		const char *known =
			scan_text(value, &text) ? version_known(buf_cstr(&text), is_modern) : NULL;
		/* Versions are dates: the later one compares higher. */
		if (known && (!best || strcmp(known, best) > 0))
			best = known;
		buf_release(&text);
	}
	return best;
}

int64_t rpc_error_code(struct slice error)
{
	struct slice raw = scan_member(error, "code");
	bool negative = raw.len && raw.ptr[0] == '-';
	int64_t v = 0;
	if (raw.len > 10)
		return 0;
	for (size_t i = negative; i < raw.len; i++) {
		if (raw.ptr[i] < '0' || raw.ptr[i] > '9')
			return 0;
		v = v * 10 + (raw.ptr[i] - '0');
	}
	return negative ? -v : v;
}

/* A list of versions that names none of ours is a modern server's all the same: it is told so, in words. */
static enum era_hint hint_of_versions(struct slice versions)
{
	return !version_pick(versions, true) && version_pick(versions, false) ? ERA_HINT_HANDSHAKE
									      : ERA_HINT_MODERN;
}

enum era_hint era_hint_of(const struct scan_message *m)
{
	struct slice versions = scan_member(m->result, "supportedVersions");
	if (m->result.len)
		return versions.len && versions.ptr[0] == '[' ? hint_of_versions(versions)
							      : ERA_HINT_HANDSHAKE;
	switch (rpc_error_code(m->error)) {
	case RPC_VERSION_UNSUPPORTED:
		return hint_of_versions(scan_member(scan_member(m->error, "data"), "supported"));
	case RPC_HEADER_MISMATCH:
	case RPC_CAPABILITY_MISSING: return ERA_HINT_MODERN;
	case RPC_METHOD_NOT_FOUND: return ERA_HINT_NO_METHOD;
	default: return ERA_HINT_HANDSHAKE;
	}
}

enum era_hint era_hint_of_list(const struct scan_message *m)
{
	if (m->result.len)
		return scan_member(m->result, "resultType").len ? ERA_HINT_MODERN : ERA_HINT_HANDSHAKE;
	enum era_hint hint = era_hint_of(m);
	return hint == ERA_HINT_NO_METHOD ? ERA_HINT_HANDSHAKE : hint;
}
