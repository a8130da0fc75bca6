// ir/lang/builtins.h -- what builtins.c, shapes.c, order.c, cumulate.c and draws.c
// share. Private to ir/lang.
#ifndef IR_LANG_BUILTINS_H
#define IR_LANG_BUILTINS_H

#include "ir/lang/elab.h"

// A shape argument. False, reported.
bool builtin_shape(Cx *cx, const Value *v, Loc loc, int *rank, IrDim **dims);

// A tensor argument; truth values only where allowed. Poison, reported.
Value *builtin_tensor(Cx *cx, Value *v, Loc loc, bool allow_bool);

// An axis of `rank`, negative ones from the end. False, reported.
bool builtin_axis(Cx *cx, const Value *v, int rank, Loc loc, int *axis);

// An option that is true or false, `or_else` when left out. False, reported.
bool builtin_bool(Cx *cx, const BuiltinCall *c, int option, bool or_else, bool *b);

// Axes: none or null for all, a number, a list of distinct numbers. False, reported.
bool builtin_axes(Cx *cx, const Value *v, int rank, Loc loc, int *n, int *axes);

// The rule for each leaf of the positional arguments.
typedef Value *LeafRule(Cx *cx, const BuiltinCall *c, Value **in);
Value *builtin_each_leaf(Cx *cx, const BuiltinCall *c, LeafRule *rule);

Value *builtin_concat(Cx *cx, const BuiltinCall *c);
Value *builtin_stack(Cx *cx, const BuiltinCall *c);
Value *builtin_reshape(Cx *cx, const BuiltinCall *c);
Value *builtin_transpose(Cx *cx, const BuiltinCall *c);
Value *builtin_broadcast(Cx *cx, const BuiltinCall *c);
Value *builtin_gather(Cx *cx, const BuiltinCall *c);
Value *builtin_shape_list(Cx *cx, const BuiltinCall *c);
Value *builtin_size(Cx *cx, const BuiltinCall *c);
Value *builtin_prod(Cx *cx, const BuiltinCall *c);
Value *builtin_cumulate(Cx *cx, const BuiltinCall *c);
Value *builtin_eye(Cx *cx, const BuiltinCall *c);
Value *builtin_arange(Cx *cx, const BuiltinCall *c);
Value *builtin_zeros(Cx *cx, const BuiltinCall *c);
Value *builtin_ones(Cx *cx, const BuiltinCall *c);
Value *builtin_full(Cx *cx, const BuiltinCall *c);
Value *builtin_zeros_like(Cx *cx, const BuiltinCall *c);
Value *builtin_ones_like(Cx *cx, const BuiltinCall *c);

Value *builtin_argmax(Cx *cx, const BuiltinCall *c);
Value *builtin_argmin(Cx *cx, const BuiltinCall *c);
Value *builtin_top_k(Cx *cx, const BuiltinCall *c);
Value *builtin_argsort(Cx *cx, const BuiltinCall *c);
Value *builtin_sort(Cx *cx, const BuiltinCall *c);
Value *builtin_take_along(Cx *cx, const BuiltinCall *c);
Value *builtin_scatter_add(Cx *cx, const BuiltinCall *c);
Value *builtin_one_hot(Cx *cx, const BuiltinCall *c);

Value *draw_normal(Cx *cx, const BuiltinCall *c);
Value *draw_uniform(Cx *cx, const BuiltinCall *c);
Value *draw_bernoulli(Cx *cx, const BuiltinCall *c);
Value *draw_randint(Cx *cx, const BuiltinCall *c);
Value *draw_categorical(Cx *cx, const BuiltinCall *c);
Value *draw_spread(Cx *cx, const BuiltinCall *c);

#endif
