// ir/lang/params.c -- parameters and states: their names and shapes, and their initial values.
//
// The shape of a parameter is that of its initial value, so the expressions under `params` are
// evaluated once in a request that is thrown away, and again where initial values are asked for.
#include <inttypes.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"

// ---- initial values -----------------------------------------------------------------------------

static Value *make_value(Cx *cx, const Form *f);

static Value *make_record(Cx *cx, const Form *f) {
    Arena *a = cx->e->a;
    Value *v = value_record(a, 0, arena_array(a, const char *, f->fields.n),
                            arena_array(a, Value *, f->fields.n));
    for (int i = 0; i < f->fields.n; i++) {
        const Field *field = &f->fields.items[i];
        Cx in = *cx;
        in.path = path_join(a, cx->path, field->name);
        if (field->form->kind == FORM_NOTHING) {
            elab_error(&in, field->loc, E_bad_param, "'%s' has no initial value", field->name);
            elab_poison(&in);
        }
        Value *item = make_value(&in, field->form);
        if (item->kind == VALUE_NOTHING)
            continue;
        v->names[v->n] = field->name;
        v->items[v->n++] = item;
    }
    return v;
}

// Layers as fields 0, 1, ...
static Value *make_repeat(Cx *cx, const Form *f) {
    Arena *a = cx->e->a;
    Value *times = elab_form(cx, f->times);
    bool poison = times->kind != VALUE_INT || times->i < 0 || times->i > ELAB_MAX_REPEAT;
    if (poison && times->kind != VALUE_POISON) {
        elab_error(cx, f->times->loc, times->kind == VALUE_INT ? E_limit : E_not_static,
                   "'times' is a whole number from 0 to %d known at compile time, and this is %s",
                   ELAB_MAX_REPEAT, elab_describe(cx, times));
        elab_note_not_static(cx, times, f->times->expr);
        elab_poison(cx);
    }
    int n = poison ? 1 : (int)times->i;
    Value *v = value_record(a, n, arena_array(a, const char *, n), arena_array(a, Value *, n));
    for (int i = 0; i < n; i++) {
        Cx in = *cx;
        v->names[i] = arena_printf(a, "%d", i);
        in.path = path_join(a, cx->path, v->names[i]);
        in.scope = scope_new(cx, cx->scope, NULL);
        if (f->index)
            scope_put(cx, in.scope, f->index, f->index_loc,
                      poison ? value_poison() : value_int(a, i));
        v->items[i] = make_value(&in, f->layer);
    }
    return poison ? value_poison() : v;
}

static Value *make_value(Cx *cx, const Form *f) {
    if (f->kind == FORM_RECORD)
        return make_record(cx, f);
    if (f->kind == FORM_REPEAT && f->layer)
        return make_repeat(cx, f);
    if (f->kind == FORM_IF) {
        Value *c = elab_form(cx, f->cond);
        if (c->kind == VALUE_BOOL)
            return c->i    ? make_value(cx, f->yes)
                   : f->no ? make_value(cx, f->no)
                           : value_nothing(cx->e->a);
        elab_not_truth(cx, c, f->cond->expr, f->cond->loc, "the condition of 'if'");
        make_value(cx, f->yes);
        if (f->no)
            make_value(cx, f->no);
        return value_poison();
    }
    return elab_form(cx, f);
}

Value *elab_apply_layer(Cx *cx, Callable *c, Args *args) {
    LayerDecl *decl = c->layer;
    Arena *a = cx->e->a;
    if (!cx->fn->initial) {
        elab_error(cx, args->loc, E_bad_param,
                   "the layer '%s' makes parameters: declare it under 'params'", decl->name);
        return elab_poison(cx);
    }

    // by position or by name
    int n = decl->arguments.n, next = 0;
    Value **given = arena_array(a, Value *, n);
    Loc *locs = arena_array(a, Loc, n);
    for (int i = 0; i < args->n; i++) {
        int k = next;
        const char *name = args->names ? args->names[i] : NULL;
        if (name) {
            for (k = 0; k < n && strcmp(decl->arguments.items[k].name, name);)
                k++;
        } else {
            next++;
        }
        if (k >= n || given[k]) {
            elab_error(cx, args->locs[i], E_arguments,
                       name ? k < n ? "the layer '%s' is given '%s' twice"
                                    : "the layer '%s' has no argument '%s'"
                            : "the layer '%s' takes fewer arguments, and this is one more",
                       decl->name, name);
            const char **names = arena_array(a, const char *, n);
            for (int j = 0; j < n; j++)
                names[j] = decl->arguments.items[j].name;
            if (name && k >= n)
                diag_did_you_mean(cx->e->d, args->locs[i], name, names, n);
            elab_note(cx, decl->loc, "it is declared here");
            return elab_poison(cx);
        }
        given[k] = args->values[i];
        locs[k] = args->locs[i];
    }
    for (int i = 0; i < n; i++) {
        const Value *v = given[i];
        if (!v || !decl->arguments.items[i].must_be_size || v->kind != VALUE_DIM)
            continue;
        elab_error(cx, locs[i], E_bad_param,
                   "the size of a parameter is a number, and '%s' comes with each call",
                   elab_dim_text(cx, v->dim));
        return elab_poison(cx);
    }
    if (cx->e->calls >= ELAB_MAX_CALLS) {
        elab_error(cx, args->loc, E_limit, "layers are nested deeper than %d", ELAB_MAX_CALLS);
        cx->e->stopped = true;
        return elab_poison(cx);
    }
    CallSite site = {.outer = cx->site, .name = decl->name, .loc = args->loc};
    Cx at = *cx;
    at.instance = c->instance;
    at.scope = scope_new(cx, NULL, NULL);
    at.site = &site;
    if (!elab_bind_arguments(cx, &at, &decl->arguments, given, locs, decl->name, args->loc))
        return value_poison();
    cx->e->calls++;
    Value *v = make_value(&at, decl->params);
    cx->e->calls--;
    if (v->kind != VALUE_RECORD)
        return v;
    v = value_copy(a, v);
    v->layer = arena_new(a, LayerUse);
    *v->layer = (LayerUse){.decl = decl, .instance = c->instance, .arguments = given};
    return v;
}

// ---- slots --------------------------------------------------------------------------------------

// The value with numbers made tensors: reals for parameters.
static Value *initial_tensors(Cx *cx, Value *v, IrRole role, Loc loc) {
    Arena *a = cx->e->a;
    if (v->kind == VALUE_RECORD) {
        Value *copy = value_copy(a, v);
        copy->items = arena_array(a, Value *, v->n);
        for (int i = 0; i < v->n; i++)
            copy->items[i] = initial_tensors(cx, v->items[i], role, loc);
        return copy;
    }
    if (v->kind == VALUE_POISON)
        return v;
    if (v->kind != VALUE_TENSOR && !value_is_number(v) && v->kind != VALUE_BOOL) {
        elab_error(cx, loc, E_bad_param, "an initial value is a tensor, and this is %s",
                   elab_describe(cx, v));
        return elab_poison(cx);
    }
    IrDtype like = role == IR_ROLE_PARAM ? cx->e->w->real : IR_DTYPE_COUNT;
    v = arith_tensor(cx, v, like, loc);
    if (v->kind == VALUE_POISON)
        return v;
    if (role == IR_ROLE_PARAM && !ir_dtype_is_real(v->type.dtype)) {
        elab_error(cx, loc, E_bad_param, "a parameter is made of reals, and this is %s",
                   elab_describe(cx, v));
        elab_note(cx, loc, "what is not trained stands under 'state'");
        return elab_poison(cx);
    }
    for (int i = 0; i < v->type.rank; i++) {
        if (ir_dim_is_const(v->type.dims[i], NULL))
            continue;
        elab_error(cx, loc, E_bad_param, "the size of a parameter is a number, and this is %s",
                   elab_describe(cx, v));
        return elab_poison(cx);
    }
    return v;
}

Value *params_make(Cx *cx, const Form *f, IrRole role) {
    Arena *a = cx->e->a;
    Value *v = make_value(cx, f);
    if (v->kind != VALUE_RECORD)
        return v;
    Value *copy = value_copy(a, v);
    copy->items = arena_array(a, Value *, v->n);
    for (int i = 0; i < v->n; i++) {
        Loc loc = f->loc;
        for (int k = 0; k < f->fields.n; k++) {
            if (!strcmp(f->fields.items[k].name, v->names[i]))
                loc = f->fields.items[k].form->loc;
        }
        copy->items[i] = initial_tensors(cx, v->items[i], role, loc);
    }
    return copy;
}

Value *params_slots(LangInstance *in, const Value *v, const char *local, IrRole role, Loc loc) {
    Arena *a = in->world->a;
    Value *copy = value_copy(a, v);
    if (v->kind == VALUE_RECORD) {
        copy->items = arena_array(a, Value *, v->n);
        for (int i = 0; i < v->n; i++)
            copy->items[i] =
                params_slots(in, v->items[i], path_join(a, local, v->names[i]), role, loc);
        return copy;
    }
    if (v->kind != VALUE_TENSOR)
        return copy;
    Slot *slot = arena_new(a, Slot);
    *slot = (Slot){.name = path_join(a, in->name ? in->name : "", local),
                   .local = local,
                   .instance = in,
                   .role = role,
                   .dtype = v->type.dtype,
                   .rank = v->type.rank,
                   .loc = loc};
    for (int i = 0; i < v->type.rank; i++)
        ir_dim_is_const(v->type.dims[i], &slot->dims[i]);
    *copy = (Value){.kind = VALUE_TENSOR, .slot = slot, .loc = loc};
    return copy;
}

static Value *find_slots(LangInstance *in, const Form *f, IrRole role) {
    LangWorld *w = in->world;
    if (!f)
        return value_record(w->a, 0, NULL, NULL);
    Elab *e = elab_new(w, w->d);
    e->lenient = e->checking = true;
    Fn *fn = fn_new(e, "initial", f->loc);
    fn->initial = true;
    const Map zeros = {0}; // for the parameters that states are made with
    fn->known = role == IR_ROLE_STATE ? &zeros : NULL;
    Cx cx = elab_cx(e, fn, in);
    cx.path = "init";
    const Value *v = params_make(&cx, f, role);
    if (v->kind != VALUE_RECORD)
        return value_record(w->a, 0, NULL, NULL);
    Value *all = value_copy(w->a, v);
    all->items = arena_array(w->a, Value *, v->n);
    for (int i = 0; i < v->n; i++) {
        Loc loc = f->loc;
        for (int k = 0; k < f->fields.n; k++) {
            if (!strcmp(f->fields.items[k].name, v->names[i]))
                loc = f->fields.items[k].loc;
        }
        all->items[i] = params_slots(in, v->items[i], v->names[i], role, loc);
    }
    return all;
}

Value *params_of(LangInstance *in) {
    if (!in->params) {
        in->finding_params = true;
        in->params = find_slots(in, in->file->params, IR_ROLE_PARAM);
        in->finding_params = false;
    }
    return in->params;
}

Value *params_state_of(LangInstance *in) {
    if (!in->state) {
        in->finding_state = true;
        in->state = find_slots(in, in->file->state, IR_ROLE_STATE);
        in->finding_state = false;
    }
    return in->state;
}

// ---- the entry of initial values ----------------------------------------------------------------

// Adds the initial values in `v` as outputs named by the slots in `slots`. False when an error was
// reported for one of them.
static bool add_initial(Cx *cx, const Value *v, const Value *slots) {
    int n = value_count_leaves(slots);
    if (n != value_count_leaves(v) || value_has_poison(v))
        return false;
    Value **leaves = arena_array(cx->e->a, Value *, n), **to = arena_array(cx->e->a, Value *, n);
    value_leaves(v, leaves);
    value_leaves(slots, to);
    for (int i = 0; i < n; i++) {
        IrSlot slot = {.name = to[i]->slot->name, .role = to[i]->slot->role, .target = -1};
        ir_add_output(cx->fn->ir, frame_use(cx, leaves[i]), slot);
    }
    return true;
}

static Value *initial_of(Cx *cx, LangInstance *in, const Form *f, IrRole role) {
    Cx at = *cx;
    at.instance = in;
    at.path = path_join(cx->e->a, "init", in->name ? in->name : "");
    Value *v = f ? params_make(&at, f, role) : value_record(cx->e->a, 0, NULL, NULL);
    return v;
}

// The initial values `v` of the slots in `slots`, by full name.
static void put_values(Arena *a, Map *values, const Value *v, const Value *slots) {
    int n = value_count_leaves(slots);
    Value **leaves = arena_array(a, Value *, n), **to = arena_array(a, Value *, n);
    if (n != value_count_leaves(v))
        return;
    value_leaves(v, leaves);
    value_leaves(slots, to);
    for (int i = 0; i < n; i++)
        map_put(values, a, to[i]->slot->name, leaves[i]);
}

bool elab_initial(Cx *cx) {
    LangWorld *w = cx->e->w;
    Map values = {0}; // full name -> initial value
    bool all_good = true;
    Value **params = arena_array(cx->e->a, Value *, w->n_instances);
    for (int i = 0; i < w->n_instances; i++) {
        LangInstance *in = w->instances[i];
        params[i] = initial_of(cx, in, in->file->params, IR_ROLE_PARAM);
        put_values(cx->e->a, &values, params[i], params_of(in));
    }
    cx->fn->known = &values; // states may be made with parameters
    for (int i = 0; i < w->n_instances; i++) {
        LangInstance *in = w->instances[i];
        all_good = add_initial(cx, params[i], params_of(in)) && all_good;
        Value *state = initial_of(cx, in, in->file->state, IR_ROLE_STATE);
        all_good = add_initial(cx, state, params_state_of(in)) && all_good;
    }
    for (int i = 0; i < w->n_optimisers; i++) {
        OptimiserState *o = w->optimisers[i];
        int n = value_count_leaves(o->params);
        Value **leaves = arena_array(cx->e->a, Value *, n);
        value_leaves(o->params, leaves);
        bool good = true;
        for (int k = 0; k < n; k++) {
            leaves[k] = map_get(&values, leaves[k]->slot->name);
            good = good && leaves[k];
        }
        if (!good)
            continue;
        Cx at = *cx;
        at.path =
            path_join(cx->e->a, "init", path_join(cx->e->a, o->instance->name, o->program->name));
        Value *v = optimiser_init(&at, o->optimiser, value_rebuild(cx->e->a, o->params, leaves));
        all_good = add_initial(cx, v, o->state) && all_good;
    }
    return all_good;
}

// ---- checking a layer alone ---------------------------------------------------------------------

static void put_unknown(Cx *cx, Scope *scope, const char *name, Loc loc) {
    Cx at = *cx;
    at.scope = scope;
    if (!scope_find(&at, name, loc))
        scope_put(cx, scope, name, loc, value_poison());
}

// The names of sizes in an expression of a shape.
static void put_size_names(Cx *cx, Scope *scope, const Expr *e) {
    if (!e)
        return;
    if (e->kind == EXPR_NAME)
        put_unknown(cx, scope, e->name, e->loc);
    put_size_names(cx, scope, e->base);
    for (int i = 0; i < e->n; i++)
        put_size_names(cx, scope, e->args[i]);
}

static void put_type_names(Cx *cx, Scope *scope, const TypeExpr *t) {
    for (int i = 0; i < t->n; i++)
        if (t->fields)
            put_type_names(cx, scope, t->fields[i]);
        else
            put_size_names(cx, scope, t->sizes[i]);
}

// Arguments are unknown here, so this finds wrong names more than wrong shapes.
void params_check_layer(Cx *cx, LayerDecl *layer) {
    Cx at = *cx;
    at.scope = scope_new(cx, NULL, NULL);
    for (int i = 0; i < layer->arguments.n; i++)
        scope_put(cx, at.scope, layer->arguments.items[i].name, layer->arguments.items[i].loc,
                  value_poison());
    at.fn->initial = true;
    Cx making = at;
    make_value(&making, layer->params);
    at.fn->initial = false;

    at.scope = scope_new(cx, at.scope, NULL);
    scope_put(cx, at.scope, "self", layer->loc, value_poison());
    for (int i = 0; i < layer->params->fields.n; i++)
        scope_put(cx, at.scope, layer->params->fields.items[i].name, layer->loc, value_poison());
    Scope *scope = scope_new(cx, at.scope, layer->name);
    for (int i = 0; i < layer->apply->n_inputs; i++) {
        const Input *input = &layer->apply->inputs[i];
        scope_put(cx, scope, input->name, input->loc, value_poison());
        put_type_names(cx, scope, input->type);
    }
    for (int i = 0; i < layer->apply->arguments.n; i++)
        scope_put(cx, scope, layer->apply->arguments.items[i].name, layer->apply->loc,
                  value_poison());
    for (int i = 0; i < layer->apply->dims.n; i++)
        scope_put(cx, scope, layer->apply->dims.items[i].name, layer->apply->loc, value_poison());
    elab_body(&at, layer->apply, scope, NULL, true);
}
