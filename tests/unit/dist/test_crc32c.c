/*
 * test_crc32c.c - the checksum is CRC-32C, by tables and by instruction.
 */
#include "dist/crc32c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* RFC 3720, B.4, and the usual check value. */
static void gives_the_values_of_the_standard(void **state)
{
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
    assert_int_equal(crc32c_portable(0, bytes, 32), 0x46dd794e);
}

static void tables_and_instruction_agree_at_every_size_and_place(void **state)
{
    (void)state;
    uint8_t bytes[200];
    for (int i = 0; i < 200; i++)
        bytes[i] = (uint8_t)(i * i * 7 + i);
    for (size_t at = 0; at < 9; at++)
        for (size_t size = 0; size + at <= 200; size++)
            assert_int_equal(crc32c(5, bytes + at, size),
                             crc32c_portable(5, bytes + at, size));
}

/* Long ones go in lanes. */
static void long_texts_agree(void **state)
{
    (void)state;
    static uint8_t bytes[420000];
    for (int i = 0; i < 420000; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 257 * 7);
    for (size_t size = 6100; size <= 6200; size++)
        assert_int_equal(crc32c(9, bytes + size % 9, size),
                         crc32c_portable(9, bytes + size % 9, size));
    for (size_t size = 0; size + 8 <= sizeof bytes; size += 4999)
        assert_int_equal(crc32c(0, bytes + size % 8, size),
                         crc32c_portable(0, bytes + size % 8, size));
}

static void goes_on_where_it_ended(void **state)
{
    (void)state;
    uint8_t bytes[64];
    memset(bytes, 0x5a, sizeof bytes);
    uint32_t all = crc32c(0, bytes, 64);
    for (size_t cut = 0; cut <= 64; cut++)
        assert_int_equal(crc32c(crc32c(0, bytes, cut), bytes + cut, 64 - cut),
                         all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_values_of_the_standard),
        cmocka_unit_test(tables_and_instruction_agree_at_every_size_and_place),
        cmocka_unit_test(long_texts_agree),
        cmocka_unit_test(goes_on_where_it_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
