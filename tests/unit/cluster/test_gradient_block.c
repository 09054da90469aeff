/*
 * test_gradient_block.c - sums of gradients that are sent from where they lie:
 * what somebody has is not written to, and no memory is taken twice.
 */
#include "cluster/gradient_block.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES = 4096, PART = 1024 };

static const blob_source anywhere = {0};

static char *begin(gradient_block *b, char mark)
{
    char *at = gradient_block_begin(b, &anywhere, BYTES);
    return memset(at, mark, BYTES);
}

static void assert_all(dist_blob *part, char mark)
{
    assert_int_equal(blob_size(part), PART);
    for (size_t i = 0; i < PART; i++)
        assert_int_equal(blob_bytes(part)[i], mark);
}

static void a_part_is_the_block_itself(void **state)
{
    (void)state;
    gradient_block b = {0};
    char *at = begin(&b, 'a');
    dist_blob *part = gradient_block_part(&b, PART, PART);
    assert_ptr_equal(blob_bytes(part), at + PART);
    assert_true(gradient_block_is(&b, at));
    assert_false(gradient_block_is(&b, at + PART));
    at[0] = 'b'; /* the rest is still being added up */
    assert_all(part, 'a');
    blob_drop(part);
    gradient_block_end(&b);
}

static void what_nobody_has_is_used_again(void **state)
{
    (void)state;
    gradient_block b = {0};
    char *first = begin(&b, 'a');
    blob_drop(gradient_block_part(&b, 0, PART));
    assert_ptr_equal(begin(&b, 'b'), first);
    gradient_block_end(&b);
}

static void what_somebody_has_stays(void **state)
{
    (void)state;
    gradient_block b = {0};
    char *first = begin(&b, 'a');
    dist_blob *given = gradient_block_part(&b, 0, PART);
    dist_blob *kept = blob_keep(given); /* as a link does */
    char *second = begin(&b, 'b');
    assert_ptr_not_equal(second, first);
    assert_false(gradient_block_is(&b, first));
    assert_all(kept, 'a');
    blob_drop(given);
    assert_all(kept, 'a');
    blob_drop(kept);
    assert_ptr_equal(begin(&b, 'c'), second);
    gradient_block_end(&b);
}

static void parts_outlive_the_end(void **state)
{
    (void)state;
    gradient_block b = {0};
    begin(&b, 'a');
    dist_blob *part = gradient_block_part(&b, BYTES - PART, PART);
    gradient_block_end(&b);
    assert_all(part, 'a');
    blob_drop(part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_is_the_block_itself),
        cmocka_unit_test(what_nobody_has_is_used_again),
        cmocka_unit_test(what_somebody_has_stays),
        cmocka_unit_test(parts_outlive_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
