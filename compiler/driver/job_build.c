/*
 * job_build.c - a `.ptl` file becomes a job: its settings now, its programs
 * when the runtime asks for them with batch sizes and the files' shapes.
 */
#include "job_build.h"
#include "base/map.h"
#include "cluster_role.h"
#include "compile_file.h"
#include "lang/slices.h"
#include "runtime/device.h"
#include <stdlib.h>
#include <string.h>

typedef struct job_owner {
    ptl_job job;
    const char *path; /* of FILE */
    driver *d;
    ptl_arena *arena; /* settings, and what the job points at */
    lang_modules *modules;
    elab_options options;
    compile_options compile;
    const typed_cluster *cluster;
} job_owner;

/* ---------- tensors ---------- */

static ptl_job_tensor job_tensor(job_owner *o, const ty_tensor *t,
                                 ptl_role role)
{
    ptl_job_tensor out = {.path = arena_strdup(o->arena, t->name),
                          .role = role,
                          .dtype = o->compile.f64 ? PTL_F64 : PTL_F32,
                          .rank = t->rank};
    for (int i = 0; i < t->rank; i++)
        out.dims[i] = t->dims[i];
    return out;
}

static ptl_sync sync_of(const char *word)
{
    return !word                   ? PTL_SYNC_NONE
           : !strcmp(word, "mean") ? PTL_SYNC_MEAN
           : !strcmp(word, "sum")  ? PTL_SYNC_SUM
                                   : PTL_SYNC_LOCAL;
}

static void list_tensors(job_owner *o, const typed_program *p)
{
    VEC(ptl_job_tensor) list = {0};
    o->job.parameter_count = 0;
    for (int i = 0; i < p->params.count; i++) {
        const typed_param *w = &p->params.data[i];
        ptl_job_tensor t = job_tensor(o, w->tensor, PTL_ROLE_PARAM);
        t.trained = !w->frozen;
        t.whole = !typed_may_be_cut(p, w);
        vec_push(o->arena, &list, t);
        o->job.parameter_count += ty_element_count(w->tensor);
    }
    for (int i = 0; i < p->states.count; i++) {
        ptl_job_tensor t =
            job_tensor(o, p->states.data[i].tensor, PTL_ROLE_STATE);
        t.sync = sync_of(p->states.data[i].sync);
        vec_push(o->arena, &list, t);
    }
    for (int i = 0; i < p->params.count; i++)
        for (int j = 0; j < p->params.data[i].slot_count; j++)
            vec_push(o->arena, &list,
                     job_tensor(o, p->params.data[i].slots[j].tensor,
                                PTL_ROLE_SLOT));
    o->job.tensors = list.data;
    o->job.tensor_count = list.count;
}

static void list_totals(job_owner *o, const typed_program *p)
{
    int *rounds = ARENA_ARRAY(o->arena, int, p->totals.count + 1);
    for (int i = 0; i < p->totals.count; i++)
        rounds[i] = p->totals.data[i].round;
    o->job.total_count = p->totals.count;
    o->job.total_rounds = rounds;
    o->job.rounds = typed_round_count(p);
}

static void list_metrics(job_owner *o, const typed_program *p)
{
    int count = p->metrics.count;
    const char **names = ARENA_ARRAY(o->arena, const char *, count + 1);
    bool *summed = ARENA_ARRAY(o->arena, bool, count + 1);
    VEC(ptl_job_tensor) sums = {0};
    for (int i = 0; i < count; i++) {
        const typed_metric *m = &p->metrics.data[i];
        names[i] = arena_strdup(o->arena, m->name);
        summed[i] = m->sum_count > 0;
        for (int k = 0; k < m->sum_count; k++)
            vec_push(o->arena, &sums,
                     job_tensor(o, m->sums[k].sum, PTL_ROLE_DATA));
    }
    o->job.metrics = names;
    o->job.metric_count = count;
    o->job.summed = summed;
    o->job.sums = sums.data;
    o->job.sum_count = sums.count;
}

/* ---------- one program ---------- */

static lower_kind lower_kind_of(ptl_program_kind kind)
{
    switch (kind) {
    case PTL_PROGRAM_INIT:
        return LOWER_INIT;
    case PTL_PROGRAM_TRAIN:
        return LOWER_TRAIN;
    case PTL_PROGRAM_EVAL:
        return LOWER_EVAL;
    case PTL_PROGRAM_METRICS:
        return LOWER_METRICS;
    case PTL_PROGRAM_PREDICT:
        return LOWER_PREDICT;
    case PTL_PROGRAM_GRAD:
        return LOWER_GRAD;
    case PTL_PROGRAM_SHARD:
        return LOWER_SHARD;
    case PTL_PROGRAM_UPDATE:
        return LOWER_UPDATE;
    case PTL_PROGRAM_ADD: /* comes from no file */
        break;
    }
    return LOWER_EVAL;
}

static const char *kind_name(lower_kind kind)
{
    static const char *const names[] = {
        "init",     "train",   "eval",  "metrics", "predict", "gradient",
        "forward",  "check",   "test",  "shard",   "update",  "partials"};
    return names[kind];
}

static const elab_raw *raw_shapes(ptl_arena *arena, const ptl_job_tensor *raw,
                                  int count)
{
    elab_raw *out = ARENA_ARRAY(arena, elab_raw, count + 1);
    for (int i = 0; i < count; i++) {
        out[i].field = raw[i].path;
        out[i].dtype = raw[i].dtype;
        out[i].rank = raw[i].rank;
        memcpy(out[i].dims, raw[i].dims, sizeof out[i].dims);
    }
    return out;
}

static ptl_status program_is_wrong(ptl_error *err)
{
    return ptl_fail(err, PTL_E_PROGRAM, "the program is wrong");
}

/* The program was right before it met the files: so are they to blame for
 * `options` not holding with their shapes and types? */
static bool files_are_wrong(job_owner *o, ptl_arena *arena,
                            elab_options options)
{
    ptl_diags *unseen = diags_new(0);
    bool met = options.raw_count > 0;
    options.raw_count = 0;
    bool right = met && elab_train(arena, o->modules, &options, unseen);
    diags_free(unseen);
    return right;
}

static ptl_status files_do_not_fit(const elab_options *options, ptl_error *err)
{
    ptl_str list = {0};
    for (int i = 0; i < options->raw_count; i++) {
        const elab_raw *r = &options->raw[i];
        str_printf(&list, "%sraw.%s [", i ? ", " : "", r->field);
        for (int k = 0; k < r->rank; k++)
            str_printf(&list, "%s%lld", k ? ", " : "", (long long)r->dims[k]);
        str_addc(&list, ']');
    }
    ptl_status st = ptl_fail(err, PTL_E_DATA,
                             "the data does not fit the program; a record of "
                             "the files is %s",
                             str_text(&list));
    str_fini(&list);
    return st;
}

static ptl_status build_graph(job_owner *o, const typed_program *p,
                              lower_kind kind, ptl_program **out,
                              ptl_error *err)
{
    ir_graph *g = lower_program(p, kind, o->d->diags);
    ptl_status st;
    if (!g)
        return program_is_wrong(err);
    driver_simplify(g, p->settings.precision, &o->compile);
    compile_options options = o->compile;
    if (kind == LOWER_UPDATE ? o->job.device_updates : kind != LOWER_PARTIALS)
        options.device = o->job.device;
    st = compile_graph(g, kind_name(kind), &options, out, err);
    ir_graph_free(g);
    return st;
}

/* The train block, elaborated with the files' shapes. */
static ptl_status elaborate(job_owner *o, ptl_arena *arena, elab_mode mode,
                            int64_t rows, const ptl_job_tensor *raw,
                            int raw_count, typed_program **out, ptl_error *err)
{
    elab_options options = o->options;
    options.mode = mode;
    options.rows = rows;
    options.raw = raw_shapes(arena, raw, raw_count);
    options.raw_count = raw_count;
    *out = elab_train(arena, o->modules, &options, o->d->diags);
    if (*out)
        return PTL_OK;
    return files_are_wrong(o, arena, options) ? files_do_not_fit(&options, err)
                                              : program_is_wrong(err);
}

static ptl_status build_add(job_owner *o, int64_t count, ptl_program **out,
                            ptl_error *err)
{
    compile_options options = o->compile;
    ir_graph *g = lower_add(count);
    options.device = o->job.device;
    ptl_status st = compile_graph(g, "add", &options, out, err);
    ir_graph_free(g);
    return st;
}

static ptl_status build(ptl_job *job, ptl_program_kind kind, int64_t rows,
                        const ptl_job_tensor *raw, int raw_count,
                        ptl_program **out, ptl_error *err)
{
    job_owner *o = job->owner;
    if (kind == PTL_PROGRAM_ADD)
        return build_add(o, rows, out, err);
    lower_kind lowered = lower_kind_of(kind);
    elab_mode mode = driver_mode(lowered);
    ptl_arena *arena = arena_new();
    typed_program *p;
    ptl_status st = elaborate(o, arena, mode, rows, raw, raw_count, &p, err);
    if (p && mode == ELAB_TRAIN)
        list_tensors(o, p);
    if (p)
        st = build_graph(o, p, lowered, out, err);
    arena_free(arena);
    return st;
}

static typed_slice *slices_of(ptl_arena *arena, const ptl_job_piece *pieces,
                              int count)
{
    typed_slice *slices = ARENA_ARRAY(arena, typed_slice, count + 1);
    for (int i = 0; i < count; i++)
        slices[i] = (typed_slice){pieces[i].path, pieces[i].name,
                                  pieces[i].first, pieces[i].count};
    return slices;
}

static ptl_status build_update(ptl_job *job, int round,
                               const ptl_job_piece *pieces, int count,
                               const ptl_job_tensor *raw, int raw_count,
                               ptl_program **out, ptl_error *err)
{
    job_owner *o = job->owner;
    ptl_arena *arena = arena_new();
    typed_slice *slices = slices_of(arena, pieces, count);
    lower_kind kind = round < job->rounds ? LOWER_PARTIALS : LOWER_UPDATE;
    typed_program *p;
    ptl_status st = elaborate(o, arena, ELAB_TRAIN, 0, raw, raw_count, &p, err);
    if (p && typed_take_slices(p, slices, count, round))
        st = build_graph(o, p, kind, out, err);
    else if (p)
        st = ptl_fail(err, PTL_E_INTERNAL,
                      "an update is asked for pieces that are none");
    arena_free(arena);
    return st;
}

/* ---------- the job ---------- */

static void job_free(ptl_job *job)
{
    job_owner *o = job->owner;
    device_close(job->device);
    arena_free(o->arena);
    free(o);
}

/* Data of a program lies where its file says, seen from the file: the current
 * folder does not matter. */
static const char *data_path(job_owner *o, const char *path)
{
    const char *slash = strrchr(o->path, '/');
    if (*path == '/' || !slash)
        return path;
    return arena_printf(o->arena, "%.*s/%s", (int)(slash - o->path), o->path,
                        path);
}

static ptl_job_source job_source(job_owner *o, const typed_source *s)
{
    ptl_job_array *arrays =
        ARENA_ARRAY(o->arena, ptl_job_array, s->array_count + 1);
    for (int i = 0; i < s->array_count; i++)
        arrays[i] =
            (ptl_job_array){s->arrays[i].field, data_path(o, s->arrays[i].path),
                            s->arrays[i].options};
    return (ptl_job_source){.reader = s->reader,
                            .arrays = arrays,
                            .array_count = s->reader ? s->array_count : 0,
                            .begin = s->begin,
                            .end = s->reader ? s->end : -1,
                            .every = s->every,
                            .except = s->except};
}

static const char *program_hash(job_owner *o, const typed_settings *s)
{
    uint64_t h = o->modules->hash;
    h = ptl_hash_more(h, s->config_json, strlen(s->config_json));
    return arena_printf(o->arena, "%016llx", (unsigned long long)h);
}

/* Going on without a peer comes later: every loss ends the job. */
static const char *const *cluster_warnings(job_owner *o, const typed_cluster *c)
{
    const char **list = ARENA_ARRAY(o->arena, const char *, 3);
    int count = 0;
    if (c->said[CLUSTER_KEY_worker_loss] &&
        c->worker_loss.first != CLUSTER_WORKER_ABORT)
        list[count++] =
            arena_printf(o->arena,
                         "`on worker_loss = %s` is not carried out yet: a lost "
                         "worker ends the job",
                         c->text[CLUSTER_KEY_worker_loss]);
    if (c->said[CLUSTER_KEY_ps_loss] && c->ps_loss.first != CLUSTER_PS_ABORT)
        list[count++] =
            arena_printf(o->arena,
                         "`on ps_loss = %s` is not carried out yet: a lost "
                         "parameter server ends the job",
                         c->text[CLUSTER_KEY_ps_loss]);
    list[count] = NULL;
    return list;
}

static ptl_caching caching_of(const typed_cluster *c)
{
    if (c->placement != CLUSTER_PARAMETER_SERVER)
        return PTL_CACHE_REPLICA;
    return c->caching == CLUSTER_CACHE_DEVICE ? PTL_CACHE_DEVICE
                                              : PTL_CACHE_CPU;
}

static ptl_job_cluster job_cluster(job_owner *o, const typed_cluster *c)
{
    static const ptl_placement placements[] = {
        [CLUSTER_REPLICATED] = PTL_REPLICATED,
        [CLUSTER_PARAMETER_SERVER] = PTL_PARAMETER_SERVER,
        [CLUSTER_ALLREDUCE] = PTL_ALLREDUCE};
    static const ptl_pace paces[] = {[CLUSTER_BARRIER] = PTL_PACE_BARRIER,
                                     [CLUSTER_ASYNC] = PTL_PACE_ASYNC,
                                     [CLUSTER_STALE] = PTL_PACE_STALE};
    static const ptl_aggregate aggregates[] = {
        [CLUSTER_MEAN] = PTL_AGGREGATE_MEAN,
        [CLUSTER_SUM] = PTL_AGGREGATE_SUM,
        [CLUSTER_APPLY_EACH] = PTL_APPLY_EACH};
    static const ptl_state_sync states[] = {
        [CLUSTER_STATE_CHIEF] = PTL_STATE_CHIEF,
        [CLUSTER_STATE_MEAN] = PTL_STATE_MEAN,
        [CLUSTER_STATE_NEVER] = PTL_STATE_NEVER};
    return (ptl_job_cluster){.towers = c->towers.count,
                             .aggregate = aggregates[c->aggregate],
                             .sync_every = c->sync_every,
                             .state_sync = states[c->state_sync],
                             .state_steps = c->state_steps,
                             .state_epochs = c->state_epochs,
                             .placement = placements[c->placement],
                             .caching = caching_of(c),
                             .pace = paces[c->sync],
                             .stale = c->stale,
                             .barrier_steps = c->barrier_steps,
                             .barrier_epochs = c->barrier_epochs,
                             .round_robin = c->balance == CLUSTER_ROUND_ROBIN,
                             .slice = c->slice,
                             .bucket = c->bucket,
                             .ordered = c->ordered,
                             .strict = c->strict,
                             .locking = c->locking,
                             .slots_on_workers =
                                 c->slots == CLUSTER_SLOTS_WORKER,
                             .bf16 = c->compress == CLUSTER_COMPRESS_BF16,
                             .security = driver_security(c),
                             .heartbeat = c->heartbeat,
                             .dead = c->dead,
                             .stall = c->stall,
                             .warnings = cluster_warnings(o, c)};
}

static void fill_job(job_owner *o, const typed_program *p)
{
    const typed_settings *s = &p->settings;
    ptl_job *job = &o->job;
    job->model = s->model ? s->model : "model";
    job->source_hash = program_hash(o, s);
    job->config_json = s->config_json;
    job->seed = s->seed;
    job->batch = s->batch;
    job->steps = s->steps;
    job->epochs = s->epochs;
    job->accumulate = s->accumulate;
    job->cluster = job_cluster(o, &p->cluster);
    job->eval_every = s->eval_every.steps;
    job->eval_epochs = s->eval_every.epochs;
    job->checkpoint_every = s->checkpoint_every.steps;
    job->checkpoint_epochs = s->checkpoint_every.epochs;
    job->average_steps = s->average.after.steps;
    job->average_epochs = s->average.after.epochs;
    job->f64 = o->compile.f64;
    job->train = job_source(o, &s->train);
    job->eval = job_source(o, &s->eval);
    list_tensors(o, p);
    list_totals(o, p);
    list_metrics(o, p);
    o->cluster = &p->cluster;
}

const typed_cluster *job_typed_cluster(const ptl_job *job)
{
    return ((const job_owner *)job->owner)->cluster;
}

static typed_program *open_program(job_owner *o, const char *path,
                                   ptl_error *err)
{
    driver *d = o->d;
    o->modules = driver_load(d, path, err);
    driver_phase(d, "read and parse");
    if (!o->modules)
        return NULL;
    program_is_wrong(err);
    if (diags_error_count(d->diags) > 0 || !driver_sets(d, &o->options, err))
        return NULL;
    o->options.mode = ELAB_TRAIN;
    typed_program *p = elab_train(o->arena, o->modules, &o->options, d->diags);
    driver_phase(d, "check");
    return p;
}

ptl_status job_open(driver *d, const char *path, ptl_job **out, ptl_error *err)
{
    job_owner *o = calloc(1, sizeof *o);
    const typed_program *p;
    *out = NULL;
    if (!o)
        return ptl_fail(err, PTL_E_MEMORY, "no memory for a job");
    *err = (ptl_error){0};
    o->d = d;
    o->path = path;
    o->arena = arena_new();
    o->job.owner = o;
    o->job.build = build;
    o->job.build_update = build_update;
    o->job.free = job_free;
    p = open_program(o, path, err);
    if (!p) {
        job_free(&o->job);
        return err->status;
    }
    o->compile = driver_compile_options(d, p->settings.precision);
    o->options.f64 = o->compile.f64;
    fill_job(o, p);
    ptl_status st = driver_open_device(d, &o->job.device, err);
    if (st != PTL_OK) {
        job_free(&o->job);
        return st;
    }
    *out = &o->job;
    return PTL_OK;
}
