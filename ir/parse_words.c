// ir/parse_words.c -- the small things of the IR's text: words, numbers, sizes, types.
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/fold.h"
#include "ir/parse.h"

// ---- errors -------------------------------------------------------------------------------------

// A syntax error, the only one of its function.
bool ir_parse_fail(IrParser *p, Loc loc, const char *format, ...) {
    if (!p->failed) {
        va_list args;
        va_start(args, format);
        diag_error(p->d, loc, E_ir_syntax, "%s", arena_vprintf(&p->scratch, format, args));
        va_end(args);
    }
    p->failed = true;
    return false;
}

static const char *token_text(IrParser *p, const IrToken *t) {
    if (t->kind == IR_TOKEN_END)
        return "the end";
    if (t->kind == IR_TOKEN_BAD)
        return "something that is no word";
    int len = t->len < 40 ? t->len : 40;
    return arena_printf(&p->scratch, "'%s%.*s'", t->kind == IR_TOKEN_VALUE ? "%" : "", len,
                        t->text);
}

bool ir_parse_fail_expected(IrParser *p, const char *what) {
    return ir_parse_fail(p, p->token.loc, "expected %s, found %s", what, token_text(p, &p->token));
}

// ---- tokens -------------------------------------------------------------------------------------

void ir_parse_advance(IrParser *p) {
    p->token = ir_lex_next(&p->lexer);
}

bool ir_parse_is_punct(const IrParser *p, char c) {
    return p->token.kind == IR_TOKEN_PUNCT && *p->token.text == c;
}

bool ir_parse_is_word(const IrParser *p, const char *word) {
    return p->token.kind == IR_TOKEN_NAME && (size_t)p->token.len == strlen(word) &&
           memcmp(p->token.text, word, strlen(word)) == 0;
}

bool ir_parse_accept(IrParser *p, char c) {
    if (!ir_parse_is_punct(p, c))
        return false;
    ir_parse_advance(p);
    return true;
}

bool ir_parse_accept_word(IrParser *p, const char *word) {
    if (!ir_parse_is_word(p, word))
        return false;
    ir_parse_advance(p);
    return true;
}

bool ir_parse_expect(IrParser *p, char c) {
    return ir_parse_accept(p, c) || ir_parse_fail_expected(p, (char[]){'\'', c, '\'', 0});
}

bool ir_parse_expect_word(IrParser *p, const char *word) {
    return ir_parse_accept_word(p, word) ||
           ir_parse_fail_expected(p, arena_printf(&p->scratch, "'%s'", word));
}

// The text of a token of `kind`, owned by the scratch arena.
bool ir_parse_token(IrParser *p, IrTokenKind kind, const char *what, const char **out) {
    if (p->token.kind != kind)
        return ir_parse_fail_expected(p, what);
    *out = arena_strndup(&p->scratch, p->token.text, (size_t)p->token.len);
    ir_parse_advance(p);
    return true;
}

bool ir_parse_string(IrParser *p, const char **out) {
    if (p->token.kind != IR_TOKEN_STRING)
        return ir_parse_fail_expected(p, "a string");
    *out = ir_lex_unescape(p->a, &p->token);
    if (!*out)
        return ir_parse_fail(p, p->token.loc, "an escape that is none of \\\" \\\\ \\n \\t \\xNN");
    ir_parse_advance(p);
    return true;
}

// A whole number of at most IR_PARSE_MAX_SIZE, without a sign.
bool ir_parse_size(IrParser *p, int64_t *out) {
    if (p->token.kind != IR_TOKEN_NUMBER)
        return ir_parse_fail_expected(p, "a whole number");
    *out = 0;
    for (int i = 0; i < p->token.len; i++) {
        char c = p->token.text[i];
        if (c < '0' || c > '9')
            return ir_parse_fail_expected(p, "a whole number");
        *out = 10 * *out + (c - '0');
        if (*out > IR_PARSE_MAX_SIZE)
            return ir_parse_fail(p, p->token.loc, "a number above %" PRId64, IR_PARSE_MAX_SIZE);
    }
    ir_parse_advance(p);
    return true;
}

bool ir_parse_int(IrParser *p, int *out) {
    Loc loc = p->token.loc;
    bool negative = ir_parse_accept(p, '-');
    int64_t size = 0;
    if (!ir_parse_size(p, &size))
        return false;
    if (size > INT_MAX)
        return ir_parse_fail(p, loc, "a number above %d", INT_MAX);
    *out = negative ? -(int)size : (int)size;
    return true;
}

// A number as const and settings have it.
bool ir_parse_value(IrParser *p, IrDtype dtype, double *out) {
    bool negative = ir_parse_accept(p, '-');
    if (ir_parse_accept_word(p, "inf"))
        *out = INFINITY;
    else if (ir_parse_accept_word(p, "nan"))
        *out = NAN;
    else if (ir_parse_accept_word(p, "true"))
        *out = 1;
    else if (ir_parse_accept_word(p, "false"))
        *out = 0;
    else if (p->token.kind == IR_TOKEN_NUMBER &&
             buf_parse_double(p->token.text, (size_t)p->token.len, out))
        ir_parse_advance(p);
    else
        return ir_parse_fail_expected(p, "a number");
    *out = ir_round_value(dtype, negative ? -*out : *out);
    return true;
}

// "[1,0]"; at most `max` numbers.
bool ir_parse_ints(IrParser *p, int *out, int max, int *n) {
    *n = 0;
    if (!ir_parse_expect(p, '['))
        return false;
    if (ir_parse_accept(p, ']'))
        return true;
    do {
        if (*n == max)
            return ir_parse_fail(p, p->token.loc, "more than %d numbers", max);
        if (!ir_parse_int(p, &out[(*n)++]))
            return false;
    } while (ir_parse_accept(p, ','));
    return ir_parse_expect(p, ']');
}

// ---- dims and types -----------------------------------------------------------------------------

static bool read_dim_var(IrParser *p, IrDim **out) {
    Loc loc = p->token.loc;
    const char *name = NULL;
    if (!ir_parse_token(p, IR_TOKEN_NAME, "a dim", &name))
        return false;
    IrDims *ds = p->m->dims;
    for (int i = 0; i < ds->n_vars; i++) {
        if (strcmp(ds->vars[i]->name, name) == 0) {
            *out = ir_dim_var(ds, name, 0, 0);
            return true;
        }
    }
    ir_parse_fail(p, loc, "no dim is called '%s'", name);
    const char **names = arena_array(&p->scratch, const char *, ds->n_vars);
    for (int i = 0; i < ds->n_vars; i++)
        names[i] = ds->vars[i]->name;
    diag_did_you_mean(p->d, loc, name, names, ds->n_vars);
    return false;
}

// "2 * N * M"
static bool read_term(IrParser *p, IrDim **out) {
    IrDim *product = ir_dim_const(p->m->dims, 1), *factor = NULL;
    for (int n = 0;; n++) {
        int64_t size = 0;
        if (n == IR_PARSE_MAX_FACTORS)
            return ir_parse_fail(p, p->token.loc, "more than %d factors", IR_PARSE_MAX_FACTORS);
        if (p->token.kind == IR_TOKEN_NUMBER) {
            if (!ir_parse_size(p, &size))
                return false;
            factor = ir_dim_const(p->m->dims, size);
        } else if (!read_dim_var(p, &factor)) {
            return false;
        }
        product = ir_dim_mul(p->m->dims, product, factor);
        if (!ir_parse_accept(p, '*'))
            break;
    }
    *out = product;
    return true;
}

// "N + M - 1"
bool ir_parse_dim(IrParser *p, IrDim **out) {
    IrDim *sum = ir_dim_const(p->m->dims, 0), *term = NULL;
    bool negative = ir_parse_accept(p, '-');
    for (int n = 0;; n++) {
        if (n == IR_PARSE_MAX_TERMS)
            return ir_parse_fail(p, p->token.loc, "more than %d terms", IR_PARSE_MAX_TERMS);
        if (!read_term(p, &term))
            return false;
        sum = negative ? ir_dim_sub(p->m->dims, sum, term) : ir_dim_add(p->m->dims, sum, term);
        negative = ir_parse_is_punct(p, '-');
        if (!negative && !ir_parse_is_punct(p, '+'))
            break;
        ir_parse_advance(p);
    }
    *out = sum;
    return true;
}

// "[N,2 * M]"; at most IR_MAX_RANK sizes.
bool ir_parse_dims(IrParser *p, IrDim **out, int *n) {
    *n = 0;
    if (!ir_parse_expect(p, '['))
        return false;
    if (ir_parse_accept(p, ']'))
        return true;
    int64_t terms = 1;
    do {
        const IrDimTerm *ignored = NULL;
        if (*n == IR_MAX_RANK)
            return ir_parse_fail(p, p->token.loc, "more than %d axes", IR_MAX_RANK);
        if (!ir_parse_dim(p, &out[*n]))
            return false;
        int count = ir_dim_terms(out[(*n)++], &ignored);
        terms *= count ? count : 1;
        if (terms > IR_PARSE_MAX_TYPE_TERMS)
            return ir_parse_fail(p, p->token.loc, "sizes with too many terms");
    } while (ir_parse_accept(p, ','));
    return ir_parse_expect(p, ']');
}

// "f32[N,6]"
bool ir_parse_type(IrParser *p, IrType *out) {
    *out = (IrType){0};
    for (int dtype = 0; dtype < IR_DTYPE_COUNT; dtype++) {
        if (!ir_parse_accept_word(p, ir_dtype_name((IrDtype)dtype)))
            continue;
        out->dtype = (IrDtype)dtype;
        return ir_parse_dims(p, out->dims, &out->rank);
    }
    return ir_parse_fail_expected(p, "a type (f32, f64, i32 or bool)");
}
