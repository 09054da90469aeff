/*
 * fuzz_front.c - wrong programs by the thousand: none may crash the front end.
 *
 *   fuzz_front [--seconds N] [--seed N] [--save FILE] FILE-OR-FOLDER...
 *
 * Inputs are made from the .ptl files given (bytes changed, words changed,
 * lines of two files mixed) and by a generator that follows the grammar. Each
 * input is scanned, parsed and elaborated, a part of those with syntax errors
 * too, as `ptlc check` does: its train block in every mode, its tests. What
 * parses must print to a text that parses to the same print; every message must
 * print.
 *
 * The input at work lies in FILE (default fuzz_front.input) from before it is
 * tried, so after a crash, a sanitizer report or a hang it is there to be tried
 * again: `fuzz_front --try FILE`.
 */
#include "generate.h"
#include "lang/elab.h"
#ifdef FUZZ_LOWERING
#include "lower/lower.h"
#endif
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MOST_BYTES = 64 << 10, LONGEST_SECONDS = 20 }; /* of the processor */

/* ---------- the input at work, in a mapped file ---------- */

typedef struct saved_input {
    const char *path;
    char *map;
} saved_input;

static saved_input save_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || ftruncate(fd, MOST_BYTES) != 0) {
        perror(path);
        exit(2);
    }
    char *map =
        mmap(NULL, MOST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    return (saved_input){path, map};
}

/* The rest of the file stays NUL, which --try cuts off. */
static void save(saved_input *s, const ptl_str *input)
{
    memset(s->map, 0, MOST_BYTES);
    if (input->length)
        memcpy(s->map, input->data, input->length);
}

/* ---------- one input ---------- */

/* How far the inputs got: a fuzzer whose inputs all end early finds nothing. */
static struct {
    long inputs, parsed, elaborated;
} reached;

static void complain(const char *what, const ptl_str *first,
                     const ptl_str *second)
{
    fprintf(stderr, "fuzz_front: %s\n--- first\n%s\n--- second\n%s\n", what,
            str_text(first), second ? str_text(second) : "");
    abort();
}

static void check_printing(const ast_file *file)
{
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    ptl_str first = {0}, second = {0};
    ast_print(file, &first);
    src_file *source =
        src_file_new(arena, "printed", str_text(&first), first.length);
    const ast_file *again = ptl_parse(arena, source, diags);
    if (!again || diags_error_count(diags) > 0) {
        diags_print(diags, &second, false);
        complain("what was printed does not parse", &first, &second);
    }
    ast_print(again, &second);
    if (strcmp(str_text(&first), str_text(&second)) != 0)
        complain("what was printed reads differently", &first, &second);
    str_fini(&first);
    str_fini(&second);
    diags_free(diags);
    arena_free(arena);
}

/* A parsed file prints deeper than it was written, so only shallow ones. */
static bool is_shallow(const ptl_str *input)
{
    int depth = 0, deepest = 0;
    for (size_t i = 0; i < input->length; i++) {
        char c = input->data[i];
        depth += (strchr("([{", c) && c) - (strchr(")]}", c) && c);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest < 50 && input->length < 8000;
}

#ifdef FUZZ_LOWERING
/* Lowering and, for training, derivatives; graphs verify themselves. */
static void lower(const typed_program *program, lower_kind kind,
                  ptl_diags *diags)
{
    ir_graph_free(lower_program(program, kind, diags));
}

static void lower_train(const typed_program *program, elab_mode mode,
                        ptl_diags *diags)
{
    switch (mode) {
    case ELAB_TRAIN:
        lower(program, LOWER_INIT, diags);
        lower(program, LOWER_TRAIN, diags);
        break;
    case ELAB_EVAL:
        lower(program, LOWER_EVAL, diags);
        break;
    case ELAB_PREDICT:
        lower(program, LOWER_PREDICT, diags);
        break;
    case ELAB_GRAD:
        lower(program, LOWER_GRAD, diags);
    }
}

static void lower_test(const typed_program *program, ptl_diags *diags)
{
    lower(program, LOWER_TEST, diags);
}
#else
static void lower_train(const typed_program *program, elab_mode mode,
                        ptl_diags *diags)
{
    (void)program, (void)mode, (void)diags;
}

static void lower_test(const typed_program *program, ptl_diags *diags)
{
    (void)program, (void)diags;
}
#endif

static void elaborate_train(ptl_arena *arena, const lang_modules *all,
                            elab_mode mode, ptl_diags *diags)
{
    elab_options options = {.mode = mode};
    typed_program *program = elab_train(arena, all, &options, diags);
    if (!program || diags_error_count(diags) > 0)
        return;
    reached.elaborated++;
    ptl_str out = {0};
    typed_print(program, &out);
    str_fini(&out);
    lower_train(program, mode, diags);
}

static void elaborate_test(ptl_arena *arena, const lang_modules *all,
                           const ast_decl *test, ptl_diags *diags)
{
    elab_options options = {.mode = ELAB_EVAL};
    typed_program *program =
        elab_test(arena, all, all->modules[0], test, &options, diags);
    if (!program || diags_error_count(diags) > 0)
        return;
    reached.elaborated++;
    lower_test(program, diags);
}

/* The train block in every mode, and each test; each with its own messages, so
 * that one error does not end it all. */
static void elaborate(ptl_arena *arena, const lang_modules *all, ptl_str *out)
{
    static const elab_mode modes[] = {ELAB_TRAIN, ELAB_EVAL, ELAB_PREDICT,
                                      ELAB_GRAD};
    const ast_file *file = all->modules[0]->files[0];
    ptl_diags *names = diags_new(20);
    lang_check_names(all, all->modules[0], names);
    lang_check_alone(all, all->modules[0], names);
    diags_print(names, out, true);
    diags_free(names);
    for (size_t i = 0; elab_has_train(all) && i < 4; i++) {
        ptl_diags *diags = diags_new(20);
        elaborate_train(arena, all, modes[i], diags);
        diags_print(diags, out, true);
        diags_free(diags);
    }
    for (int i = 0; i < file->decl_count; i++) {
        ptl_diags *diags = diags_new(20);
        if (file->decls[i]->kind == DECL_TEST)
            elaborate_test(arena, all, file->decls[i], diags);
        diags_print(diags, out, true);
        diags_free(diags);
    }
}

/* With the library, which takes longer than all before. */
static void try_program(ptl_arena *arena, const src_file *source,
                        ptl_diags *diags, ptl_str *out)
{
    lang_sources sources = {ptl_stdlib_files, NULL, 0};
    lang_modules *all = lang_load_source(arena, source, &sources, diags);
    if (all->modules[0]->file_count > 0)
        elaborate(arena, all, out);
}

static void try_input(const ptl_str *input)
{
    ptl_arena *arena = arena_new();
    ptl_diags *diags = diags_new(0);
    ptl_str out = {0};
    src_file *source =
        src_file_new(arena, "fuzz.ptl", str_text(input), input->length);
    const ast_file *file = ptl_parse(arena, source, diags);
    if (file && diags_error_count(diags) == 0) {
        reached.parsed++;
        if (is_shallow(input))
            check_printing(file);
        try_program(arena, source, diags, &out);
    } else if (file && input->length % 4 == 0) {
        ptl_diags *more = diags_new(0);
        try_program(arena, source, more, &out);
        diags_free(more);
    }
    diags_print(diags, &out, true);
    ast_print_tokens(source, diags, &out);
    str_fini(&out);
    diags_free(diags);
    arena_free(arena);
}

/* ---------- the corpus ---------- */

static bool read_bytes(const char *path, ptl_str *text)
{
    char piece[4096];
    size_t got;
    FILE *in = fopen(path, "rb");
    if (!in)
        return false;
    while ((got = fread(piece, 1, sizeof piece, in)) > 0)
        str_addn(text, piece, got);
    fclose(in);
    return true;
}

static void read_corpus_file(corpus *c, const char *path)
{
    ptl_str text = {0};
    if (read_bytes(path, &text) && text.length < MOST_BYTES / 4)
        corpus_add(c, str_text(&text), text.length);
    str_fini(&text);
}

static void read_corpus(corpus *c, const char *path)
{
    DIR *folder = opendir(path);
    size_t length = strlen(path);
    if (!folder) {
        if (length > 4 && strcmp(path + length - 4, ".ptl") == 0)
            read_corpus_file(c, path);
        return;
    }
    for (struct dirent *e; (e = readdir(folder));) {
        if (e->d_name[0] == '.')
            continue;
        char *below = arena_printf(c->arena, "%s/%s", path, e->d_name);
        read_corpus(c, below);
    }
    closedir(folder);
}

/* ---------- the loop ---------- */

static const char *current_save;

static void hung(int number)
{
    static const char text[] = "fuzz_front: an input takes too long; it is in "
                               "the saved file\n";
    (void)number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(4);
    _exit(3);
}

/* hung() after so much time of the processor, however loaded it is; 0: never.
 */
static void allow(int seconds)
{
    struct itimerval limit = {.it_value.tv_sec = seconds};
    setitimer(ITIMER_PROF, &limit, NULL);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int try_file(const char *path)
{
    ptl_str input = {0};
    if (!read_bytes(path, &input)) {
        fprintf(stderr, "fuzz_front: cannot read \"%s\"\n", path);
        return 2;
    }
    while (input.length > 0 && input.data[input.length - 1] == 0)
        input.length--;
    try_input(&input);
    str_fini(&input);
    return 0;
}

static int fuzz(corpus *c, double seconds, uint64_t seed)
{
    saved_input saved = save_open(current_save);
    random_state random = {seed};
    ptl_str input = {0};
    double end = now() + seconds;
    signal(SIGPROF, hung);
    printf("fuzz_front: seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    for (; now() < end; reached.inputs++) {
        str_clear(&input);
        make_input(c, &random, &input);
        if (input.length >= MOST_BYTES)
            continue;
        save(&saved, &input);
        allow(LONGEST_SECONDS);
        try_input(&input);
    }
    allow(0);
    str_fini(&input);
    munmap(saved.map, MOST_BYTES);
    remove(saved.path);
    printf("fuzz_front: %ld inputs, %ld parsed, %ld blocks elaborated, nothing "
           "found\n",
           reached.inputs, reached.parsed, reached.elaborated);
    return reached.inputs > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    double seconds = 5;
    uint64_t seed = (uint64_t)time(NULL);
    corpus c = {.arena = arena_new()};
    current_save = "fuzz_front.input";
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--try") == 0) {
            arena_free(c.arena);
            return try_file(value);
        }
        if (argv[i][0] != '-') {
            read_corpus(&c, argv[i]);
            continue;
        }
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = strtod(value, NULL);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--save") == 0)
            current_save = value;
        i++;
    }
    if (c.texts.count == 0) {
        fprintf(stderr, "fuzz_front: no .ptl files given\n");
        arena_free(c.arena);
        return 2;
    }
    int status = fuzz(&c, seconds, seed);
    arena_free(c.arena);
    return status;
}
