// ir/lang/dims.c -- sizes of instances: numbers from files, the command line and siblings.
//
// An interface may say that a dim equals that of a sibling (`dx: task.dx`). Dims tied so form a
// group with one value: what a file or -D says counts before defaults; two that differ are a
// misfit.
#include <inttypes.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"

Dim *dims_find(const LangInstance *in, const char *name) {
    for (int i = 0; in && i < in->n_dims; i++) {
        if (!strcmp(in->dims[i]->name, name))
            return in->dims[i];
    }
    return NULL;
}

// ---- what -D says -------------------------------------------------------------------------------

bool dims_number(LangWorld *w, const LangPair *pair, int64_t *value) {
    Yaml y = {.kind = YAML_SCALAR, .text = pair->value};
    if (yaml_as_int(&y, value) && *value >= 0 && *value <= ELAB_MAX_ELEMENTS)
        return true;
    diag_error(w->d, pair->loc, E_dim_value,
               "the dim '%s' is bound to '%s', and a size is a whole number from 0 to 2^40",
               pair->name, pair->value);
    return false;
}

// The instance that `pair` is about, and the name within it.
static LangInstance *split_pair(LangWorld *w, const LangPair *pair, const char **name) {
    const char *dot = strchr(pair->name, '.');
    *name = dot ? dot + 1 : pair->name;
    const char *instance = dot ? arena_strndup(w->a, pair->name, (size_t)(dot - pair->name)) : "";
    return map_get(&w->by_name, instance);
}

const LangPair *dims_given(LangWorld *w, const char *instance, const char *name) {
    const LangPair *found = NULL;
    const LangInstance *in = instance ? map_get(&w->by_name, instance) : NULL;
    for (int i = 0; in && i < w->n_dims; i++) {
        const char *own;
        if (split_pair(w, &w->dims[i], &own) != in || strcmp(own, name))
            continue;
        w->dim_used[i] = true;
        if (found && strcmp(found->value, w->dims[i].value))
            diag_error(w->d, w->dims[i].loc, E_dim_value, "the dim '%s' is bound to %s and to %s",
                       w->dims[i].name, found->value, w->dims[i].value);
        found = found ? found : &w->dims[i];
    }
    return found;
}

// ---- declaring and tying ------------------------------------------------------------------------

static Elab *static_elab(LangWorld *w) {
    Elab *e = elab_new(w, w->d);
    e->checking = e->lenient = true;
    return e;
}

// A number of a dim's declaration; false, reported.
static bool eval_size(LangWorld *w, LangInstance *in, const Form *f, const char *what, int64_t *i) {
    Elab *e = static_elab(w);
    Cx cx = elab_cx(e, fn_new(e, "size", f->loc), in);
    if (!elab_static_int(&cx, f, what, i))
        return false;
    if (*i >= 0 && *i <= ELAB_MAX_ELEMENTS)
        return true;
    diag_error(w->d, f->loc, E_dim_value, "%s is %" PRId64 ", and a size is from 0 to 2^40", what,
               *i);
    return false;
}

// `task.dx` in an interface.
static bool is_sibling(const DimDecl *decl) {
    const Expr *e = decl->value && decl->value->kind == FORM_EXPR ? decl->value->expr : NULL;
    return e && e->kind == EXPR_FIELD && e->base->kind == EXPR_NAME;
}

static Dim *add_dim(LangWorld *w, LangInstance *in, DimDecl *decl) {
    Dim *dim = arena_new(w->a, Dim);
    *dim = (Dim){.decl = decl, .name = decl->name, .instance = in, .loc = decl->loc};
    dim->bounded = decl->kind == DIM_BOUNDED;
    arena_push(w->a, in->dims, in->n_dims, in->cap_dims, dim);
    return dim;
}

void dims_declare(LangWorld *w, LangInstance *in) {
    for (int i = 0; i < in->file->dims.n; i++)
        add_dim(w, in, &in->file->dims.items[i]);

    // what an interface has a default for need not be declared
    for (int i = 0; i < in->file->n_implements; i++) {
        LangFile *interface = in->file->implements[i].file;
        for (int k = 0; interface && k < interface->dims.n; k++) {
            DimDecl *decl = &interface->dims.items[k];
            if (decl->kind == DIM_DEFAULT && !dims_find(in, decl->name))
                add_dim(w, in, decl);
        }
    }
}

// Bounds of bounded dims; after all instances have their options.
static void read_bounds(LangWorld *w, Dim *dim) {
    dim->state = DIM_DONE;
    if (!eval_size(w, dim->instance, dim->decl->max, "'max'", &dim->max))
        dim->max = 1;
    if (dim->decl->likely &&
        !eval_size(w, dim->instance, dim->decl->likely, "'likely'", &dim->likely))
        dim->likely = 0;
    if (dim->likely > dim->max)
        diag_error(w->d, dim->decl->likely->loc, E_dim_value,
                   "'likely' is %" PRId64 ", above the maximum %" PRId64, dim->likely, dim->max);
    int64_t value;
    if (dim->given && dims_number(w, dim->given, &value) && value > dim->max)
        diag_error(w->d, dim->given->loc, E_dim_value,
                   "'%s' is bound to %" PRId64 ", and its maximum is %" PRId64, dim->name, value,
                   dim->max);
}

static void tie(LangWorld *w, Dim *dim, Dim *to) {
    arena_push(w->a, dim->links, dim->n_links, dim->cap_links, to);
    arena_push(w->a, to->links, to->n_links, to->cap_links, dim);
    arena_push(w->a, dim->sources, dim->n_sources, dim->cap_sources, to);
}

static void link_dim(LangWorld *w, LangInstance *in, const LangFile *interface, DimDecl *decl) {
    Dim *dim = dims_find(in, decl->name);
    if (!dim) {
        diag_error(w->d, in->file->loc, E_interface_misfit,
                   "'%s' lacks the dim '%s' of its interface '%s'", in->file->name, decl->name,
                   interface->name);
        diag_note(w->d, decl->loc, "the interface demands it here");
        return;
    }
    if (!is_sibling(decl))
        return;
    const Expr *e = decl->value->expr;
    LangInstance *sibling = map_get(&w->by_name, e->base->name);
    if (!sibling || sibling == in)
        return;
    sibling->is_used = true;
    Dim *to = dims_find(sibling, e->name);
    if (!to) {
        diag_error(w->d, sibling->file->loc, E_interface_misfit,
                   "'%s', bound as '%s', has no dim '%s'", sibling->file->name, e->base->name,
                   e->name);
        diag_note(w->d, decl->loc, "'%s' of '%s' should equal it", decl->name, interface->name);
        return;
    }
    if (dim->bounded || to->bounded) {
        const Dim *wrong = dim->bounded ? dim : to;
        diag_error(w->d, wrong->loc, E_interface_misfit,
                   "'%s' comes with each call, and the interface '%s' demands a number",
                   wrong->name, interface->name);
        diag_note(w->d, decl->loc, "it is demanded here");
        return;
    }
    tie(w, dim, to);
}

void dims_link(LangWorld *w, LangInstance *in) {
    for (int i = 0; i < in->n_dims; i++)
        in->dims[i]->given = dims_given(w, in->name, in->dims[i]->name);
    for (int i = 0; i < in->n_dims; i++) {
        if (in->dims[i]->bounded)
            read_bounds(w, in->dims[i]);
    }
    if (in->is_default) {
        for (int i = 0; i < in->file->dims.n; i++)
            link_dim(w, in, in->file, &in->file->dims.items[i]);
    }
    for (int i = 0; i < in->file->n_implements; i++) {
        LangFile *interface = in->file->implements[i].file;
        for (int k = 0; interface && k < interface->dims.n; k++)
            link_dim(w, in, interface, &interface->dims.items[k]);
    }
}

// ---- one value for each group -------------------------------------------------------------------

static const char *dim_title(LangWorld *w, const Dim *d) {
    const char *name = d->instance->name;
    return name && *name ? arena_printf(w->a, "%s.%s", name, d->name) : d->name;
}

// What a dim itself says, apart from its default.
static bool own_value(LangWorld *w, Dim *d, int64_t *value, const char **origin) {
    bool fixed = d->decl->kind == DIM_FIXED && !(d->instance->is_default && is_sibling(d->decl));
    int64_t given;
    bool is_given = d->given && dims_number(w, d->given, &given);
    if (fixed) {
        *origin = "file";
        if (!eval_size(w, d->instance, d->decl->value, arena_printf(w->a, "'%s'", d->name), value))
            return false;
        if (is_given && given != *value) {
            diag_error(w->d, d->given->loc, E_dim_value,
                       "'%s' is bound to %" PRId64 ", and the file fixes it to %" PRId64,
                       dim_title(w, d), given, *value);
            diag_note(w->d, d->loc, "here; %s: {default: %" PRId64 "} could be bound", d->name,
                      *value);
        }
        return true;
    }
    *origin = "-D";
    *value = is_given ? given : 0;
    return is_given;
}

static void gather(Dim *d, Dim **group, int *n, int room) {
    for (int i = 0; i < *n; i++) {
        if (group[i] == d)
            return;
    }
    if (*n == room)
        return;
    group[(*n)++] = d;
    for (int i = 0; i < d->n_links; i++)
        gather(d->links[i], group, n, room);
}

static int count_dims(const LangWorld *w) {
    int n = 1;
    for (int i = 0; i < w->n_instances; i++)
        n += w->instances[i]->n_dims;
    return n;
}

static void misfit(LangWorld *w, const Dim *x, int64_t a, const Dim *y, int64_t b) {
    diag_error(w->d, x->loc, E_interface_misfit,
               "'%s' is %" PRId64 ", and '%s' is %" PRId64 ": their interfaces make them equal",
               dim_title(w, x), a, dim_title(w, y), b);
    diag_note(w->d, y->loc, "'%s' is declared here", dim_title(w, y));
}

bool dims_resolve(LangWorld *w, Dim *dim) {
    if (dim->state == DIM_DONE)
        return dim->known;
    if (dim->state == DIM_RUNNING) {
        diag_error(w->d, dim->loc, E_cycle, "the dim '%s' depends on itself", dim_title(w, dim));
        dim->state = DIM_DONE;
        return false;
    }
    int n = 0, room = count_dims(w) + 1;
    Dim **group = arena_array(w->a, Dim *, room);
    gather(dim, group, &n, room);
    for (int i = 0; i < n; i++)
        group[i]->state = DIM_RUNNING;

    // what is said
    const Dim *from = NULL;
    bool reported = false;
    int64_t value = 0;
    const char *origin = NULL;
    for (int i = 0; i < n; i++) {
        int64_t own;
        const char *own_origin;
        if (!own_value(w, group[i], &own, &own_origin))
            continue;
        if (!from) {
            from = group[i];
            value = own;
            origin = own_origin;
        } else if (own != value) {
            misfit(w, group[i], own, from, value);
            reported = true;
        }
    }

    // else a default, of those that others are tied to first
    for (int pass = 0; pass < 2 && !from; pass++) {
        for (int i = 0; i < n && !from; i++) {
            const DimDecl *decl = group[i]->decl;
            if (decl->kind != DIM_DEFAULT || (pass == 0 && group[i]->n_sources))
                continue;
            if (eval_size(w, group[i]->instance, decl->value, "a default", &value)) {
                from = group[i];
                origin = "default";
            }
        }
    }
    for (int i = 0; i < n; i++) {
        group[i]->state = DIM_DONE;
        group[i]->known = from && !reported;
        group[i]->reported = reported;
        group[i]->value = value;
        group[i]->origin = group[i] == from ? origin : "interface";
    }
    return dim->known;
}

// ---- after all are tied -------------------------------------------------------------------------

static bool expr_names(const Expr *e, const char *name) {
    if (!e)
        return false;
    if (e->kind == EXPR_NAME && !strcmp(e->name, name))
        return true;
    if (expr_names(e->base, name))
        return true;
    for (int i = 0; i < e->n; i++) {
        if (expr_names(e->args[i], name))
            return true;
    }
    return false;
}

static bool type_names(const TypeExpr *t, const char *name) {
    for (int i = 0; t->kind == TYPE_TENSOR && i < t->n; i++) {
        if (expr_names(t->sizes[i], name))
            return true;
    }
    for (int i = 0; t->kind == TYPE_RECORD && i < t->n; i++) {
        if (type_names(t->fields[i], name))
            return true;
    }
    return false;
}

static bool function_names(const FuncDecl *f, const char *name) {
    for (int i = 0; i < f->dims.n; i++) {
        if (!strcmp(f->dims.items[i].name, name))
            return true;
    }
    for (int i = 0; i < f->n_inputs; i++) {
        if (type_names(f->inputs[i].type, name))
            return true;
    }
    return false;
}

static bool file_names(const LangFile *f, const char *name) {
    for (int i = 0; i < f->n_functions; i++) {
        if (function_names(f->functions[i], name))
            return true;
    }
    for (int i = 0; i < f->n_programs; i++) {
        if (function_names(f->programs[i]->body, name))
            return true;
    }
    return false;
}

static void check_given(LangWorld *w) {
    for (int i = 0; i < w->n_dims; i++) {
        const LangPair *pair = &w->dims[i];
        const char *name;
        LangInstance *in = split_pair(w, pair, &name);
        if (w->dim_used[i] || (in && file_names(in->file, name)))
            continue;
        if (!in) {
            diag_error(w->d, pair->loc, E_unknown_dim, "there is no instance for the dim '%s'",
                       pair->name);
            continue;
        }
        diag_error(w->d, pair->loc, E_unknown_dim, "'%s' has no dim '%s'", in->file->name, name);
        const char **names = arena_array(w->a, const char *, in->n_dims);
        for (int k = 0; k < in->n_dims; k++)
            names[k] = in->dims[k]->name;
        diag_did_you_mean_or(w->d, pair->loc, name, names, in->n_dims, "its dims");
    }
}

void dims_finish(LangWorld *w) {
    for (int i = 0; i < w->n_instances; i++) {
        LangInstance *in = w->instances[i];
        for (int k = 0; k < in->n_dims; k++) {
            Dim *dim = in->dims[k];
            if (dim->bounded || dims_resolve(w, dim) || dim->decl->kind != DIM_OPEN ||
                in->is_default)
                continue;
            diag_error(w->d, dim->loc, E_dim_unbound, "the dim '%s' has no size",
                       dim_title(w, dim));
            diag_note(w->d, dim->loc, "give it one with -D %s=..., or a default",
                      dim_title(w, dim));
        }
    }
    check_given(w);
}
