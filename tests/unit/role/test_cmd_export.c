/* SPDX-License-Identifier: Apache-2.0 */
/* `agent-runtime export TASK`: document, events and artifacts as JSON lines, or nothing and why. */
#include "base/base.h"
#include "kept_db.h"

/* The next line of *text as JSON; cuts it off. */
static struct json *line_take(char **text)
{
	struct error e = {0};
	char *end = strchr(*text, '\n');
	assert_non_null(end);
	struct json *j = json_parse(*text, (size_t)(end - *text), 0, &e);
	if (j == NULL)
		fail_msg("%s: %s", e.msg, *text);
	*text = end + 1;
	return j;
}

static void export__document_events_artifacts(void **state)
{
	struct kept_db k;
	char digest[SHA256_HEX_SIZE], id[ID_TEXT_SIZE];
	int code;
	(void)state;
	sha256_hex("five\n", 5, digest);
	kept_db_open(&k);
	kept_db_task(&k, digest);
	kept_db_put(&k);
	kept_db_artifact(&k, 1, "five\n", digest);
	kept_db_close(&k);
	id_format(&k.id, id);
	char *t = kept_db_run(&k, command_export, id, &code), *rest = t;
	if (code != EXIT_OK)
		fail_msg("exit code %d: %s", code, t);
	struct json *j = line_take(&rest);
	assert_string_equal(json_get_text(json_get(j, "document"), "id", ""), id);
	assert_string_equal(json_get_text(json_get(j, "document"), "status", ""), "cancelled");
	json_free(j);
	static const char *const types[] = {"task.created", "tool.completed", "task.state"};
	for (int i = 0; i < 3; i++) {
		j = line_take(&rest);
		assert_int_equal(json_get_integer(j, "id", 0), i + 1);
		assert_string_equal(json_get_text(j, "event", ""), types[i]);
		assert_int_equal(json_get_integer(json_get(j, "data"), "seq", 0), i + 1);
		json_free(j);
	}
	j = line_take(&rest);
	const struct json *a = json_get(j, "artifact");
	assert_int_equal(json_get_integer(a, "number", 0), 1);
	assert_int_equal(json_get_integer(a, "bytes", 0), 5);
	assert_string_equal(json_get_text(a, "sha256", ""), digest);
	assert_string_equal(json_get_text(a, "media_type", ""), "text/plain");
	assert_string_equal(json_get_text(a, "name", ""), "a.txt");
	json_free(j);
	assert_string_equal(rest, "");
	free(t);
	kept_db_release(&k);
}

static void export__says_what_is_wrong(void **state)
{
	struct kept_db k;
	int code;
	(void)state;
	kept_db_open(&k);
	kept_db_close(&k);
	char *t = kept_db_run(&k, command_export, "01936f2e-7c1a-7b3e-8f00-3c2a1b4d5e6f", &code);
	assert_int_equal(code, EXIT_NOT_COMPLETED);
	assert_says(t, "01936f2e-7c1a-7b3e-8f00-3c2a1b4d5e6f");
	assert_silent(t, "document");
	free(t);
	t = kept_db_run(&k, command_export, "one", &code);
	assert_int_equal(code, EXIT_USAGE);
	assert_says(t, "\"one\" is no task");
	free(t);
	kept_db_release(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(export__document_events_artifacts),
		cmocka_unit_test(export__says_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
