// ir/lang/world.c -- opening a world: modules are read, bound to each other, and given their
// options.
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"

// ---- functions of instances ---------------------------------------------------------------------

FuncDecl *world_function(const LangInstance *in, const char *name) {
    FuncDecl *f = decl_function(in->file, name);
    if (f)
        return f;
    for (int i = 0; i < in->file->n_implements; i++) {
        const LangFile *interface = in->file->implements[i].file;
        f = interface ? decl_function(interface, name) : NULL;
        if (f && f->has_default)
            return f;
    }
    return NULL;
}

int world_function_names(const LangInstance *in, const char ***names) {
    const LangFile *file = in->file;
    int n = 0, cap = file->n_functions;
    for (int i = 0; i < file->n_implements; i++)
        cap += file->implements[i].file ? file->implements[i].file->n_functions : 0;
    *names = arena_array(in->world->a, const char *, cap);
    for (int i = 0; i < file->n_functions; i++)
        (*names)[n++] = file->functions[i]->name;
    for (int i = 0; i < file->n_implements; i++) {
        const LangFile *interface = file->implements[i].file;
        for (int k = 0; interface && k < interface->n_functions; k++) {
            if (interface->functions[k]->has_default)
                (*names)[n++] = interface->functions[k]->name;
        }
    }
    return n;
}

bool world_implements(const LangInstance *in, const LangFile *interface) {
    if (in->file == interface)
        return true;
    for (int i = 0; i < in->file->n_implements; i++) {
        if (in->file->implements[i].file == interface)
            return true;
    }
    return false;
}

// ---- instances ----------------------------------------------------------------------------------

static LangInstance *new_instance(LangWorld *w, const char *name, LangFile *file);

static LangInstance *library(LangWorld *w, LangFile *file) {
    LangInstance *in = map_get(&w->libraries, file->identity);
    if (in)
        return in;
    in = new_instance(w, NULL, file);
    in->is_library = true;
    map_put(&w->libraries, w->a, file->identity, in);
    return in;
}

static LangInstance *new_instance(LangWorld *w, const char *name, LangFile *file) {
    LangInstance *in = arena_new(w->a, LangInstance);
    *in = (LangInstance){.world = w, .name = name, .file = file};
    in->imports = arena_array(w->a, LangInstance *, file->n_imports);
    in->modules = arena_array(w->a, LangInstance *, file->n_modules);
    in->module_reported = arena_array(w->a, bool, file->n_modules);
    for (int i = 0; i < file->n_imports; i++)
        in->imports[i] = file->imports[i].file ? library(w, file->imports[i].file) : NULL;
    dims_declare(w, in);
    return in;
}

static LangInstance *add_instance(LangWorld *w, const char *name, LangFile *file) {
    LangInstance *in = new_instance(w, name, file);
    map_put(&w->by_name, w->a, name, in);
    arena_push(w->a, w->instances, w->n_instances, w->cap_instances, in);
    return in;
}

static void read_binds(LangWorld *w) {
    for (int i = 0; i < w->n_binds; i++) {
        const LangPair *pair = &w->binds[i];
        if (map_has(&w->by_name, pair->name)) {
            diag_error(w->d, pair->loc, E_duplicate_name, "the instance '%s' is bound twice",
                       pair->name);
            continue;
        }
        if (*pair->name && !expr_is_name(pair->name)) {
            diag_error(w->d, pair->loc, E_expr_syntax, "'%s' cannot name an instance", pair->name);
            continue;
        }
        LangFile *file = world_read(w, pair->value, NULL, pair->loc, "the module");
        if (!file)
            continue;
        if (file->is_interface && *pair->name) {
            diag_error(w->d, pair->loc, E_wrong_kind,
                       "'%s' is an interface, and a module was expected", pair->value);
            continue;
        }
        LangInstance *in = add_instance(w, pair->name, file);
        in->is_default = file->is_interface;
    }
}

static bool all_default(const LangFile *interface) {
    for (int i = 0; i < interface->n_functions; i++) {
        if (!interface->functions[i]->has_default)
            return false;
    }
    return interface->n_programs == 0;
}

// Who stands for a module parameter that nothing is bound to; NULL for nobody.
static LangInstance *stand_in(LangWorld *w, const Reference *r) {
    LangFile *interface = r->file;
    if (!interface)
        return NULL;
    LangInstance *other =
        interface->default_instance ? map_get(&w->by_name, interface->default_instance) : NULL;
    if (other && world_implements(other, interface)) {
        other->is_used = true;
        map_put(&w->by_name, w->a, r->name, other);
        return other;
    }
    if (!all_default(interface))
        return NULL;
    LangInstance *in = add_instance(w, r->name, interface);
    in->is_default = true;
    return in;
}

static void bind_modules(LangWorld *w, LangInstance *in) {
    for (int i = 0; i < in->file->n_modules; i++) {
        const Reference *r = &in->file->modules[i];
        LangInstance *bound = map_get(&w->by_name, r->name);
        if (bound)
            bound->is_used = true;
        if (bound && r->file && !world_implements(bound, r->file)) {
            diag_error(w->d, r->path_loc, E_interface_misfit,
                       "'%s' is bound to '%s', which does not implement '%s'", r->name,
                       bound->file->name, r->path);
            diag_note(w->d, bound->file->loc, "'%s' is declared here", bound->file->name);
            in->module_reported[i] = true;
            continue;
        }
        in->modules[i] = bound ? bound : stand_in(w, r);
    }
}

// ---- options and settings -----------------------------------------------------------------------

static Value *static_value(LangWorld *w, const Form *f) {
    Elab *e = elab_new(w, w->d);
    Cx cx = elab_cx(e, fn_new(e, "option", f->loc), NULL);
    return elab_form(&cx, f);
}

// Whether `v` may stand in the place of `old`: a whole number also where a real is.
static bool same_kind(const Value *old, Value *v) {
    if (old->kind == VALUE_REAL && v->kind == VALUE_INT) {
        *v = (Value){.kind = VALUE_REAL, .x = (double)v->i};
        return true;
    }
    return old->kind == v->kind || old->kind == VALUE_POISON;
}

// What --set says of `name`; NULL for nothing.
static Value *set_value(LangWorld *w, LangInstance *in, const char *name, const Value *old) {
    Value *found = NULL;
    for (int i = 0; i < w->n_sets; i++) {
        const LangPair *pair = &w->sets[i];
        const char *dot = strchr(pair->name, '.');
        const char *instance =
            dot ? arena_strndup(w->a, pair->name, (size_t)(dot - pair->name)) : "";
        if (map_get(&w->by_name, instance) != in || strcmp(dot ? dot + 1 : pair->name, name))
            continue;
        w->set_used[i] = true;
        Yaml *y = yaml_read_text(w->a, w->d, arena_printf(w->a, "--set %s", pair->name),
                                 pair->value, strlen(pair->value));
        Value *v = y ? static_value(w, form_const(w->a, w->d, y)) : NULL;
        if (!v || v->kind == VALUE_POISON)
            continue;
        if (same_kind(old, v)) {
            found = v;
            continue;
        }
        Buf was = {0}, now = {0};
        value_describe(&was, old);
        value_describe(&now, v);
        diag_error(w->d, pair->loc, E_wrong_kind, "'%s' is set to %s, and its default is %s",
                   pair->name, buf_text(&now), buf_text(&was));
        buf_free(&was);
        buf_free(&now);
    }
    return found;
}

static void read_options(LangWorld *w, LangInstance *in) {
    const LangFile *f = in->file;
    in->options = arena_array(w->a, Option, f->n_options);
    in->settings = arena_array(w->a, Slot *, f->n_settings);
    for (int i = 0; i < f->n_options; i++) {
        const ConstDecl *c = &f->options[i];
        Value *v = static_value(w, c->value);
        Value *set = in->is_library ? NULL : set_value(w, in, c->name, v);
        in->options[i] =
            (Option){.name = c->name, .loc = c->loc, .value = set ? set : v, .is_set = set != NULL};
    }
    for (int i = 0; i < f->n_settings; i++) {
        const ConstDecl *c = &f->settings[i];
        Value *v = static_value(w, c->value);
        if (!value_is_number(v) && v->kind != VALUE_POISON) {
            diag_error(w->d, c->value->loc, E_wrong_kind, "the setting '%s' is a number", c->name);
            diag_note(w->d, c->value->loc,
                      "truth, words and lists are fixed at compile time, under 'options'");
            v = value_poison();
        }
        Value real = {.kind = VALUE_REAL};
        real.x = v->kind == VALUE_POISON ? 0 : value_number(v);
        Value *set = in->is_library ? NULL : set_value(w, in, c->name, &real);
        Slot *slot = arena_new(w->a, Slot);
        *slot = (Slot){.name = path_join(w->a, in->name ? in->name : "", c->name),
                       .local = c->name,
                       .instance = in,
                       .role = IR_ROLE_SETTING,
                       .dtype = w->real,
                       .value = set                       ? set->x
                                : v->kind == VALUE_POISON ? 0
                                                          : value_number(v),
                       .loc = c->loc,
                       .is_set = set != NULL};
        in->settings[i] = slot;
    }
}

static void check_sets(LangWorld *w) {
    for (int i = 0; i < w->n_sets; i++) {
        const LangPair *pair = &w->sets[i];
        if (w->set_used[i])
            continue;
        const char *dot = strchr(pair->name, '.');
        const char *instance =
            dot ? arena_strndup(w->a, pair->name, (size_t)(dot - pair->name)) : "";
        const LangInstance *in = map_get(&w->by_name, instance);
        if (!in) {
            diag_error(w->d, pair->loc, E_unknown_option, "there is no instance for '%s'",
                       pair->name);
            const char *const *instances;
            int n_instances = lang_instances(w, &instances);
            diag_did_you_mean(w->d, pair->loc, instance, instances, n_instances);
            continue;
        }
        const LangFile *f = in->file;
        const char *name = dot ? dot + 1 : pair->name;
        diag_error(w->d, pair->loc, E_unknown_option, "'%s' has no option or setting '%s'", f->name,
                   name);
        const char **names = arena_array(w->a, const char *, f->n_options + f->n_settings);
        int n = 0;
        for (int k = 0; k < f->n_options; k++)
            names[n++] = f->options[k].name;
        for (int k = 0; k < f->n_settings; k++)
            names[n++] = f->settings[k].name;
        diag_did_you_mean_or(w->d, pair->loc, name, names, n, "its options and settings");
    }
}

// ---- names of functions -------------------------------------------------------------------------

// Built-in names and those of lib/std mean the same in every file.
static void check_function_names(LangWorld *w, const LangFile *f) {
    bool is_std = w->std && w->std->file == f;
    for (int i = 0; i < f->n_functions; i++) {
        const FuncDecl *fn = f->functions[i];
        bool builtin = builtin_find(fn->name) != NULL || !strcmp(fn->name, "draw");
        if (builtin || (!is_std && w->std && decl_function(w->std->file, fn->name)))
            diag_error(w->d, fn->loc, E_reserved_name, "'%s' is a function that every file has",
                       fn->name);
    }
}

// ---- opening ------------------------------------------------------------------------------------

static LangPair *copy_pairs(Arena *a, const LangPair *pairs, int n) {
    LangPair *copy = arena_array(a, LangPair, n);
    for (int i = 0; i < n; i++)
        copy[i] = (LangPair){.name = arena_strdup(a, pairs[i].name),
                             .value = arena_strdup(a, pairs[i].value),
                             .loc = pairs[i].loc};
    return copy;
}

static LangWorld *new_world(Arena *a, Diag *d, const LangOptions *o) {
    LangWorld *w = arena_new(a, LangWorld);
    const char **roots = arena_array(a, const char *, o->n_roots);
    for (int i = 0; i < o->n_roots; i++)
        roots[i] = arena_strdup(a, o->roots[i]);
    *w = (LangWorld){.a = a,
                     .d = d,
                     .real = o->real,
                     .roots = roots,
                     .n_roots = o->n_roots,
                     .binds = copy_pairs(a, o->binds, o->n_binds),
                     .sets = copy_pairs(a, o->sets, o->n_sets),
                     .dims = copy_pairs(a, o->dims, o->n_dims),
                     .n_binds = o->n_binds,
                     .n_sets = o->n_sets,
                     .n_dims = o->n_dims,
                     .set_used = arena_array(a, bool, o->n_sets),
                     .dim_used = arena_array(a, bool, o->n_dims)};
    return w;
}

// Every bind but the entry file stands for something; names that could be bound are suggested.
static void check_binds(LangWorld *w) {
    const char **names = NULL;
    int n = 0, cap = 0;

    for (int i = 0; i < w->n_instances; i++)
        for (int k = 0; k < w->instances[i]->file->n_modules; k++)
            arena_push(w->a, names, n, cap, w->instances[i]->file->modules[k].name);
    for (int i = 0; i < w->n_binds; i++) {
        const LangPair *pair = &w->binds[i];
        const LangInstance *in = *pair->name ? map_get(&w->by_name, pair->name) : NULL;
        if (!in || in->is_used)
            continue;
        diag_error(w->d, pair->loc, E_unknown_name, "no module parameter is called '%s'",
                   pair->name);
        diag_did_you_mean(w->d, pair->loc, pair->name, names, n);
    }
}

LangWorld *lang_open(Arena *a, Diag *d, const LangOptions *options) {
    LangWorld *w = new_world(a, d, options);
    read_binds(w);
    if (!w->n_instances)
        return NULL;
    LangFile *std = world_read(w, "lib/std", w->instances[0]->file, (Loc){0}, "the library");
    w->std = std ? library(w, std) : NULL;

    // instances may grow while module parameters are bound
    for (int i = 0; i < w->n_instances; i++)
        bind_modules(w, w->instances[i]);
    for (int i = 0; i < w->libraries.n; i++)
        bind_modules(w, w->libraries.entries[i].value);
    for (int i = 0; i < w->n_instances; i++)
        read_options(w, w->instances[i]);
    for (int i = 0; i < w->libraries.n; i++)
        read_options(w, w->libraries.entries[i].value);
    check_sets(w);
    for (int i = 0; i < w->n_instances; i++)
        dims_link(w, w->instances[i]);
    for (int i = 0; i < w->libraries.n; i++)
        dims_link(w, w->libraries.entries[i].value);
    if (options->strict_binds)
        check_binds(w);
    dims_finish(w);
    for (int i = 0; i < w->files.n; i++) {
        if (w->files.entries[i].value)
            check_function_names(w, w->files.entries[i].value);
    }
    for (int i = 0; i < w->n_instances; i++) {
        params_of(w->instances[i]);
        params_state_of(w->instances[i]);
    }
    for (int i = 0; i < w->n_instances; i++)
        interface_check(w, w->instances[i]);
    return w;
}
