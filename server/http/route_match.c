/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of routes against paths. Pure; route.c and the question for bodies (http.c) both use it. */
#include "base/base.h"
#include "http/http_int.h"

#include <string.h>

bool http_pattern_matches(const char *pattern, const char *path, struct slice params[HTTP_PARAMS_MAX])
{
	size_t n = 0, len;

	while (*pattern && *path) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		if (*path == '/')
			return false;
		len = strcspn(path, "/");
		ensure(n < HTTP_PARAMS_MAX);
		if (params)
			params[n++] = (struct slice){path, len};
		pattern += strcspn(pattern, "}") + 1;
		path += len;
	}
	return *pattern == *path;
}
