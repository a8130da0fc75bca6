// ir/verify.c -- is this a graph? Every rule of docs/ir.md, checked on a whole function.
//
// One walk in printing order. What is inferable is inferred again on a copy of the node and
// compared, so that the shape rules of ir/shape.c are the only ones there are. Nothing stops at
// the first problem: each gets its line.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/base/map.h"
#include "ir/fold.h"
#include "ir/print.h"
#include "ir/shape.h"

typedef struct Verifier {
    const IrFunction *f;
    IrFunction scratch; // where types are inferred: f's dims, the arena below
    Arena arena;
    Buf *why;
    IrNodeMap numbers; // node -> its number in print, plus 1
    IrNodeMap home;    // node -> block, once the walk has passed its definition
    const IrNode **by_id;
    bool ok;
} Verifier;

// Starts a line for `n` (a function's line when NULL); what follows ends with end_line().
static Buf *begin_line(Verifier *v, const IrNode *n) {
    v->ok = false;
    buf_puts(v->why, "  ");
    if (n)
        ir_print_node_as(v->why, n, &v->numbers);
    else
        buf_printf(v->why, "@%s", v->f->name);
    buf_puts(v->why, "   ");
    return v->why;
}

static void end_line(Verifier *v, const char *rule) {
    buf_printf(v->why, "   %s\n", rule);
}

// ---- nodes --------------------------------------------------------------------------------------

static void check_id(Verifier *v, const IrNode *n) {
    if (n->id < 0 || n->id >= v->f->n_nodes) {
        buf_printf(begin_line(v, n), "id %d of %d", n->id, v->f->n_nodes);
        end_line(v, "ids: below n_nodes");
    } else if (v->by_id[n->id]) {
        buf_printf(begin_line(v, n), "id %d twice", n->id);
        end_line(v, "ids: distinct");
    } else {
        v->by_id[n->id] = n;
    }
}

// Records that `n` is defined from here on, in `b`.
static void define(Verifier *v, const IrNode *n, const IrBlock *b) {
    if (ir_node_map_get(&v->home, n)) {
        buf_puts(begin_line(v, n), "defined twice");
        end_line(v, "nodes: listed once");
    }
    ir_node_map_put(&v->home, n, (void *)(uintptr_t)b);
    check_id(v, n);
}

// True when `x` is defined in `b` before here; else the finding is in `found`.
static bool is_visible(const Verifier *v, const IrNode *x, const IrBlock *b, const char **found) {
    const void *home = x ? ir_node_map_get(&v->home, x) : NULL;
    if (home == b)
        return true;
    *found = !x                                     ? "is missing"
             : home                                 ? "is of another block"
             : ir_node_map_get(&v->numbers, x) != 0 ? "is defined later"
                                                    : "is not in the function";
    return false;
}

static void check_operands(Verifier *v, const IrNode *n, const IrBlock *b) {
    const char *found = NULL;
    for (int k = 0; k < n->n_in; k++) {
        if (is_visible(v, n->in[k], b, &found))
            continue;
        buf_printf(begin_line(v, n), "input %d %s", k, found);
        end_line(v, "operands: defined before, in the same block");
    }
}

static void put_types(Buf *b, const IrNode *n) {
    for (int i = 0; i < n->n_types; i++) {
        buf_puts(b, i ? ", " : "");
        ir_type_print(b, &n->types[i]);
    }
    buf_puts(b, n->n_types ? "" : "nothing");
}

// Infers the types of `n` again.
static void check_types(Verifier *v, const IrNode *n) {
    IrNode copy = *n;
    copy.types = arena_array(&v->arena, IrType, n->n_types);
    for (int i = 0; i < n->n_types; i++)
        copy.types[i] = n->types[i];

    Buf found = {0};
    if (!ir_infer(&v->scratch, &copy, &found)) {
        buf_printf(begin_line(v, n), "%s\n", buf_text(&found));
    } else {
        bool same = copy.n_types == n->n_types;
        for (int i = 0; i < n->n_types && same; i++)
            same = ir_type_equal(&copy.types[i], &n->types[i]);
        if (!same) {
            buf_puts(begin_line(v, n), "inferred ");
            put_types(v->why, &copy);
            end_line(v, "types: as inferred");
        }
    }
    buf_free(&found);
}

static void check_attrs(Verifier *v, const IrNode *n) {
    bool wants_body = n->op == IR_OP_scan || n->op == IR_OP_map || n->op == IR_OP_grad;
    if (wants_body != (n->body != NULL) || (n->op == IR_OP_call) != (n->callee != NULL)) {
        buf_puts(begin_line(v, n), wants_body || n->op == IR_OP_call ? "missing" : "superfluous");
        end_line(v, "nodes: scan, map and grad have a body, call has a callee");
    }
    if (n->op == IR_OP_const && n->n_types == 1) {
        double rounded = ir_round_value(n->types[0].dtype, n->attrs.value);
        if (memcmp(&rounded, &n->attrs.value, sizeof rounded) != 0 && !isnan(rounded)) {
            buf_printf(begin_line(v, n), "%.17g", n->attrs.value);
            end_line(v, "const: a value of its dtype");
        }
    }
}

// ---- blocks -------------------------------------------------------------------------------------

static void check_block(Verifier *v, const IrBlock *b) {
    for (int i = 0; i < b->n_params; i++) {
        const IrNode *p = b->params[i];
        if (p->op != IR_OP_input || p->n_types != 1 || p->attrs.index != i) {
            buf_printf(begin_line(v, p), "parameter %d", i);
            end_line(v, "parameters: inputs, numbered in order");
        } else {
            check_types(v, p);
        }
        define(v, p, b);
    }
    for (int i = 0; i < b->n; i++) {
        const IrNode *n = b->nodes[i];
        if (n->op == IR_OP_input) {
            buf_puts(begin_line(v, n), "a parameter among nodes");
            end_line(v, "nodes: inputs are parameters");
        }
        if (n->body)
            check_block(v, n->body);
        check_operands(v, n, b);
        check_attrs(v, n);
        check_types(v, n);
        define(v, n, b);
    }
    for (int i = 0; i < b->n_results; i++) {
        const char *found = NULL;
        const IrNode *r = b->results[i];
        if (!is_visible(v, r, b, &found)) {
            buf_printf(begin_line(v, r), "result %d %s", i, found);
            end_line(v, "results: of their own block");
        } else if (r->n_types != 1 || ir_has_results(r)) {
            buf_printf(begin_line(v, r), "result %d has %d values", i, r->n_types);
            end_line(v, "results: single values; get reads the others");
        }
    }
}

// ---- inputs and outputs -------------------------------------------------------------------------

static bool is_input_role(IrRole role) {
    return role == IR_ROLE_INPUT || role == IR_ROLE_PARAM || role == IR_ROLE_STATE ||
           role == IR_ROLE_SETTING || role == IR_ROLE_DRAW;
}

// A function of initial values gives parameters and states.
static bool is_output_role(IrRole role) {
    return role == IR_ROLE_OUT || role == IR_ROLE_GRAD || role == IR_ROLE_UPDATE ||
           role == IR_ROLE_PARAM || role == IR_ROLE_STATE;
}

// Names differ among slots of one role; the empty name is nobody's.
static void check_slot_name(Verifier *v, Map *names, const IrSlot *s, const char *what, int i) {
    if (!s->name || !*s->name)
        return;
    const char *key = arena_printf(&v->arena, "%s %s", ir_role_name(s->role), s->name);
    if (map_has(names, key)) {
        buf_printf(begin_line(v, NULL), "%s %d is a second %s ", what, i, ir_role_name(s->role));
        ir_print_string(v->why, s->name);
        end_line(v, "slots: names differ within a role");
    }
    map_put(names, &v->arena, key, &v->arena);
}

static void check_update(Verifier *v, const IrSlot *s, const IrNode *value, bool *updated) {
    const IrBlock *b = v->f->body;
    int t = s->target;
    if (t < 0 || t >= b->n_params ||
        (v->f->inputs[t].role != IR_ROLE_PARAM && v->f->inputs[t].role != IR_ROLE_STATE)) {
        buf_printf(begin_line(v, value), "an update of input %d", t);
        end_line(v, "updates: of a param or state");
        return;
    }
    if (updated[t]) {
        buf_printf(begin_line(v, value), "a second update of input %d", t);
        end_line(v, "updates: at most one of an input");
    }
    updated[t] = true;
    if (value && value->n_types == 1 && !ir_type_equal(&value->types[0], &b->params[t]->types[0])) {
        buf_printf(begin_line(v, value), "input %d is ", t);
        ir_type_print(v->why, &b->params[t]->types[0]);
        end_line(v, "updates: keep the type");
    }
}

static void check_slots(Verifier *v) {
    const IrFunction *f = v->f;
    const IrBlock *b = f->body;
    if ((b->n_params && !f->inputs) || (b->n_results && !f->outputs)) {
        buf_printf(begin_line(v, NULL), "%d parameters, %d results", b->n_params, b->n_results);
        end_line(v, "slots: one for each input and output");
        return;
    }
    Map inputs = {0}, outputs = {0};
    for (int i = 0; i < b->n_params; i++) {
        const IrSlot *s = &f->inputs[i];
        if (!is_input_role(s->role)) {
            buf_printf(begin_line(v, b->params[i]), "role %d", (int)s->role);
            end_line(v, "slots: an input's role");
            continue;
        }
        if (s->role == IR_ROLE_SETTING && b->params[i]->types[0].rank != 0) {
            buf_puts(begin_line(v, b->params[i]), "a setting");
            end_line(v, "slots: settings are scalars");
        }
        check_slot_name(v, &inputs, s, "input", i);
    }
    bool *updated = arena_array(&v->arena, bool, b->n_params);
    for (int i = 0; i < b->n_results; i++) {
        const IrSlot *s = &f->outputs[i];
        if (!is_output_role(s->role)) {
            buf_printf(begin_line(v, b->results[i]), "role %d", (int)s->role);
            end_line(v, "slots: an output's role");
            continue;
        }
        if (s->role == IR_ROLE_UPDATE)
            check_update(v, s, b->results[i], updated);
        check_slot_name(v, &outputs, s, "output", i);
    }
}

// ---- calls --------------------------------------------------------------------------------------

// Functions already looked at.
typedef struct Seen {
    Arena *arena;
    const IrFunction **at;
    int n, cap;
} Seen;

// Whether `b` calls `f`, itself or through others.
static bool block_calls(Seen *seen, const IrBlock *b, const IrFunction *f) {
    for (int i = 0; i < b->n; i++) {
        const IrNode *n = b->nodes[i];
        if (n->body && block_calls(seen, n->body, f))
            return true;
        const IrFunction *g = n->op == IR_OP_call ? n->callee : NULL;
        if (g == f && g)
            return true;
        bool known = !g;
        for (int k = 0; k < seen->n && !known; k++)
            known = seen->at[k] == g;
        if (known)
            continue;
        arena_push(seen->arena, seen->at, seen->n, seen->cap, g);
        if (block_calls(seen, g->body, f))
            return true;
    }
    return false;
}

bool ir_verify_function(const IrFunction *f, Buf *why) {
    Verifier v = {.f = f, .scratch = *f, .why = why, .ok = true};
    v.scratch.arena = &v.arena;
    v.numbers.arena = v.home.arena = &v.arena;
    v.by_id = arena_array(&v.arena, const IrNode *, f->n_nodes);
    ir_print_numbers(&v.numbers, f);

    check_block(&v, f->body);
    check_slots(&v);
    Seen seen = {.arena = &v.arena};
    if (block_calls(&seen, f->body, f)) {
        buf_puts(begin_line(&v, NULL), "calls itself");
        end_line(&v, "calls: acyclic");
    }
    arena_free(&v.arena);
    return v.ok;
}
