/*
 * graph_case.c - see the header.
 */
#include "llvm/graph_case.h"
#include "base/philox.h"
#include "device/test_device.h"
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Says what is wrong and ends the process. */
__attribute__((format(printf, 1, 2))) static void stop(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* ---------- inputs ---------- */

static double random_real(uint64_t seed, int input, int64_t element, bool f64)
{
    double u = philox_uniform(seed, (uint64_t)input, 0, (uint64_t)element);
    double x = 2.0 * u - 1.0;
    return f64 ? x : (double)(float)x;
}

static double random_number(const ir_node *n, uint64_t seed, int64_t element,
                            bool f64)
{
    double u = philox_uniform(seed, (uint64_t)n->id, 0, (uint64_t)element);
    switch (n->type.kind) {
    case IR_REAL:
        return random_real(seed, n->id, element, f64);
    case IR_INT:
        return floor(u * (double)(n->type.bound ? n->type.bound : 7));
    case IR_BOOL:
        break;
    }
    return u < 0.5;
}

static void fill_input(graph_case *c, const ir_node *n, uint64_t seed, bool f64)
{
    int64_t count = ir_element_count(&n->type);
    double *numbers = calloc((size_t)count + 1, sizeof *numbers);
    for (int64_t i = 0; i < count; i++)
        numbers[i] = random_number(n, seed, i, f64);
    ir_values_set(c->values, n, numbers);
    free(numbers);
}

graph_case *graph_case_new(const char *text, uint64_t seed, bool f64)
{
    ptl_error err = {0};
    graph_case *c = calloc(1, sizeof *c);
    c->diags = diags_new(0);
    c->arena = arena_new();
    src_file *file = src_file_new(c->arena, "test.ir", text, strlen(text));
    c->graph = ir_parse(file, c->diags);
    if (!c->graph) {
        ptl_str out = {0};
        diags_print(c->diags, &out, false);
        stop("%s", str_text(&out));
    }
    if (!ir_verify(c->graph, &err))
        stop("%s", err.text);
    c->values = ir_values_new(c->graph);
    c->values->eps = f64 ? DBL_EPSILON : (double)FLT_EPSILON;
    for (int i = 0; i < c->graph->nodes.count; i++)
        if (c->graph->nodes.data[i]->kind == IR_INPUT)
            fill_input(c, c->graph->nodes.data[i], seed, f64);
    if (ir_eval(c->graph, c->values, NULL, &err) != PTL_OK)
        stop("%s", err.text);
    return c;
}

void graph_case_free(graph_case *c)
{
    ir_values_free(c->values);
    ir_graph_free(c->graph);
    diags_free(c->diags);
    arena_free(c->arena);
    free(c);
}

/* ---------- running ---------- */

static void put_number(void *to, ptl_dtype dtype, int64_t i, double x)
{
    switch (dtype) {
    case PTL_F32:
        ((float *)to)[i] = (float)x;
        break;
    case PTL_F64:
        ((double *)to)[i] = x;
        break;
    case PTL_I32:
        ((int32_t *)to)[i] = (int32_t)x;
        break;
    case PTL_I64:
        ((int64_t *)to)[i] = (int64_t)x;
        break;
    default:
        ((uint8_t *)to)[i] = (uint8_t)x;
    }
}

static double get_number(const void *from, ptl_dtype dtype, int64_t i)
{
    switch (dtype) {
    case PTL_F32:
        return (double)((const float *)from)[i];
    case PTL_F64:
        return ((const double *)from)[i];
    case PTL_I32:
        return ((const int32_t *)from)[i];
    case PTL_I64:
        return (double)((const int64_t *)from)[i];
    default:
        return ((const uint8_t *)from)[i];
    }
}

static bool is_bound_outside(ptl_role role)
{
    return role == PTL_ROLE_PARAM || role == PTL_ROLE_STATE ||
           role == PTL_ROLE_SLOT || role == PTL_ROLE_DATA;
}

static void bind_input(const graph_case *c, ptl_run *run, int index,
                       void **memory)
{
    const ptl_buffer *b = &run_program(run)->buffers[index];
    const ir_node *n = ir_find(c->graph, b->name);
    if (!n)
        stop("no input is called \"%s\"", b->name);
    int64_t count = ir_element_count(&n->type);
    void *at = run_data(run, index);
    if (is_bound_outside(b->role)) {
        at = *memory = memory_map((size_t)b->size_bytes);
        run_bind(run, index, at);
    }
    for (int64_t i = 0; i < count; i++)
        put_number(at, b->dtype, i, creal(c->values->data[n->id][i]));
}

static void take_output(const graph_case *c, ptl_run *run, int index,
                        graph_result *r)
{
    const ir_output *out = &c->graph->outputs.data[index];
    const char *name =
        out->role == IR_OUT_VALUE ? out->name : out->target->name;
    int buffer = program_find(run_program(run), name);
    if (buffer < 0)
        stop("the program has no \"%s\"", name);
    const ptl_buffer *b = &run_program(run)->buffers[buffer];
    r->dtype[index] = b->dtype;
    r->elements[index] = ir_element_count(&out->node->type);
    r->data[index] = malloc((size_t)b->size_bytes + 1);
    memcpy(r->data[index], run_data(run, buffer), (size_t)b->size_bytes);
}

static ptl_program *compile_case(const graph_case *c, graph_way way)
{
    ptl_error err = {0};
    ptl_program *program = NULL;
    compile_options options = {.f64 = way.f64,
                               .no_fuse = way.no_fuse,
                               .cpu = way.cpu,
                               .verify = true,
                               .device = test_device()};
    if (compile_graph(c->graph, "test", &options, &program, &err) != PTL_OK)
        stop("%s", err.text);
    return program;
}

void graph_emit(const char *text, const char *stage, ptl_str *out)
{
    graph_case *c = graph_case_new(text, 1, false);
    compile_options options = {.verify = true};
    ptl_error err = {0};
    if (compile_emit(c->graph, stage, &options, out, &err) != PTL_OK)
        stop("%s", err.text);
    graph_case_free(c);
}

graph_result *graph_case_run(const graph_case *c, graph_way way)
{
    ptl_error err = {0};
    ptl_pool *pool;
    ptl_run *run;
    ptl_program *program = compile_case(c, way);
    if (pool_open(way.threads, &pool, &err) != PTL_OK)
        stop("%s", err.text);
    if (run_open(program, pool, &run, &err) != PTL_OK)
        stop("%s", err.text);
    void **memory = calloc((size_t)program->buffer_count, sizeof *memory);
    for (int i = 0; i < program->buffer_count; i++)
        if (is_bound_outside(program->buffers[i].role) ||
            program->buffers[i].role == PTL_ROLE_SCALAR)
            bind_input(c, run, i, &memory[i]);
    if (run_execute(run, &err) != PTL_OK)
        stop("%s", err.text);
    int count = c->graph->outputs.count;
    graph_result *r = calloc(1, sizeof *r);
    r->count = count;
    r->dtype = calloc((size_t)count, sizeof *r->dtype);
    r->elements = calloc((size_t)count, sizeof *r->elements);
    r->data = calloc((size_t)count, sizeof *r->data);
    for (int i = 0; i < count; i++)
        take_output(c, run, i, r);
    run_close(run);
    pool_close(pool);
    for (int i = 0; i < program->buffer_count; i++)
        if (memory[i])
            memory_unmap(memory[i], (size_t)program->buffers[i].size_bytes);
    free(memory);
    program->release(program);
    return r;
}

void graph_result_free(graph_result *r)
{
    for (int i = 0; i < r->count; i++)
        free(r->data[i]);
    free(r->data);
    free(r->dtype);
    free(r->elements);
    free(r);
}

/* ---------- judging ---------- */

static bool is_near(double got, double want, double bound)
{
    if (isnan(want) || isnan(got))
        return (isnan(want) && isnan(got)) || isinf(bound);
    return got == want || fabs(got - want) <= bound;
}

void assert_near_oracle(const graph_case *c, const graph_result *r)
{
    for (int i = 0; i < r->count; i++) {
        const ir_node *n = c->graph->outputs.data[i].node;
        bool whole = n->type.kind != IR_REAL;
        for (int64_t k = 0; k < r->elements[i]; k++) {
            double want = creal(c->values->data[n->id][k]);
            double bound = c->values->error[n->id][k];
            double got = get_number(r->data[i], r->dtype[i], k);
            if (whole && bound > 0)
                continue;
            if (!is_near(got, want, bound))
                stop("output \"%s\"[%lld]: %.9g, the oracle says %.9g "
                         "(bound %.3g)",
                         c->graph->outputs.data[i].name, (long long)k, got,
                         want, bound);
        }
    }
}

void assert_same_bits(const graph_result *a, const graph_result *b)
{
    for (int i = 0; i < a->count; i++) {
        size_t size = (size_t)(a->elements[i] * dtype_size(a->dtype[i]));
        if (memcmp(a->data[i], b->data[i], size) != 0)
            stop("output %d differs in bits between two runs", i);
    }
}

static void check_precision(const char *text, bool pointwise, bool f64)
{
    graph_case *c = graph_case_new(text, 7, f64);
    graph_way way = {.f64 = f64, .threads = 1};
    graph_result *one = graph_case_run(c, way);
    assert_near_oracle(c, one);
    way.threads = 2;
    graph_result *two = graph_case_run(c, way);
    assert_same_bits(one, two);
    way.no_fuse = true;
    graph_result *unfused = graph_case_run(c, way);
    assert_near_oracle(c, unfused);
    if (pointwise)
        assert_same_bits(one, unfused);
    graph_result_free(one);
    graph_result_free(two);
    graph_result_free(unfused);
    graph_case_free(c);
}

void check_graph(const char *text, bool pointwise)
{
    check_precision(text, pointwise, false);
    check_precision(text, pointwise, true);
}
