/*
 * elab.h - elaboration: a checked program to a typed one with concrete sizes.
 *
 * An abstract interpretation of one block (train, test) or layer: functions,
 * layers and models are inlined, static for and if are unrolled, sizes are
 * numbers. What is wrong goes to the diagnostics and NULL comes back.
 */
#ifndef PTL_LANG_ELAB_H
#define PTL_LANG_ELAB_H

#include "base/diag.h"
#include "lang/module.h"
#include "lang/typed.h"

typedef enum elab_mode {
    ELAB_TRAIN, /* `training` is true; updates are there */
    ELAB_EVAL,
    ELAB_PREDICT, /* fields no output needs may be missing */
    ELAB_GRAD,    /* `training` is true; no optimizer; fields are inputs */
} elab_mode;

/* What a data file holds of one field, per record. */
typedef struct elab_raw {
    const char *field;
    ptl_dtype dtype;
    int rank;
    int64_t dims[PTL_MAX_RANK];
} elab_raw;

/* `--set key=value`. */
typedef struct elab_set {
    const char *key, *value;
} elab_set;

typedef struct elab_options {
    elab_mode mode;
    int64_t rows; /* of the batch; 0: the file's `batch` */
    const elab_raw *raw;
    int raw_count; /* 0: shapes come from the declarations */
    const elab_set *sets;
    int set_count;
    bool f64;      /* reals are f64: `--real f64` */
    uint64_t seed; /* of elab_drawn's random sizes */
} elab_options;

/*
 * Names, indices and arguments of every declaration of `module`, whether
 * anything uses it or not. Returns false when it reported an error.
 */
bool lang_check_names(const lang_modules *program, const lang_module *module,
                      ptl_diags *diags);

/*
 * Reads every function and layer of `module` by itself, each size a symbol of
 * its own, so that two sizes which only happen to agree in use are told apart:
 * swapped axes are found where they are written. What is right for some sizes
 * is left to the sizes of use. Returns false when it reported an error.
 */
bool lang_check_alone(const lang_modules *program, const lang_module *module,
                      ptl_diags *diags);

bool elab_has_train(const lang_modules *program);

/* The main file's `train` block. */
typed_program *elab_train(ptl_arena *arena, const lang_modules *program,
                          const elab_options *options, ptl_diags *diags);

/* One `test` block of `module`. Parameters take their initial values. */
typed_program *elab_test(ptl_arena *arena, const lang_modules *program,
                         const lang_module *module, const ast_decl *test,
                         const elab_options *options, ptl_diags *diags);

/*
 * One layer, model or function of `module` at small random sizes and arguments drawn
 * from options->seed, its declared intervals and defaults. Inputs of type real
 * are TY_INPUT tensors; the loss is a fixed random weighting of the results.
 * NULL without an error in `diags`: these sizes do not fit, or it needs
 * what cannot be drawn; try the next seed.
 */
typed_program *elab_drawn(ptl_arena *arena, const lang_modules *program,
                          const lang_module *module, const ast_decl *decl,
                          const elab_options *options, ptl_diags *diags);

#endif
