// passes/bind_draws.c -- values from outside in the place of draws.
//
// A draw deep in loops gets its value through all bodies around it: the function's input has an
// axis for each loop, every scan or map on the way takes a slice of it, a gradient's body captures
// it.
#include "passes/bind_draws.h"

#include <string.h>

#include "passes/rewrite.h"

enum { MAX_DEPTH = 64 };

typedef struct Binder {
    IrFunction *fn;
    const char *const *sites;
    int n;
    bool *found;
    int n_bound;
    IrNode *owners[MAX_DEPTH]; // nodes whose bodies are entered, outermost first
    int depth;
} Binder;

static bool is_loop(const IrNode *n) {
    return n->op == IR_OP_scan || n->op == IR_OP_map;
}

// The input for `draw`, with an axis for each loop around.
static IrNode *root_input(Binder *b, const IrNode *draw) {
    IrType type = {.dtype = draw->types[0].dtype};

    for (int i = 0; i < b->depth; i++)
        if (is_loop(b->owners[i]))
            type.dims[type.rank++] = b->owners[i]->attrs.dim;
    for (int i = 0; i < draw->types[0].rank; i++)
        type.dims[type.rank++] = draw->types[0].dims[i];
    return ir_add_input(b->fn, type,
                        (IrSlot){.name = draw->attrs.name, .role = IR_ROLE_DRAW, .target = -1},
                        draw->loc);
}

// Whether a value made of `draw` is what its site gives.
static bool has_sample(const IrBlock *block, const IrNode *draw) {
    for (int i = 0; i < block->n; i++) {
        const IrNode *n = block->nodes[i];
        if (n->op == IR_OP_sample && strcmp(n->attrs.name, draw->attrs.name) == 0)
            return true;
    }
    return false;
}

static bool gives_site(const IrBlock *block, const IrNode *n) {
    if (n->op == IR_OP_draw_normal || n->op == IR_OP_draw_uniform)
        return !has_sample(block, n);
    return n->op == IR_OP_sample;
}

static void bind_block(Binder *b, IrBlock *block) {
    for (int i = 0; i < block->n; i++) {
        IrNode *n = block->nodes[i];

        if (n->body && b->depth < MAX_DEPTH) {
            b->owners[b->depth++] = n;
            bind_block(b, n->body);
            b->depth--;
        }
        if (!gives_site(block, n))
            continue;
        for (int k = 0; k < b->n; k++) {
            if (strcmp(b->sites[k], n->attrs.name) != 0)
                continue;
            IrNode *value =
                pass_enter(b->fn, b->owners, b->depth, root_input(b, n), n->attrs.name);

            // the draw becomes the value itself; what a sample was made of has no use left
            n->op = IR_OP_stop_gradient;
            n->in = arena_new(b->fn->arena, IrNode *);
            n->in[0] = value;
            n->n_in = 1;
            n->attrs = (IrAttrs){0};
            b->found[k] = true;
            b->n_bound++;
            break;
        }
    }
}

int bind_draws(IrFunction *f, const char *const *sites, int n, bool *found) {
    Binder b = {.fn = f, .sites = sites, .n = n, .found = found};

    memset(found, 0, (size_t)n * sizeof *found);
    bind_block(&b, f->body);
    ir_renumber(f);
    return b.n_bound;
}
