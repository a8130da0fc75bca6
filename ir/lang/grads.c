// ir/lang/grads.c -- grad(f, wrt=..)(x, y): a node whose body computes f, and its gradients.
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"
#include "ir/lang/grads.h"
#include "ir/lang/structures.h"
#include "ir/node_map.h"

// ---- what is differentiated by ------------------------------------------------------------------

static FuncDecl *decl_of(const Callable *c) {
    while (c->kind == CALL_GRAD)
        c = c->of;
    return c->kind == CALL_USER    ? c->function
           : c->kind == CALL_APPLY ? c->record->layer->decl->apply
                                   : NULL;
}

static bool all_real(Cx *cx, const Value *v, Loc loc) {
    int n = value_count_leaves(v);
    Value **leaves = arena_array(cx->e->a, Value *, n);
    value_leaves(v, leaves);
    for (int i = 0; i < n; i++) {
        if (ir_dtype_is_real(leaves[i]->type.dtype))
            continue;
        elab_error(cx, loc, E_not_differentiable, "a gradient is by reals, and this is %s",
                   elab_describe(cx, leaves[i]));
        elab_note_value(cx, leaves[i]);
        elab_poison(cx);
        return false;
    }
    return true;
}

// The argument called `name` among fixed and given ones; its place through *place. NULL, reported.
static Value **find_argument(Cx *cx, Callable *f, Args *args, const char *name, Loc loc) {
    for (Callable *c = f; c; c = c->of) {
        for (int i = 0; i < c->n_fixed; i++) {
            if (!strcmp(c->fixed_names[i], name))
                return &c->fixed[i];
        }
    }
    for (int i = 0; i < args->n; i++) {
        if (args->names && args->names[i] && !strcmp(args->names[i], name))
            return &args->values[i];
    }
    const FuncDecl *decl = decl_of(f);
    int position = 0;
    for (int i = 0; decl && i < decl->n_inputs; i++) {
        bool fixed = false;
        for (Callable *c = f; c; c = c->of) {
            for (int k = 0; k < c->n_fixed; k++)
                fixed = fixed || !strcmp(c->fixed_names[k], decl->inputs[i].name);
        }
        if (fixed)
            continue;
        if (!strcmp(decl->inputs[i].name, name))
            return position < args->n && !(args->names && args->names[position])
                       ? &args->values[position]
                       : NULL;
        position++;
    }
    elab_error(cx, loc, E_arguments, "'%s' has no input '%s' to take the gradient by", f->name,
               name);
    if (decl) {
        const char **names = arena_array(cx->e->a, const char *, decl->n_inputs);
        for (int i = 0; i < decl->n_inputs; i++)
            names[i] = decl->inputs[i].name;
        diag_did_you_mean(cx->e->d, loc, name, names, decl->n_inputs);
        elab_note(cx, decl->loc, "'%s' is declared here", decl->name);
    } else {
        elab_note(cx, loc, "'%s' is built in; name the inputs of a function around it", f->name);
    }
    elab_poison(cx);
    return NULL;
}

// ---- the body -----------------------------------------------------------------------------------

Value *elab_grad_scalar(Cx *in, Value *v, Loc loc) {
    Value *scalar = v;
    if (v->kind == VALUE_RECORD) {
        scalar = value_field(v, "loss");
        if (!scalar) {
            elab_error(in, loc, E_not_scalar,
                       "a gradient is of a real scalar or a field 'loss', and this is %s",
                       elab_describe(in, v));
            elab_note_value(in, v);
            return elab_poison(in);
        }
    }
    if (value_is_number(scalar))
        scalar = arith_tensor(in, scalar, in->e->w->real, loc);
    if (scalar->kind == VALUE_POISON)
        return scalar;
    if (scalar->kind == VALUE_TENSOR && !scalar->type.rank && ir_dtype_is_real(scalar->type.dtype))
        return scalar;
    elab_error(in, loc, E_not_scalar, "a gradient is of a real scalar, and this is %s",
               elab_describe(in, scalar));
    elab_note_value(in, scalar);
    return elab_poison(in);
}

void elab_grad_results(Cx *in, const Value *v) {
    int n = value_count_leaves(v);
    Value **leaves = arena_array(in->e->a, Value *, n);
    value_leaves(v, leaves);
    for (int i = 0; i < n; i++)
        ir_block_add_result(in->fn->ir, in->frame->block, frame_use(in, leaves[i]));
}

// Positions of the captured inputs that `slots` are.
static int *captured_positions(Cx *in, int n, Value **leaves) {
    int *wrt = arena_array(in->e->a, int, n);
    for (int i = 0; i < n; i++) {
        IrNode *param = frame_slot(in, leaves[i]->slot);
        for (int k = 0; k < in->frame->n_captures; k++) {
            if (in->frame->captures[k].param == param)
                wrt[i] = k;
        }
    }
    return wrt;
}

static bool has_real(const IrNode *n) {
    for (int i = 0; i < n->n_types; i++) {
        if (ir_dtype_is_real(n->types[i].dtype))
            return true;
    }
    return false;
}

// Ways back from a result to what it is made of, through reals alone and not through stop_gradient.
// A loop counts as leading from all its results to all its operands.
typedef struct Ways {
    Arena *a;
    IrNodeMap seen;
    Map callees; // name -> bool for each parameter of a function: whether its results lead there
} Ways;

static const bool *callee_ways(Ways *w, const IrFunction *f);

static void walk_back(Ways *w, IrNode *n) {
    IrNode **todo = NULL;
    int n_todo = 0, cap = 0;
    arena_push(w->a, todo, n_todo, cap, n);
    while (n_todo) {
        n = todo[--n_todo];
        if (ir_node_map_get(&w->seen, n) || n->op == IR_OP_stop_gradient || !has_real(n))
            continue;
        ir_node_map_put(&w->seen, n, n);
        const bool *leads = n->op == IR_OP_call ? callee_ways(w, n->callee) : NULL;
        for (int i = 0; i < n->n_in; i++) {
            if (!leads || leads[i])
                arena_push(w->a, todo, n_todo, cap, n->in[i]);
        }
    }
}

static const bool *callee_ways(Ways *w, const IrFunction *f) {
    bool *leads = map_get(&w->callees, f->name);
    if (leads)
        return leads;
    leads = arena_array(w->a, bool, f->body->n_params);
    map_put(&w->callees, w->a, f->name, leads);
    for (int i = 0; i < f->body->n_results; i++)
        walk_back(w, f->body->results[i]);
    for (int i = 0; i < f->body->n_params; i++)
        leads[i] = ir_node_map_get(&w->seen, f->body->params[i]) != NULL;
    return leads;
}

bool elab_grad_reaches(Cx *in, const Value *scalar, int n, Value **leaves, const char *what,
                       Loc loc) {
    int *wrt = captured_positions(in, n, leaves);
    Ways w = {.a = in->e->a, .seen = {.arena = in->e->a}};
    walk_back(&w, frame_use(in, scalar));
    for (int i = 0; i < n; i++) {
        if (ir_node_map_get(&w.seen, in->frame->captures[wrt[i]].param))
            return true;
    }
    elab_error(in, loc, E_not_differentiable,
               "%s depends on no parameter that the gradient is by, or not in a way that has a "
               "gradient",
               what);
    if (n)
        elab_note_value(in, leaves[0]);
    elab_note(in, loc, "no gradient passes stop_gradient, argmax, comparisons and int");
    elab_poison(in);
    return false;
}

IrNode *elab_grad_by_slots(Cx *cx, Cx *in, int n, Value **leaves, Loc loc) {
    int *wrt = captured_positions(in, n, leaves), n_in;
    IrNode **operands = frame_close(cx, in->frame, 0, NULL, NULL, &n_in);
    IrBuilder b = frame_builder(cx, loc);
    return ir_grad(&b, in->frame->block, n_in, operands, n, wrt);
}

// ---- application --------------------------------------------------------------------------------

static Callable *copy_chain(Cx *cx, const Callable *c) {
    Callable *copy = arena_new(cx->e->a, Callable);
    *copy = *c;
    copy->fixed = arena_array(cx->e->a, Value *, c->n_fixed);
    for (int i = 0; i < c->n_fixed; i++)
        copy->fixed[i] = c->fixed[i];
    copy->of = c->of ? copy_chain(cx, c->of) : NULL;
    return copy;
}

static bool are_slots(Cx *cx, const Callable *c, int n, Value **leaves) {
    for (int i = 0; i < n; i++) {
        if (leaves[i]->slot && leaves[i]->slot->role != IR_ROLE_SETTING)
            continue;
        elab_error(cx, c->wrt_loc, E_arguments, "'wrt' is made of parameters, and this is none");
        elab_note_value(cx, leaves[i]);
        elab_note(cx, c->wrt_loc,
                  "to take the gradient by an input of '%s', write its name in quotes",
                  c->of->name);
        elab_poison(cx);
        return false;
    }
    return true;
}

Value *elab_apply_grad(Cx *cx, Callable *c, Args *args) {
    Arena *a = cx->e->a;
    Callable *of = copy_chain(cx, c->of);
    Args inner = *args;
    inner.values = arena_array(a, Value *, args->n);
    for (int i = 0; i < args->n; i++)
        inner.values[i] = args->values[i];
    Cx in = *cx;
    in.frame = frame_new(cx);

    // arguments fixed on grad(f)(..) itself go to f
    if (c->n_fixed) {
        int n = of->n_fixed + c->n_fixed;
        const char **names = arena_array(a, const char *, n);
        Value **values = arena_array(a, Value *, n);
        Loc *locs = arena_array(a, Loc, n);
        for (int i = 0; i < n; i++) {
            const Callable *from = i < of->n_fixed ? of : c;
            int k = i < of->n_fixed ? i : i - of->n_fixed;
            names[i] = from->fixed_names[k];
            values[i] = from->fixed[k];
            locs[i] = from->fixed_locs[k];
        }
        of->fixed_names = names, of->fixed = values, of->fixed_locs = locs, of->n_fixed = n;
    }

    // the tensors that are differentiated by: parameters, or those of an argument
    Value *wrt = c->wrt, **place = NULL;
    if (c->wrt_name) {
        place = find_argument(cx, of, &inner, c->wrt_name, c->wrt_loc);
        wrt = place ? elab_tensors(cx, *place, "'wrt'", c->wrt_loc) : value_poison();
    }
    if (value_has_poison(wrt) || !all_real(cx, wrt, c->wrt_loc))
        return value_poison();
    int n = value_count_leaves(wrt);
    Value **leaves = arena_array(a, Value *, n);
    value_leaves(wrt, leaves);
    IrNode **own = arena_array(a, IrNode *, n), **own_in = arena_array(a, IrNode *, n);
    if (place) {
        Value **inside = arena_array(a, Value *, n);
        for (int i = 0; i < n; i++) {
            own_in[i] = frame_use(cx, leaves[i]);
            own[i] = frame_param(in.frame, leaves[i]->type, c->wrt_name, leaves[i]->loc);
            inside[i] = value_copy(a, leaves[i]);
            inside[i]->slot = NULL;
            inside[i]->node = own[i];
            inside[i]->frame = in.frame;
        }
        *place = value_rebuild(a, wrt, inside);
    } else if (!are_slots(cx, c, n, leaves)) {
        return value_poison();
    }

    // value, then gradients
    Value *value = elab_apply(&in, of, &inner);
    if (value_has_poison(value))
        return value_poison();
    if (c->with_value)
        value = elab_tensors(&in, value, "the value", args->loc);
    Value *scalar = elab_grad_scalar(&in, value, args->loc);
    if (value_has_poison(scalar) || value_has_poison(value))
        return value_poison();
    if (!place && n &&
        !elab_grad_reaches(&in, scalar, n, leaves, arena_printf(a, "what '%s' gives", c->of->name),
                           args->loc))
        return value_poison();
    elab_grad_results(&in, scalar);
    if (c->with_value)
        elab_grad_results(&in, value);
    int first = in.frame->block->n_results, seen = 1;
    IrNode *node;
    if (place) {
        int *positions = arena_array(a, int, n), n_in;
        for (int i = 0; i < n; i++)
            positions[i] = in.frame->n_captures + i;
        IrNode **operands = frame_close(cx, in.frame, n, own, own_in, &n_in);
        IrBuilder b = frame_builder(cx, args->loc);
        node = ir_grad(&b, in.frame->block, n_in, operands, n, positions);
    } else {
        node = elab_grad_by_slots(cx, &in, n, leaves, args->loc);
    }
    Value *grads = elab_results(cx, node, wrt, &first, args->loc);
    if (!c->with_value)
        return grads;
    static const char *const names[] = {"value", "grad"};
    Value **items = arena_array(a, Value *, 2);
    const char **own_names = arena_array(a, const char *, 2);
    own_names[0] = names[0], own_names[1] = names[1];
    items[0] = elab_results(cx, node, value, &seen, args->loc);
    items[1] = grads;
    return value_record(a, 2, own_names, items);
}
