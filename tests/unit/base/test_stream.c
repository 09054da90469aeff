/*
 * test_stream.c - copies around the caches are copies: of any length, from any
 * address to any other, and of nothing beside.
 */
#include "base/stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 640, UNTOUCHED = 0x5a };

static unsigned char from[ROOM], to[ROOM];

static void assert_copied(size_t out, size_t in, size_t bytes)
{
    memset(to, UNTOUCHED, sizeof to);
    stream_copy(to + out, from + in, bytes);
    assert_memory_equal(to + out, from + in, bytes);
    for (size_t i = 0; i < ROOM; i++)
        if (i < out || i >= out + bytes)
            assert_int_equal(to[i], UNTOUCHED);
}

static void any_length_and_address(void **state)
{
    (void)state;
    static const size_t offsets[] = {0, 1, 4, 15, 16, 17, 60, 63};
    enum { COUNT = sizeof offsets / sizeof *offsets };
    for (size_t i = 0; i < ROOM; i++)
        from[i] = (unsigned char)(i * 7 + i / 256);
    for (size_t bytes = 0; bytes <= 300; bytes++)
        for (int a = 0; a < COUNT; a++)
            for (int b = 0; b < COUNT; b++)
                assert_copied(offsets[a], offsets[b], bytes);
}

static void a_large_block(void **state)
{
    (void)state;
    size_t bytes = STREAM_BYTES / 8 + 12;
    uint32_t *in = malloc(bytes), *out = malloc(bytes);
    assert_non_null(in);
    assert_non_null(out);
    for (size_t i = 0; i < bytes / 4; i++)
        in[i] = (uint32_t)i * 2654435761u;
    stream_copy(out, in, bytes);
    assert_memory_equal(out, in, bytes);
    free(in);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_length_and_address),
        cmocka_unit_test(a_large_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
