/*
 * test_ps_blocks.c - sums over all parameters have one tree, wherever their
 * blocks lie: those of slices are bit for bit those of parameters whole.
 */
#include "driver/ps_job.h"
#include "runtime/sums.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Rows that are blocks, or parts of blocks, or neither; few blocks and many. */
static const char shapes[] =
    "model net() {\n"
    "  param a[200000] ~ ones();\n"
    "  param b[819, 163] ~ ones();\n"
    "  param c[600, 1024] ~ ones();\n"
    "  param d[1024, 3, 64] ~ ones();\n"
    "  param e[70000, 2] ~ ones();\n"
    "  param f[2, 131072] ~ ones();\n"
    "  param g[20, 256, 256] ~ ones();\n"
    "  param h[131072] ~ ones();\n"
    "  param k[65537] ~ ones();\n"
    "  fn (x: real[N, 1, 28, 28]) -> z: real[N, 10] {\n"
    "    s = a[0] + b[0, 0] + c[0, 0] + d[0, 0, 0] + e[0, 0] + f[0, 0]\n"
    "      + g[0, 0, 0] + h[0] + k[0];\n"
    "    z[n, i] = s * real(i) * x[n, 0, 0, 0];\n"
    "  }\n"
    "}\n";
static const char norms[] =
    "optimizer norms(lr: schedule, wd: real) per param {\n"
    "  ws = across_params(sum(..i) abs(w[..i]));\n"
    "  gs = across_params(sum(..i) (g[..i] + wd * w[..i])^2);\n"
    "  w <- w - lr * ws / gs * g;\n"
    "}\n";
enum { BLOCKS = 4 + 3 + 10 + 3 + 3 + 4 + 20 + 2 + 2 };

typedef struct opened {
    ptl_program *program;
    ptl_run *run;
} opened;

typedef VEC(ptl_job_piece) piece_list;

static char *behind(const ptl_store *tensors, const ptl_job_piece *p)
{
    const store_tensor *t = store_find(tensors, p->path);
    return (char *)t->memory + p->first * dtype_size(t->dtype);
}

/* Slices of so many blocks. */
static piece_list cut(ps_job *f, int64_t blocks)
{
    piece_list pieces = {0};
    for (int i = 0; i < f->gradients.count; i++) {
        const store_tensor *t = &f->gradients.items[i];
        int64_t all = (int64_t)t->size / dtype_size(t->dtype);
        int64_t most = blocks * PTL_TOTAL_BLOCK;
        for (int64_t at = 0; at < all; at += most) {
            ptl_job_piece p = {t->path, at, all - at, t->path};
            if (p.count > most)
                p.count = most;
            if (p.count < all)
                p.name = arena_printf(f->arena, "piece%d", pieces.count);
            vec_push(f->arena, &pieces, p);
        }
    }
    return pieces;
}

static opened sums_of(ps_job *f, const piece_list *pieces, void *weight)
{
    ptl_error err = {0};
    opened o;
    ps_job_good(f->job->build_update(f->job, 0, pieces->data, pieces->count,
                                     NULL, 0, &o.program, &err),
                &err, &f->d);
    ps_job_good(run_open(o.program, f->s.pool, &o.run, &err), &err, &f->d);
    for (int i = 0; i < pieces->count; i++) {
        const ptl_job_piece *p = &pieces->data[i];
        run_bind_name(o.run, p->name, behind(&f->whole, p));
        run_bind_name(o.run,
                      arena_printf(f->arena, PTL_SUM_PREFIX "%s", p->name),
                      behind(&f->gradients, p));
    }
    run_bind_name(o.run, "weight", weight);
    ps_job_execute(f, o.run);
    return o;
}

static void drop(opened *o)
{
    run_close(o->run);
    o->program->release(o->program);
}

static int take(ps_job *f, const opened *o, const char *prefix, int total,
                const char *name, double *out)
{
    int i = program_find(
        o->program, arena_printf(f->arena, "%s%d/%s", prefix, total, name));
    if (i < 0)
        return 0;
    const ptl_buffer *b = &o->program->buffers[i];
    int count = (int)(b->size_bytes / dtype_size(b->dtype));
    for (int k = 0; k < count; k++)
        out[k] = dtype_get(b->dtype, run_data(o->run, i), k);
    return count;
}

/* The sums of one total, of all blocks in their order. */
static void list_sums(ps_job *f, const opened *o, const piece_list *pieces,
                      int total, double out[BLOCKS])
{
    int count = 0;
    for (int i = 0; i < pieces->count; i++) {
        const char *name = pieces->data[i].name;
        count += take(f, o, PTL_BLOCKS_PREFIX, total, name, out + count);
        count += take(f, o, PTL_LAST_PREFIX, total, name, out + count);
    }
    assert_int_equal(count, BLOCKS);
}

static void assert_equal_sums(ps_job *f, const opened *whole,
                              const piece_list *all, int64_t blocks,
                              void *weight)
{
    double wanted[BLOCKS], got[BLOCKS];
    piece_list pieces = cut(f, blocks);
    opened o = sums_of(f, &pieces, weight);
    for (int total = 0; total < 2; total++) {
        list_sums(f, whole, all, total, wanted);
        list_sums(f, &o, &pieces, total, got);
        assert_memory_equal(wanted, got, sizeof got);
    }
    drop(&o);
}

static void blocks_have_one_tree(const char *real)
{
    ps_job f = {0};
    ps_job_open(&f, shapes, norms, "norms(lr = 0.1, wd = 0.3);", real);
    ps_job_list_gradients(&f);
    ps_job_initialise(&f);
    ps_job_make_gradients(&f, 1, 1);
    for (int i = 0; i < f.gradients.count; i++) {
        const store_tensor *t = &f.gradients.items[i];
        memcpy(store_find(&f.whole, t->path)->memory, t->memory, t->size);
    }
    ps_job_make_gradients(&f, 1, 0);
    double *weight = memory_map(sizeof *weight);
    sums_put(f.job->f64 ? PTL_F64 : PTL_F32, weight, 3);
    piece_list all = cut(&f, 1000);
    opened whole = sums_of(&f, &all, weight);
    for (int64_t blocks = 1; blocks < 10; blocks += blocks / 3 + 1)
        assert_equal_sums(&f, &whole, &all, blocks, weight);
    drop(&whole);
    memory_unmap(weight, sizeof *weight);
    ps_job_close(&f);
}

static void blocks_have_one_tree_in_f32(void **state)
{
    (void)state;
    blocks_have_one_tree(NULL);
}

static void blocks_have_one_tree_in_f64(void **state)
{
    (void)state;
    blocks_have_one_tree("f64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_have_one_tree_in_f32),
        cmocka_unit_test(blocks_have_one_tree_in_f64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
