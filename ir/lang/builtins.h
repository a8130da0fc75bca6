// ir/lang/builtins.h -- what builtins.c and draws.c share. Private to ir/lang.
#ifndef IR_LANG_BUILTINS_H
#define IR_LANG_BUILTINS_H

#include "ir/lang/elab.h"

// A shape argument. False, reported.
bool builtin_shape(Cx *cx, const Value *v, Loc loc, int *rank, IrDim **dims);

// A tensor argument; truth values only where allowed. Poison, reported.
Value *builtin_tensor(Cx *cx, Value *v, Loc loc, bool allow_bool);

Value *draw_normal(Cx *cx, const BuiltinCall *c);
Value *draw_uniform(Cx *cx, const BuiltinCall *c);
Value *draw_bernoulli(Cx *cx, const BuiltinCall *c);
Value *draw_randint(Cx *cx, const BuiltinCall *c);
Value *draw_categorical(Cx *cx, const BuiltinCall *c);
Value *draw_spread(Cx *cx, const BuiltinCall *c);

#endif
