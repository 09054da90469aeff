/*
 * test_import.c - which files a program is made of.
 */
#include "lang/module.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FILE_OF(name, text)                                                    \
    {                                                                          \
        name, text, sizeof text - 1                                            \
    }
static const ptl_embedded library[] = {
    FILE_OF("init/zeros.ptl", "fn zeros() -> w: real { w = 0; }\n"),
    FILE_OF("nn/linear.ptl", "import std.init;\n"),
    FILE_OF("nn/relu.ptl", "fn relu(x: real) -> y: real { y = x; }\n"),
    {0, 0, 0},
};

typedef struct fixture {
    char folder[64];
    ptl_arena *arena;
    ptl_diags *diags;
    lang_sources sources;
    ptl_str out;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/ptl-import-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->arena = arena_new();
    f->diags = diags_new(0);
    f->sources.library = library;
    *state = f;
    return 0;
}

static const char *path_of(fixture *f, const char *name)
{
    return arena_printf(f->arena, "%s/%s", f->folder, name);
}

static int tear_down(void **state)
{
    static const char *const names[] = {"main.ptl", "a.ptl", "b.ptl",
                                        "sub/a.ptl", "sub"};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        remove(path_of(f, names[i]));
    rmdir(f->folder);
    arena_free(f->arena);
    diags_free(f->diags);
    str_fini(&f->out);
    free(f);
    return 0;
}

static void write_file(fixture *f, const char *name, const char *text)
{
    FILE *out = fopen(path_of(f, name), "wb");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static lang_modules *load(fixture *f)
{
    return lang_load(f->arena, path_of(f, "main.ptl"), &f->sources, f->diags,
                     NULL);
}

static void assert_message(fixture *f, const char *part)
{
    str_clear(&f->out);
    diags_print(f->diags, &f->out, false);
    if (!strstr(str_text(&f->out), part))
        fail_msg("no \"%s\" in:\n%s", part, str_text(&f->out));
}

static void a_library_folder_is_one_module(void **state)
{
    fixture *f = *state;
    write_file(f, "main.ptl", "import std.nn;\nimport std.nn as n;\n");
    lang_modules *all = load(f);
    assert_int_equal(diags_error_count(f->diags), 0);
    const lang_module *main = all->modules[0];
    assert_int_equal(main->import_count, 2);
    const lang_module *nn = lang_find_import(main, "nn")->module;
    assert_ptr_equal(nn, lang_find_import(main, "n")->module);
    assert_ptr_equal(nn, lang_library(all, "nn"));
    assert_int_equal(nn->file_count, 2);
    assert_ptr_equal(lang_find_import(nn, "init")->module,
                     lang_library(all, "init"));
}

static void readers_of_data_are_built_in(void **state)
{
    fixture *f = *state;
    write_file(f, "main.ptl", "import std.data;\n");
    lang_modules *all = load(f);
    assert_int_equal(diags_error_count(f->diags), 0);
    assert_int_equal(lang_library(all, "data")->file_count, 0);
}

static void two_ways_to_a_file_give_one_module(void **state)
{
    fixture *f = *state;
    write_file(f, "main.ptl",
               "import \"a.ptl\" as a;\nimport \"./b.ptl\" as b;\n");
    write_file(f, "a.ptl", "import \"b.ptl\" as other;\n");
    write_file(f, "b.ptl", "");
    lang_modules *all = load(f);
    assert_int_equal(diags_error_count(f->diags), 0);
    const lang_module *main = all->modules[0];
    assert_ptr_equal(
        lang_find_import(main, "b")->module,
        lang_find_import(lang_find_import(main, "a")->module, "other")->module);
}

static void include_folders_come_after_the_files_own(void **state)
{
    fixture *f = *state;
    const char *dirs[] = {path_of(f, "sub")};
    mkdir(dirs[0], 0700);
    f->sources.include_dirs = dirs;
    f->sources.include_count = 1;
    write_file(f, "main.ptl", "import \"a.ptl\" as a;\n");
    write_file(f, "sub/a.ptl", "");
    const lang_module *main = load(f)->modules[0];
    assert_string_equal(lang_find_import(main, "a")->module->path,
                        path_of(f, "sub/a.ptl"));
    write_file(f, "a.ptl", "");
    main = load(f)->modules[0];
    assert_string_equal(lang_find_import(main, "a")->module->path,
                        path_of(f, "a.ptl"));
    assert_int_equal(diags_error_count(f->diags), 0);
}

static void a_missing_file_names_the_paths_tried(void **state)
{
    fixture *f = *state;
    const char *dirs[] = {"/nowhere"};
    f->sources.include_dirs = dirs;
    f->sources.include_count = 1;
    write_file(f, "main.ptl", "import \"a.ptl\" as a;\n");
    load(f);
    assert_message(f, "main.ptl:1:8: error: there is no file \"a.ptl\" "
                      "[import]");
    assert_message(f, path_of(f, "a.ptl"));
    assert_message(f, "note: tried /nowhere/a.ptl");
}

static void a_cycle_is_named_in_full(void **state)
{
    fixture *f = *state;
    write_file(f, "main.ptl", "import \"a.ptl\" as a;\n");
    write_file(f, "a.ptl", "import \"b.ptl\" as b;\n");
    write_file(f, "b.ptl", "import \"a.ptl\" as a;\n");
    load(f);
    assert_int_equal(diags_error_count(f->diags), 1);
    assert_message(f, "b.ptl:1:8: error: files import each other: ");
    assert_message(f, "a.ptl -> ");
    assert_int_equal(diags_code_at(f->diags, 0), DIAG_IMPORT_CYCLE);
}

static void a_file_that_imports_itself_is_a_cycle(void **state)
{
    fixture *f = *state;
    write_file(f, "main.ptl", "import \"main.ptl\" as me;\n");
    load(f);
    assert_int_equal(diags_code_at(f->diags, 0), DIAG_IMPORT_CYCLE);
}

static void unknown_library_folders_are_answered_with_the_known(void **state)
{
    fixture *f = *state;
    write_file(f, "main.ptl", "import std.mm;\nimport nn;\n");
    load(f);
    assert_message(f, "1:12: error: the library has no `mm`; there are "
                      "std.init, std.nn, std.data [import]");
    assert_message(f, "2:8: error: the library is imported by");
}

static void one_name_for_two_modules_is_an_error(void **state)
{
    fixture *f = *state;
    write_file(f, "main.ptl", "import std.nn;\nimport std.init as nn;\n");
    load(f);
    assert_int_equal(diags_code_at(f->diags, 0), DIAG_IMPORT_NAME);
}

static void a_missing_main_file_is_the_worlds_failure(void **state)
{
    fixture *f = *state;
    ptl_error err = {0};
    assert_null(lang_load(f->arena, path_of(f, "main.ptl"), &f->sources,
                          f->diags, &err));
    assert_int_equal(err.status, PTL_E_IO);
    assert_non_null(strstr(err.text, "No such file"));
}

static void the_hash_covers_every_file(void **state)
{
    fixture *f = *state;
    write_file(f, "main.ptl", "import \"a.ptl\" as a;\n");
    write_file(f, "a.ptl", "// one\n");
    uint64_t before = load(f)->hash;
    assert_true(before == load(f)->hash);
    write_file(f, "a.ptl", "// two\n");
    assert_true(before != load(f)->hash);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_library_folder_is_one_module),
        TEST(readers_of_data_are_built_in),
        TEST(two_ways_to_a_file_give_one_module),
        TEST(include_folders_come_after_the_files_own),
        TEST(a_missing_file_names_the_paths_tried),
        TEST(a_cycle_is_named_in_full),
        TEST(a_file_that_imports_itself_is_a_cycle),
        TEST(unknown_library_folders_are_answered_with_the_known),
        TEST(one_name_for_two_modules_is_an_error),
        TEST(a_missing_main_file_is_the_worlds_failure),
        TEST(the_hash_covers_every_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
