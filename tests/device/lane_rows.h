/*
 * lane_rows.h - makes the table of the handlers lane_ops.h made.
 */
#undef UNARY
#undef BINARY
#undef TERNARY
#undef QUATERNARY
#define UNARY(id, keys, shape, D, A, expression) {keys, run_##id, shape},
#define BINARY(id, keys, shape, D, A, B, expression) {keys, run_##id, shape},
#define TERNARY(id, keys, shape, D, A, B, C, expression)                       \
    {keys, run_##id, shape},
#define QUATERNARY(id, keys, shape, D, A, B, C, E, expression)                 \
    {keys, run_##id, shape},
