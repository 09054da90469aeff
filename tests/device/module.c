/*
 * module.c - loads PTX, places its variables, decodes its kernels.
 */
#include "module.h"
#include "base/json.h"
#include "decode.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct CUmod_st *modules; /* guarded by the driver's lock */

static size_t aligned(size_t offset, size_t align)
{
    return (offset + align - 1) / align * align;
}

static CUresult place_globals(struct CUmod_st *m)
{
    device_memory *d = &m->context->memory;
    for (int v = 0; v < m->source->variables.count; v++) {
        ptx_variable *var = &m->source->variables.data[v];
        if (var->space != PTX_GLOBAL)
            continue;
        CUresult r = memory_alloc(d, var->bytes, &var->offset);
        if (r != CUDA_SUCCESS)
            return r;
        uint8_t *at = d->host + (var->offset - d->base);
        memset(at, 0, var->bytes); /* as the language says */
        if (var->initial)
            memcpy(at, var->initial, var->bytes);
        memory_set_written(d, var->offset, var->bytes);
    }
    return CUDA_SUCCESS;
}

static void place_constants(struct CUmod_st *m)
{
    for (int pass = 0; pass < 2; pass++) {
        size_t end = 0;
        for (int v = 0; v < m->source->variables.count; v++) {
            ptx_variable *var = &m->source->variables.data[v];
            if (var->space != PTX_CONST)
                continue;
            var->offset = aligned(end, var->align);
            end = var->offset + var->bytes;
            if (pass && var->initial)
                memcpy(m->constants + var->offset, var->initial, var->bytes);
        }
        m->constant_bytes = end;
        if (!pass)
            m->constants = arena_alloc(m->arena, end ? end : 1);
    }
}

static CUresult decode_kernels(struct CUmod_st *m, ptl_str *why)
{
    m->function_count = m->source->kernels.count;
    m->functions =
        ARENA_ARRAY(m->arena, struct CUfunc_st, m->function_count + 1);
    for (int k = 0; k < m->function_count; k++) {
        kernel *decoded = decode_kernel(m->arena, m->source,
                                        &m->source->kernels.data[k], why);
        if (!decoded)
            return CUDA_ERROR_INVALID_PTX;
        decoded->constant_data = m->constants;
        decoded->constant_bytes = m->constant_bytes;
        decoded->module = m;
        m->functions[k] = (struct CUfunc_st){decoded, m};
    }
    return CUDA_SUCCESS;
}

/* sm_90, also sm_90a, which no other device runs. */
static CUresult check_target(const struct CUmod_st *m, ptl_str *why)
{
    const char *target = m->source->target ? m->source->target : "";
    const char *digits = strpbrk(target, "0123456789");
    char *end = NULL;
    long arch = digits ? strtol(digits, &end, 10) : 0;
    if (arch <= settings()->arch && (!end || !*end || arch == settings()->arch))
        return CUDA_SUCCESS;
    str_printf(why, "target %s is not for this device of sm_%d", target,
               settings()->arch);
    return CUDA_ERROR_INVALID_PTX;
}

static CUresult read_module(struct CUmod_st *m, const char *text, ptl_str *why)
{
    m->source = ptx_parse(m->arena, text, why);
    CUresult r = m->source ? check_target(m, why) : CUDA_ERROR_INVALID_PTX;
    if (r == CUDA_SUCCESS)
        r = place_globals(m);
    if (r != CUDA_SUCCESS)
        return r;
    place_constants(m);
    return decode_kernels(m, why);
}

CUresult module_load(struct CUctx_st *context, const char *image, ptl_str *why,
                     struct CUmod_st **module)
{
    static const char elf[] = "\177ELF", fat[] = "\x50\xed\x55\xba";
    if (memcmp(image, elf, 4) == 0 || memcmp(image, fat, 4) == 0) {
        str_add(why, "machine code; this device takes PTX");
        return CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    ptl_arena *arena = arena_new();
    struct CUmod_st *m = ARENA_NEW(arena, struct CUmod_st);
    m->arena = arena;
    m->context = context;
    CUresult r = read_module(m, arena_strdup(arena, image), why);
    if (r != CUDA_SUCCESS) {
        arena_free(arena);
        return r;
    }
    m->loaded = true;
    m->next = modules;
    *module = modules = m;
    return CUDA_SUCCESS;
}

void module_unload(struct CUmod_st *m)
{
    for (int v = 0; v < m->source->variables.count; v++)
        if (m->source->variables.data[v].space == PTX_GLOBAL)
            memory_free(&m->context->memory,
                        m->source->variables.data[v].offset);
    m->loaded = false;
}

bool module_is_loaded(const struct CUmod_st *m)
{
    for (const struct CUmod_st *at = modules; at; at = at->next)
        if (at == m)
            return m->loaded;
    return false;
}

kernel *module_kernel(const struct CUfunc_st *f)
{
    for (const struct CUmod_st *m = modules; f && m; m = m->next)
        if (m->loaded && f >= m->functions &&
            f < m->functions + m->function_count)
            return f->kernel;
    return NULL;
}

static void report_kernel(FILE *file, const kernel *k, int device)
{
    ptl_str line = {0};
    json_out j = {.text = &line};
    json_open(&j, '{');
    json_key(&j, "kernel");
    json_text(&j, k->name);
    json_key(&j, "device");
    json_int(&j, device);
#define COUNTER(name, text)                                                    \
    json_key(&j, #name);                                                       \
    json_int(&j, (int64_t)k->counts.name);
#include "counters.def"
#undef COUNTER
    json_close(&j, '}');
    fprintf(file, "%s\n", str_text(&line));
    str_fini(&line);
}

void module_report(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return;
    for (const struct CUmod_st *m = modules; m; m = m->next)
        for (int f = 0; f < m->function_count; f++)
            if (m->functions[f].kernel->counts.launches)
                report_kernel(file, m->functions[f].kernel,
                              m->context->ordinal);
    fclose(file);
}
