/*
 * test_options.c - the command line against a table.
 */
#include "runtime/options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct fields {
    bool quiet;
    option_int threads;
    const char *out, *log;
    option_texts set, include;
} fields;

enum { RUN, CHECK };
static const char *const commands[] = {"run", "check"};
#define AT(field) offsetof(fields, field)
static const option_spec specs[] = {
    {"quiet", OPTION_FLAG, NULL, "print errors only", 3, AT(quiet)},
    {"threads", OPTION_INT, "N", "threads", 1, AT(threads)},
    {"out", OPTION_TEXT, "DIR", "run folder", 1, AT(out)},
    {"log", OPTION_WORD, "text|json", "form of the log", 1, AT(log)},
    {"set", OPTION_TEXTS, "NAME=VALUE", "override", 3, AT(set)},
    {"I", OPTION_TEXTS, "DIR", "search", 3, AT(include)},
};
static const option_table table = {specs, 6, commands, 2};

typedef struct fixture {
    ptl_arena *arena;
    fields fields;
    option_texts args;
    ptl_error err;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    f.arena = arena_new();
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    arena_free(f->arena);
    return 0;
}

/* `line` is split at blanks. */
static ptl_status parse(fixture *f, int command, const char *line)
{
    char *words[32];
    int count = 0;
    for (char *w = strtok(arena_strdup(f->arena, line), " "); w;
         w = strtok(NULL, " "))
        words[count++] = w;
    return options_parse(&table, command, count, words, f->arena, &f->fields,
                         &f->args, &f->err);
}

static void options_turn_back_into_the_words_of_a_command(void **state)
{
    fixture *f = *state;
    option_texts run = {0}, check = {0};
    ptl_str text = {0};
    assert_int_equal(parse(f, RUN,
                           "--set=b=2 --log json --threads 2 --set a=1 "
                           "-Ione --quiet a.ptl"),
                     PTL_OK);
    options_words(&table, "run", &f->fields, f->arena, &run);
    for (int i = 0; i < run.count; i++)
        str_printf(&text, "%s ", run.data[i]);
    assert_string_equal(str_text(&text),
                        "--quiet --threads 2 --log json --set b=2 --set a=1 "
                        "-I one ");
    str_clear(&text);
    options_words(&table, "check", &f->fields, f->arena, &check);
    for (int i = 0; i < check.count; i++)
        str_printf(&text, "%s ", check.data[i]);
    assert_string_equal(str_text(&text), "--quiet --set b=2 --set a=1 -I one ");
    str_fini(&text);
}

static void every_kind_of_option_is_read(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse(f, RUN,
                           "a.ptl --quiet --threads 2 --out=x=y --log json "
                           "--set a=1 --set=b=2 -I one -Itwo b.ptl"),
                     PTL_OK);
    assert_true(f->fields.quiet);
    assert_true(f->fields.threads.given);
    assert_int_equal(f->fields.threads.value, 2);
    assert_string_equal(f->fields.out, "x=y");
    assert_string_equal(f->fields.log, "json");
    assert_int_equal(f->fields.set.count, 2);
    assert_string_equal(f->fields.set.data[1], "b=2");
    assert_string_equal(f->fields.include.data[1], "two");
    assert_int_equal(f->args.count, 2);
    assert_string_equal(f->args.data[1], "b.ptl");
}

static void two_dashes_end_the_options(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse(f, RUN, "-- --quiet -"), PTL_OK);
    assert_false(f->fields.quiet);
    assert_int_equal(f->args.count, 2);
}

static void wrong_usage_is_answered(void **state)
{
    static const struct {
        const char *line, *answer;
    } cases[] = {
        {"--quite", "did you mean `--quiet`?"},
        {"--zzz=1", "`ptlc check --help` lists them"},
        {"-q", "no option `-q`"},
        {"--threads 2", "not an option of `ptlc check`, but of run"},
        {"--quiet=yes", "takes no value"},
        {"--set", "`--set` needs a value: NAME=VALUE"},
        {"-I", "`-I` needs a value: DIR"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture *f = *state;
        assert_int_equal(parse(f, CHECK, cases[i].line), PTL_E_USAGE);
        if (!strstr(f->err.text, cases[i].answer))
            fail_msg("%s: %s", cases[i].line, f->err.text);
    }
}

static void values_are_checked(void **state)
{
    static const char *const lines[] = {"--threads two",
                                        "--threads -1",
                                        "--threads 2x",
                                        "--threads=",
                                        "--threads 99999999999999999999",
                                        "--log xml",
                                        "--log tex"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        fixture *f = *state;
        assert_int_equal(parse(f, RUN, lines[i]), PTL_E_USAGE);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(options_turn_back_into_the_words_of_a_command),
        TEST(every_kind_of_option_is_read),
        TEST(two_dashes_end_the_options),
        TEST(wrong_usage_is_answered),
        TEST(values_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
