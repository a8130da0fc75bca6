// ir/lang/structures.c -- if, repeat, map and scan.
//
// `if` and `repeat` are decided at compile time and leave no trace. map and scan become nodes with
// a body: a block of its own, whose names see those around it by capture.
#include "ir/lang/structures.h"

#include <inttypes.h>
#include <string.h>

#include "ir/base/errors.h"

Value *elab_results(Cx *cx, IrNode *node, const Value *like, int *first, Loc loc) {
    int n = value_count_leaves(like);
    Value **leaves = arena_array(cx->e->a, Value *, n);
    IrBuilder b = frame_builder(cx, loc);
    for (int i = 0; i < n; i++)
        leaves[i] = frame_value(cx, ir_get(&b, node, (*first)++), NULL, loc);
    Value *v = value_rebuild(cx->e->a, like, leaves);
    if (v->kind == VALUE_RECORD)
        v->name = v->from = NULL;
    return v;
}

// ---- if -----------------------------------------------------------------------------------------

static Value *eval_if(Cx *cx, const Form *f) {
    Value *c = elab_form(cx, f->cond);
    if (c->kind == VALUE_BOOL) {
        if (c->i)
            return elab_form(cx, f->yes);
        return f->no ? elab_form(cx, f->no) : value_nothing(cx->e->a);
    }
    elab_not_truth(cx, c, f->cond->expr, f->cond->loc, "the condition of 'if'");
    elab_form(cx, f->yes);
    if (f->no)
        elab_form(cx, f->no);
    return value_poison();
}

// ---- repeat -------------------------------------------------------------------------------------

// Each carry has a next and each next a carry.
static bool check_next(Cx *cx, const Form *f) {
    const char **names = arena_array(cx->e->a, const char *, f->carry.n);
    bool good = true;
    for (int i = 0; i < f->carry.n; i++) {
        names[i] = f->carry.items[i].name;
        bool found = false;
        for (int k = 0; k < f->next.n; k++)
            found = found || !strcmp(f->next.items[k].name, names[i]);
        if (!found) {
            elab_error(cx, f->carry.items[i].loc, E_missing_key, "'next' lacks the carry '%s'",
                       names[i]);
            elab_poison(cx);
            good = false;
        }
    }
    for (int k = 0; k < f->next.n; k++) {
        bool found = false;
        for (int i = 0; i < f->carry.n; i++)
            found = found || !strcmp(f->next.items[k].name, names[i]);
        if (!found) {
            elab_error(cx, f->next.items[k].loc, E_unknown_key, "'%s' is not a carry of the loop",
                       f->next.items[k].name);
            diag_did_you_mean(cx->e->d, f->next.items[k].loc, f->next.items[k].name, names,
                              f->carry.n);
            elab_poison(cx);
            good = false;
        }
    }
    return good;
}

static Form *next_of(const Form *f, const char *carry) {
    for (int i = 0; i < f->next.n; i++) {
        if (!strcmp(f->next.items[i].name, carry))
            return f->next.items[i].form;
    }
    return NULL;
}

static const char **field_names(Cx *cx, const Fields *fields) {
    const char **names = arena_array(cx->e->a, const char *, fields->n);
    for (int i = 0; i < fields->n; i++)
        names[i] = fields->items[i].name;
    return names;
}

static void repeat_once(Cx *cx, const Form *f, Value *index, Value **carry) {
    Cx in = *cx;
    if (index->kind == VALUE_INT)
        in.path = path_join(cx->e->a, cx->path, arena_printf(cx->e->a, "%" PRId64, index->i));
    in.scope = scope_new(cx, cx->scope, cx->scope ? cx->scope->what : NULL);
    if (f->index)
        scope_put(cx, in.scope, f->index, f->index_loc, index);
    for (int i = 0; i < f->carry.n; i++)
        scope_put(cx, in.scope, f->carry.items[i].name, f->carry.items[i].loc, carry[i]);
    scope_put_fields(&in, in.scope, &f->nodes);

    Value **next = arena_array(cx->e->a, Value *, f->carry.n);
    for (int i = 0; i < f->carry.n; i++)
        next[i] = elab_form(&in, next_of(f, f->carry.items[i].name));
    scope_finish(&in, in.scope, false);
    for (int i = 0; i < f->carry.n; i++)
        carry[i] = next[i];
}

static Value *eval_repeat(Cx *cx, const Form *f) {
    if (f->layer) {
        elab_error(cx, f->loc, E_wrong_kind, "'repeat' of a layer stands under 'params' only");
        return elab_poison(cx);
    }
    Value *times = elab_form(cx, f->times);
    Value **carry = arena_array(cx->e->a, Value *, f->carry.n);
    for (int i = 0; i < f->carry.n; i++)
        carry[i] = elab_form(cx, f->carry.items[i].form);
    if (!check_next(cx, f))
        return value_poison();
    if (times->kind != VALUE_INT || times->i < 0 || times->i > ELAB_MAX_REPEAT) {
        if (times->kind != VALUE_POISON) {
            elab_error(
                cx, f->times->loc, times->kind == VALUE_INT ? E_limit : E_not_static,
                "'times' is a whole number from 0 to %d known at compile time, and this is %s",
                ELAB_MAX_REPEAT, elab_describe(cx, times));
            if (times->kind != VALUE_INT) {
                elab_note_not_static(cx, times, f->times->expr);
                elab_note(cx, f->times->loc, "'scan' repeats at run time, 'steps' times");
            }
            elab_poison(cx);
        }

        // once more for the errors within
        for (int i = 0; i < f->carry.n; i++)
            carry[i] = value_poison();
        repeat_once(cx, f, value_poison(), carry);
        return value_poison();
    }
    for (int64_t i = 0; i < times->i && !cx->e->stopped; i++)
        repeat_once(cx, f, value_int(cx->e->a, i), carry);
    return value_record(cx->e->a, f->carry.n, field_names(cx, &f->carry), carry);
}

// ---- bodies -------------------------------------------------------------------------------------

// Parameters of a body that stand for the tensors of a value.
typedef struct Own {
    int n, cap;
    IrNode **params; // within the body
    IrNode **in;     // operands outside
} Own;

static void add_own(Cx *cx, Own *own, IrNode *param, IrNode *in) {
    if (own->n == own->cap) {
        int cap = own->cap ? 2 * own->cap : 8;
        own->params =
            arena_grow(cx->e->a, own->params, (size_t)own->n, (size_t)cap, sizeof *own->params);
        own->in = arena_grow(cx->e->a, own->in, (size_t)own->n, (size_t)cap, sizeof *own->in);
        own->cap = cap;
    }
    own->params[own->n] = param;
    own->in[own->n++] = in;
}

// `v` within the body `in`; with `slice`, one row of each tensor. `name` is for messages.
static Value *enter_body(Cx *cx, Cx *in, Own *own, const Value *v, bool slice, const char *name,
                         Loc loc) {
    int n = value_count_leaves(v);
    Value **leaves = arena_array(cx->e->a, Value *, n);
    const char **paths = arena_array(cx->e->a, const char *, n);
    value_leaves(v, leaves);
    value_paths(cx->e->a, v, name, paths);
    for (int i = 0; i < n; i++) {
        IrType t = leaves[i]->type;
        if (slice)
            t = ir_type(t.dtype, t.rank - 1, t.dims + 1);
        IrNode *param = frame_param(in->frame, t, paths[i], loc);
        add_own(cx, own, param, frame_use(cx, leaves[i]));
        leaves[i] = frame_value(in, param, NULL, loc);
        if (leaves[i]->kind == VALUE_TENSOR) {
            leaves[i]->name = paths[i];
            leaves[i]->from = slice ? "one row of what the loop goes over" : "carried by the loop";
        }
    }
    Value *inside = value_rebuild(cx->e->a, v, leaves);
    if (inside->kind == VALUE_RECORD) {
        inside->name = name;
        inside->loc = loc;
    }
    return inside;
}

// The common size of axis 0 of all tensors in `over`, which is `rows` where `steps` tells it; NULL,
// reported.
static IrDim *common_rows(Cx *cx, int n, Value **over, const Loc *locs, IrDim *rows,
                          const Form *steps) {
    const Value *first = NULL;
    for (int i = 0; i < n; i++) {
        if (value_has_poison(over[i]))
            return NULL;
        int count = value_count_leaves(over[i]);
        Value **leaves = arena_array(cx->e->a, Value *, count);
        value_leaves(over[i], leaves);
        for (int k = 0; k < count; k++) {
            if (!leaves[k]->type.rank) {
                elab_error(cx, locs[i], E_rank, "a loop goes over rows, and this is %s",
                           elab_describe(cx, leaves[k]));
                elab_note_value(cx, leaves[k]);
                elab_note(cx, locs[i],
                          "other values are named in the body, or fixed: f(name=value)");
                elab_poison(cx);
                return NULL;
            }
            if (rows && rows != leaves[k]->type.dims[0]) {
                elab_error(cx, locs[i], E_steps, "the loop goes over %s rows, and this has %s",
                           elab_dim_text(cx, rows), elab_dim_text(cx, leaves[k]->type.dims[0]));
                if (first)
                    elab_note_value(cx, first);
                else
                    elab_note(cx, steps->loc, "'steps' is %s", elab_dim_text(cx, rows));
                elab_note_value(cx, leaves[k]);
                elab_poison(cx);
                return NULL;
            }
            rows = leaves[k]->type.dims[0];
            first = leaves[k];
        }
    }
    if (!rows) {
        elab_error(cx, n ? locs[0] : (Loc){0}, E_steps,
                   "the loop has no length: it goes over nothing");
        elab_poison(cx);
    }
    return rows;
}

static Value *index_param(Cx *cx, Cx *in, Own *own, Loc loc) {
    IrNode *param = frame_param(in->frame, ir_scalar(IR_I32), "step", loc);
    add_own(cx, own, param, NULL);
    Value *v = frame_value(in, param, NULL, loc);
    v->name = "step";
    return v;
}

// Adds the tensors of `v` to the results of the body.
static void add_results(Cx *in, const Value *v) {
    int n = value_count_leaves(v);
    Value **leaves = arena_array(in->e->a, Value *, n);
    value_leaves(v, leaves);
    for (int i = 0; i < n; i++)
        ir_block_add_result(in->fn->ir, in->frame->block, frame_use(in, leaves[i]));
}

static bool rank_can_grow(Cx *cx, const Value *v, Loc loc) {
    int n = value_count_leaves(v);
    Value **leaves = arena_array(cx->e->a, Value *, n);
    value_leaves(v, leaves);
    for (int i = 0; i < n; i++) {
        if (leaves[i]->type.rank == IR_MAX_RANK) {
            elab_error(cx, loc, E_rank, "the loop would give more than %d axes", IR_MAX_RANK);
            elab_note_value(cx, leaves[i]);
            elab_poison(cx);
            return false;
        }
    }
    return true;
}

// ---- map ----------------------------------------------------------------------------------------

Value *elab_map_over(Cx *cx, int n, Value **over, const Loc *locs, BodyFn *f, void *data, Loc loc) {
    Arena *a = cx->e->a;
    for (int i = 0; i < n; i++)
        over[i] = elab_tensors(cx, over[i], "what a loop goes over", locs[i]);
    IrDim *rows = common_rows(cx, n, over, locs, NULL, NULL);
    const char *name = fn_take_loop(cx->fn, cx->path);
    Cx in = *cx;
    in.frame = frame_new(cx);
    in.path = name;

    Own own = {0};
    Value **slices = arena_array(a, Value *, n);
    for (int i = 0; i < n; i++)
        slices[i] = rows
                        ? enter_body(cx, &in, &own, over[i], true, arena_printf(a, "row%d", i), loc)
                        : value_poison();
    Value *index = index_param(cx, &in, &own, loc);
    Value *result = f(&in, slices, index, data);
    result = elab_tensors(&in, result, "the result of a map", loc);
    if (!rows || value_has_poison(result) || !rank_can_grow(cx, result, loc))
        return value_poison();
    add_results(&in, result);
    if (!in.frame->block->n_results)
        return result;

    int n_in;
    IrNode **operands = frame_close(cx, in.frame, own.n, own.params, own.in, &n_in);
    IrBuilder b = frame_builder(cx, loc);
    IrNode *node =
        ir_map_loop(&b, in.frame->block, rows, name, in.frame->n_captures, own.n - 1, operands);
    int first = 0;
    return elab_results(cx, node, result, &first, loc);
}

static Value *map_form_body(Cx *in, Value **slices, Value *index, void *data) {
    const Form *f = data;
    in->scope = scope_new(in, in->scope, in->scope ? in->scope->what : NULL);
    scope_put(in, in->scope, "step", f->loc, index);
    for (int i = 0; i < f->over.n; i++) {
        Value *v = slices[i];
        if (v->kind == VALUE_TENSOR || v->kind == VALUE_RECORD) {
            v = value_copy(in->e->a, v);
            v->name = f->over.items[i].name;
        }
        scope_put(in, in->scope, f->over.items[i].name, f->over.items[i].loc, v);
    }
    scope_put_fields(in, in->scope, &f->nodes);
    Value *result =
        elab_tensors(in, elab_form(in, f->output), "the output of a map", f->output->loc);
    scope_finish(in, in->scope, true);
    return result;
}

static Value *eval_map(Cx *cx, const Form *f) {
    Value **over = arena_array(cx->e->a, Value *, f->over.n);
    Loc *locs = arena_array(cx->e->a, Loc, f->over.n);
    for (int i = 0; i < f->over.n; i++) {
        over[i] = elab_form(cx, f->over.items[i].form);
        locs[i] = f->over.items[i].form->loc;
    }
    return elab_map_over(cx, f->over.n, over, locs, map_form_body, (void *)(uintptr_t)f, f->loc);
}

// ---- scan ---------------------------------------------------------------------------------------

static Value *next_carry(Cx *in, const Field *carry, const Form *form, const Value *like) {
    Value *v = elab_form(in, form);
    if (value_has_poison(v) || value_has_poison(like))
        return value_poison();
    v = elab_tensors_like(in, like, v, "a carry", form->loc);
    if (value_has_poison(v))
        return v;
    if (!value_same_type(like, v)) {
        elab_error(in, form->loc, E_carry_changes, "the carry '%s' starts as %s and becomes %s",
                   carry->name, elab_describe(in, like), elab_describe(in, v));
        elab_note(in, carry->loc, "it starts here; its type stays through the loop");
        if (like->kind == VALUE_TENSOR && v->kind == VALUE_TENSOR && like->type.dtype == IR_I32 &&
            ir_dtype_is_real(v->type.dtype))
            elab_note(in, carry->loc, "a real starts as 0.0; 0 is whole");
        elab_note_value(in, v);
        return elab_poison(in);
    }
    return value_reorder(in->e->a, like, v);
}

static void check_result_names(Cx *cx, const Form *f) {
    for (int i = 0; i < f->collect.n; i++) {
        for (int k = 0; k < f->carry.n; k++) {
            if (strcmp(f->collect.items[i].name, f->carry.items[k].name))
                continue;
            elab_error(cx, f->collect.items[i].loc, E_duplicate_name,
                       "'%s' is also the name of a carry, and both are fields of the result",
                       f->collect.items[i].name);
            elab_poison(cx);
        }
    }
    for (int i = 0; f->until && i < f->carry.n + f->collect.n; i++) {
        const Field *field =
            i < f->carry.n ? &f->carry.items[i] : &f->collect.items[i - f->carry.n];
        if (strcmp(field->name, "steps"))
            continue;
        elab_error(cx, field->loc, E_duplicate_name,
                   "'steps' is the field with the number of steps done, of a loop with 'until'");
        elab_poison(cx);
    }
}

// A scan while it is elaborated.
typedef struct Scan {
    const Form *form;
    bool good; // nothing was wrong so far
    IrDim *steps;
    Value **start, **over, **next, **collected; // of each carry, array, carry, collected value
    Loc *over_locs;
    Own own;
    IrNode *count, *end; // with `until`: the number of steps done, and whether it was the last
} Scan;

// First carries, and what the loop goes over.
static void enter_scan(Cx *cx, Scan *s) {
    const Form *f = s->form;
    if (f->steps) {
        s->steps = elab_size(cx, elab_form(cx, f->steps), f->steps->loc, "'steps'");
        s->good = s->good && s->steps;
    }
    for (int i = 0; i < f->carry.n; i++) {
        s->start[i] = elab_tensors(cx, elab_form(cx, f->carry.items[i].form), "a carry",
                                   f->carry.items[i].form->loc);
        s->good = s->good && !value_has_poison(s->start[i]);
    }
    for (int i = 0; i < f->over.n; i++) {
        s->over_locs[i] = f->over.items[i].form->loc;
        s->over[i] = elab_tensors(cx, elab_form(cx, f->over.items[i].form), "what a loop goes over",
                                  s->over_locs[i]);
    }
    if (f->over.n) {
        IrDim *rows = common_rows(cx, f->over.n, s->over, s->over_locs, s->steps, f->steps);
        s->good = s->good && rows;
        s->steps = s->steps ? s->steps : rows;
    }
}

// A carry of our own: an i32 or bool scalar that starts as 0. Gives the parameter of the body.
static IrNode *own_carry(Cx *cx, Cx *in, Own *own, IrDtype dtype, const char *name, Loc loc) {
    IrBuilder b = frame_builder(cx, loc);
    IrNode *param = frame_param(in->frame, ir_scalar(dtype), name, loc);
    add_own(cx, own, param, ir_const(&b, ir_scalar(dtype), 0));
    return param;
}

// Names within the body.
static void put_scan_names(Cx *cx, Cx *in, Scan *s) {
    const Form *f = s->form;
    if (f->until) {
        own_carry(cx, in, &s->own, IR_BOOL, "until", f->until->loc);
        s->count = own_carry(cx, in, &s->own, IR_I32, "steps", f->until->loc);
    }
    for (int i = 0; i < f->carry.n; i++) {
        const Field *c = &f->carry.items[i];
        bool poison = value_has_poison(s->start[i]);
        Value *carry = poison ? value_poison()
                              : enter_body(cx, in, &s->own, s->start[i], false, c->name, c->loc);
        scope_put(cx, in->scope, c->name, c->loc, carry);
    }
    for (int i = 0; i < f->over.n; i++) {
        const Field *o = &f->over.items[i];
        Value *row = s->good ? enter_body(cx, in, &s->own, s->over[i], true, o->name, o->loc)
                             : value_poison();
        scope_put(cx, in->scope, o->name, o->loc, row);
    }
    scope_put(cx, in->scope, "step", f->loc, index_param(cx, in, &s->own, f->loc));
    scope_put_fields(in, in->scope, &f->nodes);
}

// Whether the step was the last one.
static void eval_until(Cx *in, Scan *s) {
    const Form *f = s->form->until;
    Value *v = elab_form(in, f);
    bool is_truth = v->kind == VALUE_BOOL ||
                    (v->kind == VALUE_TENSOR && v->type.dtype == IR_BOOL && !v->type.rank);
    if (is_truth) {
        IrBuilder b = frame_builder(in, f->loc);
        s->end = frame_use(in, arith_tensor(in, v, IR_DTYPE_COUNT, f->loc));
        s->count = ir_add(&b, s->count, ir_const_like(&b, s->count, 1));
        return;
    }
    s->good = false;
    if (v->kind == VALUE_POISON)
        return;
    bool truths = v->kind == VALUE_TENSOR && v->type.dtype == IR_BOOL;
    elab_error(in, f->loc, truths ? E_rank : E_dtype_mismatch,
               "'until' is one truth value for each step, and this is %s", elab_describe(in, v));
    elab_note_value(in, v);
    if (truths)
        elab_note(in, f->loc,
                  "all(x) and any(x) make one of them; within a map each row has its own");
    elab_poison(in);
}

// What a step gives.
static void leave_scan(Cx *cx, Cx *in, Scan *s) {
    const Form *f = s->form;
    for (int i = 0; i < f->carry.n; i++) {
        const Form *form = next_of(f, f->carry.items[i].name);
        s->next[i] = form ? next_carry(in, &f->carry.items[i], form, s->start[i]) : value_poison();
        s->good = s->good && !value_has_poison(s->next[i]);
    }
    for (int i = 0; i < f->collect.n; i++) {
        const Form *form = f->collect.items[i].form;
        Value *v = elab_tensors(in, elab_form(in, form), "a collected value", form->loc);
        s->good = s->good && !value_has_poison(v) && rank_can_grow(cx, v, form->loc);
        s->collected[i] = v;
    }
    if (f->until)
        eval_until(in, s);
    scope_finish(in, in->scope, true);
}

// The node, and its results as a record.
static Value *finish_scan(Cx *cx, Cx *in, Scan *s, const char *name) {
    const Form *f = s->form;
    Arena *a = cx->e->a;
    IrBlock *body = in->frame->block;
    if (f->until) {
        ir_block_add_result(in->fn->ir, body, s->end);
        ir_block_add_result(in->fn->ir, body, s->count);
    }
    for (int i = 0; i < f->carry.n; i++)
        add_results(in, s->next[i]);
    int n_carried = body->n_results;
    for (int i = 0; i < f->collect.n; i++)
        add_results(in, s->collected[i]);

    int n_in, first = 0, n = 0;
    IrNode **operands = frame_close(cx, in->frame, s->own.n, s->own.params, s->own.in, &n_in);
    IrBuilder b = frame_builder(cx, f->loc);
    IrNode *node = NULL;
    if (body->n_results)
        node = (f->until ? ir_scan_until : ir_scan)(&b, body, s->steps, f->reverse, name,
                                                    in->frame->n_captures, n_carried,
                                                    s->own.n - 1 - n_carried, operands);
    int n_fields = f->carry.n + f->collect.n + (f->until != NULL);
    const char **names = arena_array(a, const char *, n_fields);
    Value **items = arena_array(a, Value *, n_fields);
    if (f->until) {
        names[n] = "steps";
        items[n++] = frame_value(cx, ir_get(&b, node, 1), NULL, f->until->loc);
        first = 2;
    }
    for (int i = 0; i < f->carry.n; i++) {
        names[n] = f->carry.items[i].name;
        items[n++] = elab_results(cx, node, s->start[i], &first, f->carry.items[i].loc);
    }
    for (int i = 0; i < f->collect.n; i++) {
        names[n] = f->collect.items[i].name;
        items[n++] = elab_results(cx, node, s->collected[i], &first, f->collect.items[i].loc);
    }
    return value_record(a, n_fields, names, items);
}

static Value *eval_scan(Cx *cx, const Form *f) {
    Arena *a = cx->e->a;
    Scan s = {.form = f,
              .good = check_next(cx, f),
              .start = arena_array(a, Value *, f->carry.n),
              .next = arena_array(a, Value *, f->carry.n),
              .over = arena_array(a, Value *, f->over.n),
              .over_locs = arena_array(a, Loc, f->over.n),
              .collected = arena_array(a, Value *, f->collect.n)};
    check_result_names(cx, f);
    enter_scan(cx, &s);

    const char *name = fn_take_loop(cx->fn, cx->path);
    Cx in = *cx;
    in.frame = frame_new(cx);
    in.path = name;
    in.scope = scope_new(cx, cx->scope, cx->scope ? cx->scope->what : NULL);
    put_scan_names(cx, &in, &s);
    leave_scan(cx, &in, &s);
    if (!s.good || cx->e->stopped)
        return value_poison();
    return finish_scan(cx, &in, &s, name);
}

Value *elab_structure(Cx *cx, const Form *f) {
    switch (f->kind) {
    case FORM_IF:
        return eval_if(cx, f);
    case FORM_SCAN:
        return eval_scan(cx, f);
    case FORM_MAP:
        return eval_map(cx, f);
    case FORM_REPEAT:
        return eval_repeat(cx, f);
    case FORM_BAD:
    case FORM_NOTHING:
    case FORM_EXPR:
    case FORM_RECORD:
        break;
    }
    diag_bug("form %d is no structure", (int)f->kind);
}
