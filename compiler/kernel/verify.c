/*
 * verify.c - checks that a module is well formed before anyone translates it.
 *
 * Needs:    a module from the builder, or one a pass has changed.
 * Provides: types, lanes and masks by the rules of rules.c; every operand
 *           computed before its use, in the same block or one around it; every
 *           local set on all paths before it is read.
 * Keeps:    everything.
 */
#include "base/integer.h"
#include "kernel/kernel.h"
#include "kernel/rules.h"
#include <string.h>

typedef struct verifier {
    const kern_kernel *kernel;
    const kern_value **seen; /* by id: the value computed so far */
    ptl_arena *arena;
    ptl_error *err;
} verifier;

static bool fail(verifier *c, const kern_value *v, const char *problem)
{
    if (v)
        ptl_fail(c->err, PTL_E_INTERNAL, "kernel \"%s\": %s %s%s%d: %s",
                 c->kernel->name, kern_op_name(v->op), v->name ? v->name : "v",
                 v->name ? "." : "", v->id, problem);
    else
        ptl_fail(c->err, PTL_E_INTERNAL, "kernel \"%s\": %s", c->kernel->name,
                 problem);
    return false;
}

static bool is_visible(verifier *c, const kern_value *v)
{
    return v->id >= 0 && v->id < c->kernel->value_count && c->seen[v->id] == v;
}

static bool check_use(verifier *c, const kern_value *v)
{
    return is_visible(c, v) || fail(c, v, "used where it is not visible");
}

static bool check_memory(verifier *c, const kern_memory *at)
{
    return (!at->offset || check_use(c, at->offset)) &&
           (!at->offsets || check_use(c, at->offsets)) &&
           (!at->mask || check_use(c, at->mask)) &&
           (!at->other || check_use(c, at->other));
}

static bool define(verifier *c, const kern_value *v)
{
    if (v->id < 0 || v->id >= c->kernel->value_count)
        return fail(c, v, "its id is not the kernel's");
    if (c->seen[v->id])
        return fail(c, v, "computed twice");
    c->seen[v->id] = v;
    return true;
}

static bool check_do(verifier *c, const kern_value *v, const bool *set)
{
    if (!v)
        return fail(c, v, "a statement without a value");
    for (int i = 0; i < kern_op_operands(v->op); i++)
        if (v->args[i] && !check_use(c, v->args[i]))
            return false;
    const char *problem = kern_value_problem(c->kernel, v);
    if (problem)
        return fail(c, v, problem);
    if (v->op == KERN_INDEX)
        return fail(c, v, "an index belongs to its loop");
    if (v->op == KERN_LOAD && !check_memory(c, &v->memory))
        return false;
    if (v->op == KERN_GET &&
        (v->local->id < 0 || v->local->id >= c->kernel->local_count ||
         !set[v->local->id]))
        return fail(c, v, "the local may be read before it is set");
    return define(c, v);
}

static bool check_set(verifier *c, const kern_stmt *s, bool *set)
{
    const kern_local *local = s->local;
    if (!local || local->id < 0 || local->id >= c->kernel->local_count)
        return fail(c, NULL, "a set without a local of the kernel");
    if (!s->value || !check_use(c, s->value))
        return false;
    if (s->value->type != local->type || s->value->lanes != local->lanes)
        return fail(c, s->value, "differs from its local in type or lanes");
    set[local->id] = true;
    return true;
}

static bool check_store(verifier *c, const kern_stmt *s)
{
    if (!s->value || !check_use(c, s->value))
        return false;
    const char *problem = kern_store_problem(c->kernel, &s->memory, s->value);
    if (problem)
        return fail(c, s->value, problem);
    return check_memory(c, &s->memory);
}

static bool check_block(verifier *c, const kern_block *block, bool *set);

static bool *copy_of(verifier *c, const bool *set)
{
    bool *copy = ARENA_ARRAY(c->arena, bool, c->kernel->local_count + 1);
    memcpy(copy, set, (size_t)c->kernel->local_count * sizeof *set);
    return copy;
}

static bool is_count(const kern_value *v)
{
    return v && v->type == KERN_I64 && v->lanes == 1;
}

/* A loop may run no time at all, so what it sets does not count after it. */
static bool check_loop(verifier *c, const kern_stmt *s, const bool *set)
{
    if (!is_count(s->lo) || !is_count(s->hi) || !is_count(s->index))
        return fail(c, s->index, "a loop counts in i64 of one lane");
    if (s->step <= 0)
        return fail(c, s->index, "the loop's step is not positive");
    if (!check_use(c, s->lo) || !check_use(c, s->hi))
        return false;
    if (s->index->op != KERN_INDEX || !define(c, s->index))
        return fail(c, s->index, "not a loop's own index");
    bool ok = check_block(c, s->body, copy_of(c, set));
    c->seen[s->index->id] = NULL;
    return ok;
}

static bool check_if(verifier *c, const kern_stmt *s, bool *set)
{
    if (!s->value || s->value->type != KERN_BOOL || s->value->lanes != 1)
        return fail(c, s->value, "an if wants a truth value of one lane");
    bool *then_set = copy_of(c, set), *else_set = copy_of(c, set);
    if (!check_use(c, s->value) || !check_block(c, s->body, then_set))
        return false;
    if (s->other_body && !check_block(c, s->other_body, else_set))
        return false;
    for (int i = 0; i < c->kernel->local_count; i++)
        set[i] = then_set[i] && else_set[i];
    return true;
}

static bool check_stmt(verifier *c, const kern_stmt *s, bool *set)
{
    switch (s->kind) {
    case KERN_DO:
        return check_do(c, s->value, set);
    case KERN_SET:
        return check_set(c, s, set);
    case KERN_STORE:
        return check_store(c, s);
    case KERN_LOOP:
        return check_loop(c, s, set);
    case KERN_IF:
        return check_if(c, s, set);
    }
    return fail(c, NULL, "an unknown statement");
}

static bool check_block(verifier *c, const kern_block *block, bool *set)
{
    if (!block)
        return fail(c, NULL, "a body is missing");
    bool ok = true;
    for (int i = 0; ok && i < block->stmts.count; i++)
        ok = check_stmt(c, block->stmts.data[i], set);
    for (int i = 0; i < block->stmts.count; i++) /* gone with their block */
        if (block->stmts.data[i]->kind == KERN_DO && ok)
            c->seen[block->stmts.data[i]->value->id] = NULL;
    return ok;
}

static bool check_operand(verifier *c, int buffer, kern_type type, bool written)
{
    const kern_kernel *k = c->kernel;
    if (buffer < 0 || buffer >= k->buffers.count)
        return fail(c, NULL, "a contraction without one of its buffers");
    const kern_buffer *b = &k->buffers.data[buffer];
    if (kern_type_of(b->dtype) != type || b->written != written)
        return fail(c, NULL, "a buffer of a contraction is of wrong kind");
    return true;
}

static bool check_operands(verifier *c, const kern_direct *d)
{
    if (!kern_is_real(d->type))
        return fail(c, NULL, "a contraction of other than reals");
    return check_operand(c, d->a, d->type, false) &&
           check_operand(c, d->b, d->type, false) &&
           check_operand(c, d->c, d->type, true) &&
           check_operand(c, d->a_tile, KERN_I64, false) &&
           check_operand(c, d->b_tile, KERN_I64, false) &&
           check_operand(c, d->c_tile, KERN_I64, false) &&
           check_operand(c, d->a_run, KERN_I64, false) &&
           check_operand(c, d->b_run, KERN_I64, false);
}

static bool check_direct(verifier *c)
{
    const kern_direct *d = &c->kernel->direct;
    if (!check_operands(c, d))
        return false;
    if (d->segments < 1 || d->tiles < 1 || d->n < 1 || d->runs < 1 ||
        d->length < 1 || d->nr < 1 || d->run_block < 1 || d->m_block < 1 ||
        d->n_block < 1 || d->splits < 1 || d->split_runs < 1)
        return fail(c, NULL, "a size of a contraction is not positive");
    if (d->mr < 1 || d->mr > KERN_MOST_ROWS || d->mr_last < 1 ||
        d->mr_last > d->mr)
        return fail(c, NULL, "a tile has too few or too many rows");
    if ((d->splits - 1) * d->split_runs >= d->runs ||
        d->splits * d->split_runs < d->runs)
        return fail(c, NULL, "the parts of a sum are not all of it");
    if (d->runs_outside && d->splits > 1)
        return fail(c, NULL, "parts of a sum share no runs");
    if (kern_direct_tasks(d) != c->kernel->task_count)
        return fail(c, NULL, "tasks do not fit the blocks");
    return true;
}

/* A kernel of its own or one inside another. */
static bool check_nest(const kern_kernel *k, ptl_arena *arena, ptl_error *err)
{
    verifier c = {k, NULL, arena, err};
    c.seen = ARENA_ARRAY(arena, const kern_value *, k->value_count + 1);
    bool *set = ARENA_ARRAY(arena, bool, k->local_count + 1);
    return check_block(&c, k->body, set);
}

/* A kernel that packs one of `blocks` blocks; `others` blocks of the other
 * operand would each want it. */
static bool check_pack(verifier *c, const kern_kernel *pack, int64_t blocks,
                       int64_t others)
{
    const kern_tile *t = &c->kernel->tile;
    if (!pack)
        return true;
    if (others != 1 || t->k < 1 ||
        pack->task_count != t->batch * blocks * int_ceil_div(t->k, t->kc))
        return fail(c, NULL, "a tile step packs what is not one task's own");
    return check_nest(pack, c->arena, c->err);
}

static bool check_tile(verifier *c)
{
    const kern_tile *t = &c->kernel->tile;
    const kern_kernel *k = c->kernel;
    const bool written[6] = {t->pack_a != NULL, t->pack_b != NULL, true};
    if (!kern_is_real(t->type) || k->buffers.count < 6)
        return fail(c, NULL, "a tile step has reals and six buffers");
    for (int i = 0; i < 6; i++)
        if (!check_operand(c, i, i < 3 ? t->type : KERN_I64, written[i]))
            return false;
    if (t->pairs && t->type != KERN_F32)
        return fail(c, NULL, "pairs of bf16 are added in F32");
    if (t->batch < 1 || t->m < 1 || t->n < 1 || t->k < 0 || t->kc < 1 ||
        t->mr < 1 || t->nr < 1 || t->m_block < 1 || t->n_block < 1)
        return fail(c, NULL, "a size of a tile step is not positive");
    int64_t m_blocks = int_ceil_div(int_ceil_div(t->m, t->mr), t->m_block);
    int64_t n_blocks = int_ceil_div(int_ceil_div(t->n, t->nr), t->n_block);
    if (t->batch * m_blocks * n_blocks != k->task_count)
        return fail(c, NULL, "a tile step's tasks do not fit its blocks");
    return check_pack(c, t->pack_a, m_blocks, n_blocks) &&
           check_pack(c, t->pack_b, n_blocks, m_blocks);
}

static bool check_fetch(verifier *c, const kern_fetch *f, kern_type type)
{
    if (!f->kernel || !f->value || f->value->type != type ||
        f->value->lanes != 1)
        return fail(c, NULL, "a fetch without a value of its type");
    verifier own = {f->kernel, NULL, c->arena, c->err};
    own.seen =
        ARENA_ARRAY(c->arena, const kern_value *, f->kernel->value_count + 1);
    bool *set = ARENA_ARRAY(c->arena, bool, f->kernel->local_count + 1);
    return check_block(&own, f->kernel->body, set) &&
           (set[f->value->id] || fail(&own, NULL, "a fetch sets nothing"));
}

static bool check_matrix(verifier *c, const kern_matrix *m, int64_t rows,
                         int64_t columns)
{
    const kern_product *p = &c->kernel->product;
    bool by_rows = m->column == 1 && m->row >= columns;
    bool by_columns = m->row == 1 && m->column >= rows;
    if (m->at < 0 || m->batch < 0 || (p->batch > 1 && m->batch == 0) ||
        !(by_rows || by_columns))
        return fail(c, NULL, "a matrix lies as none does");
    return check_operand(c, m->buffer, p->type, m == &p->matrices->result);
}

static bool check_matrices(verifier *c)
{
    const kern_product *p = &c->kernel->product;
    if (!p->matrices)
        return true;
    if (p->splits != 1 || p->matrices->result.buffer != p->c)
        return fail(c, NULL, "a library makes a product in one part");
    return check_matrix(c, &p->matrices->left, p->m, p->k) &&
           check_matrix(c, &p->matrices->right, p->k, p->n) &&
           check_matrix(c, &p->matrices->result, p->m, p->n);
}

/* Into lines; 0: not at all. */
static bool is_cut(int steps, int line)
{
    return line == 0 || (line > 0 && steps % line == 0);
}

static bool check_product(verifier *c)
{
    const kern_product *p = &c->kernel->product;
    if (p->batch < 1 || p->m < 1 || p->n < 1 || p->k < 1 || p->splits < 1 ||
        p->k_split < 1 || p->splits * p->k_split < p->k ||
        (p->splits - 1) * p->k_split >= p->k)
        return fail(c, NULL, "sizes of a product do not fit");
    if (p->steps != KERN_FEW_STEPS &&
        (p->steps < KERN_LEAST_STEPS || p->steps > KERN_MOST_STEPS))
        return fail(c, NULL, "a product's steps are none that there are");
    if (!is_cut(p->steps, p->left.line) || !is_cut(p->steps, p->right.line))
        return fail(c, NULL, "a product's steps are no whole lines");
    return check_operand(c, p->c, p->type, true) &&
           check_fetch(c, &p->left, p->type) &&
           check_fetch(c, &p->right, p->type) &&
           check_fetch(c, &p->place, KERN_I64) && check_matrices(c);
}

static bool check_kernel(const kern_kernel *k, ptl_arena *arena, ptl_error *err)
{
    verifier c = {k, NULL, arena, err};
    if (k->task_count < 0)
        return fail(&c, NULL, "a negative number of tasks");
    switch (k->kind) {
    case KERN_NEST:
        return check_nest(k, arena, err);
    case KERN_TILE:
        return check_tile(&c);
    case KERN_DIRECT:
        return check_direct(&c);
    case KERN_PRODUCT:
        return check_product(&c);
    }
    return fail(&c, NULL, "an unknown kind");
}

bool kern_verify(const kern_module *m, ptl_error *err)
{
    bool ok = true;
    ptl_arena *arena = arena_new();
    for (int i = 0; ok && i < m->kernels.count; i++)
        ok = check_kernel(m->kernels.data[i], arena, err);
    arena_free(arena);
    return ok;
}
