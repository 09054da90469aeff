/*
 * test_nearest.c - "did you mean": near names are found, far ones are not.
 */
#include "base/nearest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"train.lr", "train.batch", "check",
                                    "layer",    "epochs",      "k"};
enum { COUNT = sizeof names / sizeof *names };

static void one_slip_is_forgiven(void **state)
{
    (void)state;
    assert_string_equal(ptl_nearest("train.lrr", names, COUNT), "train.lr");
    assert_string_equal(ptl_nearest("layr", names, COUNT), "layer");
    assert_string_equal(ptl_nearest("ehcck", names, COUNT), "check");
    assert_string_equal(ptl_nearest("epohcs", names, COUNT), "epochs");
}

static void a_different_word_is_not_meant(void **state)
{
    (void)state;
    assert_null(ptl_nearest("optimizer", names, COUNT));
    assert_null(ptl_nearest("q", names, COUNT));
    assert_null(ptl_nearest("", names, COUNT));
}

static void the_nearest_of_several_wins(void **state)
{
    static const char *const near[] = {"sgd", "adam", "adamw"};
    (void)state;
    assert_string_equal(ptl_nearest("adamv", near, 3), "adam");
    assert_string_equal(ptl_nearest("adaamw", near, 3), "adamw");
}

static void a_word_more_or_less_is_forgiven(void **state)
{
    static const char *const known[] = {"he_uniform", "xavier", "layer_norm"};
    static const char *const parts[] = {"layer", "layer_norm"};
    (void)state;
    assert_string_equal(ptl_nearest("xavier_uniform", known, 3), "xavier");
    assert_string_equal(ptl_nearest("fused_xavier", known, 3), "xavier");
    assert_string_equal(ptl_nearest("layer", known, 3), "layer_norm");
    assert_string_equal(ptl_nearest("he_uniforn", known, 3), "he_uniform");
    assert_string_equal(ptl_nearest("he", known, 3), "he_uniform");
    assert_string_equal(ptl_nearest("layer_nurm", parts, 2), "layer_norm");
    assert_null(ptl_nearest("layernormalization", known, 3));
}

static void a_very_long_word_is_no_trouble(void **state)
{
    char word[5000];
    (void)state;
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = 0;
    assert_null(ptl_nearest(word, names, COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_slip_is_forgiven),
        cmocka_unit_test(a_different_word_is_not_meant),
        cmocka_unit_test(the_nearest_of_several_wins),
        cmocka_unit_test(a_word_more_or_less_is_forgiven),
        cmocka_unit_test(a_very_long_word_is_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
