// ir/lang/expr.c -- the expressions of the graph language, from text to tree.
//
// A recursive-descent parser that reads its tokens from the text as it goes. It stops at the first
// error: every function then returns NULL, all the way up. Depth and height are bounded, so neither
// the parser nor whoever walks the tree can run out of stack.
#include "ir/lang/expr.h"

#include <stdarg.h>
#include <string.h>

#include "ir/base/errors.h"

typedef enum TokenKind { TOKEN_END, TOKEN_NUMBER, TOKEN_STRING, TOKEN_NAME, TOKEN_SIGN } TokenKind;

typedef struct Token {
    TokenKind kind;
    int start, end; // bytes of the text
} Token;

typedef struct Parser {
    Arena *arena;
    Diag *diag;
    const char *text;
    Loc at;     // place of the first byte
    bool exact; // byte i stands at column at.col + i
    int len, depth;
    Token token; // the next one, not yet taken
    bool failed;
} Parser;

// Binding strength of what an operator makes; a larger one binds tighter.
enum { OR = 1, AND, NOT, COMPARE, ADD, MULTIPLY };

// ---- errors

static Loc loc_of(const Parser *p, int at) {
    Loc loc = p->at;
    if (p->exact)
        loc.col += at;
    return loc;
}

// Reports the first error; later ones follow from it. Where the text does not stand in its file as
// it is, a note says where in the text the error is.
__attribute__((format(printf, 4, 5))) static void fail(Parser *p, int at, int code,
                                                       const char *format, ...) {
    if (p->failed)
        return;
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(p->arena, format, args);
    va_end(args);

    p->failed = true;
    diag_error(p->diag, loc_of(p, at), code, "%s", message);
    if (!p->exact && at < p->len)
        diag_note(p->diag, p->at, "at byte %d of the text: '%.20s'", at + 1, p->text + at);
}

// The next token in words.
static const char *found(const Parser *p) {
    Token t = p->token;
    if (t.kind == TOKEN_END)
        return "the end";
    bool cut = t.end - t.start > 40;
    return arena_printf(p->arena, "'%.*s%s'", cut ? 37 : t.end - t.start, p->text + t.start,
                        cut ? "..." : "");
}

static void fail_expected(Parser *p, const char *what) {
    if (!p->failed)
        fail(p, p->token.start, E_expr_syntax, "expected %s, found %s", what, found(p));
}

// ---- tokens

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool in_name(char c) {
    return starts_name(c) || is_digit(c);
}

static int skip_space(const Parser *p, int at) {
    while (at < p->len && strchr(" \t\r\n", p->text[at]))
        at++;
    return at;
}

static int skip_digits(const Parser *p, int at) {
    while (is_digit(p->text[at]))
        at++;
    return at;
}

static int skip_name(const Parser *p, int at) {
    while (in_name(p->text[at]))
        at++;
    return at;
}

// The end of the number at `at`: digits [. digits] [e [+-] digits]. Two dots are no part of it.
static int end_of_number(Parser *p, int at) {
    const char *s = p->text;
    int end = skip_digits(p, at);
    if (s[end] == '.' && s[end + 1] != '.')
        end = skip_digits(p, end + 1);
    if (s[end] == 'e' || s[end] == 'E') {
        int digits = end + 1 + (s[end + 1] == '+' || s[end + 1] == '-');
        if (is_digit(s[digits]))
            end = skip_digits(p, digits);
    }
    if (in_name(s[end]))
        fail(p, end, E_expr_syntax, "the number '%.*s' runs into '%.*s'", end - at, s + at,
             skip_name(p, end) - end, s + end);
    return end;
}

static int end_of_string(Parser *p, int at) {
    int end = at + 1;
    while (end < p->len && p->text[end] != p->text[at] && p->text[end] != '\n')
        end++;
    if (end < p->len && p->text[end] == p->text[at])
        return end + 1;
    fail(p, at, E_expr_syntax, "the text in quotes does not end");
    return end;
}

// Signs, longer ones before what they start with.
static const char *const signs[] = {"...", "**", "//", "<=", ">=", "==", "!=", "+", "-",
                                    "*",   "/",  "%",  "@",  "<",  ">",  "(",  ")", "[",
                                    "]",   "{",  "}",  ",",  ":",  ".",  "="};

// What other languages write, and what we do.
static const struct {
    const char *theirs, *ours;
} foreign[] = {{"&&", "and"}, {"||", "or"}, {"&", "and"}, {"|", "or"},
               {"!", "not"},  {"^", "**"},  {"~", "not"}};

static int end_of_sign(Parser *p, int at) {
    const char *s = p->text + at;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (!strncmp(s, signs[i], strlen(signs[i])))
            return at + (int)strlen(signs[i]);
    }
    if (p->failed)
        return p->len;

    int len;
    if (buf_decode_utf8(s, p->text + p->len, &len) < 0x20)
        fail(p, at, E_expr_syntax, "unexpected byte 0x%02x", (unsigned char)*s);
    else
        fail(p, at, E_expr_syntax, "unexpected '%.*s'", len, s);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (!strncmp(s, foreign[i].theirs, strlen(foreign[i].theirs))) {
            diag_note(p->diag, loc_of(p, at), "did you mean '%s'?", foreign[i].ours);
            break;
        }
    }
    return p->len;
}

// Reads the token at or after `at`.
static void scan(Parser *p, int at) {
    at = skip_space(p, at);
    Token t = {.kind = TOKEN_END, .start = at, .end = at};
    char c = p->text[at];

    if (at >= p->len) {
        // the end
    } else if (is_digit(c)) {
        t = (Token){TOKEN_NUMBER, at, end_of_number(p, at)};
    } else if (starts_name(c)) {
        t = (Token){TOKEN_NAME, at, skip_name(p, at)};
    } else if (c == '\'' || c == '"') {
        t = (Token){TOKEN_STRING, at, end_of_string(p, at)};
    } else {
        t = (Token){TOKEN_SIGN, at, end_of_sign(p, at)};
    }
    p->token = t;
}

static void advance(Parser *p) {
    scan(p, p->token.end);
}

static bool token_is(const Parser *p, const char *s) {
    Token t = p->token;
    size_t len = (size_t)(t.end - t.start);
    return (t.kind == TOKEN_SIGN || t.kind == TOKEN_NAME) && len == strlen(s) &&
           !memcmp(p->text + t.start, s, len);
}

static bool is_word(const char *s, size_t len) {
    static const char *const words[] = {"and", "or", "not", "if", "else", "true", "false"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i]) == len && !memcmp(words[i], s, len))
            return true;
    }
    return false;
}

bool expr_is_name(const char *s) {
    size_t len = strlen(s);
    if (!starts_name(*s) || is_word(s, len))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!in_name(s[i]))
            return false;
    }
    return true;
}

// Takes a name that is no word of the language, or fails with `what` was expected.
static const char *take_name(Parser *p, const char *what) {
    Token t = p->token;
    size_t len = (size_t)(t.end - t.start);
    if (p->failed || t.kind != TOKEN_NAME) {
        fail_expected(p, what);
        return NULL;
    }
    if (is_word(p->text + t.start, len)) {
        fail(p, t.start, E_reserved_name, "'%.*s' is a word of the language", (int)len,
             p->text + t.start);
        return NULL;
    }
    advance(p);
    return arena_strndup(p->arena, p->text + t.start, len);
}

// Takes `close`, which ends what the bracket at byte `open` started.
static bool take_close(Parser *p, const char *close, int open) {
    if (!p->failed && token_is(p, close)) {
        advance(p);
        return true;
    }
    const char *unit = p->exact ? "column" : "byte";
    int column = p->exact ? p->at.col + open : open + 1;
    fail_expected(p, arena_printf(p->arena, "'%s' to close '%c' at %s %d", close, p->text[open],
                                  unit, column));
    return false;
}

// ---- nodes

static bool enter(Parser *p, int at) {
    if (++p->depth <= EXPR_MAX_DEPTH)
        return true;
    fail(p, at, E_limit, "the expression is nested too deep: the limit is %d", EXPR_MAX_DEPTH);
    return false;
}

static void leave(Parser *p) {
    p->depth--;
}

static Expr *new_expr(Parser *p, ExprKind kind, int at) {
    Expr *e = arena_new(p->arena, Expr);
    e->kind = kind;
    e->loc = loc_of(p, at);
    return e;
}

// `e` with its height, or NULL when it is too high.
static Expr *finish(Parser *p, Expr *e, int at) {
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
    fail(p, at, E_limit, "the expression has too many operators in a row: the limit is %d",
         EXPR_MAX_HEIGHT);
    return NULL;
}

// A node with the operator or mark `name` at byte `at`, and up to three args.
static Expr *make(Parser *p, ExprKind kind, const char *name, int at, int n, Expr *x, Expr *y,
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
static void add_arg(Parser *p, Expr *e, int *cap, Expr *arg, bool names, const char *name,
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

static Expr *parse_expr(Parser *p);

// Reads an int64 from digits; false when they are something else or too large.
static bool read_int(const char *s, int len, int64_t *v) {
    *v = 0;
    for (int i = 0; i < len; i++) {
        if (!is_digit(s[i]) || *v > (INT64_MAX - (s[i] - '0')) / 10)
            return false;
        *v = *v * 10 + (s[i] - '0');
    }
    return true;
}

static Expr *parse_number(Parser *p) {
    Token t = p->token;
    const char *s = p->text + t.start;
    int len = t.end - t.start;
    if (p->failed)
        return NULL;

    Expr *e = new_expr(p, EXPR_NUMBER, t.start);
    bool integer = skip_digits(p, t.start) == t.end;
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
        fail(p, t.start, E_number, "number out of range");
        return NULL;
    }
    advance(p);
    return finish(p, e, t.start);
}

static Expr *parse_list(Parser *p) {
    int open = p->token.start, cap = 0;
    Expr *e = new_expr(p, EXPR_LIST, open);
    if (!enter(p, open))
        return NULL;
    advance(p);
    while (!p->failed && !token_is(p, "]")) {
        Expr *arg = parse_expr(p);
        add_arg(p, e, &cap, arg, false, NULL, e->loc);
        if (!token_is(p, ","))
            break;
        advance(p);
    }
    take_close(p, "]", open);
    leave(p);
    return finish(p, e, open);
}

static Expr *parse_record(Parser *p) {
    int open = p->token.start, cap = 0;
    Expr *e = new_expr(p, EXPR_RECORD, open);
    if (!enter(p, open))
        return NULL;
    advance(p);
    while (!p->failed && !token_is(p, "}")) {
        int at = p->token.start;
        const char *key = take_name(p, "a key or '}'");
        const Loc *first = key ? find_name(e, key) : NULL;
        if (first) {
            fail(p, at, E_duplicate_key, "the key '%s' stands here a second time", key);
            diag_note(p->diag, *first, "the first is here");
        }
        if (!p->failed && !token_is(p, ":"))
            fail_expected(p, "':' after a key");
        if (p->failed)
            return NULL;
        advance(p);
        Expr *arg = parse_expr(p);
        add_arg(p, e, &cap, arg, true, key, loc_of(p, at));
        if (!token_is(p, ","))
            break;
        advance(p);
    }
    take_close(p, "}", open);
    leave(p);
    return finish(p, e, open);
}

static Expr *parse_parentheses(Parser *p) {
    int open = p->token.start;
    if (!enter(p, open))
        return NULL;
    advance(p);
    Expr *e = parse_expr(p);
    bool closed = take_close(p, ")", open);
    leave(p);
    return closed ? e : NULL;
}

static Expr *parse_name(Parser *p) {
    int at = p->token.start;
    if (token_is(p, "true") || token_is(p, "false")) {
        Expr *e = new_expr(p, EXPR_BOOL, at);
        e->integer = token_is(p, "true");
        advance(p);
        return finish(p, e, at);
    }
    if (is_word(p->text + at, (size_t)(p->token.end - at))) {
        fail_expected(p, "an expression");
        return NULL;
    }
    const char *name = take_name(p, "a name");
    return make(p, EXPR_NAME, name, at, 0, NULL, NULL, NULL);
}

static Expr *parse_string(Parser *p) {
    Token t = p->token;
    if (p->failed)
        return NULL;
    advance(p);
    const char *text =
        arena_strndup(p->arena, p->text + t.start + 1, (size_t)(t.end - t.start - 2));
    return make(p, EXPR_STRING, text, t.start, 0, NULL, NULL, NULL);
}

static Expr *parse_atom(Parser *p) {
    if (p->failed)
        return NULL;

    // only here is a dot before a digit the start of a number
    Token *t = &p->token;
    if (token_is(p, ".") && is_digit(p->text[t->end]))
        *t = (Token){TOKEN_NUMBER, t->start, end_of_number(p, t->start)};

    switch (t->kind) {
    case TOKEN_NUMBER:
        return parse_number(p);
    case TOKEN_STRING:
        return parse_string(p);
    case TOKEN_NAME:
        return parse_name(p);
    case TOKEN_SIGN:
        if (token_is(p, "("))
            return parse_parentheses(p);
        if (token_is(p, "["))
            return parse_list(p);
        if (token_is(p, "{"))
            return parse_record(p);
        if (token_is(p, "..."))
            fail(p, t->start, E_expr_syntax, "'...' stands only within an index");
        break;
    case TOKEN_END:
        break;
    }
    fail_expected(p, "an expression");
    return NULL;
}

// ---- postfixes

// Whether the next tokens are a name and a single `=`.
static bool at_keyword(const Parser *p) {
    int after = skip_space(p, p->token.end);
    return p->token.kind == TOKEN_NAME && p->text[after] == '=' && p->text[after + 1] != '=';
}

// Takes `name =` before an argument of the call `e`.
static const char *take_keyword(Parser *p, const Expr *e) {
    int at = p->token.start;
    const char *name = take_name(p, "the name of an argument");
    const Loc *first = name ? find_name(e, name) : NULL;
    if (first) {
        fail(p, at, E_expr_syntax, "the argument '%s' is given a second time", name);
        diag_note(p->diag, *first, "the first is here");
    }
    if (!p->failed)
        advance(p);
    return name;
}

static Expr *parse_call(Parser *p, Expr *base, int start) {
    int open = p->token.start, cap = 0;
    Expr *e = new_expr(p, EXPR_CALL, start);
    e->base = base;
    bool named = false;
    if (!enter(p, open))
        return NULL;
    advance(p);
    while (!p->failed && !token_is(p, ")")) {
        int at = p->token.start;
        const char *name = NULL;
        if (at_keyword(p)) {
            name = take_keyword(p, e);
            named = true;
        } else if (named) {
            fail(p, at, E_expr_syntax, "an argument without a name stands behind a named one");
        }
        Expr *arg = parse_expr(p);
        add_arg(p, e, &cap, arg, true, name, loc_of(p, at));
        if (!token_is(p, ","))
            break;
        advance(p);
    }
    take_close(p, ")", open);
    leave(p);
    return finish(p, e, start);
}

// One part of an index: an expression, a slice or an ellipsis.
static Expr *parse_subscript(Parser *p) {
    if (token_is(p, "...")) {
        int at = p->token.start;
        advance(p);
        return make(p, EXPR_ELLIPSIS, NULL, at, 0, NULL, NULL, NULL);
    }
    Expr *from = token_is(p, ":") ? NULL : parse_expr(p);
    if (p->failed || !token_is(p, ":"))
        return from;
    int colon = p->token.start;
    advance(p);
    bool open = token_is(p, ",") || token_is(p, "]");
    Expr *to = open ? NULL : parse_expr(p);
    return make(p, EXPR_SLICE, NULL, colon, 2, from, to, NULL);
}

static Expr *parse_index(Parser *p, Expr *base) {
    int open = p->token.start, cap = 0;
    Expr *e = new_expr(p, EXPR_INDEX, open);
    e->base = base;
    if (!enter(p, open))
        return NULL;
    advance(p);
    do {
        add_arg(p, e, &cap, parse_subscript(p), false, NULL, e->loc);
        if (!token_is(p, ","))
            break;
        advance(p);
    } while (!p->failed && !token_is(p, "]"));
    take_close(p, "]", open);
    leave(p);
    return finish(p, e, open);
}

static Expr *parse_field(Parser *p, Expr *base) {
    int at = skip_space(p, p->token.end);
    const char *name;
    if (is_digit(p->text[at])) {
        int end = skip_digits(p, at);
        if (in_name(p->text[end]) || (p->text[at] == '0' && end > at + 1) || end - at > 9)
            fail(p, at, E_expr_syntax, "a field's number is written like '0' or '12'");
        name = arena_strndup(p->arena, p->text + at, (size_t)(end - at));
        scan(p, end);
    } else {
        scan(p, at);
        name = take_name(p, "the name of a field after '.'");
    }
    if (p->failed)
        return NULL;
    Expr *e = new_expr(p, EXPR_FIELD, at);
    e->name = name;
    e->base = base;
    return finish(p, e, at);
}

static Expr *parse_postfix(Parser *p) {
    int start = p->token.start;
    Expr *e = parse_atom(p);
    while (!p->failed) {
        if (token_is(p, "("))
            e = parse_call(p, e, start);
        else if (token_is(p, "["))
            e = parse_index(p, e);
        else if (token_is(p, "."))
            e = parse_field(p, e);
        else
            return e;
    }
    return NULL;
}

// ---- operators

// A power or a signed operand: -a ** -b is -(a ** (-b)).
static Expr *parse_unary(Parser *p) {
    int at = p->token.start;
    const char *sign = token_is(p, "-") ? "-" : token_is(p, "+") ? "+" : NULL;
    Expr *e = sign ? NULL : parse_postfix(p);
    bool power = e && token_is(p, "**");
    if (!sign && !power)
        return e;

    at = p->token.start;
    if (!enter(p, at))
        return NULL;
    advance(p);
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
static int find_operator(const Parser *p) {
    for (int i = 0; i < (int)(sizeof operators / sizeof *operators); i++) {
        if (token_is(p, operators[i].name))
            return i;
    }
    return -1;
}

static Expr *parse_binary(Parser *p, int strength);

static Expr *parse_not(Parser *p, int strength) {
    int at = p->token.start;
    if (strength > NOT) {
        fail(p, at, E_expr_syntax, "'not' binds looser than what is before it; use parentheses");
        return NULL;
    }
    if (!enter(p, at))
        return NULL;
    advance(p);
    Expr *operand = parse_binary(p, NOT);
    leave(p);
    return make(p, EXPR_UNARY, "not", at, 1, operand, NULL, NULL);
}

// Operators that bind at least as tight as `strength`.
static Expr *parse_binary(Parser *p, int strength) {
    Expr *left = token_is(p, "not") ? parse_not(p, strength) : parse_unary(p);

    while (!p->failed) {
        int i = find_operator(p), at = p->token.start;
        if (i < 0 || operators[i].strength < strength)
            return left;
        advance(p);
        Expr *right = parse_binary(p, operators[i].strength + 1);
        left = make(p, EXPR_BINARY, operators[i].name, at, 2, left, right, NULL);

        int next = find_operator(p);
        if (operators[i].strength == COMPARE && next >= 0 && operators[next].strength == COMPARE &&
            !p->failed) {
            fail(p, p->token.start, E_expr_syntax, "comparisons do not chain");
            diag_note(p->diag, loc_of(p, at), "write 'a < b and b < c', or use parentheses");
        }
    }
    return NULL;
}

static Expr *parse_expr(Parser *p) {
    Expr *value = parse_binary(p, OR);
    if (p->failed || !token_is(p, "if"))
        return value;

    int at = p->token.start;
    advance(p);
    Expr *condition = parse_binary(p, OR);
    if (!p->failed && !token_is(p, "else"))
        fail_expected(p, "'else' after the condition");
    if (p->failed || !enter(p, at))
        return NULL;
    advance(p);
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
    Parser p = {.arena = a,
                .diag = d,
                .text = text,
                .at = at,
                .exact = exact,
                .len = (int)len,
                .depth = depth};
    scan(&p, 0);
    Expr *e = parse_expr(&p);
    if (p.failed)
        return NULL;
    if (p.token.kind == TOKEN_END)
        return e;

    if (token_is(&p, ")") || token_is(&p, "]") || token_is(&p, "}"))
        fail(&p, p.token.start, E_expr_syntax, "this '%c' closes nothing", text[p.token.start]);
    else
        fail_expected(&p, "an operator or the end");
    if (token_is(&p, "="))
        diag_note(d, loc_of(&p, p.token.start), "'==' compares");
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

    Parser p = {.arena = a, .diag = d, .text = "", .at = y->loc};
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
