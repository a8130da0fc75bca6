// ir/parse.h -- what the files of the parser share: its state, and readers of small things.
//
// A reader reads from p->token on, and returns false after an error.
#ifndef IR_PARSE_H
#define IR_PARSE_H

#include "ir/base/map.h"
#include "ir/ir.h"
#include "ir/parse_lex.h"

// Limits on what is read, whatever the text says.
enum {
    IR_PARSE_MAX_TEXT = 1 << 28,    // bytes
    IR_PARSE_MAX_DIMS = 4096,       // named dims
    IR_PARSE_MAX_DEPTH = 64,        // bodies in bodies
    IR_PARSE_MAX_LIST = 65536,      // inputs of a node, parameters, results
    IR_PARSE_MAX_TERMS = 16,        // terms of one size
    IR_PARSE_MAX_FACTORS = 8,       // factors of one term
    IR_PARSE_MAX_TYPE_TERMS = 4096, // product of the terms of all sizes of a type
};
#define IR_PARSE_MAX_SIZE ((int64_t)1 << 40)

typedef struct IrParser {
    Arena *a;      // owns the module
    Arena scratch; // names
    Diag *d;
    IrLexer lexer;
    IrToken token; // the one to be read next
    IrModule *m;
    IrFunction *f; // being read
    Map functions; // name -> IrFunction
    bool failed;   // a syntax error in this function
    int depth;     // of bodies
} IrParser;

// Reports a syntax error, if it is the first of its function. Returns false.
bool ir_parse_fail(IrParser *p, Loc loc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// "expected `what`, found ..." at the next token. Returns false.
bool ir_parse_fail_expected(IrParser *p, const char *what);

void ir_parse_advance(IrParser *p);

// Whether the next token is this; `accept` also reads it, `expect` complains otherwise.
bool ir_parse_is_punct(const IrParser *p, char c);
bool ir_parse_is_word(const IrParser *p, const char *word);
bool ir_parse_accept(IrParser *p, char c);
bool ir_parse_accept_word(IrParser *p, const char *word);
bool ir_parse_expect(IrParser *p, char c);
bool ir_parse_expect_word(IrParser *p, const char *word);

// The text of a token of `kind`, owned by p->scratch; a string's meaning, owned by p->a.
bool ir_parse_token(IrParser *p, IrTokenKind kind, const char *what, const char **out);
bool ir_parse_string(IrParser *p, const char **out);

// Numbers: a whole one without a sign; one with; one as const and settings have it; "[1,0]".
bool ir_parse_size(IrParser *p, int64_t *out);
bool ir_parse_int(IrParser *p, int *out);
bool ir_parse_value(IrParser *p, IrDtype dtype, double *out);
bool ir_parse_ints(IrParser *p, int *out, int max, int *n);

// "N + M - 1"; "[N,2 * M]" of at most IR_MAX_RANK sizes; "f32[N,6]".
bool ir_parse_dim(IrParser *p, IrDim **out);
bool ir_parse_dims(IrParser *p, IrDim **out, int *n);
bool ir_parse_type(IrParser *p, IrType *out);

// All attributes of `n` (op and operands set) up to the colon before its type.
bool ir_parse_attrs(IrParser *p, IrNode *n);

#endif
