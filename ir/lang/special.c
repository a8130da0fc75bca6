// ir/lang/special.c -- functions of modules: one IR function for each combination of types.
//
// Parameters, states and settings that the function uses are further inputs of it. A call hands
// them on: the caller's own, or, for a record of the module's kind, its tensors in place of
// parameters.
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/elab.h"
#include "ir/lang/structures.h"

// ---- functions ----------------------------------------------------------------------------------

static const char *special_key(Cx *cx, const Callable *c, Value **inputs, Value **arguments,
                               const Signature *s) {
    const FuncDecl *f = c->function;
    Buf key = {0};
    buf_printf(&key, "%p:%p", (void *)c->instance, (const void *)f);
    for (int i = 0; i < f->n_inputs; i++) {
        buf_puts(&key, "|");
        value_key(&key, inputs[i]);
    }
    for (int i = 0; i < f->arguments.n; i++) {
        buf_puts(&key, "#");
        value_key(&key, arguments[i]);
    }
    for (int i = 0; i < s->dims.n; i++) {
        buf_printf(&key, ";%s=", s->dims.entries[i].key);
        ir_dim_print(&key, s->dims.entries[i].value);
    }
    const char *text = arena_strdup(cx->e->a, buf_text(&key));
    buf_free(&key);
    return text;
}

// The input as parameters of the function `fn`.
static Value *own_input(Cx *in, const Value *v, const Input *input, const char *function) {
    Arena *a = in->e->a;
    int n = value_count_leaves(v);
    Value **leaves = arena_array(a, Value *, n);
    const char **paths = arena_array(a, const char *, n);
    value_leaves(v, leaves);
    value_paths(a, v, input->name, paths);
    for (int i = 0; i < n; i++) {
        IrSlot slot = {.name = paths[i], .role = IR_ROLE_INPUT, .target = -1};
        IrNode *node = ir_add_input(in->fn->ir, leaves[i]->type, slot, input->loc);
        leaves[i] = frame_value(in, node, NULL, input->type->loc);
        if (leaves[i]->kind == VALUE_TENSOR) {
            leaves[i]->name = paths[i];
            leaves[i]->from = arena_printf(a, "from inputs of '%s'", function);
        }
    }
    return value_rebuild(a, v, leaves);
}

static void add_outputs(Cx *in, const Value *result) {
    Arena *a = in->e->a;
    int n = value_count_leaves(result);
    Value **leaves = arena_array(a, Value *, n);
    const char **paths = arena_array(a, const char *, n);
    value_leaves(result, leaves);
    value_paths(a, result, result->kind == VALUE_RECORD ? "" : "out", paths);
    for (int i = 0; i < n; i++) {
        IrSlot slot = {.name = paths[i], .role = IR_ROLE_OUT, .target = -1};
        ir_add_output(in->fn->ir, frame_use(in, leaves[i]), slot);
    }
}

static void make_special(Cx *cx, const Callable *c, Value **inputs, Signature *s, Special *made,
                         const CallSite *site) {
    FuncDecl *f = c->function;
    Elab *e = cx->e;
    Fn *fn = fn_new(e, path_join(e->a, c->instance->name, f->name), f->loc);
    Cx in = *s->cx;
    in.fn = fn;
    in.frame = fn->base;
    in.path = "";
    in.site = site;
    Scope *scope = scope_new(&in, s->scope, f->name);
    for (int i = 0; i < f->n_inputs; i++)
        scope_put(&in, scope, f->inputs[i].name, f->inputs[i].loc,
                  own_input(&in, inputs[i], &f->inputs[i], f->name));
    made->result = elab_body(&in, f, scope, NULL, true);
    if (value_has_poison(made->result))
        return;
    add_outputs(&in, made->result);
    fn_finish(fn);
    made->ir = fn->ir;
    made->slots = fn->used;
    made->n_slots = fn->n_used;
    made->sites = fn->sites;
    made->n_sites = fn->n_sites;
    made->n_nodes = fn->ir->n_nodes + fn->n_called;
    e->n_nodes += fn->ir->n_nodes;
    arena_push(e->a, e->module->functions, e->module->n, e->module->cap, fn->ir);
}

// ---- calls --------------------------------------------------------------------------------------

// The first parameter that `record` has no tensor of the same type for, and what it has; NULL when
// there is none.
static Slot *misfit(Cx *cx, const Value *slots, const Value *record, const Value **found) {
    if (slots->kind == VALUE_TENSOR) {
        const Value *slot = value_slot(cx->e->a, cx->e->module->dims, slots->slot);
        *found = record;
        return record->kind == VALUE_TENSOR && ir_type_equal(&slot->type, &record->type)
                   ? NULL
                   : slots->slot;
    }
    for (int i = 0; slots->kind == VALUE_RECORD && i < slots->n; i++) {
        Slot *slot = misfit(cx, slots->items[i], value_field(record, slots->names[i]), found);
        if (slot)
            return slot;
    }
    return NULL;
}

Value *elab_parameters(Cx *cx, const Callable *c, Loc loc) {
    const Value *slots = params_of(c->instance), *found = NULL;
    Slot *slot = misfit(cx, slots, c->record, &found);
    if (!slot)
        return value_reorder(cx->e->a, slots, c->record);
    elab_error(cx, loc, E_record_mismatch,
               "the record stands for the parameters of '%s', where '%s' is %s, and here it is %s",
               c->instance->file->name, slot->local,
               elab_describe(cx, value_slot(cx->e->a, cx->e->module->dims, slot)),
               elab_describe(cx, found));
    elab_note_value(cx, c->record);
    elab_poison(cx);
    return NULL;
}

// The leaf of `record`, of a module's kind, that is the parameter `slot`.
static Value *leaf_of_slot(Value *record, const Value *slots, const Slot *slot) {
    if (slots->kind == VALUE_TENSOR)
        return slots->slot == slot ? record : NULL;
    for (int i = 0; slots->kind == VALUE_RECORD && i < slots->n; i++) {
        Value *leaf = leaf_of_slot(record->items[i], slots->items[i], slot);
        if (leaf)
            return leaf;
    }
    return NULL;
}

// What the callee gets for `slot`; NULL, reported.
static IrNode *slot_operand(Cx *cx, const Callable *c, Slot *slot, Loc loc) {
    if (c->record && slot->instance == c->instance && slot->role == IR_ROLE_PARAM)
        return frame_use(cx, leaf_of_slot(c->record, params_of(c->instance), slot));
    return scope_reaches(cx, slot, loc) ? frame_slot(cx, slot) : NULL;
}

static Value *call_node(Cx *cx, const Callable *c, const Special *made, Value **inputs, Loc loc) {
    const FuncDecl *f = c->function;
    Arena *a = cx->e->a;
    if (!value_count_leaves(made->result))
        return made->result;
    cx->fn->n_called += made->n_nodes;
    if (cx->fn->n_called > ELAB_MAX_NODES) {
        elab_error(cx, loc, E_limit, "with its calls written out the graph has more than %d nodes",
                   ELAB_MAX_NODES);
        cx->e->stopped = true;
        return elab_poison(cx);
    }
    IrNode **in = arena_array(a, IrNode *, made->ir->body->n_params);
    int n = 0;
    for (int i = 0; i < f->n_inputs; i++) {
        int count = value_count_leaves(inputs[i]);
        Value **leaves = arena_array(a, Value *, count);
        value_leaves(inputs[i], leaves);
        for (int k = 0; k < count; k++)
            in[n++] = frame_use(cx, leaves[k]);
    }
    for (int i = 0; i < made->n_slots; i++) {
        in[n] = slot_operand(cx, c, made->slots[i], loc);
        if (!in[n++])
            return value_poison();
    }

    Cx at = *cx;
    at.path = fn_take_call(cx->fn, cx->path, made->n_sites, made->sites);
    IrBuilder builder = frame_builder(&at, loc);
    IrNode *node = ir_call(&builder, made->ir, n, in);
    int first = 0;
    return elab_results(&at, node, made->result, &first, loc);
}

Value *elab_special(Cx *cx, const Callable *c, Value **inputs, Value **arguments, Signature *s,
                    const CallSite *site) {
    Elab *e = cx->e;
    const char *key = special_key(cx, c, inputs, arguments, s);
    Special *made = map_get(&e->specials, key);
    if (!made) {
        made = arena_new(e->a, Special);
        made->key = key;
        made->result = value_poison();
        map_put(&e->specials, e->a, key, made);
        make_special(cx, c, inputs, s, made, site);
    }
    return made->ir ? call_node(cx, c, made, inputs, site->loc) : value_poison();
}
