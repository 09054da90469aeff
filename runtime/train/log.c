/*
 * log.c - the events of a run, as JSON lines and as text.
 */
#include "train/log.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void log_open(train_log *log, const train_options *options, bool f64)
{
    *log = (train_log){.json = options->json,
                       .quiet = options->quiet,
                       .f64 = f64,
                       .log_every = options->log_every};
    log->output = options->output ? options->output : stdout;
    log->notes = options->notes ? options->notes : stderr;
    if (log->log_every <= 0)
        log->log_every = options->json ? 1 : 100;
    /* Lines that scroll by are progress enough. */
    bool scrolls = options->json && isatty(fileno(log->output));
    log->progress = !options->quiet && !scrolls && isatty(fileno(log->notes));
}

static void clear_progress(train_log *log)
{
    if (!log->drawn)
        return;
    fputs("\r\033[K", log->notes);
    fflush(log->notes);
    log->drawn = false;
}

void log_close(train_log *log)
{
    clear_progress(log);
    if (log->metrics)
        fclose(log->metrics);
    str_fini(&log->line);
}

/* Bytes of `text` up to the end of the last step or eval line of `keep`. */
static size_t kept_length(const ptl_bytes *text, int64_t keep)
{
    const char *at = (const char *)text->data, *end = at + text->size;
    size_t kept = 0;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end)
            break; /* a line the process died in */
        ptl_arena *arena = arena_new();
        json_value v;
        int64_t step = 0;
        bool ok =
            json_parse(arena, at, (size_t)(line_end - at), &v, NULL) == PTL_OK;
        bool later = ok && json_get_int(&v, "step", &step) && step > keep;
        arena_free(arena);
        if (!ok || later)
            break;
        at = line_end + 1;
        kept = (size_t)(at - (const char *)text->data);
    }
    return kept;
}

ptl_status log_metrics_file(train_log *log, const char *path, int64_t keep,
                            ptl_error *err)
{
    ptl_bytes old = {0};
    if (keep >= 0 && file_exists(path)) {
        ptl_status st = file_read(path, &old, err);
        if (st != PTL_OK)
            return st;
    }
    ptl_status st = file_write_whole(
        path, old.data, old.data ? kept_length(&old, keep) : 0, err);
    bytes_free(&old);
    if (st != PTL_OK)
        return st;
    log->metrics = fopen(path, "ae");
    if (!log->metrics)
        return ptl_fail(err, PTL_E_IO, "could not write \"%s\": %s", path,
                        strerror(errno));
    return PTL_OK;
}

static json_out begin_event(train_log *log, const char *name)
{
    str_clear(&log->line);
    json_out j = {.text = &log->line};
    json_open(&j, '{');
    json_key(&j, "event");
    json_text(&j, name);
    return j;
}

static void put_int(json_out *j, const char *key, int64_t value)
{
    json_key(j, key);
    json_int(j, value);
}

static void put_text(json_out *j, const char *key, const char *value)
{
    json_key(j, key);
    json_text(j, value);
}

/* A value of the program: enough digits that equal texts mean equal bits. */
static void put_real(train_log *log, json_out *j, const char *key, double value)
{
    json_key(j, key);
    json_real(j, value, log->f64);
}

/* A measurement: nobody compares its bits. */
static void put_measure(json_out *j, const char *key, double value)
{
    char text[40];
    json_key(j, key);
    snprintf(text, sizeof text, "%.6g", isfinite(value) ? value : 0.0);
    json_raw(j, text);
}

static ptl_status write_failed(ptl_error *err, const char *where)
{
    return ptl_fail(err, PTL_E_IO, "could not write %s: %s", where,
                    strerror(errno));
}

/* The finished event to metrics.jsonl, and in JSON mode to the output. */
static ptl_status end_event(train_log *log, json_out *j, bool flush,
                            ptl_error *err)
{
    json_close(j, '}');
    str_addc(&log->line, '\n');
    if (log->metrics) {
        if (fwrite(log->line.data, 1, log->line.length, log->metrics) !=
                log->line.length ||
            (flush && fflush(log->metrics) != 0))
            return write_failed(err, "metrics.jsonl");
    }
    if (!log->json)
        return PTL_OK;
    clear_progress(log);
    if (fwrite(log->line.data, 1, log->line.length, log->output) !=
            log->line.length ||
        fflush(log->output) != 0)
        return write_failed(err, "the log");
    return PTL_OK;
}

static ptl_status say(train_log *log, ptl_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A line of the text log. */
static ptl_status say(train_log *log, ptl_error *err, const char *format, ...)
{
    if (log->json)
        return PTL_OK;
    va_list args;
    clear_progress(log);
    va_start(args, format);
    int written = vfprintf(log->output, format, args);
    va_end(args);
    if (written < 0 || fputc('\n', log->output) == EOF ||
        fflush(log->output) != 0)
        return write_failed(err, "the log");
    return PTL_OK;
}

ptl_status log_sync(train_log *log, ptl_error *err)
{
    if (log->metrics &&
        (fflush(log->metrics) != 0 || fdatasync(fileno(log->metrics)) != 0))
        return write_failed(err, "metrics.jsonl");
    return PTL_OK;
}

void log_note(train_log *log, const char *format, ...)
{
    va_list args;
    clear_progress(log);
    va_start(args, format);
    vfprintf(log->notes, format, args);
    va_end(args);
    fputc('\n', log->notes);
}

ptl_status log_event_start(train_log *log, const log_start *e, ptl_error *err)
{
    json_out j = begin_event(log, "start");
    put_text(&j, "model", e->model);
    put_int(&j, "parameters", e->parameters);
    put_text(&j, "device", e->device);
    put_int(&j, "threads", e->threads);
    put_int(&j, "shards", e->shards);
    put_int(&j, "steps", e->steps);
    put_int(&j, "peak_bytes", e->peak_bytes);
    json_key(&j, "config");
    json_raw(&j, e->config_json);
    ptl_status st = end_event(log, &j, true, err);
    if (st != PTL_OK || log->quiet)
        return st;
    char shards[40] = "";
    if (e->shards > 1)
        snprintf(shards, sizeof shards, ", %lld shards", (long long)e->shards);
    return say(log, err,
               "%s: %lld parameters, %lld records, %lld steps, %s, "
               "%d thread%s%s, %.1f MiB",
               e->model, (long long)e->parameters, (long long)e->records,
               (long long)e->steps, e->device, e->threads,
               e->threads == 1 ? "" : "s", shards,
               (double)e->peak_bytes / 1048576.0);
}

/* At most ten times a second, over itself. */
static void draw_progress(train_log *log, const log_step *e)
{
    double now = clock_seconds();
    if (!log->progress || now - log->shown < 0.1)
        return;
    log->shown = now;
    log->drawn = true;
    fprintf(log->notes,
            "\r\033[K%3lld%%  step %lld/%lld  epoch %lld  loss %.6g  %.0f "
            "examples/s",
            (long long)(100 * e->step / (log->last_step ? log->last_step : 1)),
            (long long)e->step, (long long)log->last_step, (long long)e->epoch,
            e->loss, e->examples_per_s);
    fflush(log->notes);
}

static json_out step_event(train_log *log, const char *name, const log_step *e)
{
    json_out j = begin_event(log, name);
    put_int(&j, "step", e->step);
    put_int(&j, "epoch", e->epoch);
    put_real(log, &j, "loss", e->loss);
    if (!isnan(e->lr))
        put_real(log, &j, "lr", e->lr);
    return j;
}

ptl_status log_event_step(train_log *log, const log_step *e, ptl_error *err)
{
    draw_progress(log, e);
    if (e->step % log->log_every != 0 && e->step != log->last_step)
        return PTL_OK;
    json_out j = step_event(log, "step", e);
    put_measure(&j, "examples_per_s", e->examples_per_s);
    ptl_status st = end_event(log, &j, false, err);
    if (st != PTL_OK || log->quiet)
        return st;
    char lr[40] = "";
    if (!isnan(e->lr))
        snprintf(lr, sizeof lr, "  lr %.4g", e->lr);
    return say(log, err,
               "step %lld/%lld  epoch %lld  loss %.6g%s  %.0f "
               "examples/s",
               (long long)e->step, (long long)log->last_step,
               (long long)e->epoch, e->loss, lr, e->examples_per_s);
}

ptl_status log_event_skip(train_log *log, const log_step *e, ptl_error *err)
{
    json_out j = step_event(log, "skip", e);
    ptl_status st = end_event(log, &j, true, err);
    if (st == PTL_OK)
        log_note(log, "warning: step %lld was skipped: not finite",
                 (long long)e->step);
    return st;
}

ptl_status log_event_eval(train_log *log, int64_t step, int64_t epoch,
                          const char *const *metrics, const double *values,
                          int count, ptl_error *err)
{
    json_out j = begin_event(log, "eval");
    put_int(&j, "step", step);
    put_int(&j, "epoch", epoch);
    put_real(log, &j, "loss", values[0]);
    for (int i = 1; i < count; i++)
        put_real(log, &j, metrics[i - 1], values[i]);
    ptl_status st = end_event(log, &j, true, err);
    if (st != PTL_OK || log->json)
        return st;
    str_clear(&log->line);
    for (int i = 1; i < count; i++)
        str_printf(&log->line, "  %s %.6g", metrics[i - 1], values[i]);
    return say(log, err, "eval at step %lld  loss %.6g%s", (long long)step,
               values[0], str_text(&log->line));
}

ptl_status log_event_checkpoint(train_log *log, int64_t step, const char *path,
                                ptl_error *err)
{
    json_out j = begin_event(log, "checkpoint");
    put_int(&j, "step", step);
    put_text(&j, "path", path);
    ptl_status st = end_event(log, &j, true, err);
    if (st != PTL_OK || log->quiet)
        return st;
    return say(log, err, "checkpoint %s", path);
}

ptl_status log_event_comm(train_log *log, int64_t step, const log_comm *e,
                          ptl_error *err)
{
    char slowest[32];
    json_out j = begin_event(log, "comm");
    snprintf(slowest, sizeof slowest, "worker%d", e->slowest);
    put_int(&j, "step", step);
    put_measure(&j, "ms", e->ms);
    put_measure(&j, "wait_ms", e->wait_ms);
    put_int(&j, "bytes_out", e->bytes_out);
    put_int(&j, "bytes_in", e->bytes_in);
    put_int(&j, "bytes_early", e->bytes_early);
    put_text(&j, "slowest", slowest);
    ptl_status st = end_event(log, &j, true, err);
    if (st != PTL_OK || log->quiet)
        return st;
    return say(log, err,
               "exchange at step %lld  %.1f ms, %.1f of them for %s, %lld B "
               "out (%lld before), %lld B in",
               (long long)step, e->ms, e->wait_ms, slowest,
               (long long)e->bytes_out, (long long)e->bytes_early,
               (long long)e->bytes_in);
}

ptl_status log_event_end(train_log *log, const log_end *e, ptl_error *err)
{
    json_out j = begin_event(log, "end");
    put_int(&j, "steps", e->steps);
    put_measure(&j, "wall_s", e->wall_s);
    put_measure(&j, "compile_s", e->compile_s);
    put_measure(&j, "step_ms_median", e->step_ms_median);
    put_int(&j, "peak_bytes", e->peak_bytes);
    ptl_status st = end_event(log, &j, true, err);
    if (st != PTL_OK || log->quiet)
        return st;
    return say(log, err,
               "%lld steps in %.1f s (compiled in %.2f s, median step %.3g ms, "
               "%.1f MiB)",
               (long long)e->steps, e->wall_s, e->compile_s, e->step_ms_median,
               (double)e->peak_bytes / 1048576.0);
}
