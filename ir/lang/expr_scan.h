// ir/lang/expr_scan.h -- the tokens of an expression; for expr.c only.
#ifndef IR_LANG_EXPR_SCAN_H
#define IR_LANG_EXPR_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "ir/base/arena.h"
#include "ir/base/diag.h"

typedef enum TokenKind { TOKEN_END, TOKEN_NUMBER, TOKEN_STRING, TOKEN_NAME, TOKEN_SIGN } TokenKind;

typedef struct Token {
    TokenKind kind;
    int start, end; // bytes of the text
} Token;

// A text that is being read, and the one token that is looked at.
typedef struct ExprScan {
    Arena *arena;
    Diag *diag;
    const char *text; // NUL-terminated
    int len;
    Loc at;      // place of the first byte
    bool exact;  // byte i stands at column at.col + i; else all places are `at`
    Token token; // the next one, not yet taken
    int depth;   // brackets and operators around it, kept by the parser
    bool failed; // an error was reported; what follows is not to be trusted
} ExprScan;

// The place of byte `at`.
Loc expr_loc(const ExprScan *p, int at);

// Reports the first error, at byte `at`; later ones follow from it and are dropped. Where the text
// does not stand in its file as it is, a note says where in the text the error is.
void expr_fail(ExprScan *p, int at, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// Reports that `what` was expected where the next token is.
void expr_fail_expected(ExprScan *p, const char *what);

// Looks at the first token at or behind byte `at`.
void expr_scan(ExprScan *p, int at);

// Takes the token and looks at the next.
void expr_advance(ExprScan *p);

// Whether the token is the sign or word `s`.
bool expr_token_is(const ExprScan *p, const char *s);

// The end of the number at `at`: digits [. digits] [e [+-] digits]. Two dots are no part of it.
int expr_end_of_number(ExprScan *p, int at);

// The first byte at or behind `at` that is no space, or no digit.
int expr_skip_space(const ExprScan *p, int at);
int expr_skip_digits(const ExprScan *p, int at);

bool expr_is_digit(char c);
bool expr_in_name(char c); // a letter, a digit or `_`

// Whether the `len` bytes at `s` are a word of the language, such as `and`.
bool expr_is_word(const char *s, size_t len);

#endif
