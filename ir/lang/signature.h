// ir/lang/signature.h -- what a function's inputs and outputs are called, before it is elaborated.
//
// For tools that bind dims from the shapes of data.
#ifndef IR_LANG_SIGNATURE_H
#define IR_LANG_SIGNATURE_H

#include "ir/lang/lang.h"

// Shape of input `input` (a tensor; "belief.k" is none) of function or program `name` of the entry
// file: its rank, and for each axis the name of the dim where the axis is one that has a default, has no
// maximum, or comes from another instance ("dx", "dynamics.dx"), else NULL. -1 when there is no such input or
// it is no plain shape.
int lang_signature(LangWorld *w, const char *name, const char *input,
                   const char *names[IR_MAX_RANK]);

// Whether function `name` of the entry file has an output called `output`.
bool lang_has_output(LangWorld *w, Diag *d, const char *name, const char *output);

// Names of the dims of function `name` of the entry file that have neither a value nor a maximum: it
// is compiled where it is called, or with -D. Owned by the world. Returns how many.
int lang_open_dims(LangWorld *w, const char *name, const char *const **dims);

#endif
