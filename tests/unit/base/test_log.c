/* SPDX-License-Identifier: Apache-2.0 */
/* log.c: one valid JSON object a line whatever is logged, levels, cutting, and text for terminals. */
#include "base/base.h"

#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int pipe_fds[2];

static int pipe_open(void **state)
{
	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(fd_set_nonblock(pipe_fds[0], NULL), ERR_NONE);
	log_set_fd(pipe_fds[1]);
	log_init("worker 2", LOG_INFO, LOG_FORMAT_JSON);
	clock_fake_set(0, 1795404281123);
	return 0;
}

static int pipe_close(void **state)
{
	(void)state;
	log_set_fd(STDERR_FILENO);
	clock_fake_clear();
	fd_close(&pipe_fds[0]);
	fd_close(&pipe_fds[1]);
	return 0;
}

static const char *line_read(void)
{
	static char text[8192];

	ssize_t n = read(pipe_fds[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static struct json *line_parse(void)
{
	struct error e = {.msg = ""};
	const char *text = line_read();
	size_t n = strlen(text);

	assert_true(n > 0 && text[n - 1] == '\n');
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	assert_true(n <= 4096);
	struct json *j = json_parse(text, n, 0, &e);
	if (!j)
		fail_msg("%s in %s", e.msg, text);
	return j;
}

static void log_write__is_one_json_line(void **state)
{
	(void)state;
	log_warn("disk \"a\"\n", LF_STR("task_id", "t1"), LF_INT("ms", -5), LF_BOOL("retry", true),
		 LF_STR("none", NULL));
	struct json *j = line_parse();
	assert_string_equal(json_get_text(j, "ts", ""), "2026-11-23T03:24:41.123Z");
	assert_string_equal(json_get_text(j, "level", ""), "warn");
	assert_string_equal(json_get_text(j, "role", ""), "worker 2");
	assert_int_equal(json_get_integer(j, "pid", 0), getpid());
	assert_string_equal(json_get_text(j, "msg", ""), "disk \"a\"\n");
	assert_string_equal(json_get_text(j, "task_id", ""), "t1");
	assert_int_equal(json_get_integer(j, "ms", 0), -5);
	assert_true(json_get_bool(j, "retry", false));
	assert_true(json_is(json_get(j, "none"), JSON_NULL));
	json_free(j);
}

static void log_write__respects_the_level(void **state)
{
	(void)state;
	log_debug("hidden");
	assert_string_equal(line_read(), "");
	log_init("worker 2", LOG_OFF, LOG_FORMAT_JSON);
	log_error("hidden too");
	assert_string_equal(line_read(), "");
}

static void log_write__replaces_invalid_utf8(void **state)
{
	(void)state;
	log_info("bad \xff\xc0\x80 \x01\x1b[31m end");
	struct json *j = line_parse();
	assert_string_equal(json_get_text(j, "msg", ""),
			    "bad \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD \x01\x1b[31m end");
	json_free(j);
}

static void log_write__cuts_long_values_and_stays_valid(void **state)
{
	char text[9000];

	(void)state;
	for (size_t shift = 0; shift < 8; shift++) {
		for (size_t i = 0; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, i % 2 ? "\"\\\n" : "\xE2\x82\xAC", 3);
		text[sizeof(text) - 1 - sizeof(text) % 3] = '\0';
		memset(text, 'p', shift);
		text[8000] = '\0';
		log_info(text, LF_STR("a", text), LF_STR("b", text), LF_INT("c", 1));
		struct json *j = line_parse();
		assert_true(json_get_bool(j, "truncated", false));
		assert_true(strlen(json_get_text(j, "msg", "")) > 500);
		json_free(j);
	}
}

static void log_write__survives_a_full_pipe(void **state)
{
	(void)state;
	assert_int_equal(fd_set_nonblock(pipe_fds[1], NULL), ERR_NONE);
	for (int i = 0; i < 2000; i++)
		log_info("a line that nobody reads, again and again and again and again");
}

static void log_write__text_has_no_control_characters(void **state)
{
	(void)state;
	log_init("main", LOG_DEBUG, LOG_FORMAT_TEXT);
	log_error("odd\x1b[31m\n", LF_STR("path", "a b"), LF_INT("n", 3));
	assert_string_equal(line_read(), "03:24:41.123 error [main] odd\\x1b[31m\\n path=a b n=3\n");
}

static void log_level_parse__knows_the_names(void **state)
{
	enum log_level level = LOG_OFF;

	(void)state;
	assert_true(log_level_parse("Warning", &level));
	assert_int_equal(level, LOG_WARN);
	assert_true(log_level_parse("DEBUG", &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_true(log_level_parse("off", &level));
	assert_false(log_level_parse("loud", &level));
	assert_false(log_level_parse("", &level));
	assert_int_equal(level, LOG_OFF);
}

#define log_test(f) cmocka_unit_test_setup_teardown(f, pipe_open, pipe_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		log_test(log_write__is_one_json_line),
		log_test(log_write__respects_the_level),
		log_test(log_write__replaces_invalid_utf8),
		log_test(log_write__cuts_long_values_and_stays_valid),
		log_test(log_write__survives_a_full_pipe),
		log_test(log_write__text_has_no_control_characters),
		log_test(log_level_parse__knows_the_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
