/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Schema validation, drafts 2020-12 and draft-07 as tools declare them: type, enum, const, properties,
 * required, additionalProperties, patternProperties, propertyNames, items/prefixItems, contains, min/max of
 * everything, unevaluatedProperties, unevaluatedItems, multipleOf, pattern (ECMAScript; look-around and back
 * references are left to the server), format (date, date-time, email, uri, uuid), allOf/anyOf/oneOf/not,
 * if/then/else, dependentRequired, dependentSchemas, local $ref (#/... and #anchor), $defs. Remote references
 * are never fetched: such a schema does not compile. Work is bounded (depth, number of visited nodes, steps
 * of a pattern).
 */
#ifndef BASE_SCHEMA_H
#define BASE_SCHEMA_H

#include "base/json.h"

/* ERR_NONE, or ERR_FIELD with e->field the JSON pointer into the value and a sentence a model can act on
 * ("/path: is required (string)"). A schema that does not compile gives ERR_CONFIG. schema NULL accepts
 * everything. */
must_check enum err schema_check(const struct json *schema, const struct json *value, struct error *e);
/* The same for a schema that schema_compile_check has accepted, and that is not looked at again. */
must_check enum err schema_check_compiled(const struct json *schema, const struct json *value,
					  struct error *e);
/* Only compiles: are all keywords well formed and references local? */
must_check enum err schema_compile_check(const struct json *schema, struct error *e);

#endif
