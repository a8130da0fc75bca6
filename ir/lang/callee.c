// ir/lang/callee.c -- what is called: functions by name, with records of a module's kind in place
// of its parameters, records of a layer's kind, built-in ones.
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"
#include "ir/lang/hints.h"

// ---- by name ------------------------------------------------------------------------------------

static Callable *user(Cx *cx, LangInstance *in, FuncDecl *f) {
    Callable *c = arena_new(cx->e->a, Callable);
    *c = (Callable){.kind = CALL_USER, .name = f->name, .instance = in, .function = f};
    return c;
}

static Callable *layer(Cx *cx, LangInstance *in, LayerDecl *decl) {
    Callable *c = arena_new(cx->e->a, Callable);
    *c = (Callable){.kind = CALL_LAYER, .name = decl->name, .instance = in, .layer = decl};
    return c;
}

static Callable *builtin(Cx *cx, const char *name) {
    const Builtin *row = builtin_find(name);
    if (!row)
        return NULL;
    Callable *c = arena_new(cx->e->a, Callable);
    *c = (Callable){.kind = CALL_BUILTIN, .name = row->name, .builtin = row};
    return c;
}

static Callable *of_instance(Cx *cx, LangInstance *in, const char *name) {
    FuncDecl *f = world_function(in, name);
    if (f)
        return user(cx, in, f);
    LayerDecl *decl = decl_layer(in->file, name);
    return decl ? layer(cx, in, decl) : NULL;
}

Callable *elab_find_function(Cx *cx, const Expr *e) {
    if (e->kind == EXPR_NAME) {
        Callable *c = cx->instance ? of_instance(cx, cx->instance, e->name) : NULL;
        if (!c && cx->e->w->std && cx->e->w->std != cx->instance)
            c = of_instance(cx, cx->e->w->std, e->name);
        return c ? c : builtin(cx, e->name);
    }
    if (e->kind != EXPR_FIELD || e->base->kind != EXPR_NAME)
        return NULL;
    if (!strcmp(e->base->name, "draw"))
        return builtin(cx, arena_printf(cx->e->a, "draw.%s", e->name));
    LangInstance *in;
    bool is_module;
    if (!cx->instance || !scope_instance(cx, e->base->name, &in, &is_module) || !in)
        return NULL;
    return of_instance(cx, in, e->name);
}

// ---- unknown functions --------------------------------------------------------------------------

static void add_functions(Cx *cx, const LangInstance *in, const char ***names, int *n, int *cap) {
    const char **own;
    int count = in ? world_function_names(in, &own) : 0;
    for (int i = 0; i < count; i++)
        arena_push(cx->e->a, *names, *n, *cap, own[i]);
    for (int i = 0; in && i < in->file->n_layers; i++)
        arena_push(cx->e->a, *names, *n, *cap, in->file->layers[i]->name);
}

// Notes what a name that is no function here is elsewhere: a function of a library, a draw, a
// program. False when it is nothing.
static bool note_elsewhere(Cx *cx, const LangInstance *in, const Expr *e) {
    const LangInstance *here = cx->instance;
    for (int i = 0; e->kind == EXPR_NAME && here && i < here->file->n_imports; i++) {
        if (!here->imports[i] || !of_instance(cx, here->imports[i], e->name))
            continue;
        elab_note(cx, e->loc, "did you mean '%s.%s'?", here->file->imports[i].name, e->name);
        return true;
    }
    if (e->kind == EXPR_NAME && builtin(cx, arena_printf(cx->e->a, "draw.%s", e->name))) {
        elab_note(cx, e->loc, "did you mean 'draw.%s'?", e->name);
        return true;
    }
    const ProgramDecl *p = in ? decl_program(in->file, e->name) : NULL;
    if (p)
        elab_note(cx, p->loc, "'%s' is a program: programs are run, not called", e->name);
    return p != NULL;
}

static Value *unknown_function(Cx *cx, const Expr *e) {
    const char **names = NULL;
    int n = 0, cap = 0;
    bool known = false;
    if (e->kind == EXPR_NAME) {
        elab_error(cx, e->loc, E_unknown_function, "no function is called '%s' here", e->name);
        known = note_elsewhere(cx, cx->instance, e) ||
                hint_note(cx->e->d, e->loc, HINT_FUNCTION, e->name);
        add_functions(cx, cx->instance, &names, &n, &cap);
        add_functions(cx, cx->e->w->std, &names, &n, &cap);
        for (int i = 0; i < builtin_count(); i++)
            arena_push(cx->e->a, names, n, cap, builtin_at(i)->name);
    } else {
        const char *base = e->base->name;
        LangInstance *in = NULL;
        bool is_module;
        elab_error(cx, e->loc, E_unknown_function, "'%s' has no function '%s'", base, e->name);
        if (!strcmp(base, "draw")) {
            for (int i = 0; i < builtin_count(); i++) {
                if (!strncmp(builtin_at(i)->name, "draw.", 5))
                    arena_push(cx->e->a, names, n, cap, builtin_at(i)->name + 5);
            }
        } else if (scope_instance(cx, base, &in, &is_module)) {
            known = note_elsewhere(cx, in, e);
            add_functions(cx, in, &names, &n, &cap);
        }
    }
    if (!known)
        diag_did_you_mean(cx->e->d, e->loc, e->name, names, n);
    return elab_poison(cx);
}

// ---- values that can be called ------------------------------------------------------------------

static bool is_callable(const Value *v) {
    return v->kind == VALUE_FUNCTION || (v->kind == VALUE_RECORD && v->layer);
}

static Value *as_function(Cx *cx, Value *v) {
    if (v->kind == VALUE_FUNCTION)
        return v;
    Callable c = {.kind = CALL_APPLY,
                  .name = v->name ? v->name : v->layer->decl->name,
                  .instance = v->layer->instance,
                  .record = v};
    return value_function(cx->e->a, &c);
}

static Value *not_callable(Cx *cx, const Expr *e, const Value *v, bool called) {
    if (v->kind == VALUE_POISON)
        return value_poison();
    elab_error(cx, e->loc, E_wrong_kind,
               called ? "only functions and layers are called, and this is %s"
                      : "a function was expected, and this is %s",
               elab_describe(cx, v));
    elab_note_value(cx, v);
    return elab_poison(cx);
}

// The value called `name` in the scopes or among the module's parameters; NULL when there is none.
static Value *named_value(Cx *cx, const char *name, Loc loc) {
    Value *v = scope_find(cx, name, loc);
    if (v || !cx->instance)
        return v;
    const Form *params = cx->instance->file->params;
    for (int i = 0; params && i < params->fields.n; i++) {
        if (!strcmp(params->fields.items[i].name, name))
            return scope_instance_value(cx, cx->instance, name, loc);
    }
    return NULL;
}

static Value *callee_by_name(Cx *cx, const Expr *e, bool called) {
    Value *v = named_value(cx, e->name, e->loc);
    if (v && (is_callable(v) || v->kind == VALUE_POISON))
        return v->kind == VALUE_POISON ? v : as_function(cx, v);
    Callable *c = elab_find_function(cx, e);
    if (c)
        return value_function(cx->e->a, c);
    return v ? not_callable(cx, e, v, called) : unknown_function(cx, e);
}

// A function of the module whose kind `record` has, with the record in place of the parameters.
static Value *callee_of_kind(Cx *cx, const Expr *e, Value *record) {
    LangInstance *in = record->module;
    FuncDecl *f = world_function(in, e->name);
    if (f) {
        Callable *c = user(cx, in, f);
        c->record = record;
        return value_function(cx->e->a, c);
    }
    const char **names = NULL;
    int n = 0, cap = 0;
    elab_error(cx, e->loc, E_unknown_function, "'%s' has neither a function nor a parameter '%s'",
               in->file->name, e->name);
    add_functions(cx, in, &names, &n, &cap);
    for (int i = 0; i < record->n; i++)
        arena_push(cx->e->a, names, n, cap, record->names[i]);
    diag_did_you_mean(cx->e->d, e->loc, e->name, names, n);
    elab_note_value(cx, record);
    return elab_poison(cx);
}

// Tells where a record would need a kind: e->name is a function here or of a module parameter.
static void note_kinds(Cx *cx, const Expr *e) {
    const LangInstance *here = cx->instance;
    const char *name = here && world_function(here, e->name) ? "params" : NULL;
    for (int i = 0; here && !name && i < here->file->n_modules; i++) {
        if (here->modules[i] && world_function(here->modules[i], e->name))
            name = here->file->modules[i].name;
    }
    if (name)
        elab_note(cx, e->loc,
                  "records made of '%s', and inputs of the type %s, have the function '%s'", name,
                  name, e->name);
}

// A function or a field of `base`, a value.
static Value *callee_of_value(Cx *cx, const Expr *e, Value *base, bool called) {
    bool is_record = base->kind == VALUE_RECORD;
    bool has_field = is_record && value_field(base, e->name);
    if (is_record && base->module && (world_function(base->module, e->name) || !has_field))
        return callee_of_kind(cx, e, base);
    Value *v = elab_field(cx, base, e);
    if (is_record && !has_field)
        note_kinds(cx, e);
    return is_callable(v) ? as_function(cx, v) : not_callable(cx, e, v, called);
}

// optim.adam.init: what makes the optimiser's state. NULL where `e` is something else.
static Value *optimiser_init_of(Cx *cx, const Expr *e) {
    const Expr *root = e->base;
    while (root->kind == EXPR_FIELD)
        root = root->base;
    if (strcmp(e->name, "init") || root->kind != EXPR_NAME || scope_find(cx, root->name, root->loc))
        return NULL;
    Callable *f = elab_find_function(cx, e->base);
    LangInstance *in;
    bool is_module, is_field = e->base->kind == EXPR_FIELD && e->base->base == root;
    if (!f && is_field && scope_instance(cx, root->name, &in, &is_module) && in && !is_module)
        return unknown_function(cx, e->base);
    if (!f)
        return NULL;
    if (f->kind != CALL_USER || !optimiser_is(f->function)) {
        elab_error(cx, e->loc, E_wrong_kind, "only an optimiser has 'init', and '%s' is none",
                   f->name);
        elab_note(cx, e->loc, "an optimiser is a function of params, grads and state");
        return elab_poison(cx);
    }
    f->kind = CALL_INIT;
    return value_function(cx->e->a, f);
}

static Value *callee_by_field(Cx *cx, const Expr *e, bool called) {
    LangInstance *in = NULL;
    bool is_module;
    const Expr *base = e->base;
    bool is_namespace = base->kind == EXPR_NAME && !scope_find(cx, base->name, base->loc) &&
                        (!strcmp(base->name, "draw") ||
                         (cx->instance && scope_instance(cx, base->name, &in, &is_module)));
    Value *init = optimiser_init_of(cx, e);
    if (init)
        return init;
    if (!is_namespace)
        return callee_of_value(cx, e, elab_expr(cx, base), called);
    if (strcmp(base->name, "draw") && !in)
        return is_module ? scope_unbound(cx, base->name, base->loc) : value_poison();
    Callable *c = elab_find_function(cx, e);
    if (c)
        return value_function(cx->e->a, c);
    const Form *params = in ? in->file->params : NULL;
    for (int i = 0; params && i < params->fields.n; i++) {
        if (strcmp(params->fields.items[i].name, e->name))
            continue;
        Value *v = scope_instance_value(cx, in, e->name, e->loc);
        return v && is_callable(v) ? as_function(cx, v) : not_callable(cx, e, v, called);
    }
    return unknown_function(cx, e);
}

// What `e` is as a function: to be called now, or where a function is expected.
static Value *callee(Cx *cx, const Expr *e, bool called) {
    if (e->kind == EXPR_NAME)
        return callee_by_name(cx, e, called);
    if (e->kind == EXPR_FIELD)
        return callee_by_field(cx, e, called);
    if (e->kind == EXPR_CALL)
        return elab_function(cx, e);
    Value *v = elab_expr(cx, e);
    return is_callable(v) ? as_function(cx, v) : not_callable(cx, e, v, called);
}

// ---- arguments ----------------------------------------------------------------------------------

static FuncDecl *decl_of(const Callable *c) {
    while (c->kind == CALL_GRAD)
        c = c->of;
    if (c->kind == CALL_USER)
        return c->function;
    return c->kind == CALL_APPLY ? c->record->layer->decl->apply : NULL;
}

static bool is_fixed(const Callable *c, const char *name) {
    for (; c; c = c->of) {
        for (int i = 0; i < c->n_fixed; i++) {
            if (!strcmp(c->fixed_names[i], name))
                return true;
        }
    }
    return false;
}

// Whether argument `i` of the call `e` is where a function is expected.
static bool wants_function(const Callable *c, const Expr *e, int i) {
    if (c->kind == CALL_BUILTIN)
        return c->builtin->function_first && i == 0 && !e->names[0];
    const FuncDecl *f = decl_of(c);
    int position = 0;
    for (int k = 0; f && k < f->n_inputs; k++) {
        const Input *in = &f->inputs[k];
        if (e->names[i] ? !strcmp(in->name, e->names[i])
                        : !is_fixed(c, in->name) && position++ == i)
            return in->type->kind == TYPE_FUNCTION;
    }
    return false;
}

static Args eval_args(Cx *cx, const Callable *c, const Expr *e) {
    Arena *a = cx->e->a;
    Args args = {.loc = e->loc,
                 .n = e->n,
                 .values = arena_array(a, Value *, e->n),
                 .names = e->names,
                 .locs = arena_array(a, Loc, e->n)};
    for (int i = 0; i < e->n; i++) {
        args.locs[i] = e->args[i]->loc;
        args.values[i] = c && wants_function(c, e, i) ? elab_function(cx, e->args[i])
                                                      : elab_expr(cx, e->args[i]);
        Value *v = args.values[i];

        // the text of an expression without a name tells what is meant
        if (!v->name && !v->expr && v->kind == VALUE_TENSOR) {
            args.values[i] = value_copy(a, v);
            args.values[i]->expr = e->args[i];
        }
    }
    return args;
}

Value *elab_call(Cx *cx, const Expr *e) {
    Value *f = callee(cx, e->base, true);
    if (f->kind != VALUE_FUNCTION) {
        eval_args(cx, NULL, e);
        return value_poison();
    }
    Args args = eval_args(cx, f->callable, e);
    Value *v = elab_apply(cx, f->callable, &args);
    if (v->kind == VALUE_TENSOR && !v->name && !v->expr) {
        v = value_copy(cx->e->a, v);
        v->expr = e;
        v->loc = e->loc;
    }
    return v;
}

// f(x) where a function is expected: functions give values.
static Value *called_too_early(Cx *cx, const Callable *f, const Expr *e) {
    elab_error(cx, e->loc, E_wrong_kind,
               "a function was expected, and this calls '%s' with an argument by position",
               f->name);
    const FuncDecl *decl = decl_of(f);
    const char *input = decl && decl->n_inputs ? decl->inputs[decl->n_inputs - 1].name : "x";
    elab_note(cx, e->loc,
              "without brackets '%s' is the function; %s(%s=..) fixes an argument by its name",
              f->name, f->name, input);
    return elab_poison(cx);
}

// f(a=x, b=y) where a function is expected.
static Value *partial(Cx *cx, const Expr *e) {
    Value *f = callee(cx, e->base, true);
    if (f->kind != VALUE_FUNCTION) {
        eval_args(cx, NULL, e);
        return f;
    }
    const Callable *of = f->callable;
    bool all_named = e->n > 0;
    for (int i = 0; i < e->n; i++)
        all_named = all_named && e->names[i];
    if (of->kind == CALL_BUILTIN || of->kind == CALL_LAYER || !all_named) {
        if (of->kind == CALL_USER || of->kind == CALL_APPLY)
            return called_too_early(cx, of, e);
        Value *v = elab_call(cx, e);
        return is_callable(v) ? as_function(cx, v) : not_callable(cx, e, v, false);
    }
    Args args = eval_args(cx, of, e);
    Callable c = *of;
    int n = of->n_fixed + e->n;
    c.fixed_names = arena_array(cx->e->a, const char *, n);
    c.fixed = arena_array(cx->e->a, Value *, n);
    c.fixed_locs = arena_array(cx->e->a, Loc, n);
    for (int i = 0; i < n; i++) {
        bool old = i < of->n_fixed;
        c.fixed_names[i] = old ? of->fixed_names[i] : e->names[i - of->n_fixed];
        c.fixed[i] = old ? of->fixed[i] : args.values[i - of->n_fixed];
        c.fixed_locs[i] = old ? of->fixed_locs[i] : e->name_locs[i - of->n_fixed];
    }
    c.n_fixed = n;
    return value_function(cx->e->a, &c);
}

Value *elab_function(Cx *cx, const Expr *e) {
    if (++cx->e->work > ELAB_MAX_WORK)
        return value_poison();
    return e->kind == EXPR_CALL ? partial(cx, e) : callee(cx, e, false);
}
