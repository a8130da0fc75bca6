// ir/lang/cumulate.c -- built-in functions that go along an axis element by element: cumsum,
// cumprod, prod. Each is a loop, so that a product's gradient needs no quotient.
#include "ir/base/errors.h"
#include "ir/lang/builtins.h"

// `x` with the axes `first` in front, the others behind them, all in order.
static IrNode *bring_to_front(IrBuilder *b, IrNode *x, int n, const int *first, int *axes) {
    int rank = x->types[0].rank, n_axes = 0;
    for (int k = 0; k < n; k++)
        axes[n_axes++] = first[k];
    for (int i = 0; i < rank; i++) {
        bool is_first = false;
        for (int k = 0; k < n; k++)
            is_first = is_first || first[k] == i;
        if (!is_first)
            axes[n_axes++] = i;
    }
    return ir_transpose(b, x, axes);
}

// A loop over the rows of `x` that combines them by `op`. Its results: all rows as one, and what
// that was after each row.
static IrNode *combine_rows(Cx *cx, const BuiltinCall *c, IrNode *x) {
    IrBuilder b = frame_builder(cx, c->loc), in = b;
    const IrType *t = &x->types[0];
    IrType row = ir_type(t->dtype, t->rank - 1, t->dims + 1);
    const char *name = fn_take_loop(cx->fn, cx->path);
    in.block = ir_block_new(b.fn->arena);
    IrNode *sofar = ir_block_add_param(b.fn, in.block, row, NULL, c->loc);
    IrNode *next = ir_block_add_param(b.fn, in.block, row, NULL, c->loc);
    ir_block_add_param(b.fn, in.block, ir_scalar(IR_I32), "step", c->loc);
    IrNode *y = ir_map_op(&in, c->row->op, (IrNode *[]){sofar, next});
    ir_block_add_result(b.fn, in.block, y);
    ir_block_add_result(b.fn, in.block, y);
    IrNode *nothing = ir_const(&b, row, c->row->op == IR_OP_mul);
    return ir_scan(&b, in.block, t->dims[0], false, name, 0, 1, 1, (IrNode *[]){nothing, x});
}

static Value *cumulate_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value *x = builtin_tensor(cx, in[0], c->locs[0], false);
    if (x->kind == VALUE_POISON)
        return x;
    int rank = x->type.rank, axis = rank - 1, axes[IR_MAX_RANK], back[IR_MAX_RANK];
    if (!rank) {
        elab_error(cx, c->loc, E_rank, "'%s' goes along an axis, and this is %s", c->row->name,
                   elab_describe(cx, x));
        elab_note_value(cx, x);
        return elab_poison(cx);
    }
    if (c->options[0] && !builtin_axis(cx, c->options[0], rank, c->option_locs[0], &axis))
        return value_poison();
    IrBuilder b = frame_builder(cx, c->loc);
    IrNode *rows = bring_to_front(&b, frame_use(cx, x), 1, &axis, axes);
    IrNode *y = ir_get(&b, combine_rows(cx, c, rows), 1);
    for (int i = 0; i < rank; i++)
        back[axes[i]] = i;
    return frame_value(cx, ir_transpose(&b, y, back), NULL, c->loc);
}

Value *builtin_cumulate(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, cumulate_leaf);
}

static Value *prod_leaf(Cx *cx, const BuiltinCall *c, Value **in) {
    Value *x = builtin_tensor(cx, in[0], c->locs[0], false);
    int n, named[IR_MAX_RANK], axes[IR_MAX_RANK];
    bool keep;
    if (x->kind == VALUE_POISON || !builtin_bool(cx, c, 1, false, &keep) ||
        !builtin_axes(cx, c->options[0], x->type.rank, c->option_locs[0], &n, named))
        return value_poison();
    IrBuilder b = frame_builder(cx, c->loc);
    IrDims *ds = cx->e->module->dims;
    IrNode *rows = bring_to_front(&b, frame_use(cx, x), n, named, axes);

    // the named axes as one, in front
    IrType t = {.rank = 1, .dims = {ir_dim_const(ds, 1)}}, kept = x->type;
    for (int i = 0; i < x->type.rank; i++) {
        IrDim *size = x->type.dims[axes[i]];
        if (i < n) {
            t.dims[0] = ir_dim_mul(ds, t.dims[0], size);
            kept.dims[axes[i]] = ir_dim_const(ds, 1);
        } else {
            t.dims[t.rank++] = size;
        }
    }
    if (n) {
        rows = ir_reshape(&b, rows, t.rank, t.dims);
        rows = ir_get(&b, combine_rows(cx, c, rows), 0);
    }
    if (keep)
        rows = ir_reshape(&b, rows, kept.rank, kept.dims);
    return frame_value(cx, rows, NULL, c->loc);
}

Value *builtin_prod(Cx *cx, const BuiltinCall *c) {
    return builtin_each_leaf(cx, c, prod_leaf);
}
