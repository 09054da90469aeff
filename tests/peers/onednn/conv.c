/*
 * conv.c - a convolution 3x3, forward and both gradients, by oneDNN:
 *
 *     open conv batch= channels= size=      x, w, dy in; y, dx, dw out
 *
 *   plain    row-major in and out: the layouts oneDNN likes best are made from
 *            them and back each time
 *   blocked  images stay in oneDNN's layouts, as between the layers of a
 *            network; weights are row-major, since an optimizer updates them
 */
#include "onednn.h"

enum { PLAIN, BLOCKED, WAYS, MOST_CALLS = 16 };

/* The calls of one way. In BLOCKED images are brought in before and out
 * after, outside the time. */
typedef struct pipeline {
    dnn_call before[MOST_CALLS], timed[MOST_CALLS], after[MOST_CALLS];
    int before_count, timed_count, after_count;
} pipeline;

typedef struct dnn_conv {
    dnnl_memory_desc_t image, window; /* row-major */
    dnnl_memory_t x, w, dy, y, dx, dw;
    pipeline ways[WAYS];
} dnn_conv;

static const dnnl_dims_t ones = {1, 1};

static dnnl_memory_desc_t described(const dnnl_dims_t dims,
                                    dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t desc;
    DNN(dnnl_memory_desc_init_by_tag(&desc, 4, dims, dnnl_f32, tag));
    return desc;
}

/* ---------- descriptors of the three primitives ---------- */

static dnnl_primitive_desc_t created(const dnnl_convolution_desc_t *desc,
                                     const_dnnl_primitive_desc_t hint)
{
    dnnl_primitive_desc_t pd;
    DNN(dnnl_primitive_desc_create(&pd, desc, NULL, dnn_engine(), hint));
    return pd;
}

typedef struct three {
    dnnl_primitive_desc_t forward, data, weights;
} three;

static three describe(const dnn_conv *c)
{
    dnnl_memory_desc_t image = described(c->image.dims, dnnl_format_tag_any);
    dnnl_memory_desc_t window = described(c->window.dims, dnnl_format_tag_any);
    dnnl_convolution_desc_t desc;
    three t;
    DNN(dnnl_convolution_forward_desc_init(
        &desc, dnnl_forward_training, dnnl_convolution_direct, &image, &window,
        NULL, &image, ones, ones, ones));
    t.forward = created(&desc, NULL);
    /* Gradients take images as the forward pass left them. */
    dnnl_memory_desc_t x = *dnn_wants(t.forward, dnnl_query_src_md);
    dnnl_memory_desc_t y = *dnn_wants(t.forward, dnnl_query_dst_md);
    DNN(dnnl_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct,
                                                 &x, &window, &y, ones, ones,
                                                 ones));
    t.data = created(&desc, t.forward);
    DNN(dnnl_convolution_backward_weights_desc_init(
        &desc, dnnl_convolution_direct, &x, &window, NULL, &y, ones, ones,
        ones));
    t.weights = created(&desc, t.forward);
    return t;
}

/* ---------- a pipeline ---------- */

static void push(dnn_call *calls, int *count, dnn_call call)
{
    PTL_ASSERT(*count < MOST_CALLS);
    calls[(*count)++] = call;
}

static dnn_call compute(dnnl_primitive_desc_t pd, int a, dnnl_memory_t from_a,
                        int b, dnnl_memory_t from_b, int to,
                        dnnl_memory_t result)
{
    return (dnn_call){.primitive = dnn_primitive(pd),
                      .args = {{a, from_a}, {b, from_b}, {to, result}},
                      .arg_count = 3};
}

/* Memory as `desc` wants it, brought from `given`. */
static dnnl_memory_t taken(pipeline *p, dnnl_memory_t given, bool timed,
                           const dnnl_memory_desc_t *desc)
{
    dnnl_memory_t own = dnn_memory(desc, NULL);
    if (timed)
        push(p->timed, &p->timed_count, dnn_reorder(given, own));
    else
        push(p->before, &p->before_count, dnn_reorder(given, own));
    return own;
}

static void given_back(pipeline *p, dnnl_memory_t own, bool timed,
                       dnnl_memory_t out)
{
    if (timed)
        push(p->timed, &p->timed_count, dnn_reorder(own, out));
    else
        push(p->after, &p->after_count, dnn_reorder(own, out));
}

static void build(dnn_conv *c, int way)
{
    pipeline *p = &c->ways[way];
    three t = describe(c);
    bool images = way == PLAIN;
    dnnl_memory_t x =
        taken(p, c->x, images, dnn_wants(t.forward, dnnl_query_src_md));
    dnnl_memory_t dy =
        taken(p, c->dy, images, dnn_wants(t.forward, dnnl_query_dst_md));
    dnnl_memory_t w =
        taken(p, c->w, true, dnn_wants(t.forward, dnnl_query_weights_md));
    dnnl_memory_t w2 =
        taken(p, c->w, true, dnn_wants(t.data, dnnl_query_weights_md));
    dnnl_memory_t y = dnn_memory(dnn_wants(t.forward, dnnl_query_dst_md), NULL);
    dnnl_memory_t dx =
        dnn_memory(dnn_wants(t.data, dnnl_query_diff_src_md), NULL);
    dnnl_memory_t dw =
        dnn_memory(dnn_wants(t.weights, dnnl_query_diff_weights_md), NULL);
    push(p->timed, &p->timed_count,
         compute(t.forward, DNNL_ARG_SRC, x, DNNL_ARG_WEIGHTS, w, DNNL_ARG_DST,
                 y));
    push(p->timed, &p->timed_count,
         compute(t.data, DNNL_ARG_DIFF_DST, dy, DNNL_ARG_WEIGHTS, w2,
                 DNNL_ARG_DIFF_SRC, dx));
    push(p->timed, &p->timed_count,
         compute(t.weights, DNNL_ARG_SRC, x, DNNL_ARG_DIFF_DST, dy,
                 DNNL_ARG_DIFF_WEIGHTS, dw));
    given_back(p, y, images, c->y);
    given_back(p, dx, images, c->dx);
    given_back(p, dw, true, c->dw);
}

/* ---------- the work ---------- */

/* The first execution, which is never timed, also brings in and out what
 * BLOCKED leaves in oneDNN's layouts. */
static ptl_status run_conv(void *ctx, int variant, int64_t step, ptl_error *err)
{
    dnn_conv *c = ctx;
    pipeline *p = &c->ways[variant];
    (void)err;
    if (step == 0)
        dnn_run(p->before, p->before_count);
    dnn_run(p->timed, p->timed_count);
    if (step == 0)
        dnn_run(p->after, p->after_count);
    return PTL_OK;
}

ptl_status dnn_conv_open(const work_request *r, work *w, ptl_error *err)
{
    dnn_conv *c = ARENA_NEW(w->arena, dnn_conv);
    int64_t channels = request_int(r, "channels", 1);
    int64_t size = request_int(r, "size", 1);
    dnnl_dims_t image = {request_int(r, "batch", 1), channels, size, size};
    dnnl_dims_t window = {channels, channels, 3, 3};
    (void)err;
    c->image = described(image, dnnl_nchw);
    c->window = described(window, dnnl_oihw);
    c->x = dnn_memory(&c->image, work_tensor_new(w, "x", WORK_IN, 4, image));
    c->w = dnn_memory(&c->window, work_tensor_new(w, "w", WORK_IN, 4, window));
    c->dy = dnn_memory(&c->image, work_tensor_new(w, "dy", WORK_IN, 4, image));
    c->y = dnn_memory(&c->image, work_tensor_new(w, "y", WORK_OUT, 4, image));
    c->dx = dnn_memory(&c->image, work_tensor_new(w, "dx", WORK_OUT, 4, image));
    c->dw =
        dnn_memory(&c->window, work_tensor_new(w, "dw", WORK_OUT, 4, window));
    build(c, PLAIN);
    build(c, BLOCKED);
    w->ctx = c;
    w->run = run_conv;
    w->close = dnn_release;
    w->variants[PLAIN] = "plain";
    w->variants[BLOCKED] = "blocked";
    return PTL_OK;
}
