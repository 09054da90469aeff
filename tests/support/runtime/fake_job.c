/*
 * fake_job.c - programs by hand.
 */
#include "runtime/fake_job.h"
#include "base/file.h"
#include "base/philox.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int live;

typedef struct fake {
    fake_options options;
    ptl_job job;
    ptl_job_array train[3], eval[3];
} fake;

/* Buffer numbers of every fake program; a program uses some. */
enum {
    B_X,
    B_Y,
    B_LABEL,
    B_W,
    B_BIAS,
    B_SEEN,
    B_MW,
    B_STEP,
    B_SEED,
    B_ERRS,
    B_LOSS,
    B_LR,
    B_MAE,
    B_YHAT,
    B_CONST,
    B_COUNT
};

typedef struct constants {
    int64_t rows;
    double lr;
    int64_t nan_at;
    int64_t step_ms;
} constants;

/* args: all buffers by number; NULL where the program has none. */
static float noisy(void *const *args, int64_t n, int d)
{
    const float *x = args[B_X];
    int32_t step = *(const int32_t *)args[B_STEP];
    int64_t seed = *(const int64_t *)args[B_SEED];
    double u = philox_uniform((uint64_t)seed, 77, (uint64_t)step,
                              (uint64_t)(2 * n + d));
    return x[2 * n + d] + (float)(0.01 * (u - 0.5));
}

static void errors(void *const *args, int64_t begin, int64_t end)
{
    const float *y = args[B_Y], *w = args[B_W], *b = args[B_BIAS];
    float *e = args[B_ERRS];
    for (int64_t n = begin; n < end; n++)
        e[n] =
            w[0] * noisy(args, n, 0) + w[1] * noisy(args, n, 1) + b[0] - y[n];
}

static void update(void *const *args, int64_t begin, int64_t end)
{
    const constants *c = args[B_CONST];
    const float *e = args[B_ERRS];
    float *w = args[B_W], *b = args[B_BIAS], *m = args[B_MW];
    float *loss = args[B_LOSS], *lr = args[B_LR];
    float g[3] = {0};
    int32_t step = *(const int32_t *)args[B_STEP];
    (void)begin;
    (void)end;
    *loss = 0;
    *lr = (float)c->lr;
    for (int64_t n = 0; n < c->rows; n++) {
        *loss += e[n] * e[n];
        for (int d = 0; d < 2; d++)
            g[d] += 2 * e[n] * noisy(args, n, d);
        g[2] += 2 * e[n];
    }
    *loss /= (float)c->rows;
    for (int d = 0; d < 3; d++) {
        m[d] = 0.9f * m[d] + g[d] / (float)c->rows;
        *(d < 2 ? &w[d] : b) -= *lr * m[d];
    }
    *(float *)args[B_SEEN] += (float)c->rows;
    if (c->nan_at && step + 1 == c->nan_at) {
        *loss = NAN;
        w[0] = NAN;
    }
    if (c->step_ms) {
        struct timespec t = {0, c->step_ms * 1000000L};
        nanosleep(&t, NULL);
    }
}

static void metrics(void *const *args, int64_t begin, int64_t end)
{
    const constants *c = args[B_CONST];
    const float *e = args[B_ERRS];
    float *loss = args[B_LOSS], *mae = args[B_MAE];
    (void)begin;
    (void)end;
    *loss = *mae = 0;
    for (int64_t n = 0; n < c->rows; n++) {
        *loss += e[n] * e[n];
        *mae += fabsf(e[n]);
    }
    *loss /= (float)c->rows;
    *mae /= (float)c->rows;
}

/* Evaluation and prediction see the inputs without noise. */
static float plain(void *const *args, int64_t n)
{
    const float *x = args[B_X], *w = args[B_W], *b = args[B_BIAS];
    return w[0] * x[2 * n] + w[1] * x[2 * n + 1] + b[0];
}

static void plain_errors(void *const *args, int64_t begin, int64_t end)
{
    const float *y = args[B_Y];
    float *e = args[B_ERRS];
    for (int64_t n = begin; n < end; n++)
        e[n] = plain(args, n) - y[n];
}

static void predict(void *const *args, int64_t begin, int64_t end)
{
    float *yhat = args[B_YHAT];
    for (int64_t n = begin; n < end; n++)
        yhat[n] = plain(args, n);
}

static void init(void *const *args, int64_t begin, int64_t end)
{
    float *w = args[B_W], *b = args[B_BIAS];
    int64_t seed = *(const int64_t *)args[B_SEED];
    (void)begin;
    (void)end;
    for (int d = 0; d < 2; d++)
        w[d] = (float)philox_normal((uint64_t)seed, 5, 0, (uint64_t)d);
    *b = 0;
    *(float *)args[B_SEEN] = 0;
    memset(args[B_MW], 0, 3 * sizeof(float));
}

typedef struct made {
    ptl_program program;
    ptl_buffer buffers[B_COUNT];
    ptl_step steps[2];
    constants constants;
    int64_t arena;
} made;

static const int all_args[B_COUNT] = {0, 1, 2,  3,  4,  5,  6, 7,
                                      8, 9, 10, 11, 12, 13, 14};

static void add(made *m, int index, const char *name, ptl_role role,
                ptl_dtype dtype, int64_t d0, int64_t d1)
{
    ptl_buffer *b = &m->buffers[index];
    *b = (ptl_buffer){.name = name, .role = role, .dtype = dtype};
    b->size_bytes = dtype_size(dtype);
    if (d0)
        b->dims[b->rank++] = d0;
    if (d1)
        b->dims[b->rank++] = d1;
    for (int i = 0; i < b->rank; i++)
        b->size_bytes *= b->dims[i];
    if (role == PTL_ROLE_OUTPUT || role == PTL_ROLE_TRANSIENT) {
        b->arena_offset = m->arena;
        m->arena += (b->size_bytes + 63) / 64 * 64;
    }
}

static void release(ptl_program *p)
{
    live--;
    free(p->owner);
}

/* A buffer this kind of program does not have becomes a transient. */
static void add_if(made *m, bool has, int index, const char *name,
                   ptl_role role, ptl_dtype dtype, int64_t d0, int64_t d1)
{
    add(m, index, name, has ? role : PTL_ROLE_TRANSIENT, dtype, d0, d1);
}

static void add_buffers(made *m, ptl_program_kind kind, int64_t n)
{
    bool trains = kind == PTL_PROGRAM_TRAIN, inits = kind == PTL_PROGRAM_INIT;
    bool learns = trains || kind == PTL_PROGRAM_EVAL;
    bool reads = !inits;
    add_if(m, reads, B_X, "x", PTL_ROLE_DATA, PTL_F32, n, 2);
    add_if(m, learns, B_Y, "y", PTL_ROLE_DATA, PTL_F32, n, 0);
    add_if(m, learns, B_LABEL, "label", PTL_ROLE_DATA, PTL_U8, n, 0);
    m->buffers[B_LABEL].idx_bound = learns ? 10 : 0;
    add(m, B_W, "net.w", PTL_ROLE_PARAM, PTL_F32, 2, 0);
    add(m, B_BIAS, "net.b", PTL_ROLE_PARAM, PTL_F32, 1, 0);
    add_if(m, trains || inits, B_SEEN, "net.seen", PTL_ROLE_STATE, PTL_F32, 0,
           0);
    add_if(m, trains || inits, B_MW, "net.w/m", PTL_ROLE_SLOT, PTL_F32, 3, 0);
    add_if(m, trains, B_STEP, "step", PTL_ROLE_SCALAR, PTL_I32, 0, 0);
    add_if(m, trains || inits, B_SEED, "seed", PTL_ROLE_SCALAR, PTL_I64, 0, 0);
    add(m, B_ERRS, NULL, PTL_ROLE_TRANSIENT, PTL_F32, n, 0);
    add_if(m, learns, B_LOSS, "loss", PTL_ROLE_OUTPUT, PTL_F32, 0, 0);
    add_if(m, trains, B_LR, "lr", PTL_ROLE_OUTPUT, PTL_F32, 0, 0);
    add_if(m, kind == PTL_PROGRAM_EVAL, B_MAE, "mae", PTL_ROLE_OUTPUT, PTL_F32,
           0, 0);
    add_if(m, kind == PTL_PROGRAM_PREDICT, B_YHAT, "yhat", PTL_ROLE_OUTPUT,
           PTL_F32, n, 0);
    add(m, B_CONST, NULL, PTL_ROLE_CONSTANT, PTL_U8, sizeof(constants), 0);
    m->buffers[B_CONST].constant = &m->constants;
}

static void add_steps(made *m, ptl_program_kind kind, int64_t n)
{
    static const ptl_entry entries[][2] = {
        [PTL_PROGRAM_INIT] = {init, NULL},
        [PTL_PROGRAM_TRAIN] = {errors, update},
        [PTL_PROGRAM_EVAL] = {plain_errors, metrics},
        [PTL_PROGRAM_PREDICT] = {predict, NULL}};
    for (int i = 0; i < 2 && entries[kind][i]; i++) {
        bool alone = i == 1 || kind == PTL_PROGRAM_INIT;
        m->steps[i] = (ptl_step){.name = "step",
                                 .entry = entries[kind][i],
                                 .args = all_args,
                                 .arg_count = B_COUNT,
                                 .task_count = alone ? 1 : n};
        m->program.step_count++;
    }
}

static ptl_status build(ptl_job *job, ptl_program_kind kind, int64_t rows,
                        const ptl_job_tensor *raw, int raw_count,
                        ptl_program **out, ptl_error *err)
{
    const fake *f = job->owner;
    (void)raw;
    (void)raw_count;
    made *m = calloc(1, sizeof *m);
    if (!m)
        return ptl_fail(err, PTL_E_MEMORY, "no memory");
    m->constants =
        (constants){rows, f->options.lr, f->options.nan_at, f->options.step_ms};
    add_buffers(m, kind, rows);
    m->program = (ptl_program){.name = "fake",
                               .buffers = m->buffers,
                               .buffer_count = B_COUNT,
                               .steps = m->steps,
                               .release = release,
                               .owner = m};
    add_steps(m, kind, rows);
    m->program.arena_bytes = m->arena;
    live++;
    *out = &m->program;
    return PTL_OK;
}

ptl_job *fake_job_new(const fake_options *o)
{
    static const char *const metric_names[] = {"mae"};
    static const bool no_sums[] = {false};
    fake *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    f->options = *o;
    const char *paths[2][3] = {{o->train_x, o->train_y, o->train_label},
                               {o->eval_x, o->eval_y, o->eval_label}};
    static const char *const fields[3] = {"x", "y", "label"};
    for (int i = 0; i < 3; i++) {
        f->train[i] = (ptl_job_array){fields[i], paths[0][i], ""};
        f->eval[i] = (ptl_job_array){fields[i], paths[1][i], ""};
    }
    f->job = (ptl_job){.model = "plane",
                       .source_hash = "0123456789abcdef",
                       .config_json = "{\"train.lr\":0.05}",
                       .seed = o->seed,
                       .batch = o->batch,
                       .steps = o->steps,
                       .epochs = o->epochs,
                       .eval_every = o->eval_every,
                       .checkpoint_every = o->checkpoint_every,
                       .eval_epochs = 1,
                       .checkpoint_epochs = 1,
                       .train = {"idx", f->train, 3, 0, -1},
                       .eval = {"idx", f->eval, o->eval_x ? 3 : 0, 0, -1},
                       .parameter_count = 3,
                       .metrics = metric_names,
                       .metric_count = 1,
                       .summed = no_sums,
                       .build = build,
                       .owner = f};
    return &f->job;
}

void fake_job_free(ptl_job *job)
{
    free(job->owner);
}

int fake_job_live_programs(void)
{
    return live;
}

static char folder[64];

const char *fake_folder(void)
{
    if (!*folder) {
        strcpy(folder, "/tmp/ptl-test-XXXXXX");
        if (!mkdtemp(folder))
            abort();
    }
    return folder;
}

void fake_folder_remove(void)
{
    if (*folder)
        folder_remove(folder, NULL);
    *folder = '\0';
}

const char *fake_path(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", fake_folder(), name);
    return path;
}

void fake_write(const char *name, const void *bytes, size_t size)
{
    if (file_write_whole(fake_path(name), bytes, size, NULL) != PTL_OK)
        abort();
}

static unsigned char *put32(unsigned char *at, uint32_t bits)
{
    for (int i = 0; i < 4; i++)
        *at++ = (unsigned char)(bits >> (24 - 8 * i));
    return at;
}

static unsigned char *put_real(unsigned char *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put32(at, bits);
}

void fake_data(const char *prefix, int rows)
{
    size_t room = (size_t)rows * 8 + 16;
    unsigned char *x = malloc(room), *y = malloc(room), *l = malloc(room);
    if (!x || !y || !l)
        abort();
    unsigned char *xa = put32(put32(put32(x, 0x0D02), (uint32_t)rows), 2);
    unsigned char *ya = put32(put32(y, 0x0D01), (uint32_t)rows);
    unsigned char *la = put32(put32(l, 0x0801), (uint32_t)rows);
    for (int n = 0; n < rows; n++) {
        float a = (float)philox_uniform(9, 1, 0, (uint64_t)n) - 0.5f;
        float b = (float)philox_uniform(9, 2, 0, (uint64_t)n) - 0.5f;
        xa = put_real(put_real(xa, a), b);
        ya = put_real(ya, 3 * a - 2 * b + 0.5f);
        *la++ = (unsigned char)(n % 10);
    }
    char name[64];
    snprintf(name, sizeof name, "%sx.idx", prefix);
    fake_write(name, x, (size_t)(xa - x));
    snprintf(name, sizeof name, "%sy.idx", prefix);
    fake_write(name, y, (size_t)(ya - y));
    snprintf(name, sizeof name, "%slabel.idx", prefix);
    fake_write(name, l, (size_t)(la - l));
    free(x);
    free(y);
    free(l);
}
