/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options: every default is allowed by its own row, and etc/config.yaml is what the table says,
 * to the byte. When the table changes, run this test with CONF_SAMPLE_OUT=etc/config.yaml to write the file
 * anew.
 */
#include "base/base.h"
#include "conf/conf_int.h"

#include <stdarg.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { COLUMNS_MAX = 140 };

static const char HEAD[] =
	"# Agent Runtime Service: every option with its default. A file needs only what it changes.\n"
	"# The environment (OPENAI_API_KEY, OPENAI_BASE_URL, LOG_LEVEL) overrides this file, --set "
	"section.name=value\n"
	"# overrides both. `agent-runtime check` prints what is in force. Tool servers: tool_registry.yaml "
	"beside this file.\n";

static void text_print(struct buf *b, const char *doc, const char *name, const char *value)
{
	struct jw w = JW(b);
	buf_printf(b, "  # %s\n  %s: ", doc, name);
	jw_text(&w, value);
	buf_add_char(b, '\n');
}

static void number_print(struct buf *b, const char *doc, const char *before, const char *name,
			 const char *value, long long min, long long max, const char *unit)
{
	buf_printf(b, "  # %s (%s%lld to %lld%s%s)\n  %s: %s\n", doc, before, min, max, *unit ? " " : "",
		   unit, name, value);
}

static void sample_print(struct buf *b)
{
	buf_add_str(b, HEAD);
#define OPT_SECTION(section, doc) buf_printf(b, "\n# %s\n%s:\n", doc, #section);
#define OPT_INT(section, name, def, min, max, unit, doc) \
	number_print(b, doc, "", #name, #def, min, max, unit);
#define OPT_AUTO(section, name, min, max, unit, doc) \
	number_print(b, doc, "auto, or ", #name, "auto", min, max, unit);
#define OPT_MONEY(section, name, doc)     buf_printf(b, "  # %s\n  %s: 0\n", doc, #name);
#define OPT_TEXT(section, name, def, doc) text_print(b, doc, #name, def);
#define OPT_URL(section, name, def, doc)  text_print(b, doc, #name, def);
#define OPT_SECRET(section, name, doc)    text_print(b, doc, #name, "");
#define OPT_ENUM(section, name, type, def, words, doc)           \
	buf_printf(b, "  # %s (%s)\n  %s: ", doc, words, #name); \
	buf_add_slice(b, conf_word(words, def));                 \
	buf_add_char(b, '\n');
#define OPT_NOTE(section, line) buf_printf(b, "  # %s\n", line);
#include "conf/options.def"
}

static void options__sample_file_is_complete(void **state)
{
	(void)state;
	struct buf expected = BUF_INIT, file = BUF_INIT;
	struct error e = {0};
	sample_print(&expected);
	const char *out = getenv("CONF_SAMPLE_OUT");
	if (out) {
		int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		assert_int_equal(fd_write_all(fd, expected.data, expected.len, &e), ERR_NONE);
		fd_close(&fd);
	}
	assert_int_equal(file_read("etc/config.yaml", CONF_FILE_BYTES_MAX, &file, &e), ERR_NONE);
	assert_string_equal(buf_cstr(&file), buf_cstr(&expected));
	for (const char *line = buf_cstr(&expected); *line; line += strcspn(line, "\n") + 1)
		assert_in_range(strcspn(line, "\n"), 0, COLUMNS_MAX);
	buf_release(&expected);
	buf_release(&file);
}

static void options__defaults_are_allowed(void **state)
{
	(void)state;
	struct conf c = {0};
	struct error e = {0};
	for (size_t i = 0; i < conf_options_count; i++) {
		const struct conf_option *o = &conf_options[i];
		conf_option_default(&c, o);
		assert_non_null(o->doc);
		assert_ptr_equal(conf_option_find(o->section, strlen(o->section), o->name), o);
		if (o->kind == OPTION_INT)
			assert_true(o->def >= o->min && o->def <= o->max);
		if (o->kind == OPTION_URL)
			assert_int_equal(conf_option_assign(&c, o, o->def_text, true, &e), ERR_NONE);
		if (o->kind == OPTION_ENUM)
			assert_true(conf_word(o->words, o->def).len > 0);
		conf_option_release(&c, o);
	}
}

/* Sets section.name of a fresh conf and expects refusal with the message, or success when msg is NULL. */
static int64_t assigned(const char *section, const char *name, const char *text, bool quoted, const char *msg)
{
	struct conf c = {0};
	struct error e = {0};
	const struct conf_option *o = conf_option_find(section, strlen(section), name);
	assert_non_null(o);
	conf_option_default(&c, o);
	enum err rc = conf_option_assign(&c, o, text, quoted, &e);
	if (msg)
		assert_string_equal(e.msg, msg);
	assert_int_equal(rc, msg ? ERR_CONFIG : ERR_NONE);
	bool textual = o->kind == OPTION_TEXT || o->kind == OPTION_URL || o->kind == OPTION_SECRET;
	int64_t v = textual ? 0 : conf_option_number(&c, o);
	conf_option_release(&c, o);
	return v;
}

static void conf_option_assign__integers(void **state)
{
	(void)state;
	static const char *const wrong[] = {"",      "-",  "1.5", "1e3", "0x10",  "010",
					    "1_000", " 1", "1 ",  "-1",  "65536", "99999999999999999999",
					    "abc"};
	assert_int_equal(assigned("server", "port", "0", false, NULL), 0);
	assert_int_equal(assigned("server", "port", "65535", false, NULL), 65535);
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		char msg[128];
		snprintf(msg, sizeof(msg), "must be a whole number from 0 to 65535, is \"%s\"", wrong[i]);
		assert_int_equal(assigned("server", "port", wrong[i], false, msg), 8080);
	}
	assigned("server", "port", "80", true, "must be a whole number from 0 to 65535, is the text \"80\"");
	assigned("limits", "body_bytes", "1", false,
		 "must be a whole number from 1024 to 67108864 bytes, is \"1\"");
}

/* The limit suite's unit half: each bounded option at both ends and one past them. */
static void conf_option_assign__both_ends_of_every_range(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_options_count; i++) {
		const struct conf_option *o = &conf_options[i];
		if (o->kind != OPTION_INT && o->kind != OPTION_AUTO)
			continue;
		struct conf c = {0};
		struct error e = {0};
		const int64_t inside[] = {o->min, o->max}, outside[] = {o->min - 1, o->max + 1};
		for (size_t k = 0; k < 2; k++) {
			char text[32];
			snprintf(text, sizeof(text), "%lld", (long long)inside[k]);
			assert_int_equal(conf_option_assign(&c, o, text, false, &e), ERR_NONE);
			assert_int_equal(conf_option_number(&c, o), inside[k]);
			snprintf(text, sizeof(text), "%lld", (long long)outside[k]);
			assert_int_equal(conf_option_assign(&c, o, text, false, &e), ERR_CONFIG);
		}
	}
}

static void conf_option_assign__auto_words_and_texts(void **state)
{
	(void)state;
	assert_int_equal(assigned("server", "workers", "auto", false, NULL), 0);
	assert_int_equal(assigned("server", "workers", "4", false, NULL), 4);
	assigned("server", "workers", "0", false,
		 "must be auto or a whole number from 1 to 32 processes, is \"0\"");
	assert_int_equal(assigned("log", "format", "JSON", false, NULL), LOG_FORMAT_JSON);
	assert_int_equal(assigned("log", "level", "off", false, NULL), LOG_OFF);
	assigned("log", "format", "jsn", false, "unknown value \"jsn\"; did you mean json?");
	assigned("llm", "api", "gemini", false,
		 "unknown value \"gemini\"; known here: auto, offline, chat, responses, messages");
	assigned("openai", "base_url", "ftp://x", false,
		 "must be an address that starts with http:// or https://");
	assigned("openai", "base_url", "https://", false,
		 "must be an address that starts with http:// or https://");
	assigned("openai", "api_key", "sk-secret\n", false,
		 "must be one line of UTF-8 text without control characters");
	assigned("llm", "model", "m\xff", false, "must be one line of UTF-8 text without control characters");
}

static const char *suggested(struct error *e, const char *section, const char *name)
{
	*e = (struct error){0};
	conf_suggest_option(e, section, name);
	return e->msg;
}

static void conf_suggest_option__offers_the_nearest_name(void **state)
{
	(void)state;
	struct error e;
	assert_string_equal(suggested(&e, "server", "prot"), "; did you mean port?");
	assert_string_equal(suggested(&e, "llm", "api_key"), "; did you mean openai.api_key?");
	assert_string_equal(suggested(&e, "port", NULL), "; did you mean server.port?");
	assert_string_equal(suggested(&e, "sever", NULL), "; did you mean server?");
	assert_string_equal(suggested(&e, "log", "colour"), "; known here: level, format");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options__sample_file_is_complete),
		cmocka_unit_test(options__defaults_are_allowed),
		cmocka_unit_test(conf_option_assign__integers),
		cmocka_unit_test(conf_option_assign__both_ends_of_every_range),
		cmocka_unit_test(conf_option_assign__auto_words_and_texts),
		cmocka_unit_test(conf_suggest_option__offers_the_nearest_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
