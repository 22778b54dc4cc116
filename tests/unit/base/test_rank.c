/* SPDX-License-Identifier: Apache-2.0 */
/* Ranking: the splitter, the stemmer, BM25 by hand on three documents, and ties. */
#include "base/base.h"
#include "base/rank.h"

#include <stdarg.h>
#include <setjmp.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void word_collect(const char *stem, void *arg)
{
	struct buf *b = arg;
	if (b->len)
		buf_add_char(b, ' ');
	buf_add_str(b, stem);
}

static void assert_words(const char *text, const char *expected)
{
	struct buf b = BUF_INIT;
	rank_words(text, strlen(text), word_collect, &b);
	assert_string_equal(buf_cstr(&b), expected);
	buf_release(&b);
}

static void rank_words__splits_names_as_people_do(void **state)
{
	(void)state;
	assert_words("read_text_file", "read text fil");
	assert_words("listDirectory.withSizes", "list directory siz");
	assert_words("HTTPServer-v2/getURL", "http server v2 get url");
	assert_words("the file's name is a secret", "fil nam secret");
	assert_words("", "");
	assert_words("\xC3\x84pfel essen", "\xC3\x84pfel essen");
}

static void assert_same_stem(const char *a, const char *b)
{
	char x[32], y[32];
	rank_stem(a, strlen(a), x, sizeof(x));
	rank_stem(b, strlen(b), y, sizeof(y));
	if (strcmp(x, y))
		fail_msg("%s gives %s, %s gives %s", a, x, b, y);
}

static void rank_stem__brings_forms_of_a_word_together(void **state)
{
	(void)state;
	assert_same_stem("files", "file");
	assert_same_stem("directories", "directory");
	assert_same_stem("searches", "search");
	assert_same_stem("reading", "read");
	assert_same_stem("created", "creating");
	assert_same_stem("creates", "create");
	assert_same_stem("moved", "move");
	assert_same_stem("running", "run");
	assert_same_stem("copied", "copy");
	assert_same_stem("summarise", "summarizes");
	assert_same_stem("quickly", "quick");
	char out[32];
	rank_stem("bus", 3, out, sizeof(out));
	assert_string_equal(out, "bus");
	rank_stem("address", 7, out, sizeof(out));
	assert_string_equal(out, "address");
	rank_stem("speed", 5, out, sizeof(out));
	assert_string_equal(out, "speed");
	rank_stem("reading", 7, out, 3);
	assert_string_equal(out, "re");
}

static void rank_is_stop_word__knows_noise_from_verbs(void **state)
{
	(void)state;
	static const char *const noise[] = {"a", "the", "your", "before", "please", "she", "them", "you"};
	static const char *const verbs[] = {"read", "get", "list", "find", "show", ""};
	for (size_t i = 0; i < COUNT_OF(noise); i++)
		assert_true(rank_is_stop_word(noise[i]));
	for (size_t i = 0; i < COUNT_OF(verbs); i++)
		assert_false(rank_is_stop_word(verbs[i]));
}

static struct rank *ranked(const char *const *docs, size_t count)
{
	struct rank *r = rank_new();
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(rank_doc(r), i);
		rank_add(r, docs[i], strlen(docs[i]), 1);
	}
	return r;
}

static size_t asked(struct rank *r, const char *text, struct rank_hit *hits, size_t max)
{
	return rank_query(r, text, strlen(text), hits, max);
}

static void rank_query__is_bm25(void **state)
{
	(void)state;
	static const char *const docs[] = {"cat dog", "cat cat cat bird", "fish"};
	struct rank *r = ranked(docs, COUNT_OF(docs));
	struct rank_hit hits[3];
	assert_int_equal(asked(r, "cats cat", hits, 3), 2);
	double idf = log(1 + (3 - 2 + 0.5) / (2 + 0.5)), average = 7.0 / 3;
	double longer = idf * 3 * 2.2 / (3 + 1.2 * (0.25 + 0.75 * 4 / average));
	double shorter = idf * 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / average));
	assert_int_equal(hits[0].doc, 1);
	assert_true(fabs(hits[0].score - longer) < 1e-12);
	assert_int_equal(hits[1].doc, 0);
	assert_true(fabs(hits[1].score - shorter) < 1e-12);
	assert_int_equal(asked(r, "the elephant", hits, 3), 0);
	rank_free(r);
}

static void rank_query__equal_scores_keep_document_order(void **state)
{
	(void)state;
	static const char *const docs[] = {"other", "same word", "same word", "same word"};
	struct rank *r = ranked(docs, COUNT_OF(docs));
	struct rank_hit hits[2];
	assert_int_equal(asked(r, "word", hits, 2), 2);
	assert_int_equal(hits[0].doc, 1);
	assert_int_equal(hits[1].doc, 2);
	rank_free(r);
}

static void rank_query__weighs_fields_and_finds_among_thousands(void **state)
{
	(void)state;
	struct rank *r = rank_new();
	for (int i = 0; i < 2000; i++) {
		char text[64];
		int n = snprintf(text, sizeof(text), "tool number n%d that reads things", i);
		rank_doc(r);
		rank_add(r, text, (size_t)n, 1);
	}
	size_t named = rank_doc(r);
	rank_add(r, "read_number", 11, 3);
	struct rank_hit hits[5];
	assert_int_equal(asked(r, "Read a number", hits, 5), 5);
	assert_int_equal(hits[0].doc, named);
	assert_int_equal(asked(r, "n1234", hits, 5), 1);
	assert_int_equal(hits[0].doc, 1234);
	rank_free(r);
}

static void rank_query__empty_index(void **state)
{
	(void)state;
	struct rank *r = rank_new();
	struct rank_hit hit;
	assert_int_equal(asked(r, "anything", &hit, 1), 0);
	rank_free(r);
	rank_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rank_words__splits_names_as_people_do),
		cmocka_unit_test(rank_stem__brings_forms_of_a_word_together),
		cmocka_unit_test(rank_is_stop_word__knows_noise_from_verbs),
		cmocka_unit_test(rank_query__is_bm25),
		cmocka_unit_test(rank_query__equal_scores_keep_document_order),
		cmocka_unit_test(rank_query__weighs_fields_and_finds_among_thousands),
		cmocka_unit_test(rank_query__empty_index),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
