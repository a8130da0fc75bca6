// ir/lang/expr_scan.c -- the tokens of an expression, and its errors.
#include "ir/lang/expr_scan.h"

#include <stdarg.h>
#include <string.h>

#include "ir/base/buf.h"
#include "ir/base/errors.h"
#include "ir/lang/expr.h"

// ---- errors

Loc expr_loc(const ExprScan *p, int at) {
    Loc loc = p->at;
    if (p->exact)
        loc.col += at;
    return loc;
}

void expr_fail(ExprScan *p, int at, int code, const char *format, ...) {
    if (p->failed)
        return;
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(p->arena, format, args);
    va_end(args);

    p->failed = true;
    diag_error(p->diag, expr_loc(p, at), code, "%s", message);
    if (!p->exact && at < p->len)
        diag_note(p->diag, p->at, "at byte %d of the text: '%.20s'", at + 1, p->text + at);
}

// The next token in words.
static const char *found(const ExprScan *p) {
    Token t = p->token;
    if (t.kind == TOKEN_END)
        return "the end";
    bool cut = t.end - t.start > 40;
    return arena_printf(p->arena, "'%.*s%s'", cut ? 37 : t.end - t.start, p->text + t.start,
                        cut ? "..." : "");
}

void expr_fail_expected(ExprScan *p, const char *what) {
    if (!p->failed)
        expr_fail(p, p->token.start, E_expr_syntax, "expected %s, found %s", what, found(p));
}

// ---- tokens

bool expr_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool expr_in_name(char c) {
    return starts_name(c) || expr_is_digit(c);
}

int expr_skip_space(const ExprScan *p, int at) {
    while (at < p->len && strchr(" \t\r\n", p->text[at]))
        at++;
    return at;
}

int expr_skip_digits(const ExprScan *p, int at) {
    while (expr_is_digit(p->text[at]))
        at++;
    return at;
}

static int skip_name(const ExprScan *p, int at) {
    while (expr_in_name(p->text[at]))
        at++;
    return at;
}

int expr_end_of_number(ExprScan *p, int at) {
    const char *s = p->text;
    int end = expr_skip_digits(p, at);
    if (s[end] == '.' && s[end + 1] != '.')
        end = expr_skip_digits(p, end + 1);
    if (s[end] == 'e' || s[end] == 'E') {
        int digits = end + 1 + (s[end + 1] == '+' || s[end + 1] == '-');
        if (expr_is_digit(s[digits]))
            end = expr_skip_digits(p, digits);
    }
    if (expr_in_name(s[end]))
        expr_fail(p, end, E_expr_syntax, "the number '%.*s' runs into '%.*s'", end - at, s + at,
                  skip_name(p, end) - end, s + end);
    return end;
}

static int end_of_string(ExprScan *p, int at) {
    int end = at + 1;
    while (end < p->len && p->text[end] != p->text[at] && p->text[end] != '\n')
        end++;
    if (end < p->len && p->text[end] == p->text[at])
        return end + 1;
    expr_fail(p, at, E_expr_syntax, "the text in quotes does not end");
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
               {"!", "not"},  {"^", "**"},  {"~", "not"}, {"?", "a if c else b"}};

static int end_of_sign(ExprScan *p, int at) {
    const char *s = p->text + at;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (!strncmp(s, signs[i], strlen(signs[i])))
            return at + (int)strlen(signs[i]);
    }
    if (p->failed)
        return p->len;

    int len;
    if (buf_decode_utf8(s, p->text + p->len, &len) < 0x20)
        expr_fail(p, at, E_expr_syntax, "unexpected byte 0x%02x", (unsigned char)*s);
    else
        expr_fail(p, at, E_expr_syntax, "unexpected '%.*s'", len, s);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (!strncmp(s, foreign[i].theirs, strlen(foreign[i].theirs))) {
            diag_note(p->diag, expr_loc(p, at), "did you mean '%s'?", foreign[i].ours);
            break;
        }
    }
    return p->len;
}

void expr_scan(ExprScan *p, int at) {
    at = expr_skip_space(p, at);
    Token t = {.kind = TOKEN_END, .start = at, .end = at};
    char c = p->text[at];

    if (at >= p->len) {
        // the end
    } else if (expr_is_digit(c)) {
        t = (Token){TOKEN_NUMBER, at, expr_end_of_number(p, at)};
    } else if (starts_name(c)) {
        t = (Token){TOKEN_NAME, at, skip_name(p, at)};
    } else if (c == '\'' || c == '"') {
        t = (Token){TOKEN_STRING, at, end_of_string(p, at)};
    } else {
        t = (Token){TOKEN_SIGN, at, end_of_sign(p, at)};
    }
    p->token = t;
}

void expr_advance(ExprScan *p) {
    expr_scan(p, p->token.end);
}

bool expr_token_is(const ExprScan *p, const char *s) {
    Token t = p->token;
    size_t len = (size_t)(t.end - t.start);
    return (t.kind == TOKEN_SIGN || t.kind == TOKEN_NAME) && len == strlen(s) &&
           !memcmp(p->text + t.start, s, len);
}

bool expr_is_word(const char *s, size_t len) {
    static const char *const words[] = {"and", "or", "not", "if", "else", "true", "false"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i]) == len && !memcmp(words[i], s, len))
            return true;
    }
    return false;
}

bool expr_is_name(const char *s) {
    size_t len = strlen(s);
    if (!starts_name(*s) || expr_is_word(s, len))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!expr_in_name(s[i]))
            return false;
    }
    return true;
}
