/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to a local server: a child process, messages as lines on its stdin and stdout, its stderr drained
 * for the log. It knows nothing of JSON. Reading never waits for writing: what the child does not take is
 * queued up to a limit.
 *
 * Ends: the child exits (mcp_broker_child_exited tells; nobody waits here), or closes its stdout, or could
 * not be executed, or is stopped by the ladder end-of-file, SIGTERM, SIGKILL, a grace time apart, to the
 * whole process group. When the leader is gone the rest of its group is killed: it has no one to talk to. The
 * group still bears the leader's number then, which the kernel does not give away while a member lives.
 */
#include "base/base.h"
#include "mcp/mcp_int.h"
#include "mcp/sandbox_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	READS_MAX = 8,         /* per turn, so that one server does not starve the others */
	READS_LAST_MAX = 1024, /* of what a dead child left in its pipe */
	LOG_READ_BYTES = 16 << 10,
	EXIT_WAIT_MS = 200, /* closed stdout: the exit code, which says more, mostly follows */
};

enum stop_stage { STOP_NONE, STOP_EOF, STOP_TERM, STOP_KILL };

struct stdio {
	struct link link;
	struct loop *loop;
	const struct mcp_server_options *options;
	struct stdio_limits limits;
	struct link_events events;
	struct spawned child; /* pid 0 once it is reaped; descriptors -1 once closed */
	int group;
	struct loop_io *in, *out, *err, *status;
	struct framer framer;
	struct buf queue; /* queue.data[sent..] waits to be written */
	size_t sent;
	struct loop_timer *timer; /* next rung of the ladder, or the wait for an exit code */
	enum stop_stage stage;
	bool gathered; /* what is queued goes at the end of this turn */
	bool lost;     /* on_lost was told, or needs not be: the caller stops us */
	bool freed;    /* memory goes at the bottom of the loop */
};

static void io_close(struct loop_io **io, int *fd)
{
	loop_io_free(*io);
	*io = NULL;
	fd_close(fd);
}

static void lose(struct stdio *s, const struct error *why)
{
	if (s->lost)
		return;
	s->lost = true;
	s->events.on_lost(why, s->events.arg);
}

/* --- writing --- */

/* Only writing ends: stdout may still hold answers. */
static void in_shut(struct stdio *s)
{
	io_close(&s->in, &s->child.in);
	buf_release(&s->queue);
	s->sent = 0;
}

/* One of the child's ends is closed and it should exit by itself soon; else it is of no use any more. */
static void half_closed(struct stdio *s)
{
	if (s->stage == STOP_NONE && !s->freed)
		loop_timer_set(s->timer, EXIT_WAIT_MS);
}

static void queue_flush(struct stdio *s)
{
	while (s->sent < s->queue.len) {
		ssize_t n = write(s->child.in, s->queue.data + s->sent, s->queue.len - s->sent);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			in_shut(s);
			half_closed(s);
			return;
		}
		if (n < 0)
			break;
		s->sent += (size_t)n;
	}
	if (s->sent == s->queue.len) {
		buf_release(&s->queue);
		s->sent = 0;
	} else if (s->sent > s->queue.len / 2) {
		buf_consume(&s->queue, s->sent);
		s->sent = 0;
	}
	loop_io_set(s->in, s->queue.len ? LOOP_WRITE : 0);
}

static void in_ready(int fd, int ready, void *arg)
{
	(void)fd;
	(void)ready;
	queue_flush(arg);
}

/* The turn is over: what it had to say goes with one write. */
static void gathered_send(void *arg)
{
	struct stdio *s = arg;
	s->gathered = false;
	if (s->in)
		queue_flush(s);
}

static enum err stdio_send(struct link *l, const struct link_message *m, struct error *e)
{
	struct slice message = m->text;
	struct stdio *s = (struct stdio *)l;
	if (!s->in || s->stage != STOP_NONE)
		return err_set(e, ERR_LOST, "the server does not read any more");
	size_t waiting = s->queue.len - s->sent;
	if (message.len + 1 > s->limits.queue_bytes_max - waiting)
		return err_set(e, ERR_FULL, "%zu bytes already wait to be read by the server (limit %zu)",
			       waiting, s->limits.queue_bytes_max);
	s->queue.max = s->limits.queue_bytes_max + s->sent;
	if (!buf_add_slice(&s->queue, message) || !buf_add_char(&s->queue, '\n')) {
		/* Half a line cannot be taken back. */
		in_shut(s);
		half_closed(s);
		return err_set(e, ERR_MEMORY, "no memory to queue a message of %zu bytes", message.len);
	}
	if (!s->gathered) {
		s->gathered = true;
		loop_late(s->loop, gathered_send, s);
	}
	return ERR_NONE;
}

/* --- reading --- */

static void lines_deliver(struct stdio *s)
{
	struct frame_line line;
	enum frame_kind kind;
	while (!s->lost && (kind = framer_next(&s->framer, &line)) != FRAME_NONE) {
		if (kind == FRAME_LINE) {
			s->events.on_message(line.text, 0, s->events.arg);
		} else if (kind == FRAME_OVERLONG) {
			s->events.on_overlong(&line, s->events.arg);
		} else {
			struct error e;
			err_set(&e, ERR_TOO_LARGE,
				"a line of output did not end within %zu bytes, many times tools.line_bytes",
				line.bytes);
			lose(s, &e);
		}
	}
}

/* One read. false when there is nothing more now, or ever (then *eof). A pipe that gave less than it was
 * asked for is empty: it is not asked once more, which would cost as much as the answer. */
static bool out_read(struct stdio *s, bool *eof)
{
	size_t room;
	char *p = framer_room(&s->framer, &room);
	ssize_t n = read(s->child.out, p, room);
	*eof = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	if (n <= 0)
		return false;
	if (s->lost)
		return true; /* drained so that the child can end */
	framer_filled(&s->framer, (size_t)n);
	lines_deliver(s);
	return (size_t)n == room && !s->freed && s->out;
}

static void out_ready(int fd, int ready, void *arg)
{
	struct stdio *s = arg;
	bool eof = false;
	(void)fd;
	(void)ready;
	for (int i = 0; i < READS_MAX && out_read(s, &eof); i++)
		;
	if (!eof || s->freed)
		return;
	io_close(&s->out, &s->child.out);
	half_closed(s);
}

static bool err_read(struct stdio *s)
{
	char bytes[LOG_READ_BYTES];
	ssize_t n = read(s->child.err, bytes, sizeof(bytes));
	if (n > 0)
		s->events.on_log((struct slice){bytes, (size_t)n}, s->events.arg);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		io_close(&s->err, &s->child.err);
	return n == (ssize_t)sizeof(bytes);
}

static void err_ready(int fd, int ready, void *arg)
{
	struct stdio *s = arg;
	(void)fd;
	(void)ready;
	for (int i = 0; i < READS_MAX && err_read(s); i++)
		;
}

static void status_ready(int fd, int ready, void *arg)
{
	struct stdio *s = arg;
	struct spawn_failure f;
	struct error e;
	ssize_t n = read(fd, &f, sizeof(f));
	(void)ready;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	io_close(&s->status, &s->child.status);
	if (n == (ssize_t)sizeof(f)) {
		spawn_failure_set(s->options, &f, &e);
		lose(s, &e);
	}
}

/* --- ending --- */

static void group_signal(const struct stdio *s, int signo)
{
	if (kill(-s->group, signo) == 0)
		return;
	if (errno == ESRCH && s->child.pid)
		kill(s->child.pid, signo); /* just forked: it has no group of its own yet */
	else if (errno != ESRCH && errno != EPERM)
		log_warn("cannot signal a tool server's process group", LF_INT("pid", s->group),
			 LF_STR("error", strerror(errno)));
}

/* Whoever led the group has ended. What goes on without it does so against the rules of stopping. */
static void leftovers_end(const struct stdio *s)
{
	int64_t left = kill(-s->group, 0) == 0 ? group_threads(s->group, true) : 0;
	group_signal(s, SIGKILL);
	if (left)
		log_warn("tool server left processes behind when it ended: they are killed",
			 LF_STR("server", s->options->id), LF_INT("pid", s->group), LF_INT("threads", left));
}

static void ladder_step(struct stdio *s)
{
	s->stage++;
	if (s->stage == STOP_EOF)
		in_shut(s);
	else
		group_signal(s, s->stage == STOP_TERM ? SIGTERM : SIGKILL);
	if (s->stage > STOP_EOF)
		log_info(s->stage == STOP_TERM ? "tool server got SIGTERM" : "tool server got SIGKILL",
			 LF_STR("server", s->options->id), LF_INT("pid", s->child.pid));
	loop_timer_set(s->timer, s->stage < STOP_KILL ? s->limits.stop_grace_ms : -1);
}

static void timer_fired(void *arg)
{
	struct stdio *s = arg;
	struct error e;
	if (s->stage != STOP_NONE) {
		ladder_step(s);
		return;
	}
	err_set(&e, ERR_LOST, s->in ? "it closed its standard output" : "it closed its standard input");
	lose(s, &e);
}

static void stdio_stop(struct link *l)
{
	struct stdio *s = (struct stdio *)l;
	if (s->stage != STOP_NONE)
		return;
	s->lost = true;
	if (s->gathered && s->in)
		queue_flush(s); /* what was said before the end */
	ladder_step(s);
}

static void exit_word(const struct stdio *s, int status, struct error *e)
{
	const char *after = s->stage == STOP_NONE   ? ""
			    : s->stage == STOP_EOF  ? " after its input was closed"
			    : s->stage == STOP_TERM ? " after SIGTERM"
						    : " after SIGKILL";
	if (WIFSIGNALED(status))
		err_set(e, ERR_LOST, "it was killed by signal %d (%s)%s", WTERMSIG(status),
			strsignal(WTERMSIG(status)), after);
	else
		err_set(e, ERR_LOST, "it exited with status %d%s", WEXITSTATUS(status), after);
}

static bool stdio_child_exited(struct link *l, int pid, int status)
{
	struct stdio *s = (struct stdio *)l;
	struct error e;
	bool eof = false;
	if (s->freed || !pid || s->child.pid != pid)
		return false;
	s->child.pid = 0;
	leftovers_end(s);
	loop_timer_set(s->timer, -1);
	exit_word(s, status, &e);
	if (s->status)
		status_ready(s->child.status, LOOP_READ, s);
	for (int i = 0; s->out && i < READS_LAST_MAX && out_read(s, &eof); i++)
		;
	for (int i = 0; !s->freed && s->err && i < READS_LAST_MAX && err_read(s); i++)
		;
	if (!s->freed)
		lose(s, &e);
	if (!s->freed)
		s->events.on_gone(&e, s->events.arg);
	return true;
}

static int stdio_pid(const struct link *l)
{
	return ((const struct stdio *)l)->child.pid;
}

static void memory_free(void *arg)
{
	struct stdio *s = arg;
	framer_release(&s->framer);
	free(s);
}

static void stdio_free(struct link *l)
{
	struct stdio *s = (struct stdio *)l;
	ensure(!s->freed);
	s->freed = s->lost = true;
	if (s->child.pid)
		group_signal(s, SIGKILL);
	in_shut(s);
	io_close(&s->out, &s->child.out);
	io_close(&s->err, &s->child.err);
	io_close(&s->status, &s->child.status);
	confinement_free(s->child.confinement);
	loop_timer_free(s->timer);
	loop_defer_cancel(s->loop, s);
	loop_defer(s->loop, memory_free, s);
}

static const char *stdio_transport(const struct link *l)
{
	(void)l;
	return "stdio";
}

static const char *stdio_stop_step(const struct link *l)
{
	static const char *const names[] = {"none", "eof", "sigterm", "sigkill"};
	return names[((const struct stdio *)l)->stage];
}

static const struct link_ops stdio_ops = {.send = stdio_send,
					  .stop = stdio_stop,
					  .free = stdio_free,
					  .pid = stdio_pid,
					  .child_exited = stdio_child_exited,
					  .transport = stdio_transport,
					  .stop_step = stdio_stop_step};

struct link *stdio_open(struct loop *l, const struct mcp_server_options *o, const struct stdio_limits *limits,
			struct link_events events, struct error *e)
{
	struct stdio *s = xcalloc(1, sizeof(*s));
	s->link.ops = &stdio_ops;
	s->loop = l;
	s->options = o;
	s->limits = *limits;
	s->events = events;
	if (spawn_start(o, &s->child, e) != ERR_NONE) {
		free(s);
		return NULL;
	}
	s->group = s->child.pid;
	if (s->child.confinement)
		confinement_started(s->child.confinement, l, s->child.pid);
	framer_init(&s->framer, limits->line_bytes_max);
	s->timer = loop_timer_new(l, timer_fired, s);
	s->in = loop_io_new(l, s->child.in, 0, in_ready, s);
	s->out = loop_io_new(l, s->child.out, LOOP_READ, out_ready, s);
	s->err = loop_io_new(l, s->child.err, LOOP_READ, err_ready, s);
	s->status = loop_io_new(l, s->child.status, LOOP_READ, status_ready, s);
	return &s->link;
}
