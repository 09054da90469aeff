/*
 * test_cache.c - cached code is what would have been compiled; a damaged,
 * truncated, foreign or missing entry is compiled again and replaced.
 */
#include "llvm/code.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A folder for one test, with at most one entry in it. */
typedef struct folder {
    char path[64];
    char cache[80];  /* does not exist at first */
    char entry[400]; /* the only file in it */
} folder;

static int make_folder(void **state)
{
    folder *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->path, "/tmp/ptl-cache-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    snprintf(f->cache, sizeof f->cache, "%s/a/b", f->path);
    *state = f;
    return 0;
}

/* Calls `with` on every file of the cache; returns how many. */
static int each_file(folder *f, void (*with)(folder *f, const char *name))
{
    int count = 0;
    DIR *dir = opendir(f->cache);
    for (struct dirent *at; dir && (at = readdir(dir)) != NULL;)
        if (at->d_name[0] != '.') {
            count++;
            with(f, at->d_name);
        }
    if (dir)
        closedir(dir);
    return count;
}

static void keep_name(folder *f, const char *name)
{
    snprintf(f->entry, sizeof f->entry, "%s/%s", f->cache, name);
}

static void remove_file(folder *f, const char *name)
{
    keep_name(f, name);
    unlink(f->entry);
}

static int remove_folder(void **state)
{
    folder *f = *state;
    char middle[80];
    each_file(f, remove_file);
    rmdir(f->cache);
    snprintf(middle, sizeof middle, "%s/a", f->path);
    rmdir(middle);
    rmdir(f->path);
    free(f);
    return 0;
}

/* y = x + `number` */
static kern_module *adding(double number)
{
    kern_module *m = kern_module_new();
    kern_kernel *k = kern_kernel_new(m, "add", 1);
    kern_buffer_add(k, "x", PTL_F32, false);
    kern_buffer_add(k, "y", PTL_F32, true);
    kern_builder b = kern_begin(k);
    kern_value *zero = kern_int(&b, KERN_I64, 1, 0);
    kern_memory x = {.buffer = 0, .offset = zero, .stride = 1};
    kern_memory y = {.buffer = 1, .offset = zero, .stride = 1};
    kern_value *n = kern_real(&b, KERN_F32, 1, number);
    kern_store(&b, y, kern_op2(&b, KERN_ADD, kern_load(&b, x, 1), n));
    return m;
}

/* Compiles adding(number) for `cpu` through the cache and runs it; whether it
 * came from the cache. */
static bool runs_from_cache(folder *f, double number, const char *cpu)
{
    llvm_options options = {.cpu = cpu, .cache_dir = f->cache};
    llvm_code *code = NULL;
    ptl_error err = {0};
    float x = 1.5f, y = 0;
    void *args[] = {&x, &y};
    kern_module *m = adding(number);
    if (llvm_compile(m, &options, &code, &err) != PTL_OK)
        fail_msg("%s", err.text);
    bool cached = llvm_from_cache(code);
    llvm_entry(code, 0)(args, 0, 1);
    assert_true(y == 1.5f + (float)number);
    llvm_code_release(code);
    kern_module_free(m);
    return cached;
}

static void the_second_compilation_loads(void **state)
{
    assert_false(runs_from_cache(*state, 2.0, "native"));
    assert_true(runs_from_cache(*state, 2.0, "native"));
    assert_int_equal(each_file(*state, keep_name), 1);
}

static void other_kernels_and_levels_have_their_own_entries(void **state)
{
    assert_false(runs_from_cache(*state, 2.0, "native"));
    assert_false(runs_from_cache(*state, 3.0, "native"));
    assert_false(runs_from_cache(*state, 2.0, "portable"));
    assert_true(runs_from_cache(*state, 3.0, "native"));
    assert_int_equal(each_file(*state, keep_name), 3);
}

/* ---------- damage ---------- */

static long entry_size(folder *f)
{
    struct stat st;
    assert_int_equal(each_file(f, keep_name), 1);
    assert_int_equal(stat(f->entry, &st), 0);
    return (long)st.st_size;
}

static void flip_bit(folder *f, long byte, int bit)
{
    FILE *file = fopen(f->entry, "r+b");
    assert_non_null(file);
    fseek(file, byte, SEEK_SET);
    int c = fgetc(file);
    fseek(file, byte, SEEK_SET);
    fputc(c ^ (1 << bit), file);
    fclose(file);
}

/* The entry is not used, and the next compilation finds a good one. */
static void assert_replaced(folder *f)
{
    assert_false(runs_from_cache(f, 2.0, "native"));
    assert_true(runs_from_cache(f, 2.0, "native"));
}

static void a_flipped_bit_is_noticed(void **state)
{
    folder *f = *state;
    runs_from_cache(f, 2.0, "native");
    long size = entry_size(f);
    for (long byte = 0; byte < size; byte += byte < 128 ? 5 : 61) {
        flip_bit(f, byte, (int)(byte % 8));
        assert_replaced(f);
        assert_int_equal(entry_size(f), size);
    }
}

static void a_truncated_entry_is_noticed(void **state)
{
    folder *f = *state;
    runs_from_cache(f, 2.0, "native");
    long size = entry_size(f);
    const long lengths[] = {0, 1, 7, 8, 40, 87, 88, 96, size / 2, size - 1};
    for (int i = 0; i < 10; i++) {
        assert_int_equal(truncate(f->entry, lengths[i]), 0);
        assert_replaced(f);
    }
}

static void a_longer_entry_is_noticed(void **state)
{
    folder *f = *state;
    runs_from_cache(f, 2.0, "native");
    assert_int_equal(truncate(f->entry, entry_size(f) + 1), 0);
    assert_replaced(f);
}

static void an_entry_others_may_write_is_not_trusted(void **state)
{
    folder *f = *state;
    runs_from_cache(f, 2.0, "native");
    entry_size(f);
    assert_int_equal(chmod(f->entry, 0666), 0);
    assert_replaced(f);
}

static void a_cache_that_cannot_be_written_costs_nothing_else(void **state)
{
    folder *f = *state;
    strcpy(f->cache, "/proc/no/such/place");
    assert_false(runs_from_cache(f, 2.0, "native"));
    assert_false(runs_from_cache(f, 2.0, "native"));
}

#define WITH_FOLDER(test)                                                      \
    cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(the_second_compilation_loads),
        WITH_FOLDER(other_kernels_and_levels_have_their_own_entries),
        WITH_FOLDER(a_flipped_bit_is_noticed),
        WITH_FOLDER(a_truncated_entry_is_noticed),
        WITH_FOLDER(a_longer_entry_is_noticed),
        WITH_FOLDER(an_entry_others_may_write_is_not_trusted),
        WITH_FOLDER(a_cache_that_cannot_be_written_costs_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
