// ir/text.h -- the one text form of the IR: printed, parsed, stable; print(parse(text)) == text.
#ifndef IR_TEXT_H
#define IR_TEXT_H

#include <stdbool.h>

#include "ir/base/buf.h"
#include "ir/base/diag.h"
#include "ir/ir.h"

// Prints a function or all functions of a module. With `locs`, each line ends with the place
// it came from: "# gssm.yaml:21:7" (base name of the file).
void ir_print_function(Buf *out, const IrFunction *f, bool locs);
void ir_print_module(Buf *out, const IrModule *m, bool locs);

// Prints `f` (ids dense: ir_renumber) as a graph for Graphviz: one box for each node, bodies framed.
void ir_print_dot(Buf *out, const IrFunction *f);

// One node as one line, without its body. For messages.
void ir_print_node(Buf *out, const IrNode *n);

// Parses what ir_print_module writes (comments and spacing are free). NULL with errors in `d`
// (E_ir_syntax, E_ir_verify). The module and its dims are owned by `a`.
IrModule *ir_parse_module(Arena *a, Diag *d, const char *path, const char *text, size_t len);

// Checks every rule of docs/ir.md. False, with one line for each violation appended to `why`:
// the node as printed, what was found, the rule's name.
bool ir_verify_function(const IrFunction *f, Buf *why);

#endif
