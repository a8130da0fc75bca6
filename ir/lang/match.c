// ir/lang/match.c -- signatures against arguments: what the names in the shapes of inputs stand
// for.
//
// Matching goes twice over the inputs: first each axis that is a single free name binds it, then
// every size is evaluated and compared. So names may stand in any order, also within `N + M`.
#include <inttypes.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"
#include "ir/lang/hints.h"

// ---- generic signatures -------------------------------------------------------------------------

bool type_has(const TypeExpr *t, TypeKind kind) {
    if (t->kind == kind)
        return true;
    for (int i = 0; t->kind == TYPE_RECORD && i < t->n; i++) {
        if (type_has(t->fields[i], kind))
            return true;
    }
    return false;
}

static bool has_leading(const TypeExpr *t) {
    if (t->kind == TYPE_TENSOR)
        return t->any_leading;
    for (int i = 0; t->kind == TYPE_RECORD && i < t->n; i++) {
        if (has_leading(t->fields[i]))
            return true;
    }
    return false;
}

bool signature_is_generic(const FuncDecl *f) {
    for (int i = 0; i < f->n_inputs; i++) {
        const TypeExpr *t = f->inputs[i].type;
        if (type_has(t, TYPE_FUNCTION) || type_has(t, TYPE_LETTER) || has_leading(t))
            return true;
    }
    for (int i = 0; i < f->arguments.n; i++) {
        if (!f->arguments.items[i].value)
            return true;
    }
    return false;
}

// ---- names --------------------------------------------------------------------------------------

Signature signature_open(Cx *cx, Cx *from, FuncDecl *f, Loc loc) {
    return (Signature){.cx = cx,
                       .from = from,
                       .function = f,
                       .scope = scope_new(cx, cx->scope, f ? f->name : NULL),
                       .loc = loc};
}

void signature_put_dim(Signature *s, const char *name, Loc loc, IrDim *d) {
    map_put(&s->dims, s->cx->e->a, name, d);
    scope_put(s->cx, s->scope, name, loc, value_dim(s->cx->e->a, d));
}

// Whether a name in a shape means a number of the module or an argument.
static bool is_told(Signature *s, const char *name) {
    if (scope_find(s->cx, name, s->loc))
        return true;

    // in an interface, the dims that it declares
    const LangFile *file = s->function ? s->function->file : NULL;
    bool declared = !file || !file->is_interface;
    for (int i = 0; !declared && i < file->dims.n; i++)
        declared = !strcmp(file->dims.items[i].name, name);
    if (!declared)
        return false;
    const LangInstance *in = s->cx->instance;
    Dim *dim = dims_find(in, name);
    if (dim)
        return !dim->bounded && (dims_resolve(in->world, dim) || !in->is_default);
    for (int i = 0; i < in->file->n_options; i++) {
        if (!strcmp(in->file->options[i].name, name))
            return true;
    }
    return false;
}

static const DimDecl *own_dim(const FuncDecl *f, const char *name) {
    for (int i = 0; f && i < f->dims.n; i++) {
        if (!strcmp(f->dims.items[i].name, name))
            return &f->dims.items[i];
    }
    return NULL;
}

// The value of a dim declared with a number: K: 50, K: {default: 50}.
static IrDim *declared(Signature *s, const DimDecl *decl) {
    Value *v = elab_form(s->cx, decl->value);
    return elab_size(s->cx, v, decl->loc, arena_printf(s->cx->e->a, "'%s'", decl->name));
}

static IrDim *entry_var(Signature *s, const char *name, int64_t max, int64_t likely, Loc loc) {
    Elab *e = s->cx->e;
    const LangPair *given = e->lenient ? NULL : dims_given(e->w, s->cx->instance->name, name);
    int64_t value;
    if (!given || !dims_number(e->w, given, &value))
        return ir_dim_var(e->module->dims, name, max, likely);
    if (value > max) {
        elab_error(s->from, loc, E_dim_value,
                   "'%s' is bound to %" PRId64 ", and its maximum is %" PRId64, name, value, max);
        elab_poison(s->from);
        return NULL;
    }
    return ir_dim_const(e->module->dims, value);
}

// A name of an entry: bound by -D, a number by its declaration, or a variable.
static IrDim *entry_dim(Signature *s, const char *name, Loc loc) {
    Elab *e = s->cx->e;
    const DimDecl *own = own_dim(s->function, name);
    int64_t max = ELAB_LENIENT_MAX, likely = 0, value;
    if (own && own->kind != DIM_OPEN) {
        const LangPair *given = e->lenient ? NULL : dims_given(e->w, s->cx->instance->name, name);
        if (own->kind != DIM_BOUNDED && !given && !e->lenient)
            return declared(s, own);
        if (own->kind == DIM_FIXED && !e->lenient)
            return declared(s, own);
        if (own->kind == DIM_DEFAULT && given && dims_number(e->w, given, &value))
            return ir_dim_const(e->module->dims, value);
        if (own->max && !elab_static_int(s->cx, own->max, "'max'", &max))
            return NULL;
        if (own->likely && !elab_static_int(s->cx, own->likely, "'likely'", &likely))
            return NULL;
        return entry_var(s, name, max, likely, loc);
    }
    const Dim *dim = dims_find(s->cx->instance, name);
    if (dim && dim->bounded)
        return entry_var(s, name, dim->max, dim->likely, loc);
    int64_t given_value;
    const LangPair *given = e->lenient ? NULL : dims_given(e->w, s->cx->instance->name, name);
    if (given && dims_number(e->w, given, &given_value))
        return ir_dim_const(e->module->dims, given_value);
    if (e->lenient || (e->checking && !e->is_program))
        return ir_dim_var(e->module->dims, name, ELAB_LENIENT_MAX, 0);
    elab_error(s->from, loc, E_dim_unbound, "the dim '%s' has no maximum", name);
    elab_note(s->from, loc, "give it one under 'dims', %s: {max: 1000}, or a value with -D %s=...",
              name, name);
    elab_poison(s->from);
    return NULL;
}

IrDim *signature_dim(Signature *s, const char *name, Loc loc) {
    IrDim *d = map_get(&s->dims, name);
    if (d)
        return d;
    if (s->entry) {
        d = entry_dim(s, name, loc);
    } else {
        const DimDecl *own = own_dim(s->function, name);
        if (own && (own->kind == DIM_FIXED || own->kind == DIM_DEFAULT)) {
            d = declared(s, own);
        } else {
            elab_error(s->from, s->loc, E_arguments, "the dim '%s' of '%s' is told by no input",
                       name, s->function->name);
            elab_note(s->from, loc, "give it by name: %s(..., %s=...)", s->function->name, name);
            elab_poison(s->from);
        }
    }
    if (d)
        signature_put_dim(s, name, loc, d);
    return d;
}

// Binds the free names of `e` that nothing bound yet. False, reported.
static bool bind_names(Signature *s, const Expr *e) {
    if (!e)
        return true;
    if (e->kind == EXPR_NAME && !map_has(&s->dims, e->name) && !is_told(s, e->name))
        return signature_dim(s, e->name, e->loc) != NULL;
    if (e->kind == EXPR_FIELD)
        return true;
    if (!bind_names(s, e->base))
        return false;
    for (int i = 0; i < e->n; i++) {
        if (!bind_names(s, e->args[i]))
            return false;
    }
    return true;
}

// A size of a shape. NULL, reported.
static IrDim *size_of_expr(Signature *s, const Expr *e) {
    if (!bind_names(s, e))
        return NULL;
    Cx at = *s->cx;
    at.scope = s->scope;
    return elab_size(&at, elab_expr(&at, e), e->loc, "an axis");
}

// ---- results of functions -----------------------------------------------------------------------

// The type of `v`, whose sizes are numbers.
static Pattern *value_pattern(Cx *cx, Value *v) {
    if (v->kind == VALUE_POISON)
        return NULL;
    Pattern *p = arena_new(cx->e->a, Pattern);
    *p = (Pattern){.dims = cx->e->module->dims, .result = v, .is_value = true};
    return p;
}

static void unknown_type(Cx *cx, const LangInstance *in, const TypeExpr *t) {
    const Expr *e = t->function;
    elab_error(cx, e->loc, E_unknown_function,
               "the type '%s' is no shape, and no function or parameter here", t->text);
    const char **functions, **names = NULL;
    int n_functions = world_function_names(in, &functions), n = 0, cap = 0;
    for (int i = 0; i < n_functions; i++)
        arena_push(cx->e->a, names, n, cap, functions[i]);
    for (int i = 0; i < in->file->n_modules && e->kind == EXPR_NAME; i++)
        arena_push(cx->e->a, names, n, cap, in->file->modules[i].name);
    const Form *forms[2] = {in->file->params, in->file->state};
    for (int k = 0; k < 2; k++) {
        for (int i = 0; forms[k] && i < forms[k]->fields.n; i++)
            arena_push(cx->e->a, names, n, cap, forms[k]->fields.items[i].name);
    }
    if (!hint_note(cx->e->d, e->loc, HINT_TYPE, t->text))
        diag_did_you_mean(cx->e->d, e->loc, e->name, names, n);
    elab_poison(cx);
}

// What the named function gives, or the parameters or states of that name. NULL, reported or
// silent, where that cannot be told.
static Pattern *type_pattern(Signature *s, const TypeExpr *t) {
    Cx *cx = s->cx;
    const Expr *e = t->function;
    LangInstance *in = cx->instance;
    if (e->kind == EXPR_FIELD) {
        bool is_module;
        if (!scope_instance(cx, e->base->name, &in, &is_module)) {
            elab_error(cx, e->base->loc, E_unknown_name,
                       "'%s' is neither a module parameter nor an import", e->base->name);
            elab_poison(cx);
            return NULL;
        }
        if (!in) {
            scope_unbound(cx, e->base->name, e->base->loc);
            return NULL;
        }
    }
    FuncDecl *f = world_function(in, e->name);
    if (f)
        return signature_pattern(cx, in, f, t->loc);
    Value *v = scope_typed(cx, e);
    if (v)
        return value_pattern(cx, v);
    unknown_type(cx, in, t);
    return NULL;
}

static void bind_pattern_dim(Signature *s, const IrDim *d, IrDim *actual, Loc loc) {
    const IrDimVar *var = ir_dim_is_var(d);
    if (var && !map_has(&s->dims, var->name))
        signature_put_dim(s, var->name, loc, actual);
}

static void bind_pattern(Signature *s, const Value *p, const Value *v, Loc loc) {
    if (p->kind != v->kind)
        return;
    if (p->kind == VALUE_TENSOR) {
        for (int i = 0; p->type.rank == v->type.rank && i < p->type.rank; i++)
            bind_pattern_dim(s, p->type.dims[i], v->type.dims[i], loc);
    } else if (p->kind == VALUE_RECORD) {
        for (int i = 0; i < p->n; i++) {
            const Value *field = value_field(v, p->names[i]);
            if (field)
                bind_pattern(s, p->items[i], field, loc);
        }
    }
}

// A dim of a pattern in the request's dims. NULL, reported.
static IrDim *own_pattern_dim(Signature *s, const Pattern *p, const IrDim *d, Loc loc) {
    IrDim **to = arena_array(s->cx->e->a, IrDim *, p->dims->n_vars);
    const IrDimTerm *terms;
    int n = ir_dim_terms(d, &terms);
    IrDims *ds = s->cx->e->module->dims;
    for (int i = 0; i < p->dims->n_vars; i++)
        to[i] = ir_dim_const(ds, 0);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < terms[i].n_factors; k++) {
            const IrDimVar *var = terms[i].factors[k];
            to[var->index] = signature_dim(s, var->name, loc);
            if (!to[var->index])
                return NULL;
        }
    }
    return ir_dim_substitute(ds, d, to);
}

// A value under a pattern that it should fit. Where it does not, `where` tells what and how.
typedef struct Fit {
    Signature *s;
    const Pattern *p;
    Loc loc;
    const char *where;
} Fit;

static bool misfits(Fit *fit, const Value *like, const Value *v, const char *path) {
    Cx *cx = fit->s->from;
    fit->where = arena_printf(cx->e->a, "%s%s%s is %s there, and %s here", *path ? "'" : "it", path,
                              *path ? "'" : "", elab_describe(cx, like), elab_describe(cx, v));
    return false;
}

static bool fits_pattern(Fit *fit, const Value *like, const Value *v, const char *path) {
    if (like->kind == VALUE_POISON || v->kind == VALUE_POISON)
        return true;
    if (like->kind != v->kind)
        return misfits(fit, like, v, path);
    if (like->kind == VALUE_TENSOR) {
        bool same = like->type.dtype == v->type.dtype && like->type.rank == v->type.rank;
        for (int i = 0; same && i < v->type.rank; i++) {
            IrDim *d = own_pattern_dim(fit->s, fit->p, like->type.dims[i], fit->loc);
            same = !d || d == v->type.dims[i];
        }
        return same || misfits(fit, like, v, path);
    }
    if (like->kind != VALUE_RECORD)
        return like->kind == VALUE_DIM || value_same_type(like, v) || misfits(fit, like, v, path);
    if (like->n != v->n)
        return misfits(fit, like, v, path);
    for (int i = 0; i < like->n; i++) {
        const Value *field = value_field(v, like->names[i]);
        const char *below = path_join(fit->s->cx->e->a, path, like->names[i]);
        if (!field)
            return misfits(fit, like, v, path);
        if (!fits_pattern(fit, like->items[i], field, below))
            return false;
    }
    return true;
}

static Value *make_pattern(Signature *s, const Pattern *p, const Value *like, const char *path,
                           MakeLeaf *make, void *data, Loc loc) {
    Arena *a = s->cx->e->a;
    if (like->kind == VALUE_TENSOR) {
        IrType t = like->type;
        for (int i = 0; i < t.rank; i++) {
            t.dims[i] = own_pattern_dim(s, p, like->type.dims[i], loc);
            if (!t.dims[i])
                return value_poison();
        }
        return make(s->from, t, path, loc, data);
    }
    if (like->kind == VALUE_DIM) {
        IrDim *d = own_pattern_dim(s, p, like->dim, loc);
        return d ? value_dim(a, d) : value_poison();
    }
    if (like->kind != VALUE_RECORD)
        return like->kind == VALUE_FUNCTION ? value_poison() : value_copy(a, like);
    Value *copy = value_copy(a, like);
    copy->items = arena_array(a, Value *, like->n);
    for (int i = 0; i < like->n; i++)
        copy->items[i] =
            make_pattern(s, p, like->items[i], path_join(a, path, like->names[i]), make, data, loc);
    copy->name = path;
    copy->loc = loc;
    copy->from = arena_printf(a, "from inputs of '%s'", s->function->name);
    return copy;
}

// ---- binding ------------------------------------------------------------------------------------

void signature_bind(Signature *s, const TypeExpr *t, const Value *v) {
    switch (t->kind) {
    case TYPE_TENSOR:
        if (v->kind != VALUE_TENSOR || v->type.rank < t->n)
            return;
        for (int i = 0; i < t->n; i++) {
            const Expr *e = t->sizes[i];
            if (e->kind == EXPR_NAME && !map_has(&s->dims, e->name) && !is_told(s, e->name))
                signature_put_dim(s, e->name, e->loc, v->type.dims[v->type.rank - t->n + i]);
        }
        return;
    case TYPE_RECORD:
        for (int i = 0; v->kind == VALUE_RECORD && i < t->n; i++) {
            const Value *field = value_field(v, t->names[i]);
            if (field)
                signature_bind(s, t->fields[i], field);
        }
        return;
    case TYPE_RESULT: {
        Pattern *p = type_pattern(s, t);
        if (p)
            bind_pattern(s, p->result, v, t->loc);
        return;
    }
    case TYPE_BAD:
    case TYPE_LETTER:
    case TYPE_FUNCTION:
        return;
    }
}

// ---- checking -----------------------------------------------------------------------------------

static Value *misfit(Signature *s, const TypeExpr *t, const Value *v, const char *name) {
    elab_note_value(s->from, v);
    elab_note(s->from, t->loc, "'%s' of '%s' is declared here", name, s->function->name);
    return elab_poison(s->from);
}

static IrDtype element_dtype(const Signature *s, TypeElement element) {
    switch (element) {
    case ELEMENT_REAL:
        return s->cx->e->w->real;
    case ELEMENT_I32:
        return IR_I32;
    case ELEMENT_BOOL:
        return IR_BOOL;
    }
    return IR_F32;
}

static Value *check_tensor(Signature *s, const TypeExpr *t, Value *v, const char *name, Loc loc) {
    IrDtype dtype = element_dtype(s, t->element);
    bool number = value_is_number(v) || v->kind == VALUE_DIM || v->kind == VALUE_BOOL;
    if (number)
        v = arith_tensor(s->from, v, dtype, loc);
    if (v->kind == VALUE_POISON)
        return v;
    if (v->kind != VALUE_TENSOR) {
        elab_error(s->from, loc, E_not_a_tensor, "'%s' of '%s' is a tensor, %s, and this is %s",
                   name, s->function->name, t->text, elab_describe(s->from, v));
        return misfit(s, t, v, name);
    }
    if (v->type.rank != t->n && (!t->any_leading || v->type.rank < t->n)) {
        elab_error(s->from, loc, E_rank, "'%s' of '%s' has %s%d axes, %s, and this has %d", name,
                   s->function->name, t->any_leading ? "at least " : "", t->n, t->text,
                   v->type.rank);
        return misfit(s, t, v, name);
    }
    for (int i = 0; i < t->n; i++) {
        int axis = v->type.rank - t->n + i;
        IrDim *size = size_of_expr(s, t->sizes[i]);
        if (!size)
            return value_poison();
        if (size == v->type.dims[axis])
            continue;
        Buf text = {0};
        expr_print(&text, t->sizes[i]);
        const char *wanted = elab_dim_text(s->from, size);
        bool same_text = !strcmp(wanted, buf_text(&text));
        elab_error(s->from, loc, E_shape_mismatch,
                   "axis %d of '%s' of '%s' is %s%s%s, and this is %s", axis, name,
                   s->function->name, buf_text(&text), same_text ? "" : " = ",
                   same_text ? "" : wanted, elab_dim_text(s->from, v->type.dims[axis]));
        buf_free(&text);
        return misfit(s, t, v, name);
    }
    if (v->type.dtype != dtype) {
        elab_error(s->from, loc, E_dtype_mismatch, "'%s' of '%s' has elements %s, and these are %s",
                   name, s->function->name, ir_dtype_name(dtype), ir_dtype_name(v->type.dtype));
        if (ir_dtype_is_real(dtype))
            elab_note(s->from, loc, "real(x) converts");
        return misfit(s, t, v, name);
    }
    return v;
}

static Value *check_record(Signature *s, const TypeExpr *t, Value *v, const char *name, Loc loc) {
    Arena *a = s->cx->e->a;
    if (v->kind != VALUE_RECORD) {
        elab_error(s->from, loc, E_not_a_record, "'%s' of '%s' is a record, and this is %s", name,
                   s->function->name, elab_describe(s->from, v));
        return misfit(s, t, v, name);
    }
    Value *copy = value_copy(a, v);
    copy->items = arena_array(a, Value *, v->n);
    bool same = v->n == t->n;
    for (int i = 0; i < v->n; i++) {
        int k = 0;
        while (k < t->n && strcmp(t->names[k], v->names[i]))
            k++;
        same = same && k < t->n;
        if (k < t->n)
            copy->items[i] =
                signature_check(s, t->fields[k], v->items[i], path_join(a, name, v->names[i]), loc);
    }
    if (same)
        return copy;
    Buf fields = {0};
    for (int i = 0; i < t->n; i++)
        buf_printf(&fields, "%s%s", i ? ", " : "", t->names[i]);
    elab_error(s->from, loc, E_record_mismatch, "'%s' of '%s' has the fields {%s}, and this is %s",
               name, s->function->name, buf_text(&fields), elab_describe(s->from, v));
    buf_free(&fields);
    return misfit(s, t, v, name);
}

static Value *check_letter(Signature *s, const TypeExpr *t, Value *v, const char *name, Loc loc) {
    const Value *first = map_get(&s->letters, t->text);
    if (!first) {
        map_put(&s->letters, s->cx->e->a, t->text, v);
        return v;
    }
    if (value_same_type(first, v))
        return value_reorder(s->cx->e->a, first, v);
    elab_error(s->from, loc, E_record_mismatch,
               "'%s' of '%s' has the type %s, and this one differs", name, s->function->name,
               t->text);
    elab_note_value(s->from, first);
    return misfit(s, t, v, name);
}

Value *signature_check(Signature *s, const TypeExpr *t, Value *v, const char *name, Loc loc) {
    if (v->kind == VALUE_POISON || t->kind == TYPE_BAD)
        return value_poison();
    switch (t->kind) {
    case TYPE_BAD:
        break;
    case TYPE_TENSOR:
        return check_tensor(s, t, v, name, loc);
    case TYPE_RECORD:
        return check_record(s, t, v, name, loc);
    case TYPE_LETTER:
        return check_letter(s, t, v, name, loc);
    case TYPE_FUNCTION:
        if (v->kind == VALUE_FUNCTION)
            return v;
        elab_error(s->from, loc, E_wrong_kind, "'%s' of '%s' is a function, and this is %s", name,
                   s->function->name, elab_describe(s->from, v));
        return misfit(s, t, v, name);
    case TYPE_RESULT: {
        Pattern *p = type_pattern(s, t);
        if (!p)
            return value_poison();
        Fit fit = {.s = s, .p = p, .loc = loc};
        if (fits_pattern(&fit, p->result, v, ""))
            return p->result->kind == VALUE_RECORD && !value_has_poison(p->result)
                       ? value_reorder(s->cx->e->a, p->result, v)
                       : v;
        elab_error(s->from, loc, E_record_mismatch,
                   p->is_value ? "'%s' of '%s' has the type of '%s', and this is %s"
                               : "'%s' of '%s' is what '%s' gives, and this is %s",
                   name, s->function->name, t->text, elab_describe(s->from, v));
        elab_note(s->from, t->loc, "%s", fit.where);
        return misfit(s, t, v, name);
    }
    }
    return value_poison();
}

// ---- making -------------------------------------------------------------------------------------

Value *signature_make(Signature *s, const TypeExpr *t, const char *path, MakeLeaf *make,
                      void *data) {
    Arena *a = s->cx->e->a;
    switch (t->kind) {
    case TYPE_BAD:
    case TYPE_LETTER:
    case TYPE_FUNCTION:
        return value_poison();
    case TYPE_TENSOR: {
        IrType type = {.dtype = element_dtype(s, t->element), .rank = t->n};
        for (int i = 0; i < t->n; i++) {
            type.dims[i] = size_of_expr(s, t->sizes[i]);
            if (!type.dims[i])
                return value_poison();
        }
        return t->any_leading ? value_poison() : make(s->from, type, path, t->loc, data);
    }
    case TYPE_RECORD: {
        Value *v = value_record(a, t->n, t->names, arena_array(a, Value *, t->n));
        for (int i = 0; i < t->n; i++)
            v->items[i] =
                signature_make(s, t->fields[i], path_join(a, path, t->names[i]), make, data);
        v->name = path;
        v->loc = t->loc;
        v->from = arena_printf(a, "from inputs of '%s'", s->function->name);
        return v;
    }
    case TYPE_RESULT: {
        Pattern *p = type_pattern(s, t);
        return p ? make_pattern(s, p, p->result, path, make, data, t->loc) : value_poison();
    }
    }
    return value_poison();
}
