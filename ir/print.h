// ir/print.h -- parts of the printer that the verifier shares.
#ifndef IR_PRINT_H
#define IR_PRINT_H

#include "ir/node_map.h"
#include "ir/text.h"

// Numbers all nodes as they print: in the order of ir_renumber(), whatever their ids are.
void ir_print_numbers(IrNodeMap *numbers, const IrFunction *f);

// One node as one line, without its body, with these numbers (ids when NULL). Operands that have
// no number print as "%?".
void ir_print_node_as(Buf *out, const IrNode *n, const IrNodeMap *numbers);

// `s` in quotes, escaped.
void ir_print_string(Buf *out, const char *s);

// A number that reads back as the same element of `dtype`, as short as possible.
void ir_print_value(Buf *out, IrDtype dtype, double value);

#endif
