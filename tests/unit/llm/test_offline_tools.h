/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 14 tools of @modelcontextprotocol/server-filesystem 2026.8.31 as it lists them (names, titles,
 * descriptions, schemas, read-only hints), and a request builder around them. Header only: every test of the
 * offline rules is a program of its own.
 */
#ifndef TEST_OFFLINE_TOOLS_H
#define TEST_OFFLINE_TOOLS_H

#include "base/base.h"
#include "llm/llm_int.h"
#include "llm/offline_int.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct tool_row {
	const char *name, *title, *description, *schema;
	bool read_only;
} filesystem_tools[] = {
	{"read_file", "Read File (Deprecated)",
	 "Read the complete contents of a file as text. DEPRECATED: Use read_text_file instead.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}, \"tail\": "
	 "{\"description\": \"If provided, returns only the last N lines of the file\", \"type\": "
	 "\"number\"}, \"head\": {\"description\": \"If provided, returns only the first N lines of "
	 "the file\", \"type\": \"number\"}}, \"required\": [\"path\"]}",
	 true},
	{"read_text_file", "Read Text File",
	 "Read the complete contents of a file from the file system as text. Handles various text "
	 "encodings and provides detailed error messages if the file cannot be read. Use this tool "
	 "when you need to examine the contents of a single file. Use the 'head' parameter to read "
	 "only the first N lines of a file, or the 'tail' parameter to read only the last N lines "
	 "of a file. Operates on the file as text regardless of extension. Only works within "
	 "allowed directories.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}, \"tail\": "
	 "{\"description\": \"If provided, returns only the last N lines of the file\", \"type\": "
	 "\"number\"}, \"head\": {\"description\": \"If provided, returns only the first N lines of "
	 "the file\", \"type\": \"number\"}}, \"required\": [\"path\"]}",
	 true},
	{"read_media_file", "Read Media File",
	 "Read a file and return it as a base64-encoded content block with its MIME type. Image and "
	 "audio files are returned as image/audio content; any other file type is returned as an "
	 "embedded resource. Only works within allowed directories.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}}, \"required\": "
	 "[\"path\"]}",
	 true},
	{"read_multiple_files", "Read Multiple Files",
	 "Read the contents of multiple files simultaneously. This is more efficient than reading "
	 "files one by one when you need to analyze or compare multiple files. Each file's content "
	 "is returned with its path as a reference. Failed reads for individual files won't stop "
	 "the entire operation. Only works within allowed directories.",
	 "{\"type\": \"object\", \"properties\": {\"paths\": {\"minItems\": 1, \"type\": \"array\", "
	 "\"items\": {\"type\": \"string\"}, \"description\": \"Array of file paths to read. Each "
	 "path must be a string pointing to a valid file within allowed directories.\"}}, "
	 "\"required\": [\"paths\"]}",
	 true},
	{"write_file", "Write File",
	 "Create a new file or completely overwrite an existing file with new content. Use with "
	 "caution as it will overwrite existing files without warning. Handles text content with "
	 "proper encoding. Only works within allowed directories.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}, \"content\": "
	 "{\"type\": \"string\"}}, \"required\": [\"path\", \"content\"]}",
	 false},
	{"edit_file", "Edit File",
	 "Make line-based edits to a text file. Each edit replaces exact line sequences with new "
	 "content. Returns a git-style diff showing the changes made. Only works within allowed "
	 "directories.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}, \"edits\": "
	 "{\"type\": \"array\", \"items\": {\"type\": \"object\", \"properties\": {\"oldText\": "
	 "{\"type\": \"string\", \"description\": \"Text to search for - must match exactly\"}, "
	 "\"newText\": {\"type\": \"string\", \"description\": \"Text to replace with\"}}, "
	 "\"required\": [\"oldText\", \"newText\"]}}, \"dryRun\": {\"default\": false, "
	 "\"description\": \"Preview changes using git-style diff format\", \"type\": "
	 "\"boolean\"}}, \"required\": [\"path\", \"edits\"]}",
	 false},
	{"create_directory", "Create Directory",
	 "Create a new directory or ensure a directory exists. Can create multiple nested "
	 "directories in one operation. If the directory already exists, this operation will "
	 "succeed silently. Perfect for setting up directory structures for projects or ensuring "
	 "required paths exist. Only works within allowed directories.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}}, \"required\": "
	 "[\"path\"]}",
	 false},
	{"list_directory", "List Directory",
	 "Get a detailed listing of all files and directories in a specified path. Results clearly "
	 "distinguish between files and directories with [FILE] and [DIR] prefixes. This tool is "
	 "essential for understanding directory structure and finding specific files within a "
	 "directory. Only works within allowed directories.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}}, \"required\": "
	 "[\"path\"]}",
	 true},
	{"list_directory_with_sizes", "List Directory with Sizes",
	 "Get a detailed listing of all files and directories in a specified path, including sizes. "
	 "Results clearly distinguish between files and directories with [FILE] and [DIR] prefixes. "
	 "This tool is useful for understanding directory structure and finding specific files "
	 "within a directory. Only works within allowed directories.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}, \"sortBy\": "
	 "{\"default\": \"name\", \"description\": \"Sort entries by name or size\", \"type\": "
	 "\"string\", \"enum\": [\"name\", \"size\"]}}, \"required\": [\"path\"]}",
	 true},
	{"directory_tree", "Directory Tree",
	 "Get a recursive tree view of files and directories as a JSON structure. Each entry "
	 "includes 'name', 'type' (file/directory), and 'children' for directories. Files have no "
	 "children array, while directories always have a children array (which may be empty). The "
	 "output is formatted with 2-space indentation for readability. Only works within allowed "
	 "directories.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}, "
	 "\"excludePatterns\": {\"default\": [], \"type\": \"array\", \"items\": {\"type\": "
	 "\"string\"}}}, \"required\": [\"path\"]}",
	 true},
	{"move_file", "Move File",
	 "Move or rename files and directories. Can move files between directories and rename them "
	 "in a single operation. If the destination exists, the operation will fail. Works across "
	 "different directories and can be used for simple renaming within the same directory. Both "
	 "source and destination must be within allowed directories.",
	 "{\"type\": \"object\", \"properties\": {\"source\": {\"type\": \"string\"}, "
	 "\"destination\": {\"type\": \"string\"}}, \"required\": [\"source\", \"destination\"]}",
	 false},
	{"search_files", "Search Files",
	 "Recursively search for files and directories matching a pattern. The patterns should be "
	 "glob-style patterns that match paths relative to the working directory. Use pattern like "
	 "'*.ext' to match files in current directory, and '**/*.ext' to match files in all "
	 "subdirectories. Returns full paths to all matching items. Great for finding files when "
	 "you don't know their exact location. Only searches within allowed directories.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}, \"pattern\": "
	 "{\"type\": \"string\"}, \"excludePatterns\": {\"default\": [], \"type\": \"array\", "
	 "\"items\": {\"type\": \"string\"}}}, \"required\": [\"path\", \"pattern\"]}",
	 true},
	{"get_file_info", "Get File Info",
	 "Retrieve detailed metadata about a file or directory. Returns comprehensive information "
	 "including size, creation time, last modified time, permissions, and type. This tool is "
	 "perfect for understanding file characteristics without reading the actual content. Only "
	 "works within allowed directories.",
	 "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\"}}, \"required\": "
	 "[\"path\"]}",
	 true},
	{"list_allowed_directories", "List Allowed Directories",
	 "Returns the list of directories that this server is allowed to access. Subdirectories "
	 "within these allowed directories are also accessible. Use this to understand which "
	 "directories and their nested paths are available before trying to access files.",
	 "{\"type\": \"object\", \"properties\": {}}",
	 true},
};
/* clang-format on */

enum { TOOLS_MAX = 24 };

struct offer {
	struct llm_tool tools[TOOLS_MAX];
	size_t count;
	char *names[TOOLS_MAX];
	struct json *schemas[TOOLS_MAX];
};

__attribute__((unused)) static void offer_add(struct offer *o, const char *server, const struct tool_row *row)
{
	ensure(o->count < TOOLS_MAX);
	size_t i = o->count++;
	o->names[i] = xasprintf("%s__%s", server, row->name);
	o->schemas[i] = json_parse(row->schema, strlen(row->schema), 0, NULL);
	ensure(o->schemas[i] != NULL);
	o->tools[i] = (struct llm_tool){.name = o->names[i],
					.server = server,
					.server_tool = row->name,
					.title = row->title,
					.description = row->description,
					.schema = o->schemas[i],
					.schema_text = slice_str(row->schema),
					.read_only = row->read_only};
}

__attribute__((unused)) static void offer_filesystem(struct offer *o)
{
	*o = (struct offer){0};
	for (size_t i = 0; i < COUNT_OF(filesystem_tools); i++)
		offer_add(o, "files", &filesystem_tools[i]);
}

__attribute__((unused)) static void offer_release(struct offer *o)
{
	for (size_t i = 0; i < o->count; i++) {
		free(o->names[i]);
		json_free(o->schemas[i]);
	}
}

/* The plan for a prompt, parsed; the caller frees it. */
__attribute__((unused)) static struct json *plan_for(const struct offer *o, const char *goal,
						     const char *feedback)
{
	struct llm_context c = {.goal = goal, .feedback = feedback};
	struct llm_request r = {
		.role = LLM_PLANNER, .tools = o->tools, .tools_count = o->count, .context = &c};
	struct llm_turn_buf turn;
	struct error e = {0};
	turn_buf_init(&turn);
	ensure(llm_offline_answer(&r, &turn, &e) == ERR_NONE);
	const struct llm_turn *t = turn_buf_view(&turn);
	struct json *plan = json_parse(t->text, strlen(t->text), 0, &e);
	turn_buf_release(&turn);
	ensure(plan != NULL);
	return plan;
}

#endif
