// ir/lang/scope.c -- what names mean.
#include <stdarg.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"
#include "ir/lang/hints.h"

// ---- errors -------------------------------------------------------------------------------------

// The call from which the way leads into lib/std without leaving it, or NULL. What goes wrong in
// there is a mistake in the call.
static const CallSite *std_call(const Cx *cx) {
    const LangInstance *std = cx->e->w->std;
    const CallSite *s = cx->site;
    if (!std || cx->instance != std || !s)
        return NULL;
    while (s->outer && s->outer->instance == std)
        s = s->outer;
    return s;
}

Value *elab_poison(Cx *cx) {
    int shown = 0;
    const CallSite *std = std_call(cx);
    for (const CallSite *s = std ? std->outer : cx->site; s && shown < 4; s = s->outer, shown++)
        diag_note(cx->e->d, s->loc, "in '%s', called here", s->name);
    return value_poison();
}

void elab_error(Cx *cx, Loc loc, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(cx->e->a, format, args);
    va_end(args);
    const CallSite *std = std_call(cx);
    diag_error(cx->e->d, std ? std->loc : loc, code, "%s", text);
    if (std)
        diag_note(cx->e->d, loc, "in '%s', here", std->name);
}

void elab_note(Cx *cx, Loc loc, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(cx->e->a, format, args);
    va_end(args);
    diag_note(cx->e->d, loc, "%s", text);
}

// The text a buffer holds, owned by the request's arena.
static const char *take_text(Cx *cx, Buf *b) {
    const char *text = arena_strdup(cx->e->a, buf_text(b));
    buf_free(b);
    return text;
}

void elab_note_value(Cx *cx, const Value *v) {
    Buf b = {0};
    if (!v->name && !v->expr && !v->from)
        return;
    if (v->name) {
        buf_printf(&b, "'%s'", v->name);
    } else if (v->expr) {
        Buf text = {0};
        expr_print(&text, v->expr);
        buf_printf(&b, "'%.*s%s'", 60, buf_text(&text), text.len > 60 ? "..." : "");
        buf_free(&text);
    } else {
        buf_puts(&b, "this");
    }
    buf_puts(&b, " is ");
    value_describe(&b, v);
    if (v->from)
        buf_printf(&b, ", %s", v->from);
    elab_note(cx, v->loc, "%s", take_text(cx, &b));
}

// The first setting of the module that `e` names, or NULL.
static const Slot *named_setting(const Cx *cx, const Expr *e) {
    if (!e || !cx->instance)
        return NULL;
    for (int i = 0; e->kind == EXPR_NAME && i < cx->instance->file->n_settings; i++) {
        if (!strcmp(cx->instance->settings[i]->local, e->name))
            return cx->instance->settings[i];
    }
    const Slot *found = named_setting(cx, e->base);
    for (int i = 0; i < e->n && !found; i++)
        found = named_setting(cx, e->args[i]);
    return found;
}

void elab_note_not_static(Cx *cx, const Value *v, const Expr *e) {
    const Slot *s =
        v->slot && v->slot->role == IR_ROLE_SETTING ? v->slot : named_setting(cx, e ? e : v->expr);
    if (s)
        elab_note(cx, s->loc,
                  "'%s' is a setting, given with each call; what is fixed at compile time stands "
                  "under 'options'",
                  s->local);
    else
        elab_note_value(cx, v);
}

const char *elab_describe(Cx *cx, const Value *v) {
    Buf b = {0};
    value_describe(&b, v);
    return take_text(cx, &b);
}

const char *elab_type_text(Cx *cx, const IrType *t) {
    Buf b = {0};
    ir_type_print(&b, t);
    return take_text(cx, &b);
}

const char *elab_dim_text(Cx *cx, const IrDim *d) {
    Buf b = {0};
    ir_dim_print(&b, d);
    return take_text(cx, &b);
}

// ---- scopes -------------------------------------------------------------------------------------

Scope *scope_new(Cx *cx, Scope *outer, const char *what) {
    Scope *s = arena_new(cx->e->a, Scope);
    *s = (Scope){.outer = outer, .what = what};
    return s;
}

static Binding *put(Cx *cx, Scope *s, Binding b) {
    Binding *binding = arena_new(cx->e->a, Binding);
    *binding = b;
    map_put(&s->names, cx->e->a, b.name, binding);
    arena_push(cx->e->a, s->bindings, s->n, s->cap, binding);
    return binding;
}

void scope_put(Cx *cx, Scope *s, const char *name, Loc loc, Value *v) {
    put(cx, s, (Binding){.name = name, .loc = loc, .value = v, .state = BINDING_DONE});
}

void scope_put_fields(Cx *at, Scope *s, const Fields *fields) {
    Cx *kept = arena_new(at->e->a, Cx);
    *kept = *at;
    s->cx = kept;
    for (int i = 0; i < fields->n; i++) {
        const Field *f = &fields->items[i];
        put(at, s,
            (Binding){.name = f->name,
                      .loc = f->loc,
                      .form = f->form,
                      .path = path_join(at->e->a, at->path, f->name)});
    }
}

// A tensor or record under the name of its node, for messages.
static Value *named(Cx *cx, Value *v, const Scope *s, const Binding *b) {
    if (v->name || (v->kind != VALUE_TENSOR && v->kind != VALUE_RECORD))
        return v;
    Value *copy = value_copy(cx->e->a, v);
    copy->name = b->name;
    copy->loc = b->loc;
    copy->from = s->what ? arena_printf(cx->e->a, "a node of '%s'", s->what) : NULL;
    return copy;
}

static Value *force(Cx *cx, Scope *s, Binding *b, Loc loc) {
    if (b->state == BINDING_DONE)
        return b->value;
    if (b->state == BINDING_RUNNING) {
        elab_error(cx, loc, E_cycle, "'%s' is needed for its own value", b->name);
        for (Scope *o = cx->scope; o; o = o->outer) {
            for (int i = 0; i < o->n; i++) {
                if (o->bindings[i]->state == BINDING_RUNNING)
                    elab_note(cx, o->bindings[i]->loc, "'%s' is on the way", o->bindings[i]->name);
            }
        }
        return elab_poison(cx);
    }
    b->state = BINDING_RUNNING;
    Cx at = *s->cx;
    at.path = b->path;
    Value *v = elab_form(&at, b->form);
    if (v->kind == VALUE_NOTHING) {
        elab_error(&at, b->loc, E_wrong_kind, "'%s' has no value", b->name);
        v = elab_poison(&at);
    }
    b->value = named(cx, elab_bounded(&at, v, b->loc), s, b);
    b->state = BINDING_DONE;
    return b->value;
}

void scope_finish(Cx *cx, Scope *s, bool drop) {
    IrBlock *block = cx->frame->block;
    int n = block->n, n_sites = cx->fn->n_sites;
    for (int i = 0; i < s->n; i++) {
        if (s->bindings[i]->state == BINDING_LAZY)
            force(cx, s, s->bindings[i], s->bindings[i]->loc);
    }
    if (drop) {
        block->n = n;
        cx->fn->n_sites = n_sites;
    }
}

Value *scope_find(Cx *cx, const char *name, Loc loc) {
    for (Scope *s = cx->scope; s; s = s->outer) {
        Binding *b = map_get(&s->names, name);
        if (b)
            return force(cx, s, b, loc);
    }
    return NULL;
}

// ---- names of modules ---------------------------------------------------------------------------

bool scope_instance(Cx *cx, const char *name, LangInstance **in, bool *is_module) {
    LangInstance *here = cx->instance;
    for (int i = 0; here && i < here->file->n_modules; i++) {
        if (!strcmp(here->file->modules[i].name, name)) {
            *in = here->modules[i];
            *is_module = true;
            return true;
        }
    }
    for (int i = 0; here && i < here->file->n_imports; i++) {
        if (!strcmp(here->file->imports[i].name, name)) {
            *in = here->imports[i];
            *is_module = false;
            return true;
        }
    }
    return false;
}

static Value *dim_value(Cx *cx, LangInstance *in, Dim *dim, Loc loc) {
    Arena *a = cx->e->a;
    if (!dim->bounded) {
        if (dims_resolve(in->world, dim))
            return value_int(a, dim->value);
        if (!in->is_default || cx->e->checking)
            return value_poison();
    }
    if (cx->dims && in == cx->instance) {
        IrDim *d = signature_dim(cx->dims, dim->name, loc);
        return d ? value_dim(a, d) : value_poison();
    }
    elab_error(cx, loc, E_dim_unbound, "'%s' has no size here: its value comes with each call",
               dim->name);
    if (cx->fn && cx->fn->initial) {
        elab_note(cx, dim->loc, "the sizes of parameters and states are numbers");
        return elab_poison(cx);
    }
    elab_note(cx, dim->loc, "name it in the shape of an input, or under 'dims' of the function");
    return elab_poison(cx);
}

// Parameters cannot be seen where their initial values are made, nor states at all.
static Value *out_of_reach(Cx *cx, const char *name, Loc loc) {
    elab_error(cx, loc, E_bad_param, "an initial value cannot use '%s', which is made with it",
               name);
    return elab_poison(cx);
}

bool scope_reaches(Cx *cx, const Slot *slot, Loc loc) {
    if (!cx->fn->initial || slot->role == IR_ROLE_SETTING ||
        (slot->role == IR_ROLE_PARAM && cx->fn->known))
        return true;
    out_of_reach(cx, slot->local, loc);
    return false;
}

// Whether parameters, or states, of `in` have no shapes yet, or no values here.
static bool is_out_of_reach(const Cx *cx, const LangInstance *in, bool is_param) {
    if (is_param ? in->finding_params : in->finding_state)
        return true;
    return cx->fn && cx->fn->initial && !(is_param && cx->fn->known);
}

// Slots hold their sizes as numbers; a request needs them as dims of its own.
static Value *own_slots(Cx *cx, const Value *v) {
    if (v->kind == VALUE_TENSOR)
        return value_slot(cx->e->a, cx->e->module->dims, v->slot);
    Value *copy = value_copy(cx->e->a, v);
    if (v->kind != VALUE_RECORD)
        return copy;
    copy->items = arena_array(cx->e->a, Value *, v->n);
    for (int i = 0; i < v->n; i++)
        copy->items[i] = own_slots(cx, v->items[i]);
    return copy;
}

static bool declares(const Form *f, const char *name) {
    for (int i = 0; f && i < f->fields.n; i++) {
        if (!strcmp(f->fields.items[i].name, name))
            return true;
    }
    return false;
}

Value *scope_instance_value(Cx *cx, LangInstance *in, const char *name, Loc loc) {
    Dim *dim = dims_find(in, name);
    if (dim)
        return dim_value(cx, in, dim, loc);
    for (int i = 0; i < in->file->n_options; i++) {
        if (!strcmp(in->options[i].name, name))
            return in->options[i].value;
    }
    for (int i = 0; i < in->file->n_settings; i++) {
        if (strcmp(in->file->settings[i].name, name))
            continue;
        if (in->is_library)
            return value_real(cx->e->a, in->settings[i]->value);
        return value_slot(cx->e->a, cx->e->module->dims, in->settings[i]);
    }
    bool is_param = declares(in->file->params, name);
    if (!is_param && !declares(in->file->state, name))
        return NULL;
    if (is_out_of_reach(cx, in, is_param))
        return out_of_reach(cx, name, loc);
    Value *v = value_field(is_param ? params_of(in) : params_state_of(in), name);
    return v ? own_slots(cx, v) : value_poison();
}

// The parameters of a module as a record of its kind.
static Value *params_value(Cx *cx, LangInstance *in, const char *name, Loc loc) {
    if (is_out_of_reach(cx, in, true))
        return out_of_reach(cx, name, loc);
    Value *v = value_copy(cx->e->a, own_slots(cx, params_of(in)));
    v->name = name;
    v->module = in;
    return v;
}

Value *scope_lookup(Cx *cx, const char *name, Loc loc) {
    Value *v = scope_find(cx, name, loc);
    if (v || !cx->instance)
        return v;
    v = scope_instance_value(cx, cx->instance, name, loc);
    if (v)
        return v;
    LangInstance *in;
    bool is_module;
    if (scope_instance(cx, name, &in, &is_module)) {
        if (in && is_module)
            return params_value(cx, in, name, loc);
        if (!in)
            return is_module ? scope_unbound(cx, name, loc) : value_poison();
        elab_error(cx, loc, E_unknown_name, "'%s' is a library: name one of its functions, '%s.f'",
                   name, name);
        return elab_poison(cx);
    }
    if (!strcmp(name, "params") && !cx->instance->is_library)
        return params_value(cx, cx->instance, name, loc);
    return NULL;
}

Value *scope_typed(Cx *cx, const Expr *e) {
    Cx at = *cx;
    at.scope = NULL;
    if (e->kind == EXPR_FIELD) {
        bool is_module;
        if (!scope_instance(cx, e->base->name, &at.instance, &is_module) || !at.instance)
            return NULL;
    }
    const LangFile *f = at.instance->file;
    bool is_known = declares(f->params, e->name) || declares(f->state, e->name) ||
                    (!strcmp(e->name, "params") && !at.instance->is_library);
    for (int i = 0; i < f->n_modules && e->kind == EXPR_NAME; i++)
        is_known = is_known || !strcmp(f->modules[i].name, e->name);
    return is_known ? scope_lookup(&at, e->name, e->loc) : NULL;
}

Value *scope_unbound(Cx *cx, const char *name, Loc loc) {
    for (int i = 0; i < cx->instance->file->n_modules && !cx->e->checking; i++) {
        const Reference *m = &cx->instance->file->modules[i];
        if (strcmp(m->name, name) || cx->instance->module_reported[i])
            continue;
        cx->instance->module_reported[i] = true;
        elab_error(cx, loc, E_unbound_module, "the module parameter '%s' is not bound", name);
        elab_note(cx, m->loc, "bind it to a module that implements %s, as by --bind %s=MODULE",
                  m->path, name);
        elab_poison(cx);
    }
    return value_poison();
}

typedef struct Names {
    const char **items;
    int n, cap;
} Names;

static void add_name(Cx *cx, Names *names, const char *name) {
    arena_push(cx->e->a, names->items, names->n, names->cap, name);
}

Value *scope_unknown(Cx *cx, const char *name, Loc loc) {
    Names names = {0};
    for (Scope *s = cx->scope; s; s = s->outer) {
        for (int i = 0; i < s->n; i++)
            add_name(cx, &names, s->bindings[i]->name);
    }
    const LangInstance *in = cx->instance;
    for (int i = 0; in && i < in->n_dims; i++)
        add_name(cx, &names, in->dims[i]->name);
    for (int i = 0; in && i < in->file->n_options; i++)
        add_name(cx, &names, in->file->options[i].name);
    for (int i = 0; in && i < in->file->n_settings; i++)
        add_name(cx, &names, in->file->settings[i].name);
    for (int i = 0; in && in->file->params && i < in->file->params->fields.n; i++)
        add_name(cx, &names, in->file->params->fields.items[i].name);
    for (int i = 0; in && in->file->state && i < in->file->state->fields.n; i++)
        add_name(cx, &names, in->file->state->fields.items[i].name);
    for (int i = 0; in && i < in->file->n_modules; i++)
        add_name(cx, &names, in->file->modules[i].name);

    Expr e = {.kind = EXPR_NAME, .loc = loc, .name = name};
    if (elab_find_function(cx, &e)) {
        elab_error(cx, loc, E_unknown_name, "'%s' is a function, and a value was expected", name);
        elab_note(cx, loc, "call it: %s(...)", name);
    } else {
        elab_error(cx, loc, E_unknown_name, "nothing is called '%s' here", name);
        if (!hint_note(cx->e->d, loc, HINT_NAME, name))
            diag_did_you_mean(cx->e->d, loc, name, names.items, names.n);
    }
    for (int i = 0; in && i < in->file->n_options; i++) {
        if (in->options[i].value->kind != VALUE_STRING)
            continue;
        elab_note(cx, loc, "a word stands in quotes: '%s'", name);
        break;
    }
    return elab_poison(cx);
}
