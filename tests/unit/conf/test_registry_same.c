/* SPDX-License-Identifier: Apache-2.0 */
/* Fingerprints of entries: what changes one, and what does not. */
#include "conf_test.h"

#define ENTRY(id, rest) "  - {id: " id ", type: local_stdio, config: {command: c" rest "}}\n"

/* The fingerprint of the entry "a"; the folder is a new one each time. */
static void fingerprint(const char *entries, const char *const *env, char out[80])
{
	struct conf_registry *r;
	struct folder f;
	struct conf *c;
	struct error e = {0};
	char text[2000];
	void *arg = (void *)(uintptr_t)env;
	folder_open(&f);
	folder_write(f.file, "");
	snprintf(text, sizeof(text), "tool_registry:\n%s", entries);
	folder_write(f.other, text);
	assert_int_equal(conf_load(f.file, NULL, 0, env_listed, NULL, &c, &e), ERR_NONE);
	if (conf_registry_load(c, env_listed, arg, &r, &e))
		fail_msg("%s", e.msg);
	out[0] = '\0';
	for (size_t i = 0; i < r->servers_count; i++)
		if (!strcmp(r->servers[i].id, "a"))
			snprintf(out, 80, "%s", r->servers[i].fingerprint);
	assert_int_equal(strlen(out), SHA256_HEX_SIZE - 1);
	conf_registry_free(r);
	conf_free(c);
	folder_close(&f);
}

static bool same(const char *one, const char *const *env, const char *two, const char *const *other_env)
{
	char a[80], b[80];
	fingerprint(one, env, a);
	fingerprint(two, other_env, b);
	return !strcmp(a, b);
}

static void fingerprint__is_of_the_entry_alone(void **state)
{
	static const char *const env[] = {"V", "x", NULL};
	(void)state;
	assert_true(same(ENTRY("a", ""), NULL, "# a comment\n\n" ENTRY("a", ""), NULL));
	/* Also when another entry uses the same variable. */
	assert_true(same(ENTRY("a", ", env: {K: '${V}'}"), env,
			 ENTRY("b", ", env: {K: '${V}'}") ENTRY("a", ", env: {K: '${V}'}"), env));
}

static void fingerprint__changes_with_each_value(void **state)
{
	static const char *const changes[] = {
		ENTRY("a", ", args: [x]"),
		ENTRY("a", ", args: [x, y]"),
		ENTRY("a", ", args: [xy]"),
		ENTRY("a", ", env: {x: y}"),
		ENTRY("a", ", cwd: x"),
		"  - {id: a, enabled: false, type: local_stdio, config: {command: c}}\n",
		"  - {id: a, type: local_stdio, config: {command: c}, tools: {t: {effect: read}}}\n",
	};
	char seen[COUNT_OF(changes) + 1][80];
	(void)state;
	fingerprint(ENTRY("a", ""), NULL, seen[0]);
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		fingerprint(changes[i], NULL, seen[i + 1]);
		for (size_t k = 0; k <= i; k++)
			assert_string_not_equal(seen[i + 1], seen[k]);
	}
}

static void fingerprint__changes_with_what_a_variable_holds(void **state)
{
	static const char *const one[] = {"V", "first", NULL}, *const two[] = {"V", "second", NULL};
	(void)state;
	assert_true(same(ENTRY("a", ", env: {K: '${V}'}"), one, ENTRY("a", ", env: {K: '${V}'}"), one));
	assert_false(same(ENTRY("a", ", env: {K: '${V}'}"), one, ENTRY("a", ", env: {K: '${V}'}"), two));
	/* The folder of the registry is a value as well. */
	assert_false(same(ENTRY("a", ", cwd: '${REGISTRY_DIR}'"), NULL,
			  ENTRY("a", ", cwd: '${REGISTRY_DIR}'"), NULL));
}

static void fingerprint__changes_with_what_a_file_holds(void **state)
{
	char path[] = "/tmp/registry_same.XXXXXX", entry[300], before[80], after[80];
	int fd = mkstemp(path);
	(void)state;
	assert_true(fd >= 0);
	fd_close(&fd);
	snprintf(entry, sizeof(entry),
		 "  - {id: a, type: remote_http, config: {url: 'https://x', auth: {type: bearer, token_file: "
		 "%s}}}\n",
		 path);
	folder_write(path, "one");
	fingerprint(entry, NULL, before);
	folder_write(path, "two");
	fingerprint(entry, NULL, after);
	unlink(path);
	assert_string_not_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fingerprint__is_of_the_entry_alone),
		cmocka_unit_test(fingerprint__changes_with_each_value),
		cmocka_unit_test(fingerprint__changes_with_what_a_variable_holds),
		cmocka_unit_test(fingerprint__changes_with_what_a_file_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
