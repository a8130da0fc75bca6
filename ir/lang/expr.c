// ir/lang/expr.c -- the expressions of the graph language, from text to tree.
//
// A recursive-descent parser that reads its tokens from the text as it goes. It stops at the first
// error: every function then returns NULL, all the way up. Depth and height are bounded, so neither
// the parser nor whoever walks the tree can run out of stack.
#include "ir/lang/expr.h"

#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/expr_scan.h"

// Binding strength of what an operator makes; a larger one binds tighter.
enum { OR = 1, AND, NOT, COMPARE, ADD, MULTIPLY };

// ---- names and brackets

// Takes a name that is no word of the language, or fails with `what` was expected.
static const char *take_name(ExprScan *p, const char *what) {
    Token t = p->token;
    size_t len = (size_t)(t.end - t.start);
    if (p->failed || t.kind != TOKEN_NAME) {
        expr_fail_expected(p, what);
        return NULL;
    }
    if (expr_is_word(p->text + t.start, len)) {
        expr_fail(p, t.start, E_reserved_name, "'%.*s' is a word of the language", (int)len,
                  p->text + t.start);
        return NULL;
    }
    expr_advance(p);
    return arena_strndup(p->arena, p->text + t.start, len);
}

// Takes `close`, which ends what the bracket at byte `open` started.
static bool take_close(ExprScan *p, const char *close, int open) {
    if (!p->failed && expr_token_is(p, close)) {
        expr_advance(p);
        return true;
    }
    const char *unit = p->exact ? "column" : "byte";
    int column = p->exact ? p->at.col + open : open + 1;
    expr_fail_expected(p, arena_printf(p->arena, "'%s' to close '%c' at %s %d", close,
                                       p->text[open], unit, column));
    return false;
}

// ---- nodes

static bool enter(ExprScan *p, int at) {
    if (++p->depth <= EXPR_MAX_DEPTH)
        return true;
    expr_fail(p, at, E_limit, "the expression is nested too deep: the limit is %d", EXPR_MAX_DEPTH);
    return false;
}

static void leave(ExprScan *p) {
    p->depth--;
}

static Expr *new_expr(ExprScan *p, ExprKind kind, int at) {
    Expr *e = arena_new(p->arena, Expr);
    e->kind = kind;
    e->loc = expr_loc(p, at);
    return e;
}

// `e` with its height, or NULL when it is too high.
static Expr *finish(ExprScan *p, Expr *e, int at) {
    if (p->failed)
        return NULL;
    int below = e->base ? e->base->height : 0;
    for (int i = 0; i < e->n; i++) {
        if (e->args[i] && e->args[i]->height > below)
            below = e->args[i]->height;
    }
    e->height = below + 1;
    if (e->height <= EXPR_MAX_HEIGHT)
        return e;
    expr_fail(p, at, E_limit, "the expression has too many operators in a row: the limit is %d",
              EXPR_MAX_HEIGHT);
    return NULL;
}

// A node with the operator or mark `name` at byte `at`, and up to three args.
static Expr *make(ExprScan *p, ExprKind kind, const char *name, int at, int n, Expr *x, Expr *y,
                  Expr *z) {
    if (p->failed)
        return NULL;
    Expr *e = new_expr(p, kind, at);
    e->name = name;
    e->n = n;
    e->args = arena_array(p->arena, Expr *, n);
    Expr *args[] = {x, y, z};
    for (int i = 0; i < n; i++)
        e->args[i] = args[i];
    return finish(p, e, at);
}

// Adds an argument, and with `names` its name (or NULL) and place.
static void add_arg(ExprScan *p, Expr *e, int *cap, Expr *arg, bool names, const char *name,
                    Loc loc) {
    if (e->n == *cap) {
        size_t n_old = (size_t)e->n, n_new = n_old ? 2 * n_old : 4;
        e->args = arena_grow(p->arena, e->args, n_old, n_new, sizeof *e->args);
        if (names) {
            e->names = arena_grow(p->arena, e->names, n_old, n_new, sizeof *e->names);
            e->name_locs = arena_grow(p->arena, e->name_locs, n_old, n_new, sizeof *e->name_locs);
        }
        *cap = (int)n_new;
    }
    if (names) {
        e->names[e->n] = name;
        e->name_locs[e->n] = loc;
    }
    e->args[e->n++] = arg;
}

// The place of `name` among the names of `e`, or NULL.
static const Loc *find_name(const Expr *e, const char *name) {
    for (int i = 0; i < e->n; i++) {
        if (e->names[i] && !strcmp(e->names[i], name))
            return &e->name_locs[i];
    }
    return NULL;
}

// ---- atoms

static Expr *parse_expr(ExprScan *p);

// Reads an int64 from digits; false when they are something else or too large.
static bool read_int(const char *s, int len, int64_t *v) {
    *v = 0;
    for (int i = 0; i < len; i++) {
        if (!expr_is_digit(s[i]) || *v > (INT64_MAX - (s[i] - '0')) / 10)
            return false;
        *v = *v * 10 + (s[i] - '0');
    }
    return true;
}

static Expr *parse_number(ExprScan *p) {
    Token t = p->token;
    const char *s = p->text + t.start;
    int len = t.end - t.start;
    if (p->failed)
        return NULL;

    Expr *e = new_expr(p, EXPR_NUMBER, t.start);
    bool integer = expr_skip_digits(p, t.start) == t.end;
    bool ok;
    if (integer) {
        e->kind = EXPR_INT;
        ok = read_int(s, len, &e->integer);
        e->number = (double)e->integer;
    } else {
        ok = buf_parse_double(s, (size_t)len, &e->number);

        // a number that is not zero must not become it
        int mantissa = (int)strcspn(s, "eE");
        for (int i = 0; i < len && i < mantissa && e->number == 0; i++)
            ok &= s[i] == '.' || s[i] == '0';
    }
    if (!ok) {
        expr_fail(p, t.start, E_number, "number out of range");
        return NULL;
    }
    expr_advance(p);
    return finish(p, e, t.start);
}

static Expr *parse_list(ExprScan *p) {
    int open = p->token.start, cap = 0;
    Expr *e = new_expr(p, EXPR_LIST, open);
    if (!enter(p, open))
        return NULL;
    expr_advance(p);
    while (!p->failed && !expr_token_is(p, "]")) {
        Expr *arg = parse_expr(p);
        add_arg(p, e, &cap, arg, false, NULL, e->loc);
        if (!expr_token_is(p, ","))
            break;
        expr_advance(p);
    }
    take_close(p, "]", open);
    leave(p);
    return finish(p, e, open);
}

static Expr *parse_record(ExprScan *p) {
    int open = p->token.start, cap = 0;
    Expr *e = new_expr(p, EXPR_RECORD, open);
    if (!enter(p, open))
        return NULL;
    expr_advance(p);
    while (!p->failed && !expr_token_is(p, "}")) {
        int at = p->token.start;
        const char *key = take_name(p, "a key or '}'");
        const Loc *first = key ? find_name(e, key) : NULL;
        if (first) {
            expr_fail(p, at, E_duplicate_key, "the key '%s' stands here a second time", key);
            diag_note(p->diag, *first, "the first is here");
        }
        if (!p->failed && !expr_token_is(p, ":"))
            expr_fail_expected(p, "':' after a key");
        if (p->failed)
            return NULL;
        expr_advance(p);
        Expr *arg = parse_expr(p);
        add_arg(p, e, &cap, arg, true, key, expr_loc(p, at));
        if (!expr_token_is(p, ","))
            break;
        expr_advance(p);
    }
    take_close(p, "}", open);
    leave(p);
    return finish(p, e, open);
}

static Expr *parse_parentheses(ExprScan *p) {
    int open = p->token.start;
    if (!enter(p, open))
        return NULL;
    expr_advance(p);
    Expr *e = parse_expr(p);
    bool closed = take_close(p, ")", open);
    leave(p);
    return closed ? e : NULL;
}

static Expr *parse_name(ExprScan *p) {
    int at = p->token.start;
    if (expr_token_is(p, "true") || expr_token_is(p, "false")) {
        Expr *e = new_expr(p, EXPR_BOOL, at);
        e->integer = expr_token_is(p, "true");
        expr_advance(p);
        return finish(p, e, at);
    }
    if (expr_is_word(p->text + at, (size_t)(p->token.end - at))) {
        expr_fail_expected(p, "an expression");
        return NULL;
    }
    const char *name = take_name(p, "a name");
    return make(p, EXPR_NAME, name, at, 0, NULL, NULL, NULL);
}

static Expr *parse_string(ExprScan *p) {
    Token t = p->token;
    if (p->failed)
        return NULL;
    expr_advance(p);
    const char *text =
        arena_strndup(p->arena, p->text + t.start + 1, (size_t)(t.end - t.start - 2));
    return make(p, EXPR_STRING, text, t.start, 0, NULL, NULL, NULL);
}

static Expr *parse_atom(ExprScan *p) {
    if (p->failed)
        return NULL;

    // only here is a dot before a digit the start of a number
    Token *t = &p->token;
    if (expr_token_is(p, ".") && expr_is_digit(p->text[t->end]))
        *t = (Token){TOKEN_NUMBER, t->start, expr_end_of_number(p, t->start)};

    switch (t->kind) {
    case TOKEN_NUMBER:
        return parse_number(p);
    case TOKEN_STRING:
        return parse_string(p);
    case TOKEN_NAME:
        return parse_name(p);
    case TOKEN_SIGN:
        if (expr_token_is(p, "("))
            return parse_parentheses(p);
        if (expr_token_is(p, "["))
            return parse_list(p);
        if (expr_token_is(p, "{"))
            return parse_record(p);
        if (expr_token_is(p, "..."))
            expr_fail(p, t->start, E_expr_syntax, "'...' stands only within an index");
        break;
    case TOKEN_END:
        break;
    }
    expr_fail_expected(p, "an expression");
    return NULL;
}

// ---- postfixes

// Whether the next tokens are a name and a single `=`.
static bool at_keyword(const ExprScan *p) {
    int after = expr_skip_space(p, p->token.end);
    return p->token.kind == TOKEN_NAME && p->text[after] == '=' && p->text[after + 1] != '=';
}

// Takes `name =` before an argument of the call `e`.
static const char *take_keyword(ExprScan *p, const Expr *e) {
    int at = p->token.start;
    const char *name = take_name(p, "the name of an argument");
    const Loc *first = name ? find_name(e, name) : NULL;
    if (first) {
        expr_fail(p, at, E_expr_syntax, "the argument '%s' is given a second time", name);
        diag_note(p->diag, *first, "the first is here");
    }
    if (!p->failed)
        expr_advance(p);
    return name;
}

static Expr *parse_call(ExprScan *p, Expr *base, int start) {
    int open = p->token.start, cap = 0;
    Expr *e = new_expr(p, EXPR_CALL, start);
    e->base = base;
    bool named = false;
    if (!enter(p, open))
        return NULL;
    expr_advance(p);
    while (!p->failed && !expr_token_is(p, ")")) {
        int at = p->token.start;
        const char *name = NULL;
        if (at_keyword(p)) {
            name = take_keyword(p, e);
            named = true;
        } else if (named) {
            expr_fail(p, at, E_expr_syntax, "an argument without a name stands behind a named one");
        }
        Expr *arg = parse_expr(p);
        add_arg(p, e, &cap, arg, true, name, expr_loc(p, at));
        if (!expr_token_is(p, ","))
            break;
        expr_advance(p);
    }
    take_close(p, ")", open);
    leave(p);
    return finish(p, e, start);
}

// One part of an index: an expression, a slice or an ellipsis.
static Expr *parse_subscript(ExprScan *p) {
    if (expr_token_is(p, "...")) {
        int at = p->token.start;
        expr_advance(p);
        return make(p, EXPR_ELLIPSIS, NULL, at, 0, NULL, NULL, NULL);
    }
    Expr *from = expr_token_is(p, ":") ? NULL : parse_expr(p);
    if (p->failed || !expr_token_is(p, ":"))
        return from;
    int colon = p->token.start;
    expr_advance(p);
    bool open = expr_token_is(p, ",") || expr_token_is(p, "]");
    Expr *to = open ? NULL : parse_expr(p);
    if (!p->failed && expr_token_is(p, ":")) {
        expr_fail(p, p->token.start, E_expr_syntax, "a range has no step");
        diag_note(p->diag, expr_loc(p, p->token.start),
                  "gather(x, i) takes rows at any indices, such as 2 * arange(4)");
    }
    return make(p, EXPR_SLICE, NULL, colon, 2, from, to, NULL);
}

static Expr *parse_index(ExprScan *p, Expr *base) {
    int open = p->token.start, cap = 0;
    Expr *e = new_expr(p, EXPR_INDEX, open);
    e->base = base;
    if (!enter(p, open))
        return NULL;
    expr_advance(p);
    do {
        add_arg(p, e, &cap, parse_subscript(p), false, NULL, e->loc);
        if (!expr_token_is(p, ","))
            break;
        expr_advance(p);
    } while (!p->failed && !expr_token_is(p, "]"));
    take_close(p, "]", open);
    leave(p);
    return finish(p, e, open);
}

static Expr *parse_field(ExprScan *p, Expr *base) {
    int at = expr_skip_space(p, p->token.end);
    const char *name;
    if (expr_is_digit(p->text[at])) {
        int end = expr_skip_digits(p, at);
        if (expr_in_name(p->text[end]) || (p->text[at] == '0' && end > at + 1) || end - at > 9)
            expr_fail(p, at, E_expr_syntax, "a field's number is written like '0' or '12'");
        name = arena_strndup(p->arena, p->text + at, (size_t)(end - at));
        expr_scan(p, end);
    } else {
        expr_scan(p, at);
        name = take_name(p, "the name of a field after '.'");
    }
    if (p->failed)
        return NULL;
    Expr *e = new_expr(p, EXPR_FIELD, at);
    e->name = name;
    e->base = base;
    return finish(p, e, at);
}

static Expr *parse_postfix(ExprScan *p) {
    int start = p->token.start;
    Expr *e = parse_atom(p);
    while (!p->failed) {
        if (expr_token_is(p, "("))
            e = parse_call(p, e, start);
        else if (expr_token_is(p, "["))
            e = parse_index(p, e);
        else if (expr_token_is(p, "."))
            e = parse_field(p, e);
        else
            return e;
    }
    return NULL;
}

// ---- operators

// A power or a signed operand: -a ** -b is -(a ** (-b)).
static Expr *parse_unary(ExprScan *p) {
    const char *sign = expr_token_is(p, "-") ? "-" : expr_token_is(p, "+") ? "+" : NULL;
    Expr *e = sign ? NULL : parse_postfix(p);
    bool power = e && expr_token_is(p, "**");
    if (!sign && !power)
        return e;

    int at = p->token.start;
    if (!enter(p, at))
        return NULL;
    expr_advance(p);
    Expr *operand = parse_unary(p);
    leave(p);
    if (sign)
        return make(p, EXPR_UNARY, sign, at, 1, operand, NULL, NULL);
    return make(p, EXPR_BINARY, "**", at, 2, e, operand, NULL);
}

static const struct {
    const char *name;
    int strength;
} operators[] = {
    {"or", OR},      {"and", AND},    {"<", COMPARE},  {"<=", COMPARE},  {">", COMPARE},
    {">=", COMPARE}, {"==", COMPARE}, {"!=", COMPARE}, {"+", ADD},       {"-", ADD},
    {"*", MULTIPLY}, {"/", MULTIPLY}, {"%", MULTIPLY}, {"//", MULTIPLY}, {"@", MULTIPLY},
};

// The index of the next token among the operators, or -1.
static int find_operator(const ExprScan *p) {
    for (int i = 0; i < (int)(sizeof operators / sizeof *operators); i++) {
        if (expr_token_is(p, operators[i].name))
            return i;
    }
    return -1;
}

static Expr *parse_binary(ExprScan *p, int strength);

static Expr *parse_not(ExprScan *p, int strength) {
    int at = p->token.start;
    if (strength > NOT) {
        expr_fail(p, at, E_expr_syntax,
                  "'not' binds looser than what is before it; use parentheses");
        return NULL;
    }
    if (!enter(p, at))
        return NULL;
    expr_advance(p);
    Expr *operand = parse_binary(p, NOT);
    leave(p);
    return make(p, EXPR_UNARY, "not", at, 1, operand, NULL, NULL);
}

// Operators that bind at least as tight as `strength`.
static Expr *parse_binary(ExprScan *p, int strength) {
    Expr *left = expr_token_is(p, "not") ? parse_not(p, strength) : parse_unary(p);

    while (!p->failed) {
        int i = find_operator(p), at = p->token.start;
        if (i < 0 || operators[i].strength < strength)
            return left;
        expr_advance(p);
        Expr *right = parse_binary(p, operators[i].strength + 1);
        left = make(p, EXPR_BINARY, operators[i].name, at, 2, left, right, NULL);

        int next = find_operator(p);
        if (operators[i].strength == COMPARE && next >= 0 && operators[next].strength == COMPARE &&
            !p->failed) {
            expr_fail(p, p->token.start, E_expr_syntax, "comparisons do not chain");
            diag_note(p->diag, expr_loc(p, at), "write 'a < b and b < c', or use parentheses");
        }
    }
    return NULL;
}

static Expr *parse_expr(ExprScan *p) {
    Expr *value = parse_binary(p, OR);
    if (p->failed || !expr_token_is(p, "if"))
        return value;

    int at = p->token.start;
    expr_advance(p);
    Expr *condition = parse_binary(p, OR);
    if (!p->failed && !expr_token_is(p, "else"))
        expr_fail_expected(p, "'else' after the condition");
    if (p->failed || !enter(p, at))
        return NULL;
    expr_advance(p);
    Expr *otherwise = parse_expr(p);
    leave(p);
    return make(p, EXPR_COND, NULL, at, 3, value, condition, otherwise);
}

// ---- whole texts

static Expr *parse_text(Arena *a, Diag *d, const char *text, Loc at, bool exact, int depth) {
    size_t len = strlen(text);
    if (len > EXPR_MAX_BYTES) {
        diag_error(d, at, E_limit, "the expression has %zu bytes: the limit is %d", len,
                   EXPR_MAX_BYTES);
        return NULL;
    }
    ExprScan p = {.arena = a,
                  .diag = d,
                  .text = text,
                  .at = at,
                  .exact = exact,
                  .len = (int)len,
                  .depth = depth};
    expr_scan(&p, 0);
    Expr *e = parse_expr(&p);
    if (p.failed)
        return NULL;
    if (p.token.kind == TOKEN_END)
        return e;

    if (expr_token_is(&p, ")") || expr_token_is(&p, "]") || expr_token_is(&p, "}"))
        expr_fail(&p, p.token.start, E_expr_syntax, "this '%c' closes nothing",
                  text[p.token.start]);
    else
        expr_fail_expected(&p, "an operator or the end");
    if (expr_token_is(&p, "="))
        diag_note(d, expr_loc(&p, p.token.start), "'==' compares");
    return NULL;
}

Expr *expr_parse_text(Arena *a, Diag *d, const char *text, Loc at) {
    return parse_text(a, d, text, at, at.file && at.line > 0, 0);
}

// Takes `y` apart; `depth` lists and mappings are around it. `budget` is what is left of the bytes
// that one expression may have.
static Expr *parse_yaml(Arena *a, Diag *d, const Yaml *y, int depth, int64_t *budget) {
    if (y->kind == YAML_NULL) {
        diag_error(d, y->loc, E_wrong_kind, "expected an expression, found nothing");
        return NULL;
    }
    *budget -= y->kind == YAML_SCALAR ? (int64_t)strlen(y->text) : 1;
    if (depth > EXPR_MAX_DEPTH || *budget < 0) {
        diag_error(d, y->loc, E_limit, "the expression is too large: the limit is %d bytes",
                   EXPR_MAX_BYTES);
        return NULL;
    }
    if (y->kind == YAML_SCALAR)
        return parse_text(a, d, y->text, y->loc, y->verbatim, depth);

    ExprScan p = {.arena = a, .diag = d, .text = "", .at = y->loc};
    Expr *e = new_expr(&p, y->kind == YAML_LIST ? EXPR_LIST : EXPR_RECORD, 0);
    bool ok = true;
    int cap = 0;
    for (int i = 0; i < y->n && *budget >= 0; i++) {
        const char *key = y->kind == YAML_MAP ? y->keys[i] : NULL;
        if (key && !expr_is_name(key)) {
            diag_error(d, y->key_locs[i], E_expr_syntax,
                       "the key '%s' is not a name: a letter or '_', then letters, digits and '_'",
                       key);
            ok = false;
        }
        Expr *arg = parse_yaml(a, d, y->items[i], depth + 1, budget);
        ok &= arg != NULL;
        add_arg(&p, e, &cap, arg, key != NULL, key, key ? y->key_locs[i] : y->loc);
    }
    return ok && *budget >= 0 ? finish(&p, e, 0) : NULL;
}

Expr *expr_parse(Arena *a, Diag *d, const Yaml *y) {
    int64_t budget = EXPR_MAX_BYTES;
    return parse_yaml(a, d, y, 0, &budget);
}
