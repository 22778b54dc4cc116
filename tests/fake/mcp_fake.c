/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted tool server on stdin and stdout: argv[1] names how it behaves, well or badly. Every mode lists
 * the tools of the table below that belong to it; the modes that break something break only that.
 *
 *   echo                 echo{text} count{file, ms} sleep{ms} fail{} env{} cancelled{}: behaves; count adds
 *                        "called KEY" to the file, with the call's idempotency key
 *   paged                15 tools on five pages; the first cursor is the empty string
 *   slow-start MS        answers initialize after MS
 *   never-init           answers nothing
 *   exit-at-once         says why on stderr and exits with 3
 *   exit-after N         answers N calls and exits with 4 when one more comes
 *   stderr-flood         1 MiB on stderr before each answer
 *   junk-lines           lines that are no messages around each answer
 *   big-line             big{bytes, id_first}: a result of 20 MB, by default with the id at its end
 *   stubborn             ignores SIGTERM and the end of its input
 *   progress             progress{steps, ms}: that many notifications, ms apart, then the result
 *   silent               never answers tools/call
 *   list-changed-burst   grow{}: one more tool, told seven times; listed{}: how often it was asked
 *   colliding-ids        asks us with ids 0, 1 and 2 while it answers; the result is what we said
 *   bad-schema           one good tool, three bad ones
 *   pinger               pings before it answers initialize; pings{}: how many were answered
 *   grandchild           has a child that stays; grandchild{}: its pid
 *   wrapper              as npx: it starts a shell that starts the server (mode grandchild), and waits
 *   twice                sends each answer two times
 *   wrong-version        answers initialize with a version nobody knows
 *   endless-line         begins an answer to a call that never ends
 *   close-input          closes its stdin after it listed its tools, and stays
 *   close-output         closes its stdout at the first call, and stays
 *   tell-secret          prints its environment's SERVICE_TOKEN and PLAIN on stderr and exits with 5
 *   list-error           answers tools/list with an error
 *   verbatim             verbatim{result}: that text as the result, be it JSON or not; typed{result}: the
 *                        same with an output schema that wants {n: integer}; remote{result}: with one that
 *                        does not compile; picture{bytes}: an image of so many zeros
 */
#include "base/base.h"
#include "tests/fake/mcp_fake.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- methods --- */

static void raw_print(const struct json *j, struct buf *out)
{
	if (j)
		json_print(j, out);
}

static void tool_print(struct buf *out, const char *name, const char *properties, bool read_only)
{
	buf_printf(out,
		   "{\"name\":\"%s\",\"title\":\"The %s tool\",\"description\":\"Does %s.\",\"inputSchema\":"
		   "{\"type\":\"object\",\"properties\":{%s}},\"annotations\":{\"readOnlyHint\":%s}},",
		   name, name, name, properties, read_only ? "true" : "false");
}

/* The first page is asked for without a cursor, the second with "", the n-th with "n". */
static void paged_list(struct buf *out, const char *cursor, int *next_page)
{
	int page = !cursor ? 0 : !*cursor ? 1 : atoi(cursor);
	char name[24];
	for (int i = 0; i < PAGE_TOOLS; i++) {
		snprintf(name, sizeof(name), "p%d", page * PAGE_TOOLS + i);
		tool_print(out, name, "", true);
	}
	*next_page = page + 1 < PAGES ? page + 1 : 0;
}

static void here_list(struct buf *out)
{
	char name[24];
	for (size_t i = 0; i < COUNT_OF(tools); i++) {
		if (tool_is_here(&tools[i]) && !tools[i].unlisted)
			tool_print(out, tools[i].name, tools[i].properties, tools[i].read_only);
	}
	for (int i = 0; i < grown; i++) {
		snprintf(name, sizeof(name), "grown%d", i);
		tool_print(out, name, "", true);
	}
	if (mode_is("verbatim"))
		buf_add_str(out, TYPED_TOOLS);
	if (mode_is("bad-schema"))
		buf_add_str(
			out,
			"{\"name\":\"no_object\",\"inputSchema\":\"text\"},"
			"{\"name\":\"no_pattern\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"a\":"
			"{\"$ref\":\"http://127.0.0.1/elsewhere\"}}}},{\"name\":\"no_schema\"},");
}

static void list_answer(const char *id, const struct json *params)
{
	struct buf result = BUF_INIT;
	int next_page = 0;
	lists++;
	if (mode_is("list-error")) {
		answer_error(id, -32603, "the list is broken");
		return;
	}
	buf_add_str(&result, "{\"tools\":[");
	if (mode_is("paged"))
		paged_list(&result, json_text(json_get(params, "cursor")), &next_page);
	else
		here_list(&result);
	result.len--; /* the last comma */
	buf_add_str(&result, "]");
	if (next_page == 1)
		buf_add_str(&result, ",\"nextCursor\":\"\"");
	else if (next_page)
		buf_printf(&result, ",\"nextCursor\":\"%d\"", next_page);
	buf_add_str(&result, "}");
	if (mode_is("close-input"))
		close(0); /* before the answer: whoever sees it finds the pipe closed */
	answer_raw(id, result.data);
	buf_release(&result);
	while (mode_is("close-input"))
		pause();
}

static void initialize_answer(const char *id)
{
	struct buf result = BUF_INIT;
	if (mode_is("slow-start"))
		usleep((useconds_t)number * 1000);
	if (mode_is("pinger"))
		say("\"id\":\"p-0\",\"method\":\"ping\"");
	buf_printf(&result,
		   "{\"protocolVersion\":\"%s\",\"capabilities\":{\"tools\":{\"listChanged\":true}},"
		   "\"serverInfo\":{\"name\":\"mcp-fake\",\"version\":\"1.0\"}}",
		   mode_is("wrong-version") ? "1999-01-01" : "2025-06-18");
	answer_raw(id, result.data);
	buf_release(&result);
}

static void call_answer(const char *id, const struct json *params)
{
	const char *name = json_get_text(params, "name", "");
	const struct json *given = json_get(params, "arguments");
	struct json *args = given ? json_copy(given) : json_new_object();
	struct buf token = BUF_INIT;
	if (mode_is("exit-after") && calls >= number)
		_exit(4);
	calls++;
	while (mode_is("endless-line"))
		out_write_text(1, "and another thing, ");
	if (mode_is("close-output"))
		close(1);
	while (mode_is("close-output"))
		pause();
	raw_print(json_pointer(params, "/_meta/progressToken"), &token);
	json_set(args, "_token", json_new_text(buf_cstr(&token)));
	json_set(args, "_key",
		 json_new_text(json_get_text(json_get(params, "_meta"), "agent-runtime/idempotencyKey", "")));
	for (size_t i = 0; i < COUNT_OF(tools) && !mode_is("silent"); i++) {
		if (!tool_is_here(&tools[i]) || strcmp(tools[i].name, name) != 0)
			continue;
		tools[i].run(id, args);
		goto out;
	}
	if (!mode_is("silent"))
		answer_text(id, "unknown tool", true);
out:
	buf_release(&token);
	json_free(args);
}

static void cancel_take(const struct json *params)
{
	struct buf id = BUF_INIT;
	cancels++;
	raw_print(json_get(params, "requestId"), &id);
	for (int i = 0; i < SLEEPS_MAX; i++) {
		if (strcmp(sleepers[i].id, buf_cstr(&id)) == 0)
			sleepers[i].id[0] = '\0';
	}
	buf_release(&id);
}

/* An answer of the client's to one of our requests. */
static void answer_take(const struct json *message, const char *id)
{
	size_t n = strlen(answers_seen);
	if (json_get(message, "result"))
		pings_answered++;
	snprintf(answers_seen + n, sizeof(answers_seen) - n, "%s:%s ", id,
		 json_get(message, "result") ? "result" : "error");
	if (asked && --asked == 0)
		answer_text(asking_id, answers_seen, false);
}

static void message_take(const struct json *message)
{
	const char *method = json_get_text(message, "method", NULL);
	const struct json *params = json_get(message, "params");
	struct buf id = BUF_INIT;
	raw_print(json_get(message, "id"), &id);
	if (!method)
		answer_take(message, buf_cstr(&id));
	else if (strcmp(method, "initialize") == 0)
		initialize_answer(id.data);
	else if (strcmp(method, "tools/list") == 0)
		list_answer(id.data, params);
	else if (strcmp(method, "tools/call") == 0)
		call_answer(id.data, params);
	else if (strcmp(method, "notifications/cancelled") == 0)
		cancel_take(params);
	else if (strcmp(method, "ping") == 0)
		answer_raw(id.data, "{}");
	else if (id.len)
		answer_error(id.data, -32601, "unknown method");
	buf_release(&id);
}

/* --- the loop --- */

static void sleeper_wake(struct sleeper *s)
{
	char text[192];
	if (s->steps_left) {
		s->step++;
		s->steps_left--;
		s->until_ms = clock_mono_ms() + s->step_ms;
		snprintf(text, sizeof(text),
			 "\"method\":\"notifications/"
			 "progress\",\"params\":{\"progressToken\":%s,\"progress\":%lld.50,"
			 "\"total\":%lld,\"message\":\"step \\u2713 %lld\"}",
			 s->token, (long long)s->step, (long long)s->steps, (long long)s->step);
		say(text);
		return;
	}
	memcpy(text, s->id, sizeof(s->id));
	s->id[0] = 0;
	answer_text(text, "slept", false);
}

/* Wakes who is due; milliseconds to the next one, -1 when nobody sleeps. */
static int sleepers_run(void)
{
	int64_t next = -1;
	for (int i = 0; i < SLEEPS_MAX; i++) {
		struct sleeper *s = &sleepers[i];
		if (s->id[0] && s->until_ms <= clock_mono_ms())
			sleeper_wake(s);
		int64_t left = s->until_ms - clock_mono_ms();
		if (s->id[0] && (next < 0 || left < next))
			next = left > 0 ? left : 0;
	}
	return (int)next;
}

static void lines_take(struct buf *in)
{
	char *lf;
	while (in->len && (lf = memchr(in->data, '\n', in->len))) {
		size_t n = (size_t)(lf - in->data);
		struct json *message = json_parse(in->data, n, 0, NULL);
		if (message && !mode_is("never-init"))
			message_take(message);
		json_free(message);
		buf_consume(in, n + 1);
	}
}

static void serve(void)
{
	struct buf in = BUF_INIT;
	struct pollfd p = {.fd = 0, .events = POLLIN};
	for (;;) {
		if (poll(&p, 1, sleepers_run()) <= 0)
			continue;
		char *room = buf_grow(&in, 65536);
		ssize_t n = room ? read(0, room, 65536) : -1;
		if (n <= 0)
			break;
		in.len += (size_t)n;
		lines_take(&in);
	}
	buf_release(&in);
}

static void trouble_begin(void)
{
	if (mode_is("exit-at-once")) {
		out_write_text(2, "starting\nfatal: cannot find module 'left-pad'\n");
		_exit(3);
	}
	if (mode_is("tell-secret")) {
		fprintf(stderr, "token %s for %s\n", getenv("SERVICE_TOKEN"), getenv("PLAIN"));
		_exit(5);
	}
	if (mode_is("stubborn"))
		signal(SIGTERM, SIG_IGN);
	if (mode_is("stderr-flood"))
		flood();
	if (mode_is("grandchild") && (grandchild = fork()) == 0) {
		for (;;)
			pause();
	}
}

int main(int argc, char **argv, char **envp)
{
	environment = envp;
	if (argc > 1)
		mode = argv[1];
	if (argc > 2)
		number = atoll(argv[2]);
	if (mode_is("wrapper"))
		return system(xasprintf("%s grandchild; true", argv[0]));
	trouble_begin();
	serve();
	while (mode_is("stubborn"))
		pause();
	return 0;
}
