/*
 * program.c - finding buffers of a program, and what can be checked of one
 * without knowing who made it.
 */
#include "runtime/program.h"
#include <string.h>

int program_find(const ptl_program *program, const char *name)
{
    for (int i = 0; i < program->buffer_count; i++) {
        const ptl_buffer *b = &program->buffers[i];
        if (b->role != PTL_ROLE_TRANSIENT && b->name &&
            strcmp(b->name, name) == 0)
            return i;
    }
    return -1;
}

static bool in_arena(const ptl_buffer *b)
{
    return b->role == PTL_ROLE_OUTPUT || b->role == PTL_ROLE_TRANSIENT;
}

static ptl_status check_arena(const ptl_program *p, const ptl_buffer *b,
                              int index, ptl_error *err)
{
    if (b->arena_offset < 0 || b->arena_offset % PTL_BUFFER_ALIGN)
        return ptl_fail(err, PTL_E_INTERNAL,
                        "buffer %d of \"%s\" lies at offset %lld", index,
                        p->name, (long long)b->arena_offset);
    if (b->arena_offset > p->arena_bytes - b->size_bytes)
        return ptl_fail(err, PTL_E_INTERNAL,
                        "buffer %d of \"%s\" ends beyond the arena", index,
                        p->name);
    return PTL_OK;
}

static ptl_status check_size(const ptl_program *p, const ptl_buffer *b,
                             int index, ptl_error *err)
{
    if (b->rank < 0 || b->rank > PTL_MAX_RANK || b->dtype >= PTL_DTYPE_COUNT)
        return ptl_fail(err, PTL_E_INTERNAL,
                        "buffer %d of \"%s\" has no proper type", index,
                        p->name);
    int64_t size = dtype_size(b->dtype);
    for (int i = 0; i < b->rank; i++)
        if (b->dims[i] < 0 || __builtin_mul_overflow(size, b->dims[i], &size))
            return ptl_fail(err, PTL_E_INTERNAL,
                            "buffer %d of \"%s\" has an impossible shape",
                            index, p->name);
    if (size != b->size_bytes)
        return ptl_fail(err, PTL_E_INTERNAL,
                        "buffer %d of \"%s\" has %lld bytes, its shape %lld",
                        index, p->name, (long long)b->size_bytes,
                        (long long)size);
    return PTL_OK;
}

static ptl_status check_buffer(const ptl_program *p, int index, ptl_error *err)
{
    const ptl_buffer *b = &p->buffers[index];
    ptl_status st = check_size(p, b, index, err);
    if (st != PTL_OK)
        return st;
    if (in_arena(b) && (st = check_arena(p, b, index, err)) != PTL_OK)
        return st;
    if (b->role == PTL_ROLE_CONSTANT && !b->constant && b->size_bytes)
        return ptl_fail(err, PTL_E_INTERNAL,
                        "constant %d of \"%s\" has no bytes", index, p->name);
    if (b->role == PTL_ROLE_SCALAR && b->rank)
        return ptl_fail(err, PTL_E_INTERNAL, "scalar %d of \"%s\" has axes",
                        index, p->name);
    if (b->role == PTL_ROLE_TRANSIENT || b->role == PTL_ROLE_CONSTANT)
        return PTL_OK;
    if (!b->name || program_find(p, b->name) != index)
        return ptl_fail(err, PTL_E_INTERNAL,
                        "buffer %d of \"%s\" has no name of its own: \"%s\"",
                        index, p->name, b->name ? b->name : "");
    return PTL_OK;
}

/* Is there something to run, where the program runs? */
static bool has_code(const ptl_program *p, const ptl_step *s)
{
    const ptl_launch *l = &s->launch;
    if (!p->device)
        return s->entry != NULL;
    return l->blocks >= 0 && l->part >= 0 && l->part < p->part_count &&
           l->function && (l->blocks == 0 || l->threads > 0);
}

/* Does the matrix lie within its argument? */
static bool fits(const ptl_program *p, const ptl_step *s, const ptl_product *x,
                 const ptl_matrix *m, int64_t rows, int64_t columns)
{
    if (m->arg < 0 || m->arg >= s->arg_count || m->at < 0 || m->batch < 0)
        return false;
    const ptl_buffer *b = &p->buffers[s->args[m->arg]];
    bool by_rows = m->column == 1 && m->row >= columns;
    bool by_columns = m->row == 1 && m->column >= rows;
    int64_t last = m->at + (x->batch - 1) * m->batch + (rows - 1) * m->row +
                   (columns - 1) * m->column;
    return b->dtype == x->dtype && (by_rows || by_columns) &&
           last < b->size_bytes / dtype_size(b->dtype);
}

static bool is_product(const ptl_program *p, const ptl_step *s)
{
    const ptl_product *x = s->product;
    return !x || (p->device && x >= p->products &&
                  x < p->products + p->product_count && x->batch > 0 &&
                  x->m > 0 && x->n > 0 && x->k > 0 &&
                  (x->dtype == PTL_F32 || x->dtype == PTL_F64) &&
                  fits(p, s, x, &x->left, x->m, x->k) &&
                  fits(p, s, x, &x->right, x->k, x->n) &&
                  fits(p, s, x, &x->result, x->m, x->n));
}

static ptl_status check_step(const ptl_program *p, int index, ptl_error *err)
{
    const ptl_step *s = &p->steps[index];
    if (!has_code(p, s) || s->task_count < 0 || s->arg_count < 0)
        return ptl_fail(err, PTL_E_INTERNAL, "step %d of \"%s\" is incomplete",
                        index, p->name);
    for (int i = 0; i < s->arg_count; i++)
        if (s->args[i] < 0 || s->args[i] >= p->buffer_count)
            return ptl_fail(err, PTL_E_INTERNAL,
                            "step %d of \"%s\" has argument %d out of range",
                            index, p->name, i);
    if (!is_product(p, s))
        return ptl_fail(err, PTL_E_INTERNAL,
                        "step %d of \"%s\" multiplies what are no matrices",
                        index, p->name);
    return PTL_OK;
}

ptl_status program_check(const ptl_program *program, ptl_error *err)
{
    ptl_status st = PTL_OK;
    for (int i = 0; i < program->buffer_count && st == PTL_OK; i++)
        st = check_buffer(program, i, err);
    for (int i = 0; i < program->step_count && st == PTL_OK; i++)
        st = check_step(program, i, err);
    return st;
}

/* ---------- when a value is final ---------- */

static bool overlap(const ptl_buffer *a, const ptl_buffer *b)
{
    return in_arena(a) && in_arena(b) &&
           a->arena_offset < b->arena_offset + b->size_bytes &&
           b->arena_offset < a->arena_offset + a->size_bytes;
}

int program_last_touch(const ptl_program *program, int output)
{
    const ptl_buffer *b = program->buffers;
    for (int i = program->step_count - 1; i >= 0; i--)
        for (int k = 0; k < program->steps[i].arg_count; k++)
            if (overlap(&b[program->steps[i].args[k]], &b[output]))
                return i;
    return -1;
}

int program_first_use(const ptl_program *program, int buffer)
{
    for (int i = 0; i < program->step_count; i++)
        for (int k = 0; k < program->steps[i].arg_count; k++)
            if (program->steps[i].args[k] == buffer)
                return i;
    return -1;
}

int program_last_use(const ptl_program *program, int buffer)
{
    for (int i = program->step_count - 1; i >= 0; i--)
        for (int k = 0; k < program->steps[i].arg_count; k++)
            if (program->steps[i].args[k] == buffer)
                return i;
    return -1;
}
