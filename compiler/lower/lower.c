/*
 * lower.c - what a program of each kind gives, and the nodes it needs for
 * that.
 *
 * Needs:    a typed program (every subscript proven).
 * Provides: a graph that passes ir_verify().
 */
#include "grad/grad.h"
#include "lower/coupling.h"
#include "lower_priv.h"
#include <string.h>

ir_type lower_type(const ty_tensor *t)
{
    ir_type type = {
        .kind = (ir_kind)t->kind, .rank = t->rank, .bound = t->bound};
    for (int i = 0; i < t->rank; i++)
        type.dims[i] = t->dims[i];
    return type;
}

ir_node *lower_scalar(lowering *l, ir_node **slot, const char *name,
                      ptl_dtype storage)
{
    ir_type type = {.kind = IR_INT};
    if (!*slot) {
        *slot = ir_find(l->g, name);
        if (!*slot)
            *slot = ir_input(l->g, name, type, IR_SCALAR_INPUT, storage);
    }
    return *slot;
}

/* ---------- what is needed ---------- */

static void need(lowering *l, const ty_tensor *t)
{
    if (t)
        l->needed[t->id] = true;
}

static void need_read(void *ctx, const ty_expr *x)
{
    need(ctx, ty_read_of(x));
}

static void need_values(lowering *l)
{
    const typed_program *p = l->program;
    for (int i = 0; i < p->values.count; i++)
        if (l->kind != LOWER_PREDICT || p->values.data[i].result)
            need(l, p->values.data[i].tensor);
}

static void need_params(lowering *l)
{
    const typed_program *p = l->program;
    bool init = l->kind == LOWER_INIT;
    for (int i = 0; i < p->params.count; i++) {
        const typed_param *w = &p->params.data[i];
        need(l, w->tensor);
        need(l, init ? w->init : w->next);
        for (int j = 0; j < w->slot_count; j++) {
            need(l, w->slots[j].tensor);
            need(l, init ? w->slots[j].init : w->slots[j].next);
        }
    }
}

static void need_states(lowering *l)
{
    const typed_program *p = l->program;
    bool init = l->kind == LOWER_INIT;
    for (int i = 0; i < p->states.count; i++) {
        const typed_state *s = &p->states.data[i];
        need(l, s->tensor);
        need(l, init ? s->init : s->next);
    }
}

static void need_grads(lowering *l)
{
    const typed_program *p = l->program;
    for (int i = 0; i < p->params.count; i++)
        need(l, p->params.data[i].grad);
}

static void need_expects(lowering *l)
{
    const typed_program *p = l->program;
    for (int i = 0; i < p->expects.count; i++) {
        need(l, p->expects.data[i].cond);
        need(l, p->expects.data[i].a);
        need(l, p->expects.data[i].b);
    }
}

/* What a batch gives, or what is worked out of the sums. */
static void need_metrics(lowering *l)
{
    const typed_program *p = l->program;
    for (int i = 0; i < p->metrics.count; i++) {
        const typed_metric *m = &p->metrics.data[i];
        if ((l->kind == LOWER_METRICS) == (m->sum_count > 0))
            need(l, m->tensor);
        for (int k = 0; k < m->sum_count && l->kind == LOWER_EVAL; k++)
            need(l, m->sums[k].batch);
    }
}

/* Gradients are given, divided by what is given. */
static bool is_update(const lowering *l)
{
    return l->kind == LOWER_UPDATE || l->kind == LOWER_PARTIALS;
}

static bool gives_loss(const lowering *l)
{
    return l->kind != LOWER_INIT && l->kind != LOWER_PREDICT &&
           l->kind != LOWER_METRICS && !is_update(l);
}

static void need_partials(lowering *l)
{
    for (int i = 0; i < l->program->partials.count; i++)
        need(l, l->program->partials.data[i].tensor);
}

static void need_outputs(lowering *l)
{
    const typed_program *p = l->program;
    if (gives_loss(l))
        need(l, p->loss);
    switch (l->kind) {
    case LOWER_INIT:
        need_params(l);
        need_states(l);
        break;
    case LOWER_TRAIN:
        need(l, p->lr);
        need_params(l);
        need_states(l);
        break;
    case LOWER_SHARD:
        need_grads(l);
        need_states(l);
        if (l->weight)
            ty_visit_expr(l->weight, need_read, l);
        break;
    case LOWER_UPDATE:
        need(l, p->lr);
        need_params(l);
        break;
    case LOWER_PARTIALS:
        need_partials(l);
        break;
    case LOWER_EVAL:
    case LOWER_METRICS:
        need_metrics(l);
        break;
    case LOWER_GRAD:
        need_grads(l);
        need_values(l);
        break;
    case LOWER_TEST:
        need_expects(l);
        break;
    default:
        need_values(l);
        break;
    }
}

/* A gradient needs the loss and the parameters it is taken by. False: nothing
 * that was not needed before. */
static bool need_losses(lowering *l)
{
    const typed_program *p = l->program;
    bool more = false;
    for (int i = 0; i < p->tensors.count; i++) {
        const ty_tensor *t = p->tensors.data[i];
        if (!l->needed[i] || t->role != TY_GRAD || is_update(l))
            continue;
        more = more || !l->needed[p->loss->id] || !l->needed[t->of->id];
        need(l, p->loss);
        need(l, t->of);
    }
    return more;
}

static void need_operands(lowering *l)
{
    do
        ty_need_operands(l->program, l->g->arena, l->needed);
    while (need_losses(l));
}

static bool derives(lower_kind kind)
{
    return kind == LOWER_TRAIN || kind == LOWER_GRAD ||
           kind == LOWER_CHECK || kind == LOWER_SHARD;
}

static void need_all(lowering *l)
{
    need_outputs(l);
    need_operands(l);
    lower_mark_late(l);
    while (derives(l->kind) && lower_need_customs(l))
        need_operands(l);
}

/* ---------- nodes ---------- */

static const char *input_name(const ty_tensor *t)
{
    return t->role == TY_RAW && !strncmp(t->name, "raw.", 4) ? t->name + 4
                                                             : t->name;
}

static ir_input_role input_role(const ty_tensor *t)
{
    switch (t->role) {
    case TY_PARAM:
        return IR_PARAM;
    case TY_STATE:
        return IR_STATE;
    case TY_SLOT:
        return IR_SLOT;
    case TY_SCALAR:
        return IR_SCALAR_INPUT;
    default:
        return IR_DATA;
    }
}

static bool is_input(const ty_tensor *t)
{
    return t->role == TY_PARAM || t->role == TY_STATE || t->role == TY_SLOT ||
           t->role == TY_RAW || t->role == TY_SCALAR || t->role == TY_INPUT;
}

static void make_inputs(lowering *l)
{
    for (int i = 0; i < l->program->tensors.count; i++) {
        const ty_tensor *t = l->program->tensors.data[i];
        if (!l->needed[i])
            continue;
        if (is_input(t))
            l->nodes[i] = ir_input(l->g, input_name(t), lower_type(t),
                                   input_role(t), t->storage);
        else if (t->role == TY_GRAD && is_update(l))
            l->nodes[i] = lower_given_gradient(l, t);
        else if (t->role == TY_LITERAL)
            l->nodes[i] = ir_literal(l->g, t->name, lower_type(t), t->values);
    }
}

/* All derivatives at once, when the first of them is read. */
static bool make_grads(lowering *l)
{
    const typed_program *p = l->program;
    ir_graph *g = l->g;
    ir_node **wrt = ARENA_ARRAY(g->arena, ir_node *, p->params.count + 1);
    ir_node **grads = ARENA_ARRAY(g->arena, ir_node *, p->params.count + 1);
    ir_node *loss = l->nodes[p->loss->id];
    int count = 0;
    lower_add_customs(l);
    for (int i = 0; i < p->params.count; i++)
        if (p->params.data[i].grad)
            wrt[count++] = l->nodes[p->params.data[i].tensor->id];
    if (l->kind == LOWER_SHARD) {
        l->weight_node = lower_weight(l);
        loss = lower_summed_loss(l, l->weight_node);
    }
    if (!grad_build(g, loss, wrt, count, grads, l->diags))
        return false;
    count = 0;
    for (int i = 0; i < p->params.count; i++)
        if (p->params.data[i].grad)
            l->nodes[p->params.data[i].grad->id] = grads[count++];
    if (l->kind != LOWER_GRAD)
        lower_warn_untrained(l);
    return true;
}

static bool make_definitions(lowering *l)
{
    for (int i = 0; i < l->program->tensors.count && !l->failed; i++) {
        const ty_tensor *t = l->program->tensors.data[i];
        if (!l->needed[i] || l->nodes[i] || l->late[i])
            continue;
        if (t->role == TY_GRAD && !make_grads(l))
            return false;
        if (t->role == TY_VALUE && l->varies[i])
            lower_scan(l, t->scan);
        if (t->role == TY_VALUE && !l->nodes[i] && !l->failed)
            l->nodes[i] = lower_definition(l, NULL, t);
    }
    return !l->failed;
}

/* ---------- outputs ---------- */

/* Outputs are worked out, so an input as output is copied. */
static ir_node *computed(lowering *l, ir_node *n, const char *name)
{
    ir_comp comp = {
        .reduce = IR_MAP, .out_count = n->type.rank, .var_count = n->type.rank};
    ir_var vars[IR_MAX_RANK];
    if (n->kind != IR_INPUT && n->kind != IR_LITERAL)
        return n;
    for (int i = 0; i < n->type.rank; i++)
        vars[i] = (ir_var){.name = "i", .hi = n->type.dims[i]};
    comp.vars = vars;
    comp.body = ir_read_plain(l->g, n, 0);
    return ir_comprehend(l->g, name, &comp, n->at);
}

static void give_node(lowering *l, const char *name, ir_node *n)
{
    const char *own = arena_strdup(l->g->arena, name);
    ir_output_add(l->g, own, computed(l, n, own), IR_OUT_VALUE, NULL);
}

static void give(lowering *l, const char *name, const ty_tensor *t)
{
    if (t)
        give_node(l, name, l->nodes[t->id]);
}

static void update(lowering *l, const ty_tensor *t, const ty_tensor *next)
{
    ir_node *target = l->nodes[t->id], *n;
    if (!next)
        return;
    n = l->nodes[next->id];
    if (n == target)
        return;
    ir_output_add(l->g, arena_strdup(l->g->arena, t->name),
                  computed(l, n, "next"), IR_OUT_UPDATE, target);
}

static void update_params(lowering *l)
{
    const typed_program *p = l->program;
    bool init = l->kind == LOWER_INIT;
    for (int i = 0; i < p->params.count; i++) {
        const typed_param *w = &p->params.data[i];
        update(l, w->tensor, init ? w->init : w->next);
        for (int j = 0; j < w->slot_count; j++)
            update(l, w->slots[j].tensor,
                   init ? w->slots[j].init : w->slots[j].next);
    }
}

static void update_states(lowering *l)
{
    const typed_program *p = l->program;
    bool init = l->kind == LOWER_INIT;
    for (int i = 0; i < p->states.count; i++) {
        const typed_state *s = &p->states.data[i];
        update(l, s->tensor, init ? s->init : s->next);
    }
}

/* Under names with `prefix`: gradients, or the states' new values. */
static void give_grads(lowering *l, const char *prefix)
{
    const typed_program *p = l->program;
    for (int i = 0; i < p->params.count; i++)
        if (p->params.data[i].grad)
            give(l,
                 arena_printf(l->g->arena, "%s%s", prefix,
                              p->params.data[i].tensor->name),
                 p->params.data[i].grad);
}

static void give_next_states(lowering *l)
{
    const typed_program *p = l->program;
    for (int i = 0; i < p->states.count; i++)
        if (p->states.data[i].next)
            give_node(l,
                      arena_printf(l->g->arena, LOWER_NEXT_PREFIX "%s",
                                   p->states.data[i].tensor->name),
                      lower_next_state(l, &p->states.data[i]));
}

static void give_values(lowering *l)
{
    const typed_program *p = l->program;
    for (int i = 0; i < p->values.count; i++) {
        const typed_value *v = &p->values.data[i];
        if (l->kind == LOWER_PREDICT ? v->result : strcmp(v->name, "loss"))
            give(l, v->name, v->tensor);
    }
}

static void give_partials(lowering *l)
{
    for (int i = 0; i < l->program->partials.count; i++)
        give(l, l->program->partials.data[i].name,
             l->program->partials.data[i].tensor);
}

static void give_expects(lowering *l)
{
    const typed_program *p = l->program;
    for (int i = 0; i < p->expects.count; i++) {
        const typed_expect *x = &p->expects.data[i];
        give(l, arena_printf(l->g->arena, "expect%d", i), x->cond);
        give(l, arena_printf(l->g->arena, "got%d", i), x->a);
        give(l, arena_printf(l->g->arena, "want%d", i), x->b);
    }
}

static void give_metrics(lowering *l)
{
    const typed_program *p = l->program;
    for (int i = 0; i < p->metrics.count; i++) {
        const typed_metric *m = &p->metrics.data[i];
        if ((l->kind == LOWER_METRICS) == (m->sum_count > 0))
            give(l, m->name, m->tensor);
        for (int k = 0; k < m->sum_count && l->kind == LOWER_EVAL; k++)
            give(l, m->sums[k].name, m->sums[k].batch);
    }
}

/* Where every parameter is frozen, no gradient asked for the weight. */
static void give_weight(lowering *l)
{
    if (!l->weight_node)
        l->weight_node = lower_weight(l);
    ir_output_add(l->g, "weight", l->weight_node, IR_OUT_VALUE, NULL);
}

static void give_rate(lowering *l)
{
    ir_comp comp = {.reduce = IR_MAP, .body = ir_real(l->g, 0.0)};
    if (l->program->lr) {
        give(l, "lr", l->program->lr);
        return;
    }
    ir_output_add(l->g, "lr", ir_comprehend(l->g, "lr", &comp, (src_range){0}),
                  IR_OUT_VALUE, NULL);
}

static void give_outputs(lowering *l)
{
    const typed_program *p = l->program;
    if (gives_loss(l))
        give(l, "loss", p->loss);
    switch (l->kind) {
    case LOWER_INIT:
        update_params(l);
        update_states(l);
        break;
    case LOWER_TRAIN:
        give_rate(l);
        update_params(l);
        update_states(l);
        break;
    case LOWER_SHARD:
        give_weight(l);
        give_grads(l, LOWER_SUM_PREFIX);
        give_next_states(l);
        break;
    case LOWER_UPDATE:
        give_rate(l);
        update_params(l);
        break;
    case LOWER_PARTIALS:
        give_partials(l);
        break;
    case LOWER_EVAL:
    case LOWER_METRICS:
        give_metrics(l);
        break;
    case LOWER_GRAD:
        give_values(l);
        give_grads(l, "grad/");
        break;
    case LOWER_TEST:
        give_expects(l);
        break;
    default:
        give_values(l);
        break;
    }
}

static lowering *begin(const typed_program *program, lower_kind kind,
                       ptl_diags *diags)
{
    ir_graph *g = ir_graph_new();
    lowering *l = ARENA_NEW(g->arena, lowering);
    int count = program->tensors.count;
    *l = (lowering){.program = program, .kind = kind, .diags = diags, .g = g};
    l->nodes = ARENA_ARRAY(g->arena, ir_node *, count + 1);
    l->needed = ARENA_ARRAY(g->arena, bool, count + 1);
    l->late = ARENA_ARRAY(g->arena, bool, count + 1);
    l->varies = ARENA_ARRAY(g->arena, bool, count + 1);
    l->looped = ARENA_ARRAY(g->arena, bool, count + 1);
    if (kind == LOWER_SHARD)
        l->weight = coupling_find(g->arena, program).weight;
    return l;
}

ir_graph *lower_program(const typed_program *program, lower_kind kind,
                        ptl_diags *diags)
{
    lowering *l = begin(program, kind, diags);
    need_all(l);
    lower_find_loops(l);
    make_inputs(l);
    if (!make_definitions(l)) {
        ir_graph_free(l->g);
        return NULL;
    }
    give_outputs(l);
    if (kind == LOWER_CHECK)
        lower_add_customs(l);
    else
        ir_prune(l->g);
    return l->g;
}
