/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log: one JSON object a line in one write(2) to stderr: ts level role pid msg and typed fields; plain text
 * when stderr is a terminal. Never call it with a store lock held. No bodies above debug, no secrets at all.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

enum log_field_kind { LOG_FIELD_END, LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_BOOL };
struct log_field {
	enum log_field_kind kind;
	const char *name;
	const char *str; /* borrowed for the call; NULL prints as null; invalid UTF-8 is replaced */
	int64_t num;
};

#define LF_STR(n, v)  ((struct log_field){LOG_FIELD_STR, (n), (v), 0})
#define LF_INT(n, v)  ((struct log_field){LOG_FIELD_INT, (n), 0, (int64_t)(v)})
#define LF_BOOL(n, v) ((struct log_field){LOG_FIELD_BOOL, (n), 0, (v)})

/* `role` is copied ("worker 2"). May be called again after a fork. */
void log_init(const char *role, enum log_level level, enum log_format format);
/* Writes to `fd` instead of stderr (tests). */
void log_set_fd(int fd);
enum log_level log_level(void);
/* "debug" "info" "warn"/"warning" "error" "off", case-insensitive. false when unknown. */
bool log_level_parse(const char *text, enum log_level *out);

/* Fields end with LOG_FIELD_END; use the macros. Well-known names: task_id request_id server tool pid status
 * ms. */
void log_write(enum log_level level, const char *msg, const struct log_field *fields);

#define log_at(level, msg, ...)                                                               \
	do {                                                                                  \
		if ((level) >= log_level())                                                   \
			log_write((level), (msg),                                             \
				  (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}}); \
	} while (0)
#define log_debug(msg, ...) log_at(LOG_DEBUG, msg __VA_OPT__(, ) __VA_ARGS__)
#define log_info(msg, ...)  log_at(LOG_INFO, msg __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(msg, ...)  log_at(LOG_WARN, msg __VA_OPT__(, ) __VA_ARGS__)
#define log_error(msg, ...) log_at(LOG_ERROR, msg __VA_OPT__(, ) __VA_ARGS__)

#endif
