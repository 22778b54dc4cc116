/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `agent-runtime run PROMPT`: submits one task, on the server named or on a private one, follows its events,
 * asks for approval and for decisions where they are needed, shows the result. Everything goes through the
 * public API. Ctrl-C cancels the task; a second one leaves.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };

struct session {
	const struct cli *cli;
	struct loop *loop;
	struct client *client;
	struct show *show;
	struct loop_io *input;
	char *task_path; /* "/v1/tasks/ID" */
	char digest[SHA256_HEX_SIZE];
	struct json *pending; /* what the task waits for, of its last task.pending event; NULL: nothing */
	enum { ASKED_APPROVAL, ASKED_DECISION, ASKED_QUESTIONS } asked;
	struct buf typed;
	int interrupts, exit_code;
};

static void private_load(const struct cli *cli, struct conf **c, struct conf_registry **r);
static int session_run(const struct cli *cli, const char *url);
static void submit(struct session *s);
static void submitted(const struct json *body, const struct error *e, void *arg);
static void event_came(const char *type, const struct json *data, struct slice text, void *arg);
static void plan_came(struct session *s, const struct json *data);
static void pending_came(struct session *s, const struct json *pending);
static void approval_asked(struct session *s);
static void decision_asked(struct session *s);
static void answer_await(struct session *s, const char *question);
static void input_ready(int fd, int ready, void *arg);
static void approval_take(struct session *s, const char *answer);
static void decision_take(struct session *s, const char *answer);
static void input_post(struct session *s, const char *action, const char *content);
static void act(struct session *s, const char *verb, const char *name, const char *value);
static void post(struct session *s, const char *verb, struct slice body);
static void acted(const struct json *body, const struct error *e, void *arg);
static void stream_lost(const struct json *body, const struct error *e, void *arg);
static void finish(struct session *s);
static void document_came(const struct json *body, const struct error *e, void *arg);
static void session_fail(struct session *s, int code, const char *message);
static void interrupted(int signo, void *arg);

int command_run(const struct cli *cli)
{
	struct private_server server = {0};
	struct error e = {0};
	if (cli->server_url != NULL)
		return session_run(cli, cli->server_url);
	struct conf *c;
	struct conf_registry *r;
	private_load(cli, &c, &r);
	struct llm_cassette *k = recording_open(cli, c);
	if (private_server_start(&server, c, r, k, &e) != ERR_NONE)
		die(EXIT_UNAVAILABLE, "%s", e.msg);
	llm_cassette_free(k);
	conf_registry_free(r);
	conf_free(c);
	char *url = xasprintf("http://127.0.0.1:%d", server.port);
	int code = session_run(cli, url);
	free(url);
	private_server_stop(&server);
	return code;
}

/* --- helpers --- */

/* Configuration of the private server. Later settings win: what the user says about address and drain would
 * only break it, what is said of the log counts. */
static void private_load(const struct cli *cli, struct conf **c, struct conf_registry **r)
{
	const char **sets = xcalloc(cli->sets_count + 6, sizeof *sets);
	struct cli private = *cli;
	size_t n = 0;
	/* Its log and what we show share a terminal. */
	if (isatty(STDERR_FILENO) && getenv("LOG_LEVEL") == NULL)
		sets[n++] = "log.level=warn";
	for (size_t i = 0; i < cli->sets_count; i++)
		sets[n++] = cli->sets[i];
	sets[n++] = "server.host=127.0.0.1";
	sets[n++] = "server.port=0";
	sets[n++] = "server.drain_seconds=0"; /* when we leave, nobody waits for its work */
	sets[n++] = "store.backend=memory";   /* nor asks for it, ever */
	private.sets = sets;
	private.sets_count = n;
	cli_load(&private, c, r);
	free(sets);
}

static int session_run(const struct cli *cli, const char *url)
{
	struct session s = {.cli = cli, .exit_code = EXIT_NOT_COMPLETED, .typed = BUF_LIMIT(LINE_MAX_BYTES)};
	enum show_form form = cli->json ? SHOW_JSON : isatty(STDOUT_FILENO) ? SHOW_TERMINAL : SHOW_PLAIN;
	signal(SIGPIPE, SIG_IGN);
	s.loop = loop_new();
	s.client = client_new(s.loop, url);
	s.show = show_new(s.loop, form);
	loop_signal(s.loop, SIGINT, interrupted, &s);
	loop_signal(s.loop, SIGTERM, interrupted, &s);
	submit(&s);
	loop_run(s.loop);
	loop_io_free(s.input);
	show_free(s.show);
	client_free(s.client);
	loop_turn(s.loop, 0);
	loop_free(s.loop);
	buf_release(&s.typed);
	json_free(s.pending);
	free(s.task_path);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "agent-runtime: standard output cannot be written\n");
		return EXIT_IO;
	}
	return s.exit_code;
}

static void submit(struct session *s)
{
	struct buf body = BUF_INIT;
	struct jw w = JW(&body);
	jw_object(&w);
	jw_kv_text(&w, "prompt", s->cli->args[1]);
	jw_kv_text(&w, "approval", s->cli->yes ? "auto" : "required");
	jw_object_end(&w);
	client_ask(s->client, "POST", "/v1/tasks", buf_slice(&body), submitted, s);
	buf_release(&body);
}

static void submitted(const struct json *body, const struct error *e, void *arg)
{
	struct session *s = arg;
	if (e->code != ERR_NONE) {
		/* Refused as it stands (too long, say), or nobody there to take it. */
		session_fail(s, e->code == ERR_INVALID ? EXIT_USAGE : EXIT_UNAVAILABLE, e->msg);
		return;
	}
	if (json_get_text(body, "id", NULL) == NULL) {
		session_fail(s, EXIT_UNAVAILABLE,
			     "the server's answer names no task; is it an agent runtime?");
		return;
	}
	s->task_path = xasprintf("/v1/tasks/%s", json_get_text(body, "id", ""));
	char *path = xasprintf("%s/stream", s->task_path);
	client_stream(s->client, path, event_came, stream_lost, s);
	free(path);
	if (s->interrupts > 0)
		act(s, "cancel", NULL, NULL);
}

static void event_came(const char *type, const struct json *data, struct slice text, void *arg)
{
	struct session *s = arg;
	show_event(s->show, type, data, text);
	const char *to = strcmp(type, "task.state") == 0 ? json_get_text(data, "to", "") : "";
	if (strcmp(type, "plan.created") == 0)
		plan_came(s, json_get(data, "plan"));
	else if (strcmp(type, "task.pending") == 0)
		pending_came(s, json_get(data, "pending"));
	else if (strcmp(to, "awaiting_approval") == 0)
		approval_asked(s);
	else if (strcmp(to, "input_required") == 0)
		decision_asked(s);
	else if (strcmp(type, "end") == 0)
		finish(s);
}

static void plan_came(struct session *s, const struct json *plan)
{
	snprintf(s->digest, sizeof s->digest, "%s", json_get_text(plan, "digest", ""));
	if (json_count(json_get(plan, "steps")) > 0)
		show_plan(s->show, plan);
}

static void pending_came(struct session *s, const struct json *pending)
{
	json_free(s->pending);
	s->pending = json_is(pending, JSON_NULL) ? NULL : json_copy(pending);
}

static void approval_asked(struct session *s)
{
	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr, "agent-runtime: the plan needs approval and standard input is no terminal: "
				"use --yes\n");
		act(s, "cancel", NULL, NULL);
		return;
	}
	s->asked = ASKED_APPROVAL;
	answer_await(s, "Carry out this plan? [y]es, [n]o, or say what to change: ");
}

static bool questions_pend(const struct session *s)
{
	return strcmp(json_get_text(s->pending, "kind", ""), "questions") == 0;
}

static void decision_asked(struct session *s)
{
	show_pending(s->show, s->pending);
	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr,
			"agent-runtime: the task waits for a decision and standard input is no terminal: it "
			"is "
			"cancelled; run it on a terminal, or submit it to a server and decide by POST "
			"/v1/tasks/ID/input with id, action and content\n");
		act(s, "cancel", NULL, NULL);
		return;
	}
	s->asked = questions_pend(s) ? ASKED_QUESTIONS : ASKED_DECISION;
	if (s->asked == ASKED_QUESTIONS) {
		answer_await(s, "Your answer, or nothing to give up: ");
		return;
	}
	struct buf question = BUF_INIT;
	decide_question(s->pending, &question);
	answer_await(s, buf_cstr(&question));
	buf_release(&question);
}

static void answer_await(struct session *s, const char *question)
{
	tcflush(STDIN_FILENO, TCIFLUSH); /* keys typed before the question was shown are no answer to it */
	show_question(s->show, question);
	if (s->input == NULL)
		s->input = loop_io_new(s->loop, STDIN_FILENO, LOOP_READ, input_ready, s);
	loop_io_set(s->input, LOOP_READ);
}

static void input_ready(int fd, int ready, void *arg)
{
	struct session *s = arg;
	char bytes[512];
	(void)ready;
	ssize_t n = read(fd, bytes, sizeof bytes);
	if (n > 0)
		buf_add(&s->typed, bytes, (size_t)n);
	char *end = s->typed.len > 0 ? memchr(s->typed.data, '\n', s->typed.len) : NULL;
	if (end == NULL && n > 0 && !s->typed.overflow)
		return;
	loop_io_set(s->input, 0);
	char *answer = xstrndup(buf_cstr(&s->typed), end != NULL ? (size_t)(end - s->typed.data) : 0);
	char *from = answer + strspn(answer, " \t");
	for (size_t len = strlen(from); len > 0 && strchr(" \t\r", from[len - 1]) != NULL; len--)
		from[len - 1] = '\0';
	buf_reset(&s->typed);
	if (s->asked == ASKED_APPROVAL)
		approval_take(s, from);
	else if (n > 0 && s->asked == ASKED_QUESTIONS)
		input_post(s, *from != '\0' ? "answer" : "fail", *from != '\0' ? from : NULL);
	else if (n > 0)
		decision_take(s, from);
	else
		act(s, "cancel", NULL, NULL); /* nobody is there who could decide */
	free(answer);
}

static void approval_take(struct session *s, const char *answer)
{
	if (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0)
		act(s, "approve", "plan_digest", s->digest);
	else if (*answer == '\0' || strcasecmp(answer, "n") == 0 || strcasecmp(answer, "no") == 0)
		act(s, "reject", NULL, NULL);
	else
		act(s, "reject", "feedback", answer);
}

static void decision_take(struct session *s, const char *answer)
{
	struct buf body = BUF_INIT;
	if (decide_parse(s->pending, answer, &body))
		post(s, "input", buf_slice(&body));
	else
		decision_asked(s);
	buf_release(&body);
}

/* content: NULL for none. */
static void input_post(struct session *s, const char *action, const char *content)
{
	struct buf body = BUF_INIT;
	struct jw w = JW(&body);
	jw_object(&w);
	jw_kv_text(&w, "id", json_get_text(s->pending, "id", ""));
	jw_kv_text(&w, "action", action);
	if (content != NULL)
		jw_kv_text(&w, "content", content);
	jw_object_end(&w);
	post(s, "input", buf_slice(&body));
	buf_release(&body);
}

static void act(struct session *s, const char *verb, const char *name, const char *value)
{
	struct buf body = BUF_INIT;
	struct jw w = JW(&body);
	jw_object(&w);
	if (name != NULL)
		jw_kv_text(&w, name, value);
	jw_object_end(&w);
	post(s, verb, buf_slice(&body));
	buf_release(&body);
}

static void post(struct session *s, const char *verb, struct slice body)
{
	char *path = xasprintf("%s/%s", s->task_path, verb);
	client_ask(s->client, "POST", path, body, acted, s);
	free(path);
}

static void acted(const struct json *body, const struct error *e, void *arg)
{
	(void)body;
	/* A task that ended by itself meanwhile tells so through its events. */
	if (e->code != ERR_NONE && e->code != ERR_CONFLICT)
		session_fail(arg, EXIT_UNAVAILABLE, e->msg);
}

static void stream_lost(const struct json *body, const struct error *e, void *arg)
{
	(void)body;
	session_fail(arg, EXIT_UNAVAILABLE, e->msg);
}

static void finish(struct session *s)
{
	client_ask(s->client, "GET", s->task_path, (struct slice){NULL, 0}, document_came, s);
}

static void document_came(const struct json *body, const struct error *e, void *arg)
{
	struct session *s = arg;
	if (e->code != ERR_NONE) {
		session_fail(s, EXIT_UNAVAILABLE, e->msg);
		return;
	}
	show_end(s->show, body);
	s->exit_code =
		strcmp(json_get_text(body, "status", ""), "completed") == 0 ? EXIT_OK : EXIT_NOT_COMPLETED;
	loop_stop(s->loop);
}

static void session_fail(struct session *s, int code, const char *message)
{
	text_print(stderr, "agent-runtime: %s\n", message);
	s->exit_code = code;
	loop_stop(s->loop);
}

static void interrupted(int signo, void *arg)
{
	struct session *s = arg;
	(void)signo;
	if (++s->interrupts > 1) {
		s->exit_code = EXIT_NOT_COMPLETED;
		loop_stop(s->loop);
	} else if (s->task_path != NULL) {
		act(s, "cancel", NULL, NULL);
	} /* else it is cancelled as soon as the server has told its id: it may have been accepted already */
}
