/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of lists, and cursors that do not outlive their list. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void take(struct shelf *s, const char *result)
{
	struct item_list l = {.kind = MCP_PROMPTS};
	struct error e;
	assert_int_equal(item_list_add(&l, slice_str(result), 100, 10000, &e), ERR_NONE);
	shelf_take(s, MCP_PROMPTS, l);
}

static char *page(const struct shelf *s, const char *cursor, size_t limit, struct error *e)
{
	struct shelf_page p = {"srv", MCP_PROMPTS, true, cursor, limit};
	struct buf out = BUF_INIT;
	e->code = ERR_NONE;
	if (shelf_write(s, &p, &out, e) != ERR_NONE) {
		buf_release(&out);
		return xstrdup("");
	}
	return buf_take(&out);
}

static void page_is(const struct shelf *s, const char *cursor, size_t limit, const char *text)
{
	struct error e;
	char *got = page(s, cursor, limit, &e);
	assert_string_equal(got, text);
	free(got);
}

static enum err page_error(const struct shelf *s, const char *cursor)
{
	struct error e;
	free(page(s, cursor, 2, &e));
	return e.code;
}

#define THREE "{\"prompts\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"},7]}"
#define FACTS                                                                                            \
	"\"offered\":true,\"listed_at\":\"1970-01-01T00:16:40.000Z\",\"last_error\":null,\"truncated\":" \
	"false,"                                                                                         \
	"\"quarantined\":[{\"name\":\"?\",\"reason\":\"the entry is number, not an object\"}],"

static void shelf__shows_pages(void **state)
{
	struct shelf s;
	(void)state;
	shelf_init(&s);
	clock_fake_set(1000000LL * 1000, 1000000);
	take(&s, THREE);
	assert_int_equal(s.lists[MCP_PROMPTS].version, 1000000);
	page_is(&s, NULL, 2,
		"{\"server\":\"srv\",\"prompts\":[{\"name\":\"a\"},{\"name\":\"b\"}]," FACTS
		"\"next_cursor\":\"f4240.2\"}");
	page_is(&s, "f4240.2", 2,
		"{\"server\":\"srv\",\"prompts\":[{\"name\":\"c\"}]," FACTS "\"next_cursor\":null}");
	page_is(&s, "", 3,
		"{\"server\":\"srv\",\"prompts\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]," FACTS
		"\"next_cursor\":null}");
	clock_fake_clear();
	shelf_release(&s);
}

static void shelf__cursors_end_with_their_list(void **state)
{
	static const char *const bad[] = {"x", "f4240", "f4240.", "f4240.2x", "f4240.2 ", ".2"};
	struct shelf s;
	(void)state;
	shelf_init(&s);
	clock_fake_set(1000000LL * 1000, 1000000);
	take(&s, THREE);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (page_error(&s, bad[i]) != ERR_FIELD)
			fail_msg("cursor %s was taken", bad[i]);
	}
	assert_int_equal(page_error(&s, "f4240.2"), ERR_NONE);
	assert_int_equal(page_error(&s, "f4240.4"), ERR_GONE);
	take(&s, THREE); /* at the same time */
	assert_int_equal(page_error(&s, "f4240.2"), ERR_GONE);
	assert_int_equal(page_error(&s, "f4241.2"), ERR_NONE);
	clock_fake_clear();
	shelf_release(&s);
}

static void shelf__keeps_a_list_whose_refresh_failed(void **state)
{
	struct shelf s;
	struct error e;
	(void)state;
	shelf_init(&s);
	take(&s, THREE);
	err_set(&e, ERR_TIMEOUT, "too late");
	shelf_fail(&s, MCP_PROMPTS, &e);
	char *text = page(&s, NULL, 10, &e);
	assert_non_null(strstr(text, "{\"name\":\"c\"}"));
	assert_non_null(strstr(text, "\"last_error\":\"too late\""));
	free(text);
	take(&s, THREE);
	text = page(&s, NULL, 10, &e);
	assert_non_null(strstr(text, "\"last_error\":null"));
	free(text);
	shelf_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shelf__shows_pages),
		cmocka_unit_test(shelf__cursors_end_with_their_list),
		cmocka_unit_test(shelf__keeps_a_list_whose_refresh_failed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
