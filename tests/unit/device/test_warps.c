/*
 * test_warps.c - what lanes and warps tell each other, and lanes that go apart.
 */
#include "base/str.h"
#include "virtual/device.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 96, LANES = 32 };

/* Thread t: %a is in[t], %t its number, %lane its lane; %d goes to out[t]. */
static void run_on(const char *body, const uint32_t *in, uint32_t *out,
                   unsigned threads, unsigned blocks, bool cooperative)
{
    ptl_str text = {0};
    str_printf(&text,
               ".version 8.0\n.target sm_80\n.address_size 64\n"
               ".visible .entry k(.param .u64 p0, .param .u64 p1)\n{\n"
               ".reg .pred %%p, %%q, %%s;\n.reg .b32 %%a, %%d, %%t, %%lane, "
               "%%r<8>;\n.reg .b64 %%in, %%out, %%o, %%w;\n"
               "ld.param.u64 %%in, [p0];\nld.param.u64 %%out, [p1];\n"
               "mov.u32 %%t, %%ctaid.x;\nmov.u32 %%r0, %%ntid.x;\n"
               "mul.lo.u32 %%t, %%t, %%r0;\nmov.u32 %%r0, %%tid.x;\n"
               "add.u32 %%t, %%t, %%r0;\nmov.u32 %%lane, %%laneid;\n"
               "mul.wide.u32 %%o, %%t, 4;\nadd.s64 %%o, %%o, %%in;\n"
               "ld.global.u32 %%a, [%%o];\nmov.b32 %%d, 0;\n%s\n"
               "mul.wide.u32 %%o, %%t, 4;\nadd.s64 %%o, %%o, %%out;\n"
               "st.global.u32 [%%o], %%d;\nret;\n}\n",
               body);
    size_t bytes = threads * blocks * sizeof *in;
    CUdeviceptr from = virtual_upload(in, bytes), to = virtual_room(bytes);
    void *arguments[] = {&from, &to};
    CUfunction f = virtual_kernel(str_text(&text), "k");
    if (cooperative)
        OK(cuLaunchCooperativeKernel(f, blocks, 1, 1, threads, 1, 1, 0, NULL,
                                     arguments));
    else
        OK(cuLaunchKernel(f, blocks, 1, 1, threads, 1, 1, 0, NULL, arguments,
                          NULL));
    OK(cuCtxSynchronize());
    virtual_download(out, to, bytes);
    str_fini(&text);
}

static void run(const char *body, const uint32_t *in, uint32_t *out)
{
    run_on(body, in, out, THREADS, 1, false);
}

static uint32_t in[THREADS], out[THREADS];

static void assert_out(const char *what, unsigned t, uint32_t expected)
{
    if (out[t] != expected)
        fail_msg("%s: thread %u has 0x%x, not 0x%x", what, t, out[t], expected);
}

/* Within its segment of `width` lanes, else a lane keeps its own; bfly may also
 * read lanes before it. */
static unsigned shuffled(const char *mode, unsigned l, unsigned by,
                         unsigned width, bool *within)
{
    unsigned first = l / width * width, at = l % width;
    unsigned from = strcmp(mode, "up") == 0     ? at - by
                    : strcmp(mode, "down") == 0 ? at + by
                                                : by % width;
    if (strcmp(mode, "bfly") == 0) {
        *within = (l ^ by) < first + width;
        return *within ? l ^ by : l;
    }
    *within = from < width;
    return *within ? first + from : l;
}

static void shuffles_stay_in_their_segment(void **state)
{
    (void)state;
    static const char *const modes[] = {"up", "down", "bfly", "idx"};
    static const unsigned steps[] = {0, 1, 3, 8, 16, 31};
    for (int m = 0; m < 4; m++)
        for (unsigned width = 4; width <= 32; width *= 2)
            for (int s = 0; s < 6; s++) {
                char body[256];
                unsigned c = (32 - width) << 8 | (m == 0 ? 0 : 31);
                snprintf(body, sizeof body,
                         "shfl.sync.%s.b32 %%d|%%p, %%a, %u, %u, -1;\n"
                         "@%%p add.u32 %%d, %%d, 0x10000;",
                         modes[m], steps[s], c);
                run(body, in, out);
                for (unsigned t = 0; t < THREADS; t++) {
                    bool within;
                    unsigned from =
                        shuffled(modes[m], t % LANES, steps[s], width, &within);
                    assert_out(body, t,
                               in[t / LANES * LANES + from] +
                                   (within ? 0x10000 : 0));
                }
            }
}

/* Half warps, each with a mask of its own, in step or not. */
static void lanes_of_several_memberships(void **state)
{
    (void)state;
    static const char *const apart[] = {
        "",
        "setp.lt.u32 %p, %lane, 16;\n@%p bra $L;\nadd.u32 %a, %a, 0;\n$L:\n",
        "setp.lt.u32 %p, %lane, 8;\n@%p bra $L;\nadd.u32 %a, %a, 0;\n$L:\n"};
    for (int k = 0; k < 3; k++) {
        ptl_str text = {0};
        str_printf(&text,
                   "and.b32 %%r1, %%lane, 16;\nshl.b32 %%r2, 0xffff, %%r1;\n%s"
                   "bar.warp.sync %%r2;\n"
                   "shfl.sync.bfly.b32 %%d, %%a, 5, 31, %%r2;\n"
                   "redux.sync.max.u32 %%r3, %%lane, %%r2;\n"
                   "add.u32 %%d, %%d, %%r3;",
                   apart[k]);
        run(str_text(&text), in, out);
        for (unsigned t = 0; t < THREADS; t++)
            assert_out(str_text(&text), t,
                       in[t ^ 5] + (t % LANES < 16 ? 15 : 31));
        str_fini(&text);
    }
}

static void votes(void **state)
{
    (void)state;
    /* Of the first warp all, of the second some, of the third none. */
    static const struct {
        const char *mode, *sign;
        uint32_t holds[3];
    } cases[] = {{"all", "", {1, 0, 0}},
                 {"any", "", {1, 1, 0}},
                 {"uni", "", {1, 0, 1}},
                 {"all", "!", {0, 0, 1}},
                 {"any", "!", {0, 1, 1}}};
    for (int c = 0; c < 5; c++) {
        char text[256];
        snprintf(text, sizeof text,
                 "setp.lt.u32 %%p, %%t, 40;\nvote.sync.%s.pred %%q, %s%%p, -1;"
                 "\nselp.u32 %%d, 1, 0, %%q;",
                 cases[c].mode, cases[c].sign);
        run(text, in, out);
        for (unsigned t = 0; t < THREADS; t++)
            assert_out(text, t, cases[c].holds[t / LANES]);
    }
    run("setp.lt.u32 %p, %t, 40;\nvote.sync.ballot.b32 %d, %p, -1;", in, out);
    for (unsigned t = 0; t < THREADS; t++)
        assert_out("ballot", t, t < 32 ? 0xffffffff : t < 64 ? 0xff : 0);
}

static void matches_and_masks(void **state)
{
    (void)state;
    run("and.b32 %r1, %t, 3;\nmatch.any.sync.b32 %d, %r1, -1;", in, out);
    for (unsigned t = 0; t < THREADS; t++)
        assert_out("match", t, 0x11111111u << t % 4);
    run("and.b32 %r1, %t, 7;\ncvt.u64.u32 %w, %r1;\nshl.b64 %w, %w, 40;\n"
        "match.any.sync.b64 %d, %w, -1;",
        in, out);
    for (unsigned t = 0; t < THREADS; t++)
        assert_out("match", t, 0x01010101u << t % 8);
    run("setp.gt.u32 %p, %lane, 11;\n@%p bra $L;\nactivemask.b32 %d;\n$L:", in,
        out);
    for (unsigned t = 0; t < THREADS; t++)
        assert_out("activemask", t, t % LANES > 11 ? 0 : 0xfff);
    run("mov.u32 %d, %lanemask_lt;\nmov.u32 %r1, %lanemask_ge;\n"
        "mov.u32 %r2, %lanemask_eq;\nadd.u32 %d, %d, %r2;\n"
        "add.u32 %d, %d, %r2;\nadd.u32 %d, %d, %r1;",
        in, out);
    for (unsigned t = 0; t < THREADS; t++)
        assert_out("masks", t, (2u << t % LANES) - 1);
    run("mov.u32 %d, %lanemask_le;\nmov.u32 %r1, %lanemask_gt;\n"
        "xor.b32 %d, %d, %r1;\nmov.u32 %r1, %warpid;\nadd.u32 %d, %d, %r1;\n"
        "mov.u32 %r1, %nwarpid;\nadd.u32 %d, %d, %r1;",
        in, out);
    for (unsigned t = 0; t < THREADS; t++)
        assert_out("masks", t, t / LANES + 2);
}

#define REDUCES(operation, start, expression)                                  \
    {                                                                          \
        run("redux.sync." operation " %d, %a, -1;", in, out);                  \
        for (unsigned t = 0; t < THREADS; t++) {                               \
            uint32_t r = start;                                                \
            for (unsigned l = 0; l < LANES; l++) {                             \
                uint32_t a = in[t / LANES * LANES + l];                        \
                r = (uint32_t)(expression);                                    \
            }                                                                  \
            assert_out(operation, t, r);                                       \
        }                                                                      \
    }
static void reductions_of_a_warp(void **state)
{
    (void)state;
    REDUCES("add.u32", 0, r + a);
    REDUCES("add.s32", 0, r + a);
    REDUCES("min.u32", ~0u, a < r ? a : r);
    REDUCES("max.u32", 0, a > r ? a : r);
    REDUCES("min.s32", 0x7fffffff, (int32_t)a < (int32_t)r ? a : r);
    REDUCES("max.s32", 0x80000000, (int32_t)a > (int32_t)r ? a : r);
    REDUCES("and.b32", ~0u, r & a);
    REDUCES("or.b32", 0, r | a);
    REDUCES("xor.b32", 0, r ^ a);
}

static void barriers_that_vote(void **state)
{
    (void)state;
    run("setp.lt.u32 %p, %t, 40;\nbar.red.popc.u32 %d, 0, %p;\n"
        "bar.red.and.pred %q, 0, %p;\n@%q add.u32 %d, %d, 1000;\n"
        "bar.red.or.pred %q, 0, %p;\n@%q add.u32 %d, %d, 2000;\n"
        "bar.red.popc.u32 %r1, 0, !%p;\nadd.u32 %d, %d, %r1;",
        in, out);
    for (unsigned t = 0; t < THREADS; t++)
        assert_out("bar.red", t, 40 + 2000 + 56);
}

/* Two warps of three meet at a barrier of their own. */
static void barriers_of_some_warps(void **state)
{
    (void)state;
    run("setp.ge.u32 %p, %t, 64;\n@%p bra $L;\nbar.sync 3, 64;\n"
        "barrier.sync 4, 64;\nmov.b32 %d, 5;\n$L:\nbar.sync 0;",
        in, out);
    for (unsigned t = 0; t < THREADS; t++)
        assert_out("bar.sync", t, t < 64 ? 5 : 0);
}

/* Collatz: each lane another number of turns, in two branches. */
static void lanes_that_go_apart_meet_again(void **state)
{
    (void)state;
    run("add.u32 %r1, %t, 1;\n$AGAIN:\nsetp.eq.u32 %p, %r1, 1;\n@%p bra $END;\n"
        "add.u32 %d, %d, 1;\nand.b32 %r2, %r1, 1;\nsetp.eq.u32 %q, %r2, 0;\n"
        "@%q bra $EVEN;\nmad.lo.u32 %r1, %r1, 3, 1;\nbra.uni $AGAIN;\n"
        "$EVEN:\nshr.u32 %r1, %r1, 1;\nbra.uni $AGAIN;\n$END:\n"
        "bar.warp.sync -1;\nvote.sync.ballot.b32 %r3, !%s, -1;\n"
        "setp.ne.u32 %s, %lane, %lane;\nvote.sync.ballot.b32 %r3, !%s, -1;\n"
        "setp.ne.u32 %p, %r3, -1;\n@%p mov.b32 %d, -1;",
        in, out);
    for (uint32_t t = 0; t < THREADS; t++) {
        uint32_t turns = 0;
        for (uint32_t n = t + 1; n != 1; turns++)
            n = n % 2 ? 3 * n + 1 : n / 2;
        assert_out("turns", t, turns);
    }
}

static void lanes_may_end_early(void **state)
{
    (void)state;
    run("setp.lt.u32 %p, %lane, 5;\n@!%p bra $ON;\nmul.wide.u32 %o, %t, 4;\n"
        "add.s64 %o, %o, %out;\nst.global.u32 [%o], 111;\nret;\n$ON:\n"
        "shfl.sync.down.b32 %d, %a, 1, 31, 0xffffffe0;",
        in, out);
    for (unsigned t = 0; t < THREADS; t++)
        assert_out("ends", t,
                   t % LANES < 5    ? 111
                   : t % LANES < 31 ? in[t + 1]
                                    : in[t]);
}

/* All blocks wait for all: only where they are there together. */
static void blocks_of_a_cooperative_launch_wait_for_each_other(void **state)
{
    (void)state;
    enum { BLOCKS = 6, WIDE = 16 };
    uint32_t zero[WIDE * BLOCKS] = {0}, got[WIDE * BLOCKS];
    run_on("mov.u32 %r1, %tid.x;\nsetp.eq.u32 %p, %r1, 0;\n@!%p bra $IN;\n"
           "red.global.add.u32 [%in], 1;\nmembar.gl;\n$WAIT:\n"
           "ld.acquire.gpu.global.u32 %r2, [%in];\n"
           "setp.lt.u32 %q, %r2, 6;\n@%q bra $WAIT;\n$IN:\nbar.sync 0;\n"
           "ld.global.u32 %d, [%in];",
           zero, got, WIDE, BLOCKS, true);
    for (int k = 0; k < WIDE * BLOCKS; k++)
        assert_int_equal(got[k], BLOCKS);
}

static void blocks_have_three_directions(void **state)
{
    (void)state;
    static const char ptx[] =
        ".version 8.0\n.target sm_80\n.address_size 64\n"
        ".visible .entry k(.param .u64 p0)\n{\n.reg .b32 %r<16>;\n"
        ".reg .b64 %rd<4>;\nld.param.u64 %rd1, [p0];\n"
        "mov.u32 %r1, %ctaid.z;\nmov.u32 %r2, %nctaid.y;\n"
        "mov.u32 %r3, %ctaid.y;\nmad.lo.u32 %r1, %r1, %r2, %r3;\n"
        "mov.u32 %r2, %nctaid.x;\nmov.u32 %r3, %ctaid.x;\n"
        "mad.lo.u32 %r1, %r1, %r2, %r3;\nmov.u32 %r2, %ntid.z;\n"
        "mov.u32 %r3, %tid.z;\nmad.lo.u32 %r1, %r1, %r2, %r3;\n"
        "mov.u32 %r2, %ntid.y;\nmov.u32 %r3, %tid.y;\n"
        "mad.lo.u32 %r1, %r1, %r2, %r3;\nmov.u32 %r2, %ntid.x;\n"
        "mov.u32 %r3, %tid.x;\nmad.lo.u32 %r1, %r1, %r2, %r3;\n"
        "mul.wide.u32 %rd2, %r1, 4;\nadd.s64 %rd1, %rd1, %rd2;\n"
        "st.global.u32 [%rd1], %r1;\nret;\n}\n";
    enum { COUNT = 2 * 3 * 4 * 5 * 2 * 3 };
    uint32_t got[COUNT];
    CUdeviceptr to = virtual_room(sizeof got);
    void *arguments[] = {&to};
    OK(cuLaunchKernel(virtual_kernel(ptx, "k"), 2, 3, 4, 5, 2, 3, 0, NULL,
                      arguments, NULL));
    OK(cuCtxSynchronize());
    virtual_download(got, to, sizeof got);
    for (uint32_t k = 0; k < COUNT; k++)
        assert_int_equal(got[k], k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffles_stay_in_their_segment),
        cmocka_unit_test(lanes_of_several_memberships),
        cmocka_unit_test(votes),
        cmocka_unit_test(matches_and_masks),
        cmocka_unit_test(reductions_of_a_warp),
        cmocka_unit_test(barriers_that_vote),
        cmocka_unit_test(barriers_of_some_warps),
        cmocka_unit_test(lanes_that_go_apart_meet_again),
        cmocka_unit_test(lanes_may_end_early),
        cmocka_unit_test(blocks_of_a_cooperative_launch_wait_for_each_other),
        cmocka_unit_test(blocks_have_three_directions),
    };
    for (uint32_t t = 0; t < THREADS; t++)
        in[t] = (t * 0x9e3779b9u) >> 16 | (t % 3 == 0 ? 0x80000000 : 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
