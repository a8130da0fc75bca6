// ir/lang/programs.c -- programs: what changes parameters and states.
//
// With `minimize`, all nodes of the program stand in the body of one grad node, whose further
// results are the outputs and the values of `update`. The gradients go through `clip` into the
// optimiser.
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"
#include "ir/lang/grads.h"
#include "ir/lang/structures.h"

// ---- updates ------------------------------------------------------------------------------------

typedef struct Updates {
    Map seen; // names of slots
} Updates;

static void update_slot(Cx *cx, Updates *u, Value *slot, Value *v, Loc loc) {
    if (map_has(&u->seen, slot->slot->name)) {
        elab_error(cx, loc, E_bad_update, "'%s' gets two new values", slot->slot->name);
        elab_poison(cx);
        return;
    }
    if (!ir_type_equal(&slot->type, &v->type)) {
        elab_error(cx, loc, E_bad_update, "'%s' is %s, and its new value is %s", slot->slot->name,
                   elab_type_text(cx, &slot->type), elab_type_text(cx, &v->type));
        elab_note(cx, slot->slot->loc, "'%s' is declared here", slot->slot->name);
        elab_note_value(cx, v);
        elab_poison(cx);
        return;
    }
    map_put(&u->seen, cx->e->a, slot->slot->name, u);
    IrNode *input = frame_slot(cx, slot->slot);
    IrSlot out = {.name = slot->slot->name, .role = IR_ROLE_UPDATE, .target = input->attrs.index};
    ir_add_output(cx->fn->ir, frame_use(cx, v), out);
}

// New values for all slots in `slots`; records by field.
static void update_slots(Cx *cx, Updates *u, Value *slots, Value *v, Loc loc, const char *name) {
    if (slots->kind == VALUE_POISON || v->kind == VALUE_POISON)
        return;
    if (slots->kind == VALUE_TENSOR && v->kind == VALUE_TENSOR) {
        update_slot(cx, u, slots, v, loc);
        return;
    }
    bool same = slots->kind == VALUE_RECORD && v->kind == VALUE_RECORD && slots->n == v->n;
    for (int i = 0; same && i < slots->n; i++)
        same = value_field(v, slots->names[i]) != NULL;
    if (!same) {
        elab_error(cx, loc, E_bad_update, "'%s' is %s, and its new value is %s", name,
                   elab_describe(cx, slots), elab_describe(cx, v));
        elab_note_value(cx, v);
        elab_poison(cx);
        return;
    }
    for (int i = 0; i < slots->n; i++)
        update_slots(cx, u, slots->items[i], value_field(v, slots->names[i]), loc,
                     path_join(cx->e->a, name, slots->names[i]));
}

// What `name` ("count", "policy", "net.0.w") means as a target; poison, reported.
static Value *update_target(Cx *cx, const Field *f) {
    Arena *a = cx->e->a;
    char *path = arena_strdup(a, f->name), *rest = NULL;
    Value *v = NULL;
    for (char *part = strtok_r(path, ".", &rest); part; part = strtok_r(NULL, ".", &rest)) {
        Cx at = *cx;
        at.scope = NULL;
        v = v ? (v->kind == VALUE_RECORD ? value_field(v, part) : NULL)
              : scope_lookup(&at, part, f->loc);
        if (!v)
            break;
    }
    if (v && v->kind == VALUE_POISON)
        return v;
    int n = v ? value_count_leaves(v) : 0;
    Value **leaves = arena_array(a, Value *, n);
    if (v)
        value_leaves(v, leaves);
    for (int i = 0; i < n; i++) {
        if (!leaves[i]->slot || leaves[i]->slot->role == IR_ROLE_SETTING)
            n = 0;
    }
    if (n)
        return v;
    elab_error(cx, f->loc, E_bad_update, "'%s' is no parameter and no state of the module",
               f->name);
    const LangFile *file = cx->instance->file;
    for (int i = 0; i < file->n_settings; i++) {
        if (!strcmp(file->settings[i].name, f->name))
            elab_note(cx, file->settings[i].loc,
                      "'%s' is a setting, given with each call; what a program changes stands "
                      "under 'params' or 'state'",
                      f->name);
    }
    int count = 0;
    const char **names = arena_array(a, const char *,
                                     (file->params ? file->params->fields.n : 0) +
                                         (file->state ? file->state->fields.n : 0));
    for (int i = 0; file->params && i < file->params->fields.n; i++)
        names[count++] = file->params->fields.items[i].name;
    for (int i = 0; file->state && i < file->state->fields.n; i++)
        names[count++] = file->state->fields.items[i].name;
    diag_did_you_mean(cx->e->d, f->loc, f->name, names, count);
    return elab_poison(cx);
}

// ---- what is minimised over ---------------------------------------------------------------------

static void gather(Cx *cx, Value *v, Value ***leaves, int *n, int *cap, bool *good, Loc loc) {
    if (v->kind == VALUE_LIST) {
        for (int i = 0; i < v->n; i++)
            gather(cx, v->items[i], leaves, n, cap, good, loc);
        return;
    }
    if (value_has_poison(v)) {
        *good = false;
        return;
    }
    int count = value_count_leaves(v);
    Value **own = arena_array(cx->e->a, Value *, count);
    value_leaves(v, own);
    for (int i = 0; i < count; i++) {
        bool twice = false;
        for (int k = 0; k < *n; k++)
            twice = twice || (own[i]->slot && (*leaves)[k]->slot == own[i]->slot);
        if (own[i]->slot && own[i]->slot->role == IR_ROLE_PARAM && !twice) {
            arena_push(cx->e->a, *leaves, *n, *cap, own[i]);
            continue;
        }
        elab_error(cx, loc, E_bad_param,
                   twice ? "'over' names '%s' twice"
                         : "'over' is made of parameters, and '%s' is none",
                   own[i]->slot   ? own[i]->slot->name
                   : own[i]->name ? own[i]->name
                                  : "this");
        elab_note_value(cx, own[i]);
        elab_poison(cx);
        *good = false;
    }
    if (!count && v->kind != VALUE_RECORD) {
        elab_error(cx, loc, E_bad_param, "'over' is made of parameters, and this is %s",
                   elab_describe(cx, v));
        elab_poison(cx);
        *good = false;
    }
}

// Puts `leaf` into the record at the dotted `path`.
static void nest(Arena *a, Value *record, const char *path, Value *leaf) {
    const char *dot = strchr(path, '.');
    const char *name = dot ? arena_strndup(a, path, (size_t)(dot - path)) : path;
    Value *below = value_field(record, name);
    if (!below) {
        below = dot ? value_record(a, 0, NULL, NULL) : leaf;
        const char **names = arena_array(a, const char *, record->n + 1);
        Value **items = arena_array(a, Value *, record->n + 1);
        for (int i = 0; i < record->n; i++)
            names[i] = record->names[i], items[i] = record->items[i];
        names[record->n] = name;
        items[record->n++] = below;
        record->names = names;
        record->items = items;
    }
    if (dot)
        nest(a, below, dot + 1, leaf);
}

// The parameters `over` as a record, by names within the program's module.
static Value *params_over(Cx *cx, const Form *over) {
    Value **leaves = NULL;
    int n = 0, cap = 0;
    bool good = true;
    gather(cx, elab_form(cx, over), &leaves, &n, &cap, &good, over->loc);
    if (!good)
        return value_poison();
    if (!n) {
        elab_error(cx, over->loc, E_bad_param, "there are no parameters to minimise over");
        return elab_poison(cx);
    }
    Value *record = value_record(cx->e->a, 0, NULL, NULL);
    for (int i = 0; i < n; i++) {
        const Slot *slot = leaves[i]->slot;
        nest(cx->e->a, record, slot->instance == cx->instance ? slot->local : slot->name,
             leaves[i]);
    }
    return record;
}

// ---- optimisers ---------------------------------------------------------------------------------

bool optimiser_is(const FuncDecl *f) {
    static const char *const names[] = {"params", "grads", "state"};
    int found = 0;
    for (int i = 0; i < f->n_inputs; i++) {
        for (int k = 0; k < 3; k++)
            found += !strcmp(f->inputs[i].name, names[k]);
    }
    return found == 3;
}

Value *optimiser_init(Cx *cx, Callable *by, Value *params) {
    FuncDecl *f = by->function;
    if (!f->init)
        return value_record(cx->e->a, 0, NULL, NULL);
    Cx at = *cx;
    at.instance = by->instance;
    at.dims = NULL;
    at.scope = scope_new(cx, NULL, f->name);
    Value **given = arena_array(cx->e->a, Value *, f->arguments.n);
    Loc *locs = arena_array(cx->e->a, Loc, f->arguments.n);
    for (int i = 0; i < f->arguments.n; i++) {
        for (int k = 0; k < by->n_fixed; k++) {
            if (!strcmp(by->fixed_names[k], f->arguments.items[i].name))
                given[i] = by->fixed[k], locs[i] = by->fixed_locs[k];
        }
    }
    if (!elab_bind_arguments(cx, &at, &f->arguments, given, locs, f->name, f->loc))
        return value_poison();
    scope_put(&at, at.scope, "params", f->loc, params);
    return params_make(&at, f->init, IR_ROLE_STATE);
}

// by.init(params, argument=..): the arguments of the optimiser are given by name.
Value *elab_apply_init(Cx *cx, Callable *c, Args *args) {
    const FuncDecl *f = c->function;
    Callable by = *c;
    by.fixed_names = arena_array(cx->e->a, const char *, c->n_fixed + args->n);
    by.fixed = arena_array(cx->e->a, Value *, c->n_fixed + args->n);
    by.fixed_locs = arena_array(cx->e->a, Loc, c->n_fixed + args->n);
    by.n_fixed = 0;
    Value *params = NULL;
    for (int i = 0; i < c->n_fixed + args->n; i++) {
        bool old = i < c->n_fixed;
        int k = old ? i : i - c->n_fixed;
        const char *name = old ? c->fixed_names[k] : args->names ? args->names[k] : NULL;
        Value *v = old ? c->fixed[k] : args->values[k];
        Loc loc = old ? c->fixed_locs[k] : args->locs[k];
        bool is_argument = false;
        for (int j = 0; name && j < f->arguments.n; j++)
            is_argument = is_argument || !strcmp(f->arguments.items[j].name, name);
        if (!params && (!name || !strcmp(name, "params"))) {
            params = v;
        } else if (is_argument) {
            by.fixed_names[by.n_fixed] = name;
            by.fixed_locs[by.n_fixed] = loc;
            by.fixed[by.n_fixed++] = v;
        } else {
            elab_error(cx, loc, E_arguments,
                       "'%s.init' takes the parameters, and arguments of '%s' by name", f->name,
                       f->name);
            return elab_poison(cx);
        }
    }
    if (!params) {
        elab_error(cx, args->loc, E_arguments, "'%s.init' lacks the parameters", f->name);
        return elab_poison(cx);
    }
    if (value_has_poison(params))
        return value_poison();
    return optimiser_init(cx, &by, elab_tensors(cx, params, "what is optimised", args->loc));
}

static Value *call_function(Cx *cx, const Form *form, int n, const char **names, Value **values,
                            Callable **callable) {
    if (form->kind != FORM_EXPR)
        return value_poison();
    Value *f = elab_function(cx, form->expr);
    if (f->kind != VALUE_FUNCTION)
        return value_poison();
    *callable = f->callable;
    Loc *locs = arena_array(cx->e->a, Loc, n);
    for (int i = 0; i < n; i++)
        locs[i] = form->loc;
    Args args = {.loc = form->loc, .n = n, .values = values, .names = names, .locs = locs};
    return values ? elab_apply(cx, f->callable, &args) : f;
}

// Slots of the optimiser's state, made when the program is first asked for.
static Value *optimiser_slots(Cx *cx, ProgramDecl *p, Callable *by, Value *params) {
    LangWorld *w = cx->e->w;
    for (int i = 0; i < w->n_optimisers; i++) {
        if (w->optimisers[i]->program == p && w->optimisers[i]->instance == cx->instance)
            return w->optimisers[i]->state;
    }

    // types alone: the parameters stand for zeros
    Elab *e = elab_new(w, cx->e->d);
    Fn *fn = fn_new(e, "initial", p->loc);
    fn->initial = true;
    Cx at = elab_cx(e, fn, cx->instance);
    at.site = cx->site;
    int n = value_count_leaves(params);
    Value **leaves = arena_array(e->a, Value *, n);
    value_leaves(params, leaves);
    IrBuilder b = frame_builder(&at, p->loc);
    for (int i = 0; i < n; i++) {
        IrType t = value_slot(e->a, e->module->dims, leaves[i]->slot)->type;
        leaves[i] = frame_value(&at, ir_const(&b, t, 0), NULL, p->loc);
    }
    Value *init = optimiser_init(&at, by, value_rebuild(e->a, params, leaves));
    if (value_has_poison(init))
        return value_poison();
    OptimiserState *o = arena_new(w->a, OptimiserState);
    *o =
        (OptimiserState){.instance = cx->instance,
                         .program = p,
                         .optimiser = by,
                         .params = params,
                         .state = params_slots(cx->instance, init, p->name, IR_ROLE_STATE, p->loc)};
    arena_push(w->a, w->optimisers, w->n_optimisers, w->cap_optimisers, o);
    return o->state;
}

static Value *own_types(Cx *cx, const Value *v) {
    int n = value_count_leaves(v);
    Value **leaves = arena_array(cx->e->a, Value *, n);
    value_leaves(v, leaves);
    for (int i = 0; i < n; i++)
        leaves[i] = value_slot(cx->e->a, cx->e->module->dims, leaves[i]->slot);
    return value_rebuild(cx->e->a, v, leaves);
}

// Clips, steps, and adds the new parameters and the new state. False, reported.
static bool optimise(Cx *cx, ProgramDecl *p, Value *params, Value *grads, Updates *u) {
    const Minimize *m = p->minimize;
    Callable *by = NULL, *clip = NULL;
    if (m->clip) {
        grads = call_function(cx, m->clip, 1, NULL, &grads, &clip);
        if (!value_has_poison(grads) && !value_same_type(params, grads)) {
            elab_error(cx, m->clip->loc, E_record_mismatch,
                       "'clip' gives %s, and the gradients are %s", elab_describe(cx, grads),
                       elab_describe(cx, params));
            elab_poison(cx);
            return false;
        }
    }
    Value *f = call_function(cx, m->by, 0, NULL, NULL, &by);
    if (f->kind != VALUE_FUNCTION || value_has_poison(grads))
        return false;
    if (by->kind != CALL_USER || !optimiser_is(by->function)) {
        elab_error(cx, m->by->loc, E_wrong_kind,
                   "'by' is an optimiser, a function of params, grads and state such as "
                   "optim.adam(rate=rate)");
        elab_poison(cx);
        return false;
    }
    Value *slots = optimiser_slots(cx, p, by, params);
    if (value_has_poison(slots))
        return false;
    Value *state = own_types(cx, slots);
    static const char *const names[] = {"params", "grads", "state"};
    const char **own_names = arena_array(cx->e->a, const char *, 3);
    for (int i = 0; i < 3; i++)
        own_names[i] = names[i];
    Value *values[3] = {params, grads, state};
    Value *result = call_function(cx, m->by, 3, own_names, values, &by);
    if (value_has_poison(result))
        return false;
    Value *new_params = result->kind == VALUE_RECORD ? value_field(result, "params") : NULL;
    Value *new_state = result->kind == VALUE_RECORD ? value_field(result, "state") : NULL;
    if (!new_params || !new_state) {
        elab_error(cx, m->by->loc, E_record_mismatch,
                   "an optimiser gives {params, state}, and this gives %s",
                   elab_describe(cx, result));
        elab_note(cx, by->function->loc, "'%s' is declared here", by->name);
        elab_poison(cx);
        return false;
    }
    new_params = elab_tensors_like(cx, params, new_params, "params", m->by->loc);
    new_state = elab_tensors_like(cx, state, new_state, "state", m->by->loc);
    update_slots(cx, u, params, new_params, m->by->loc, "params");
    update_slots(cx, u, state, new_state, m->by->loc, "state");
    return true;
}

// ---- programs -----------------------------------------------------------------------------------

bool elab_program(Cx *cx, ProgramDecl *p, Scope *inputs) {
    Arena *a = cx->e->a;
    const Minimize *m = p->minimize;
    Cx base = *cx;
    base.scope = inputs;
    Value *params = m ? params_over(&base, m->over) : NULL;

    // the nodes, within the body of the gradient if there is one
    Cx in = base;
    if (m)
        in.frame = frame_new(&base);
    in.scope = scope_new(&base, inputs, p->name);
    scope_put_fields(&in, in.scope, &p->body->nodes);
    Value *value = m ? elab_grad_scalar(&in, elab_form(&in, m->value), m->value->loc) : NULL;
    Value *outputs = value_record(a, 0, NULL, NULL);
    if (p->body->output)
        outputs =
            elab_tensors(&in, elab_form(&in, p->body->output), "'outputs'", p->body->output->loc);
    int n = p->update.n;
    Value **targets = arena_array(a, Value *, n), **news = arena_array(a, Value *, n);
    for (int i = 0; i < n; i++) {
        const Field *f = &p->update.items[i];
        targets[i] = update_target(&base, f);
        news[i] = elab_tensors_like(&in, targets[i], elab_form(&in, f->form), "a new value",
                                    f->form->loc);
    }
    scope_finish(&in, in.scope, true);

    // out of the body
    Updates u = {0};
    bool good = !value_has_poison(outputs) &&
                (!m || !(value_has_poison(value) || value_has_poison(params)));
    for (int i = 0; i < n; i++)
        good = good && !value_has_poison(news[i]) && !value_has_poison(targets[i]);
    if (!good && m)
        return false;
    if (m) {
        int n_params = value_count_leaves(params), first = 1;
        Value **leaves = arena_array(a, Value *, n_params);
        value_leaves(params, leaves);
        if (!elab_grad_reaches(&in, value, n_params, leaves, "the value", m->value->loc))
            return false;
        elab_grad_results(&in, value);
        elab_grad_results(&in, outputs);
        for (int i = 0; i < n; i++)
            elab_grad_results(&in, news[i]);
        IrNode *node = elab_grad_by_slots(&base, &in, n_params, leaves, m->loc);
        outputs = elab_results(&base, node, outputs, &first, m->loc);
        for (int i = 0; i < n; i++)
            news[i] = elab_results(&base, node, news[i], &first, p->update.items[i].form->loc);
        Value *grads = elab_results(&base, node, params, &first, m->value->loc);
        entry_outputs(&base, outputs, outputs->kind == VALUE_RECORD ? "" : "out", IR_ROLE_OUT);
        good = optimise(&base, p, params, grads, &u);
    } else if (!value_has_poison(outputs)) {
        entry_outputs(&base, outputs, outputs->kind == VALUE_RECORD ? "" : "out", IR_ROLE_OUT);
    }
    for (int i = 0; i < n; i++)
        update_slots(&base, &u, targets[i], news[i], p->update.items[i].form->loc,
                     p->update.items[i].name);
    return good;
}
