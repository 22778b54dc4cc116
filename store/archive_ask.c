/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be asked of the archive: each function puts one question together, with copies of everything it
 * was given, and hands it to archive.c, which sees to its answer. A question that cannot be put (no memory, a
 * text that is too long) ends like any other: through its callback, later.
 */
#include "base/base.h"
#include "store/archive_int.h"

#include <stdlib.h>
#include <string.h>

/* What fits into one answer. */
static uint64_t bytes_clamp(const struct archive *a, size_t bytes_max)
{
	size_t most = a->frame_bytes_max - KEPT_OVERHEAD_BYTES;
	return bytes_max < most ? bytes_max : most;
}

struct archive_call *archive_task(struct archive *a, const struct id *task, archive_fn *fn, void *arg)
{
	struct archive_call *call = archive_call_new(a, IPC_KEPT_TASK, fn, arg);
	call->ask.task = *task;
	return archive_call_start(call);
}

struct archive_call *archive_events(struct archive *a, const struct id *task, uint64_t after_seq,
				    size_t bytes_max, archive_fn *fn, void *arg)
{
	struct archive_call *call = archive_call_new(a, IPC_KEPT_EVENTS, fn, arg);
	call->ask.task = *task;
	call->ask.from = after_seq;
	call->ask.bytes_max = bytes_clamp(a, bytes_max);
	return archive_call_start(call);
}

struct archive_call *archive_list(struct archive *a, uint32_t states, const struct id *before, size_t limit,
				  size_t bytes_max, archive_fn *fn, void *arg)
{
	struct archive_call *call = archive_call_new(a, IPC_KEPT_LIST, fn, arg);
	call->ask.states = states;
	call->ask.limit = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
	call->ask.has_before = before != NULL;
	if (before)
		call->ask.before = *before;
	call->ask.bytes_max = bytes_clamp(a, bytes_max);
	return archive_call_start(call);
}

struct archive_call *archive_request(struct archive *a, const struct request_key *k, archive_fn *fn,
				     void *arg)
{
	struct archive_call *call = archive_call_new(a, IPC_KEPT_REQUEST, fn, arg);
	call->ask.key = *k;
	return archive_call_start(call);
}

struct archive_call *archive_delete(struct archive *a, const struct id *task, archive_fn *fn, void *arg)
{
	struct archive_call *call = archive_call_new(a, IPC_KEPT_DELETE, fn, arg);
	call->ask.task = *task;
	return archive_call_start(call);
}

static enum err artifact_copy(struct archive_call *call, const struct artifact_new *n, struct error *e)
{
	if (strlen(n->media_type) > ARCHIVE_TEXT_BYTES_MAX ||
	    (n->name && strlen(n->name) > ARCHIVE_TEXT_BYTES_MAX))
		return err_set(e, ERR_TOO_LARGE, "media type or name of the artifact is over %d bytes",
			       ARCHIVE_TEXT_BYTES_MAX);
	call->bytes = malloc(n->bytes.len + 1);
	if (!call->bytes)
		return err_set(e, ERR_MEMORY, "no memory for an artifact of %zu bytes", n->bytes.len);
	if (n->bytes.len)
		memcpy(call->bytes, n->bytes.ptr, n->bytes.len);
	call->bytes_len = n->bytes.len;
	call->media_type = xstrdup(n->media_type);
	call->name = xstrdup(n->name);
	sha256_hex(call->bytes, call->bytes_len, call->sha256);
	return ERR_NONE;
}

struct archive_call *artifact_write(struct archive *a, const struct artifact_new *n, archive_fn *fn,
				    void *arg)
{
	struct archive_call *call = archive_call_new(a, IPC_KEPT_ARTIFACT, fn, arg);
	struct error e = {0};
	if (artifact_copy(call, n, &e) != ERR_NONE) {
		archive_call_end(call, &e);
		return call;
	}
	call->ask = (struct kept_ask){.task = n->task,
				      .number = n->number,
				      .artifact_bytes = n->bytes.len,
				      .media_type = call->media_type,
				      .name = call->name,
				      .sha256 = call->sha256,
				      .at_ms = clock_wall_ms()};
	return archive_call_start(call);
}

struct archive_call *artifact_read(struct archive *a, const struct id *task, uint32_t number, uint64_t offset,
				   size_t bytes_max, archive_fn *fn, void *arg)
{
	struct archive_call *call = archive_call_new(a, IPC_KEPT_READ, fn, arg);
	call->ask.task = *task;
	call->ask.number = number;
	call->ask.from = offset;
	call->ask.bytes_max = bytes_clamp(a, bytes_max);
	return archive_call_start(call);
}
