/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to a tree: places, kinds of scalars, and everything that is refused, with its place. */
#include "base/base.h"
#include "conf/conf_int.h"

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

static void conf_tree_parse__keeps_places_and_kinds(void **state)
{
	(void)state;
	struct conf_tree t;
	struct error e = {0};
	assert_int_equal(
		conf_tree_parse("f", slice_str("a:\n  b: 1\n  c: \"1\"\nlist: [x, ~]\nlast:\n"), &t, &e),
		ERR_NONE);
	const struct conf_node *a = conf_node_find(t.root, "a"), *list = conf_node_find(t.root, "list");
	const struct conf_node *b = conf_node_find(a, "b"), *c = conf_node_find(a, "c");
	assert_int_equal(a->kind, CONF_MAP);
	assert_string_equal(b->text, "1");
	assert_int_equal(b->place.line, 2);
	assert_int_equal(b->place.column, 6);
	assert_int_equal(b->key_place.column, 3);
	assert_false(b->quoted);
	assert_true(c->quoted);
	assert_int_equal(list->kind, CONF_LIST);
	assert_false(conf_node_is_null(list->first));
	assert_true(conf_node_is_null(list->first->next));
	assert_null(list->first->next->next);
	assert_true(conf_node_is_null(conf_node_find(t.root, "last")));
	assert_null(conf_node_find(t.root, "A"));
	conf_tree_release(&t);
}

static void conf_tree_parse__takes_json(void **state)
{
	(void)state;
	struct conf_tree t;
	struct error e = {0};
	assert_int_equal(conf_tree_parse("f", slice_str("{\"a\": {\"b\": [1, \"two\", true]}}\n"), &t, &e),
			 ERR_NONE);
	assert_string_equal(conf_node_find(conf_node_find(t.root, "a"), "b")->last->text, "true");
	conf_tree_release(&t);
}

static void conf_tree_parse__empty_is_no_root(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "# nothing\n", "---\n", "~\n"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct conf_tree t;
		struct error e = {0};
		assert_int_equal(conf_tree_parse("f", slice_str(texts[i]), &t, &e), ERR_NONE);
		assert_null(t.root);
		conf_tree_release(&t);
	}
}

static void assert_refused(struct slice text, const char *msg)
{
	struct conf_tree t;
	struct error e = {0};
	assert_int_equal(conf_tree_parse("f.yaml", text, &t, &e), ERR_CONFIG);
	assert_string_equal(e.msg, msg);
	conf_tree_release(&t);
}

static void conf_tree_parse__refuses_with_the_place(void **state)
{
	(void)state;
	assert_refused(slice_str("a: &x 1\n"),
		       "f.yaml:1:4: anchors (&x) are not supported: write the value out");
	assert_refused(slice_str("a: 1\nb: *x\n"),
		       "f.yaml:2:4: aliases (*x) are not supported: write the value out");
	assert_refused(slice_str("a: !!int 1\n"),
		       "f.yaml:1:4: tags (tag:yaml.org,2002:int) are not supported");
	assert_refused(slice_str("a: 1\nb: 2\na: 3\n"),
		       "f.yaml:3:1: \"a\" stands here a second time; the first is on line 1");
	assert_refused(slice_str("? [a]\n: 1\n"),
		       "f.yaml:1:3: a key must be a plain word, not a list or a map");
	assert_refused(slice_str("a: 1\n---\nb: 1\n"),
		       "f.yaml:2:1: a second document starts here; there must be one");
	assert_refused(slice_str("a: \"x\\0y\"\n"), "f.yaml:1:4: text must not contain a NUL character");
	assert_refused(slice_str("a: [1\n"),
		       "f.yaml:2:1: did not find expected ',' or ']', while parsing a flow sequence");
	assert_refused(slice_str("a: \xff\xfe\n"),
		       "f.yaml: invalid leading UTF-8 octet at byte 3 (the file must be UTF-8 text)");
	assert_refused(slice_str("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n"),
		       "f.yaml:1:17: nested deeper than 16 levels");
}

static void conf_tree_parse__bounds_the_number_of_nodes(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	for (int i = 0; i <= CONF_TREE_NODES_MAX; i++)
		buf_add_str(&b, "- x\n");
	assert_refused(buf_slice(&b), "f.yaml:10000:3: more than 10000 values in one file");
	buf_release(&b);
}

static void conf_tree_read__names_a_missing_file(void **state)
{
	(void)state;
	struct conf_tree t;
	struct error e = {0};
	assert_int_equal(conf_tree_read("/nowhere/c.yaml", &t, &e), ERR_CONFIG);
	assert_string_equal(e.msg, "/nowhere/c.yaml: cannot open: No such file or directory");
	conf_tree_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conf_tree_parse__keeps_places_and_kinds),
		cmocka_unit_test(conf_tree_parse__takes_json),
		cmocka_unit_test(conf_tree_parse__empty_is_no_root),
		cmocka_unit_test(conf_tree_parse__refuses_with_the_place),
		cmocka_unit_test(conf_tree_parse__bounds_the_number_of_nodes),
		cmocka_unit_test(conf_tree_read__names_a_missing_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
