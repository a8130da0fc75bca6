// ir/lang/report.c -- facts about a world, for those who ask: entries, bindings, shapes of inputs.
#include <inttypes.h>
#include <string.h>

#include "ir/lang/elab.h"
#include "ir/lang/signature.h"

// ---- entries and instances ----------------------------------------------------------------------

int lang_entries(LangWorld *w, const LangEntry **entries) {
    if (!w->entries) {
        int cap = 0, n = 0;
        for (int i = 0; i < w->n_instances; i++)
            cap += w->instances[i]->file->n_functions + w->instances[i]->file->n_programs;
        w->entries = arena_array(w->a, LangEntry, cap);
        for (int i = 0; i < w->n_instances; i++) {
            const LangInstance *in = w->instances[i];
            const LangFile *file = in->file;
            for (int k = 0; k < file->n_functions; k++) {
                const FuncDecl *f = file->functions[k];
                if (f->output)
                    w->entries[n++] = (LangEntry){.instance = in->name,
                                                  .name = f->name,
                                                  .kind = LANG_FUNCTION,
                                                  .generic = signature_is_generic(f),
                                                  .doc = f->doc,
                                                  .loc = f->loc};
            }
            for (int k = 0; k < file->n_programs && !file->is_interface; k++) {
                const ProgramDecl *p = file->programs[k];
                w->entries[n++] = (LangEntry){.instance = in->name,
                                              .name = p->name,
                                              .kind = LANG_PROGRAM,
                                              .doc = p->doc,
                                              .loc = p->loc};
            }
        }
        w->n_entries = n;
    }
    *entries = w->entries;
    return w->n_entries;
}

bool lang_has_function(LangWorld *w, const char *instance, const char *name) {
    const LangInstance *in = map_get(&w->by_name, instance);
    return in && world_function(in, name);
}

int lang_instances(LangWorld *w, const char *const **names) {
    if (!w->names) {
        w->names = arena_array(w->a, const char *, w->n_instances);
        for (int i = 0; i < w->n_instances; i++)
            w->names[i] = w->instances[i]->name;
    }
    *names = w->names;
    return w->n_instances;
}

const char *lang_module_path(LangWorld *w, const char *instance) {
    const LangInstance *in = map_get(&w->by_name, instance);
    return in ? in->file->path : NULL;
}

bool lang_dim_value(LangWorld *w, const char *instance, const char *dim, int64_t *value) {
    Dim *d = dims_find(map_get(&w->by_name, instance), dim);
    if (!d)
        return false;
    if (d->bounded)
        return d->given && dims_number(w, d->given, value);
    *value = d->value;
    return dims_resolve(w, d);
}

// A value as it would stand in a file.
static const char *plain_text(LangWorld *w, const Value *v) {
    Buf b = {0};
    char number[32];
    switch (v->kind) {
    case VALUE_INT:
        buf_printf(&b, "%" PRId64, v->i);
        break;
    case VALUE_REAL:
        buf_format_double(number, v->x);
        buf_puts(&b, number);
        break;
    case VALUE_BOOL:
        buf_puts(&b, v->i ? "true" : "false");
        break;
    case VALUE_STRING:
        buf_puts(&b, v->s);
        break;
    case VALUE_LIST:
        buf_puts(&b, "[");
        for (int i = 0; i < v->n; i++)
            buf_printf(&b, "%s%s", i ? ", " : "", plain_text(w, v->items[i]));
        buf_puts(&b, "]");
        break;
    case VALUE_POISON:
    case VALUE_NOTHING:
    case VALUE_DIM:
    case VALUE_TENSOR:
    case VALUE_RECORD:
    case VALUE_FUNCTION:
        buf_puts(&b, "?");
        break;
    }
    const char *text = arena_strdup(w->a, buf_text(&b));
    buf_free(&b);
    return text;
}

bool lang_option_text(LangWorld *w, const char *instance, const char *option, const char **text) {
    const LangInstance *in = map_get(&w->by_name, instance);
    for (int i = 0; in && i < in->file->n_options; i++) {
        if (strcmp(in->options[i].name, option))
            continue;
        *text = plain_text(w, in->options[i].value);
        return true;
    }
    return false;
}

// ---- bindings -----------------------------------------------------------------------------------

static LangBinding dim_binding(LangWorld *w, const LangInstance *in, Dim *d) {
    LangBinding b = {
        .instance = in->name, .name = d->name, .kind = LANG_DIM, .origin = "file", .loc = d->loc};
    int64_t value;
    if (!d->bounded) {
        bool known = dims_resolve(w, d);
        b.value = known ? arena_printf(w->a, "%" PRId64, d->value) : "?";
        b.origin = d->origin ? d->origin : "file";
    } else if (d->given && dims_number(w, d->given, &value)) {
        b.value = arena_printf(w->a, "%" PRId64, value);
        b.origin = "-D";
    } else {
        b.value = arena_printf(w->a, "up to %" PRId64, d->max);
    }
    return b;
}

int lang_bindings(LangWorld *w, const LangBinding **bindings) {
    if (!w->bindings) {
        int cap = 0, n = 0;
        for (int i = 0; i < w->n_instances; i++)
            cap += w->instances[i]->n_dims + w->instances[i]->file->n_options +
                   w->instances[i]->file->n_settings;
        w->bindings = arena_array(w->a, LangBinding, cap);
        for (int i = 0; i < w->n_instances; i++) {
            const LangInstance *in = w->instances[i];
            for (int k = 0; k < in->n_dims; k++)
                w->bindings[n++] = dim_binding(w, in, in->dims[k]);
            for (int k = 0; k < in->file->n_options; k++)
                w->bindings[n++] =
                    (LangBinding){.instance = in->name,
                                  .name = in->options[k].name,
                                  .value = plain_text(w, in->options[k].value),
                                  .origin = in->options[k].is_set ? "--set" : "default",
                                  .kind = LANG_OPTION,
                                  .loc = in->options[k].loc};
            for (int k = 0; k < in->file->n_settings; k++) {
                const Slot *s = in->settings[k];
                Value v = {.kind = VALUE_REAL, .x = s->value};
                w->bindings[n++] = (LangBinding){.instance = in->name,
                                                 .name = s->local,
                                                 .value = plain_text(w, &v),
                                                 .origin = s->is_set ? "--set" : "default",
                                                 .kind = LANG_SETTING,
                                                 .loc = s->loc};
            }
        }
        w->n_bindings = n;
    }
    *bindings = w->bindings;
    return w->n_bindings;
}

// ---- signatures ---------------------------------------------------------------------------------

static const FuncDecl *entry_decl(LangWorld *w, const char *name) {
    const LangInstance *in = map_get(&w->by_name, "");
    const FuncDecl *f = in ? world_function(in, name) : NULL;
    const ProgramDecl *p = in && !f ? decl_program(in->file, name) : NULL;
    return p ? p->body : f;
}

static bool is_option(const LangInstance *in, const char *name) {
    for (int i = 0; i < in->file->n_options; i++)
        if (!strcmp(in->options[i].name, name))
            return true;
    return false;
}

// The name of an axis that data may bind, or NULL.
static const char *axis_name(LangWorld *w, const FuncDecl *f, const Expr *e) {
    const LangInstance *in = map_get(&w->by_name, "");
    if (e->kind == EXPR_FIELD && e->base->kind == EXPR_NAME) {
        const Dim *d = dims_find(map_get(&w->by_name, e->base->name), e->name);
        return d && !d->bounded ? arena_printf(w->a, "%s.%s", e->base->name, e->name) : NULL;
    }
    if (e->kind != EXPR_NAME)
        return NULL;
    for (int i = 0; i < f->dims.n; i++) {
        if (!strcmp(f->dims.items[i].name, e->name))
            return f->dims.items[i].kind == DIM_DEFAULT ? e->name : NULL;
    }
    const Dim *d = dims_find(in, e->name);
    if (!d)
        return is_option(in, e->name) ? NULL : e->name; // a size without a maximum
    return d->decl->kind == DIM_DEFAULT ? e->name : NULL;
}

int lang_signature(LangWorld *w, const char *name, const char *input,
                   const char *names[IR_MAX_RANK]) {
    const FuncDecl *f = entry_decl(w, name);
    for (int i = 0; f && i < f->n_inputs; i++) {
        const TypeExpr *t = f->inputs[i].type;
        if (strcmp(f->inputs[i].name, input))
            continue;
        if (t->kind != TYPE_TENSOR || t->any_leading)
            return -1;
        for (int k = 0; k < t->n; k++)
            names[k] = axis_name(w, f, t->sizes[k]);
        return t->n;
    }
    return -1;
}

bool lang_has_output(LangWorld *w, Diag *d, const char *name, const char *output) {
    LangRequest r = {.instance = "", .name = name};
    int errors = d->n_errors;
    const IrModule *m = lang_elaborate(w, d, &r);
    if (!m || d->n_errors > errors)
        return false;
    const IrFunction *f = m->functions[m->n - 1];
    for (int i = 0; i < f->body->n_results; i++) {
        if (f->outputs[i].role == IR_ROLE_OUT && !strcmp(f->outputs[i].name, output))
            return true;
    }
    return false;
}
