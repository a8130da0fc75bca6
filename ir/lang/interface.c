// ir/lang/interface.c -- whether a module has what its interfaces demand.
//
// The signature of the interface is taken for the arguments of a call, and that of the module is
// matched against them: so a module may be more general than its interface, never less.
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"

static Value *placeholder(Cx *cx, IrType type, const char *path, Loc loc, void *data) {
    (void)data;
    IrSlot slot = {.name = path, .role = IR_ROLE_INPUT, .target = -1};
    Value *v = frame_value(cx, ir_add_input(cx->fn->ir, type, slot, loc), NULL, loc);
    if (v->kind == VALUE_TENSOR) {
        v->name = path;
        v->from = "by the interface";
    }
    return v;
}

// The first error of `quiet` as a misfit with the interface's declaration at `loc`.
static void report(LangWorld *w, const Diag *quiet, const char *format, const char *own,
                   const LangFile *interface, Loc loc) {
    const DiagMessage *first = NULL;
    for (int i = quiet->n - 1; i >= 0; i--) {
        if (!quiet->messages[i].is_note)
            first = &quiet->messages[i];
    }
    if (!first)
        return;
    char *text = arena_printf(w->a, "%s: %s", format, first->text);
    diag_error(w->d, first->loc, E_interface_misfit, "'%s' %s", own, text);
    diag_note(w->d, loc, "'%s' of the interface '%s' is declared here", own, interface->name);
}

static bool has_input(const FuncDecl *f, const char *name) {
    for (int i = 0; i < f->n_inputs; i++) {
        if (!strcmp(f->inputs[i].name, name))
            return true;
    }
    return false;
}

static bool same_inputs(LangWorld *w, const LangFile *interface, const FuncDecl *demanded,
                        const FuncDecl *own) {
    int n = demanded->n_inputs > own->n_inputs ? demanded->n_inputs : own->n_inputs;
    for (int i = 0; i < n; i++) {
        const char *want = i < demanded->n_inputs ? demanded->inputs[i].name : NULL;
        const char *have = i < own->n_inputs ? own->inputs[i].name : NULL;
        if (want && have && !strcmp(want, have))
            continue;
        Loc loc = have ? own->inputs[i].loc : own->loc;
        bool reordered = want && have && demanded->n_inputs == own->n_inputs;
        for (int k = 0; k < own->n_inputs && reordered; k++)
            reordered = has_input(demanded, own->inputs[k].name);
        if (reordered)
            diag_error(w->d, loc, E_interface_misfit,
                       "'%s' has the inputs of the interface '%s' in another order: input %d is "
                       "'%s' here, and '%s' there",
                       own->name, interface->name, i + 1, have, want);
        else if (want && have)
            diag_error(w->d, loc, E_interface_misfit,
                       "input %d of '%s' is '%s', and '%s' in the interface '%s'", i + 1, own->name,
                       have, want, interface->name);
        else if (want)
            diag_error(w->d, loc, E_interface_misfit,
                       "'%s' lacks the input '%s' of the interface '%s'", own->name, want,
                       interface->name);
        else
            diag_error(w->d, loc, E_interface_misfit,
                       "the interface '%s' has no input '%s' of '%s'", interface->name, have,
                       own->name);
        diag_note(w->d, demanded->loc, "'%s' of '%s' is declared here", demanded->name,
                  interface->name);
        return false;
    }
    return true;
}

// The arguments that the interface would give, made in `cx`; false when they cannot be told.
static bool demanded_inputs(Cx *cx, FuncDecl *demanded, Value **values, Map *dims) {
    Cx *at = arena_new(cx->e->a, Cx);
    *at = *cx;
    at->scope = scope_new(cx, NULL, NULL);
    Signature s = signature_open(at, at, demanded, demanded->loc);
    s.entry = true;
    for (int i = 0; i < demanded->n_inputs; i++) {
        const Input *in = &demanded->inputs[i];
        values[i] = signature_make(&s, in->type, in->name, placeholder, NULL);
        if (value_has_poison(values[i]))
            return false;
    }
    for (int i = 0; i < demanded->dims.n; i++) {
        if (!signature_dim(&s, demanded->dims.items[i].name, demanded->dims.items[i].loc))
            return false;
    }
    *dims = s.dims;
    return true;
}

static Signature match_inputs(Cx *cx, FuncDecl *own, Value **values, const Map *dims, bool *good) {
    Cx *at = arena_new(cx->e->a, Cx);
    *at = *cx;
    at->scope = scope_new(cx, NULL, NULL);
    for (int i = 0; i < own->arguments.n; i++)
        scope_put(at, at->scope, own->arguments.items[i].name, own->arguments.items[i].loc,
                  value_poison());
    Signature s = signature_open(at, at, own, own->loc);
    for (int i = 0; i < own->dims.n; i++) {
        IrDim *d = map_get(dims, own->dims.items[i].name);
        if (d)
            signature_put_dim(&s, own->dims.items[i].name, own->dims.items[i].loc, d);
    }
    for (int i = 0; i < own->n_inputs; i++)
        signature_bind(&s, own->inputs[i].type, values[i]);
    for (int i = 0; i < own->n_inputs; i++) {
        Value *v = signature_check(&s, own->inputs[i].type, values[i], own->inputs[i].name,
                                   own->inputs[i].type->loc);
        *good = *good && !value_has_poison(v);
    }
    return s;
}

// What `own` gives for these arguments against the output that the interface states.
static void check_output(LangWorld *w, Cx *cx, const LangFile *interface, FuncDecl *demanded,
                         FuncDecl *own, Value **values, const Map *dims) {
    Diag quiet = {0};
    cx->e->d = &quiet;
    int n = own->n_inputs, n_dims = 0;
    Args args = {.loc = own->loc};
    args.values = arena_array(w->a, Value *, n + own->dims.n);
    args.names = arena_array(w->a, const char *, n + own->dims.n);
    args.locs = arena_array(w->a, Loc, n + own->dims.n);
    for (int i = 0; i < n; i++)
        args.values[i] = values[i];
    for (int i = 0; i < own->dims.n; i++) {
        IrDim *d = map_get(dims, own->dims.items[i].name);
        if (!d)
            continue;
        args.names[n + n_dims] = own->dims.items[i].name;
        args.values[n + n_dims++] = value_dim(w->a, d);
    }
    args.n = n + n_dims;
    Callable f = {.kind = CALL_USER, .name = own->name, .instance = cx->instance, .function = own};
    Value *result = elab_apply(cx, &f, &args);
    if (!value_has_poison(result)) {
        Cx *at = arena_new(w->a, Cx);
        *at = *cx;
        at->scope = scope_new(cx, NULL, NULL);
        Signature s = signature_open(at, at, demanded, own->loc);
        for (int i = 0; i < dims->n; i++)
            signature_put_dim(&s, dims->entries[i].key, own->loc, dims->entries[i].value);
        signature_bind(&s, demanded->output_type, result);
        Loc loc = own->output ? own->output->loc : own->loc;
        signature_check(&s, demanded->output_type, result, "output", loc);
        report(w, &quiet, "does not give what its interface states", own->name, interface,
               demanded->output_type->loc);
    }
    diag_free(&quiet);
}

static void check_function(LangWorld *w, LangInstance *in, const LangFile *interface,
                           FuncDecl *demanded, FuncDecl *own, bool is_program) {
    if (own == demanded || !same_inputs(w, interface, demanded, own))
        return;
    for (int i = 0; i < own->arguments.n; i++) {
        if (own->arguments.items[i].value)
            continue;
        diag_error(w->d, own->arguments.items[i].loc, E_interface_misfit,
                   "the interface '%s' gives no argument '%s' to '%s'", interface->name,
                   own->arguments.items[i].name, own->name);
        return;
    }
    Elab *e = elab_new(w, w->d);
    e->lenient = e->checking = true;
    Cx cx = elab_cx(e, fn_new(e, own->name, own->loc), in);
    Value **values = arena_array(w->a, Value *, own->n_inputs);
    Map dims = {0};
    if (!demanded_inputs(&cx, demanded, values, &dims))
        return;
    Diag quiet = {0};
    bool good = true;
    e->d = &quiet;
    match_inputs(&cx, own, values, &dims, &good);
    e->d = w->d;
    report(w, &quiet, "does not take what its interface gives", own->name, interface,
           demanded->loc);
    diag_free(&quiet);
    if (good && !is_program && demanded->output_type)
        check_output(w, &cx, interface, demanded, own, values, &dims);
}

static void lacks(LangWorld *w, const LangInstance *in, const LangFile *interface, const char *what,
                  const FuncDecl *demanded) {
    diag_error(w->d, in->file->loc, E_not_implemented_by,
               "'%s' lacks the %s '%s' of its interface '%s'", in->file->name, what, demanded->name,
               interface->name);
    diag_note(w->d, demanded->loc, "it is declared here");
}

void interface_check(LangWorld *w, LangInstance *in) {
    for (int i = 0; i < in->file->n_implements; i++) {
        const LangFile *interface = in->file->implements[i].file;
        for (int k = 0; interface && k < interface->n_functions; k++) {
            FuncDecl *demanded = interface->functions[k];
            FuncDecl *own = world_function(in, demanded->name);
            if (own)
                check_function(w, in, interface, demanded, own, false);
            else
                lacks(w, in, interface, "function", demanded);
        }
        for (int k = 0; interface && k < interface->n_programs; k++) {
            FuncDecl *demanded = interface->programs[k]->body;
            ProgramDecl *own = decl_program(in->file, demanded->name);
            if (own)
                check_function(w, in, interface, demanded, own->body, true);
            else
                lacks(w, in, interface, "program", demanded);
        }
    }
}
