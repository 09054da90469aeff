/*
 * elab_diag.c - messages of the elaborator: said once per place, with the
 * calls that led there, and with the nearest name where one was missed.
 */
#include "base/nearest.h"
#include "elab_generic.h"
#include <stdlib.h>
#include <string.h>

/* A body read many times is wrong once. */
static bool said_before(const elab *e, diag_code code, src_range at)
{
    return at.file && diags_has(e->diags, code, at);
}

/* A name that is missing twice in a line is one mistake. */
static bool is_name(diag_code code)
{
    return code == DIAG_UNKNOWN_NAME || code == DIAG_UNBOUND_INDEX;
}

static void note_calls(elab *e)
{
    int shown = 0;
    src_range last = {0};
    for (const frame *f = e->frame; f && shown < 4; f = f->up) {
        if (!f->call_at.file || !f->what ||
            (f->call_at.file == last.file && f->call_at.begin == last.begin))
            continue;
        diag_note(e->diags, f->call_at, "in %s, %s here", f->what,
                  f->kind == FRAME_DATA ? "used" : "called");
        last = f->call_at;
        shown++;
    }
}

/* What was said of the next error is over. */
static const char *take_witness(elab *e)
{
    const char *witness = e->generic ? e->generic->witness : NULL;
    e->proven = false;
    if (witness)
        e->generic->witness = NULL;
    return witness ? witness : "";
}

value *elab_error(elab *e, diag_code code, src_range at, const char *format,
                  ...)
{
    va_list args;
    char *text;
    mistake m = {code, at, e->proven};
    const char *witness = take_witness(e);
    e->errors++;
    vec_push(e->arena, &e->mistakes, m);
    e->muted = e->quiet || (e->only && !mistakes_have(e->only, code, at)) ||
               said_before(e, code, at);
    if (e->muted)
        return value_error(e);
    va_start(args, format);
    text = arena_vprintf(e->arena, format, args);
    va_end(args);
    e->muted =
        is_name(code) && at.file && diags_has_line(e->diags, code, at, text);
    if (e->muted)
        return value_error(e);
    diag_error(e->diags, code, at, "%s", text);
    note_calls(e);
    if (e->only && is_about_sizes(code))
        diag_note(e->diags, e->only->note_at, "%s%s", e->only->note, witness);
    return value_error(e);
}

value *elab_reported(elab *e)
{
    e->errors++;
    e->muted = true;
    return value_error(e);
}

bool in_lost(const elab *e, const char *name)
{
    frame_kind kind = e->frame->kind;
    return e->lost &&
           (kind == FRAME_TRAIN || kind == FRAME_TEST || kind == FRAME_DATA) &&
           map_get(e->lost, name);
}

bool mistakes_have(const mistake_list *l, diag_code code, src_range at)
{
    for (int i = 0; i < l->list.count; i++) {
        const mistake *m = &l->list.data[i];
        if (m->code == code && m->at.file == at.file && m->at.begin == at.begin)
            return true;
    }
    return false;
}

bool is_certain(diag_code code)
{
    switch (code) {
    case DIAG_SHAPE_MISMATCH:
    case DIAG_RANK_MISMATCH:
    case DIAG_RANGE_CONFLICT:
    case DIAG_RANGE_UNKNOWN:
    case DIAG_TYPE_MISMATCH:
    case DIAG_LEFT_SIDE:
    case DIAG_NOT_CALLABLE:
    case DIAG_NO_RESULT:
    case DIAG_CUSTOM_GRAD:
    case DIAG_REDEFINED:
    case DIAG_UNKNOWN_NAME:
    case DIAG_UNBOUND_INDEX:
    case DIAG_BAD_ARGUMENT:
    case DIAG_MISPLACED:
    case DIAG_MISSING:
    case DIAG_NOT_STATIC:
    case DIAG_NOT_PROVEN:
        return true;
    default:
        return false;
    }
}

bool is_about_sizes(diag_code code)
{
    return code == DIAG_SHAPE_MISMATCH || code == DIAG_RANK_MISMATCH ||
           code == DIAG_RANGE_CONFLICT || code == DIAG_OUT_OF_BOUNDS ||
           code == DIAG_NEGATIVE_SIZE;
}

void elab_note(elab *e, src_range at, const char *format, ...)
{
    va_list args;
    char *text;
    if (e->muted)
        return;
    va_start(args, format);
    text = arena_vprintf(e->arena, format, args);
    va_end(args);
    diag_note(e->diags, at, "%s", text);
}

void nearest_add(nearest *n, const char *candidate)
{
    const char *both[2] = {n->best, candidate};
    if (!candidate || !strncmp(candidate, "..", 2) ||
        !strcmp(candidate, n->wanted))
        return;
    n->best = n->best ? ptl_nearest(n->wanted, both, 2)
                      : ptl_nearest(n->wanted, &candidate, 1);
}

const char *nearest_hint(ptl_arena *arena, const nearest *n)
{
    return n->best ? arena_printf(arena, "; did you mean `%s`?", n->best) : "";
}

const char *dims_text(elab *e, const int64_t *dims, int rank)
{
    ptl_str s = {0};
    str_addc(&s, '[');
    for (int i = 0; i < rank; i++)
        str_printf(&s, "%s%s", i ? ", " : "", size_text(e, dims[i]));
    str_addc(&s, ']');
    return str_keep(&s, e->arena);
}

static const char *number_text(elab *e, const value *v)
{
    int64_t dims[PTL_MAX_RANK];
    const char *kind = ty_kind_text(value_elem(v));
    if (v->kind == V_TENSOR && v->tensor->kind == TY_INT && v->tensor->bound)
        kind =
            arena_printf(e->arena, "idx(%s)", size_text(e, v->tensor->bound));
    if (value_rank(v) == 0)
        return kind;
    value_dims(v, dims);
    return arena_printf(e->arena, "%s%s", kind,
                        dims_text(e, dims, value_rank(v)));
}

const char *value_text(elab *e, const value *v)
{
    switch (v->kind) {
    case V_ERROR:
        return "an error";
    case V_INT:
        return arena_printf(e->arena, "the integer %s",
                            size_text(e, v->integer));
    case V_REAL:
        return arena_printf(e->arena, "the number %g", v->real);
    case V_BOOL:
        return v->integer ? "true" : "false";
    case V_STRING:
        return arena_printf(e->arena, "the text \"%s\"", v->text);
    case V_VAR:
        return arena_printf(e->arena, "the index %s", v->var->name);
    case V_TENSOR:
    case V_EXPR:
        return number_text(e, v);
    case V_LIST:
        return arena_printf(e->arena, "a list of %d", v->count);
    case V_TUPLE:
        return arena_printf(e->arena, "%d results", v->count);
    case V_DECL:
        return arena_printf(e->arena, "the %s %s",
                            ast_decl_kind_text(v->decl->kind),
                            v->decl->name ? v->decl->name : "");
    case V_MODULE:
        return "a module";
    case V_INSTANCE:
        return arena_printf(e->arena, "the %s %s",
                            ast_decl_kind_text(v->inst->decl->kind),
                            v->inst->path);
    case V_INSTANCES:
        return arena_printf(e->arena, "%d layers", v->count);
    case V_SCHEDULE:
        return "a schedule";
    case V_OPTIMIZER:
        return "an optimizer";
    case V_PACK:
        return "a pack";
    case V_RAW:
        return "the raw fields";
    case V_READER:
        return "a data source";
    case V_QUANTITY:
        return arena_printf(e->arena, "the quantity %g %s", v->real, v->text);
    case V_WORD:
        return arena_printf(e->arena, "the word %s", v->text);
    }
    return "a value";
}

bool overflowed(elab *e, src_range at)
{
    elab_error(e, DIAG_OVERFLOW, at, "this integer does not fit 64 bits");
    return false;
}
