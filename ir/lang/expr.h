// ir/lang/expr.h -- the expressions of the graph language, from text to tree.
//
// An expression is the text of one YAML scalar. From loosest to tightest:
//
//     a if c else b         choice; `else` reaches as far right as it can
//     or, and, not a
//     < <= > >= == !=       never chained
//     + -
//     * / % // @            @ is the matrix product
//     -a +a
//     a ** b                to the right; -a ** b is -(a ** b)
//     f(a, name=b)  x[0, 1:, ...]  r.field  t.0
//     12  0.5  1e-8  true  false  name  'text'  "text"  [a, b]  {k: a}  (a)
//
// A dim list such as "[N, 2 * latent]" is an ordinary list; "[]" is the empty one.
#ifndef IR_LANG_EXPR_H
#define IR_LANG_EXPR_H

#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/buf.h"
#include "ir/base/diag.h"
#include "ir/lang/yaml.h"

typedef enum ExprKind {
    EXPR_NUMBER,   // 0.5, 1e-8: `number`, always finite
    EXPR_INT,      // 12: `integer` >= 0, and the same in `number`
    EXPR_BOOL,     // true, false: `integer` is 1 or 0
    EXPR_STRING,   // 'x': `name` is the text between the quotes
    EXPR_NAME,     // x: `name`
    EXPR_FIELD,    // base.name: `name` is a name, or digits for base.0
    EXPR_CALL,     // base(args): names[i] is the keyword of args[i], or NULL; NULLs come first
    EXPR_INDEX,    // base[args]: each of the n >= 1 args is an expression, a SLICE or an ELLIPSIS
    EXPR_SLICE,    // a:b within an INDEX: n is 2, args[0] and args[1], each NULL when left out
    EXPR_UNARY,    // name is "-", "+" or "not"; args[0]
    EXPR_BINARY,   // name is the operator, "and" and "or" included; args[0], args[1]
    EXPR_COND,     // a if c else b: args[0] is a, args[1] is c, args[2] is b
    EXPR_LIST,     // [args]: n >= 0
    EXPR_RECORD,   // {names[i]: args[i]}: n >= 0, names are distinct
    EXPR_ELLIPSIS, // ... within an INDEX
    EXPR_KIND_COUNT
} ExprKind;

typedef struct Expr Expr;
struct Expr {
    ExprKind kind;
    Loc loc;            // where a caret belongs: the operator of BINARY, the name after the dot of
                        // FIELD, the bracket of INDEX, the colon of SLICE, `if` of COND; else the
                        // first byte. A CALL starts where its callee starts
    const char *name;   // see the kinds; operators compare with strcmp
    double number;      // NUMBER, INT
    int64_t integer;    // INT, BOOL
    int n;              // number of args
    Expr **args;        // see the kinds
    const char **names; // CALL: keywords; RECORD: keys; else NULL
    Loc *name_locs;     // CALL, RECORD: place of names[i]
    Expr *base;         // FIELD, CALL, INDEX
    int height;         // 1 for a leaf; at most EXPR_MAX_HEIGHT, so that walks may recurse
};

enum {
    EXPR_MAX_BYTES = 64 * 1024, // of a text, or of all texts in a YAML list or mapping
    EXPR_MAX_DEPTH = 100,       // of brackets, prefixes and powers within each other
    EXPR_MAX_HEIGHT = 1000, // of the tree; a chain such as a + b + ... adds one for each operator
};

// The expression that `y` stands for, owned by `a`, or NULL when there was an error (in `d`). A
// scalar is parsed; numbers are EXPR_INT or EXPR_NUMBER, a quoted scalar is an expression too. A
// YAML list becomes an EXPR_LIST and a mapping an EXPR_RECORD, element by element. Places point
// into the scalar when it stands verbatim in its file, and at its first byte otherwise.
Expr *expr_parse(Arena *a, Diag *d, const Yaml *y);

// The same from a text whose first byte stands at `at`; byte i is at column at.col + i. An `at`
// without a file or line gives nodes without places.
Expr *expr_parse_text(Arena *a, Diag *d, const char *text, Loc at);

// Puts the canonical text of `e`: minimal parentheses, one space around binary operators, shortest
// numbers. Parsing it gives a tree equal to `e` but for places.
void expr_print(Buf *b, const Expr *e);

// Whether `x` and `y` are the same tree, places aside. NULL equals NULL only.
bool expr_equal(const Expr *x, const Expr *y);

// The kind in words: "a number", "a name", "a call".
const char *expr_kind_name(const Expr *e);

// Whether `s` is a name of the language: a letter or `_`, then letters, digits and `_`, and none of
// the words `and or not if else true false`.
bool expr_is_name(const char *s);

#endif
