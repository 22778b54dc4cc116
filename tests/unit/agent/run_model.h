/* SPDX-License-Identifier: Apache-2.0 */
/* What the scripted model of a world answers, and plans for it; the file that fake__count writes. Part of
 * run_rig.h, the only file that includes this. */
#ifndef TESTS_UNIT_AGENT_RUN_MODEL_H
#define TESTS_UNIT_AGENT_RUN_MODEL_H

#include <fcntl.h>

static inline void model_raw(struct world *w, char *bytes)
{
	ensure(w->replies_count < SCRIPT_REQUESTS_MAX);
	w->replies[w->replies_count++] = (struct script_reply){bytes, SCRIPT_CLOSE};
	w->model->replies_count = w->replies_count;
}

/* message: the object of choices[0].message. */
static inline void model_message(struct world *w, const char *message, const char *finish)
{
	model_raw(w,
		  xasprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
			    "{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":%s,\"finish_reason\":"
			    "\"%s\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}",
			    message, finish));
}

static inline void model_text(struct world *w, const char *text)
{
	struct buf b = BUF_INIT;
	struct jw j = JW(&b);
	jw_object(&j);
	jw_kv_text(&j, "role", "assistant");
	jw_kv_text(&j, "content", text);
	jw_object_end(&j);
	model_message(w, buf_cstr(&b), "stop");
	buf_release(&b);
}

/* Pairs of name and arguments, NULL at the end. Ids are "t0", "t1", ... */
static inline void model_calls_stop(struct world *w, const char *finish, const char *const *pairs)
{
	struct buf b = BUF_INIT;
	struct jw j = JW(&b);
	char id[16];
	jw_object(&j);
	jw_kv_text(&j, "role", "assistant");
	jw_name(&j, "tool_calls");
	jw_array(&j);
	for (int i = 0; pairs[i * 2] != NULL; i++) {
		snprintf(id, sizeof id, "t%d", i);
		jw_object(&j);
		jw_kv_text(&j, "id", id);
		jw_kv_text(&j, "type", "function");
		jw_name(&j, "function");
		jw_object(&j);
		jw_kv_text(&j, "name", pairs[i * 2]);
		jw_kv_text(&j, "arguments", pairs[i * 2 + 1]);
		jw_object_end(&j);
		jw_object_end(&j);
	}
	jw_array_end(&j);
	jw_object_end(&j);
	model_message(w, buf_cstr(&b), finish);
	buf_release(&b);
}
#define model_calls(w, ...) model_calls_stop((w), "tool_calls", (const char *[]){__VA_ARGS__, NULL, NULL})

static inline void model_finish(struct world *w, const char *status, const char *result)
{
	struct buf b = BUF_INIT;
	struct jw j = JW(&b);
	jw_object(&j);
	jw_kv_text(&j, "status", status);
	jw_kv_text(&j, "result", result);
	jw_object_end(&j);
	model_calls(w, "finish_step", buf_cstr(&b));
	buf_release(&b);
}

/* A plan of steps given as JSON objects. */
static inline void model_plan(struct world *w, const char *steps)
{
	char *plan = xasprintf("{\"goal\":\"g\",\"assumptions\":[],\"questions\":[],\"steps\":[%s],"
			       "\"final_output\":\"a line\"}",
			       steps);
	model_text(w, plan);
	free(plan);
}

/* The messages of the n-th request (from 0), as JSON text: what the model was shown. */
static inline const char *model_shown(const struct world *w, size_t n)
{
	if (n >= w->model->requests_count)
		fail_msg("the model was asked %zu times only", w->model->requests_count);
	return strstr(w->model->requests[n], "\r\n\r\n") + 4;
}

#define STEP(id, effect)                                                       \
	"{\"id\":\"" id "\",\"title\":\"title " id "\",\"objective\":\"do " id \
	"\",\"side_effects\":\"" effect "\"}"
#define STEP_AFTER(id, effect, deps, on_failure)                               \
	"{\"id\":\"" id "\",\"title\":\"title " id "\",\"objective\":\"do " id \
	"\",\"side_effects\":\"" effect "\",\"depends_on\":[" deps "],\"on_failure\":\"" on_failure "\"}"

/* A file that the tool fake__count writes a line to for each call, and that call's arguments. */
struct counted {
	char dir[32], file[64], arguments[128], text[512];
};

static inline void counted_open(struct counted *c)
{
	strcpy(c->dir, "/tmp/agent-test-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	snprintf(c->file, sizeof c->file, "%s/count", c->dir);
	snprintf(c->arguments, sizeof c->arguments, "{\"file\":\"%s\"}", c->file);
}

static inline void counted_close(struct counted *c)
{
	unlink(c->file);
	assert_int_equal(rmdir(c->dir), 0);
}

/* The lines; "" when it was never called. */
static inline const char *counted_text(struct counted *c)
{
	int fd = open(c->file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, c->text, sizeof c->text - 1) : 0;
	if (fd >= 0)
		close(fd);
	c->text[n > 0 ? n : 0] = '\0';
	return c->text;
}

#endif
