/*
 * elab_priv.h - what the files of the elaborator share.
 *
 * Values are what names stand for while a block is read: static numbers, whole
 * tensors, scalar expressions over indices, declarations, instances. Errors
 * become V_ERROR, which every operation swallows, so one mistake is reported
 * once.
 */
#ifndef PTL_LANG_ELAB_PRIV_H
#define PTL_LANG_ELAB_PRIV_H

#include "base/map.h"
#include "lang/elab.h"

enum {
    ELAB_MAX_FRAMES = 150,        /* calls within calls */
    ELAB_MAX_NESTING = 2500,      /* expressions, over all calls */
    ELAB_MAX_STATEMENTS = 250000, /* carried out, unrolled ones included */
    ELAB_MAX_LIST = 1000000,      /* elements of a literal */
};

typedef enum value_kind {
    V_ERROR,
    V_INT,  /* static */
    V_REAL, /* static */
    V_BOOL, /* static */
    V_STRING,
    V_VAR, /* an index */
    V_TENSOR,
    V_EXPR, /* elementwise over `vars`; rank 0: a scalar */
    V_LIST,
    V_TUPLE, /* several results */
    V_DECL,  /* fn, layer, model, optimizer, schedule */
    V_MODULE,
    V_INSTANCE, /* of a layer, model or optimizer */
    V_INSTANCES,
    V_SCHEDULE,  /* a schedule with its arguments */
    V_OPTIMIZER, /* an optimizer with its arguments */
    V_PACK,      /* `..b` of a type: sizes; of a statement: indices */
    V_RAW,       /* the data files' fields */
    V_READER,    /* data.idx(...) */
    V_QUANTITY,
    V_WORD,
} value_kind;

typedef struct value value;
typedef struct scope scope;
typedef struct frame frame;
typedef struct instance instance;
typedef struct generic generic; /* elab_generic.h */

typedef struct pack {
    int rank; /* -1: not known yet */
    int64_t dims[PTL_MAX_RANK];
    int rows; /* 1 + the axis that is the rows of the batch; 0: none */
    ty_var *vars[PTL_MAX_RANK]; /* statement packs */
    bool has_vars;
    src_range at;
} pack;

struct value {
    value_kind kind;
    src_range at;
    int64_t integer;  /* INT, BOOL */
    bool rows;        /* INT: the size of an axis of rows of the batch */
    double real;      /* REAL, QUANTITY */
    const char *text; /* STRING, QUANTITY's unit, WORD */
    ty_var *var; /* VAR; TENSOR: the record's index, in front of its axes */
    ty_tensor *tensor;
    ty_expr *expr; /* EXPR */
    ty_var **vars; /* EXPR: rank of them */
    int rank;
    value **items;      /* LIST, TUPLE, INSTANCES */
    const char **names; /* TUPLE: of the results */
    int count;
    const ast_decl *decl;      /* DECL, SCHEDULE, OPTIMIZER */
    const lang_module *module; /* where decl is; MODULE */
    scope *closure;            /* DECL within a layer: the instance's scope */
    scope *args;               /* SCHEDULE, OPTIMIZER: bound arguments */
    value *cached;             /* SCHEDULE: its value once worked out */
    instance *inst;
    pack *pack;
    typed_source *source; /* READER */
    bool drawn;           /* BOOL: by numbers that were drawn for symbols */
};

typedef struct binding {
    value *value;
    src_range at;
    bool declared;           /* `x: real[3];`: type known, not yet defined */
    ty_tensor *type;         /* declared kind and dims, or NULL */
    const ast_type *written; /* what `type` comes from; may be NULL */
    bool accumulates;
    bool reserved; /* a size or parameter: may not be defined again */
    bool carried;  /* by the scan whose body this is; `type` is its type */
} binding;

struct scope {
    scope *up;
    ptl_map *names; /* -> binding; packs under "..name" */
    frame *frame;
};

typedef enum frame_kind {
    FRAME_FN,
    FRAME_LAYER, /* the fn of an instance */
    FRAME_INIT,  /* an initialiser */
    FRAME_SCHEDULE,
    FRAME_OPTIMIZER,
    FRAME_TRAIN,
    FRAME_DATA,
    FRAME_TEST,
} frame_kind;

/* What the index of a static `for` stands for. */
typedef struct for_round {
    const struct for_round *outer;
    const char *name;
    const value *item;
} for_round;

/* One call. */
struct frame {
    frame *up;
    frame_kind kind;
    const lang_module *module;
    const char *path; /* names of tensors begin with it; "" at the top */
    const char *site; /* random sites begin with it */
    src_range call_at;
    const char *what; /* name for messages */
    const char *key;  /* hypers of this block are keyed by it; or NULL */
    instance *inst;   /* LAYER */
    bool returned;
    value *result;
    int static_depth; /* inside so many static for and if */
    int depth;
    ty_var *record;     /* DATA: the record's index, added in front */
    const ast_decl *fn; /* what is called, and the names of its inputs and */
    scope *names;       /* sizes; NULL before they are bound */
};

struct instance {
    const ast_decl *decl;
    const lang_module *module;
    const char *path;
    scope *scope;       /* arguments, sizes, members */
    src_range at;       /* of `use` or `model` */
    src_range bound_at; /* of the first application */
    bool bound;
    bool failed;
    ptl_map *open;       /* names its members mention: sizes to be bound */
    const ast_decl *own; /* its nameless fn */
    /* Optimizers in tests. */
    value **slots;
    int slot_count, updates;
};

/* A subscript to be proven once its statement's ranges are known. */
typedef struct bound_check {
    ty_expr *read;
    int axis;
    src_range at;
    const char *text; /* what is read, for the message */
} bound_check;

typedef struct mistake {
    diag_code code;
    src_range at;
    bool proven; /* of all sizes, though others of its code are not */
} mistake;

typedef struct mistake_list {
    VEC(mistake) list;
    const char *note; /* under each message that is about sizes */
    src_range note_at;
} mistake_list;

typedef struct elab {
    ptl_arena *arena;
    ptl_diags *diags;
    const lang_modules *program;
    const elab_options *options;
    typed_program *out;
    frame *frame;
    VEC(bound_check) checks;
    ptl_map *module_scopes;
    ptl_map *sites;    /* site path -> counter */
    ptl_map *set_used; /* keys of --set that named something */
    VEC(instance *) instances;
    VEC(const char *) known_keys;
    value *training, *step, *total_steps; /* what these names mean */
    ptl_map *across; /* what each across_params() gives; NULL: none yet */
    int nesting;
    int64_t statements;
    int subscript_depth; /* > 0: `/` of integers floors */
    int errors;
    bool quiet; /* sizes were drawn: an error only says they do not fit */
    VEC(mistake) mistakes;    /* every error, said or not, that has a place */
    const mistake_list *only; /* say these and no others; NULL: all */
    generic *generic;         /* sizes are symbols; NULL: numbers */
    bool proven;              /* the next error's: see mistake */
    const ptl_map *lost;      /* words of what the block lacks, or NULL */
    bool open;  /* a data block is missing: any name may be a field */
    bool muted; /* the last error was not said, so its notes are not */
    ptl_str config;
    ptl_map *config_keys;
    bool test; /* parameters are their initial values */
    int64_t rows;
    const for_round *rounds; /* the innermost first, or NULL */
    ty_scan *scan;    /* whose body is being read, or NULL */
    scope *scan_body; /* its names */
    VEC(ty_tensor *) raws;
    const ast_decl *data; /* the block whose fields are being read, or NULL */
    scope *data_names;
    const char *reader; /* of the data block's train source */
} elab;

/* ---------- begin and end (elab.c) ---------- */

void elab_init(elab *e, ptl_arena *arena, const lang_modules *program,
               const elab_options *options, ptl_diags *diags);
/* The program, or NULL after an error. Call it once in any case. */
typed_program *elab_finish(elab *e);

/* ---------- diagnostics (elab_diag.c) ---------- */

/* Reports once per code and place, with the calls that led there. Returns
 * V_ERROR. */
value *elab_error(elab *e, diag_code code, src_range at, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/* The same for what was said before elaboration: without a message. */
value *elab_reported(elab *e);
/* Whether `name` stands in what the block of train or a test lacks. */
bool in_lost(const elab *e, const char *name);
bool mistakes_have(const mistake_list *l, diag_code code, src_range at);
/* What is wrong whatever the sizes are, and what is about sizes. */
bool is_certain(diag_code code);
bool is_about_sizes(diag_code code);
void elab_note(elab *e, src_range at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The name nearest to `wanted` among those `add` was called with; NULL when
 * none is near. */
typedef struct nearest {
    const char *wanted;
    const char *best;
} nearest;
void nearest_add(nearest *n, const char *candidate);
const char *nearest_hint(ptl_arena *arena, const nearest *n); /* "; did you
                                             mean `x`?" or "" */
/* The same for an argument's name: the nearest parameter, else all; "" where
 * the callee has none. */
const char *param_hint(ptl_arena *arena, const ast_decl *callee,
                       const char *name);
/* Warns of constants of train that nothing reads (unused.c). */
void check_unused(const ast_decl *train, ptl_diags *diags);
/* What an unknown name was meant to be, where that can be known: "; did you
 * mean `nn.relu`?", "; write `true`"; else NULL (name_hint.c). */
const char *name_hint(ptl_arena *arena, const lang_modules *program,
                      const lang_module *from, const char *name);
const char *dims_text(elab *e, const int64_t *dims, int rank);
const char *value_text(elab *e, const value *v); /* "real[3, 4]", "integer" */
bool overflowed(elab *e, src_range at);

/* ---------- sizes (elab_sizes.c, elab_prove.c) ---------- */

/* Sizes are symbols from here on: see elab_sizes.c. */
void generic_begin(elab *e);
/* A new symbol of at least 1; `number` is what static control takes it for. */
int64_t size_named(elab *e, const char *name, int64_t number);
/* A symbol that may be any size: no size is said to differ from it. */
int64_t size_vague(elab *e, const char *name, int64_t number);
/* One that lies in from..to, where that is symbolic; else 0. */
int64_t size_between(elab *e, const char *name, int64_t from, int64_t to);
/* The number of such a symbol from here on. */
void size_take(elab *e, int64_t size, int64_t number);
/* The number that a loop or the like counts by. From here on a number may
 * stand for the symbol, so sizes that agree in numbers do agree. */
int64_t size_counted(elab *e, int64_t size);
bool size_is_symbolic(const elab *e, int64_t size);
/* What static control takes it for. */
int64_t size_number(const elab *e, int64_t size);
/* As messages call it: `2*N + 1`. */
const char *size_text(elab *e, int64_t size);
/* `number`, or where a or b is symbolic what the operation makes of them. */
int64_t size_fold(elab *e, ty_op op, int64_t a, int64_t b, int64_t number);
int64_t size_ceil_div(elab *e, int64_t a, int64_t b, int64_t number);
/* False: the product does not fit. */
bool size_times(elab *e, int64_t a, int64_t b, int64_t *out);
/* Equal, or not to be told before the numbers are known. */
bool sizes_agree(elab *e, int64_t a, int64_t b);
bool dims_agree(elab *e, const int64_t *a, const int64_t *b, int rank);
/* a > b, whatever the numbers are. */
bool size_exceeds(elab *e, int64_t a, int64_t b);
/* Gives the next error an example: numbers for which a and b, or the first
 * that differ of a and b, are not the same. */
void size_witness(elab *e, int64_t a, int64_t b);
void dims_witness(elab *e, const int64_t *a, const int64_t *b, int rank);
/* The same of a size that is wrong by itself. */
void size_example(elab *e, int64_t size);
/* What follows from a static condition that holds, or does not, is known from
 * here on; or until what was known before is all again. */
typedef struct known_facts {
    int not_negative, rules;
} known_facts;
known_facts know_condition(elab *e, scope *s, const ast_expr *x, bool holds);
void forget_conditions(elab *e, known_facts to);
/* Every value of INT `x` lies in [0, it); 0: nothing says so. */
int64_t int_bound(elab *e, ty_expr *x);
/* `what` is no idx(wanted): it lies in [0, bound), or nothing says where. */
void say_not_idx(elab *e, const char *what, int64_t bound, int64_t wanted,
                 src_range at);
/* The messages of a subscript that data leaves open, and of one that is off its
 * axis: `index` (NULL: a constant) is `reached` at `point` (" at i=0", or "").
 */
void say_unbounded(elab *e, const bound_check *c);
void say_outside(elab *e, const bound_check *c, const char *index,
                 const char *reached, const char *point);
/* Reports a subscript that is wrong for all sizes; true: it is not. */
bool generic_prove(elab *e, const bound_check *c);

/* ---------- scopes (elab_scope.c) ---------- */

scope *scope_new(elab *e, scope *up, frame *f);
binding *scope_find(const scope *s, const char *name);
binding *scope_own(const scope *s, const char *name);
binding *scope_bind(elab *e, scope *s, const char *name, value *v,
                    src_range at);
const char *pack_key(elab *e, const char *name);
const ast_decl *module_decl(const lang_module *m, const char *name);
const lang_module *module_named(const lang_module *m, const char *alias);
value *lookup_name(elab *e, scope *s, const ast_expr *x);
/* What the language gives without a declaration; NULL: nothing. */
value *given_value(elab *e, const char *name, src_range at);
/* The same where subscripts follow. */
value *lookup_indexed(elab *e, scope *s, const ast_expr *x);
value *lookup_decl(elab *e, const lang_module *m, const char *name,
                   src_range at);

/* ---------- values (value.c) ---------- */

value *value_new(elab *e, value_kind kind, src_range at);
value *value_error(elab *e);
value *value_int(elab *e, int64_t i, src_range at);
value *value_real(elab *e, double r, src_range at);
value *value_bool(elab *e, bool b, src_range at);
value *value_string(elab *e, const char *text, src_range at);
value *value_tensor(elab *e, ty_tensor *t, src_range at);
value *value_scalar(elab *e, ty_expr *x, src_range at); /* V_EXPR, rank 0 */
bool value_is_static(const value *v);                   /* INT, REAL or BOOL */
bool value_is_number(const value *v); /* static, index, tensor, expr, list */
int value_rank(const value *v);
/* Dims of a TENSOR or EXPR. */
void value_dims(const value *v, int64_t *dims);
ty_kind value_elem(const value *v);
/* A scalar expression; reports and returns NULL when `v` is no scalar. */
ty_expr *value_scalar_expr(elab *e, value *v, src_range at);
/* The elements of a number value at `vars` (rank of them). */
ty_expr *value_at(elab *e, value *v, ty_var **vars, src_range at);
/* Names a value: a TENSOR stays, an EXPR becomes a definition. */
ty_tensor *value_materialise(elab *e, value *v, const char *name, src_range at);
/* A LIST of numbers as a LITERAL tensor; other values unchanged. */
value *value_settle(elab *e, value *v);
/* Static integer; false after an error that says what wanted it. */
bool value_want_int(elab *e, value *v, const char *what, int64_t *out);
bool value_want_real(elab *e, value *v, const char *what, double *out);

/* ---------- typed expressions (texpr.c) ---------- */

ty_expr *tx_int(elab *e, int64_t i, src_range at);
ty_expr *tx_real(elab *e, double r, src_range at);
ty_expr *tx_bool(elab *e, bool b, src_range at);
ty_expr *tx_var(elab *e, ty_var *v, src_range at);
ty_expr *tx_read(elab *e, ty_tensor *t, ty_sub *subs, ty_expr *outside,
                 src_range at);
/* Reads `t` at plain variables. */
ty_expr *tx_read_vars(elab *e, ty_tensor *t, ty_var **vars, src_range at);
/* Converts operands as the language says; NULL after an error. */
ty_expr *tx_op(elab *e, ty_op op, ty_expr **args, src_range at);
ty_expr *tx_op2(elab *e, ty_op op, ty_expr *a, ty_expr *b, src_range at);
ty_expr *tx_to(elab *e, ty_kind kind, ty_expr *x);
ty_expr *tx_random(elab *e, ty_random kind, const char *site, src_range at);
ty_expr *tx_reduce(elab *e, ast_reduction r, ty_var **vars, int count,
                   ty_expr *filter, ty_expr *body, src_range at);
/* Replaces variables from[i] by to[i]; seals random leaves over `seal` (when
 * not NULL) and the reductions around them. */
ty_expr *tx_replace(elab *e, ty_expr *x, ty_var **from, ty_var **to, int count);
ty_expr *tx_seal(elab *e, ty_expr *x, ty_var **vars, int count);
/* Does `x` use a variable that it does not bind, that is not in `vars` and not
 * the index of the scan being read? */
bool tx_open(elab *e, ty_expr *x, ty_var *const *vars, int count);
/* Does `x` differ from step to step of the scan being read? */
bool tx_at_step(elab *e, ty_expr *x);
ty_var *ty_var_new(elab *e, const char *name, int64_t hi, src_range at);

ty_tensor *tensor_new(elab *e, ty_role role, const char *name, ty_kind kind,
                      int rank, const int64_t *dims, src_range at);
/* Adds the definition of a VALUE tensor; `x` is sealed and checked. In a scan
 * it gets an axis over the steps in front where it needs one (`hidden`). */
ty_tensor *tensor_define(elab *e, const char *name, ty_var **vars, int rank,
                         ty_expr *x, src_range at);
/* Definitions stay in the order in which they may be carried out. */
void tensor_move_last(elab *e, ty_tensor *t);
const char *tensor_path(elab *e, const char *name);
bool dims_fit(elab *e, const int64_t *dims, int rank, src_range at);

/* ---------- expressions (elab_expr.c, elab_index.c, elab_call.c) ---------- */

value *eval(elab *e, scope *s, const ast_expr *x);
value *eval_index(elab *e, scope *s, const ast_expr *x);
value *eval_reduce(elab *e, scope *s, const ast_expr *x);
value *eval_call(elab *e, scope *s, const ast_expr *x);
value *eval_member(elab *e, scope *s, const ast_expr *x);
value *eval_inside(elab *e, scope *s, const ast_expr *x);
value *eval_pack_function(elab *e, scope *s, const ast_expr *x);
value *elementwise(elab *e, ty_op op, value **args, int count, src_range at);
/* Subscripts of `t`, after `record` (may be NULL) on axis 0; NULL after an
 * error. With `defines`, bare indices take their range from the axis. */
ty_sub *eval_subs(elab *e, scope *s, const ast_sub *subs, int count,
                  ty_tensor *t, ty_var *record, bool defines, src_range at);
/* Makes ranges meet: a bare occurrence of `v` on an axis of `size`. */
/* Fresh indices of a statement over the axes of `p`. */
void pack_vars(elab *e, pack *p, const char *name, src_range at);
void var_meets(elab *e, ty_var *v, int64_t size, bool batch, src_range at,
               const ty_tensor *t, int axis);
/* Proves the checks from `mark` on and forgets them. */
bool checks_run(elab *e, int mark);
void check_add(elab *e, ty_expr *read, int axis, src_range at);
/* A static integer expression such as a size. */
bool eval_int(elab *e, scope *s, const ast_expr *x, const char *what,
              int64_t *out);
/* The same where a size will not do, as in the count of a loop: its number. */
bool eval_number(elab *e, scope *s, const ast_expr *x, const char *what,
                 int64_t *out);
bool eval_interval(elab *e, scope *s, const ast_interval *in, value *v,
                   const char *name);

/* ---------- types (elab_type.c) ---------- */

/* Is `type` a scalar word without dims: int, real, bool, ...? */
bool type_is_scalar(const ast_type *type);
bool is_type_name(const char *name);
/* Binds open sizes of `type` from `v`, then checks; the value in the type's
 * terms (a list as literal, an int as real), or an error. `own` receives new
 * sizes. */
value *type_bind(elab *e, scope *own, const ast_type *type, value *v,
                 const char *what, src_range at);
/* Checks sizes that type_bind() had to leave for later. */
bool type_finish(elab *e, scope *own, const ast_type *type, value *v,
                 const char *what, src_range at);
/* Kind and dims of a type whose sizes are all bound: into `out`. False after
 * an error; with `may_open`, false silently when a size is not bound yet. */
bool type_resolve(elab *e, scope *s, const ast_type *type, ty_tensor *out,
                  bool may_open);
bool dims_resolve(elab *e, scope *s, const ast_sub *dims, int count,
                  int64_t *out, int *rank, bool may_open);
/* The size of an axis as a message calls it: `N (= 64)` where `t` is an input
 * of the function being read; and where its names got their sizes. */
const char *axis_text(elab *e, const ty_tensor *t, int axis);
void note_axis(elab *e, const ty_tensor *t, int axis);
/* The same of all axes of the declared type `t`, which `written` became. */
const char *shape_text(elab *e, const ast_type *written, const ty_tensor *t);
void note_shape(elab *e, const scope *s, const ast_type *written);
/* Binds open sizes of a result type from the shape that the call at `at` (may
 * be nowhere) wants. */
void type_bind_shape(elab *e, scope *own, const ast_type *type,
                     const int64_t *dims, int rank, src_range at);

/* ---------- calls (elab_call.c, elab_builtin.c, elab_layer.c) ---------- */

/* The function, layer's fn, ... that a call enters and leaves. NULL and an
 * error when calls nest too deeply. */
frame *frame_push(elab *e, frame_kind kind, const lang_module *m,
                  const char *what, src_range at);
void frame_pop(elab *e);
/* Names of file-level hypers. */
scope *module_scope(elab *e, const lang_module *m);

/* `x` with the shape its value will have (may be NULL): a call binds the
 * sizes its result type leaves open from it. */
value *eval_wanted(elab *e, scope *s, const ast_expr *x,
                   const ty_tensor *wanted);
/* Arguments of a call in the callee's order; items are NULL where a default
 * stands. NULL after an error. */
value **eval_args(elab *e, scope *s, const ast_decl *callee,
                  const ast_expr *call);
/* Binds values and defaults to parameters in `into`; sizes are bound too. */
bool bind_params(elab *e, scope *into, const ast_decl *callee, value **args,
                 src_range at);
value *call_fn(elab *e, const ast_decl *fn, const lang_module *m, scope *up,
               value **args, const ty_tensor *wanted, src_range at);
/* Runs the statements of a body; false when one was wrong. */
bool run_body(elab *e, scope *s, const ast_block *body);
/* Result names known before the body runs are declared with their types. */
void declare_results(elab *e, scope *s, const ast_decl *fn);
value *collect_results(elab *e, scope *s, const ast_decl *fn, src_range at);
/* elab_grad.c: around a body with a gradient of its own. What its `grad` may
 * read, before the body ran (NULL: an error); the results that callers get,
 * where tensors from `first` on were made by the body. */
scope *custom_begin(elab *e, scope *s, const ast_decl *fn, src_range at);
value *custom_finish(elab *e, scope *inputs, const ast_decl *fn, value *result,
                     int first, src_range at);
/* A builtin that takes these arguments, or NULL. */
value *eval_builtin(elab *e, scope *s, const ast_expr *call);
bool is_builtin(const char *name);
/* All of them from index 0 on; NULL: no more. */
const char *builtin_name(int index);
/* The binary operation `x` on operands already read. */
value *eval_operands(elab *e, const ast_expr *x, value *args[2]);
value *eval_close(elab *e, scope *s, const ast_expr *call, typed_expect *out);
/* `~ zeros()`: found here, then in std.init. */
ty_tensor *call_initialiser(elab *e, scope *s, const ast_expr *x,
                            const ty_tensor *shape, const char *site);
const char *site_next(elab *e);

/* Constructs from `layer(args)`; `path` names its parameters. */
value *construct(elab *e, scope *s, const ast_expr *x, const char *path);
value *instance_construct(elab *e, const ast_decl *d, const lang_module *m,
                          value **args, const char *path, src_range at);
value *apply_instance(elab *e, instance *inst, scope *s, const ast_expr *call);
value *apply_values(elab *e, instance *inst, value **args, src_range at);
value *instance_member(elab *e, instance *inst, const char *name, src_range at);
/* Is `name` a member under an `if` that does not hold? Then that is said. */
bool member_left_out(elab *e, const instance *inst, const char *name,
                     src_range at);
void check_applied(elab *e);
/* What is wrong with the word after `sync`; NULL: nothing. */
const char *sync_complaint(ptl_arena *arena, const ast_decl *state);

/* ---------- statements (elab_stmt.c) ---------- */

void exec(elab *e, scope *s, const ast_stmt *st);
/* In a test block, outside of scans. */
void exec_expect(elab *e, scope *s, const ast_stmt *st);
void exec_test_model(elab *e, scope *s, const ast_stmt *st);
/* What to write instead of a statement whose condition is not static. */
#define CHOOSE_BY_ELEMENT "write `c ? a : b` to choose by element"
/* Does the condition of an `if` hold? False after an error, which ends in
 * `instead` where the condition is not static. */
bool eval_static_if(elab *e, scope *s, const ast_expr *cond,
                    const char *instead, bool *taken);
/* The hyper's value after --set; binds it in `s`. */
void exec_hyper(elab *e, scope *s, const ast_decl *h, const char *block);
void exec_assert(elab *e, scope *s, const ast_decl *a);
const char *interpolate(elab *e, scope *s, const char *text, src_range at);

/* ---------- definitions (elab_define.c, elab_update.c) ---------- */

bool exec_define(elab *e, scope *s, const ast_stmt *st);
void exec_declare(elab *e, scope *s, const ast_stmt *st);
void exec_accumulate(elab *e, scope *s, const ast_stmt *st);
void exec_update(elab *e, scope *s, const ast_stmt *st);
/* May `st` define its name here? Reports if not. */
bool may_define(elab *e, scope *s, const ast_stmt *st);
/* Brings a body to its declared kind (NULL: none); NULL after an error. */
ty_expr *as_declared(elab *e, ty_expr *x, const ty_tensor *wanted,
                     src_range at);
/* What a callee named takes the name its caller gives. */
void rename_borrowed(elab *e, const char *name, ty_tensor *t);
bool is_rank_zero_leaf(const ty_expr *x);

/* ---------- scans (elab_scan.c) ---------- */

void exec_scan(elab *e, scope *s, const ast_stmt *st);
/* Is `s` the body of the scan being read? */
bool in_scan(const elab *e, const scope *s);
/* may_define() and the declared type (or NULL) in such a body. */
bool scan_may_define(elab *e, scope *s, const ast_stmt *st);
const ty_tensor *scan_wanted(scope *s, const ast_stmt *st);
/* The scan's index if `name` means it, or NULL. */
ty_var *scan_index(const elab *e, const scope *s, const char *name);
/* Does the declared axis have the scan's steps? Reports if not. */
bool scan_declares(elab *e, const ty_tensor *wanted, int axis, const char *name,
                   src_range at);
/* Is `x` of the kind carried `t` started with? Reports if not. */
bool scan_kind_fits(elab *e, const ty_tensor *t, const ty_expr *x,
                    src_range at);
/* Gives carried `t` its definition. */
value *scan_define_carried(elab *e, ty_tensor *t, ty_var **vars, int rank,
                           ty_expr *x, src_range at);
/* Is `t` computed in the scan being read, under a name with its steps? Then it
 * is read step by step only. */
bool scan_is_open(const elab *e, const ty_tensor *t);
/* May such a tensor be read at `subs`? Reports if not. */
bool scan_reads(elab *e, ty_tensor *t, const ty_sub *subs, src_range at);

/* ---------- train, data, optimizers ---------- */

value *schedule_value(elab *e, value *v, src_range at);
void exec_metric(elab *e, scope *s, const ast_stmt *st);
/* A number called `what` as a tensor; NULL after an error. */
ty_tensor *real_scalar_tensor(elab *e, value *v, const char *what,
                              src_range at);
void exec_data(elab *e, scope *s, const ast_stmt *st);
value *eval_reader(elab *e, scope *s, const ast_expr *x);
value *read_raw(elab *e, const char *field, src_range at);
/* Does a field of the block read the raw field `t` to the end of the axis? */
bool raw_read_to_end(elab *e, const ty_tensor *t, int axis);
/* Is an argument of this name none of a reader's fields? */
bool is_reader_option(const char *name);
bool optimizer_updates(elab *e, scope *train, const ast_block *body,
                       value *optimizer);
value *apply_optimizer(elab *e, instance *inst, value **args, src_range at);
/* across_params(...) in an optimizer; elab_across.c */
value *eval_across(elab *e, const ast_expr *call);
bool pattern_matches(const char *pattern, const char *path);
/* Does a `freeze` of the train block match? */
bool param_is_frozen(const ast_block *body, const char *path);
/* Steps or epochs; false: `v` is neither. */
bool period_value(const value *v, typed_period *out);
/* elab_average.c: the setting as written, or given by --set; slots for the
 * averages; evaluation and prediction read these. */
bool average_setting(elab *e, scope *s, const ast_expr *x);
bool average_text(elab *e, const char *text, src_range at);
const char *average_words(elab *e); /* as --set takes it */
void average_updates(elab *e);
void average_reads(elab *e, const ast_block *body);
/* An override of `key`, or NULL; remembers that the key exists. */
const char *set_for(elab *e, const char *key);
value *parse_setting(elab *e, const char *text, const char *type_name,
                     const char *key, src_range at);
void config_add(elab *e, const char *key, const value *v);
/* The cluster block, and --set of its keys: into the program. */
void cluster_read(elab *e);
bool sets_all_used(elab *e);

#endif
