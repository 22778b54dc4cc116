/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the files of model providers: what an entry holds, as data. */
#ifndef CONF_PROVIDERS_INT_H
#define CONF_PROVIDERS_INT_H

#include "conf/conf_int.h"

enum { NOT_GIVEN = -1, PROVIDER_NUMBERS = 10, PROVIDER_PRICES = 4, PROVIDER_WORDS = 5, PROVIDER_TEXTS = 7 };

/* A number of an entry: where, whether within `timeouts`, and what is allowed. */
struct provider_number {
	const char *key;
	size_t offset;
	bool timeout;
	int64_t min, max;
};
extern const struct provider_number provider_numbers[PROVIDER_NUMBERS];
extern const char *const provider_price_names[PROVIDER_PRICES];
extern const char *const provider_roles[CONF_ROLES];

/* Words and texts are those of the option of the same name. */
extern const char *const provider_words[PROVIDER_WORDS];
extern const char *const provider_texts[PROVIDER_TEXTS];

int64_t *provider_word_at(struct conf_provider *p, size_t i);
const char **provider_text_at(struct conf_provider *p, size_t i);
int64_t *provider_number_at(struct conf_provider *p, const struct provider_number *n);
int64_t *provider_price_at(struct conf_prices *p, size_t i);
void provider_begin(struct conf_provider *p); /* nothing is given yet */

/* --- providers_value.c: ERR_CONFIG with the place; n NULL: nothing is given, *out stays --- */

const struct conf_node *provider_member(const struct conf_node *map,
					const char *key); /* NULL: absent, null */
/* map is a map, and has none but these keys. */
must_check enum err provider_keys_check(const struct conf_tree *t, const struct conf_node *map,
					const char *what, const char *const *keys, size_t count,
					struct error *e);
must_check enum err provider_text_read(const struct conf_tree *t, const struct conf_node *n, const char **out,
				       struct error *e); /* *out is freed, and owned afterwards */
must_check enum err provider_number_read(const struct conf_tree *t, const struct conf_node *n, int64_t min,
					 int64_t max, int64_t *out, struct error *e);
/* One of the words of an option of `llm`, as its index. */
must_check enum err provider_word_read(const struct conf_tree *t, const struct conf_node *n,
				       const char *option, int64_t *out, struct error *e);

#endif
