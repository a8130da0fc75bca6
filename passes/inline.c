// passes/inline.c -- calls become the bodies they call.
//
// A body arrives with its names prefixed by the path of the call: node `z` of the function that
// node `y` calls is `y.z`, and so are the sites of draws and the names of loops. A node without a
// path of its own takes the prefix.
//
// Before this pass a draw lists no loops, since it cannot know who calls its function. After it,
// every draw lists all scans and maps around it, outermost first, and has the index of each as an
// operand (n_key_axes is 0 until maps are eliminated). A body sees only its own parameters, so the
// index of an outer loop is captured by each loop and gradient between it and the draw. A draw that
// lists loops already is left alone: the pass may run twice.
#include <assert.h>
#include <string.h>

#include "passes/rewrite.h"

// ---- names --------------------------------------------------------------------------------------

// "prefix.name"; either may be NULL or empty.
static const char *join(Arena *a, const char *prefix, const char *name) {
    if (!prefix || !*prefix)
        return name;
    if (!name || !*name)
        return prefix;
    return arena_printf(a, "%s.%s", prefix, name);
}

typedef struct Prefix {
    Arena *arena;
    const char *text;
} Prefix;

static void prefix_node(IrNode *n, IrBlock *in, void *data) {
    (void)in;
    const Prefix *p = data;

    n->path = join(p->arena, p->text, n->path);
    if (n->op == IR_OP_draw_normal || n->op == IR_OP_draw_uniform) {
        n->attrs.name = join(p->arena, p->text, n->attrs.name);
        for (int i = 0; i < n->attrs.n_loops; i++)
            n->attrs.loops[i] = join(p->arena, p->text, n->attrs.loops[i]);
    } else if (n->op == IR_OP_scan || n->op == IR_OP_map || n->op == IR_OP_sample) {
        n->attrs.name = join(p->arena, p->text, n->attrs.name);
    }
}

// ---- calls --------------------------------------------------------------------------------------

typedef struct Inliner {
    PassCtx *cx;
    IrFunction *fn;
} Inliner;

static void inline_call(void *data, IrNode *call, IrBlock *b, IrNode **out) {
    const Inliner *in = data;
    Prefix prefix = {.arena = in->fn->arena, .text = call->path};

    IrBlock *body = ir_clone_block(in->fn, call->callee->body);
    ir_walk(body, prefix_node, &prefix);
    pass_expand(in->cx, in->fn, body, IR_OP_call, inline_call, data);
    pass_splice(in->cx, in->fn, b, body, call->in, out);
}

// ---- loops around draws -------------------------------------------------------------------------

// A body, the node it belongs to, and where the index of each loop around it is seen in it.
typedef struct Scope {
    const struct Scope *outer; // NULL for the function's block
    IrNode *owner;
    int n_loops;      // scans and maps around, the owner included
    IrNode **indices; // outermost first; NULL where it is not captured yet
    const char **names;
} Scope;

static bool is_loop(const IrNode *n) {
    return n->op == IR_OP_scan || n->op == IR_OP_map;
}

// The index of loop `k` as seen in the body `s`.
static IrNode *index_in(IrFunction *f, const Scope *s, int k) {
    if (!s->indices[k])
        s->indices[k] = pass_capture(f, s->owner, index_in(f, s->outer, k));
    return s->indices[k];
}

static bool add_loops(PassCtx *cx, IrFunction *f, IrBlock *b, const Scope *s) {
    bool changed = false;

    for (int i = 0; i < b->n; i++) {
        IrNode *n = b->nodes[i];
        if (n->body) {
            int n_loops = s->n_loops + is_loop(n);
            Scope inner = {.outer = s, .owner = n, .n_loops = n_loops};
            inner.indices = arena_array(cx->scratch, IrNode *, n_loops);
            inner.names = arena_array(cx->scratch, const char *, n_loops);
            for (int k = 0; k < s->n_loops; k++)
                inner.names[k] = s->names[k];
            if (is_loop(n)) {
                inner.indices[n_loops - 1] = n->body->params[n->body->n_params - 1];
                inner.names[n_loops - 1] = n->attrs.name ? n->attrs.name : "";
            }
            changed |= add_loops(cx, f, n->body, &inner);
        }
        bool is_draw = n->op == IR_OP_draw_normal || n->op == IR_OP_draw_uniform;
        if (!is_draw || n->attrs.n_loops > 0 || s->n_loops == 0)
            continue;

        n->attrs.n_loops = n->n_in = s->n_loops;
        n->attrs.loops = arena_array(f->arena, const char *, s->n_loops);
        n->in = arena_array(f->arena, IrNode *, s->n_loops);
        for (int k = 0; k < s->n_loops; k++) {
            n->attrs.loops[k] = s->names[k];
            n->in[k] = index_in(f, s, k);
        }
        changed = true;
    }
    return changed;
}

bool pass_inline(PassCtx *cx, IrFunction *f) {
    Inliner in = {.cx = cx, .fn = f};
    Scope top = {0};

    bool changed = pass_expand(cx, f, f->body, IR_OP_call, inline_call, &in);
    changed |= add_loops(cx, f, f->body, &top);
    ir_renumber(f);
    return changed;
}
