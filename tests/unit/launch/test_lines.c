/*
 * test_lines.c - what children write, cut into lines that say whose they are.
 */
#include "launch/lines.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct both {
    ptl_str out, other;
} both;

static void check(both *b, const char *out, const char *other)
{
    assert_string_equal(str_text(&b->out), out);
    assert_string_equal(str_text(&b->other), other);
    str_fini(&b->out);
    str_fini(&b->other);
}

/* `text` in pieces of `step` bytes. */
static void feed(child_lines *l, const char *text, size_t step, both *b)
{
    for (size_t i = 0, n = strlen(text); i < n; i += step)
        lines_take(l, text + i, n - i < step ? n - i : step, &b->out,
                   &b->other);
    lines_end(l, &b->out, &b->other);
}

static void each_line_says_whose_it_is_however_it_comes(void **state)
{
    (void)state;
    for (size_t step = 1; step < 9; step++) {
        both b = {0};
        child_lines l = {.name = "ps0"};
        feed(&l, "one\n\ntwo\nthree", step, &b);
        check(&b, "ps0| one\nps0| \nps0| two\nps0| three\n", "");
    }
}

static void without_a_name_lines_stay_as_they_are(void **state)
{
    (void)state;
    both b = {0};
    child_lines l = {.json = true};
    feed(&l, "worker1| {x\nlast", 3, &b);
    check(&b, "worker1| {x\nlast\n", "");
}

static void objects_get_the_role_first_and_the_rest_goes_aside(void **state)
{
    (void)state;
    both b = {0};
    child_lines l = {.name = "worker0", .json = true};
    feed(&l, "{\"event\":\"end\"}\n{}\n{ }\nwarning\n{\"a\":\n[1]\n", 4, &b);
    check(&b,
          "{\"role\":\"worker0\",\"event\":\"end\"}\n{\"role\":\"worker0\"}\n"
          "{\"role\":\"worker0\" }\n",
          "worker0| warning\nworker0| {\"a\":\nworker0| [1]\n");
}

static void bytes_of_any_value_are_kept(void **state)
{
    (void)state;
    both b = {0};
    char noise[256];
    child_lines l = {.name = "w"};
    for (int i = 0; i < 256; i++)
        noise[i] = (char)i;
    noise['\n'] = 'n';
    lines_take(&l, noise, sizeof noise, &b.out, &b.other);
    lines_take(&l, "\n", 1, &b.out, &b.other);
    assert_int_equal(b.out.length, 3 + 256 + 1);
    assert_memory_equal(b.out.data + 3, noise, 256);
    lines_end(&l, &b.out, &b.other);
    str_fini(&b.out);
}

static void a_line_that_is_too_long_comes_in_pieces(void **state)
{
    (void)state;
    both b = {0};
    size_t count = LINES_MOST + 5;
    char *text = malloc(count);
    child_lines l = {.name = "w"};
    memset(text, 'x', count);
    lines_take(&l, text, 10, &b.out, &b.other);
    lines_take(&l, text + 10, count - 10, &b.out, &b.other);
    lines_end(&l, &b.out, &b.other);
    assert_int_equal(b.out.length, 4 + LINES_MOST + 4 + 5);
    assert_memory_equal(b.out.data + 3 + LINES_MOST, "\nw| xxxxx\n", 10);
    free(text);
    str_fini(&b.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_says_whose_it_is_however_it_comes),
        cmocka_unit_test(without_a_name_lines_stay_as_they_are),
        cmocka_unit_test(objects_get_the_role_first_and_the_rest_goes_aside),
        cmocka_unit_test(bytes_of_any_value_are_kept),
        cmocka_unit_test(a_line_that_is_too_long_comes_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
