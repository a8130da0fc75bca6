// ir/parse_lex.h -- words of the IR's text.
#ifndef IR_PARSE_LEX_H
#define IR_PARSE_LEX_H

#include "ir/base/diag.h"

typedef enum IrTokenKind {
    IR_TOKEN_END,
    IR_TOKEN_NAME,   // dot, f32, key.w
    IR_TOKEN_VALUE,  // %3, %xc; the text is what follows the %
    IR_TOKEN_NUMBER, // 12, 0.5, 1e-08; a sign is a token of its own
    IR_TOKEN_STRING, // "..."; the text is what stands between the quotes, escaped
    IR_TOKEN_ARROW,  // ->
    IR_TOKEN_PUNCT,  // one of ( ) [ ] { } , : = ^ @ * + -
    IR_TOKEN_BAD,    // anything else, also an unfinished string
} IrTokenKind;

typedef struct IrToken {
    IrTokenKind kind;
    const char *text; // into the source
    int len;
    Loc loc;
} IrToken;

typedef struct IrLexer {
    const DiagFile *file;
    const char *at, *line_start;
    int line;
} IrLexer;

// `file` must outlive the lexer and its tokens.
void ir_lex_open(IrLexer *x, const DiagFile *file);

// The next token; spaces, line breaks and comments (# to the end of the line) are skipped.
IrToken ir_lex_next(IrLexer *x);

// Goes to the next line that starts with `word`, or to the end.
void ir_lex_skip_to_line(IrLexer *x, const char *word);

// The meaning of a string token, owned by `a`; NULL for a wrong escape or a NUL.
char *ir_lex_unescape(Arena *a, const IrToken *t);

#endif
