/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells of files that a confined server tries to use and was not granted. Landlock refuses them and says
 * nothing to anybody, so the kernel asks us about every call that names a file (sandbox_file_call.c), is
 * always told to go on, and we look at what it was: whether it is granted (sandbox_grant.c), and where it
 * leads (sandbox_look.c). Each path is told once, only so many of them in the life of a server, and then
 * nothing more is looked at.
 *
 * The path is copied while whoever asks waits for the answer. All else comes later. A path within the grants
 * is seen through at the next question, when the server has looked it up itself: it may lead out of them by a
 * link. Any other waits some milliseconds in a short queue, and is then told, unless there is no such file,
 * or it leads into what is granted. What the kernel does not know by heart is looked at again before that.
 *
 * What is told is what was seen. A program that changes its memory between our look and the kernel's, or
 * names a file from memory that is not there yet, is refused all the same and may be told wrongly or not at
 * all. So may be the interpreter of a script, a link that leads to nothing yet, and a granted file that
 * somebody has replaced by another.
 */
#include "base/base.h"
#include "mcp/sandbox_int.h"

#include <errno.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_MAX = 32, TOLD_MAX = 32, LOOK_MS = 10, LOOKS_MAX = 3 };

/* One call. */
struct asked {
	const char *call;    /* NULL: none */
	int thread, process; /* process: whose /proc/self is meant, where that is named; else 0 */
	int looks;
	size_t count;
	struct file_use uses[FILE_USES_MAX];
	char *paths[FILE_USES_MAX]; /* absolute, owned; NULL: not read yet */
};

struct files {
	struct loop_timer *timer;
	const char *server;
	int group;
	struct grants *grants;
	struct asked now, last; /* last: within the grants by its text */
	struct asked queue[QUEUE_MAX];
	size_t queued;
	uint64_t told[TOLD_MAX]; /* digests of path and use */
	size_t told_count;
	bool blind_told;
};

static void asked_release(struct asked *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->paths[i]);
	*a = (struct asked){0};
}

/* --- while the asking process waits --- */

static void blind_tell(struct files *f, int errnum)
{
	if (!f->blind_told)
		log_info("files that a tool server is refused cannot be told: its memory cannot be read",
			 LF_STR("server", f->server), LF_INT("pid", f->group),
			 LF_STR("error", strerror(errnum)));
	f->blind_told = true;
}

/* NULL: it cannot be known now, or never. */
static char *path_read(struct files *f, int thread, const struct file_use *u)
{
	char text[PATH_MAX], base[PATH_MAX];
	enum asker_read rc = asker_text(thread, u->path, text, sizeof text);
	if (rc == ASKER_REFUSED && errno != ENOENT && errno != ESRCH)
		blind_tell(f, errno);
	if (rc != ASKER_READ || !*text)
		return NULL;
	if (*text == '/')
		return xstrdup(text);
	return asker_folder(thread, u->folder, base, sizeof base) ? xasprintf("%s/%s", base, text) : NULL;
}

static void path_take(struct files *f, struct asked *a, size_t i)
{
	a->paths[i] = path_read(f, a->thread, &a->uses[i]);
	if (a->paths[i] && !a->process && path_is_own(a->paths[i]))
		a->process = asker_process(a->thread);
}

void files_take(struct files *f, const struct seccomp_notif *q)
{
	struct asked *a = &f->now;
	uint64_t flags = 0, flags_at = file_call_flags_at(&q->data);
	if (f->told_count == TOLD_MAX)
		return;
	if (flags_at && asker_bytes((int)q->pid, flags_at, &flags, sizeof flags) != ASKER_READ)
		return;
	*a = (struct asked){.call = file_call_name(q->data.nr), .thread = (int)q->pid};
	a->count = file_call_uses(&q->data, flags, a->uses);
	for (size_t i = 0; i < a->count; i++)
		path_take(f, a, i);
	if (file_call_executes(q->data.nr))
		asker_forget(a->thread);
}

/* --- telling --- */

static bool is_new(struct files *f, const char *path, bool write)
{
	uint64_t digest = hash64(path, strlen(path)) ^ write;
	for (size_t i = 0; i < f->told_count; i++)
		if (f->told[i] == digest)
			return false;
	f->told[f->told_count++] = digest;
	return true;
}

static void refusal_tell(struct files *f, const char *call, const char *path, const char *own, bool write,
			 const char *real)
{
	char text[PATH_MAX];
	/* Of the parts of a server only its first process has its own folder in /proc (landlock_enter): many
	 * look there in good faith, and for a terminal, which it does not have. */
	enum log_level level =
		look_is_of_group(own, f->group) || !strcmp(own, "/dev/tty") ? LOG_INFO : LOG_WARN;
	size_t most = level == LOG_INFO ? TOLD_MAX / 2 : TOLD_MAX; /* these leave room for the others */
	if (f->told_count >= most || !path_collapse(path, text))
		return;
	if (!is_new(f, text, write))
		return;
	bool elsewhere = *real && strcmp(real, text);
	log_at(level,
	       "tool server tried to use a file that its sandbox does not grant (sandbox.read and "
	       "sandbox.write in its registry entry)",
	       LF_STR("server", f->server), LF_INT("pid", f->group), LF_STR("call", call),
	       LF_STR("path", text), LF_STR("use", write ? "write" : "read"),
	       elsewhere ? LF_STR("real_path", real) : (struct log_field){0});
	if (f->told_count == TOLD_MAX)
		log_warn("tool server tried to use many files that its sandbox does not grant: more are not "
			 "told until it is started again",
			 LF_STR("server", f->server), LF_INT("pid", f->group), LF_INT("limit", TOLD_MAX));
}

/* --- looking --- */

static enum file_look group_look(const char *path, const struct file_use *u, char real[PATH_MAX], void *arg)
{
	return look_at(path, u, ((struct files *)arg)->group, real);
}

/* Tells what is to be told of it. false: what it named is not known yet, and it is not to be told then. */
static bool asked_judge(struct files *f, struct asked *a, bool is_last_time)
{
	char own[FILE_USES_MAX][PATH_MAX], real[FILE_USES_MAX][PATH_MAX];
	enum file_verdict verdicts[FILE_USES_MAX];
	for (size_t i = 0; i < a->count; i++) {
		if (!a->paths[i])
			path_take(f, a, i);
		if (!a->paths[i] || !path_own(a->paths[i], a->process, own[i]))
			return true;
		verdicts[i] = file_judge(f->grants, &a->uses[i], own[i], group_look, f, real[i]);
		if (verdicts[i] == FILE_NOTHING)
			return true; /* the call failed for this, whatever else it named */
		if (verdicts[i] == FILE_REFUSED && !*real[i] && !is_last_time)
			return false;
	}
	for (size_t i = 0; i < a->count; i++)
		if (verdicts[i] == FILE_REFUSED)
			refusal_tell(f, a->call, a->paths[i], own[i], a->uses[i].write, real[i]);
	return true;
}

/* ended: nothing is looked at again. */
static void queue_judge(struct files *f, bool ended)
{
	size_t kept = 0;
	for (size_t i = 0; i < f->queued; i++) {
		struct asked a = f->queue[i];
		if (asked_judge(f, &a, ended || ++a.looks == LOOKS_MAX))
			asked_release(&a);
		else
			f->queue[kept++] = a;
	}
	f->queued = kept;
}

static void timer_arm(struct files *f)
{
	if (!loop_timer_armed(f->timer))
		loop_timer_set(f->timer, LOOK_MS);
}

static void queue_add(struct files *f, struct asked *a)
{
	if (f->queued == QUEUE_MAX)
		queue_judge(f, false);
	if (f->queued == QUEUE_MAX)
		queue_judge(f, true);
	f->queue[f->queued++] = *a;
	*a = (struct asked){0};
	timer_arm(f);
}

/* All that it names is within the grants by its text; plain: and leads nowhere else. */
static bool is_granted(const struct files *f, const struct asked *a, bool plain)
{
	char own[PATH_MAX], decisive[PATH_MAX];
	for (size_t i = 0; i < a->count; i++) {
		if (!a->paths[i] || !path_own(a->paths[i], a->process, own) ||
		    !file_text_allows(f->grants, &a->uses[i], own, decisive))
			return false;
		if (plain && !look_is_plain(decisive))
			return false;
	}
	return true;
}

static void last_judge(struct files *f)
{
	if (f->last.call && !is_granted(f, &f->last, true) && f->queued < QUEUE_MAX / 2)
		queue_add(f, &f->last);
	asked_release(&f->last);
}

void files_think(struct files *f)
{
	last_judge(f);
	if (!f->now.call)
		return;
	timer_arm(f);
	if (f->now.count && !is_granted(f, &f->now, false))
		queue_add(f, &f->now);
	else
		f->last = f->now;
	f->now = (struct asked){0};
}

void files_finish(struct files *f)
{
	last_judge(f);
	queue_judge(f, true);
}

static void timer_fired(void *arg)
{
	struct files *f = arg;
	last_judge(f);
	queue_judge(f, false);
	asker_forget(0); /* a number may come to stand for another thread */
	if (f->queued)
		timer_arm(f);
}

/* --- life --- */

struct files *files_new(const struct sandbox_paths *paths)
{
	struct files *f = xcalloc(1, sizeof(*f));
	f->grants = grants_new();
	look_prepare();
	for (size_t i = 0; i < paths->count; i++) {
		char text[PATH_MAX], *real = realpath(paths->items[i].path, NULL);
		if (real)
			grants_add(f->grants, real, paths->items[i].write);
		/* And by its name, for when it cannot be seen where that leads. */
		if (real && path_collapse(paths->items[i].path, text))
			grants_add(f->grants, text, paths->items[i].write);
		free(real);
	}
	return f;
}

void files_start(struct files *f, struct loop *l, const char *server, int group)
{
	char own[64];
	snprintf(own, sizeof own, "/proc/%d", group);
	grants_add(f->grants, own, true);
	f->server = server;
	f->group = group;
	f->timer = loop_timer_new(l, timer_fired, f);
}

void files_free(struct files *f)
{
	if (!f)
		return;
	if (f->timer)
		files_finish(f);
	asked_release(&f->now);
	loop_timer_free(f->timer);
	grants_free(f->grants);
	asker_forget(0);
	free(f);
}
