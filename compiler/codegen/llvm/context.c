/*
 * context.c - the machine code is made for: level, features, target machine.
 */
#include "codegen/llvm/internal.h"
#include "codegen/llvm/library.h"
#include <llvm-c/Target.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct level {
    const char *name, *cpu, *needs;
    int lanes_f32, registers, mr_f32, nr_f32, mr_f64, nr_f64;
    int64_t kc;
} level;

static const level levels[] = {
#define LEVEL(name, cpu, needs, lanes, registers, mr32, nr32, mr64, nr64, kc)  \
    {#name, cpu, needs, lanes, registers, mr32, nr32, mr64, nr64, kc},
#include "codegen/llvm/level.def"
#undef LEVEL
};
enum { LEVEL_COUNT = sizeof levels / sizeof *levels };

ptl_status llvm_failed(LLVMErrorRef error, ptl_status status, const char *what,
                       ptl_error *err)
{
    if (!error)
        return PTL_OK;
    char *text = LLVMGetErrorMessage(error); /* consumes the error */
    ptl_fail(err, status, "%s: %s", what, text);
    LLVMDisposeErrorMessage(text);
    return status;
}

static void start_llvm(void)
{
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
}

/* `features` is LLVM's list: "+avx2,-avx512f,...". */
static bool has_feature(const char *features, const char *name, size_t length)
{
    for (const char *at = features; (at = strchr(at, '+')) != NULL; at++)
        if (strncmp(at + 1, name, length) == 0 &&
            (at[1 + length] == ',' || at[1 + length] == '\0'))
            return true;
    return false;
}

/* Copies the first needed feature the machine lacks to `missing`; false: none. */
static bool lacks_feature(const char *features, const char *needs,
                          char missing[32])
{
    for (const char *at = needs; *at;) {
        size_t length = strcspn(at, ",");
        if (!has_feature(features, at, length)) {
            size_t kept = length < 31 ? length : 31;
            memcpy(missing, at, kept);
            missing[kept] = '\0';
            return true;
        }
        at += length + (at[length] == ',');
    }
    return false;
}

static const level *best_level(const char *features)
{
    char missing[32];
    for (int i = 0; i < LEVEL_COUNT; i++)
        if (!lacks_feature(features, levels[i].needs, missing))
            return &levels[i];
    return NULL;
}

static const level *find_level(const char *name)
{
    for (int i = 0; i < LEVEL_COUNT; i++)
        if (strcmp(levels[i].name, name) == 0)
            return &levels[i];
    return NULL;
}

static ptl_status choose_level(const char *cpu, const char *host_features,
                               const level **out, ptl_error *err)
{
    char missing[32];
    if (strcmp(cpu, "native") == 0) {
        *out = best_level(host_features);
        if (!*out)
            return ptl_fail(err, PTL_E_DEVICE,
                            "this machine lacks sse2, which every level needs");
        return PTL_OK;
    }
    *out = find_level(cpu);
    if (!*out)
        return ptl_fail(err, PTL_E_USAGE,
                        "unknown cpu \"%s\": native, avx512, avx2 or portable",
                        cpu);
    if (lacks_feature(host_features, (*out)->needs, missing))
        return ptl_fail(err, PTL_E_DEVICE,
                        "cpu \"%s\" cannot run here: this machine lacks %s",
                        cpu, missing);
    return PTL_OK;
}

static kern_target target_of(const level *l)
{
    return (kern_target){
        .name = l->name,
        .lanes_f32 = l->lanes_f32,
        .registers = l->registers,
        .mr_f32 = l->mr_f32,
        .nr_f32 = l->nr_f32,
        .mr_f64 = l->mr_f64,
        .nr_f64 = l->nr_f64,
        .kc = l->kc,
    };
}

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    PTL_ASSERT(copy);
    return copy;
}

ptl_status llvm_machine_init(llvm_machine *machine, const char *cpu,
                             ptl_error *err)
{
    static pthread_once_t started = PTHREAD_ONCE_INIT;
    ptl_status st = llvm_need(err);
    if (st != PTL_OK)
        return st;
    pthread_once(&started, start_llvm);
    char *host_cpu = LLVMGetHostCPUName();
    char *host_features = LLVMGetHostCPUFeatures();
    const level *l = NULL;
    cpu = cpu ? cpu : "native";
    st = choose_level(cpu, host_features, &l, err);
    if (st == PTL_OK) {
        bool native = strcmp(cpu, "native") == 0;
        *machine = (llvm_machine){
            .target = target_of(l),
            .cpu = copy_text(native ? host_cpu : l->cpu),
            .features = copy_text(native ? host_features : ""),
            .vector_bits = l->lanes_f32 * 32,
        };
        machine->target.bf16_pairs =
            native && machine->vector_bits == 512 &&
            has_feature(host_features, "avx512bf16", strlen("avx512bf16"));
    }
    LLVMDisposeMessage(host_cpu);
    LLVMDisposeMessage(host_features);
    return st;
}

void llvm_machine_fini(llvm_machine *machine)
{
    free(machine->cpu);
    free(machine->features);
    *machine = (llvm_machine){0};
}

ptl_status llvm_machine_open(const llvm_machine *machine,
                             LLVMTargetMachineRef *out, ptl_error *err)
{
    char *triple = LLVMGetDefaultTargetTriple();
    char *text = NULL;
    LLVMTargetRef target = NULL;
    ptl_status st = PTL_OK;
    if (LLVMGetTargetFromTriple(triple, &target, &text)) {
        st = ptl_fail(err, PTL_E_DEVICE, "no code generator for %s: %s", triple,
                      text);
        LLVMDisposeMessage(text);
    } else {
        /* LLVM takes the large code model for a JIT, with an address built for
         * every constant; one kernel is never far from its constants. */
        *out = LLVMCreateTargetMachine(
            target, triple, machine->cpu, machine->features,
            LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelSmall);
        if (!*out)
            st = ptl_fail(err, PTL_E_DEVICE, "no target machine for %s", triple);
    }
    LLVMDisposeMessage(triple);
    return st;
}

ptl_status llvm_target(const char *cpu, kern_target *out, ptl_error *err)
{
    llvm_machine machine;
    ptl_status st = llvm_machine_init(&machine, cpu, err);
    if (st != PTL_OK)
        return st;
    *out = machine.target;
    llvm_machine_fini(&machine);
    return PTL_OK;
}
