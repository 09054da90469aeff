/*
 * grammar.y - the shape of PTL. Builds trees, looks nothing up.
 *
 * LALR(1) without conflicts. The parser is pushed one token at a time by
 * parse.c, which also recovers: after an error it skips to where a statement
 * or declaration ends and pushes `;`, so that here every list needs just one
 * `error ';'`. Values live in the arena and need no destructors.
 */
%define api.pure full
%define api.push-pull push
%define api.prefix {ptl_yy}
%define api.location.type {span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {parse_state *s}

%code requires {
#include "parse_priv.h"
}
%code {
#define YYLLOC_DEFAULT(Current, Rhs, N)                                       \
    do {                                                                      \
        if (N) {                                                              \
            (Current).begin = YYRHSLOC(Rhs, 1).begin;                         \
            (Current).end = YYRHSLOC(Rhs, N).end;                             \
        } else {                                                              \
            (Current).begin = (Current).end = YYRHSLOC(Rhs, 0).end;           \
        }                                                                     \
    } while (0)
#define YYMAXDEPTH 10000

static void yyerror(span *at, parse_state *s, const char *message);
static void needless_semicolon(parse_state *s, span at);

/* Starts, or goes on with, a list in the arena. */
#define LIST_NEW(list, type, item)                                            \
    ((list) = ARENA_NEW(s->arena, type), vec_push(s->arena, (list), (item)))
#define LIST_ADD(list, item) vec_push(s->arena, (list), (item))
}

%union {
    const char *name;
    number number;
    ast_reduction reduction;
    ast_op op;
    bool flag;
    span span;
    ast_expr *expr;
    ast_stmt *stmt;
    ast_decl *decl;
    ast_type *type;
    ast_interval *interval;
    ast_block block;
    ast_arg arg;
    ast_sub sub;
    ast_binder binder;
    ast_param param;
    ast_carry carry;
    expr_list *exprs;
    stmt_list *stmts;
    decl_list *decls;
    arg_list *args;
    sub_list *subs;
    binder_list *binders;
    param_list *params;
    carry_list *carries;
    name_list *names;
    arm_list *arms;
    struct { ast_expr *lo, *hi; span mark; } range;
    struct { sub_list *subs; ast_expr *otherwise; } subscript;
    struct { binder_list *list; ast_expr *filter; } binding;
    struct { const char *name; span at; } place;
    const ast_when *when;
    struct { decl_list *members; const ast_when *otherwise; } guarded;
}

%token T_END 0 "end of file"
%token T_BAD "strange text"
%token <name> T_NAME "name" T_STRING "text" T_UNIT "unit"
%token <number> T_INT "integer" T_REAL "number"
%token <reduction> T_REDUCTION "reduction"
%token T_PTL "ptl" T_IMPORT "import" T_AS "as" T_FN "fn" T_LAYER "layer"
%token T_USE "use" T_PARAM "param" T_SLOT "slot" T_HYPER "hyper"
%token T_RETURN "return" T_ASSERT "assert" T_IF "if" T_ELSE "else"
%token T_FOR "for" T_IN "in" T_SCAN "scan" T_FROM "from" T_EXPECT "expect"
%token T_TRUE "true" T_FALSE "false"
/* Soft keywords, also names. */
%token <name> T_MODEL "model" T_STATE "state" T_METRIC "metric" T_GRAD "grad"
%token <name> T_DATA "data" T_TRAIN "train" T_CLUSTER "cluster"
%token <name> T_OPTIMIZER "optimizer" T_SCHEDULE "schedule" T_TEST "test"
%token <name> T_SYNC "sync" T_PER "per" T_SET "set" T_FREEZE "freeze"
%token <name> T_ON "on" T_THEN "then"
%token T_ARROW "->" T_UPDATE "<-" T_ADD_TO "+=" T_DOTDOT ".."
%token T_EQ "==" T_NE "!=" T_LE "<=" T_GE ">=" T_AND "&&" T_OR "||"

%type <name> name
%type <names> qname names strings
%type <decl> item import fn fn_head layer model data train cluster
%type <decl> optimizer schedule test hyper assert mod
%type <decls> mods
%type <guarded> mod_if mod_arms
%type <params> params param_list results sig
%type <param> param result
%type <interval> interval
%type <flag> open close
%type <type> type base
%type <subs> dims
%type <sub> dim pack
%type <place> sync_opt
%type <block> block setting_block
%type <stmts> body settings
%type <stmt> stmt lhs setting policy
%type <arms> arms
%type <carries> carries
%type <carry> carry
%type <range> range
%type <expr> expr or and cmp add term red mul unary pow postfix primary value
%type <op> cmp_op
%type <exprs> exprs list
%type <binding> binders
%type <binders> binder_list
%type <binder> binder
%type <args> args arg_list
%type <arg> arg
%type <subscript> subs
%type <subs> sub_list

%start program
%%
program: items ;

/* ---------- declarations ---------- */

items
    : %empty
    | items item            { if ($2) vec_push(s->arena, &s->decls, $2);
                              s->when = NULL; }
    ;

item
    : "ptl" "integer" ';'   { build_version(s, $2, @2); $$ = NULL; }
    | error ';'             { yyerrok; $$ = NULL; }
    | ';'                   { needless_semicolon(s, @1); $$ = NULL; }
    | import | fn | layer | model | data | train | cluster | optimizer
    | schedule | test | hyper | assert
    ;

import
    : "import" qname ';' {
        $$ = build_decl(s, DECL_IMPORT, NULL, @2, @$);
        $$->path = $2->data;
        $$->path_count = $2->count;
    }
    | "import" qname "as" name ';' {
        $$ = build_decl(s, DECL_IMPORT, NULL, @2, @$);
        $$->path = $2->data;
        $$->path_count = $2->count;
        $$->alias = $4;
        $$->alias_at = parse_range(s, @4);
    }
    | "import" "text" "as" name ';' {
        $$ = build_decl(s, DECL_IMPORT, NULL, @2, @$);
        $$->file = $2;
        $$->file_at = parse_range(s, @2);
        $$->alias = $4;
        $$->alias_at = parse_range(s, @4);
    }
    ;

qname
    : name           { LIST_NEW($$, name_list, build_name_at(s, $1, @1)); }
    | qname '.' name { $$ = $1; LIST_ADD($$, build_name_at(s, $3, @3)); }
    ;

fn
    : fn_head
    | fn_head "grad" '(' names ')' block {
        $$ = $1;
        $$->has_grad = true;
        $$->grad_names = $4->data;
        $$->grad_name_count = $4->count;
        $$->grad_body = $6;
        $$->at = parse_range(s, @$);
    }
    ;

fn_head
    : "fn" name sig block {
        $$ = build_decl(s, DECL_FN, $2, @2, @$);
        build_params($$, $3);
        $$->results = $3[1].data;
        $$->result_count = $3[1].count;
        $$->body = $4;
    }
    ;

names
    : name           { LIST_NEW($$, name_list, build_name_at(s, $1, @1)); }
    | names ',' name { $$ = $1; LIST_ADD($$, build_name_at(s, $3, @3)); }
    ;

/* Two lists side by side: parameters, then results. */
sig
    : '(' params ')' "->" result {
        $$ = ARENA_ARRAY(s->arena, param_list, 2);
        if ($2)
            $$[0] = *$2;
        LIST_ADD(&$$[1], $5);
    }
    | '(' params ')' "->" '(' results ')' {
        $$ = ARENA_ARRAY(s->arena, param_list, 2);
        if ($2)
            $$[0] = *$2;
        $$[1] = *$6;
    }
    ;

results
    : result             { LIST_NEW($$, param_list, $1); }
    | results ',' result { $$ = $1; LIST_ADD($$, $3); }
    ;

result
    : name {
        $$ = (ast_param){.name = $1, .name_at = parse_range(s, @1),
                         .at = parse_range(s, @$)};
    }
    | name ':' type {
        $$ = (ast_param){.name = $1, .name_at = parse_range(s, @1),
                         .at = parse_range(s, @$), .type = $3};
    }
    ;

params
    : %empty         { $$ = NULL; }
    | param_list
    | param_list ','
    ;

param_list
    : param                { LIST_NEW($$, param_list, $1); }
    | param_list ',' param { $$ = $1; LIST_ADD($$, $3); }
    ;

param
    : result
    | name ':' type "in" interval {
        $$ = (ast_param){.name = $1, .name_at = parse_range(s, @1),
                         .at = parse_range(s, @$), .type = $3, .interval = $5};
    }
    | name ':' type '=' expr {
        $$ = (ast_param){.name = $1, .name_at = parse_range(s, @1),
                         .at = parse_range(s, @$), .type = $3, .value = $5};
    }
    | name ':' type '=' expr "in" interval {
        $$ = (ast_param){.name = $1, .name_at = parse_range(s, @1),
                         .at = parse_range(s, @$), .type = $3, .value = $5,
                         .interval = $7};
    }
    ;

interval
    : open expr ',' expr close {
        $$ = ARENA_NEW(s->arena, ast_interval);
        *$$ = (ast_interval){$2, $4, $1, $5, parse_range(s, @$)};
    }
    ;

open:  '(' { $$ = true; } | '[' { $$ = false; } ;
close: ')' { $$ = true; } | ']' { $$ = false; } ;

type
    : base
    | base '[' dims ']' {
        $$ = $1;
        build_type_dims($$, $3, parse_range(s, @$));
    }
    ;

base
    : qname              { $$ = build_type(s, $1, NULL, @$); }
    | qname '(' expr ')' { $$ = build_type(s, $1, $3, @$); }
    ;

dims
    : dim          { LIST_NEW($$, sub_list, $1); }
    | dims ',' dim { $$ = $1; LIST_ADD($$, $3); }
    ;

dim
    : expr { $$ = (ast_sub){.expr = $1, .at = parse_range(s, @$)}; }
    | pack
    ;

pack
    : ".." {
        $$ = (ast_sub){.is_pack = true, .name = "", .at = parse_range(s, @$)};
    }
    | ".." name {
        $$ = (ast_sub){.is_pack = true, .name = $2, .at = parse_range(s, @$)};
    }
    ;

layer
    : "layer" name '(' params ')' '{' mods '}' {
        $$ = build_decl(s, DECL_LAYER, $2, @2, @$);
        build_params($$, $4);
        $$->members = $7->data;
        $$->member_count = $7->count;
    }
    ;

model
    : "model" name '{' mods '}' {
        $$ = build_decl(s, DECL_MODEL, $2, @2, @$);
        $$->members = $4->data;
        $$->member_count = $4->count;
    }
    | "model" name '(' params ')' '{' mods '}' {
        $$ = build_decl(s, DECL_MODEL, $2, @2, @$);
        build_params($$, $4);
        $$->members = $7->data;
        $$->member_count = $7->count;
    }
    ;

mods
    : %empty   { $$ = ARENA_NEW(s->arena, decl_list); }
    | mods mod { $$ = $1; if ($2) build_add_member(s, $$, $2); }
    | mods mod_if { $$ = build_joined(s, $1, $2.members); }
    ;

mod_if
    : mod_arms
    | mod_arms "else" '{' { $<when>$ = s->when; s->when = $1.otherwise; }
      mods '}' {
        s->when = $<when>4;
        $$.members = build_joined(s, $1.members, $5);
    }
    ;

/* Left-recursive, as `arms` are. */
mod_arms
    : "if" expr '{' {
        $<when>$ = s->when;
        s->when = build_when(s, $2, s->when, @1);
    } mods '}' {
        s->when = $<when>4;
        $$.members = $5;
        $$.otherwise = build_otherwise(s, $2, s->when);
    }
    | mod_arms "else" "if" expr '{' {
        $<when>$ = s->when;
        s->when = build_when(s, $4, $1.otherwise, @3);
    } mods '}' {
        s->when = $<when>6;
        $$.members = build_joined(s, $1.members, $7);
        $$.otherwise = build_otherwise(s, $4, $1.otherwise);
    }
    ;

mod
    : "use" name '=' expr ';' {
        $$ = build_decl(s, DECL_USE, $2, @2, @$);
        $$->value = $4;
    }
    | "use" name '[' expr ']' '=' expr ';' {
        $$ = build_decl(s, DECL_USE, $2, @2, @$);
        $$->count = $4;
        $$->value = $7;
    }
    | "use" name '[' name "in" range ']' '=' expr ';' {
        $$ = build_decl(s, DECL_USE, $2, @2, @$);
        $$->index = $4;
        $$->begin = $6.lo;
        $$->count = $6.hi;
        $$->value = $9;
    }
    | "param" name '~' expr ';' {
        $$ = build_decl(s, DECL_PARAM, $2, @2, @$);
        $$->value = $4;
    }
    | "param" name '[' dims ']' '~' expr ';' {
        $$ = build_decl(s, DECL_PARAM, $2, @2, @$);
        build_dims($$, $4);
        $$->value = $7;
    }
    | "state" name '=' expr sync_opt ';' {
        $$ = build_decl(s, DECL_STATE, $2, @2, @$);
        $$->value = $4;
        $$->sync = $5.name;
        $$->sync_at = parse_range(s, $5.at);
    }
    | "state" name '[' dims ']' '=' expr sync_opt ';' {
        $$ = build_decl(s, DECL_STATE, $2, @2, @$);
        build_dims($$, $4);
        $$->value = $7;
        $$->sync = $8.name;
        $$->sync_at = parse_range(s, $8.at);
    }
    | hyper
    | assert
    | fn
    | "fn" sig block {
        $$ = build_decl(s, DECL_FN, NULL, @1, @$);
        build_params($$, $2);
        $$->results = $2[1].data;
        $$->result_count = $2[1].count;
        $$->body = $3;
    }
    | error ';' { yyerrok; $$ = NULL; }
    | ';'       { needless_semicolon(s, @1); $$ = NULL; }
    ;

sync_opt
    : %empty             { $$.name = NULL; $$.at = @$; }
    | "sync" name        { $$.name = $2; $$.at = @2; }
    | "sync" "reduction" { $$.name = ast_reduction_text($2); $$.at = @2; }
    ;

hyper
    : "hyper" name ':' type '=' expr ';' {
        $$ = build_decl(s, DECL_HYPER, $2, @2, @$);
        $$->type = $4;
        $$->value = $6;
    }
    | "hyper" name ':' type '=' expr "in" interval ';' {
        $$ = build_decl(s, DECL_HYPER, $2, @2, @$);
        $$->type = $4;
        $$->value = $6;
        $$->interval = $8;
    }
    ;

assert
    : "assert" expr ';' {
        $$ = build_decl(s, DECL_ASSERT, NULL, @1, @$);
        $$->value = $2;
    }
    | "assert" expr ',' "text" ';' {
        $$ = build_decl(s, DECL_ASSERT, NULL, @1, @$);
        $$->value = $2;
        $$->message = $4;
        $$->message_at = parse_range(s, @4);
    }
    ;

data
    : "data" name block {
        $$ = build_decl(s, DECL_DATA, $2, @2, @$);
        $$->body = $3;
    }
    ;

train
    : "train" block {
        $$ = build_decl(s, DECL_TRAIN, NULL, @1, @$);
        $$->body = $2;
    }
    | "train" name block {
        $$ = build_decl(s, DECL_TRAIN, $2, @2, @$);
        $$->body = $3;
    }
    ;

test
    : "test" "text" block {
        $$ = build_decl(s, DECL_TEST, $2, @2, @$);
        $$->body = $3;
    }
    ;

optimizer
    : "optimizer" name '(' params ')' "per" "param" block {
        $$ = build_decl(s, DECL_OPTIMIZER, $2, @2, @$);
        build_params($$, $4);
        $$->body = $8;
    }
    ;

schedule
    : "schedule" name '(' params ')' block {
        $$ = build_decl(s, DECL_SCHEDULE, $2, @2, @$);
        build_params($$, $4);
        $$->body = $6;
    }
    ;

/* ---------- statements ---------- */

block
    : '{' body '}' { $$ = build_block(s, $2, @$); }
    ;

body
    : %empty    { $$ = ARENA_NEW(s->arena, stmt_list); }
    | body stmt { $$ = $1; if ($2) LIST_ADD($$, $2); }
    ;

stmt
    : lhs '=' expr ';' {
        $$ = $1;
        $$->value = $3;
        $$->at = parse_range(s, @$);
    }
    | lhs ':' type '=' expr ';' {
        $$ = $1;
        $$->type = $3;
        $$->value = $5;
        $$->at = parse_range(s, @$);
    }
    | lhs ':' type ';' {
        $$ = $1;
        $$->kind = STMT_DECLARE;
        $$->type = $3;
        $$->at = parse_range(s, @$);
    }
    | lhs "+=" expr ';' {
        $$ = $1;
        $$->kind = STMT_ACCUMULATE;
        $$->value = $3;
        $$->at = parse_range(s, @$);
    }
    | lhs "<-" expr ';' {
        $$ = $1;
        $$->kind = STMT_UPDATE;
        $$->value = $3;
        $$->at = parse_range(s, @$);
    }
    | '(' names ')' '=' expr ';' {
        $$ = build_stmt(s, STMT_UNPACK, @$);
        $$->names = $2->data;
        $$->name_count = $2->count;
        $$->value = $5;
    }
    | "return" exprs ';' {
        $$ = build_stmt(s, STMT_RETURN, @$);
        $$->values = $2->data;
        $$->value_count = $2->count;
    }
    | hyper  { $$ = build_decl_stmt(s, STMT_HYPER, $1); }
    | assert { $$ = build_decl_stmt(s, STMT_ASSERT, $1); }
    | "expect" expr ';' {
        $$ = build_stmt(s, STMT_EXPECT, @$);
        $$->value = $2;
    }
    | arms              { $$ = build_if(s, $1, NULL, @$); }
    | arms "else" block { $$ = build_if(s, $1, &$3, @$); }
    | "for" name "in" range block {
        $$ = build_stmt(s, STMT_FOR_RANGE, @$);
        $$->name = $2;
        $$->name_at = parse_range(s, @2);
        $$->lo = $4.lo;
        $$->hi = $4.hi;
        build_set_body(s, $$, $5);
    }
    | "for" name "in" expr block {
        $$ = build_stmt(s, STMT_FOR_EACH, @$);
        $$->name = $2;
        $$->name_at = parse_range(s, @2);
        $$->value = $4;
        build_set_body(s, $$, $5);
    }
    | "scan" name "in" range "from" carries block {
        $$ = build_stmt(s, STMT_SCAN, @$);
        $$->name = $2;
        $$->name_at = parse_range(s, @2);
        $$->lo = $4.lo;
        $$->hi = $4.hi;
        $$->carries = $6->data;
        $$->carry_count = $6->count;
        build_set_body(s, $$, $7);
    }
    | "slot" lhs '=' expr ';' {
        $$ = $2;
        $$->kind = STMT_SLOT;
        $$->value = $4;
        $$->at = parse_range(s, @$);
    }
    | "model" name '=' expr ';' {
        $$ = build_stmt(s, STMT_MODEL, @$);
        $$->name = $2;
        $$->name_at = parse_range(s, @2);
        $$->value = $4;
    }
    | "data" name ';' {
        $$ = build_stmt(s, STMT_DATA, @$);
        $$->name = $2;
        $$->name_at = parse_range(s, @2);
    }
    | "metric" name '=' expr ';' {
        $$ = build_stmt(s, STMT_METRIC, @$);
        $$->name = $2;
        $$->name_at = parse_range(s, @2);
        $$->value = $4;
    }
    | "metric" name block {
        $$ = build_stmt(s, STMT_METRIC, @$);
        $$->name = $2;
        $$->name_at = parse_range(s, @2);
        $$->has_body = true;
        build_set_body(s, $$, $3);
    }
    | "set" strings block {
        $$ = build_stmt(s, STMT_SET, @$);
        $$->names = $2->data;
        $$->name_count = $2->count;
        build_set_body(s, $$, $3);
    }
    | "freeze" strings ';' {
        $$ = build_stmt(s, STMT_FREEZE, @$);
        $$->names = $2->data;
        $$->name_count = $2->count;
    }
    | error ';' { yyerrok; $$ = NULL; }
    | ';'       { needless_semicolon(s, @1); $$ = NULL; }
    ;

/* Flat and left-recursive: a long chain takes no parser stack. */
arms
    : "if" expr block {
        if_arm arm = {$2, $3, parse_range(s, @$)};
        LIST_NEW($$, arm_list, arm);
    }
    | arms "else" "if" expr block {
        span at = {@3.begin, @5.end};
        if_arm arm = {$4, $5, parse_range(s, at)};
        $$ = $1;
        LIST_ADD($$, arm);
    }
    ;

lhs
    : name {
        $$ = build_stmt(s, STMT_DEFINE, @$);
        $$->name = $1;
        $$->name_at = parse_range(s, @1);
    }
    | name '[' dims ']' {
        $$ = build_stmt(s, STMT_DEFINE, @$);
        $$->name = $1;
        $$->name_at = parse_range(s, @1);
        $$->has_subs = true;
        $$->subs = $3->data;
        $$->sub_count = $3->count;
    }
    ;

carries
    : carry             { LIST_NEW($$, carry_list, $1); }
    | carries ',' carry { $$ = $1; LIST_ADD($$, $3); }
    ;

carry
    : name '[' dims ']' '=' expr {
        $$ = (ast_carry){$1, parse_range(s, @1), parse_range(s, @$),
                         $3->data, $3->count, $6};
    }
    ;

range
    : expr ".." expr { $$.lo = $1; $$.hi = $3; $$.mark = @2; }
    ;

strings
    : "text"             { LIST_NEW($$, name_list, build_name_at(s, $1, @1)); }
    | strings ',' "text" { $$ = $1; LIST_ADD($$, build_name_at(s, $3, @3)); }
    ;

exprs
    : expr           { LIST_NEW($$, expr_list, $1); }
    | exprs ',' expr { $$ = $1; LIST_ADD($$, $3); }
    ;

/* ---------- cluster ---------- */

cluster
    : "cluster" setting_block {
        $$ = build_decl(s, DECL_CLUSTER, NULL, @1, @$);
        $$->body = $2;
    }
    ;

setting_block
    : '{' settings '}' { $$ = build_block(s, $2, @$); }
    ;

settings
    : %empty           { $$ = ARENA_NEW(s->arena, stmt_list); }
    | settings setting { $$ = $1; if ($2) LIST_ADD($$, $2); }
    ;

setting
    : name '=' value ';' {
        $$ = build_stmt(s, STMT_SETTING, @$);
        $$->name = $1;
        $$->name_at = parse_range(s, @1);
        $$->value = $3;
    }
    | "on" name '=' policy ';' {
        $$ = $4;
        $$->at = parse_range(s, @$);
        $$->name = $2;
        $$->name_at = parse_range(s, @2);
    }
    | hyper     { $$ = build_decl_stmt(s, STMT_HYPER, $1); }
    | error ';' { yyerrok; $$ = NULL; }
    ;

value
    : expr
    | range         { $$ = build_range(s, $1.lo, $1.hi, @$, $1.mark); }
    | "reduction"   { $$ = build_word(s, $1, @1); }
    | "reduction" '(' name '=' expr ')' {
        arg_list *args;
        ast_arg every = {$3, parse_range(s, @3), $5};
        LIST_NEW(args, arg_list, every);
        $$ = build_call(s, build_word(s, $1, @1), args, @$, @2);
    }
    ;

policy
    : expr {
        $$ = build_stmt(s, STMT_ON, @$);
        $$->value = $1;
    }
    | policy[first] "then" expr { $$ = build_policy(s, $first, POLICY_THEN, $3); }
    | policy[first] "else" expr { $$ = build_policy(s, $first, POLICY_ELSE, $3); }
    ;

/* ---------- expressions ---------- */

expr
    : or
    | or '?' expr ':' expr { $$ = build_cond(s, $1, $3, $5, @$, @2); }
    ;

or
    : and
    | or "||" and { $$ = build_binary(s, OP_OR, $1, $3, @$, @2); }
    ;

and
    : cmp
    | and "&&" cmp { $$ = build_binary(s, OP_AND, $1, $3, @$, @2); }
    ;

cmp
    : add
    | add cmp_op add { $$ = build_binary(s, $2, $1, $3, @$, @2); }
    ;

cmp_op
    : "==" { $$ = OP_EQ; }
    | "!=" { $$ = OP_NE; }
    | '<'  { $$ = OP_LT; }
    | '>'  { $$ = OP_GT; }
    | "<=" { $$ = OP_LE; }
    | ">=" { $$ = OP_GE; }
    ;

add
    : term
    | add '+' term { $$ = build_binary(s, OP_ADD, $1, $3, @$, @2); }
    | add '-' term { $$ = build_binary(s, OP_SUB, $1, $3, @$, @2); }
    ;

/* A reduction's body is a term: looser than * and /, tighter than + and -. */
term
    : mul
    | red
    | mul '*' red { $$ = build_binary(s, OP_MUL, $1, $3, @$, @2); }
    | mul '/' red {
        parse_error(s, DIAG_SYNTAX, @3,
                    "a reduction after `/` needs parentheses around it");
        $$ = build_binary(s, OP_DIV, $1, $3, @$, @2);
    }
    ;

red
    : "reduction" '(' binders ')' term {
        $$ = build_reduction(s, $1, $3.list, $3.filter, $5, @$, @1);
    }
    | '-' red { $$ = build_unary(s, OP_NEG, $2, @$, @1); }
    | '!' red { $$ = build_unary(s, OP_NOT, $2, @$, @1); }
    ;

binders
    : binder_list           { $$.list = $1; $$.filter = NULL; }
    | binder_list "if" expr { $$.list = $1; $$.filter = $3; }
    ;

binder_list
    : binder                 { LIST_NEW($$, binder_list, $1); }
    | binder_list ',' binder { $$ = $1; LIST_ADD($$, $3); }
    ;

binder
    : name {
        $$ = (ast_binder){.name = $1, .at = parse_range(s, @$)};
    }
    | name "in" range {
        $$ = (ast_binder){.name = $1, .lo = $3.lo, .hi = $3.hi,
                          .at = parse_range(s, @$)};
    }
    | ".." name {
        $$ = (ast_binder){.name = $2, .is_pack = true,
                          .at = parse_range(s, @$)};
    }
    ;

mul
    : unary
    | mul '*' unary { $$ = build_binary(s, OP_MUL, $1, $3, @$, @2); }
    | mul '/' unary { $$ = build_binary(s, OP_DIV, $1, $3, @$, @2); }
    | mul '%' unary { $$ = build_binary(s, OP_MOD, $1, $3, @$, @2); }
    ;

unary
    : pow
    | '-' unary { $$ = build_unary(s, OP_NEG, $2, @$, @1); }
    | '!' unary { $$ = build_unary(s, OP_NOT, $2, @$, @1); }
    ;

pow
    : postfix
    | postfix '^' unary { $$ = build_binary(s, OP_POW, $1, $3, @$, @2); }
    ;

postfix
    : primary
    | postfix '(' args ')' { $$ = build_call(s, $1, $3, @$, @2); }
    | postfix '[' subs ']' {
        $$ = build_index(s, $1, $3.subs, $3.otherwise, @$, @2);
    }
    | postfix '.' name { $$ = build_member(s, $1, $3, @$, @3); }
    | postfix '.' "reduction" {
        $$ = build_member(s, $1, ast_reduction_text($3), @$, @3);
    }
    ;

args
    : %empty       { $$ = NULL; }
    | arg_list
    | arg_list ','
    ;

arg_list
    : arg              { LIST_NEW($$, arg_list, $1); }
    | arg_list ',' arg { $$ = $1; LIST_ADD($$, $3); }
    ;

arg
    : expr { $$ = (ast_arg){.expr = $1}; }
    | name '=' expr {
        $$ = (ast_arg){$1, parse_range(s, @1), $3};
    }
    | "reduction" '=' expr {
        $$ = (ast_arg){ast_reduction_text($1), parse_range(s, @1), $3};
    }
    | name '=' "reduction" {
        $$ = (ast_arg){$1, parse_range(s, @1), build_word(s, $3, @3)};
    }
    ;

subs
    : sub_list             { $$.subs = $1; $$.otherwise = NULL; }
    | sub_list "else" expr { $$.subs = $1; $$.otherwise = $3; }
    ;

sub_list
    : dim              { LIST_NEW($$, sub_list, $1); }
    | sub_list ',' dim { $$ = $1; LIST_ADD($$, $3); }
    ;

primary
    : name      { $$ = build_name(s, $1, @1); }
    | "integer" { $$ = build_number(s, EXPR_INT, $1, @1); }
    | "number"  { $$ = build_number(s, EXPR_REAL, $1, @1); }
    | "text"    { $$ = build_string(s, $1, @1); }
    | "true"    { $$ = build_leaf(s, EXPR_BOOL, @1); $$->integer = 1; }
    | "false"   { $$ = build_leaf(s, EXPR_BOOL, @1); }
    | "integer" "unit" {
        $$ = build_quantity(s, build_number(s, EXPR_INT, $1, @1), $2, @$, @2);
    }
    | "number" "unit" {
        $$ = build_quantity(s, build_number(s, EXPR_REAL, $1, @1), $2, @$, @2);
    }
    | '(' expr ')' { $$ = $2; }
    | '[' list ']' { $$ = build_list(s, $2, @$); }
    ;

list
    : %empty    { $$ = NULL; }
    | exprs
    | exprs ','
    ;

name
    : "name" | "model" | "state" | "metric" | "grad" | "data" | "train"
    | "cluster" | "optimizer" | "schedule" | "test" | "sync" | "per" | "set"
    | "freeze" | "on" | "then"
    ;
%%

/* Only for a parser stack that is full: syntax errors go the other way. */
static void yyerror(span *at, parse_state *s, const char *message)
{
    (void)message;
    parse_error(s, DIAG_NESTING, *at, "this is nested too deeply");
    s->fatal = true;
}

static void needless_semicolon(parse_state *s, span at)
{
    parse_error(s, DIAG_SYNTAX, at, "this `;` ends nothing");
}

bool parser_accepts(const ptl_yypstate *parser, int token)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    yysymbol_kind_t wanted = YYTRANSLATE(token);
    int count = yypstate_expected_tokens((ptl_yypstate *)(uintptr_t)parser,
                                         kinds, YYNTOKENS);
    for (int i = 0; i < count; i++)
        if (kinds[i] == wanted)
            return true;
    return false;
}

static int yyreport_syntax_error(const yypcontext_t *context, parse_state *s)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *names[YYNTOKENS];
    yysymbol_kind_t token = yypcontext_token(context);
    int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    for (int i = 0; i < count; i++)
        names[i] = yysymbol_name(kinds[i]);
    unexpected u = {token == YYSYMBOL_YYEMPTY ? "" : yysymbol_name(token),
                    *yypcontext_location(context), names, count};
    report_unexpected(s, &u);
    return 0;
}
