// ir/lang/frame.c -- blocks being filled: using values across bodies, slots, and names of draws.
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"

enum { MAX_TERMS = 4096 }; // of the number of elements, multiplied out

// ---- functions and bodies -----------------------------------------------------------------------

Fn *fn_new(Elab *e, const char *name, Loc loc) {
    // distinct specialisations of one function are told apart by a number
    const char *own = name;
    int *next = map_get(&e->function_names, name);
    while (next && map_has(&e->function_names, own))
        own = arena_printf(e->a, "%s.%d", name, (*next)++);
    next = arena_new(e->a, int);
    *next = 2;
    map_put(&e->function_names, e->a, own, next);

    Fn *fn = arena_new(e->a, Fn);
    fn->e = e;
    fn->ir = ir_function_new(e->a, e->module->dims, own);
    fn->ir->loc = loc;
    fn->base = arena_new(e->a, Frame);
    *fn->base = (Frame){.fn = fn, .block = fn->ir->body};
    return fn;
}

Frame *frame_new(Cx *cx) {
    Frame *f = arena_new(cx->e->a, Frame);
    *f = (Frame){.outer = cx->frame, .fn = cx->fn, .block = ir_block_new(cx->fn->ir->arena)};
    return f;
}

IrBuilder frame_builder(Cx *cx, Loc loc) {
    return (IrBuilder){.fn = cx->fn->ir, .block = cx->frame->block, .loc = loc, .path = cx->path};
}

IrNode *frame_param(Frame *f, IrType type, const char *name, Loc loc) {
    return ir_block_add_param(f->fn->ir, f->block, type, name, loc);
}

// `n`, which stands in `from`, as a node of `f`: captured on the way in.
static IrNode *capture(Frame *f, Frame *from, IrNode *n) {
    if (f == from)
        return n;
    if (!f->outer)
        diag_bug("a value is used outside of the block that it stands in");
    IrNode *outer = capture(f->outer, from, n);
    for (int i = 0; i < f->n_captures; i++) {
        if (f->captures[i].outer == outer)
            return f->captures[i].param;
    }
    IrNode *param = frame_param(f, outer->types[0], outer->attrs.name, outer->loc);
    Capture c = {.outer = outer, .param = param};
    arena_push(f->fn->e->a, f->captures, f->n_captures, f->cap_captures, c);
    return param;
}

// The input of the function that `slot` is, made on first use.
static IrNode *slot_input(Fn *fn, Slot *slot) {
    Elab *e = fn->e;
    const char *key = arena_printf(e->a, "%s:%s", ir_role_name(slot->role), slot->name);
    IrNode *n = map_get(&fn->slots, key);
    if (n)
        return n;
    IrType type = value_slot(e->a, e->module->dims, slot)->type;
    IrSlot ir = {.name = slot->name, .role = slot->role, .target = -1, .value = slot->value};
    n = ir_add_input(fn->ir, type, ir, slot->loc);
    map_put(&fn->slots, e->a, key, n);
    arena_push(e->a, fn->used, fn->n_used, fn->cap_used, slot);
    return n;
}

IrNode *frame_slot(Cx *cx, Slot *slot) {
    if (cx->fn->initial && slot->role == IR_ROLE_SETTING) {
        IrBuilder b = frame_builder(cx, slot->loc);
        return ir_const(&b, ir_scalar(slot->dtype), slot->value);
    }
    if (cx->fn->initial) {
        const Value *v = map_get(cx->fn->known, slot->name);
        IrBuilder b = frame_builder(cx, slot->loc);
        IrType type = value_slot(cx->e->a, cx->e->module->dims, slot)->type;
        return v ? frame_use(cx, v) : ir_const(&b, type, 0);
    }
    return capture(cx->frame, cx->fn->base, slot_input(cx->fn, slot));
}

IrNode *frame_use(Cx *cx, const Value *v) {
    if (v->slot)
        return frame_slot(cx, v->slot);
    if (v->frame == cx->frame)
        return v->node;

    // numbers are made anew rather than captured
    if (v->node->op == IR_OP_const || v->node->op == IR_OP_extent) {
        IrBuilder b = frame_builder(cx, v->node->loc);
        return v->node->op == IR_OP_const ? ir_const(&b, v->type, v->node->attrs.value)
                                          : ir_extent(&b, v->type.dtype, v->node->attrs.dim);
    }
    return capture(cx->frame, v->frame, v->node);
}

double elab_dim_most(const IrDim *d) {
    const IrDimTerm *terms;
    int n = ir_dim_terms(d, &terms);

    for (int i = 0; i < n; i++)
        for (int k = 0; k < terms[i].n_factors; k++)
            if (terms[i].factors[k]->max == ELAB_LENIENT_MAX)
                return 1;
    return (double)ir_dim_max(d);
}

static bool limits_hold(Cx *cx, const IrType *t, Loc loc) {
    Elab *e = cx->e;
    double elements = 1, terms = 1;
    for (int i = 0; i < t->rank; i++) {
        const IrDimTerm *term;
        elements *= elab_dim_most(t->dims[i]);
        terms *= ir_dim_terms(t->dims[i], &term);
    }
    if (terms > MAX_TERMS) {
        elab_error(cx, loc, E_limit, "the number of elements is too long an expression of dims");
        return false;
    }
    if (elements > (double)ELAB_MAX_ELEMENTS) {
        elab_error(cx, loc, E_limit, "%s has more than 2^40 elements", elab_type_text(cx, t));
        return false;
    }
    if (!e->stopped && e->n_nodes + cx->fn->ir->n_nodes > ELAB_MAX_NODES) {
        e->stopped = true;
        elab_error(cx, loc, E_limit, "the graph has more than %d nodes", ELAB_MAX_NODES);
        return false;
    }
    return !e->stopped;
}

Value *frame_value(Cx *cx, IrNode *n, const Expr *expr, Loc loc) {
    if (!limits_hold(cx, &n->types[0], loc))
        return elab_poison(cx);
    Value *v = arena_new(cx->e->a, Value);
    *v = (Value){.kind = VALUE_TENSOR,
                 .type = n->types[0],
                 .node = n,
                 .frame = cx->frame,
                 .expr = expr,
                 .loc = loc};
    return v;
}

IrNode **frame_close(Cx *cx, Frame *body, int n_own, IrNode **own, IrNode **own_in, int *n_in) {
    Arena *a = cx->fn->ir->arena;
    IrBlock *b = body->block;
    int n = 0;
    IrNode **params = arena_array(a, IrNode *, body->n_captures + n_own);
    IrNode **in = arena_array(a, IrNode *, body->n_captures + n_own);
    for (int i = 0; i < body->n_captures; i++) {
        in[n] = body->captures[i].outer;
        params[n++] = body->captures[i].param;
    }
    for (int i = 0; i < n_own; i++) {
        in[n] = own_in ? own_in[i] : NULL;
        params[n++] = own[i];
    }
    for (int i = 0; i < n; i++)
        params[i]->attrs.index = i;
    b->params = params;
    b->n_params = b->cap_params = n;
    *n_in = n;
    return in;
}

// ---- finishing ----------------------------------------------------------------------------------

static void mark_uses(const IrBlock *b, bool *used) {
    for (int i = 0; i < b->n; i++) {
        for (int k = 0; k < b->nodes[i]->n_in; k++)
            used[b->nodes[i]->in[k]->id] = true;
        if (b->nodes[i]->body)
            mark_uses(b->nodes[i]->body, used);
    }
    for (int i = 0; i < b->n_results; i++)
        used[b->results[i]->id] = true;
}

// Inputs are kept in their order; explicit ones always.
void fn_finish(Fn *fn) {
    IrFunction *f = fn->ir;
    ir_renumber(f);
    bool *used = arena_array(fn->e->a, bool, f->n_nodes);
    mark_uses(f->body, used);
    for (int i = 0; i < f->body->n_results; i++) {
        if (f->outputs[i].target >= 0)
            used[f->body->params[f->outputs[i].target]->id] = true;
    }

    int *moved = arena_array(fn->e->a, int, f->body->n_params);
    int kept = 0, slots = 0, explicit = f->body->n_params - fn->n_used;
    for (int i = 0; i < f->body->n_params; i++) {
        IrNode *param = f->body->params[i];
        moved[i] = kept;
        if (f->inputs[i].role == IR_ROLE_INPUT || used[param->id]) {
            if (i >= explicit)
                fn->used[slots++] = fn->used[i - explicit];
            f->inputs[kept] = f->inputs[i];
            f->body->params[kept] = param;
            param->attrs.index = kept++;
        }
    }
    f->body->n_params = kept;
    fn->n_used = slots;
    for (int i = 0; i < f->body->n_results; i++) {
        if (f->outputs[i].target >= 0)
            f->outputs[i].target = moved[f->outputs[i].target];
    }
    ir_renumber(f);
}

// ---- names of draws and loops -------------------------------------------------------------------

static const char *numbered(Arena *a, const char *path, int k) {
    return k == 1 ? path : path_join(a, path, arena_printf(a, "%d", k));
}

// Takes `name`; the map's value counts the numbers given out below it.
static void take_name(Fn *fn, Map *taken, const char *name) {
    int *next = arena_new(fn->e->a, int);
    *next = 2;
    map_put(taken, fn->e->a, name, next);
}

static void take_site(Fn *fn, const char *site) {
    take_name(fn, &fn->taken_sites, site);
    arena_push(fn->e->a, fn->sites, fn->n_sites, fn->cap_sites, site);
}

// The first of path, path.2, path.3, ... that is free.
static const char *first_free(Fn *fn, Map *taken, const char *path) {
    int *next = map_get(taken, path);
    const char *name = path;
    while (next && map_has(taken, name))
        name = numbered(fn->e->a, path, (*next)++);
    return name;
}

const char *fn_take_site(Fn *fn, const char *path) {
    const char *site = first_free(fn, &fn->taken_sites, path);
    take_site(fn, site);
    return site;
}

const char *fn_take_loop(Fn *fn, const char *path) {
    const char *name = first_free(fn, &fn->taken_loops, path);
    take_name(fn, &fn->taken_loops, name);
    return name;
}

const char *fn_take_call(Fn *fn, const char *path, int n_sites, const char **sites) {
    Arena *a = fn->e->a;
    for (int k = 1; n_sites; k++) {
        const char *name = numbered(a, path, k);
        bool is_free = true;
        for (int i = 0; i < n_sites && is_free; i++)
            is_free = !map_has(&fn->taken_sites, path_join(a, name, sites[i]));
        if (!is_free)
            continue;
        for (int i = 0; i < n_sites; i++)
            take_site(fn, path_join(a, name, sites[i]));
        return name;
    }
    return path;
}
