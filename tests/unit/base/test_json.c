/*
 * test_json.c - JSON is written so that it reads back, and only JSON is read.
 */
#include "base/json.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool accepted(const char *text, size_t size)
{
    ptl_arena *arena = arena_new();
    json_value v;
    ptl_error err;
    ptl_status st = json_parse(arena, text, size, &v, &err);
    arena_free(arena);
    return st == PTL_OK;
}

static void what_is_json_is_read(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       "-0",
                                       "-12.5e+3",
                                       "1E9",
                                       "true",
                                       "false",
                                       "null",
                                       "\"\"",
                                       "[]",
                                       "{}",
                                       " [1, 2 ,\n{\"a\":[]}] ",
                                       "\"\\u00e9\\ud83d\\ude00\\n\"",
                                       "\"\xC3\xA9\"",
                                       "{\"a\":1,\"b\":1}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!accepted(good[i], strlen(good[i])))
            fail_msg("refused: %s", good[i]);
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1e",
                                      "--1",
                                      "NaN",
                                      "Infinity",
                                      "tru",
                                      "nullx",
                                      "'a'",
                                      "\"a",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\t\"",
                                      "\"\\ud83d\"",
                                      "\"\\udc00\"",
                                      "[1,]",
                                      "[1 2]",
                                      "[",
                                      "{",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{\"a\":1,\"a\":2}",
                                      "1 2",
                                      "[]]",
                                      "\"\xC3\"",
                                      "\"\xC0\x80\"",
                                      "\"\xED\xA0\x80\"",
                                      "\"\xF5\x80\x80\x80\"",
                                      "// x\n1",
                                      "\xEF\xBB\xBF"
                                      "1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (accepted(bad[i], strlen(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    assert_false(accepted("1\0", 2));
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    char text[200];
    memset(text, '[', 63);
    memset(text + 63, ']', 63);
    assert_true(accepted(text, 126));
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    assert_false(accepted(text, 200));
}

static void texts_and_numbers_come_back(void **state)
{
    (void)state;
    ptl_str text = {0};
    json_out j = {.text = &text};
    const char *awkward = "a\"b\\c\n\x01\xC3\xA9";
    json_open(&j, '{');
    json_key(&j, awkward);
    json_text(&j, awkward);
    json_key(&j, "i");
    json_int(&j, INT64_MIN);
    json_key(&j, "list");
    json_open(&j, '[');
    json_real(&j, 0.1, true);
    json_real(&j, (double)0.1f, false);
    json_real(&j, (double)NAN, false);
    json_bool(&j, true);
    json_close(&j, ']');
    json_close(&j, '}');
    ptl_arena *arena = arena_new();
    json_value v;
    ptl_error err;
    if (json_parse(arena, text.data, text.length, &v, &err) != PTL_OK)
        fail_msg("%s: %s", err.text, text.data);
    int64_t i;
    const char *back;
    assert_true(json_get_text(&v, awkward, &back));
    assert_string_equal(back, awkward);
    assert_true(json_get_int(&v, "i", &i));
    assert_true(i == INT64_MIN);
    const json_value *list = json_get(&v, "list");
    assert_int_equal(list->count, 4);
    assert_true(list->items[0].number == 0.1);
    assert_true((float)list->items[1].number == 0.1f);
    assert_int_equal(list->items[2].kind, JSON_NULL);
    assert_true(list->items[3].boolean);
    assert_memory_equal(text.data + list->begin, "[0.1", 4);
    arena_free(arena);
    str_fini(&text);
}

static void broken_utf8_is_written_as_a_replacement(void **state)
{
    (void)state;
    ptl_str text = {0};
    json_out j = {.text = &text};
    json_text(&j, "a\xFFz\xC3");
    assert_string_equal(text.data, "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
    assert_true(accepted(text.data, text.length));
    str_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json_is_read),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(texts_and_numbers_come_back),
        cmocka_unit_test(broken_utf8_is_written_as_a_replacement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
