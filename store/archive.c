/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's half of the archive: questions to the keeper, oldest first, over whichever socket there is. It
 * neither reads nor writes a database and knows nothing of the table.
 *
 * A call is on one of three lists: `waiting` to be sent, `asked` and not yet answered, `ended` by us and told
 * at the bottom of the loop. The keeper's death moves what was asked back to the front of what waits, so that
 * the next keeper is asked again; only a question over which several keepers ended is given up. A call that
 * was cancelled while it was asked stays on its list without its caller until the answer comes.
 *
 * No more is asked at once than has room in the keeper's queue when all answers are as long as they may be:
 * nobody ever has to refuse an answer. An artifact goes part by part, each when the one before was answered,
 * so that its bytes are in one place only, here.
 *
 * A keeper that hangs is not noticed here: the caller cancels when its own time is over.
 */
#include "base/base.h"
#include "store/archive_int.h"

#include <stdlib.h>

/* --- calls and their lists --- */

static void call_move(struct archive_call *call, struct call_list *to)
{
	struct archive *a = call->archive;
	if (call->list == &a->asked)
		a->asked_bytes -= call->cost;
	if (call->list)
		TAILQ_REMOVE(call->list, call, link);
	if (to)
		TAILQ_INSERT_TAIL(to, call, link);
	if (to == &a->asked)
		a->asked_bytes += call->cost;
	a->calls += (to != NULL) - (size_t)(call->list != NULL);
	call->list = to;
}

static void call_drop_bytes(struct archive_call *call)
{
	free(call->bytes);
	free(call->media_type);
	free(call->name);
	call->bytes = call->media_type = call->name = NULL;
}

static void call_free(struct archive_call *call)
{
	if (call->list == &call->archive->ended)
		loop_defer_cancel(call->archive->loop, call);
	call_move(call, NULL);
	call_drop_bytes(call);
	free(call);
}

/* Off its list before its caller hears of it, who may ask, cancel or free whatever it likes; so the archive
 * is not touched afterwards. */
static void call_tell(struct archive_call *call, const struct archive_answer *answer)
{
	call_move(call, NULL);
	if (call->fn)
		call->fn(answer, call->arg);
	call_drop_bytes(call);
	free(call);
}

static void call_tell_error(void *arg)
{
	struct archive_call *call = arg;
	struct archive_answer answer = {.error = call->error};
	call_tell(call, &answer);
}

void archive_call_end(struct archive_call *call, const struct error *why)
{
	call_move(call, &call->archive->ended);
	call->error = *why;
	loop_defer(call->archive->loop, call_tell_error, call);
}

void archive_cancel(struct archive_call *call)
{
	if (!call || !call->list)
		return;
	if (call->list != &call->archive->asked) {
		call_free(call);
		return;
	}
	call->fn = NULL;
	call_drop_bytes(call);
}

/* --- sending --- */

static size_t call_cost(const struct archive_call *call)
{
	size_t frame = call->archive->frame_bytes_max;
	switch (call->msg) {
	case IPC_KEPT_TASK:
	case IPC_KEPT_EVENTS:
	case IPC_KEPT_LIST: return frame + KEPT_OVERHEAD_BYTES;
	case IPC_KEPT_READ: return (size_t)call->ask.bytes_max + KEPT_OVERHEAD_BYTES;
	default: return KEPT_OVERHEAD_BYTES;
	}
}

/* Which frame of an artifact comes next. */
static void artifact_step(struct archive_call *call)
{
	size_t from = (size_t)call->parts * DB_PART_BYTES;
	if (from > call->bytes_len)
		from = call->bytes_len; /* the last part was a shorter one */
	size_t left = call->bytes_len - from;
	call->msg = left ? IPC_KEPT_PART : IPC_KEPT_ARTIFACT;
	call->ask.part = call->parts;
	call->ask.bytes = (struct slice){call->bytes + from, left < DB_PART_BYTES ? left : DB_PART_BYTES};
}

static enum err call_send(struct archive_call *call, struct error *e)
{
	struct buf body = BUF_INIT;
	if (call->media_type)
		artifact_step(call);
	kept_ask_pack(call->msg, &call->ask, &body);
	enum err rc = body.overflow ? err_set(e, ERR_MEMORY, "no memory to ask the keeper")
				    : ipc_send(call->archive->channel, call->msg, call->id, buf_slice(&body),
					       -1, e);
	buf_release(&body);
	return rc;
}

/* Asks what there is room for; a small question does not wait behind a large one. ERR_FULL: what was asked
 * before is still on its way, and its answers bring us here again. ERR_LOST: the end of the channel is still
 * to be heard. */
static void archive_pump(struct archive *a)
{
	struct archive_call *call, *next;
	struct error e = {0};
	for (call = a->channel ? TAILQ_FIRST(&a->waiting) : NULL; call; call = next) {
		next = TAILQ_NEXT(call, link);
		call->cost = call_cost(call);
		if (!TAILQ_EMPTY(&a->asked) && a->asked_bytes + call->cost > a->queue_bytes_max)
			continue;
		enum err rc = call_send(call, &e);
		if (rc == ERR_FULL || rc == ERR_LOST)
			return;
		if (rc == ERR_NONE)
			call_move(call, &a->asked);
		else
			archive_call_end(call, &e);
	}
}

/* --- the connection --- */

static void frame_received(struct ipc_frame *f, void *arg)
{
	struct archive *a = arg;
	struct archive_call *call;
	struct archive_answer answer;
	TAILQ_FOREACH(call, &a->asked, link)
	if (call->id == f->id)
		break;
	if (!call || f->msg != IPC_KEPT) {
		log_warn("unexpected message from the keeper", LF_STR("message", ipc_msg_name(f->msg)));
		return;
	}
	call_move(call, &a->waiting);
	if (!archive_answer_unpack(f->body, &answer)) {
		answer = (struct archive_answer){0};
		err_set(&answer.error, ERR_INTERNAL, "the keeper's answer to %s cannot be read",
			ipc_msg_name(call->msg));
	}
	bool goes_on = call->msg == IPC_KEPT_PART && call->fn && answer.error.code == ERR_NONE;
	if (goes_on)
		call->parts++;
	else
		call_move(call, NULL);
	archive_pump(a);
	if (!goes_on)
		call_tell(call, &answer);
}

/* Once more on the next socket, from the beginning. */
static void call_ask_again(struct archive_call *call)
{
	struct archive *a = call->archive;
	struct error e;
	if (!call->fn) {
		call_free(call);
	} else if (++call->losses == ARCHIVE_SENDS_MAX) {
		err_set(&e, ERR_UNAVAILABLE, "%d keepers in a row ended before they had answered %s",
			ARCHIVE_SENDS_MAX, ipc_msg_name(call->msg));
		archive_call_end(call, &e);
	} else {
		call->parts = 0;
		call_move(call, &a->waiting);
		TAILQ_REMOVE(&a->waiting, call, link);
		TAILQ_INSERT_HEAD(&a->waiting, call, link);
	}
}

static void archive_disconnect(struct archive *a)
{
	struct archive_call *call;
	ipc_close(a->channel);
	a->channel = NULL;
	while ((call = TAILQ_LAST(&a->asked, call_list)))
		call_ask_again(call);
}

static void channel_closed(const struct error *why, void *arg)
{
	struct archive *a = arg;
	archive_disconnect(a);
	log_info("the keeper is away: what was asked waits for the next one", LF_STR("why", why->msg),
		 LF_INT("questions", a->calls));
}

void archive_connect(struct archive *a, int fd)
{
	struct ipc_handler h = {frame_received, channel_closed, a};
	archive_disconnect(a);
	a->lost = false;
	a->channel = ipc_open(a->loop, fd, a->frame_bytes_max, a->queue_bytes_max, h);
	archive_pump(a);
}

static enum err archive_lost_error(struct error *e)
{
	return err_set(e, ERR_UNAVAILABLE,
		       "nothing can be read from the database until the service is started again: its keeper "
		       "has ended, its log says why");
}

void archive_lost(struct archive *a)
{
	struct archive_call *call;
	struct error e;
	a->lost = true;
	archive_lost_error(&e);
	archive_disconnect(a);
	while ((call = TAILQ_FIRST(&a->waiting)))
		archive_call_end(call, &e);
}

struct archive *archive_new(struct loop *l, size_t frame_bytes_max, size_t queue_bytes_max)
{
	struct archive *a = xcalloc(1, sizeof(*a));
	ensure(frame_bytes_max >= DB_PART_BYTES + KEPT_OVERHEAD_BYTES);
	ensure(queue_bytes_max >= frame_bytes_max + KEPT_OVERHEAD_BYTES);
	a->loop = l;
	a->frame_bytes_max = frame_bytes_max;
	a->queue_bytes_max = queue_bytes_max;
	TAILQ_INIT(&a->waiting);
	TAILQ_INIT(&a->asked);
	TAILQ_INIT(&a->ended);
	return a;
}

void archive_free(struct archive *a)
{
	if (!a)
		return;
	ipc_close(a->channel);
	struct call_list *lists[] = {&a->waiting, &a->asked, &a->ended};
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		while (!TAILQ_EMPTY(lists[i]))
			call_free(TAILQ_FIRST(lists[i]));
	ensure(a->calls == 0 && a->asked_bytes == 0);
	free(a);
}

/* --- what archive_ask.c puts together --- */

struct archive_call *archive_call_new(struct archive *a, enum ipc_msg msg, archive_fn *fn, void *arg)
{
	struct archive_call *call = xcalloc(1, sizeof(*call));
	ensure(fn);
	call->archive = a;
	call->id = ++a->id_last;
	call->msg = msg;
	call->fn = fn;
	call->arg = arg;
	return call;
}

struct archive_call *archive_call_start(struct archive_call *call)
{
	struct archive *a = call->archive;
	struct error e = {0};
	if (a->lost)
		archive_lost_error(&e);
	else if (a->calls >= ARCHIVE_CALLS_MAX)
		err_set(&e, ERR_FULL, "%d questions to the database already wait for an answer (the limit)",
			ARCHIVE_CALLS_MAX);
	if (e.code != ERR_NONE) {
		archive_call_end(call, &e);
		return call;
	}
	call_move(call, &a->waiting);
	archive_pump(a);
	return call;
}
