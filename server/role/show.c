/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `agent-runtime run` shows. On a terminal the steps under way stand at the bottom with a spinner,
 * elapsed time and the tool being called, redrawn in place; what is over scrolls up as plain lines. Piped,
 * each fact is one line and nothing moves. With --json the events pass through as they are.
 */
#include "base/base.h"
#include "role/role_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { ACTIVE_MAX = 32, TICK_MS = 100, WIDTH_DEFAULT = 80 };

/* A step, or the planner or writer (then step is the role), under way. */
struct active {
	char step[64], title[256], doing[192];
	int64_t since_ms;
};

struct show {
	enum show_form form;
	bool colour;
	struct loop_timer *tick;
	struct active active[ACTIVE_MAX];
	size_t active_count;
	int lines_drawn, frame;
	struct json *plan; /* for titles */
};

static void say(const char *fmt, ...) printf_like(1);
static void say_list(FILE *f, bool one_line, const char *fmt, va_list ap);
static void say_line(const char *fmt, ...) printf_like(1);
static void tick(void *arg);
static void erase(struct show *s);
static void draw(struct show *s);
static void line(struct show *s, const char *mark, const char *fmt, ...) printf_like(3);
static struct active *active_begin(struct show *s, const char *step, const char *title);
static struct active *active_find(struct show *s, const char *step);
static int64_t active_end(struct show *s, const char *step);
static const char *step_title(const struct show *s, const char *id);
static void event_model(struct show *s, const char *type, const struct json *data);
static void event_step(struct show *s, const char *type, const struct json *data);
static void event_tool(struct show *s, const char *type, const struct json *data);

struct show *show_new(struct loop *l, enum show_form form)
{
	struct show *s = xcalloc(1, sizeof *s);
	s->form = form;
	s->colour = form == SHOW_TERMINAL && getenv("NO_COLOR") == NULL;
	s->tick = loop_timer_new(l, tick, s);
	return s;
}

void show_free(struct show *s)
{
	erase(s);
	loop_timer_free(s->tick);
	json_free(s->plan);
	free(s);
}

void show_event(struct show *s, const char *type, const struct json *data, struct slice text)
{
	if (s->form == SHOW_JSON) {
		printf("{\"event\":\"%s\",\"data\":%.*s}\n", type, (int)text.len, text.ptr);
		fflush(stdout);
		return;
	}
	erase(s);
	if (strcmp(type, "plan.created") == 0) {
		json_free(s->plan);
		s->plan = json_copy(json_get(data, "plan"));
	} else if (strncmp(type, "model.", 6) == 0) {
		event_model(s, type, data);
	} else if (strncmp(type, "step.", 5) == 0) {
		event_step(s, type, data);
	} else if (strncmp(type, "tool.", 5) == 0) {
		event_tool(s, type, data);
	} else if (strcmp(type, "task.state") == 0 && s->form == SHOW_PLAIN) {
		say_line("task: %s", json_get_text(data, "to", "?"));
	}
	draw(s);
}

void show_plan(struct show *s, const struct json *plan)
{
	if (s->form == SHOW_JSON)
		return;
	erase(s);
	say("\nPlan (version %lld): %s\n", (long long)json_get_integer(plan, "version", 1),
	    json_get_text(plan, "goal", ""));
	for (const struct json *j = json_first(json_get(plan, "steps")); j != NULL; j = json_next(j)) {
		say("  %-4s %s  [%s]", json_get_text(j, "id", "?"), json_get_text(j, "title", ""),
		    json_get_text(j, "side_effects", "?"));
		for (const struct json *h = json_first(json_get(j, "tool_hints")); h != NULL;
		     h = json_next(h))
			say(" %s", json_text(h));
		if (json_count(json_get(j, "depends_on")) > 0)
			printf("  after");
		for (const struct json *d = json_first(json_get(j, "depends_on")); d != NULL;
		     d = json_next(d))
			say(" %s", json_text(d));
		printf("\n");
	}
	printf("\n");
	draw(s);
}

void show_pending(struct show *s, const struct json *pending)
{
	struct buf arguments = BUF_INIT;
	FILE *f = s->form == SHOW_JSON ? stderr : stdout;
	erase(s);
	text_print(f, "\n%s\n", json_get_text(pending, "question", "The task waits for a decision."));
	if (json_get(pending, "arguments") != NULL && json_print(json_get(pending, "arguments"), &arguments))
		text_print(f, "  %s %s %s\n", json_get_text(pending, "server", ""),
			   json_get_text(pending, "tool", ""), buf_cstr(&arguments));
	buf_reset(&arguments);
	if (json_get(pending, "schema") != NULL && json_print(json_get(pending, "schema"), &arguments))
		text_print(f, "  form: %s\n", buf_cstr(&arguments));
	if (json_get_text(pending, "url", NULL) != NULL)
		text_print(f, "  %s\n", json_get_text(pending, "url", ""));
	buf_release(&arguments);
	draw(s);
}

void show_question(struct show *s, const char *text)
{
	FILE *f = s->form == SHOW_JSON ? stderr : stdout;
	erase(s);
	fputs(text, f);
	fflush(f);
}

void show_end(struct show *s, const struct json *document)
{
	const char *status = json_get_text(document, "status", "?");
	const struct json *result = json_get(document, "result");
	if (s->form == SHOW_JSON)
		return;
	s->active_count = 0;
	erase(s);
	if (json_text(result) != NULL) {
		say("\n%s\n", json_text(result));
	} else if (result != NULL && !json_is(result, JSON_NULL)) {
		struct buf text = BUF_INIT;
		json_print(result, &text);
		say("\n%s\n", buf_cstr(&text));
		buf_release(&text);
	}
	fflush(stdout);
	const char *why = json_get_text(json_get(document, "error"), "message", NULL);
	if (strcmp(status, "completed") != 0)
		text_print(stderr, "agent-runtime: the task ended %s%s%s\n", status, why != NULL ? ": " : "",
			   why != NULL ? why : "");
}

void text_print(FILE *f, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say_list(f, false, fmt, ap);
	va_end(ap);
}

/* --- helpers --- */

static void say(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say_list(stdout, false, fmt, ap);
	va_end(ap);
}

/* What models and tools wrote may hold escape sequences; a terminal must not obey them. */
static void say_list(FILE *f, bool one_line, const char *fmt, va_list ap)
{
	char *text = NULL;
	if (vasprintf(&text, fmt, ap) < 0)
		return;
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
		bool c1 = p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0;
		if (one_line && (*p == '\n' || *p == '\t'))
			putc(' ', f);
		else if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7F)
			putc('?', f);
		else if (c1)
			p++, putc('?', f);
		else
			putc(*p, f);
	}
	free(text);
}

/* A fact is a line, whatever the texts in it hold. */
static void say_line(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say_list(stdout, true, fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void tick(void *arg)
{
	struct show *s = arg;
	s->frame++;
	erase(s);
	draw(s);
}

static void erase(struct show *s)
{
	if (s->lines_drawn > 0)
		printf("\r\033[%dA\033[J", s->lines_drawn);
	s->lines_drawn = 0;
}

static int terminal_width(void)
{
	struct winsize w;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : WIDTH_DEFAULT;
}

static void draw(struct show *s)
{
	static const char *const frames[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
	int width = terminal_width();
	if (s->form != SHOW_TERMINAL) {
		fflush(stdout);
		return;
	}
	for (size_t i = 0; i < s->active_count; i++) {
		const struct active *a = &s->active[i];
		char text[640];
		snprintf(text, sizeof text, "%s %s  %.1fs  %s", a->step, a->title,
			 (double)(clock_mono_ms() - a->since_ms) / 1000, a->doing);
		/* Never wider than the terminal: a wrapped line could not be erased. */
		size_t cut = utf8_cut(text, strlen(text), (size_t)width - 4);
		printf("%s%s%s ", s->colour ? "\033[36m" : "", frames[(size_t)s->frame % COUNT_OF(frames)],
		       s->colour ? "\033[0m" : "");
		say_line("%.*s", (int)cut, text);
		s->lines_drawn++;
	}
	fflush(stdout);
	loop_timer_set(s->tick, s->active_count > 0 ? TICK_MS : -1);
}

static void line(struct show *s, const char *mark, const char *fmt, ...)
{
	va_list ap;
	bool bad = strcmp(mark, "✘") == 0;
	if (s->form == SHOW_TERMINAL)
		printf("%s%s%s ", s->colour ? (bad ? "\033[31m" : "\033[32m") : "", mark,
		       s->colour ? "\033[0m" : "");
	va_start(ap, fmt);
	say_list(stdout, true, fmt, ap);
	va_end(ap);
	putchar('\n');
}

static struct active *active_begin(struct show *s, const char *step, const char *title)
{
	struct active *a = active_find(s, step);
	if (a == NULL && s->active_count == ACTIVE_MAX)
		return NULL;
	if (a == NULL)
		a = &s->active[s->active_count++];
	*a = (struct active){.since_ms = clock_mono_ms()};
	snprintf(a->step, sizeof a->step, "%s", step);
	snprintf(a->title, sizeof a->title, "%s", title);
	return a;
}

static struct active *active_find(struct show *s, const char *step)
{
	for (size_t i = 0; i < s->active_count; i++)
		if (strcmp(s->active[i].step, step) == 0)
			return &s->active[i];
	return NULL;
}

/* How long it took; 0 when it was not under way. */
static int64_t active_end(struct show *s, const char *step)
{
	struct active *a = active_find(s, step);
	if (a == NULL)
		return 0;
	int64_t ms = clock_mono_ms() - a->since_ms;
	*a = s->active[--s->active_count];
	return ms;
}

static const char *step_title(const struct show *s, const char *id)
{
	for (const struct json *j = json_first(json_get(s->plan, "steps")); j != NULL; j = json_next(j))
		if (strcmp(json_get_text(j, "id", ""), id) == 0)
			return json_get_text(j, "title", "");
	return "";
}

static void event_model(struct show *s, const char *type, const struct json *data)
{
	const char *role = json_get_text(data, "role", ""), *step = json_get_text(data, "step", NULL);
	struct active *a = step != NULL ? active_find(s, step) : NULL;
	if (strcmp(type, "model.retried") == 0) {
		line(s, "!", "model: trying again in %lld ms: %s",
		     (long long)json_get_integer(data, "wait_ms", 0),
		     json_get_text(json_get(data, "error"), "message", ""));
	} else if (strcmp(type, "model.failover") == 0) {
		line(s, "!", "model: asking %s (%s) now: %s", json_get_text(data, "provider", ""),
		     json_get_text(data, "model", ""), json_get_text(json_get(data, "error"), "message", ""));
	} else if (strcmp(type, "model.started") == 0 && step == NULL) {
		active_begin(s, role, strcmp(role, "planner") == 0 ? "planning" : "writing the answer");
		if (s->form == SHOW_PLAIN)
			say_line("%s: %s", role, json_get_text(data, "model", ""));
	} else if (strcmp(type, "model.started") == 0 && a != NULL) {
		snprintf(a->doing, sizeof a->doing, "model");
	} else if (step == NULL && strcmp(type, "model.delta") != 0) {
		active_end(s, role);
	}
}

static void event_step(struct show *s, const char *type, const struct json *data)
{
	const char *step = json_get_text(data, "step", "?"), *title = step_title(s, step);
	if (strcmp(type, "step.started") == 0 || strcmp(type, "step.resumed") == 0) {
		active_begin(s, step, title);
		if (s->form == SHOW_PLAIN)
			say_line("%s: %s: %s", step, type + 5, title);
		return;
	}
	int64_t ms = active_end(s, step);
	if (strcmp(type, "step.completed") == 0)
		line(s, "✔", "%s: completed: %s (%.1f s)", step, title, (double)ms / 1000);
	else if (strcmp(type, "step.failed") == 0)
		line(s, "✘", "%s: failed: %s: %s", step, title,
		     json_get_text(json_get(data, "error"), "message", ""));
	else
		line(s, "-", "%s: %s: %s", step, type + 5, title);
}

static void event_tool(struct show *s, const char *type, const struct json *data)
{
	const char *step = json_get_text(data, "step", "?");
	struct active *a = active_find(s, step);
	if (strcmp(type, "tool.started") == 0) {
		if (a != NULL)
			snprintf(a->doing, sizeof a->doing, "%s %s", json_get_text(data, "server", ""),
				 json_get_text(data, "tool", ""));
		if (s->form == SHOW_PLAIN)
			say_line("%s: calls %s %s", step, json_get_text(data, "server", ""),
				 json_get_text(data, "tool", ""));
	} else if (strcmp(type, "tool.progress") == 0 && a != NULL) {
		snprintf(a->doing, sizeof a->doing, "%s", json_get_text(data, "message", "..."));
	} else if (strcmp(type, "tool.failed") == 0) {
		line(s, "✘", "%s: %s: %s", step, json_get_text(data, "tool", ""),
		     json_get_text(json_get(data, "error"), "message", ""));
	}
}
