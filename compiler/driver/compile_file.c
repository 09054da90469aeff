/*
 * compile_file.c - see compile_file.h.
 */
#include "compile_file.h"
#include "opt/opt.h"
#include "runtime/device.h"
#include <stdlib.h>
#include <string.h>

bool driver_sets(driver *d, elab_options *options, ptl_error *err)
{
    int count = d->options.set.count;
    elab_set *sets = ARENA_ARRAY(d->arena, elab_set, count + 2);
    for (int i = 0; i < count; i++) {
        const char *text = d->options.set.data[i];
        const char *equals = strchr(text, '=');
        if (!equals || equals == text) {
            ptl_fail(err, PTL_E_USAGE, "--set wants NAME=VALUE, not \"%s\"",
                     text);
            return false;
        }
        sets[i].key = arena_strndup(d->arena, text, (size_t)(equals - text));
        sets[i].value = equals + 1;
    }
    if (d->options.seed.given)
        sets[count++] = (elab_set){
            "train.seed",
            arena_printf(d->arena, "%lld", (long long)d->options.seed.value)};
    options->sets = sets;
    options->set_count = count;
    options->f64 = d->options.real && !strcmp(d->options.real, "f64");
    return true;
}

const lang_module *driver_module(const lang_modules *modules,
                                 const ast_file **file)
{
    const lang_module *main = modules->modules[0];
    *file = main->file_count ? main->files[0] : NULL;
    for (int i = 1; *file && i < modules->count; i++) {
        const lang_module *m = modules->modules[i];
        for (int j = 0; m->is_library && j < m->file_count; j++) {
            const src_file *a = m->files[j] ? m->files[j]->source : NULL;
            if (!a || a->size != (*file)->source->size ||
                memcmp(a->text, (*file)->source->text, a->size))
                continue;
            *file = m->files[j];
            return m;
        }
    }
    return main;
}

static void check_module(driver *d, const lang_modules *modules,
                         const lang_module *m)
{
    lang_check_names(modules, m, d->diags);
    lang_check_alone(modules, m, d->diags);
}

lang_modules *driver_load_checked(driver *d, const char *path, ptl_error *err)
{
    lang_modules *modules = driver_load(d, path, err);
    driver_phase(d, "read and parse");
    if (!modules)
        return NULL;
    const ast_file *file;
    check_module(d, modules, driver_module(modules, &file));
    for (int i = 1; i < modules->count; i++)
        if (!modules->modules[i]->is_library)
            check_module(d, modules, modules->modules[i]);
    return modules;
}

static const char *cache_folder(driver *d)
{
    const char *own = getenv("PTL_CACHE_DIR");
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (own && *own)
        return own;
    if (xdg && *xdg)
        return arena_printf(d->arena, "%s/ptl", xdg);
    return home && *home ? arena_printf(d->arena, "%s/.cache/ptl", home) : NULL;
}

enum { DEFAULT_ARCH = 80 };

/* sm_80 or 80; anything else is told at the command line (driver_options). */
static int arch_of(const char *text)
{
    const char *digits = text && strncmp(text, "sm_", 3) == 0 ? text + 3 : text;
    return digits ? (int)strtol(digits, NULL, 10) : DEFAULT_ARCH;
}

compile_options driver_compile_options(driver *d, typed_precision precision)
{
    compile_options o = {.f64 = precision == TYPED_F64,
                         .no_fuse = d->options.no_fuse,
                         .portable_bits = d->options.portable_bits,
                         .cpu = d->options.cpu,
                         .arch = arch_of(d->options.arch),
                         .plan_only = d->options.summary,
                         .cache_dir = cache_folder(d)};
    /* --real f32 wins over `precision = f64` of the file. */
    if (d->options.real)
        o.f64 = !strcmp(d->options.real, "f64");
#ifdef PTL_DEBUG
    o.verify = true;
#endif
    return o;
}

bool driver_wants_device(const driver_options *o)
{
    return o->device && strcmp(o->device, "cpu") != 0;
}

ptl_status driver_open_device(driver *d, struct ptl_device **out,
                              ptl_error *err)
{
    const driver_options *o = &d->options;
    bool is_ps = o->job && strcmp(o->job, "ps") == 0;
    *out = NULL;
    if (!driver_wants_device(o) || is_ps)
        return PTL_OK;
    ptl_status st = device_open(o->device, out, err);
    return st == PTL_OK && o->cublas ? device_use_cublas(*out, err) : st;
}

void driver_simplify(ir_graph *g, typed_precision precision,
                     const compile_options *options)
{
    opt_run(g, options->verify, NULL, NULL);
    if (precision == TYPED_BF16)
        opt_round_operands(g, IR_BF16_OP);
    if (precision == TYPED_TF32)
        opt_round_operands(g, IR_TF32_OP);
}

elab_mode driver_mode(lower_kind kind)
{
    switch (kind) {
    case LOWER_EVAL:
    case LOWER_METRICS:
    case LOWER_FORWARD:
    case LOWER_CHECK:
        return ELAB_EVAL;
    case LOWER_PREDICT:
        return ELAB_PREDICT;
    case LOWER_GRAD:
        return ELAB_GRAD;
    default:
        return ELAB_TRAIN;
    }
}

typed_program *driver_elaborate(driver *d, const lang_modules *modules,
                                lower_kind kind, ptl_error *err)
{
    elab_options options = {.mode = driver_mode(kind)};
    if (!driver_sets(d, &options, err))
        return NULL;
    typed_program *p = elab_train(d->arena, modules, &options, d->diags);
    driver_phase(d, "check");
    return diags_error_count(d->diags) ? NULL : p;
}
