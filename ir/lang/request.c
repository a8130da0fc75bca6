// ir/lang/request.c -- entries: a function, a program or the initial values as a module of the IR.
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"
#include "ir/lang/grads.h"
#include "ir/lang/signature.h"
#include "ir/lang/structures.h"

Elab *elab_new(LangWorld *w, Diag *d) {
    Elab *e = arena_new(w->a, Elab);
    IrModule *m = arena_new(w->a, IrModule);
    m->arena = w->a;
    m->dims = arena_new(w->a, IrDims);
    m->dims->arena = w->a;
    *e = (Elab){.w = w, .d = d, .a = w->a, .module = m};
    return e;
}

Cx elab_cx(Elab *e, Fn *fn, LangInstance *in) {
    return (Cx){.e = e, .fn = fn, .frame = fn->base, .instance = in, .path = ""};
}

// ---- inputs -------------------------------------------------------------------------------------

static Value *input_leaf(Cx *cx, IrType type, const char *path, Loc loc, void *data) {
    const FuncDecl *f = data;
    IrSlot slot = {.name = path, .role = IR_ROLE_INPUT, .target = -1};
    Value *v = frame_value(cx, ir_add_input(cx->fn->ir, type, slot, loc), NULL, loc);
    if (v->kind == VALUE_TENSOR) {
        v->name = path;
        v->from = arena_printf(cx->e->a, "from inputs of '%s'", f->name);
    }
    return v;
}

// Arguments that have no default are poison when a function is only checked.
static bool open_arguments(Cx *cx, FuncDecl *f, bool poison) {
    int n = f->arguments.n;
    Value **given = arena_array(cx->e->a, Value *, n);
    Loc *locs = arena_array(cx->e->a, Loc, n);
    if (!poison)
        return elab_bind_arguments(cx, cx, &f->arguments, given, locs, f->name, f->loc);
    for (int i = 0; i < n; i++)
        scope_put(cx, cx->scope, f->arguments.items[i].name, f->arguments.items[i].loc,
                  value_poison());
    return true;
}

bool entry_open(Cx *cx, FuncDecl *f, Scope **scope, bool poison) {
    Elab *e = cx->e;
    cx->scope = scope_new(cx, NULL, NULL);
    if (!open_arguments(cx, f, poison))
        return false;
    Cx *at = arena_new(e->a, Cx);
    *at = *cx;
    Signature *s = arena_new(e->a, Signature);
    *s = signature_open(at, at, f, f->loc);
    s->entry = true;

    bool good = true;
    *scope = scope_new(cx, s->scope, f->name);
    for (int i = 0; i < f->n_inputs; i++) {
        const Input *in = &f->inputs[i];
        Value *v = signature_make(s, in->type, in->name, input_leaf, f);
        good = good && !value_has_poison(v);
        if (value_has_poison(v))
            v = value_poison();
        scope_put(cx, *scope, in->name, in->loc, v);
    }
    for (int i = 0; i < f->dims.n; i++)
        good = signature_dim(s, f->dims.items[i].name, f->dims.items[i].loc) && good;
    cx->scope = s->scope;
    cx->dims = s;
    return good || poison || e->checking;
}

void entry_outputs(Cx *cx, const Value *v, const char *prefix, IrRole role) {
    int n = value_count_leaves(v);
    Value **leaves = arena_array(cx->e->a, Value *, n);
    const char **paths = arena_array(cx->e->a, const char *, n);
    value_leaves(v, leaves);
    value_paths(cx->e->a, v, prefix, paths);
    for (int i = 0; i < n; i++) {
        bool known = false;
        for (int k = 0; k < cx->fn->ir->body->n_results; k++)
            known = known || (cx->fn->ir->outputs[k].role == role &&
                              !strcmp(cx->fn->ir->outputs[k].name, paths[i]));
        if (known)
            continue;
        IrSlot slot = {.name = paths[i], .role = role, .target = -1};
        ir_add_output(cx->fn->ir, frame_use(cx, leaves[i]), slot);
    }
}

// ---- functions ----------------------------------------------------------------------------------

// The value at a dotted path below the nodes and inputs in `scope`; NULL when there is none.
static Value *find_path(Cx *cx, const char *path, Loc loc) {
    char *copy = arena_strdup(cx->e->a, path), *rest = NULL;
    Value *v = NULL;
    for (char *part = strtok_r(copy, ".", &rest); part; part = strtok_r(NULL, ".", &rest)) {
        v = v ? (v->kind == VALUE_RECORD ? value_field(v, part) : NULL) : scope_find(cx, part, loc);
        if (!v || v->kind == VALUE_POISON)
            return v;
    }
    return v;
}

static Value *more_output(Cx *cx, const FuncDecl *f, const char *path, Scope *nodes) {
    Value *v = find_path(cx, path, f->loc);
    if (v)
        return elab_tensors(cx, v, "an output", f->loc);
    elab_error(cx, f->loc, E_unknown_name, "'%s' has no output and no node '%s'", f->name, path);
    const char **names = arena_array(cx->e->a, const char *, nodes->n);
    for (int i = 0; i < nodes->n; i++)
        names[i] = nodes->bindings[i]->name;
    diag_did_you_mean(cx->e->d, f->loc, path, names, nodes->n);
    return elab_poison(cx);
}

static Slot *find_param(LangWorld *w, const char *name) {
    for (int i = 0; i < w->n_instances; i++) {
        const Value *all = params_of(w->instances[i]);
        int n = value_count_leaves(all);
        Value **leaves = arena_array(w->a, Value *, n);
        value_leaves(all, leaves);
        for (int k = 0; k < n; k++) {
            if (!strcmp(leaves[k]->slot->name, name))
                return leaves[k]->slot;
        }
    }
    return NULL;
}

// Slots to differentiate by: those asked for, or the first `n_used` that are parameters.
static Value **wrt_slots(Cx *cx, const LangRequest *r, int n_used, const FuncDecl *f, int *n) {
    Arena *a = cx->e->a;
    IrDims *ds = cx->e->module->dims;
    *n = 0;
    if (!r->wrt) {
        Value **all = arena_array(a, Value *, n_used);
        for (int i = 0; i < n_used; i++) {
            if (cx->fn->used[i]->role == IR_ROLE_PARAM)
                all[(*n)++] = value_slot(a, ds, cx->fn->used[i]);
        }
        return all;
    }
    Value **all = arena_array(a, Value *, r->n_wrt);
    for (int i = 0; i < r->n_wrt; i++) {
        Slot *slot = find_param(cx->e->w, r->wrt[i]);
        if (slot) {
            all[(*n)++] = value_slot(a, ds, slot);
            continue;
        }
        elab_error(cx, f->loc, E_unknown_name, "no parameter is called '%s'", r->wrt[i]);
        elab_poison(cx);
    }
    return all;
}

// The output that a gradient is asked of.
static Value *grad_output(Cx *in, const FuncDecl *f, Value *v, const char *name) {
    Value *of = v;
    if (v->kind == VALUE_RECORD) {
        char *path = arena_strdup(in->e->a, name), *rest = NULL;
        for (char *part = strtok_r(path, ".", &rest); of && part; part = strtok_r(NULL, ".", &rest))
            of = of->kind == VALUE_RECORD ? value_field(of, part) : NULL;
    } else if (strcmp(name, "out")) {
        of = NULL;
    }
    if (of)
        return elab_grad_scalar(in, of, f->loc);
    elab_error(in, f->loc, E_unknown_name, "'%s' has no output '%s'", f->name, name);
    if (v->kind == VALUE_RECORD)
        diag_did_you_mean(in->e->d, f->loc, name, v->names, v->n);
    else
        elab_note(in, f->loc, "its output is no record, and is called 'out'");
    return elab_poison(in);
}

// False when there were errors, of now or before.
static bool entry_function(Elab *e, LangInstance *in, FuncDecl *f, const LangRequest *r,
                           bool poison) {
    Arena *a = e->a;
    Fn *fn = fn_new(e, path_join(a, in->name ? in->name : "", f->name), f->loc);
    Cx cx = elab_cx(e, fn, in);
    Scope *scope;
    if (!entry_open(&cx, f, &scope, poison))
        return false;
    cx.dims = NULL;
    Cx body = cx;
    if (r->grad)
        body.frame = frame_new(&cx);
    body.scope = scope_new(&cx, scope, f->name);
    scope_put_fields(&body, body.scope, &f->nodes);
    Value *v = f->output ? elab_form(&body, f->output) : value_record(a, 0, NULL, NULL);
    if (v->kind == VALUE_NOTHING) {
        elab_error(&body, f->output->loc, E_wrong_kind, "the output of '%s' is nothing", f->name);
        v = elab_poison(&body);
    }
    if (v->kind != VALUE_POISON)
        v = elab_tensors(&body, v, "an output", f->output ? f->output->loc : f->loc);
    Value **more = arena_array(a, Value *, r->n_more_outputs);
    bool good = !value_has_poison(v);
    for (int i = 0; i < r->n_more_outputs; i++) {
        more[i] = more_output(&body, f, r->more_outputs[i], body.scope);
        good = good && !value_has_poison(more[i]);
    }
    Value *scalar = r->grad && good ? grad_output(&body, f, v, r->grad) : NULL;
    int n_used = fn->n_used, n_wrt = 0, first = 1;
    scope_finish(&body, body.scope, true);
    good = good && (!r->grad || (scalar && !value_has_poison(scalar)));
    if (!good || poison)
        return false;

    if (r->grad) {
        Value **wrt = wrt_slots(&cx, r, n_used, f, &n_wrt);
        elab_grad_results(&body, scalar);
        elab_grad_results(&body, v);
        for (int i = 0; i < r->n_more_outputs; i++)
            elab_grad_results(&body, more[i]);
        IrNode *node = elab_grad_by_slots(&cx, &body, n_wrt, wrt, f->loc);
        v = elab_results(&cx, node, v, &first, f->loc);
        for (int i = 0; i < r->n_more_outputs; i++)
            more[i] = elab_results(&cx, node, more[i], &first, f->loc);
        entry_outputs(&cx, v, v->kind == VALUE_RECORD ? "" : "out", IR_ROLE_OUT);
        for (int i = 0; i < r->n_more_outputs; i++)
            entry_outputs(&cx, more[i], r->more_outputs[i], IR_ROLE_OUT);
        for (int i = 0; i < n_wrt; i++) {
            Value *g = elab_results(&cx, node, wrt[i], &first, f->loc);
            entry_outputs(&cx, g, wrt[i]->slot->name, IR_ROLE_GRAD);
        }
    } else {
        entry_outputs(&cx, v, v->kind == VALUE_RECORD ? "" : "out", IR_ROLE_OUT);
        for (int i = 0; i < r->n_more_outputs; i++)
            entry_outputs(&cx, more[i], r->more_outputs[i], IR_ROLE_OUT);
    }
    fn_finish(fn);
    arena_push(a, e->module->functions, e->module->n, e->module->cap, fn->ir);
    return true;
}

static bool entry_program(Elab *e, LangInstance *in, ProgramDecl *p) {
    e->is_program = true;
    Fn *fn = fn_new(e, path_join(e->a, in->name ? in->name : "", p->name), p->loc);
    Cx cx = elab_cx(e, fn, in);
    Scope *scope;
    if (!entry_open(&cx, p->body, &scope, false) || !elab_program(&cx, p, scope))
        return false;
    fn_finish(fn);
    arena_push(e->a, e->module->functions, e->module->n, e->module->cap, fn->ir);
    return true;
}

static bool entry_initial(Elab *e, LangInstance *in) {
    Fn *fn = fn_new(e, "initial", (Loc){0});
    fn->initial = true;
    Cx cx = elab_cx(e, fn, in);
    if (!elab_initial(&cx))
        return false;
    fn_finish(fn);
    arena_push(e->a, e->module->functions, e->module->n, e->module->cap, fn->ir);
    return true;
}

// ---- the module ---------------------------------------------------------------------------------

static void mark_callee(IrNode *n, IrBlock *in, void *data) {
    (void)in;
    if (n->op == IR_OP_call)
        map_put(data, n->callee->arena, n->callee->name, n->callee);
}

// Drops functions that only unused nodes called. Callees stand before their callers.
static void drop_unreached(IrModule *m) {
    Map reached = {0};
    int kept = 0;
    for (int i = m->n - 1; i >= 0; i--) {
        if (i < m->n - 1 && !map_has(&reached, m->functions[i]->name)) {
            m->functions[i] = NULL;
            continue;
        }
        ir_walk(m->functions[i]->body, mark_callee, &reached);
    }
    for (int i = 0; i < m->n; i++) {
        if (m->functions[i])
            m->functions[kept++] = m->functions[i];
    }
    m->n = kept;
}

static LangInstance *find_instance(LangWorld *w, const char *name) {
    return map_get(&w->by_name, name ? name : "");
}

static void no_such_entry(LangWorld *w, Diag *d, LangInstance *in, const char *name) {
    diag_error(d, in->file->loc, E_unknown_function, "'%s' has no function or program '%s'",
               in->file->name, name);
    const LangFile *f = in->file;
    const char **names = arena_array(w->a, const char *, f->n_functions + f->n_programs);
    int n = 0;
    for (int i = 0; i < f->n_functions; i++)
        names[n++] = f->functions[i]->name;
    for (int i = 0; i < f->n_programs; i++)
        names[n++] = f->programs[i]->name;
    diag_did_you_mean(d, in->file->loc, name, names, n);
}

IrModule *lang_elaborate(LangWorld *w, Diag *d, const LangRequest *r) {
    int before = d->n_errors;
    w->d = d;
    LangInstance *in = find_instance(w, r->instance);
    if (!in) {
        const char *const *names;
        int n = lang_instances(w, &names);
        if (r->instance && *r->instance) {
            diag_error(d, (Loc){0}, E_unknown_name, "no instance is called '%s'", r->instance);
            diag_did_you_mean(d, (Loc){0}, r->instance, names, n);
            return NULL;
        }
        in = w->n_instances ? w->instances[0] : NULL; // initial values need no entry
        if (!in || r->name) {
            diag_error(d, (Loc){0}, E_unknown_name, "the world has no entry file");
            return NULL;
        }
    }
    Elab *e = elab_new(w, d);
    FuncDecl *f = r->name ? world_function(in, r->name) : NULL;
    ProgramDecl *p = r->name ? decl_program(in->file, r->name) : NULL;
    bool good = false;
    if (!r->name)
        good = entry_initial(e, in);
    else if (f && signature_is_generic(f))
        diag_error(d, f->loc, E_arguments,
                   "'%s' takes values of any type and cannot be compiled alone", f->name);
    else if (f)
        good = entry_function(e, in, f, r, false);
    else if (p)
        good = entry_program(e, in, p);
    else
        no_such_entry(w, d, in, r->name);
    if (d->n_errors > before)
        return NULL;
    if (!good) {
        if (!d->n_errors)
            diag_error(d, in->file->loc, E_wrong_kind, "'%s' has errors that were told before",
                       in->file->name);
        return NULL;
    }
    drop_unreached(e->module);
    return e->module;
}

// ---- checking everything ------------------------------------------------------------------------

static Elab *check_elab(LangWorld *w, Diag *d) {
    Elab *e = elab_new(w, d);
    e->checking = true;
    return e;
}

int lang_open_dims(LangWorld *w, const char *name, const char *const **dims) {
    const LangRequest none = {0};
    LangInstance *in = find_instance(w, "");
    FuncDecl *f = in ? world_function(in, name) : NULL;
    Diag quiet = {0}, *told = w->d;
    int n = 0;

    if (!f || signature_is_generic(f))
        return 0;
    w->d = &quiet;
    Elab *e = check_elab(w, &quiet);
    entry_function(e, in, f, &none, false);
    const IrDims *ds = e->module->dims;
    const char **names = arena_array(w->a, const char *, ds->n_vars + 1);
    for (int i = 0; i < ds->n_vars; i++)
        if (ds->vars[i]->max == ELAB_LENIENT_MAX)
            names[n++] = ds->vars[i]->name;
    w->d = told;
    diag_free(&quiet);
    *dims = names;
    return n;
}

static void check_instance(LangWorld *w, Diag *d, LangInstance *in) {
    const LangRequest none = {0};
    const LangFile *file = in->file;
    for (int i = 0; i < file->n_functions; i++) {
        FuncDecl *f = file->functions[i];
        if (!f->output)
            continue;
        bool generic = signature_is_generic(f);
        entry_function(check_elab(w, d), in, f, &none, generic);
    }
    for (int i = 0; i < file->n_layers; i++) {
        Elab *e = check_elab(w, d);
        Cx cx = elab_cx(e, fn_new(e, file->layers[i]->name, file->layers[i]->loc), in);
        params_check_layer(&cx, file->layers[i]);
    }
    for (int i = 0; i < file->n_programs; i++) {
        if (!file->is_interface)
            entry_program(check_elab(w, d), in, file->programs[i]);
    }
}

void lang_check(LangWorld *w, Diag *d, bool all) {
    w->d = d;
    for (int i = 0; i < w->n_instances; i++) {
        if (all || !*w->instances[i]->name)
            check_instance(w, d, w->instances[i]);
    }
    LangInstance *entry = find_instance(w, "");
    if (entry || w->n_instances)
        entry_initial(check_elab(w, d), entry ? entry : w->instances[0]);
}
