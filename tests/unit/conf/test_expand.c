/* SPDX-License-Identifier: Apache-2.0 */
/* ${NAME} in texts, texts in files, and what may be a header. */
#include "conf_test.h"
#include "conf/conf_int.h"

static enum err value(const struct conf_node *n, struct slice name, struct buf *out, void *arg,
		      struct error *e)
{
	(void)n;
	(void)arg;
	if (slice_eq_str(name, "NONE"))
		return err_set(e, ERR_CONFIG, "not set");
	buf_printf(out, "<%.*s>${X}", (int)name.len, name.ptr);
	return ERR_NONE;
}

static void expand__replaces_variables_once(void **state)
{
	static const struct {
		const char *text, *out; /* NULL: refused */
	} rows[] = {{"a", "a"},        {"a${B_1}c", "a<B_1>${X}c"},
		    {"$${A}", "${A}"}, {"$A $ {A}", "$A $ {A}"},
		    {"${}", NULL},     {"${A", NULL},
		    {"${1A}", NULL},   {"${NONE}", NULL}};
	struct conf_tree t = {.file = (char *)(uintptr_t) "f"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct conf_node n = {.kind = CONF_SCALAR, .text = (char *)(uintptr_t)rows[i].text};
		struct buf out = BUF_INIT;
		struct error e = {0};
		enum err rc = conf_expand(&t, &n, value, NULL, &out, &e);
		assert_int_equal(rc == ERR_NONE, rows[i].out != NULL);
		if (rows[i].out != NULL)
			assert_string_equal(buf_cstr(&out), rows[i].out);
		buf_release(&out);
	}
}

static void secret_read__cuts_the_end_of_the_line(void **state)
{
	struct folder f;
	struct conf_tree t = {.file = (char *)(uintptr_t) "f"};
	struct conf_node n = {.kind = CONF_SCALAR, .place = {3, 4}};
	struct buf out = BUF_INIT;
	struct error e = {0};
	(void)state;
	folder_open(&f);
	folder_write(f.file, "hush \r\n\n");
	assert_int_equal(conf_secret_read(&t, &n, f.file, &out, &e), ERR_NONE);
	assert_string_equal(buf_cstr(&out), "hush");
	assert_int_equal(conf_secret_read(&t, &n, f.other, &out, &e), ERR_CONFIG);
	assert_non_null(strstr(e.msg, "f:3:4: "));
	buf_release(&out);
	folder_close(&f);
}

static void header__names_and_values(void **state)
{
	(void)state;
	assert_true(conf_header_name_ok("X-Api_Key.1"));
	assert_false(conf_header_name_ok(""));
	assert_false(conf_header_name_ok("a:b"));
	assert_false(conf_header_name_ok("a b"));
	assert_true(conf_header_value_ok("Bearer \tx"));
	assert_false(conf_header_value_ok("a\r\nb"));
	assert_false(conf_header_value_ok("\x7f"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expand__replaces_variables_once),
		cmocka_unit_test(secret_read__cuts_the_end_of_the_line),
		cmocka_unit_test(header__names_and_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
