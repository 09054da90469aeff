/*
 * parse_priv.h - what scanner, grammar, tree building and error reports share.
 *
 * One parse_state lives through one ptl_parse(). The scanner (lexer.l) fills
 * tokens, the loop in parse.c pushes them into the parser (grammar.y), whose
 * actions only call build.c. Ranges travel as `span`, bytes of the one file.
 */
#ifndef PTL_LANG_PARSE_PRIV_H
#define PTL_LANG_PARSE_PRIV_H

#include "base/map.h"
#include "lang/ast.h"

typedef struct span {
    uint32_t begin, end;
} span;

typedef struct number {
    int64_t integer;
    double real;
} number;

typedef VEC(ast_expr *) expr_list;
typedef VEC(ast_stmt *) stmt_list;
typedef VEC(ast_decl *) decl_list;
typedef VEC(ast_arg) arg_list;
typedef VEC(ast_sub) sub_list;
typedef VEC(ast_binder) binder_list;
typedef VEC(ast_param) param_list;
typedef VEC(ast_carry) carry_list;
typedef VEC(ast_name) name_list;

/* `if c { } else if c { } ...`, kept flat until its end is known. */
typedef struct if_arm {
    ast_expr *condition;
    ast_block body;
    src_range at;
} if_arm;
typedef VEC(if_arm) arm_list;

typedef struct doc_comment {
    const char *text;
    uint32_t owner; /* where the token after it begins */
} doc_comment;

typedef struct open_bracket {
    char kind; /* ( [ { */
    span at;
} open_bracket;

/* What gets the parser going after an unexpected token. */
typedef enum cure {
    CURE_NOTHING, /* there was no error */
    CURE_BRACE,   /* the `}` of every open block before `restart` */
    CURE_SKIP,    /* leaving the rest of the statement out */
    CURE_BODY,    /* leaving all out up to the `}` of a `{` that is missing */
} cure;

typedef struct parse_state {
    ptl_arena *arena;
    const src_file *source;
    ptl_diags *diags;  /* NULL: nothing is reported */
    ptl_map *words;    /* one copy of each name */
    uint32_t offset;   /* the scanner's place */
    bool after_number; /* the scanner is behind a number, on its line */
    VEC(char) doc;     /* `///` lines waiting for their declaration */
    int doc_lines;
    VEC(doc_comment) docs;
    VEC(open_bracket) open;
    const ast_when *when; /* the ifs around members that are being read */
    VEC(ast_decl *) decls;
    VEC(span) lost;     /* text that was left out */
    uint32_t statement; /* where the statement begins that is being read */
    uint32_t decl;      /* the same of the declaration */
    bool ended;         /* the next token begins a statement */
    span previous;      /* the last token the parser took */
    int previous_token; /* its code, 0 at the beginning */
    cure cure;          /* after an error; set by report_unexpected() */
    uint32_t restart;   /* CURE_BRACE: where reading goes on */
    bool unclosed;      /* the last text had no closing quote */
    bool quiet;         /* while skipping: report nothing */
    bool fatal;         /* a limit was passed: give up */
} parse_state;

src_range parse_range(const parse_state *s, span at);
void parse_error(parse_state *s, diag_code code, span at, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));
const char *parse_word(parse_state *s, const char *text, size_t length);

/* lexer.l: the token's code, 0 at the end. */
typedef union PTL_YYSTYPE PTL_YYSTYPE;
typedef struct parse_scanner parse_scanner;
parse_scanner *scanner_open(parse_state *s);
/* Goes on reading at a byte of the text. */
void scanner_move(parse_scanner *scanner, uint32_t offset);
int scanner_next(parse_scanner *scanner, PTL_YYSTYPE *value, span *at);
void scanner_close(parse_scanner *scanner);

/*
 * scan_value.c: what a token means. The text is not NUL-terminated. Each
 * reports what is wrong with it and returns something usable.
 */
int scan_word(const char *text, size_t length, ast_reduction *reduction);
number scan_integer(parse_state *s, span at);
number scan_real(parse_state *s, span at);
const char *scan_string(parse_state *s, span at, bool closed);
void scan_foreign_comment(parse_state *s, span at);
void scan_strange(parse_state *s, span at);
void scan_doc(parse_state *s, const char *text, size_t length);
void scan_doc_end(parse_state *s, uint32_t owner);
bool scan_is_unit(const char *text);
bool scan_is_word(char c); /* of a name or number */

/* syntax_error.c: chooses the words for an unexpected token. */
typedef struct unexpected {
    const char *token; /* as the grammar names it */
    span at;
    const char *const *expected; /* all that could stand here */
    int count;
} unexpected;
void report_unexpected(parse_state *s, const unexpected *u);
/* Whether a line ends between the last token and this one. */
bool on_new_line(const parse_state *s, span at);

/* grammar.y: could this token come next? */
typedef struct ptl_yypstate ptl_yypstate;
bool parser_accepts(const ptl_yypstate *parser, int token);

/* build.c: nodes. `at` is all of the node, `mark` its operator. */
ast_expr *build_leaf(parse_state *s, ast_expr_kind kind, span at);
ast_expr *build_name(parse_state *s, const char *name, span at);
ast_expr *build_number(parse_state *s, ast_expr_kind kind, number value,
                       span at);
ast_expr *build_string(parse_state *s, const char *text, span at);
ast_expr *build_quantity(parse_state *s, ast_expr *value, const char *unit,
                         span at, span mark);
ast_expr *build_word(parse_state *s, ast_reduction reduction, span at);
ast_expr *build_unary(parse_state *s, ast_op op, ast_expr *a, span at,
                      span mark);
ast_expr *build_binary(parse_state *s, ast_op op, ast_expr *a, ast_expr *b,
                       span at, span mark);
ast_expr *build_cond(parse_state *s, ast_expr *a, ast_expr *b, ast_expr *c,
                     span at, span mark);
ast_expr *build_call(parse_state *s, ast_expr *callee, arg_list *args, span at,
                     span mark);
ast_expr *build_index(parse_state *s, ast_expr *base, sub_list *subs,
                      ast_expr *otherwise, span at, span mark);
ast_expr *build_member(parse_state *s, ast_expr *base, const char *name,
                       span at, span mark);
ast_expr *build_reduction(parse_state *s, ast_reduction reduction,
                          binder_list *binders, ast_expr *filter,
                          ast_expr *body, span at, span mark);
ast_expr *build_list(parse_state *s, expr_list *items, span at);
ast_expr *build_range(parse_state *s, ast_expr *lo, ast_expr *hi, span at,
                      span mark);

ast_type *build_type(parse_state *s, name_list *path, ast_expr *arg, span at);
void build_type_dims(ast_type *type, sub_list *dims, src_range at);
ast_name build_name_at(parse_state *s, const char *text, span at);

ast_stmt *build_stmt(parse_state *s, ast_stmt_kind kind, span at);
void build_set_body(parse_state *s, ast_stmt *stmt, ast_block body);
ast_stmt *build_if(parse_state *s, arm_list *arms, const ast_block *otherwise,
                   span at);
ast_stmt *build_policy(parse_state *s, ast_stmt *first, ast_policy policy,
                       ast_expr *other);
ast_stmt *build_decl_stmt(parse_state *s, ast_stmt_kind kind, ast_decl *decl);
ast_block build_block(parse_state *s, stmt_list *stmts, span at);

ast_decl *build_decl(parse_state *s, ast_decl_kind kind, const char *name,
                     span name_at, span at);
void build_params(ast_decl *decl, param_list *params);
/* The `if` of members, within `outer`, and its other side. */
const ast_when *build_when(parse_state *s, ast_expr *cond,
                           const ast_when *outer, span at);
const ast_when *build_otherwise(parse_state *s, ast_expr *cond,
                                const ast_when *outer);
void build_add_member(parse_state *s, decl_list *members, ast_decl *member);
decl_list *build_joined(parse_state *s, decl_list *a, const decl_list *b);
void build_dims(ast_decl *decl, sub_list *dims);
void build_version(parse_state *s, number version, span at);

#endif
