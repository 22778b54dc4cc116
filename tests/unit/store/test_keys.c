/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/table.h"
#include "store/store_db.h"

enum { A, B, KEEPER = 3 };

struct kept {
	struct table t;
	struct store *k;
};

static struct kept kept_open(bool keeper, uint32_t requests_max)
{
	struct kept x;
	struct store_options o = table_options(4, 8);
	o.keeper = keeper;
	o.requests_max = requests_max;
	x.t = table_open_with(&o);
	store_proc_started(x.t.created, KEEPER, 3);
	x.k = store_attach(x.t.created, KEEPER);
	store_health_set(x.k, STORE_WORKS, "");
	return x;
}

static void kept_close(struct kept *x)
{
	store_detach(x->k);
	table_close(&x->t);
}

static struct request_key key_of(uint32_t n, uint8_t body)
{
	struct request_key k = {.body = {body}};
	memcpy(k.key, &n, sizeof n);
	return k;
}

static struct request_place place_of(uint8_t task, uint64_t after_seq)
{
	return (struct request_place){.task = {{task}}, .after_seq = after_seq, .at_ms = (int64_t)after_seq};
}

static struct request_place seen; /* by the last claim that found one begun */

static enum request_status claim(struct store *s, struct request_key k)
{
	enum request_status status;
	struct error e = {0};
	if (request_key_claim(s, &k, &status, &seen, &e) != ERR_NONE)
		fail_msg("%s", e.msg);
	return status;
}

static void begin(struct store *s, struct request_key k, struct request_place p)
{
	assert_int_equal(claim(s, k), REQUEST_NEW);
	request_key_begin(s, &k, &p);
}

static bool reclaim(struct store *s, struct request_key k, struct request_place p)
{
	return request_key_reclaim(s, &k, &p);
}

static void assert_at(struct request_place p)
{
	assert_memory_equal(&seen, &p, sizeof p);
}

static void dies(struct kept *x, uint32_t proc)
{
	store_proc_died(x->t.created, proc);
	store_proc_started(x->t.created, proc, 9);
}

static size_t saved(struct kept *x)
{
	struct request_unsaved r[64];
	size_t n = requests_take(x->k, COUNT_OF(r), r);
	requests_done(x->k, r, n);
	return n;
}

static void a_key__is_one_participants_until_it_is_settled(void **state)
{
	struct kept x = kept_open(true, 64);
	struct request_key k = key_of(1, 1);
	struct request_place p = place_of(1, 7);
	unsigned flags;
	(void)state;
	assert_int_equal(claim(x.t.a, k), REQUEST_NEW);
	wake(x.t.b, NULL);
	assert_int_equal(claim(x.t.b, k), REQUEST_BUSY);
	assert_int_equal(claim(x.t.a, k), REQUEST_BUSY);
	request_key_begin(x.t.a, &k, &p);
	assert_int_equal(claim(x.t.b, k), REQUEST_BUSY);
	request_key_settle(x.t.a, &k, &p, false);
	wake(x.t.b, &flags);
	assert_true(flags & WAKE_REQUESTS);
	assert_int_equal(claim(x.t.b, k), REQUEST_BEGUN);
	assert_at(p);
	/* nobody waited this time */
	wake(x.t.a, NULL);
	request_key_settle(x.t.b, &k, &p, false);
	assert_false(readable(x.t.a));
	kept_close(&x);
}

static void another_body__is_refused_at_every_state(void **state)
{
	struct kept x = kept_open(true, 64);
	struct request_key k = key_of(1, 1), other = key_of(1, 2);
	struct request_place p = place_of(1, 7);
	(void)state;
	assert_int_equal(claim(x.t.a, k), REQUEST_NEW);
	assert_int_equal(claim(x.t.b, other), REQUEST_OTHER);
	request_key_begin(x.t.a, &k, &p);
	assert_int_equal(claim(x.t.b, other), REQUEST_OTHER);
	request_key_settle(x.t.a, &k, &p, false);
	assert_int_equal(claim(x.t.b, other), REQUEST_OTHER);
	/* begun by one that died: it may have taken effect */
	begin(x.t.a, key_of(2, 1), p);
	dies(&x, A);
	assert_int_equal(claim(x.t.b, key_of(2, 2)), REQUEST_OTHER);
	/* only claimed by one that died: nothing was made */
	assert_int_equal(claim(x.t.a, key_of(3, 1)), REQUEST_NEW);
	dies(&x, A);
	assert_int_equal(claim(x.t.b, key_of(3, 2)), REQUEST_NEW);
	kept_close(&x);
}

static void a_dropped_key__is_free_for_who_waited(void **state)
{
	struct kept x = kept_open(true, 64);
	struct request_key k = key_of(1, 1);
	unsigned flags;
	(void)state;
	begin(x.t.a, k, place_of(1, 7));
	assert_int_equal(claim(x.t.b, k), REQUEST_BUSY);
	wake(x.t.b, NULL);
	request_key_drop(x.t.b, &k); /* not its own */
	assert_int_equal(claim(x.t.b, k), REQUEST_BUSY);
	request_key_drop(x.t.a, &k);
	wake(x.t.b, &flags);
	assert_true(flags & WAKE_REQUESTS);
	assert_int_equal(claim(x.t.b, k), REQUEST_NEW);
	kept_close(&x);
}

static void a_dead_owners_key__is_looked_after_and_reclaimed_once(void **state)
{
	struct kept x = kept_open(true, 64);
	struct request_key k = key_of(1, 1);
	struct request_place p = place_of(1, 7), p2 = place_of(1, 9);
	(void)state;
	begin(x.t.a, k, p);
	assert_false(reclaim(x.t.b, k, p)); /* its owner lives */
	dies(&x, A);
	assert_int_equal(claim(x.t.b, k), REQUEST_BEGUN);
	assert_at(p);
	assert_int_equal(claim(x.k, k), REQUEST_BEGUN);
	/* both found nothing; one is quicker */
	assert_true(reclaim(x.t.b, k, p));
	assert_false(reclaim(x.k, k, p));
	assert_int_equal(claim(x.k, k), REQUEST_BUSY);
	request_key_begin(x.t.b, &k, &p2);
	request_key_settle(x.t.b, &k, &p2, false);
	assert_int_equal(claim(x.k, k), REQUEST_BEGUN);
	assert_at(p2);
	kept_close(&x);
}

static void a_late_look__takes_nothing_that_was_made_since(void **state)
{
	struct kept x = kept_open(true, 64);
	struct request_key k = key_of(1, 1);
	struct request_place old = place_of(1, 7), made = place_of(1, 9);
	(void)state;
	/* the archive knew where it had begun, and that went without effect */
	assert_int_equal(claim(x.t.a, k), REQUEST_NEW);
	request_key_settle(x.t.a, &k, &old, true);
	assert_int_equal(claim(x.t.b, k), REQUEST_BEGUN);
	assert_true(reclaim(x.t.a, k, old));
	request_key_begin(x.t.a, &k, &made);
	request_key_settle(x.t.a, &k, &made, false);
	/* the other one has looked at the old place meanwhile */
	assert_false(reclaim(x.t.b, k, old));
	assert_int_equal(claim(x.t.b, k), REQUEST_BEGUN);
	assert_at(made);
	/* the same with one that began anew and died */
	assert_true(reclaim(x.t.b, k, made));
	request_key_begin(x.t.b, &k, &old);
	dies(&x, B);
	assert_false(reclaim(x.t.a, k, made));
	kept_close(&x);
}

static void the_keeper__saves_each_begun_key_once(void **state)
{
	struct kept x = kept_open(true, 64);
	struct request_unsaved r[4];
	(void)state;
	assert_int_equal(claim(x.t.a, key_of(1, 1)), REQUEST_NEW);
	assert_int_equal(requests_take(x.k, 4, r), 0);
	for (uint8_t i = 2; i <= 7; i++)
		begin(x.t.a, key_of(i, 1), place_of(i, i));
	assert_int_equal(requests_take(x.k, 4, r), 4);
	requests_again(x.k, r, 4);
	assert_int_equal(requests_take(x.k, 4, r), 4);
	requests_done(x.k, r, 4);
	assert_int_equal(requests_take(x.k, 4, r), 2);
	/* a keeper that dies here has not saved them */
	unsaved_mark_all(x.k);
	assert_int_equal(requests_take(x.k, 4, r), 2);
	requests_done(x.k, r, 2);
	assert_int_equal(requests_take(x.k, 4, r), 0);
	kept_close(&x);
}

static void a_key_that_changed_while_it_was_saved__is_saved_again(void **state)
{
	struct kept x = kept_open(true, 64);
	struct request_unsaved r[4];
	struct request_key k = key_of(1, 1);
	struct request_place p2 = place_of(1, 9);
	(void)state;
	/* dropped and claimed anew */
	begin(x.t.a, k, place_of(1, 7));
	assert_int_equal(requests_take(x.k, 4, r), 1);
	request_key_drop(x.t.a, &k);
	begin(x.t.b, k, place_of(1, 8));
	requests_done(x.k, r, 1);
	assert_int_equal(requests_take(x.k, 4, r), 1);
	assert_int_equal(r[0].place.after_seq, 8);
	/* begun at another place by the same one */
	request_key_begin(x.t.b, &k, &p2);
	requests_done(x.k, r, 1);
	assert_int_equal(requests_take(x.k, 4, r), 1);
	assert_int_equal(r[0].place.after_seq, 9);
	requests_done(x.k, r, 1);
	assert_int_equal(saved(&x), 0);
	/* settled without having begun, and not known to the archive */
	assert_int_equal(claim(x.t.a, key_of(2, 1)), REQUEST_NEW);
	k = key_of(2, 1);
	request_key_settle(x.t.a, &k, &p2, false);
	assert_int_equal(saved(&x), 1);
	kept_close(&x);
}

static void settling__keeps_the_place_where_it_began(void **state)
{
	struct kept x = kept_open(true, 64);
	struct request_key k = key_of(1, 1);
	struct request_place p = place_of(1, 7), other = place_of(2, 9);
	(void)state;
	begin(x.t.a, k, p);
	assert_int_equal(saved(&x), 1);
	request_key_settle(x.t.a, &k, &other, false);
	assert_int_equal(claim(x.t.b, k), REQUEST_BEGUN);
	assert_at(p);
	kept_close(&x);
}

/* All places of one set: with 64 keys at most there are four sets of 16. */
static size_t fill(struct store *s, bool settle)
{
	size_t n = 0;
	for (uint32_t i = 0; i < 400; i++) {
		enum request_status status;
		struct request_key k = key_of(1000 + i, 1);
		struct request_place p = place_of(1, i);
		struct error e;
		if (request_key_claim(s, &k, &status, &p, &e) != ERR_NONE) {
			assert_int_equal(e.code, ERR_FULL);
			assert_non_null(strstr(e.msg, "store.idempotency_keys"));
			continue;
		}
		n++;
		request_key_begin(s, &k, &p);
		if (settle)
			request_key_settle(s, &k, &p, false);
	}
	return n;
}

static void a_full_table__forgets_saved_keys_only(void **state)
{
	struct kept x = kept_open(true, 64);
	(void)state;
	assert_int_equal(fill(x.t.a, true), 64);
	assert_int_equal(claim(x.t.b, key_of(1000, 1)), REQUEST_BEGUN);
	assert_int_equal(saved(&x), 64);
	begin(x.t.a, key_of(1, 1), place_of(1, 1));
	/* the oldest of its set made room, the others are there */
	size_t there = 0;
	for (uint32_t i = 0; i < 64; i++) {
		enum request_status status;
		struct request_key k = key_of(1000 + i, 1);
		struct error e;
		if (request_key_claim(x.t.b, &k, &status, &seen, &e) == ERR_NONE && status == REQUEST_BEGUN)
			there++;
		else
			request_key_drop(x.t.b, &k);
	}
	assert_true(there >= 40);
	kept_close(&x);
}

static void keys_of_the_dead__do_not_fill_the_table(void **state)
{
	struct kept x = kept_open(true, 64);
	struct request_key k;
	struct error e;
	enum request_status status;
	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		k = key_of(i, 1);
		assert_int_equal(request_key_claim(x.t.a, &k, &status, &seen, &e), ERR_NONE);
		if (i % 2) {
			struct request_place p = place_of(1, i);
			request_key_begin(x.t.a, &k, &p);
			saved(&x);
		}
		dies(&x, A);
	}
	/* but what has begun and is not saved stays */
	k = key_of(2000, 1);
	begin(x.t.a, k, place_of(3, 3));
	dies(&x, A);
	for (uint32_t i = 0; i < 200; i++) {
		k = key_of(3000 + i, 1);
		assert_int_equal(request_key_claim(x.t.a, &k, &status, &seen, &e), ERR_NONE);
		request_key_drop(x.t.a, &k);
	}
	assert_int_equal(claim(x.t.b, key_of(2000, 1)), REQUEST_BEGUN);
	assert_at(place_of(3, 3));
	kept_close(&x);
}

static void without_a_keeper__old_keys_make_room(void **state)
{
	struct kept x = kept_open(false, 64);
	struct request_unsaved r[4];
	(void)state;
	assert_int_equal(fill(x.t.a, true), 400);
	assert_int_equal(requests_take(x.t.b, 4, r), 0);
	kept_close(&x);
}

static void a_digest__is_told_in_hex(void **state)
{
	struct request_key k = {.key = {0x00, 0x01, 0xab, 0xff}};
	char hex[REQUEST_HEX_SIZE];
	(void)state;
	request_key_hex(&k, hex);
	assert_string_equal(hex, "0001abff000000000000000000000000");
}

RUN_TESTS(cmocka_unit_test(a_key__is_one_participants_until_it_is_settled),
	  cmocka_unit_test(another_body__is_refused_at_every_state),
	  cmocka_unit_test(a_dropped_key__is_free_for_who_waited),
	  cmocka_unit_test(a_dead_owners_key__is_looked_after_and_reclaimed_once),
	  cmocka_unit_test(a_late_look__takes_nothing_that_was_made_since),
	  cmocka_unit_test(the_keeper__saves_each_begun_key_once),
	  cmocka_unit_test(a_key_that_changed_while_it_was_saved__is_saved_again),
	  cmocka_unit_test(settling__keeps_the_place_where_it_began),
	  cmocka_unit_test(a_full_table__forgets_saved_keys_only),
	  cmocka_unit_test(keys_of_the_dead__do_not_fill_the_table),
	  cmocka_unit_test(without_a_keeper__old_keys_make_room), cmocka_unit_test(a_digest__is_told_in_hex))
