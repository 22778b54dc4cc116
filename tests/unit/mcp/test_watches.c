/* SPDX-License-Identifier: Apache-2.0 */
/* What was read is watched, the latest few; what changed is marked. */
#include "mcp/mcp_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void reads(struct watches *w, const char *uri, bool added, const char *dropped)
{
	char *gone;
	assert_int_equal(watches_read(w, uri, 2, &gone), added);
	if (dropped)
		assert_string_equal(gone, dropped);
	else
		assert_null(gone);
	free(gone);
}

static void written(const struct watches *w, const char *text)
{
	struct buf out = BUF_INIT;
	struct jw j = JW(&out);
	watches_write(w, &j);
	assert_string_equal(out.data, text);
	buf_release(&out);
}

static void watches__the_latest_few_stay(void **state)
{
	struct watches w = {0};
	char *gone;
	(void)state;
	reads(&w, "a:1", true, NULL);
	reads(&w, "a:2", true, NULL);
	reads(&w, "a:1", false, NULL);
	reads(&w, "a:3", true, "a:2");
	reads(&w, "a:2", true, "a:1");
	written(&w, "\"subscriptions\":[{\"uri\":\"a:2\",\"updated_at\":null},{\"uri\":\"a:3\",\"updated_"
		    "at\":null}]");
	watches_release(&w);
	assert_false(watches_read(&w, "a:1", 0, &gone));
	assert_int_equal(w.count, 0);
}

static void watches__changes_are_marked(void **state)
{
	struct watches w = {0};
	(void)state;
	clock_fake_set(0, 1000000);
	reads(&w, "a://x/y", true, NULL);
	reads(&w, "a://x/", true, NULL);
	watches_updated(&w, "a://x");
	watches_updated(&w, "a://x/yz");
	written(&w, "\"subscriptions\":[{\"uri\":\"a://x/y\",\"updated_at\":null},{\"uri\":\"a://x/"
		    "\",\"updated_at\":\"1970-01-01T00:16:40.000Z\"}]");
	watches_updated(&w, "a://x/y#part");
	written(&w, "\"subscriptions\":[{\"uri\":\"a://x/"
		    "y\",\"updated_at\":\"1970-01-01T00:16:40.000Z\"},{\"uri\":\"a://"
		    "x/\",\"updated_at\":\"1970-01-01T00:16:40.000Z\"}]");
	clock_fake_clear();
	watches_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watches__the_latest_few_stay),
		cmocka_unit_test(watches__changes_are_marked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
