// ir/lang/calls.c -- applying functions to values.
//
// A function of a module becomes an IR function (special.c), and the call a node. Functions of
// libraries and layers are elaborated where they are called. Both bind their names the same way.
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"

// ---- sorting arguments --------------------------------------------------------------------------

// Arguments of a call sorted by the declaration; what was not given is NULL.
typedef struct Bound {
    Value **inputs;
    Loc *input_locs;
    Value **arguments;
    Loc *argument_locs;
    Value **dims; // as f->dims
    Loc *dim_locs;
    bool good;
} Bound;

// What a function takes: inputs by position or name, and what is given by name alone.
static void note_inputs(Cx *cx, const FuncDecl *f) {
    Buf b = {0};
    for (int i = 0; i < f->n_inputs; i++)
        buf_printf(&b, "%s%s", i ? ", " : "", f->inputs[i].name);
    if (!f->n_inputs)
        buf_puts(&b, "no inputs");
    for (int i = 0; i < f->arguments.n; i++)
        buf_printf(&b, "%s%s", i ? ", " : "; by name ", f->arguments.items[i].name);
    for (int i = 0; i < f->dims.n; i++)
        buf_printf(&b, "%s%s", i + f->arguments.n ? ", " : "; by name ", f->dims.items[i].name);
    elab_note(cx, f->loc, "'%s' takes %s", f->name, buf_text(&b));
    buf_free(&b);
}

static bool put_named(Cx *cx, const FuncDecl *f, Bound *b, const char *name, Value *v, Loc loc) {
    Value **slot = NULL;
    Loc *at = NULL;
    for (int i = 0; i < f->n_inputs; i++) {
        if (!strcmp(f->inputs[i].name, name))
            slot = &b->inputs[i], at = &b->input_locs[i];
    }
    for (int i = 0; i < f->arguments.n; i++) {
        if (!strcmp(f->arguments.items[i].name, name))
            slot = &b->arguments[i], at = &b->argument_locs[i];
    }
    for (int i = 0; i < f->dims.n; i++) {
        if (!strcmp(f->dims.items[i].name, name))
            slot = &b->dims[i], at = &b->dim_locs[i];
    }
    if (slot && !*slot) {
        *slot = v;
        *at = loc;
        return true;
    }
    if (slot) {
        elab_error(cx, loc, E_arguments, "'%s' of '%s' is given twice", name, f->name);
    } else {
        elab_error(cx, loc, E_arguments, "'%s' has no input, argument or dim '%s'", f->name, name);
        const char **names =
            arena_array(cx->e->a, const char *, f->n_inputs + f->arguments.n + f->dims.n);
        int n = 0;
        for (int i = 0; i < f->n_inputs; i++)
            names[n++] = f->inputs[i].name;
        for (int i = 0; i < f->arguments.n; i++)
            names[n++] = f->arguments.items[i].name;
        for (int i = 0; i < f->dims.n; i++)
            names[n++] = f->dims.items[i].name;
        diag_did_you_mean(cx->e->d, loc, name, names, n);
        note_inputs(cx, f);
    }
    elab_poison(cx);
    return false;
}

static Bound bind_args(Cx *cx, const FuncDecl *f, const Callable *c, const Args *args) {
    Arena *a = cx->e->a;
    Bound b = {.inputs = arena_array(a, Value *, f->n_inputs),
               .input_locs = arena_array(a, Loc, f->n_inputs),
               .arguments = arena_array(a, Value *, f->arguments.n),
               .argument_locs = arena_array(a, Loc, f->arguments.n),
               .dims = arena_array(a, Value *, f->dims.n),
               .dim_locs = arena_array(a, Loc, f->dims.n),
               .good = true};
    for (int i = 0; i < c->n_fixed; i++)
        b.good = put_named(cx, f, &b, c->fixed_names[i], c->fixed[i], c->fixed_locs[i]) && b.good;

    int next = 0;
    for (int i = 0; i < args->n; i++) {
        if (args->names && args->names[i]) {
            b.good = put_named(cx, f, &b, args->names[i], args->values[i], args->locs[i]) && b.good;
            continue;
        }
        while (next < f->n_inputs && b.inputs[next])
            next++;
        if (next < f->n_inputs) {
            b.input_locs[next] = args->locs[i];
            b.inputs[next++] = args->values[i];
            continue;
        }
        elab_error(cx, args->locs[i], E_arguments, "'%s' takes %d input%s, and this is one more",
                   f->name, f->n_inputs, f->n_inputs == 1 ? "" : "s");
        note_inputs(cx, f);
        elab_poison(cx);
        b.good = false;
        break;
    }
    for (int i = 0; i < f->n_inputs && b.good; i++) {
        if (b.inputs[i])
            continue;
        elab_error(cx, args->loc, E_arguments, "'%s' lacks its input '%s'", f->name,
                   f->inputs[i].name);
        note_inputs(cx, f);
        elab_poison(cx);
        b.good = false;
    }
    return b;
}

// ---- arguments fixed at compile time ------------------------------------------------------------

bool elab_bind_arguments(Cx *cx, Cx *at, const Arguments *all, Value **given, const Loc *locs,
                         const char *function, Loc loc) {
    for (int i = 0; i < all->n; i++) {
        const Argument *arg = &all->items[i];
        Value *standard = arg->value ? elab_form(at, arg->value) : NULL;
        if (!given[i])
            given[i] = standard;
        if (!given[i]) {
            elab_error(cx, loc, E_arguments, "'%s' lacks its argument '%s'", function, arg->name);
            elab_note(cx, arg->loc, "it is declared here");
            elab_poison(cx);
            return false;
        }
        const Value *v = given[i];
        if (v->kind == VALUE_POISON)
            return false;
        bool is_size = v->kind == VALUE_DIM || v->kind == VALUE_INT;
        if (arg->must_be_size ? !is_size : !value_is_static(v) && !is_size) {
            elab_error(cx, locs[i], E_not_static, "'%s' of '%s' is %s, and this is %s", arg->name,
                       function, arg->must_be_size ? "a size" : "known at compile time",
                       elab_describe(cx, v));
            elab_note(cx, arg->loc, "it is declared here");
            elab_note_not_static(cx, v, NULL);
            elab_poison(cx);
            return false;
        }
        if (standard && standard->kind == VALUE_BOOL && v->kind != VALUE_BOOL) {
            elab_error(cx, locs[i], E_wrong_kind, "'%s' of '%s' is true or false, and this is %s",
                       arg->name, function, elab_describe(cx, v));
            elab_poison(cx);
            return false;
        }
        scope_put(at, at->scope, arg->name, arg->loc, given[i]);
    }
    return true;
}

// ---- bodies -------------------------------------------------------------------------------------

Value *elab_body(Cx *cx, FuncDecl *f, Scope *scope, Scope **nodes, bool drop) {
    Cx in = *cx;
    in.scope = scope_new(cx, scope, f->name);
    scope_put_fields(&in, in.scope, &f->nodes);
    if (nodes)
        *nodes = in.scope;
    Value *v = f->output ? elab_form(&in, f->output) : value_record(cx->e->a, 0, NULL, NULL);
    if (v->kind == VALUE_NOTHING) {
        elab_error(cx, f->output->loc, E_wrong_kind, "the output of '%s' is nothing", f->name);
        v = elab_poison(cx);
    }
    scope_finish(&in, in.scope, drop);
    return v;
}

// A value as an input of `f`: its tensors are known under the input's name.
static Value *as_input(Cx *cx, Value *v, const char *name, const Input *input,
                       const char *function) {
    if (v->kind != VALUE_TENSOR && v->kind != VALUE_RECORD)
        return v;
    Value *copy = value_copy(cx->e->a, v);
    copy->name = name;
    copy->loc = input->type->loc;
    copy->from = arena_printf(cx->e->a, "from inputs of '%s'", function);
    if (v->kind == VALUE_RECORD) {
        copy->items = arena_array(cx->e->a, Value *, v->n);
        for (int i = 0; i < v->n; i++)
            copy->items[i] =
                as_input(cx, v->items[i], path_join(cx->e->a, name, v->names[i]), input, function);
    }
    return copy;
}

static void put_inputs(Cx *cx, FuncDecl *f, Scope *scope, Value **inputs) {
    for (int i = 0; i < f->n_inputs; i++)
        scope_put(cx, scope, f->inputs[i].name, f->inputs[i].loc,
                  as_input(cx, inputs[i], f->inputs[i].name, &f->inputs[i], f->name));
}

static bool enter_call(Cx *cx, const Callable *c, const FuncDecl *f, Loc loc) {
    bool higher = false;
    for (int i = 0; i < f->n_inputs; i++)
        higher = higher || f->inputs[i].type->kind == TYPE_FUNCTION;
    for (const CallSite *s = cx->site; s && !higher; s = s->outer) {
        if (s->function != f || f->layer || s->instance != c->instance)
            continue;
        elab_error(cx, loc, E_recursion, "'%s' calls itself", f->name);
        elab_poison(cx);
        return false;
    }
    if (cx->e->calls >= ELAB_MAX_CALLS) {
        elab_error(cx, loc, E_limit, "calls are nested deeper than %d", ELAB_MAX_CALLS);
        elab_poison(cx);
        return false;
    }
    cx->e->calls++;
    return true;
}

// ---- application --------------------------------------------------------------------------------

// Functions of lib/std given a record work leaf by leaf.
typedef struct StdCall {
    Callable *c;
    const Args *args;
    int *positions; // of the records among the arguments
} StdCall;

static Value *std_leaf(Cx *cx, Value **in, int n, void *data) {
    const StdCall *s = data;
    Args args = *s->args;
    args.values = arena_array(cx->e->a, Value *, args.n);
    for (int i = 0; i < args.n; i++)
        args.values[i] = s->args->values[i];
    for (int i = 0; i < n; i++)
        args.values[s->positions[i]] = in[i];
    return elab_apply(cx, s->c, &args);
}

static Value *std_leafwise(Cx *cx, Callable *c, const Args *args) {
    StdCall s = {.c = c, .args = args, .positions = arena_array(cx->e->a, int, args->n)};
    Value **records = arena_array(cx->e->a, Value *, args->n);
    int n = 0;
    for (int i = 0; i < args->n; i++) {
        if (args->values[i]->kind != VALUE_RECORD)
            continue;
        s.positions[n] = i;
        records[n++] = args->values[i];
    }
    return n ? elab_leafwise(cx, records, n, std_leaf, &s, arena_printf(cx->e->a, "'%s'", c->name),
                             args->loc)
             : NULL;
}

// `at` sees the arguments of `f` and the module it stands in; `b` holds what is given.
static Value *apply_bound(Cx *cx, Cx *at, const Callable *c, FuncDecl *f, Bound *b, Loc loc) {
    Signature s = signature_open(at, cx, f, loc);
    for (int i = 0; i < f->dims.n; i++) {
        if (!b->dims[i])
            continue;
        IrDim *d = elab_size(cx, b->dims[i], b->dim_locs[i],
                             arena_printf(cx->e->a, "'%s'", f->dims.items[i].name));
        if (!d)
            return value_poison();
        signature_put_dim(&s, f->dims.items[i].name, f->dims.items[i].loc, d);
    }
    for (int i = 0; i < f->n_inputs; i++)
        signature_bind(&s, f->inputs[i].type, b->inputs[i]);
    bool good = true;
    for (int i = 0; i < f->n_inputs; i++) {
        b->inputs[i] = signature_check(&s, f->inputs[i].type, b->inputs[i], f->inputs[i].name,
                                       b->input_locs[i]);
        good = good && !value_has_poison(b->inputs[i]);
    }
    for (int i = 0; i < f->dims.n && good; i++)
        good = signature_dim(&s, f->dims.items[i].name, f->dims.items[i].loc) != NULL;
    if (!good || !enter_call(cx, c, f, loc))
        return value_poison();

    CallSite *site = arena_new(cx->e->a, CallSite);
    *site = (CallSite){
        .outer = cx->site, .function = f, .instance = c->instance, .name = f->name, .loc = loc};
    Value *v;
    if (c->kind == CALL_APPLY || c->instance->is_library) {
        Cx in = *at;
        in.site = site;
        Scope *scope = scope_new(&in, s.scope, f->name);
        put_inputs(&in, f, scope, b->inputs);
        v = elab_body(&in, f, scope, NULL, true);
    } else {
        v = elab_special(cx, c, b->inputs, b->arguments, &s, site);
    }
    cx->e->calls--;
    return v;
}

static bool any_poison(const Args *args, const Callable *c) {
    for (int i = 0; i < args->n; i++) {
        if (value_has_poison(args->values[i]))
            return true;
    }
    for (int i = 0; i < c->n_fixed; i++) {
        if (value_has_poison(c->fixed[i]))
            return true;
    }
    return c->record && value_has_poison(c->record);
}

// Where the names of a function's module are seen.
static Cx module_cx(Cx *cx, LangInstance *in) {
    Cx at = *cx;
    at.instance = in;
    at.dims = NULL;
    at.scope = scope_new(cx, NULL, NULL);
    return at;
}

static Value *apply_user(Cx *cx, Callable *c, Args *args) {
    FuncDecl *f = c->function;
    Callable own = *c;
    if (c->instance == cx->e->w->std) {
        Value *v = std_leafwise(cx, c, args);
        if (v)
            return v;
    }
    Bound b = bind_args(cx, f, c, args);
    if (!b.good || any_poison(args, c))
        return value_poison();
    if (!f->output) {
        elab_error(cx, args->loc, E_not_implemented_by,
                   "'%s' has no default and is not implemented", f->name);
        return elab_poison(cx);
    }
    Cx at = module_cx(cx, c->instance);
    if (!elab_bind_arguments(cx, &at, &f->arguments, b.arguments, b.argument_locs, f->name,
                             args->loc))
        return value_poison();
    own.record = c->record ? elab_parameters(cx, c, args->loc) : NULL;
    if (c->record && !own.record)
        return value_poison();
    return apply_bound(cx, &at, &own, f, &b, args->loc);
}

// A record of a layer's kind: its `apply` sees self, its fields and the layer's arguments.
static Value *apply_record(Cx *cx, Callable *c, Args *args) {
    const LayerUse *use = c->record->layer;
    FuncDecl *f = use->decl->apply;
    Bound b = bind_args(cx, f, c, args);
    if (!b.good || any_poison(args, c))
        return value_poison();
    Cx at = module_cx(cx, use->instance);
    for (int i = 0; i < use->decl->arguments.n; i++)
        scope_put(cx, at.scope, use->decl->arguments.items[i].name,
                  use->decl->arguments.items[i].loc, use->arguments[i]);
    at.scope = scope_new(cx, at.scope, NULL);
    scope_put(cx, at.scope, "self", use->decl->loc, c->record);
    for (int i = 0; i < c->record->n; i++)
        scope_put(cx, at.scope, c->record->names[i], use->decl->loc, c->record->items[i]);
    if (!elab_bind_arguments(cx, &at, &f->arguments, b.arguments, b.argument_locs, f->name,
                             args->loc))
        return value_poison();
    return apply_bound(cx, &at, c, f, &b, args->loc);
}

// How a built-in function is called: sum(x, axis=.., keepdims=..).
static void note_builtin(Cx *cx, const Builtin *row, Loc loc) {
    Buf b = {0};
    for (int i = 0; row->keywords[i]; i++)
        buf_printf(&b, ", %s=..", row->keywords[i]);
    elab_note(cx, loc, "it is called as %s(%s%s)", row->name, row->inputs, buf_text(&b));
    buf_free(&b);
}

static Value *apply_builtin(Cx *cx, Callable *c, Args *args) {
    const Builtin *row = c->builtin;
    BuiltinCall call = {.row = row,
                        .loc = args->loc,
                        .in = arena_array(cx->e->a, Value *, args->n),
                        .locs = arena_array(cx->e->a, Loc, args->n),
                        .options = arena_array(cx->e->a, Value *, 3),
                        .option_locs = arena_array(cx->e->a, Loc, 3)};
    for (int i = 0; i < args->n; i++) {
        if (!args->names || !args->names[i]) {
            call.in[call.n] = args->values[i];
            call.locs[call.n++] = args->locs[i];
            continue;
        }
        int k = 0;
        while (row->keywords[k] && strcmp(row->keywords[k], args->names[i]))
            k++;
        if (!row->keywords[k]) {
            elab_error(cx, args->locs[i], E_arguments, "'%s' has no argument '%s'", row->name,
                       args->names[i]);
            diag_did_you_mean(cx->e->d, args->locs[i], args->names[i], row->keywords, k);
            note_builtin(cx, row, args->locs[i]);
            return elab_poison(cx);
        }
        call.options[k] = args->values[i];
        call.option_locs[k] = args->locs[i];
    }
    if (call.n < row->min || (row->max >= 0 && call.n > row->max)) {
        const char *bound = row->max < 0 ? "at least " : row->min < row->max ? "one or " : "";
        int wanted = row->max < 0 ? row->min : row->max;
        elab_error(cx, args->loc, E_arguments, "'%s' takes %s%d argument%s, and here are %d",
                   row->name, bound, wanted, wanted == 1 ? "" : "s", call.n);
        note_builtin(cx, row, args->loc);
        if (call.n == 2 && (row->op == IR_OP_reduce_max || row->op == IR_OP_reduce_min))
            elab_note(cx, args->loc, "of two values, %simum(x, y) takes one by element", row->name);
        return elab_poison(cx);
    }
    if (any_poison(args, c))
        return value_poison();
    return row->make(cx, &call);
}

static Value *apply_kind(Cx *cx, Callable *f, Args *args) {
    switch (f->kind) {
    case CALL_USER:
        return apply_user(cx, f, args);
    case CALL_BUILTIN:
        return apply_builtin(cx, f, args);
    case CALL_APPLY:
        return apply_record(cx, f, args);
    case CALL_LAYER:
        return elab_apply_layer(cx, f, args);
    case CALL_GRAD:
        return elab_apply_grad(cx, f, args);
    case CALL_INIT:
        return elab_apply_init(cx, f, args);
    }
    diag_bug("callable of kind %d", (int)f->kind);
}

Value *elab_apply(Cx *cx, Callable *f, Args *args) {
    if (cx->e->stopped)
        return value_poison();
    return elab_bounded(cx, apply_kind(cx, f, args), args->loc);
}

// ---- types of results ---------------------------------------------------------------------------

Pattern *signature_pattern(Cx *cx, LangInstance *in, FuncDecl *f, Loc loc) {
    LangWorld *w = cx->e->w;
    const char *key = arena_printf(w->a, "%p:%p:%d", (void *)in, (void *)f, cx->e->checking);
    Pattern *p = map_get(&w->patterns, key);
    if (p && p->running) {
        elab_error(cx, loc, E_cycle, "the type of what '%s' gives depends on itself", f->name);
        elab_poison(cx);
        return NULL;
    }
    if (p)
        return p;
    if (cx->e->calls >= ELAB_MAX_CALLS) {
        elab_error(cx, loc, E_limit, "types of results are nested deeper than %d", ELAB_MAX_CALLS);
        elab_poison(cx);
        return NULL;
    }
    Elab *e = elab_new(w, w->d);
    e->lenient = true;
    e->checking = cx->e->checking;
    e->depth = cx->e->depth;
    e->calls = cx->e->calls + 1;
    p = arena_new(w->a, Pattern);
    *p = (Pattern){.dims = e->module->dims, .result = value_poison(), .running = true};
    map_put(&w->patterns, w->a, key, p);
    if (f->output && !signature_is_generic(f)) {
        Fn *fn = fn_new(e, f->name, f->loc);
        Cx at = elab_cx(e, fn, in);
        Scope *scope;
        if (entry_open(&at, f, &scope, false))
            p->result = elab_body(&at, f, scope, NULL, false);
    }
    p->running = false;
    return p;
}
