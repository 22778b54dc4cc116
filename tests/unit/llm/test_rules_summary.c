/* SPDX-License-Identifier: Apache-2.0 */
/* Extractive summaries of prose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"
#include "llm/offline_int.h"

static char *summary_of(const char *text)
{
	struct buf out = BUF_INIT;
	rules_summary(slice_str(text), &out);
	return buf_take(&out);
}

static size_t bullets(const char *s)
{
	size_t n = 0;
	for (const char *p = s; *p; p++)
		n += p[0] == '-' && p[1] == ' ' && (p == s || p[-1] == '\n');
	return n;
}

static void summary__returns_short_texts_whole(void **state)
{
	(void)state;
	char *got = summary_of("One thing. Another thing.");
	assert_non_null(strstr(got, "One thing. Another thing."));
	assert_int_equal(bullets(got), 0);
	free(got);
	got = summary_of(" \n");
	assert_string_equal(got, "The text is empty.\n");
	free(got);
}

static void summary__takes_central_sentences_in_their_order(void **state)
{
	(void)state;
	char *got = summary_of(
		"# Title here\n\nThe battery feeds the station and the sensor. Bananas are yellow.\n"
		"The sensor of the station needs the battery. Tomorrow is another day.\n\n"
		"When the battery is empty, the station and the sensor stop. My hat is green. Old songs "
		"play.\n");
	assert_int_equal(bullets(got), 3);
	assert_int_equal(strncmp(got, "Title here\n", 11), 0);
	const char *first = strstr(got, "The battery feeds"), *second = strstr(got, "The sensor of"),
		   *third = strstr(got, "When the battery");
	assert_non_null(first);
	assert_true(second > first && third > second);
	assert_null(strstr(got, "Bananas"));
	assert_non_null(strstr(got, "Keywords: "));
	free(got);
}

static void summary__drops_markup(void **state)
{
	(void)state;
	char *got = summary_of(
		"**Bold** words [here](http://x.y) and <b>there</b>. Two is a sentence. Three is a sentence. "
		"Four is a sentence. Bold words count here.\n```\ncode(); more();\n```\n");
	assert_null(strstr(got, "**"));
	assert_null(strstr(got, "http://"));
	assert_null(strstr(got, "<b>"));
	assert_null(strstr(got, "code()"));
	free(got);
}

static void summary__bounds_long_texts(void **state)
{
	struct buf text = BUF_INIT;
	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_printf(&text, "Sentence number %d speaks of rain and station %d. ", i, i % 7);
	char *got = summary_of(buf_cstr(&text)), *again = summary_of(buf_cstr(&text));
	assert_int_equal(bullets(got), 7);
	assert_string_equal(got, again);
	free(got);
	free(again);
	buf_release(&text);
}

static void summary__survives_any_bytes(void **state)
{
	static const char *const texts[] = {"```",
					    "# ",
					    "<",
					    "[](",
					    "- - - -\n1.\n",
					    "\xff\xfe a. b. c. d. e. f.",
					    "a. b. c. d. e. f. g."};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		free(summary_of(texts[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(summary__returns_short_texts_whole),
		cmocka_unit_test(summary__takes_central_sentences_in_their_order),
		cmocka_unit_test(summary__drops_markup),
		cmocka_unit_test(summary__bounds_long_texts),
		cmocka_unit_test(summary__survives_any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
