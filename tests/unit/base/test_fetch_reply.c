/* SPDX-License-Identifier: Apache-2.0 */
/* fetch_reply.c: answers as servers send them, whole and cut anywhere, and answers that are none. */
#include "base/base.h"
#include "base/fetch_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\n"

struct heard {
	struct fetch_head head;
	struct fetch_reply reply;
	struct buf body;
	size_t left; /* bytes behind the answer */
};

/* Feeds the text in pieces of `piece` bytes, each in memory of its own size, so that a sanitizer sees a read
 * beyond it. */
static void hear(struct heard *h, const char *text, size_t n, size_t piece)
{
	*h = (struct heard){0};
	fetch_reply_init(&h->reply, &h->head);
	for (size_t at = 0; at < n; at += piece) {
		size_t len = n - at < piece ? n - at : piece;
		char *copy = malloc(len);
		memcpy(copy, text + at, len);
		struct slice in = {copy, len};
		while (in.len > 0 && h->reply.state != REPLY_DONE && h->reply.state != REPLY_BAD) {
			struct slice body;
			fetch_reply_take(&h->reply, &in, &body);
			buf_add_slice(&h->body, body);
		}
		h->left += in.len;
		free(copy);
	}
}

static void heard_release(struct heard *h)
{
	buf_release(&h->body);
	fetch_reply_release(&h->reply);
}

struct good {
	const char *text, *body;
	int status;
	bool keeps, ends; /* before the connection does */
	size_t left;
};

static const struct good good[] = {
	{OK "Content-Length: 5\r\n\r\nhello", "hello", 200, true, true, 0},
	{OK "content-length:0\r\n\r\n", "", 200, true, true, 0},
	{OK "Content-Length: 2\r\n\r\nokHTTP/1.1", "ok", 200, true, true, 8},
	{OK "\r\nuntil the end", "until the end", 200, false, false, 0},
	{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", 200, false, true, 0},
	{"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", "x", 200, true, true, 0},
	{OK "Connection: foo , Close\r\nContent-Length: 1\r\n\r\nx", "x", 200, false, true, 0},
	{OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n", "hello world",
	 200, true, true, 0},
	{OK "Transfer-Encoding: Chunked\r\n\r\n0a \r\n0123456789\r\n00\r\nTrailer: 1\r\n\r\nmore",
	 "0123456789", 200, true, true, 4},
	{OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "x", 200, false,
	 true, 0},
	{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\n"
	 "Content-Length: 1\r\nContent-Length: 1\r\n\r\n!",
	 "!", 404, true, true, 0},
	{"HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n", "", 204, true, true, 0},
	{"HTTP/1.1 200\nContent-Length: 2\n\nlf", "lf", 200, true, true, 0},
};

static void fetch_reply__reads_answers_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		const struct good *g = &good[i];
		size_t n = strlen(g->text);
		for (size_t piece = 1; piece <= n; piece++) {
			struct heard h;
			hear(&h, g->text, n, piece);
			bool ended = h.reply.state == REPLY_DONE;
			if (ended != g->ends || !fetch_reply_close(&h.reply) ||
			    strcmp(buf_cstr(&h.body), g->body) != 0 || h.head.status != g->status ||
			    h.reply.keeps != g->keeps || h.left != g->left)
				fail_msg("case %zu in pieces of %zu: %s, body \"%s\", %zu left", i, piece,
					 h.reply.why ? h.reply.why : "", buf_cstr(&h.body), h.left);
			heard_release(&h);
		}
	}
}

static void fetch_reply__says_what_is_no_answer(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"<html>\n", "it begins with no status line of HTTP/1"},
		{"HTTP/2 200 OK\r\n", "it begins with no status line of HTTP/1"},
		{"HTTP/1.1 2x0\r\n", "it begins with no status line of HTTP/1"},
		{"\r\n" OK, "it begins with no status line of HTTP/1"},
		{OK "no header\r\n", "a line of its head is no header"},
		{OK ": empty\r\n", "a line of its head is no header"},
		{OK "HTTP/1.1 404: x\r\n", "a line of its head is no header"},
		{OK "a b: c\r\n", "a line of its head is no header"},
		{OK "Content-Length: 1x\r\n", "its Content-Length is no number"},
		{OK "Content-Length: -1\r\n", "its Content-Length is no number"},
		{OK "Content-Length: 1234567890123456\r\n", "its Content-Length is no number"},
		{OK "Content-Length: \r\n", "its Content-Length is empty, or there are two of them"},
		{OK "Content-Length: 1\r\nContent-Length: 2\r\n",
		 "its Content-Length is empty, or there are two of them"},
		{OK "Transfer-Encoding: gzip, chunked\r\n", "it has a transfer coding other than chunked"},
		{OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "a chunk of it has no size"},
		{OK "Transfer-Encoding: chunked\r\n\r\n\r\n", "a chunk of it has no size"},
		{OK "Transfer-Encoding: chunked\r\n\r\n5x\r\n", "a chunk of it has no size"},
		{OK "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "a chunk of it has no size"},
		{OK "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", "a chunk of it is longer than its size"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct heard h;
		hear(&h, rows[i][0], strlen(rows[i][0]), SIZE_MAX / 2);
		assert_int_equal(h.reply.state, REPLY_BAD);
		assert_string_equal(h.reply.why, rows[i][1]);
		assert_false(fetch_reply_close(&h.reply));
		heard_release(&h);
	}
}

static void fetch_reply__knows_an_answer_that_breaks_off(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"HTTP/1.1 2",
		OK "Content-Length: 5\r\n",
		OK "Content-Length: 5\r\n\r\nhell",
		OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct heard h;
		hear(&h, rows[i], strlen(rows[i]), SIZE_MAX / 2);
		assert_int_not_equal(h.reply.state, REPLY_BAD);
		assert_false(fetch_reply_close(&h.reply));
		heard_release(&h);
	}
}

static void fetch_reply__bounds_the_head(void **state)
{
	(void)state;
	struct buf b = BUF_INIT;
	buf_add_str(&b, OK);
	for (int i = 0; i < 20000; i++)
		buf_printf(&b, "X-Header-%d: value\r\n", i);
	struct heard h;
	hear(&h, b.data, b.len, 1000);
	assert_int_equal(h.reply.state, REPLY_BAD);
	heard_release(&h);
	buf_reset(&b);
	buf_add_str(&b, OK "X: ");
	for (int i = 0; i < 300000; i++)
		buf_add_char(&b, 'x');
	hear(&h, b.data, b.len, 777);
	assert_int_equal(h.reply.state, REPLY_BAD);
	assert_true(h.reply.line.cap <= 512 << 10);
	heard_release(&h);
	buf_release(&b);
}

/* Any bytes: it ends somewhere, and reads nothing that is not there. */
static void fetch_reply__survives_damage(void **state)
{
	(void)state;
	uint64_t seed = 7;
	for (int round = 0; round < 20000; round++) {
		const char *from = good[round % (int)COUNT_OF(good)].text;
		size_t n = strlen(from);
		char *text = strdup(from);
		for (int k = 0; k < 3; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			text[(seed >> 33) % n] = (char)(seed >> 20);
		}
		struct heard h;
		hear(&h, text, n, 1 + (seed >> 40) % n);
		assert_true(h.body.len <= n);
		heard_release(&h);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetch_reply__reads_answers_cut_anywhere),
		cmocka_unit_test(fetch_reply__says_what_is_no_answer),
		cmocka_unit_test(fetch_reply__knows_an_answer_that_breaks_off),
		cmocka_unit_test(fetch_reply__bounds_the_head),
		cmocka_unit_test(fetch_reply__survives_damage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
