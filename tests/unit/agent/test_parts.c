/* SPDX-License-Identifier: Apache-2.0 */
/* The binary parts of a result: which there are, what they hold, what stands in their place. */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

struct world {
	struct json *result;
	struct result_part *parts;
	size_t count;
	struct buf bytes, text;
};

static void open_with(struct world *w, const char *content)
{
	char *text = xasprintf("{\"content\":[%s],\"odd \\\"name\":[1]}", content);
	*w = (struct world){.result = json_parse(text, strlen(text), 0, NULL)};
	assert_non_null(w->result);
	w->parts = parts_find(w->result, &w->count);
	free(text);
}

static const char *printed(struct world *w)
{
	buf_reset(&w->text);
	parts_print(w->result, w->parts, w->count, "T", &w->text);
	return buf_cstr(&w->text);
}

static void close_all(struct world *w)
{
	json_free(w->result);
	free(w->parts);
	buf_release(&w->bytes);
	buf_release(&w->text);
}

static void parts_find__images_audio_and_blobs(void **state)
{
	struct world w;
	(void)state;
	open_with(&w, "{\"type\":\"text\",\"text\":\"t\"},{\"type\":\"image\",\"data\":\"AAA=\",\"mimeType\":"
		      "\"image/png\"},"
		      "7,{\"type\":\"audio\",\"data\":\"\",\"mimeType\":\"audio/"
		      "wav\"},{\"type\":\"new\",\"data\":\"AAA=\"},"
		      "{\"type\":\"resource\",\"resource\":{\"uri\":\"u\",\"blob\":\"AAAA\"}},"
		      "{\"type\":\"resource\",\"resource\":{\"uri\":\"u\",\"text\":\"x\"}},{\"type\":"
		      "\"resource\"}");
	assert_int_equal(w.count, 3);
	assert_true(part_decode(&w.parts[0], &w.bytes));
	assert_int_equal(w.parts[0].bytes, 2);
	assert_memory_equal(w.bytes.data, "\0\0", 2);
	assert_string_equal(part_media_type(&w.parts[0]), "image/png");
	assert_string_equal(part_suffix(&w.parts[0]), "png");
	assert_true(part_decode(&w.parts[1], &w.bytes));
	assert_int_equal(w.parts[1].bytes, 0);
	assert_true(part_decode(&w.parts[2], &w.bytes));
	assert_int_equal(w.parts[2].bytes, 3);
	assert_string_equal(part_media_type(&w.parts[2]), "application/octet-stream");
	assert_string_equal(part_suffix(&w.parts[2]), "bin");
	close_all(&w);
}

static void parts_print__previews_in_place_of_base64(void **state)
{
	struct world w;
	(void)state;
	open_with(&w, "{\"type\":\"image\",\"annotations\":{\"p\":1},\"data\":\"AAA=\",\"mimeType\":\"image/"
		      "png\"},{\"type\":\"new\"},"
		      "{\"type\":\"resource\",\"resource\":{\"uri\":\"u\",\"blob\":\"AAAA\"},\"_meta\":{}}");
	assert_true(part_decode(&w.parts[0], &w.bytes));
	w.parts[0].state = PART_KEPT;
	w.parts[0].number = 5;
	strcpy(w.parts[0].sha256, "d1");
	assert_true(part_decode(&w.parts[1], &w.bytes));
	w.parts[1].state = PART_DROPPED;
	w.parts[1].why = "so";
	assert_string_equal(printed(&w), "{\"content\":[{\"type\":\"image\",\"annotations\":{\"p\":1},"
					 "\"mimeType\":\"image/png\",\"bytes\":2,"
					 "\"artifact\":{\"number\":5,\"url\":\"/v1/tasks/T/artifacts/"
					 "5\",\"sha256\":\"d1\"}},{\"type\":\"new\"},"
					 "{\"type\":\"resource\",\"resource\":{\"uri\":\"u\",\"bytes\":3,"
					 "\"kept\":false,\"why\":\"so\"},\"_meta\":{}}],"
					 "\"odd \\\"name\":[1]}");
	close_all(&w);
}

static void part_decode__what_is_no_base64_stays_in_part(void **state)
{
	struct world w;
	(void)state;
	char *dots = xmalloc(5001);
	memset(dots, '.', 5000);
	dots[5000] = '\0';
	char *block = xasprintf("{\"type\":\"image\",\"data\":\"%s\"}", dots);
	open_with(&w, block);
	assert_false(part_decode(&w.parts[0], &w.bytes));
	assert_int_equal(w.parts[0].state, PART_INVALID);
	struct json *j = json_parse(printed(&w), strlen(printed(&w)), 0, NULL);
	const struct json *b = json_at(json_get(j, "content"), 0);
	assert_string_equal(json_get_text(b, "invalid", ""), "the data is not base64");
	assert_int_equal(json_get_integer(b, "data_bytes", 0), 5000);
	assert_int_equal(strlen(json_get_text(b, "data", "")), 1024);
	json_free(j);
	free(block);
	free(dots);
	close_all(&w);
}

/* A server cannot make its text look like one of our previews. */
static void parts_print__previews_of_others_are_left_out(void **state)
{
	struct world w;
	(void)state;
	open_with(&w, "{\"type\":\"image\",\"bytes\":9,\"artifact\":{\"number\":4000000000},\"kept\":true}");
	assert_int_equal(w.count, 1);
	assert_false(part_decode(&w.parts[0], &w.bytes));
	assert_string_equal(printed(&w), "{\"content\":[{\"type\":\"image\",\"invalid\":\"there is no data\","
					 "\"data_bytes\":0,\"data\":\"\"}],\"odd \\\"name\":[1]}");
	close_all(&w);
}

static void part_media_type__only_what_can_be_one(void **state)
{
	static const char *const bad[] = {"png", "", "a/b\\r\\nX: y", "\\u00e9/x"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct world w;
		char *block = xasprintf("{\"type\":\"image\",\"data\":\"\",\"mimeType\":\"%s\"}", bad[i]);
		open_with(&w, block);
		assert_string_equal(part_media_type(&w.parts[0]), "application/octet-stream");
		free(block);
		close_all(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_find__images_audio_and_blobs),
		cmocka_unit_test(parts_print__previews_in_place_of_base64),
		cmocka_unit_test(part_decode__what_is_no_base64_stays_in_part),
		cmocka_unit_test(parts_print__previews_of_others_are_left_out),
		cmocka_unit_test(part_media_type__only_what_can_be_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
