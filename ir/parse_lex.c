// ir/parse_lex.c -- words of the IR's text. Pure scanning: every byte of any text is some token.
#include "ir/parse_lex.h"

#include <stdbool.h>
#include <string.h>

void ir_lex_open(IrLexer *x, const DiagFile *file) {
    *x = (IrLexer){.file = file, .at = file->text, .line_start = file->text, .line = 1};
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_part(char c) {
    return is_letter(c) || is_digit(c) || c == '.';
}

// The file's text ends with a NUL that is not part of it, so looking one byte ahead is safe.
static bool at_end(const IrLexer *x) {
    return x->at >= x->file->text + x->file->len;
}

static void next_line(IrLexer *x) {
    x->at++;
    x->line++;
    x->line_start = x->at;
}

static void skip_space(IrLexer *x) {
    while (!at_end(x)) {
        if (*x->at == '\n')
            next_line(x);
        else if (*x->at == ' ' || *x->at == '\t' || *x->at == '\r')
            x->at++;
        else if (*x->at == '#')
            while (!at_end(x) && *x->at != '\n')
                x->at++;
        else
            return;
    }
}

static void skip_digits(IrLexer *x) {
    while (is_digit(*x->at))
        x->at++;
}

static void skip_number(IrLexer *x) {
    skip_digits(x);
    if (*x->at == '.') {
        x->at++;
        skip_digits(x);
    }
    if (*x->at != 'e' && *x->at != 'E')
        return;
    const char *digits = x->at + 1 + (x->at[1] == '+' || x->at[1] == '-');
    if (is_digit(*digits)) {
        x->at = digits;
        skip_digits(x);
    }
}

// After the opening quote; false when the string does not end on its line.
static bool skip_string(IrLexer *x) {
    for (; !at_end(x) && *x->at != '\n'; x->at++) {
        if (*x->at == '"')
            return true;
        if (*x->at == '\\' && x->at[1] != '\n' && x->at[1])
            x->at++;
    }
    return false;
}

IrToken ir_lex_next(IrLexer *x) {
    skip_space(x);
    const char *start = x->at;
    IrToken t = {.kind = IR_TOKEN_END,
                 .text = start,
                 .loc = {x->file, x->line, (int)(start - x->line_start) + 1}};
    if (at_end(x))
        return t;

    if (is_letter(*start)) {
        t.kind = IR_TOKEN_NAME;
        while (is_name_part(*x->at))
            x->at++;
    } else if (is_digit(*start)) {
        t.kind = IR_TOKEN_NUMBER;
        skip_number(x);
    } else if (*start == '%' && is_name_part(start[1])) {
        t.kind = IR_TOKEN_VALUE;
        t.text = ++x->at;
        while (is_name_part(*x->at))
            x->at++;
    } else if (*start == '"') {
        t.text = ++x->at;
        bool finished = skip_string(x);
        t.kind = finished ? IR_TOKEN_STRING : IR_TOKEN_BAD;
        t.len = (int)(x->at - t.text);
        x->at += finished;
        return t;
    } else if (*start == '-' && start[1] == '>') {
        t.kind = IR_TOKEN_ARROW;
        x->at += 2;
    } else {
        t.kind = *start && strchr("()[]{},:=^@*+-", *start) ? IR_TOKEN_PUNCT : IR_TOKEN_BAD;
        x->at++;
    }
    t.len = (int)(x->at - t.text);
    return t;
}

void ir_lex_skip_to_line(IrLexer *x, const char *word) {
    size_t len = strlen(word);
    while (!at_end(x)) {
        if (*x->at != '\n') {
            x->at++;
            continue;
        }
        next_line(x);
        if ((size_t)(x->file->text + x->file->len - x->at) >= len && !memcmp(x->at, word, len))
            return;
    }
}

static int hex_digit(char c) {
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *ir_lex_unescape(Arena *a, const IrToken *t) {
    char *out = arena_strndup(a, t->text, (size_t)t->len);
    char *to = out;
    for (int i = 0; i < t->len; i++) {
        char c = t->text[i];
        if (c == '\\') {
            c = ++i < t->len ? t->text[i] : 0;
            if (c == 'n')
                c = '\n';
            else if (c == 't')
                c = '\t';
            else if (c == 'x' && i + 2 < t->len && hex_digit(t->text[i + 1]) >= 0 &&
                     hex_digit(t->text[i + 2]) >= 0) {
                c = (char)(16 * hex_digit(t->text[i + 1]) + hex_digit(t->text[i + 2]));
                i += 2;
            } else if (c != '"' && c != '\\')
                return NULL;
        }
        if (!c)
            return NULL;
        *to++ = c;
    }
    *to = 0;
    return out;
}
