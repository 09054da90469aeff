/*
 * test_philox.c - the random words are those of the paper.
 */
#include "base/philox.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* The known answers of the authors' own distribution (Random123, kat_vectors):
 * counter and key all zero, and all ones. */
static void words_match_the_published_vectors(void **state)
{
    (void)state;
    uint32_t w[4];
    philox_words(0, 0, 0, w);
    assert_int_equal(w[0], 0x6627e8d5);
    assert_int_equal(w[1], 0xe169c58d);
    assert_int_equal(w[2], 0xbc57ac4c);
    assert_int_equal(w[3], 0x9b00dbd8);
    philox_words(UINT64_MAX, UINT64_MAX, UINT64_MAX, w);
    assert_int_equal(w[0], 0x408f276d);
    assert_int_equal(w[1], 0x41c83b0e);
    assert_int_equal(w[2], 0xa20bc7c6);
    assert_int_equal(w[3], 0x6d5451fd);
}

static void uniform_stays_in_its_interval(void **state)
{
    (void)state;
    for (uint64_t e = 0; e < 100000; e++) {
        double u = philox_uniform(1, 2, 3, e);
        assert_true(u >= 0.0 && u < 1.0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_match_the_published_vectors),
        cmocka_unit_test(uniform_stays_in_its_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
