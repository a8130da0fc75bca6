// runtime/train/formula.c -- small expressions of a recipe as numbers: schedules and conditions.
//
// The tree is written out in postfix order. Operators and functions are the elementwise operations
// of ir/ops.def, evaluated as constants are folded, so a formula means what it means in a model.
#include "runtime/train/formula.h"

#include <math.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/build.h"

enum { MAX_STACK = 64 };

typedef enum StepKind { STEP_NUMBER, STEP_NAME, STEP_OP, STEP_CHOOSE } StepKind;

typedef struct Step {
    StepKind kind;
    double number;
    const double *name;
    IrOp op;
} Step;

struct RtFormula {
    Step *steps;
    int n, cap;
};

// A formula while it is written.
typedef struct Writer {
    Arena *arena;
    Diag *diag;
    const RtVars *vars;
    RtFormula *formula;
    int depth; // of the stack behind the steps so far
    bool failed;
} Writer;

double *rt_vars_ensure(RtVars *v, const char *name) {
    double *x = map_get(&v->map, name);

    if (!x) {
        x = arena_new(&v->arena, double);
        *x = NAN;
        map_put(&v->map, &v->arena, arena_strdup(&v->arena, name), x);
    }
    return x;
}

double *rt_vars_find(const RtVars *v, const char *name) {
    return map_get(&v->map, name);
}

void rt_vars_free(RtVars *v) {
    arena_free(&v->arena);
    *v = (RtVars){0};
}

static void fail(Writer *w, const Expr *e, const char *what) {
    diag_error(w->diag, e->loc, E_recipe, "%s is no part of a formula", what);
    w->failed = true;
}

static void put(Writer *w, const Expr *e, Step s, int change) {
    arena_push(w->arena, w->formula->steps, w->formula->n, w->formula->cap, s);
    w->depth += change;
    if (w->depth > MAX_STACK && !w->failed)
        fail(w, e, "nesting this deep");
}

static void put_op(Writer *w, const Expr *e, IrOp op) {
    put(w, e, (Step){.kind = STEP_OP, .op = op}, 1 - ir_op_info[op].n_in);
}

static void put_name(Writer *w, const Expr *e, const char *name) {
    const double *x = rt_vars_find(w->vars, name);

    if (x) {
        put(w, e, (Step){.kind = STEP_NAME, .name = x}, 1);
        return;
    }
    const char **names = arena_array(w->arena, const char *, w->vars->map.n + 1);
    for (int i = 0; i < w->vars->map.n; i++)
        names[i] = w->vars->map.entries[i].key;
    diag_error(w->diag, e->loc, E_unknown_name, "no number is called '%s' here", name);
    diag_did_you_mean(w->diag, e->loc, name, names, w->vars->map.n);
    w->failed = true;
}

// The operation of a binary operator; `swap` where its operands change places.
static IrOp binary_op(const char *name, bool *swap) {
    static const struct {
        const char *name;
        IrOp op;
        bool swap;
    } table[] = {
        {"+", IR_OP_add, false},         {"-", IR_OP_sub, false},
        {"*", IR_OP_mul, false},         {"/", IR_OP_div, false},
        {"**", IR_OP_pow, false},        {"<", IR_OP_less, false},
        {"<=", IR_OP_less_equal, false}, {">", IR_OP_less, true},
        {">=", IR_OP_less_equal, true},  {"==", IR_OP_equal, false},
        {"!=", IR_OP_not_equal, false},  {"and", IR_OP_logical_and, false},
        {"or", IR_OP_logical_or, false},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0) {
            *swap = table[i].swap;
            return table[i].op;
        }
    return IR_OP_COUNT;
}

static void write_expr(Writer *w, const Expr *e);

// a // b is floor(a / b); with `rest`, a % b is a - floor(a / b) * b.
static void write_division(Writer *w, const Expr *e, bool rest) {
    const Expr *a = e->args[0], *b = e->args[1];

    if (rest)
        write_expr(w, a);
    write_expr(w, a);
    write_expr(w, b);
    put_op(w, e, IR_OP_div);
    put_op(w, e, IR_OP_floor);
    if (rest) {
        write_expr(w, b);
        put_op(w, e, IR_OP_mul);
        put_op(w, e, IR_OP_sub);
    }
}

static void write_binary(Writer *w, const Expr *e) {
    bool swap = false;
    IrOp op = binary_op(e->name, &swap);

    if (strcmp(e->name, "//") == 0 || strcmp(e->name, "%") == 0) {
        write_division(w, e, e->name[0] == '%');
        return;
    }
    if (op == IR_OP_COUNT) {
        fail(w, e, arena_printf(w->arena, "'%s'", e->name));
        return;
    }
    write_expr(w, e->args[swap ? 1 : 0]);
    write_expr(w, e->args[swap ? 0 : 1]);
    put_op(w, e, op);
}

// The elementwise operation that a formula calls by `name`, or IR_OP_COUNT.
static IrOp function_op(const char *name) {
    if (strcmp(name, "maximum") == 0)
        return IR_OP_max;
    if (strcmp(name, "minimum") == 0)
        return IR_OP_min;
    IrOp op = ir_op_find(name);
    return op < IR_OP_COUNT && ir_op_info[op].kind == IR_KIND_MAP ? op : IR_OP_COUNT;
}

static void write_call(Writer *w, const Expr *e) {
    IrOp op = e->base->kind == EXPR_NAME ? function_op(e->base->name) : IR_OP_COUNT;

    if (op == IR_OP_COUNT) {
        diag_error(w->diag, e->loc, E_unknown_function,
                   "a formula calls elementwise functions only, such as exp, floor, maximum");
        w->failed = true;
        return;
    }
    if (e->n != ir_op_info[op].n_in || (e->n > 0 && e->names && e->names[e->n - 1])) {
        diag_error(w->diag, e->loc, E_arguments, "'%s' takes %d arguments", e->base->name,
                   ir_op_info[op].n_in);
        w->failed = true;
        return;
    }
    for (int i = 0; i < e->n; i++)
        write_expr(w, e->args[i]);
    put_op(w, e, op);
}

static void write_unary(Writer *w, const Expr *e) {
    write_expr(w, e->args[0]);
    if (strcmp(e->name, "-") == 0)
        put_op(w, e, IR_OP_neg);
    else if (strcmp(e->name, "not") == 0)
        put_op(w, e, IR_OP_logical_not);
}

static void write_field(Writer *w, const Expr *e) {
    if (e->base->kind == EXPR_NAME)
        put_name(w, e->base, arena_printf(w->arena, "%s.%s", e->base->name, e->name));
    else
        fail(w, e, "a field of a field");
}

static void write_expr(Writer *w, const Expr *e) {
    if (w->failed)
        return;
    switch (e->kind) {
    case EXPR_NUMBER:
    case EXPR_INT:
        put(w, e, (Step){.kind = STEP_NUMBER, .number = e->number}, 1);
        return;
    case EXPR_BOOL:
        put(w, e, (Step){.kind = STEP_NUMBER, .number = (double)e->integer}, 1);
        return;
    case EXPR_NAME:
        put_name(w, e, e->name);
        return;
    case EXPR_FIELD:
        write_field(w, e);
        return;
    case EXPR_CALL:
        write_call(w, e);
        return;
    case EXPR_UNARY:
        write_unary(w, e);
        return;
    case EXPR_BINARY:
        write_binary(w, e);
        return;
    case EXPR_COND:
        write_expr(w, e->args[0]);
        write_expr(w, e->args[2]);
        write_expr(w, e->args[1]);
        put(w, e, (Step){.kind = STEP_CHOOSE}, -2);
        return;
    case EXPR_STRING:
    case EXPR_INDEX:
    case EXPR_SLICE:
    case EXPR_LIST:
    case EXPR_RECORD:
    case EXPR_ELLIPSIS:
    case EXPR_KIND_COUNT:
        break;
    }
    fail(w, e, expr_kind_name(e));
}

RtFormula *rt_formula_new(Arena *a, Diag *d, const Expr *e, const RtVars *v) {
    Writer w = {a, d, v, arena_new(a, RtFormula), 0, false};

    write_expr(&w, e);
    return w.failed ? NULL : w.formula;
}

double rt_formula_value(const RtFormula *f) {
    double stack[MAX_STACK + 2] = {0};
    int top = 0;

    for (int i = 0; i < f->n; i++) {
        const Step *s = &f->steps[i];
        switch (s->kind) {
        case STEP_NUMBER:
            stack[top++] = s->number;
            break;
        case STEP_NAME:
            stack[top++] = *s->name;
            break;
        case STEP_OP:
            top -= ir_op_info[s->op].n_in;
            stack[top] = ir_eval_map(s->op, IR_F64, &stack[top]);
            top++;
            break;
        case STEP_CHOOSE:
            top -= 3;
            stack[top] = stack[top + 2] != 0 ? stack[top] : stack[top + 1];
            top++;
            break;
        }
    }
    return stack[0];
}
