// ir/lang/decl.c -- what a file declares: functions, layers, programs and the tables around them.
//
// Every reader takes a YAML value and gives a struct. What is wrong is reported where it stands,
// and the reader goes on with what is left.
#include "ir/lang/decl.h"

#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/decl_read.h"
#include "ir/lang/hints.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

// ---- helpers shared with form.c -----------------------------------------------------------------

bool decl_is_map(Reader *r, const Yaml *y, const char *what) {
    if (y->kind == YAML_MAP)
        return true;
    diag_error(r->d, y->loc, E_wrong_kind, "%s is a mapping, and this is %s", what,
               yaml_kind_name(y));
    hint_note(r->d, y->loc, HINT_MAPPING, what);
    return false;
}

bool decl_name_is_good(Reader *r, const char *name, Loc loc, const char *what) {
    if (expr_is_name(name) && strcmp(name, "null"))
        return true;
    static const char *const words[] = {"and", "or", "not", "if", "else", "true", "false", "null"};
    for (int i = 0; i < COUNT(words); i++) {
        if (!strcmp(name, words[i])) {
            diag_error(r->d, loc, E_reserved_name,
                       "'%s' is a word of the language and cannot name %s", name, what);
            return false;
        }
    }
    diag_error(r->d, loc, E_expr_syntax,
               "'%s' cannot name %s: names are letters, digits and '_', not starting with a digit",
               name, what);
    return false;
}

const char *decl_text(Reader *r, const Yaml *y, const char *what) {
    if (y && y->kind == YAML_SCALAR)
        return y->text;
    if (y)
        diag_error(r->d, y->loc, E_wrong_kind, "%s is text, and this is %s", what,
                   yaml_kind_name(y));
    return NULL;
}

static const char *read_doc(Reader *r, const Yaml *map) {
    const Yaml *y = yaml_find(map, "doc");
    return y ? decl_text(r, y, "'doc'") : NULL;
}

// ---- dims and arguments -------------------------------------------------------------------------

static DimDecl read_dim(Reader *r, const char *name, Loc loc, const Yaml *y) {
    DimDecl dim = {.name = name, .loc = loc, .kind = DIM_FIXED};
    if (y->kind != YAML_MAP) {
        dim.value = form_read(r->a, r->d, y);
        if (dim.value->kind == FORM_NOTHING)
            dim.kind = DIM_OPEN;
        return dim;
    }
    static const char *const known[] = {"default", "max", "likely"};
    yaml_check_keys(y, r->d, known, COUNT(known), arena_printf(r->a, "dim '%s'", name));
    const Yaml *value = yaml_find(y, "default"), *max = yaml_find(y, "max"),
               *likely = yaml_find(y, "likely");
    dim.kind = value ? DIM_DEFAULT : max ? DIM_BOUNDED : DIM_OPEN;
    if (likely && !max && !value) {
        diag_error(r->d, loc, E_missing_key, "dim '%s' has a likely value and lacks 'max'", name);
        dim.kind = DIM_FIXED;
        dim.value = form_bad(r, loc);
        return dim;
    }
    dim.value = value ? form_read(r->a, r->d, value) : NULL;
    dim.max = max ? form_read(r->a, r->d, max) : NULL;
    dim.likely = likely ? form_read(r->a, r->d, likely) : NULL;
    return dim;
}

static DimDecls read_dims(Reader *r, const Yaml *y) {
    DimDecls dims = {0};
    if (!y || !decl_is_map(r, y, "'dims'"))
        return dims;
    dims.items = arena_array(r->a, DimDecl, y->n);
    for (int i = 0; i < y->n; i++) {
        if (decl_name_is_good(r, y->keys[i], y->key_locs[i], "a dim"))
            dims.items[dims.n++] = read_dim(r, y->keys[i], y->key_locs[i], y->items[i]);
    }
    return dims;
}

static Arguments read_arguments(Reader *r, const Yaml *y) {
    Arguments arguments = {0};
    if (!y || !decl_is_map(r, y, "'arguments'"))
        return arguments;
    arguments.items = arena_array(r->a, Argument, y->n);
    for (int i = 0; i < y->n; i++) {
        if (!decl_name_is_good(r, y->keys[i], y->key_locs[i], "an argument"))
            continue;
        Argument *arg = &arguments.items[arguments.n++];
        *arg = (Argument){.name = y->keys[i], .loc = y->key_locs[i]};
        arg->must_be_size = y->items[i]->kind == YAML_SCALAR && !strcmp(y->items[i]->text, "dim");
        if (y->items[i]->kind == YAML_SCALAR && hint_is_type(y->items[i]->text)) {
            diag_error(r->d, y->items[i]->loc, E_wrong_kind,
                       "an argument has a default value, or is 'dim': a size that must be given");
            arg->value = form_bad(r, y->items[i]->loc);
        } else if (!arg->must_be_size)
            arg->value = form_read(r->a, r->d, y->items[i]);
    }
    return arguments;
}

// ---- functions, layers, programs ----------------------------------------------------------------

static void read_inputs(Reader *r, FuncDecl *f, const Yaml *y) {
    if (!y || !decl_is_map(r, y, "'inputs'"))
        return;
    f->inputs = arena_array(r->a, Input, y->n);
    for (int i = 0; i < y->n; i++) {
        if (!decl_name_is_good(r, y->keys[i], y->key_locs[i], "an input"))
            continue;
        f->inputs[f->n_inputs++] = (Input){.name = y->keys[i],
                                           .loc = y->key_locs[i],
                                           .type = form_read_type(r->a, r->d, y->items[i])};
    }
}

// Names of inputs, arguments, dims and nodes of one function are distinct.
static void check_names(Reader *r, const FuncDecl *f) {
    Map seen = {0};
    static const char *const kinds[] = {"an input", "an argument", "a dim", "a node"};
    for (int kind = 0; kind < 4; kind++) {
        int n = kind == 0   ? f->n_inputs
                : kind == 1 ? f->arguments.n
                : kind == 2 ? f->dims.n
                            : f->nodes.n;
        for (int i = 0; i < n; i++) {
            const char *name = kind == 0   ? f->inputs[i].name
                               : kind == 1 ? f->arguments.items[i].name
                               : kind == 2 ? f->dims.items[i].name
                                           : f->nodes.items[i].name;
            Loc loc = kind == 0   ? f->inputs[i].loc
                      : kind == 1 ? f->arguments.items[i].loc
                      : kind == 2 ? f->dims.items[i].loc
                                  : f->nodes.items[i].loc;
            const char *before = map_get(&seen, name);
            if (before)
                diag_error(r->d, loc, E_duplicate_name, "'%s' is already the name of %s of '%s'",
                           name, before, f->name);
            else
                map_put(&seen, r->a, name, (void *)(uintptr_t)kinds[kind]);
        }
    }
}

static FuncDecl *new_function(Reader *r, const char *name, Loc loc) {
    FuncDecl *f = arena_new(r->a, FuncDecl);
    *f = (FuncDecl){.name = name, .loc = loc, .file = r->file};
    return f;
}

static Form *missing(Reader *r, const Yaml *y, Loc loc, const char *key, const char *what) {
    const Yaml *found = yaml_find(y, key);
    if (found)
        return form_read(r->a, r->d, found);

    // a key that is nearly this one, or is so called elsewhere, is told as unknown
    if (!map_nearest(key, y->keys, y->n) && !yaml_find(y, "return"))
        diag_error(r->d, loc, E_missing_key, "%s lacks '%s'", what, key);
    Form *bad = arena_new(r->a, Form);
    bad->loc = loc;
    return bad;
}

// The stated output of a function of an interface, and its default.
static void read_interface_output(Reader *r, FuncDecl *f, const Yaml *y) {
    const Yaml *output = yaml_find(y, "output"), *value = yaml_find(y, "default");
    if (output)
        f->output_type = form_read_type(r->a, r->d, output);
    if (!value || !decl_is_map(r, value, "'default'"))
        return;
    static const char *const known[] = {"nodes", "output"};
    yaml_check_keys(value, r->d, known, COUNT(known), "a default");
    f->has_default = true;
    f->nodes = form_read_fields(r, yaml_find(value, "nodes"), "'nodes'", "a node");
    f->output = missing(r, value, value->loc, "output", "a default");
}

// `what` is how messages call it: "function 'f'", "'apply' of layer 'l'".
static FuncDecl *read_body(Reader *r, const char *name, Loc loc, const Yaml *y, const char *what) {
    FuncDecl *f = new_function(r, name, loc);
    if (!decl_is_map(r, y, what)) {
        f->output = form_read(r->a, r->d, NULL);
        f->output->kind = FORM_BAD;
        return f;
    }
    static const char *const keys[] = {"doc",  "inputs", "output", "arguments",
                                       "dims", "nodes",  "init"};
    static const char *const interface_keys[] = {"doc", "inputs", "dims", "output", "default"};
    bool in_interface = r->file->is_interface;
    yaml_check_keys(y, r->d, in_interface ? interface_keys : keys,
                    in_interface ? COUNT(interface_keys) : COUNT(keys), what);

    f->doc = read_doc(r, y);
    read_inputs(r, f, yaml_find(y, "inputs"));
    f->dims = read_dims(r, yaml_find(y, "dims"));
    if (in_interface) {
        read_interface_output(r, f, y);
        check_names(r, f);
        return f;
    }
    f->arguments = read_arguments(r, yaml_find(y, "arguments"));
    f->nodes = form_read_fields(r, yaml_find(y, "nodes"), "'nodes'", "a node");
    f->output = missing(r, y, loc, "output", what);
    const Yaml *init = yaml_find(y, "init");
    f->init = init ? form_read(r->a, r->d, init) : NULL;
    check_names(r, f);
    return f;
}

static FuncDecl *read_function(Reader *r, const char *name, Loc loc, const Yaml *y) {
    return read_body(r, name, loc, y, arena_printf(r->a, "function '%s'", name));
}

static LayerDecl *read_layer(Reader *r, const char *name, Loc loc, const Yaml *y) {
    LayerDecl *layer = arena_new(r->a, LayerDecl);
    *layer = (LayerDecl){.name = name, .loc = loc, .file = r->file};
    const char *what = arena_printf(r->a, "layer '%s'", name);
    layer->apply = new_function(r, name, loc);
    layer->apply->layer = layer;
    layer->params = form_read(r->a, r->d, NULL);
    layer->apply->output = layer->params;
    if (!decl_is_map(r, y, what)) {
        layer->apply->output = layer->params = form_bad(r, loc);
        return layer;
    }
    static const char *const keys[] = {"doc", "arguments", "params", "apply"};
    yaml_check_keys(y, r->d, keys, COUNT(keys), what);
    layer->doc = read_doc(r, y);
    layer->arguments = read_arguments(r, yaml_find(y, "arguments"));
    const Yaml *params = yaml_find(y, "params"), *apply = yaml_find(y, "apply");
    layer->params = params ? form_read_params(r, params) : form_empty(r, loc);
    if (!apply) {
        diag_error(r->d, loc, E_missing_key, "%s lacks 'apply'", what);
        layer->apply->output = form_bad(r, loc);
        return layer;
    }
    layer->apply =
        read_body(r, name, loc, apply, arena_printf(r->a, "'apply' of layer '%s'", name));
    layer->apply->layer = layer;
    return layer;
}

static Minimize *read_minimize(Reader *r, const Yaml *y, Loc loc) {
    if (!decl_is_map(r, y, "'minimize'"))
        return NULL;
    static const char *const keys[] = {"value", "over", "by", "clip"};
    yaml_check_keys(y, r->d, keys, COUNT(keys), "'minimize'");
    Minimize *m = arena_new(r->a, Minimize);
    *m = (Minimize){.loc = loc,
                    .value = missing(r, y, loc, "value", "'minimize'"),
                    .over = missing(r, y, loc, "over", "'minimize'"),
                    .by = missing(r, y, loc, "by", "'minimize'")};
    const Yaml *clip = yaml_find(y, "clip");
    m->clip = clip ? form_read(r->a, r->d, clip) : NULL;
    return m;
}

static ProgramDecl *read_program(Reader *r, const char *name, Loc loc, const Yaml *y) {
    ProgramDecl *p = arena_new(r->a, ProgramDecl);
    *p = (ProgramDecl){
        .name = name, .loc = loc, .file = r->file, .body = new_function(r, name, loc)};
    const char *what = arena_printf(r->a, "program '%s'", name);
    if (!decl_is_map(r, y, what))
        return p;
    static const char *const keys[] = {"doc",      "inputs", "dims",   "nodes",
                                       "minimize", "update", "outputs"};
    yaml_check_keys(y, r->d, keys, r->file->is_interface ? 3 : COUNT(keys), what);
    p->doc = p->body->doc = read_doc(r, y);
    read_inputs(r, p->body, yaml_find(y, "inputs"));
    p->body->dims = read_dims(r, yaml_find(y, "dims"));
    p->body->nodes = form_read_fields(r, yaml_find(y, "nodes"), "'nodes'", "a node");
    check_names(r, p->body);

    Loc at = loc;
    const Yaml *minimize = yaml_find_loc(y, "minimize", &at), *outputs = yaml_find(y, "outputs"),
               *update = yaml_find(y, "update");
    p->minimize = minimize ? read_minimize(r, minimize, at) : NULL;
    p->update = form_read_fields(r, update, "'update'", NULL);
    p->body->output = outputs ? form_read(r->a, r->d, outputs) : NULL;
    if (!minimize && !update && !outputs && !r->file->is_interface &&
        !map_nearest("outputs", y->keys, y->n))
        diag_error(r->d, loc, E_missing_key, "%s has none of 'minimize', 'update' and 'outputs'",
                   what);
    return p;
}

// ---- the whole file -----------------------------------------------------------------------------

static Reference read_reference(Reader *r, const char *name, Loc loc, const Yaml *y,
                                const char *what) {
    const char *path = decl_text(r, y, what);
    return (Reference){.name = name, .path = path, .loc = loc, .path_loc = y->loc};
}

static Reference *read_references(Reader *r, const Yaml *y, int *n, const char *what,
                                  const char *item) {
    *n = 0;
    if (!y || !decl_is_map(r, y, what))
        return NULL;
    Reference *all = arena_array(r->a, Reference, y->n);
    for (int i = 0; i < y->n; i++) {
        if (!decl_name_is_good(r, y->keys[i], y->key_locs[i], item))
            continue;
        Reference ref = read_reference(r, y->keys[i], y->key_locs[i], y->items[i], "a path");
        if (ref.path)
            all[(*n)++] = ref;
    }
    return all;
}

// One path or a list of them.
static void read_implements(Reader *r, const Yaml *y) {
    if (!y)
        return;
    int n = y->kind == YAML_LIST ? y->n : 1;
    r->file->implements = arena_array(r->a, Reference, n);
    for (int i = 0; i < n; i++) {
        const Yaml *item = y->kind == YAML_LIST ? y->items[i] : y;
        Reference ref = read_reference(r, "", item->loc, item, "the path of an interface");
        if (ref.path)
            r->file->implements[r->file->n_implements++] = ref;
    }
}

static ConstDecl *read_consts(Reader *r, const Yaml *y, int *n, const char *what,
                              const char *item) {
    *n = 0;
    if (!y || !decl_is_map(r, y, what))
        return NULL;
    ConstDecl *all = arena_array(r->a, ConstDecl, y->n);
    for (int i = 0; i < y->n; i++) {
        if (decl_name_is_good(r, y->keys[i], y->key_locs[i], item))
            all[(*n)++] = (ConstDecl){.name = y->keys[i],
                                      .loc = y->key_locs[i],
                                      .value = form_read_const(r, y->items[i], item)};
    }
    return all;
}

// The children of `key`, one struct each by `read`, into an array of pointers.
#define READ_ALL(Type, key, array, count, read, item)                                        \
    do {                                                                                     \
        const Yaml *all = yaml_find(root, key);                                              \
        if (!all || !decl_is_map(r, all, "'" key "'"))                                       \
            break;                                                                           \
        (array) = arena_array(r->a, Type *, all->n);                                         \
        for (int i = 0; i < all->n; i++) {                                                   \
            if (decl_name_is_good(r, all->keys[i], all->key_locs[i], item))                  \
                (array)[(count)++] = read(r, all->keys[i], all->key_locs[i], all->items[i]); \
        }                                                                                    \
    } while (0)

// A size is a dim or an option: no name of a shape is one of the module's tensors.
static void check_sizes(Reader *r, const Expr *e, const Map *tensors) {
    if (!e)
        return;
    const char *kind = e->kind == EXPR_NAME ? map_get(tensors, e->name) : NULL;
    if (kind) {
        diag_error(r->d, e->loc, E_not_static, "'%s' is %s, and a size is a dim or an option",
                   e->name, kind);
        return;
    }
    check_sizes(r, e->base, tensors);
    for (int i = 0; i < e->n; i++)
        check_sizes(r, e->args[i], tensors);
}

static void check_type(Reader *r, const TypeExpr *t, const Map *tensors) {
    for (int i = 0; t->kind == TYPE_TENSOR && i < t->n; i++)
        check_sizes(r, t->sizes[i], tensors);
    for (int i = 0; t->kind == TYPE_RECORD && i < t->n; i++)
        check_type(r, t->fields[i], tensors);
}

static void check_function_sizes(Reader *r, const FuncDecl *f, const Map *tensors) {
    for (int i = 0; i < f->n_inputs; i++)
        check_type(r, f->inputs[i].type, tensors);
}

static void check_all_sizes(Reader *r, const LangFile *f) {
    Map tensors = {0};
    static const char *const kinds[] = {"a setting", "a parameter", "a state"};
    for (int i = 0; i < f->n_settings; i++)
        map_put(&tensors, r->a, f->settings[i].name, (void *)(uintptr_t)kinds[0]);
    for (int i = 0; f->params && i < f->params->fields.n; i++)
        map_put(&tensors, r->a, f->params->fields.items[i].name, (void *)(uintptr_t)kinds[1]);
    for (int i = 0; f->state && i < f->state->fields.n; i++)
        map_put(&tensors, r->a, f->state->fields.items[i].name, (void *)(uintptr_t)kinds[2]);
    for (int i = 0; i < f->n_functions; i++)
        check_function_sizes(r, f->functions[i], &tensors);
    for (int i = 0; i < f->n_programs; i++)
        check_function_sizes(r, f->programs[i]->body, &tensors);
}

// One name means one thing among options, settings, dims, params, state and module parameters.
static void check_module_names(Reader *r, const LangFile *f) {
    Map seen = {0};
    struct {
        const char *kind, *name;
        Loc loc;
    } item;
#define CLAIM(what, item_name, item_loc)                                                   \
    do {                                                                                   \
        item.kind = (what), item.name = (item_name), item.loc = (item_loc);                \
        const char *before = map_get(&seen, item.name);                                    \
        if (before)                                                                        \
            diag_error(r->d, item.loc, E_duplicate_name, "'%s' is already the name of %s", \
                       item.name, before);                                                 \
        else                                                                               \
            map_put(&seen, r->a, item.name, (void *)(uintptr_t)item.kind);                 \
    } while (0)
    for (int i = 0; i < f->dims.n; i++)
        CLAIM("a dim", f->dims.items[i].name, f->dims.items[i].loc);
    for (int i = 0; i < f->n_options; i++)
        CLAIM("an option", f->options[i].name, f->options[i].loc);
    for (int i = 0; i < f->n_settings; i++)
        CLAIM("a setting", f->settings[i].name, f->settings[i].loc);
    for (int i = 0; f->params && i < f->params->fields.n; i++)
        CLAIM("a parameter", f->params->fields.items[i].name, f->params->fields.items[i].loc);
    for (int i = 0; f->state && i < f->state->fields.n; i++)
        CLAIM("a state", f->state->fields.items[i].name, f->state->fields.items[i].loc);
    for (int i = 0; i < f->n_modules; i++)
        CLAIM("a module parameter", f->modules[i].name, f->modules[i].loc);
    for (int i = 0; i < f->n_imports; i++)
        CLAIM("an import", f->imports[i].name, f->imports[i].loc);
#undef CLAIM
    for (int i = 0; i < f->n_programs; i++) {
        const ProgramDecl *p = f->programs[i];
        if (decl_function(f, p->name))
            diag_error(r->d, p->loc, E_duplicate_name, "'%s' is already the name of a function",
                       p->name);
    }
    for (int i = 0; i < f->n_imports + f->n_modules; i++) {
        const Reference *ref = i < f->n_imports ? &f->imports[i] : &f->modules[i - f->n_imports];
        if (!strcmp(ref->name, "draw"))
            diag_error(r->d, ref->loc, E_reserved_name, "'draw.f' are the draws of every file");
    }
}

static const char *const module_keys[] = {
    "module",   "doc",    "implements", "import", "modules",   "dims",     "options",
    "settings", "params", "state",      "layers", "functions", "programs",
};
static const char *const interface_keys[] = {
    "interface", "doc", "default_instance", "dims", "functions", "programs",
};

static void read_name(Reader *r, const Yaml *root) {
    LangFile *f = r->file;
    f->loc = root->loc;
    const Yaml *name = yaml_find_loc(root, f->is_interface ? "interface" : "module", &f->loc);
    f->name = "?";
    if (!name) {
        diag_error(r->d, f->loc, E_missing_key,
                   "the file has neither 'module' nor 'interface', so it is none");
    } else {
        const char *text = decl_text(r, name, "the name of a module");
        if (text && decl_name_is_good(r, text, name->loc, "a module"))
            f->name = text;
    }
}

LangFile *decl_read(Arena *a, Diag *d, const char *path, const char *identity, Yaml *root) {
    LangFile *f = arena_new(a, LangFile);
    *f = (LangFile){.path = path, .identity = identity, .name = "?", .loc = root->loc};
    Reader reader = {.a = a, .d = d, .file = f}, *r = &reader;
    if (root->kind != YAML_MAP) {
        diag_error(d, root->loc, E_wrong_kind,
                   "a file holds a mapping with 'module', and this is %s", yaml_kind_name(root));
        return NULL;
    }
    Loc at;
    if (yaml_find_loc(root, "experiment", &at) && !yaml_find(root, "module")) {
        diag_error(d, at, E_wrong_kind, "this is an experiment, and a module was expected");
        diag_note(d, at, "'gssm-run train --dry-run' checks an experiment");
        return NULL;
    }
    f->is_interface = yaml_find(root, "interface") != NULL;
    if (f->is_interface && yaml_find_loc(root, "module", &at)) {
        diag_error(d, at, E_duplicate_key, "a file is a module or an interface, not both");
        return NULL;
    }
    read_name(r, root);
    yaml_check_keys(root, d, f->is_interface ? interface_keys : module_keys,
                    f->is_interface ? COUNT(interface_keys) : COUNT(module_keys),
                    f->is_interface ? "an interface" : "a module");
    f->doc = read_doc(r, root);
    f->dims = read_dims(r, yaml_find(root, "dims"));
    if (f->is_interface) {
        const Yaml *y = yaml_find(root, "default_instance");
        f->default_instance = y ? decl_text(r, y, "'default_instance'") : NULL;
    } else {
        read_implements(r, yaml_find(root, "implements"));
        f->imports =
            read_references(r, yaml_find(root, "import"), &f->n_imports, "'import'", "an import");
        f->modules = read_references(r, yaml_find(root, "modules"), &f->n_modules, "'modules'",
                                     "a module parameter");
        f->options =
            read_consts(r, yaml_find(root, "options"), &f->n_options, "'options'", "an option");
        f->settings =
            read_consts(r, yaml_find(root, "settings"), &f->n_settings, "'settings'", "a setting");
        const Yaml *params = yaml_find(root, "params"), *state = yaml_find(root, "state");
        f->params =
            params && decl_is_map(r, params, "'params'") ? form_read_params(r, params) : NULL;
        f->state = state && decl_is_map(r, state, "'state'") ? form_read_params(r, state) : NULL;
    }
    READ_ALL(LayerDecl, "layers", f->layers, f->n_layers, read_layer, "a layer");
    READ_ALL(FuncDecl, "functions", f->functions, f->n_functions, read_function, "a function");
    READ_ALL(ProgramDecl, "programs", f->programs, f->n_programs, read_program, "a program");
    check_module_names(r, f);
    check_all_sizes(r, f);
    return f;
}

// ---- finding ------------------------------------------------------------------------------------

FuncDecl *decl_function(const LangFile *f, const char *name) {
    for (int i = 0; i < f->n_functions; i++) {
        if (!strcmp(f->functions[i]->name, name))
            return f->functions[i];
    }
    return NULL;
}

LayerDecl *decl_layer(const LangFile *f, const char *name) {
    for (int i = 0; i < f->n_layers; i++) {
        if (!strcmp(f->layers[i]->name, name))
            return f->layers[i];
    }
    return NULL;
}

ProgramDecl *decl_program(const LangFile *f, const char *name) {
    for (int i = 0; i < f->n_programs; i++) {
        if (!strcmp(f->programs[i]->name, name))
            return f->programs[i];
    }
    return NULL;
}
