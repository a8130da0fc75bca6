// ir/lang/expr_print.c -- expressions as canonical text, and whether two are equal.
#include "ir/lang/expr.h"

#include <math.h>
#include <string.h>

// Binding strength, as in the table at the head of expr.h.
enum { COND, OR, AND, NOT, COMPARE, ADD, MULTIPLY, SIGN, POWER, POSTFIX };

static int strength_of_operator(const char *name) {
    static const struct {
        const char *name;
        int strength;
    } operators[] = {{"or", OR},      {"and", AND},    {"+", ADD},      {"-", ADD},
                     {"*", MULTIPLY}, {"/", MULTIPLY}, {"%", MULTIPLY}, {"//", MULTIPLY},
                     {"@", MULTIPLY}, {"**", POWER}};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (!strcmp(name, operators[i].name))
            return operators[i].strength;
    }
    return COMPARE;
}

static int strength_of(const Expr *e) {
    switch (e->kind) {
    case EXPR_COND:
        return COND;
    case EXPR_BINARY:
        return strength_of_operator(e->name);
    case EXPR_UNARY:
        return strcmp(e->name, "not") ? SIGN : NOT;
    case EXPR_NUMBER:
    case EXPR_INT:
        return signbit(e->number) ? SIGN : POSTFIX;
    case EXPR_BOOL:
    case EXPR_STRING:
    case EXPR_NAME:
    case EXPR_FIELD:
    case EXPR_CALL:
    case EXPR_INDEX:
    case EXPR_SLICE:
    case EXPR_LIST:
    case EXPR_RECORD:
    case EXPR_ELLIPSIS:
        return POSTFIX;
    case EXPR_KIND_COUNT:
        break;
    }
    diag_bug("expression of kind %d", (int)e->kind);
}

static void put(Buf *b, const Expr *e, int strength);

static void put_number(Buf *b, double x) {
    char text[32];
    buf_format_double(text, x);
    buf_puts(b, text);
    if (!strpbrk(text, ".en")) // else it would read back as an integer
        buf_puts(b, ".0");
}

// The arguments with their names; `mark` stands behind a name.
static void put_args(Buf *b, const Expr *e, const char *mark) {
    for (int i = 0; i < e->n; i++) {
        buf_puts(b, i ? ", " : "");
        if (e->names && e->names[i])
            buf_printf(b, "%s%s", e->names[i], mark);
        put(b, e->args[i], COND);
    }
}

// A number before a dot stands in parentheses: 2.0 is a number.
static void put_base(Buf *b, const Expr *e) {
    bool number = e->base->kind == EXPR_INT || e->base->kind == EXPR_NUMBER;
    put(b, e->base, e->kind == EXPR_FIELD && number ? POSTFIX + 1 : POSTFIX);
}

static void put_binary(Buf *b, const Expr *e) {
    int strength = strength_of(e), left = strength, right = strength + 1;
    if (strength == POWER) {
        left = POSTFIX;
        right = SIGN;
    } else if (strength == COMPARE) {
        left = ADD;
    }
    put(b, e->args[0], left);
    buf_printf(b, " %s ", e->name);
    put(b, e->args[1], right);
}

static void put_bare(Buf *b, const Expr *e) {
    switch (e->kind) {
    case EXPR_NUMBER:
        put_number(b, e->number);
        return;
    case EXPR_INT:
        buf_printf(b, "%lld", (long long)e->integer);
        return;
    case EXPR_BOOL:
        buf_puts(b, e->integer ? "true" : "false");
        return;
    case EXPR_STRING: {
        char quote = strchr(e->name, '\'') ? '"' : '\'';
        buf_printf(b, "%c%s%c", quote, e->name, quote);
        return;
    }
    case EXPR_NAME:
        buf_puts(b, e->name);
        return;
    case EXPR_FIELD:
        put_base(b, e);
        buf_printf(b, ".%s", e->name);
        return;
    case EXPR_CALL:
        put_base(b, e);
        buf_puts(b, "(");
        put_args(b, e, "=");
        buf_puts(b, ")");
        return;
    case EXPR_INDEX:
        put_base(b, e);
        buf_puts(b, "[");
        put_args(b, e, "");
        buf_puts(b, "]");
        return;
    case EXPR_SLICE:
        if (e->args[0])
            put(b, e->args[0], COND);
        buf_puts(b, ":");
        if (e->args[1])
            put(b, e->args[1], COND);
        return;
    case EXPR_UNARY:
        buf_printf(b, "%s%s", e->name, strcmp(e->name, "not") ? "" : " ");
        put(b, e->args[0], strength_of(e));
        return;
    case EXPR_BINARY:
        put_binary(b, e);
        return;
    case EXPR_COND:
        put(b, e->args[0], OR);
        buf_puts(b, " if ");
        put(b, e->args[1], OR);
        buf_puts(b, " else ");
        put(b, e->args[2], COND);
        return;
    case EXPR_LIST:
        buf_puts(b, "[");
        put_args(b, e, "");
        buf_puts(b, "]");
        return;
    case EXPR_RECORD:
        buf_puts(b, "{");
        put_args(b, e, ": ");
        buf_puts(b, "}");
        return;
    case EXPR_ELLIPSIS:
        buf_puts(b, "...");
        return;
    case EXPR_KIND_COUNT:
        break;
    }
    diag_bug("expression of kind %d", (int)e->kind);
}

// Puts `e` where something that binds at least as tight as `strength` stands.
static void put(Buf *b, const Expr *e, int strength) {
    bool parentheses = strength_of(e) < strength;
    buf_puts(b, parentheses ? "(" : "");
    put_bare(b, e);
    buf_puts(b, parentheses ? ")" : "");
}

void expr_print(Buf *b, const Expr *e) {
    put(b, e, COND);
}

static bool same_text(const char *x, const char *y) {
    return x && y ? !strcmp(x, y) : x == y;
}

bool expr_equal(const Expr *x, const Expr *y) {
    if (!x || !y)
        return x == y;
    if (x->kind != y->kind || x->n != y->n || x->integer != y->integer)
        return false;
    if (x->number < y->number || x->number > y->number || !same_text(x->name, y->name))
        return false;
    for (int i = 0; i < x->n; i++) {
        if (x->names && !same_text(x->names[i], y->names[i]))
            return false;
        if (!expr_equal(x->args[i], y->args[i]))
            return false;
    }
    return expr_equal(x->base, y->base);
}

const char *expr_kind_name(const Expr *e) {
    static const char *const names[EXPR_KIND_COUNT] = {
        [EXPR_NUMBER] = "a number",      [EXPR_INT] = "an integer",
        [EXPR_BOOL] = "a truth value",   [EXPR_STRING] = "a text in quotes",
        [EXPR_NAME] = "a name",          [EXPR_FIELD] = "a field",
        [EXPR_CALL] = "a call",          [EXPR_INDEX] = "an index",
        [EXPR_SLICE] = "a slice",        [EXPR_UNARY] = "an operation",
        [EXPR_BINARY] = "an operation",  [EXPR_COND] = "a choice",
        [EXPR_LIST] = "a list",          [EXPR_RECORD] = "a record",
        [EXPR_ELLIPSIS] = "an ellipsis",
    };
    return names[e->kind];
}
