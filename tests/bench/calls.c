/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tool call costs: through the whole path (this process as the worker, another one as the supervisor,
 * a Unix socket between them, the tool server behind it) and, in turns with it, straight over a pipe to a
 * second instance of the same server. Made of our own mcp room, as worker and supervisor are. One line of
 * JSON on stdout.
 *
 * calls ROUNDS SERVER MODE     MODE of mcp_fake. echo: one call at a time both ways, then many at once;
 *                              big-line: results of 1 MiB, one after the other
 *
 * With ACROSS=1 in the environment each hop is one between the first two processors: whoever talks to this
 * process is on the other one, and the server behind the supervisor on this one again. Else the scheduler, or
 * taskset, has its way.
 */
#include "base/base.h"
#include "mcp/mcp.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	ONE_BY_ONE = 1000, /* calls of a round */
	AT_ONCE = 64,
	MANY = 10000,
	LARGE = 100,
	LARGE_BYTES = 1 << 20,
	WAIT_MS_MAX = 20000,
	BYTES_MAX = 64 << 20,
	LINE_MAX_BYTES = 4 << 20,
};

struct worker {
	struct loop *loop;
	struct mcp_client *client;
	const char *tool, *arguments;
	int running, ended, to_start;
	size_t bytes;
};

/* The second instance, at the ends of two pipes. */
struct straight {
	int in, out;
	char *line;
};

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int double_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double quantile(double *list, size_t n, double q)
{
	qsort(list, n, sizeof(*list), double_order);
	return list[(size_t)((double)(n - 1) * q)];
}

static bool across;

static void cpu_take(int cpu)
{
	cpu_set_t set;
	if (!across)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		die(71, "cannot run on processor %d: two are needed", cpu);
}

/* --- the supervisor --- */

static struct mcp_broker *broker;

static void child_caught(int signo, void *arg)
{
	int status;
	(void)signo;
	(void)arg;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		mcp_broker_child_exited(broker, pid, status);
}

static void stopped(void *arg)
{
	loop_stop(arg);
}

static void term_caught(int signo, void *arg)
{
	(void)signo;
	mcp_broker_stop(broker, stopped, arg);
}

static _Noreturn void supervise(int fd, const char *command, const char *mode)
{
	const char *const args[] = {"-c", "0", command, mode, NULL};
	struct mcp_server_options server = {.id = "echo",
					    .enabled = true,
					    .command = across ? "taskset" : command,
					    .args = across ? args : args + 3,
					    .sandbox = {.off = across}};
	struct mcp_broker_options o = {.servers = &server,
				       .servers_count = 1,
				       .start_ms_max = WAIT_MS_MAX,
				       .call_idle_ms_max = WAIT_MS_MAX,
				       .call_ms_max = WAIT_MS_MAX,
				       .line_bytes_max = LINE_MAX_BYTES,
				       .stderr_tail_bytes = 4096,
				       .stop_grace_ms = 1000,
				       .restart_ms_min = 100,
				       .restart_ms_max = 1000,
				       .calls_per_server_max = AT_ONCE,
				       .frame_bytes_max = LINE_MAX_BYTES,
				       .queue_bytes_max = BYTES_MAX,
				       .version = "bench"};
	struct loop *l = loop_new();
	cpu_take(1);
	log_init("supervisor", LOG_WARN, LOG_FORMAT_JSON);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	loop_signal(l, SIGCHLD, child_caught, NULL);
	broker = mcp_broker_new(l, &o);
	loop_signal(l, SIGTERM, term_caught, l);
	mcp_broker_add_worker(broker, fd);
	loop_run(l);
	mcp_broker_free(broker);
	loop_turn(l, 0);
	loop_free(l);
	exit(0);
}

/* --- the worker --- */

static void call_start(struct worker *w);

static void call_ended(const struct mcp_call_end *end, void *arg)
{
	struct worker *w = arg;
	if (end->error.code || end->is_error)
		die(1, "a call failed: %s %.*s", end->error.code ? end->error.msg : "", (int)end->result.len,
		    end->result.ptr);
	w->running--;
	w->ended++;
	w->bytes += end->result.len;
	if (w->to_start)
		call_start(w);
}

static void call_start(struct worker *w)
{
	struct mcp_call_request r = {.server = "echo",
				     .tool = w->tool,
				     .arguments = slice_str(w->arguments),
				     .task_id = "t",
				     .idempotency_key = "t:c1"};
	w->to_start--;
	w->running++;
	mcp_call_start(w->client, &r, (struct mcp_call_handler){.on_end = call_ended, .arg = w});
}

/* `count` calls, `at_once` of them in flight; microseconds. */
static double calls_run(struct worker *w, int count, int at_once)
{
	double begin = now_us();
	w->to_start = count;
	w->ended = 0;
	w->bytes = 0;
	while (w->to_start && w->running < at_once)
		call_start(w);
	while (w->ended < count)
		loop_turn(w->loop, -1);
	return now_us() - begin;
}

/* --- straight over a pipe --- */

static struct straight straight_open(const char *command, const char *mode)
{
	int in[2], out[2];
	if (pipe(in) != 0 || pipe(out) != 0)
		die(1, "no pipe");
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cpu_take(1);
		dup2(in[0], 0);
		dup2(out[1], 1);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		execl(command, command, mode, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	return (struct straight){in[1], out[0], xmalloc(LINE_MAX_BYTES)};
}

/* One call; the bytes of its answer. */
static size_t straight_call(struct straight *s, const char *tool, const char *arguments)
{
	static int id;
	int mine = ++id;
	struct buf line = BUF_INIT;
	struct error e;
	size_t have = 0;
	buf_printf(&line,
		   "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"tools/"
		   "call\",\"params\":{\"name\":\"%s\",\"arguments\":%s,"
		   "\"_meta\":{\"progressToken\":%d,\"agent-runtime/idempotencyKey\":\"t:c1\"}}}\n",
		   mine, tool, arguments, mine);
	if (fd_write_all(s->in, line.data, line.len, &e) != ERR_NONE)
		die(1, "%s", e.msg);
	buf_release(&line);
	do {
		ssize_t n = read(s->out, s->line + have, LINE_MAX_BYTES - have);
		if (n <= 0)
			die(1, "the server ended");
		have += (size_t)n;
	} while (s->line[have - 1] != '\n');
	return have;
}

/* --- the figures --- */

static void small_ones(struct worker *w, struct straight *s, int rounds)
{
	double *path = xcalloc((size_t)rounds * ONE_BY_ONE, sizeof(double));
	double *bare = xcalloc((size_t)rounds * ONE_BY_ONE, sizeof(double));
	double *rate = xcalloc((size_t)rounds, sizeof(double));
	size_t n = 0;
	w->tool = "echo";
	w->arguments = "{\"text\":\"hello over there\"}";
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < ONE_BY_ONE; i++)
			path[n + (size_t)i] = calls_run(w, 1, 1);
		for (int i = 0; i < ONE_BY_ONE; i++) {
			double begin = now_us();
			straight_call(s, w->tool, w->arguments);
			bare[n + (size_t)i] = now_us() - begin;
		}
		n += ONE_BY_ONE;
		rate[round] = MANY / calls_run(w, MANY, AT_ONCE) * 1e6;
	}
	printf("{\"path_p50_us\":%.1f,\"path_p99_us\":%.1f,\"pipe_p50_us\":%.1f,\"pipe_p99_us\":%.1f,\"per_"
	       "second\":%.0f}\n",
	       quantile(path, n, 0.5), quantile(path, n, 0.99), quantile(bare, n, 0.5),
	       quantile(bare, n, 0.99), quantile(rate, (size_t)rounds, 0.5));
	free(path);
	free(bare);
	free(rate);
}

static void large_ones(struct worker *w, struct straight *s, int rounds)
{
	double *path = xcalloc((size_t)rounds, sizeof(double)),
	       *bare = xcalloc((size_t)rounds, sizeof(double));
	char arguments[40];
	snprintf(arguments, sizeof(arguments), "{\"bytes\":%d}", LARGE_BYTES);
	w->tool = "big";
	w->arguments = arguments;
	for (int round = 0; round < rounds; round++) {
		double us = calls_run(w, LARGE, 1);
		path[round] = (double)w->bytes / us;
		size_t bytes = 0;
		double begin = now_us();
		for (int i = 0; i < LARGE; i++)
			bytes += straight_call(s, w->tool, w->arguments);
		bare[round] = (double)bytes / (now_us() - begin);
	}
	printf("{\"path_mb_s\":%.0f,\"pipe_mb_s\":%.0f}\n", quantile(path, (size_t)rounds, 0.5),
	       quantile(bare, (size_t)rounds, 0.5));
	free(path);
	free(bare);
}

int main(int argc, char **argv)
{
	int pair[2], status, rounds;
	struct error e;
	if (argc != 4 || (rounds = atoi(argv[1])) < 1)
		die(64, "calls ROUNDS SERVER MODE");
	signal(SIGPIPE, SIG_IGN);
	across = getenv("ACROSS") != NULL;
	cpu_take(0);
	log_init("worker", LOG_WARN, LOG_FORMAT_JSON);
	if (fd_socketpair(pair, &e) != ERR_NONE)
		die(71, "%s", e.msg);
	pid_t supervisor = fork();
	if (supervisor == 0) {
		close(pair[1]);
		supervise(pair[0], argv[2], argv[3]);
	}
	close(pair[0]);
	struct mcp_client_options o = {LINE_MAX_BYTES, BYTES_MAX, WAIT_MS_MAX};
	struct worker w = {.loop = loop_new()};
	w.client = mcp_client_new(w.loop, &o);
	mcp_client_connect(w.client, pair[1]);
	while (!mcp_client_settled(w.client))
		loop_turn(w.loop, -1);
	struct straight s = straight_open(argv[2], argv[3]);
	if (strcmp(argv[3], "big-line") == 0)
		large_ones(&w, &s, rounds);
	else
		small_ones(&w, &s, rounds);
	close(s.in);
	mcp_client_free(w.client);
	loop_turn(w.loop, 0);
	loop_free(w.loop);
	kill(supervisor, SIGTERM);
	waitpid(supervisor, &status, 0);
	return 0;
}
