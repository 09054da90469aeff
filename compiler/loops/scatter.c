/*
 * scatter.c - zeros, and pieces added onto them.
 *
 * Where no element is hit twice a piece is stored in any order. Elsewhere each
 * element takes its sources in the order of definition: axes of the source that
 * stand alone in a subscript lead to different elements, so they may be tasks
 * and lanes; all others run in order inside.
 */
#include "loops/build.h"

/* ---------- zeros ---------- */

typedef struct fill_ctx {
    build *k;
    emit *e;
    int out;
} fill_ctx;

static void fill_body(nest *n, int copies, void *ctx)
{
    fill_ctx *c = ctx;
    (void)n;
    (void)copies;
    emit_place place = {.offset = c->e->var[0], .stride = 1};
    kern_type type = kern_type_of(c->k->kernel->buffers.data[c->out].dtype);
    kern_value *zero = kern_is_real(type) ? kern_real(c->e->b, type, 1, 0)
                                          : kern_int(c->e->b, type, 1, 0);
    emit_store(c->e, c->out, &place, zero);
}

void build_fill(build *k)
{
    int64_t count = ir_element_count(&k->step->nodes[0]->type);
    const ir_var flat = {"o", 0, count};
    const sched_loop loop = {0, 0, count, false};
    emit e;
    emit_init(&e, k, &flat, 1);
    fill_ctx c = {k, &e, build_buffer(k, k->step->targets[0], true)};
    if (count == 0)
        return;
    nest n;
    nest_init(&n, &e, &loop, 1, 0);
    n.body = fill_body;
    n.ctx = &c;
    nest_cut cut = nest_plan(&n, (double)count, 1);
    k->kernel->task_count = cut.tasks;
    nest_enter(&n, &cut, kern_task(&k->b));
    nest_run(&n, 0);
}

/* ---------- pieces ---------- */

typedef struct scatterer {
    build *k;
    emit *e;
    const ir_node *n;
    const ir_piece *piece;
    int source, out, lost; /* the kernel's buffers; lost -1: none */
} scatterer;

static kern_value *load_at(scatterer *s, int buffer, const emit_place *place,
                           int lanes)
{
    return kern_load(s->e->b, emit_memory(s->e, buffer, place, lanes), lanes);
}

/*
 * The new value of the element at `to`, and there what the addition loses: the
 * next term makes it good (Kahan, Further remarks on reducing truncation
 * errors, 1965). Beyond the largest number nothing is lost.
 */
static kern_value *sum_and_keep(scatterer *s, const emit_place *to, int lanes,
                                kern_value *old, kern_value *x)
{
    kern_builder *b = s->e->b;
    x = kern_op2(b, KERN_SUB, x, load_at(s, s->lost, to, lanes));
    kern_value *sum = kern_op2(b, KERN_ADD, old, x);
    kern_value *lost =
        kern_op2(b, KERN_SUB, kern_op2(b, KERN_SUB, sum, old), x);
    kern_value *known = kern_op2(b, KERN_EQ, lost, lost);
    kern_value *none = kern_real(b, lost->type, lost->lanes, 0);
    emit_store(s->e, s->lost, to, kern_select(b, known, lost, none));
    return sum;
}

static void add_element(nest *n, int copies, void *ctx)
{
    scatterer *s = ctx;
    emit *e = s->e;
    (void)n;
    (void)copies;
    int lanes = e->lane_var >= 0 ? e->lanes : 1;
    emit_place from, to;
    emit_own_place(e, &s->piece->source->type, &from);
    kern_value *x = load_at(s, s->source, &from, lanes);
    emit_subscripts(e, &s->n->type, s->piece->subs, s->n->type.rank, false,
                    &to);
    if (!s->n->disjoint) {
        kern_value *old = load_at(s, s->out, &to, lanes);
        x = s->lost < 0 ? kern_op2(e->b, KERN_ADD, old, x)
                        : sum_and_keep(s, &to, lanes, old, x);
    }
    emit_store(e, s->out, &to, x);
}

static int64_t own_stride(const scatterer *s, int var)
{
    int64_t stride = 0;
    for (int i = 0; i < s->n->type.rank; i++)
        stride += ir_affine_coef(s->piece->subs[i].affine, var) *
                  sched_stride(&s->n->type, i);
    return stride;
}

/* The lanes: an axis that may be, best one that steps by 1 on both sides. */
static int lane_axis(const scatterer *s, const bool *parallel)
{
    const ir_type *type = &s->piece->source->type;
    int best = -1, best_score = -1;
    for (int v = 0; v < type->rank; v++) {
        if (!parallel[v] || type->dims[v] < 4)
            continue;
        int score = (sched_stride(type, v) == 1) + (own_stride(s, v) == 1);
        if (score >= best_score) {
            best_score = score;
            best = v;
        }
    }
    return best;
}

/*
 * Where all axes but the lanes' must run in order (an embedding's gradient: the
 * tokens), tasks take strips of the lanes' axis: each goes through all sources,
 * and no two meet.
 */
enum { LEAST_STRIP = 128, MOST_STRIPS = 16 };

static nest_cut cut_lanes(nest *n, double work)
{
    int last = n->count - 1;
    int64_t extent = n->loops[last].extent;
    double wanted = work / BUILD_TASK_WORK;
    int64_t strips = wanted < MOST_STRIPS ? (int64_t)wanted : MOST_STRIPS;
    strips = strips < extent / LEAST_STRIP ? strips : extent / LEAST_STRIP;
    nest_cut cut = {.lead = -1, .chunk = extent, .chunks = 1, .tasks = 1};
    if (strips < 2)
        return cut;
    int64_t lanes = n->e->lanes;
    cut.chunk = ((extent + strips - 1) / strips + lanes - 1) / lanes * lanes;
    cut.tasks = cut.chunks = (extent + cut.chunk - 1) / cut.chunk;
    kern_builder *b = n->e->b;
    kern_value *size = kern_int(b, KERN_I64, 1, cut.chunk);
    n->lo[last] = kern_op2(b, KERN_MUL, kern_task(b), size);
    n->hi[last] =
        kern_op2(b, KERN_MIN, kern_op2(b, KERN_ADD, n->lo[last], size),
                 kern_int(b, KERN_I64, 1, extent));
    return cut;
}

void build_scatter(build *k)
{
    const ir_node *node = k->step->nodes[0];
    const ir_piece *piece = &node->pieces[k->step->piece];
    const ir_type *type = &piece->source->type;
    ir_var range[IR_MAX_RANK];
    bool parallel[IR_MAX_RANK];
    emit e;
    scatterer s = {.k = k, .e = &e, .n = node, .piece = piece, .lost = -1};
    for (int v = 0; v < type->rank; v++) {
        range[v] = (ir_var){"v", 0, type->dims[v]};
        parallel[v] = node->disjoint || sched_scatter_apart(node, piece, v);
    }
    emit_init(&e, k, range, type->rank);
    s.source =
        build_buffer(k, k->step->scope->node_buffer[piece->source->id], false);
    s.out = build_buffer(k, k->step->targets[0], true);
    if (!node->disjoint) /* what it adds to is read as well */
        build_buffer(k, k->step->targets[0], false);
    if (k->step->lost >= 0) {
        s.lost = build_buffer(k, k->step->lost, true);
        build_buffer(k, k->step->lost, false);
    }
    int64_t count = ir_element_count(type);
    if (count == 0)
        return;
    int lane = lane_axis(&s, parallel), cuttable = 0, loop_count = 0;
    sched_loop loops[IR_MAX_RANK];
    for (int pass = 0; pass < 2; pass++)
        for (int v = 0; v < type->rank; v++)
            if (parallel[v] == (pass == 0)) {
                loops[loop_count++] = (sched_loop){v, 0, type->dims[v], false};
                cuttable += pass == 0 && v != lane;
            }
    nest n;
    nest_init(&n, &e, loops, loop_count, lane);
    n.body = add_element;
    n.ctx = &s;
    double work = (double)count * 8;
    bool strips = cuttable == 0 && lane >= 0;
    nest_cut cut = strips ? cut_lanes(&n, work) : nest_plan(&n, work, cuttable);
    k->kernel->task_count = cut.tasks;
    nest_enter(&n, &cut, kern_task(&k->b));
    nest_run(&n, cut.lead < 0 ? 0 : cut.lead);
}
