// ir/lang/index.c -- x[i], x[a:b], x[..., 2:4], r[i]: indices and ranges known at compile time.
#include <inttypes.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"

// r[i] of a record with numbered fields, xs[i] of a list.
static Value *index_items(Cx *cx, const Value *v, const Expr *e) {
    Value *i = e->n == 1 ? elab_expr(cx, e->args[0]) : NULL;
    if (i && i->kind == VALUE_POISON)
        return i;
    if (!i || i->kind != VALUE_INT) {
        elab_error(cx, e->loc, E_not_static,
                   "%s is indexed by one whole number known at compile time",
                   v->kind == VALUE_LIST ? "a list" : "a record");
        if (i && i->kind == VALUE_STRING && v->kind == VALUE_RECORD)
            elab_note(cx, e->loc, "a field is named behind a dot: r.%s", i->s);
        else if (i)
            elab_note_not_static(cx, i, NULL);
        return elab_poison(cx);
    }
    if (v->kind == VALUE_LIST) {
        int64_t k = i->i < 0 ? i->i + v->n : i->i;
        if (k >= 0 && k < v->n)
            return v->items[k];
        elab_error(cx, e->loc, E_axis, "index %" PRId64 " of a list of %d", i->i, v->n);
        return elab_poison(cx);
    }
    Value *field = value_field(v, arena_printf(cx->e->a, "%" PRId64, i->i));
    if (field)
        return field;
    elab_error(cx, e->loc, E_not_a_record, "the record has no field %" PRId64, i->i);
    elab_note_value(cx, v);
    return elab_poison(cx);
}

// A bound of a range as a size, negative ones from the end. NULL, reported.
static IrDim *bound(Cx *cx, const Expr *e, IrDim *axis, const Value *of) {
    Value *v = elab_expr(cx, e);
    IrDims *ds = cx->e->module->dims;
    int64_t size;
    if (v->kind == VALUE_INT && v->i < 0) {
        if (ir_dim_is_const(axis, &size) && v->i >= -size)
            return ir_dim_const(ds, size + v->i);
        elab_error(cx, e->loc, E_axis,
                   ir_dim_is_const(axis, &size)
                       ? "index %" PRId64 " is before the start of an axis of %s"
                       : "index %" PRId64
                         " counts from the end of an axis whose size, %s, is no number",
                   v->i, elab_dim_text(cx, axis));
        elab_note_value(cx, of);
        elab_poison(cx);
        return NULL;
    }
    if (v->kind == VALUE_TENSOR) {
        elab_error(cx, e->loc, E_not_static,
                   "an index is known at compile time; gather(x, i) takes rows by values");
        elab_note_not_static(cx, v, NULL);
        if (v->type.dtype == IR_BOOL)
            elab_note(cx, e->loc, "where(c, x, 0) keeps the elements where c is true");
        elab_poison(cx);
        return NULL;
    }
    return elab_size(cx, v, e->loc, "an index");
}

typedef struct Range {
    IrDim *start, *size;
    bool dropped;
} Range;

static bool out_of_range(Cx *cx, const Expr *e, const Value *of, IrDim *start, IrDim *end,
                         IrDim *axis) {
    IrDims *ds = cx->e->module->dims;
    if (ir_dim_max(ir_dim_sub(ds, axis, end)) >= 0 && ir_dim_max(ir_dim_sub(ds, end, start)) >= 0)
        return false;
    if (e->kind == EXPR_SLICE)
        elab_error(cx, e->loc, E_axis, "the range %s:%s is outside of an axis of size %s",
                   elab_dim_text(cx, start), elab_dim_text(cx, end), elab_dim_text(cx, axis));
    else
        elab_error(cx, e->loc, E_axis, "index %s is outside of an axis of size %s",
                   elab_dim_text(cx, start), elab_dim_text(cx, axis));
    elab_note_value(cx, of);
    elab_poison(cx);
    return true;
}

static bool read_part(Cx *cx, const Expr *e, IrDim *axis, const Value *of, Range *r) {
    IrDims *ds = cx->e->module->dims;
    IrDim *zero = ir_dim_const(ds, 0), *end;
    if (e->kind == EXPR_SLICE) {
        r->start = e->args[0] ? bound(cx, e->args[0], axis, of) : zero;
        end = e->args[1] ? bound(cx, e->args[1], axis, of) : axis;
    } else {
        r->dropped = true;
        r->start = bound(cx, e, axis, of);
        end = r->start ? ir_dim_add(ds, r->start, ir_dim_const(ds, 1)) : NULL;
    }
    if (!r->start || !end || out_of_range(cx, e, of, r->start, end, axis))
        return false;
    r->size = ir_dim_sub(ds, end, r->start);
    return true;
}

// None, null or newaxis: what adds an axis elsewhere.
static bool is_new_axis(const Expr *e) {
    return e->kind == EXPR_NAME &&
           (!strcmp(e->name, "None") || !strcmp(e->name, "null") || !strcmp(e->name, "newaxis"));
}

static Value *index_tensor(Cx *cx, const Value *v, const Expr *e) {
    int rank = v->type.rank, n_parts = 0, ellipsis = -1;
    for (int i = 0; i < e->n; i++) {
        if (is_new_axis(e->args[i])) {
            elab_error(cx, e->args[i]->loc, E_rank, "an index adds no axis");
            elab_note(cx, e->args[i]->loc, "reshape(x, [..]) gives other axes, an axis of 1 too");
            return elab_poison(cx);
        }
        if (e->args[i]->kind != EXPR_ELLIPSIS) {
            n_parts++;
        } else if (ellipsis >= 0) {
            elab_error(cx, e->args[i]->loc, E_expr_syntax, "'...' stands at most once in an index");
            return elab_poison(cx);
        } else {
            ellipsis = i;
        }
    }
    if (n_parts > rank) {
        elab_error(cx, e->loc, E_rank, "%d indices of a tensor with %d axes", n_parts, rank);
        elab_note_value(cx, v);
        return elab_poison(cx);
    }

    Range parts[IR_MAX_RANK];
    for (int i = 0; i < rank; i++)
        parts[i] = (Range){.start = ir_dim_const(cx->e->module->dims, 0), .size = v->type.dims[i]};
    int axis = 0;
    for (int i = 0; i < e->n; i++) {
        if (i == ellipsis) {
            axis += rank - n_parts;
            continue;
        }
        if (!read_part(cx, e->args[i], v->type.dims[axis], v, &parts[axis]))
            return value_poison();
        axis++;
    }

    IrDim *starts[IR_MAX_RANK], *sizes[IR_MAX_RANK], *kept[IR_MAX_RANK];
    int n_kept = 0;
    for (int i = 0; i < rank; i++) {
        starts[i] = parts[i].start;
        sizes[i] = parts[i].size;
        if (!parts[i].dropped)
            kept[n_kept++] = sizes[i];
    }
    IrBuilder b = frame_builder(cx, e->loc);
    IrNode *n = ir_slice(&b, frame_use(cx, v), starts, sizes);
    return frame_value(cx, ir_reshape(&b, n, n_kept, kept), e, e->loc);
}

Value *elab_index(Cx *cx, const Expr *e) {
    Value *v = elab_expr(cx, e->base);
    if (v->kind == VALUE_POISON)
        return v;
    if (v->kind == VALUE_RECORD || v->kind == VALUE_LIST)
        return index_items(cx, v, e);
    if (v->kind == VALUE_TENSOR)
        return index_tensor(cx, v, e);
    elab_error(cx, e->loc, E_not_a_tensor,
               "only tensors, records and lists have indices, and this is %s",
               elab_describe(cx, v));
    return elab_poison(cx);
}
