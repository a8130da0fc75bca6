// ir/lang/elab_expr.c -- expressions and forms become values.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"
#include "ir/lang/hints.h"

// ---- limits -------------------------------------------------------------------------------------

static bool enter(Cx *cx, Loc loc) {
    Elab *e = cx->e;
    if (e->stopped)
        return false;
    if (++e->work > ELAB_MAX_WORK) {
        e->stopped = true;
        elab_error(cx, loc, E_limit, "the graph takes too much work: more than %d expressions",
                   ELAB_MAX_WORK);
        return false;
    }
    if (e->depth >= ELAB_MAX_DEPTH) {
        elab_error(cx, loc, E_limit, "expressions are nested deeper than %d", ELAB_MAX_DEPTH);
        e->stopped = true;
        return false;
    }
    e->depth++;
    return true;
}

static void leave(Cx *cx) {
    cx->e->depth--;
}

// ---- sizes and statics --------------------------------------------------------------------------

IrDim *elab_size(Cx *cx, const Value *v, Loc loc, const char *what) {
    if (v->kind == VALUE_POISON)
        return NULL;
    if (v->kind == VALUE_DIM)
        return v->dim;
    if (v->kind != VALUE_INT) {
        elab_error(cx, loc, E_not_static, "%s is a size, and this is %s", what,
                   elab_describe(cx, v));
        elab_note_not_static(cx, v, NULL);
        if (v->kind == VALUE_REAL)
            elab_note(cx, loc, "sizes are whole; '//' divides them");
        elab_poison(cx);
        return NULL;
    }
    if (v->i < 0 || v->i > ELAB_MAX_ELEMENTS) {
        elab_error(cx, loc, E_dim_value, "%s is %" PRId64 ", and a size is from 0 to 2^40", what,
                   v->i);
        elab_poison(cx);
        return NULL;
    }
    return ir_dim_const(cx->e->module->dims, v->i);
}

bool elab_static_int(Cx *cx, const Form *f, const char *what, int64_t *i) {
    Value *v = elab_form(cx, f);
    if (v->kind == VALUE_INT) {
        *i = v->i;
        return true;
    }
    if (v->kind != VALUE_POISON) {
        elab_error(cx, f->loc, E_not_static,
                   "%s is a whole number known at compile time, and this is %s", what,
                   elab_describe(cx, v));
        elab_note_not_static(cx, v, f->expr);
        elab_poison(cx);
    }
    return false;
}

Value *elab_bounded(Cx *cx, Value *v, Loc loc) {
    if (cx->e->stopped)
        return value_poison();
    int weight, depth = value_weigh(v, &weight);
    if (depth <= ELAB_MAX_NESTING && weight <= ELAB_MAX_LEAVES)
        return v;
    if (depth > ELAB_MAX_NESTING)
        elab_error(cx, loc, E_limit, "records are nested deeper than %d", ELAB_MAX_NESTING);
    else
        elab_error(cx, loc, E_limit, "a record has more than %d values", ELAB_MAX_LEAVES);
    return elab_poison(cx);
}

// ---- names and fields ---------------------------------------------------------------------------

static Value *eval_name(Cx *cx, const Expr *e) {
    if (!strcmp(e->name, "null"))
        return value_nothing(cx->e->a);
    Value *v = scope_lookup(cx, e->name, e->loc);
    return v ? v : scope_unknown(cx, e->name, e->loc);
}

// Whether an interface of `in` demands the dim that `in` has not, which was told there.
static bool lacks_dim(const LangInstance *in, const char *name) {
    for (int i = 0; i < in->file->n_implements; i++) {
        const LangFile *interface = in->file->implements[i].file;
        for (int k = 0; interface && k < interface->dims.n; k++) {
            if (!strcmp(interface->dims.items[k].name, name))
                return true;
        }
    }
    return false;
}

// `dynamics.dx`: a name of an instance. NULL when `base` is no instance here.
static Value *instance_field(Cx *cx, const Expr *e) {
    if (e->base->kind != EXPR_NAME || scope_find(cx, e->base->name, e->base->loc))
        return NULL;
    LangInstance *in;
    bool is_module;
    if (!scope_instance(cx, e->base->name, &in, &is_module))
        return NULL;
    if (!in)
        return is_module ? scope_unbound(cx, e->base->name, e->base->loc) : value_poison();
    Value *v = scope_instance_value(cx, in, e->name, e->loc);
    if (v)
        return v;
    if (lacks_dim(in, e->name))
        return value_poison();
    elab_error(cx, e->loc, E_unknown_name, "%s has no dim, option, setting or parameter '%s'",
               e->base->name, e->name);
    if (world_function(in, e->name)) {
        elab_note(cx, e->loc, "'%s.%s' is a function: call it", e->base->name, e->name);
    } else {
        const char **names;
        Arena *a = cx->e->a;
        int n = 0;
        names = arena_array(a, const char *, in->n_dims + in->file->n_options);
        for (int i = 0; i < in->n_dims; i++)
            names[n++] = in->dims[i]->name;
        for (int i = 0; i < in->file->n_options; i++)
            names[n++] = in->file->options[i].name;
        diag_did_you_mean(cx->e->d, e->loc, e->name, names, n);
    }
    return elab_poison(cx);
}

// x.T: the last two axes exchanged.
static Value *transposed(Cx *cx, Value *v, const Expr *e) {
    if (v->type.rank < 2) {
        elab_error(cx, e->loc, E_rank, "'.T' exchanges the last two axes, and this is %s",
                   elab_describe(cx, v));
        elab_note_value(cx, v);
        return elab_poison(cx);
    }
    int axes[IR_MAX_RANK], rank = v->type.rank;
    for (int i = 0; i < rank; i++)
        axes[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    IrBuilder b = frame_builder(cx, e->loc);
    return frame_value(cx, ir_transpose(&b, frame_use(cx, v), axes), e, e->loc);
}

// A field under the name "record.field", for messages.
static Value *named_field(Cx *cx, const Value *record, Value *v, const char *name) {
    if (!record->name || (v->kind != VALUE_TENSOR && v->kind != VALUE_RECORD) || v->slot)
        return v;
    Value *copy = value_copy(cx->e->a, v);
    copy->name = arena_printf(cx->e->a, "%s.%s", record->name, name);
    if (!copy->from) {
        copy->from = record->from;
        copy->loc = record->loc;
    }
    return copy;
}

static Value *eval_field(Cx *cx, const Expr *e) {
    Value *v = instance_field(cx, e);
    return v ? v : elab_field(cx, elab_expr(cx, e->base), e);
}

Value *elab_field(Cx *cx, Value *base, const Expr *e) {
    if (base->kind == VALUE_POISON)
        return base;
    if (base->kind == VALUE_RECORD) {
        Value *v = value_field(base, e->name);
        if (v)
            return named_field(cx, base, v, e->name);
        elab_error(cx, e->loc, E_not_a_record, "the record has no field '%s'", e->name);
        if (base->name || base->expr)
            elab_note_value(cx, base);
        else
            elab_note(cx, e->loc, "it is %s", elab_describe(cx, base));
        if (base->layer)
            elab_note(cx, e->loc, "a record of the layer '%s' is applied by its own name",
                      base->layer->decl->name);
        diag_did_you_mean(cx->e->d, e->loc, e->name, base->names, base->n);
        return elab_poison(cx);
    }
    if (base->kind == VALUE_TENSOR && !strcmp(e->name, "T"))
        return transposed(cx, base, e);
    elab_error(cx, e->loc, E_not_a_record, "only a record has fields, and this is %s",
               elab_describe(cx, base));
    elab_note_value(cx, base);
    Expr function = {.kind = EXPR_NAME, .loc = e->loc, .name = e->name};
    if (base->kind == VALUE_TENSOR && !hint_note(cx->e->d, e->loc, HINT_FIELD, e->name) &&
        elab_find_function(cx, &function))
        elab_note(cx, e->loc, "a function is not a field: %s(...)", e->name);
    return elab_poison(cx);
}

// ---- operators ----------------------------------------------------------------------------------

Value *elab_not_truth(Cx *cx, const Value *v, const Expr *e, Loc loc, const char *what) {
    if (v->kind == VALUE_POISON)
        return value_poison();
    elab_error(cx, loc, E_not_static, "%s is true or false at compile time, and this is %s", what,
               elab_describe(cx, v));
    if (v->kind == VALUE_TENSOR || v->kind == VALUE_DIM) {
        elab_note_not_static(cx, v, e);
        elab_note(cx, loc, "where(c, a, b) chooses by element at run time");
    } else if (v->kind == VALUE_STRING) {
        elab_note(cx, loc,
                  "a word is compared with another: kind == 'relu'; truth is written "
                  "true and false");
    }
    return elab_poison(cx);
}

// `and` and `or` of statics look no further than needed.
static Value *eval_binary(Cx *cx, const Expr *e) {
    Value *x = elab_expr(cx, e->args[0]);
    bool is_and = !strcmp(e->name, "and");
    if ((is_and || !strcmp(e->name, "or")) && x->kind == VALUE_BOOL && (bool)x->i != is_and)
        return x;
    Value *y = elab_expr(cx, e->args[1]);
    if (!strcmp(e->name, "@"))
        return arith_matmul(cx, x, y, e, e->loc);
    return arith_binary(cx, e->name, x, y, e, e->loc);
}

static Value *eval_cond(Cx *cx, const Expr *e) {
    Value *c = elab_expr(cx, e->args[1]);
    if (c->kind == VALUE_BOOL)
        return elab_expr(cx, e->args[c->i ? 0 : 2]);
    elab_not_truth(cx, c, e->args[1], e->args[1]->loc, "a condition");
    elab_expr(cx, e->args[0]);
    elab_expr(cx, e->args[2]);
    return value_poison();
}

static Value *eval_list(Cx *cx, const Expr *e) {
    Value **items = arena_array(cx->e->a, Value *, e->n);
    for (int i = 0; i < e->n; i++)
        items[i] = elab_expr(cx, e->args[i]);
    return elab_bounded(cx, value_list(cx->e->a, e->n, items), e->loc);
}

static Value *eval_record(Cx *cx, const Expr *e) {
    Value **items = arena_array(cx->e->a, Value *, e->n);
    for (int i = 0; i < e->n; i++)
        items[i] = elab_expr(cx, e->args[i]);
    Value *v = value_record(cx->e->a, e->n, e->names, items);
    v->expr = e;
    v->loc = e->loc;
    return elab_bounded(cx, v, e->loc);
}

// ---- expressions --------------------------------------------------------------------------------

static Value *eval_kind(Cx *cx, const Expr *e) {
    Arena *a = cx->e->a;
    switch (e->kind) {
    case EXPR_NUMBER:
        return value_real(a, e->number);
    case EXPR_INT:
        return value_int(a, e->integer);
    case EXPR_BOOL:
        return value_bool(a, e->integer != 0);
    case EXPR_STRING:
        return value_string(a, e->name);
    case EXPR_NAME:
        return eval_name(cx, e);
    case EXPR_FIELD:
        return eval_field(cx, e);
    case EXPR_CALL:
        return elab_call(cx, e);
    case EXPR_INDEX:
        return elab_index(cx, e);
    case EXPR_UNARY:
        return arith_unary(cx, e->name, elab_expr(cx, e->args[0]), e, e->loc);
    case EXPR_BINARY:
        return eval_binary(cx, e);
    case EXPR_COND:
        return eval_cond(cx, e);
    case EXPR_LIST:
        return eval_list(cx, e);
    case EXPR_RECORD:
        return eval_record(cx, e);
    case EXPR_SLICE:
    case EXPR_ELLIPSIS:
    case EXPR_KIND_COUNT:
        break;
    }
    elab_error(cx, e->loc, E_expr_syntax, "%s does not stand here", expr_kind_name(e));
    return elab_poison(cx);
}

Value *elab_expr(Cx *cx, const Expr *e) {
    if (!enter(cx, e->loc))
        return value_poison();
    Value *v = eval_kind(cx, e);
    leave(cx);
    return v;
}

// ---- forms --------------------------------------------------------------------------------------

Value *elab_form(Cx *cx, const Form *f) {
    switch (f->kind) {
    case FORM_BAD:
        return value_poison();
    case FORM_NOTHING:
        return value_nothing(cx->e->a);
    case FORM_EXPR:
        return elab_expr(cx, f->expr);
    case FORM_RECORD:
        break;
    case FORM_IF:
    case FORM_SCAN:
    case FORM_MAP:
    case FORM_REPEAT: {
        if (!enter(cx, f->loc))
            return value_poison();
        Value *v = elab_structure(cx, f);
        leave(cx);
        return v;
    }
    }
    if (!enter(cx, f->loc))
        return value_poison();
    const char **names = arena_array(cx->e->a, const char *, f->fields.n);
    Value **items = arena_array(cx->e->a, Value *, f->fields.n);
    for (int i = 0; i < f->fields.n; i++) {
        names[i] = f->fields.items[i].name;
        items[i] = elab_form(cx, f->fields.items[i].form);
    }
    leave(cx);
    Value *v = value_record(cx->e->a, f->fields.n, names, items);
    v->loc = f->loc;
    return elab_bounded(cx, v, f->loc);
}
