// ir/lang/value.c -- making values, taking them apart and putting them into words.
#include "ir/lang/value.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "ir/lang/world.h"

static Value *new_value(Arena *a, ValueKind kind) {
    Value *v = arena_new(a, Value);
    v->kind = kind;
    return v;
}

// ---- making -------------------------------------------------------------------------------------

Value *value_poison(void) {
    static const Value poison = {.kind = VALUE_POISON};
    return (Value *)(uintptr_t)&poison; // constant once made, as all values are
}

Value *value_int(Arena *a, int64_t i) {
    Value *v = new_value(a, VALUE_INT);
    v->i = i;
    return v;
}

Value *value_real(Arena *a, double x) {
    Value *v = new_value(a, VALUE_REAL);
    v->x = x;
    return v;
}

Value *value_bool(Arena *a, bool b) {
    Value *v = new_value(a, VALUE_BOOL);
    v->i = b;
    return v;
}

Value *value_string(Arena *a, const char *s) {
    Value *v = new_value(a, VALUE_STRING);
    v->s = s;
    return v;
}

Value *value_nothing(Arena *a) {
    return new_value(a, VALUE_NOTHING);
}

Value *value_dim(Arena *a, IrDim *dim) {
    int64_t i;
    if (ir_dim_is_const(dim, &i))
        return value_int(a, i);
    Value *v = new_value(a, VALUE_DIM);
    v->dim = dim;
    return v;
}

Value *value_record(Arena *a, int n, const char **names, Value **items) {
    Value *v = new_value(a, VALUE_RECORD);
    v->n = n;
    v->names = names;
    v->items = items;
    return v;
}

Value *value_list(Arena *a, int n, Value **items) {
    Value *v = new_value(a, VALUE_LIST);
    v->n = n;
    v->items = items;
    return v;
}

Value *value_slot(Arena *a, IrDims *dims, Slot *slot) {
    Value *v = new_value(a, VALUE_TENSOR);
    v->slot = slot;
    v->type = (IrType){.dtype = slot->dtype, .rank = slot->rank};
    for (int i = 0; i < slot->rank; i++)
        v->type.dims[i] = ir_dim_const(dims, slot->dims[i]);
    v->name = slot->name;
    v->from = slot->role == IR_ROLE_PARAM   ? "a parameter"
              : slot->role == IR_ROLE_STATE ? "a state"
                                            : "a setting";
    v->loc = slot->loc;
    return v;
}

Value *value_function(Arena *a, const Callable *callable) {
    Value *v = new_value(a, VALUE_FUNCTION);
    v->callable = arena_new(a, Callable);
    *v->callable = *callable;
    return v;
}

Value *value_copy(Arena *a, const Value *v) {
    Value *copy = arena_new(a, Value);
    *copy = *v;
    copy->depth = copy->weight = 0;
    return copy;
}

// ---- asking -------------------------------------------------------------------------------------

bool value_is_number(const Value *v) {
    return v->kind == VALUE_INT || v->kind == VALUE_REAL;
}

bool value_is_static(const Value *v) {
    switch (v->kind) {
    case VALUE_NOTHING:
    case VALUE_INT:
    case VALUE_REAL:
    case VALUE_BOOL:
    case VALUE_STRING:
        return true;
    case VALUE_LIST:
        for (int i = 0; i < v->n; i++) {
            if (!value_is_static(v->items[i]))
                return false;
        }
        return true;
    case VALUE_POISON:
    case VALUE_DIM:
    case VALUE_TENSOR:
    case VALUE_RECORD:
    case VALUE_FUNCTION:
        return false;
    }
    return false;
}

double value_number(const Value *v) {
    return v->kind == VALUE_REAL ? v->x : (double)v->i;
}

Value *value_field(const Value *record, const char *name) {
    for (int i = 0; i < record->n; i++) {
        if (!strcmp(record->names[i], name))
            return record->items[i];
    }
    return NULL;
}

int value_weigh(Value *v, int *weight) {
    if (v->kind != VALUE_LIST && v->kind != VALUE_RECORD) {
        *weight = 1;
        return 0;
    }
    if (!v->weight) {
        int64_t sum = 1;
        for (int i = 0; i < v->n; i++) {
            int below = 0, depth = value_weigh(v->items[i], &below);
            v->depth = depth > v->depth ? depth : v->depth;
            sum += below;
        }
        v->depth++;
        v->weight = sum < INT_MAX ? (int)sum : INT_MAX;
    }
    *weight = v->weight;
    return v->depth;
}

bool value_has_poison(const Value *v) {
    if (v->kind == VALUE_POISON)
        return true;
    if (v->kind == VALUE_RECORD || v->kind == VALUE_LIST) {
        for (int i = 0; i < v->n; i++) {
            if (value_has_poison(v->items[i]))
                return true;
        }
    }
    if (v->kind == VALUE_FUNCTION) {
        for (const Callable *c = v->callable; c; c = c->of) {
            if ((c->wrt && value_has_poison(c->wrt)) || (c->record && value_has_poison(c->record)))
                return true;
            for (int i = 0; i < c->n_fixed; i++) {
                if (value_has_poison(c->fixed[i]))
                    return true;
            }
        }
    }
    return false;
}

// ---- tensors within a value ---------------------------------------------------------------------

// Takes each tensor of `v` in order: puts it into *out, or, with `in`, replaces it in a copy.
static Value *walk(Arena *a, const Value *v, Value ***out, Value ***in, int *count);

static Callable *walk_callable(Arena *a, const Callable *c, Value ***out, Value ***in, int *count) {
    Callable *copy = NULL;
    if (in) {
        copy = arena_new(a, Callable);
        *copy = *c;
        copy->fixed = arena_array(a, Value *, c->n_fixed);
    }
    for (int i = 0; i < c->n_fixed; i++) {
        Value *v = walk(a, c->fixed[i], out, in, count);
        if (copy)
            copy->fixed[i] = v;
    }
    Value *record = c->record ? walk(a, c->record, out, in, count) : NULL;
    Callable *of = c->of ? walk_callable(a, c->of, out, in, count) : NULL;
    if (copy) {
        copy->record = record;
        copy->of = of;
    }
    return copy;
}

static Value *walk(Arena *a, const Value *v, Value ***out, Value ***in, int *count) {
    if (v->kind == VALUE_TENSOR) {
        ++*count;
        if (out)
            *(*out)++ = (Value *)(uintptr_t)v;
        return in ? *(*in)++ : NULL;
    }
    Value *copy = in ? value_copy(a, v) : NULL;
    if (v->kind == VALUE_FUNCTION) {
        Callable *c = walk_callable(a, v->callable, out, in, count);
        if (copy)
            copy->callable = c;
    }
    if (v->kind != VALUE_RECORD && v->kind != VALUE_LIST)
        return copy;
    if (copy)
        copy->items = arena_array(a, Value *, v->n);
    for (int i = 0; i < v->n; i++) {
        Value *item = walk(a, v->items[i], out, in, count);
        if (copy)
            copy->items[i] = item;
    }
    return copy;
}

int value_count_leaves(const Value *v) {
    int count = 0;
    walk(NULL, v, NULL, NULL, &count);
    return count;
}

void value_leaves(const Value *v, Value **leaves) {
    int count = 0;
    walk(NULL, v, &leaves, NULL, &count);
}

Value *value_rebuild(Arena *a, const Value *v, Value **leaves) {
    int count = 0;
    return walk(a, v, NULL, &leaves, &count);
}

const char *path_join(Arena *a, const char *x, const char *y) {
    if (!*x)
        return y;
    return *y ? arena_printf(a, "%s.%s", x, y) : x;
}

static const char **put_paths(Arena *a, const Value *v, const char *prefix, const char **paths);

static const char **put_callable_paths(Arena *a, const Callable *c, const char *prefix,
                                       const char **paths) {
    for (int i = 0; i < c->n_fixed; i++)
        paths = put_paths(a, c->fixed[i], path_join(a, prefix, c->fixed_names[i]), paths);
    if (c->record)
        paths = put_paths(a, c->record, prefix, paths);
    return c->of ? put_callable_paths(a, c->of, path_join(a, prefix, "of"), paths) : paths;
}

static const char **put_paths(Arena *a, const Value *v, const char *prefix, const char **paths) {
    if (v->kind == VALUE_TENSOR)
        *paths++ = prefix;
    if (v->kind == VALUE_FUNCTION)
        return put_callable_paths(a, v->callable, prefix, paths);
    for (int i = 0; v->kind == VALUE_RECORD && i < v->n; i++)
        paths = put_paths(a, v->items[i], path_join(a, prefix, v->names[i]), paths);
    for (int i = 0; v->kind == VALUE_LIST && i < v->n; i++)
        paths = put_paths(a, v->items[i], path_join(a, prefix, arena_printf(a, "%d", i)), paths);
    return paths;
}

void value_paths(Arena *a, const Value *v, const char *prefix, const char **paths) {
    put_paths(a, v, prefix, paths);
}

// ---- words --------------------------------------------------------------------------------------

static void put_number(Buf *b, double x) {
    char text[32];
    buf_format_double(text, x);
    buf_puts(b, text);
}

void value_describe(Buf *b, const Value *v) {
    switch (v->kind) {
    case VALUE_POISON:
        buf_puts(b, "an error");
        return;
    case VALUE_NOTHING:
        buf_puts(b, "nothing");
        return;
    case VALUE_INT:
        buf_printf(b, "the number %" PRId64, v->i);
        return;
    case VALUE_REAL:
        buf_puts(b, "the number ");
        put_number(b, v->x);
        return;
    case VALUE_BOOL:
        buf_puts(b, v->i ? "true" : "false");
        return;
    case VALUE_STRING:
        buf_printf(b, "the word '%s'", v->s);
        return;
    case VALUE_DIM:
        buf_puts(b, "the size ");
        ir_dim_print(b, v->dim);
        return;
    case VALUE_LIST:
        buf_printf(b, "a list of %d", v->n);
        return;
    case VALUE_TENSOR:
        ir_type_print(b, &v->type);
        return;
    case VALUE_RECORD:
        buf_puts(b, v->n ? "a record {" : "an empty record");
        for (int i = 0; i < v->n && i < 8; i++)
            buf_printf(b, "%s%s", i ? ", " : "", v->names[i]);
        buf_puts(b, v->n > 8 ? ", ...}" : v->n ? "}" : "");
        return;
    case VALUE_FUNCTION:
        buf_printf(b, "the %s '%s'", v->callable->kind == CALL_LAYER ? "layer" : "function",
                   v->callable->name);
        return;
    }
}

static void put_callable_key(Buf *b, const Callable *c) {
    buf_printf(b, "f%d:%p:%p:%p:%p", (int)c->kind, (const void *)c->instance,
               (const void *)c->function, (const void *)c->builtin, (const void *)c->layer);
    for (int i = 0; i < c->n_fixed; i++) {
        buf_printf(b, ",%s=", c->fixed_names[i]);
        value_key(b, c->fixed[i]);
    }
    if (c->record)
        value_key(b, c->record);
    if (c->wrt)
        buf_printf(b, ",wrt=%p", (const void *)c->wrt);
    if (c->of) {
        buf_printf(b, ",%d,%s(", c->with_value, c->wrt_name ? c->wrt_name : "");
        put_callable_key(b, c->of);
        buf_puts(b, ")");
    }
}

void value_key(Buf *b, const Value *v) {
    switch (v->kind) {
    case VALUE_POISON:
        buf_puts(b, "?");
        return;
    case VALUE_NOTHING:
        buf_puts(b, "nothing");
        return;
    case VALUE_INT:
        buf_printf(b, "%" PRId64, v->i);
        return;
    case VALUE_REAL:
        buf_puts(b, "r");
        put_number(b, v->x);
        return;
    case VALUE_BOOL:
        buf_puts(b, v->i ? "true" : "false");
        return;
    case VALUE_STRING:
        buf_printf(b, "%zu'%s'", strlen(v->s), v->s);
        return;
    case VALUE_DIM:
        buf_puts(b, "d(");
        ir_dim_print(b, v->dim);
        buf_puts(b, ")");
        return;
    case VALUE_TENSOR:
        ir_type_print(b, &v->type);
        return;
    case VALUE_LIST:
    case VALUE_RECORD:
        buf_puts(b, v->kind == VALUE_LIST ? "[" : "{");
        if (v->layer) {
            buf_printf(b, "%p:%p<", (void *)v->layer->decl, (void *)v->layer->instance);
            for (int i = 0; i < v->layer->decl->arguments.n; i++) {
                value_key(b, v->layer->arguments[i]);
                buf_puts(b, ",");
            }
            buf_puts(b, ">");
        }
        if (v->module)
            buf_printf(b, "%p:", (void *)v->module);
        for (int i = 0; i < v->n; i++) {
            buf_printf(b, "%s:", v->kind == VALUE_RECORD ? v->names[i] : "");
            value_key(b, v->items[i]);
            buf_puts(b, ",");
        }
        buf_puts(b, v->kind == VALUE_LIST ? "]" : "}");
        return;
    case VALUE_FUNCTION:
        put_callable_key(b, v->callable);
        return;
    }
}

bool value_same_type(const Value *x, const Value *y) {
    if (x->kind == VALUE_TENSOR && y->kind == VALUE_TENSOR)
        return ir_type_equal(&x->type, &y->type);
    if (x->kind == VALUE_RECORD && y->kind == VALUE_RECORD) {
        if (x->n != y->n)
            return false;
        for (int i = 0; i < x->n; i++) {
            const Value *other = value_field(y, x->names[i]);
            if (!other || !value_same_type(x->items[i], other))
                return false;
        }
        return true;
    }
    if (x->kind != y->kind)
        return false;
    Buf p = {0}, q = {0};
    value_key(&p, x);
    value_key(&q, y);
    bool same = !strcmp(buf_text(&p), buf_text(&q));
    buf_free(&p);
    buf_free(&q);
    return same;
}
