/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links and images in an answer that was written after texts of strangers were read: what they lead to may
 * have been made up to carry away what the run knows, and an image is fetched as soon as the answer is shown.
 * So what loads or leads elsewhere is written as text that shows where to, unless the person's own prompt
 * holds that address. Markdown in its inline and reference forms, and the tags of HTML that load or lead; the
 * rest stays byte for byte. Pure.
 */
#include "base/base.h"
#include "agent/agent_int.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Beyond these it is no link that a person wrote: it is written so that none is made of it. They keep the
 * work linear, too. */
enum { LABEL_BYTES_MAX = 1000, NESTING_MAX = 4 };
enum found { FOUND_NONE, FOUND_LINK, FOUND_TOO_MUCH };

struct link {
	struct slice label, url;
	const char *end; /* behind it all */
};

static void defuse(struct slice text, const char *prompt, bool *changed, struct buf *out);

/* The bracket that closes the one before `p`, in the same paragraph. */
static enum found closing(const char *p, const char *limit, char open, char close, const char **at)
{
	int depth = 1;
	const char *most = limit - p > LABEL_BYTES_MAX ? p + LABEL_BYTES_MAX : limit;
	for (; p < most && !(p[0] == '\n' && p + 1 < limit && p[1] == '\n'); p++) {
		if (*p == '\\')
			p++;
		else if (*p == open && ++depth > NESTING_MAX)
			return FOUND_TOO_MUCH;
		else if (*p == close && --depth == 0)
			return *at = p, FOUND_LINK;
	}
	return p >= most && most < limit ? FOUND_TOO_MUCH : FOUND_NONE;
}

/* "[label](url "title")" at p; the url may stand between < and >. */
static enum found link_read(const char *p, const char *limit, struct link *l)
{
	const char *label_end, *end;
	enum found f = p < limit && *p == '[' ? closing(p + 1, limit, '[', ']', &label_end) : FOUND_NONE;
	if (f != FOUND_LINK)
		return f;
	if (label_end + 1 >= limit || label_end[1] != '(')
		return FOUND_NONE;
	f = closing(label_end + 2, limit, '(', ')', &end);
	if (f != FOUND_LINK)
		return f;
	const char *url = label_end + 2;
	while (url < end && strchr(" \t\n<", *url) != NULL)
		url++;
	size_t n = 0;
	while (url + n < end && strchr(" \t\n>", url[n]) == NULL)
		n++;
	*l = (struct link){.label = {p + 1, (size_t)(label_end - p - 1)}, .url = {url, n}, .end = end + 1};
	return FOUND_LINK;
}

static bool leads_elsewhere(const struct link *l, const char *prompt)
{
	if (l->url.len == 0 || *l->url.ptr == '#')
		return false;
	return memmem(prompt, strlen(prompt), l->url.ptr, l->url.len) == NULL;
}

/* "label (`url`)" */
static void link_print(const struct link *l, bool image, const char *prompt, struct buf *out)
{
	bool changed = false;
	defuse(l->label, prompt, &changed, out);
	buf_printf(out, " (%s`", image ? "image: " : "");
	for (size_t i = 0; i < l->url.len; i++)
		if (l->url.ptr[i] != '`')
			buf_add_char(out, l->url.ptr[i]);
	buf_add_str(out, "`)");
}

/* "[label]: url" at the beginning of a line, which other links refer to. */
static bool is_definition(struct slice text, const char *p)
{
	const char *line = p, *end, *limit = text.ptr + text.len;
	while (line > text.ptr && line[-1] == ' ')
		line--;
	return (line == text.ptr || line[-1] == '\n') &&
	       closing(p + 1, limit, '[', ']', &end) == FOUND_LINK && end + 1 < limit && end[1] == ':';
}

static bool is_loading_tag(const char *p)
{
	static const char *const tags[] = {"a",     "img",    "iframe", "script", "link",    "video",
					   "audio", "object", "embed",  "source", "svg",     "form",
					   "base",  "meta",   "style",  "input",  "picture", "body"};
	for (size_t i = 0; i < COUNT_OF(tags); i++) {
		size_t n = strlen(tags[i]);
		if (strncasecmp(p + 1, tags[i], n) == 0 && !isalnum((unsigned char)p[1 + n]) &&
		    p[1 + n] != '-')
			return true;
	}
	return false;
}

static void defuse(struct slice text, const char *prompt, bool *changed, struct buf *out)
{
	const char *limit = text.ptr + text.len;
	for (const char *p = text.ptr; p < limit;) {
		bool image = p[0] == '!' && p + 1 < limit && p[1] == '[';
		struct link l;
		enum found f = link_read(p + image, limit, &l);
		if (f == FOUND_LINK && leads_elsewhere(&l, prompt)) {
			link_print(&l, image, prompt, out);
			p = l.end;
			*changed = true;
			continue;
		}
		/* What is left are references, tags and plain text. */
		bool reference = image && f != FOUND_LINK;
		bool escaped = *p == '[' && (f == FOUND_TOO_MUCH || is_definition(text, p));
		bool tag = *p == '<' && is_loading_tag(p);
		buf_add_str(out, escaped ? "\\" : "");
		if (tag)
			buf_add_str(out, "&lt;");
		else if (!reference)
			buf_add_char(out, *p);
		*changed = *changed || escaped || tag || reference;
		p++;
	}
}

bool answer_links_defuse(const char *text, const char *prompt, struct buf *out)
{
	bool changed = false;
	defuse(slice_str(text), prompt, &changed, out);
	return changed;
}
