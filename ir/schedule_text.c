// ir/schedule_text.c -- reading words, numbers and dims of the text of schedules.
#include "ir/schedule_text.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/errors.h"

static void skip_space(TextReader *r) {
    for (;;) {
        r->at += strspn(r->at, " \t\r\n");
        if (*r->at != '#')
            return;
        r->at += strcspn(r->at, "\n");
    }
}

Loc text_loc(const TextReader *r) {
    TextReader ahead = *r;
    skip_space(&ahead);
    Loc loc = {.file = r->file, .line = 1, .col = 1};
    for (const char *s = r->file->text; s < ahead.at; s++) {
        loc.col++;
        if (*s == '\n') {
            loc.line++;
            loc.col = 1;
        }
    }
    return loc;
}

void text_error(TextReader *r, const char *format, ...) {
    if (r->failed)
        return;
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(r->arena, format, args);
    va_end(args);
    diag_error(r->diag, text_loc(r), E_ir_syntax, "%s", message);
    r->failed = true;
    r->at = r->file->text + r->file->len;
}

static bool in_name(char c) {
    return c && strchr(SCHEDULE_NAME_CHARS, c);
}

bool text_accept(TextReader *r, const char *word) {
    skip_space(r);
    size_t len = strlen(word);
    if (r->failed || strncmp(r->at, word, len) != 0)
        return false;
    if (len > 1 && isalpha((unsigned char)word[0]) && in_name(word[len - 1]) && in_name(r->at[len]))
        return false;
    r->at += len;
    return true;
}

void text_expect(TextReader *r, const char *word) {
    if (!text_accept(r, word))
        text_error(r, "expected '%s'", word);
}

bool text_at_end(TextReader *r) {
    skip_space(r);
    return r->failed || r->at >= r->file->text + r->file->len;
}

// ---- names and numbers --------------------------------------------------------------------------

const char *text_quoted(TextReader *r) {
    Buf text = {0};
    text_expect(r, "\"");
    while (!r->failed && *r->at != '"') {
        char c = *r->at;
        char hex[3] = "";
        if (c == '\0' || c == '\n') {
            text_error(r, "expected '\"' at the end of a text");
            break;
        }
        r->at++;
        if (c == '\\' && *r->at == 'x' && isxdigit((unsigned char)r->at[1]) &&
            isxdigit((unsigned char)r->at[2])) {
            memcpy(hex, r->at + 1, 2);
            c = (char)strtol(hex, NULL, 16);
            r->at += 3;
        } else if (c == '\\' && (*r->at == '"' || *r->at == '\\')) {
            c = *r->at++;
        }
        buf_put(&text, &c, 1);
    }
    if (!r->failed)
        r->at++;
    char *copy = arena_strdup(r->arena, buf_text(&text));
    buf_free(&text);
    return copy;
}

const char *text_name(TextReader *r) {
    skip_space(r);
    if (*r->at == '"')
        return text_quoted(r);
    size_t len = strspn(r->at, SCHEDULE_NAME_CHARS);
    if (len == 0)
        text_error(r, "expected a name");
    char *name = arena_strndup(r->arena, r->at, len);
    r->at += len;
    return name;
}

int64_t text_int(TextReader *r) {
    skip_space(r);
    bool negative = text_accept(r, "-");
    if (!isdigit((unsigned char)*r->at)) {
        text_error(r, "expected a number");
        return 0;
    }
    int64_t value = 0;
    for (; isdigit((unsigned char)*r->at); r->at++) {
        int digit = *r->at - '0';
        if (value > (INT64_MAX / 4 - digit) / 10) {
            text_error(r, "the number is too large");
            return 0;
        }
        value = 10 * value + digit;
    }
    return negative ? -value : value;
}

double text_double(TextReader *r) {
    skip_space(r);
    bool negative = *r->at == '-';
    size_t len = strspn(r->at, "+-.0123456789infaeE");
    double value = 0;
    if (len == (size_t)negative + 3 && !strncmp(r->at + negative, "inf", 3))
        value = negative ? -INFINITY : INFINITY;
    else if (len == (size_t)negative + 3 && !strncmp(r->at + negative, "nan", 3))
        value = negative ? -NAN : NAN;
    else if (!buf_parse_double(r->at, len, &value))
        text_error(r, "expected a number");
    if (!r->failed)
        r->at += len;
    return value;
}

uint64_t text_hash(TextReader *r) {
    skip_space(r);
    if (!strncmp(r->at, "0x", 2))
        r->at += 2;
    size_t len = strspn(r->at, "0123456789abcdef");
    if (len == 0 || len > 16) {
        text_error(r, "expected a hexadecimal number of at most 16 digits");
        return 0;
    }
    uint64_t value = strtoull(r->at, NULL, 16);
    r->at += len;
    return value;
}

int text_index(TextReader *r, int limit, const char *what) {
    TextReader before = *r;
    int64_t i = text_int(r);
    if (!r->failed && (i < 0 || i >= limit)) {
        *r = before;
        text_error(r, "there is no %s %lld", what, (long long)i);
    }
    return r->failed ? 0 : (int)i;
}

IrDtype text_dtype(TextReader *r) {
    for (int d = 0; d < IR_DTYPE_COUNT; d++)
        if (text_accept(r, ir_dtype_name((IrDtype)d)))
            return (IrDtype)d;
    text_error(r, "expected f32, f64, i32 or bool");
    return IR_F32;
}

// ---- dims ---------------------------------------------------------------------------------------

// What a sum is made of, while it is read.
typedef struct Sum {
    IrDims *dims;
    const char *prefix; // of indices; NULL where there are none
    int limit;
    IrDim **strides;
    IrAddress *row;
    int depth;
} Sum;

static IrDim *read_sum(TextReader *r, Sum *s);

static IrDim *read_variable(TextReader *r, IrDims *ds) {
    TextReader before = *r;
    const char *name = text_name(r);
    for (int i = 0; i < ds->n_vars; i++)
        if (!strcmp(ds->vars[i]->name, name))
            return ir_dim_var(ds, name, 0, 0);
    if (!r->failed) {
        *r = before;
        text_error(r, "no dim is called '%s'", name);
    }
    return ir_dim_const(ds, 0);
}

// Reads "i3" if it comes next.
static bool accept_index(TextReader *r, const Sum *s, int *index) {
    skip_space(r);
    size_t len = s->prefix ? strlen(s->prefix) : 0;
    if (!len || strncmp(r->at, s->prefix, len) != 0 || !isdigit((unsigned char)r->at[len]))
        return false;
    size_t digits = strspn(r->at + len, "0123456789");
    if (in_name(r->at[len + digits]))
        return false;
    r->at += len;
    *index = text_index(r, s->limit, "index");
    return true;
}

static IrDim *read_factor(TextReader *r, Sum *s) {
    skip_space(r);
    if (isdigit((unsigned char)*r->at))
        return ir_dim_const(s->dims, text_int(r));
    if (!text_accept(r, "("))
        return read_variable(r, s->dims);

    Sum inner = {.dims = s->dims, .depth = s->depth + 1};
    if (inner.depth > 64)
        text_error(r, "parentheses are nested too deeply");
    IrDim *d = r->failed ? ir_dim_const(s->dims, 0) : read_sum(r, &inner);
    text_expect(r, ")");
    return d;
}

static void read_row(TextReader *r, Sum *s) {
    text_expect(r, "(");
    text_expect(r, "s");
    s->row->indirect = text_index(r, INT32_MAX, "scalar");
    text_expect(r, ",");
    s->row->indirect_last = text_dim(r, s->dims);
    text_expect(r, ")");
}

// Reads a product. One without an index is given; else NULL, and the stride is put where it
// belongs.
static IrDim *read_term(TextReader *r, Sum *s, int sign) {
    IrDim *product = ir_dim_const(s->dims, sign);
    int index = -1;
    bool row = false;
    do {
        if (index < 0 && !row && accept_index(r, s, &index))
            continue;
        if (index < 0 && s->row && s->row->indirect < 0 && text_accept(r, "row")) {
            read_row(r, s);
            row = true;
            continue;
        }
        product = ir_dim_mul(s->dims, product, read_factor(r, s));
    } while (text_accept(r, "*"));

    int64_t value;
    if (row)
        s->row->indirect_stride = product;
    if (index >= 0 && s->strides[index])
        text_error(r, "the index stands twice in one sum");
    if (index >= 0)
        s->strides[index] = ir_dim_is_const(product, &value) && value == 0 ? NULL : product;
    return row || index >= 0 ? NULL : product;
}

static IrDim *read_sum(TextReader *r, Sum *s) {
    IrDim *sum = ir_dim_const(s->dims, 0);
    int sign = text_accept(r, "-") ? -1 : 1;
    do {
        IrDim *term = read_term(r, s, sign);
        if (term)
            sum = ir_dim_add(s->dims, sum, term);
        sign = 0;
        if (text_accept(r, "+"))
            sign = 1;
        else if (text_accept(r, "-"))
            sign = -1;
    } while (sign);
    return sum;
}

IrDim *text_dim(TextReader *r, IrDims *ds) {
    return read_sum(r, &(Sum){.dims = ds});
}

IrDim *text_sum(TextReader *r, IrDims *ds, const char *prefix, int limit, IrDim **strides,
                IrAddress *row) {
    return read_sum(
        r, &(Sum){.dims = ds, .prefix = prefix, .limit = limit, .strides = strides, .row = row});
}
