/*
 * product.c - a contraction as an instance of product.cu: a struct with its
 * sizes and fetches.
 */
#include "base/integer.h"
#include "codegen/cuda/internal.h"
#include <inttypes.h>

typedef struct tile {
    int bm, bn, tm, tn;
    double cost;
} tile;

static const tile tiles[] = {
#define CUDA_TILE(bm, bn, tm, tn, cost) {bm, bn, tm, tn, cost},
#include "codegen/cuda/tile.def"
#undef CUDA_TILE
};

enum { VECTOR = 16 }; /* bytes; as in product.cu */

static int64_t block_count(const kern_product *p, const tile *t)
{
    return int_ceil_div(p->m, t->bm) * int_ceil_div(p->n, t->bn) * p->batch *
           p->splits;
}

/* The cheapest, what sticks out included; small ones where there would be too
 * few blocks to go round. */
static const tile *tile_for(const kern_product *p)
{
    enum { LEAST_BLOCKS = 64 };
    const tile *best = NULL;
    double least = 0;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        const tile *t = &tiles[i];
        int64_t blocks = block_count(p, t);
        int64_t rounds = blocks < LEAST_BLOCKS ? LEAST_BLOCKS : blocks;
        double cost = (double)rounds * t->bm * t->bn * t->cost;
        if (!best || cost < least) {
            best = t;
            least = cost;
        }
    }
    return best;
}

/* Elements behind each line of a factor's tile; as in product.cu. */
static int64_t padding(const kern_product *p, const kern_fetch *f,
                       int64_t piece)
{
    bool lines = p->steps != KERN_FEW_STEPS && f->line % 8;
    return lines ? (f->line | 1) % 8 * piece : piece;
}

void cuda_product_shape(const kern_product *p, cuda_shape *out)
{
    const tile *t = tile_for(p);
    int64_t size = p->type == KERN_F32 ? 4 : 8, piece = VECTOR / size;
    int halves = p->steps == KERN_FEW_STEPS ? 2 : 1;
    int64_t lines = halves * p->steps, stored = t->bm / t->tm;
    int64_t left = lines * (t->bm + padding(p, &p->left, piece));
    int64_t right = (lines < stored ? stored : lines) *
                    (t->bn + padding(p, &p->right, piece));
    *out = (cuda_shape){.blocks = block_count(p, t),
                        .threads = t->bm / t->tm * (t->bn / t->tn),
                        .shared_bytes = (left + right) * size};
}

static void write_members(cuda_writer *w)
{
    const kern_kernel *k = w->kernel;
    for (int i = 0; i < k->buffers.count; i++)
        str_printf(w->out, "    %s%s *__restrict__ b%d;\n",
                   k->buffers.data[i].written ? "" : "const ",
                   cuda_memory_type(k->buffers.data[i].dtype), i);
}

static void write_fetch(cuda_writer *w, const kern_fetch *f, const char *name)
{
    cuda_writer inside = *w;
    inside.kernel = f->kernel;
    inside.shape.lanes = 1;
    str_printf(w->out,
               "    __device__ __forceinline__ %s %s(i64 input0, i64 input1, "
               "i64 input2) const\n    {\n"
               "        __builtin_assume(input0 >= 0 && input1 >= 0 && "
               "input2 >= 0);\n    ",
               cuda_type(f->value->type), name);
    cuda_locals(&inside, f->kernel->body);
    inside.depth++;
    cuda_block(&inside, f->kernel->body);
    str_printf(w->out, "        return l%d;\n    }\n", f->value->id);
}

void cuda_print_product(cuda_writer *w, const char *name)
{
    const kern_product *p = &w->kernel->product;
    const tile *t = tile_for(p);
    str_printf(w->out,
               "struct %s_of {\n    typedef %s real;\n"
               "    enum : i64 { BATCH = %" PRId64 ", M = %" PRId64
               ", N = %" PRId64 ", K = %" PRId64 ",\n"
               "        K_PART = %" PRId64 ", C_PART = %" PRId64 " };\n"
               "    enum { STEPS = %d, LEFT_LINE = %d, RIGHT_LINE = %d };"
               "\n",
               name, cuda_type(p->type), p->batch, p->m, p->n, p->k, p->k_split,
               p->c_split, p->steps, p->left.line, p->right.line);
    write_members(w);
    write_fetch(w, &p->left, "left");
    write_fetch(w, &p->right, "right");
    write_fetch(w, &p->place, "place");
    str_printf(w->out,
               "    __device__ __forceinline__ void store(i64 at, real x) "
               "const\n    {\n        b%d[at] = x;\n    }\n};\n",
               p->c);
    str_printf(w->out, "#define %s_run(...) \\\n", name);
    str_printf(w->out,
               "    product<%s_of, %d, %d, %d, %d>(%s_of{__VA_ARGS__})\n", name,
               t->bm, t->bn, t->tm, t->tn, name);
}
