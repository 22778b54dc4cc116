/* SPDX-License-Identifier: Apache-2.0 */
/* json_node.c: parsed trees and built ones hang in each other and go whole, once (the sanitizers look). */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct json *parsed(const char *text)
{
	struct error e = {.msg = ""};
	struct json *j = json_parse(text, strlen(text), 0, &e);
	if (j == NULL)
		fail_msg("%s", e.msg);
	return j;
}

static void assert_prints(const struct json *j, const char *text)
{
	struct buf b = BUF_INIT;
	json_print(j, &b);
	assert_string_equal(buf_cstr(&b), text);
	buf_release(&b);
}

static void json_free__frees_a_parsed_tree_of_many_chunks(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	buf_add_char(&b, '[');
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "%s{\"name %d\":\"%0*d\"}", i ? "," : "", i, i % 300 + 1, i);
	buf_add_char(&b, ']');
	struct json *j = parsed(buf_cstr(&b));
	assert_int_equal(json_count(j), 5000);
	assert_prints(j, buf_cstr(&b));
	json_free(j);
	buf_release(&b);
}

static void json_set__hangs_a_parsed_tree_into_a_built_one(void **state)
{
	(void)state;
	struct json *outer = json_new_object();
	json_set(outer, "a", parsed("{\"b\":[1,\"two\"]}"));
	json_set(outer, "c", parsed("3"));
	assert_prints(outer, "{\"a\":{\"b\":[1,\"two\"]},\"c\":3}");
	json_set(outer, "a", parsed("\"gone\""));
	json_remove(outer, "c");
	assert_prints(outer, "{\"a\":\"gone\"}");
	json_free(outer);
}

static void json_set__hangs_built_and_parsed_trees_into_a_parsed_one(void **state)
{
	(void)state;
	struct json *root = parsed("{\"a\":{\"b\":{\"c\":1}},\"list\":[]}");
	struct json *b = (struct json *)(uintptr_t)json_get(json_get(root, "a"), "b");
	json_set(b, "c", json_new_text("built"));
	json_set(b, "d", parsed("[true,{\"e\":12345678901234567890}]"));
	json_push((struct json *)(uintptr_t)json_get(root, "list"), parsed("{\"f\":null}"));
	json_remove(b, "c");
	assert_prints(root,
		      "{\"a\":{\"b\":{\"d\":[true,{\"e\":12345678901234567890}]}},\"list\":[{\"f\":null}]}");
	json_free(root);
}

static void json_copy__outlives_the_parsed_tree(void **state)
{
	(void)state;
	struct json *root = parsed("{\"a\":{\"b\":[1,{\"c\":\"text\"}],\"n\":9007199254740993}}");
	struct json *copy = json_copy(json_get(root, "a"));
	json_free(root);
	assert_null(json_name(copy));
	assert_prints(copy, "{\"b\":[1,{\"c\":\"text\"}],\"n\":9007199254740993}");
	json_set(copy, "b", json_new_null());
	json_free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_free__frees_a_parsed_tree_of_many_chunks),
		cmocka_unit_test(json_set__hangs_a_parsed_tree_into_a_built_one),
		cmocka_unit_test(json_set__hangs_built_and_parsed_trees_into_a_parsed_one),
		cmocka_unit_test(json_copy__outlives_the_parsed_tree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
