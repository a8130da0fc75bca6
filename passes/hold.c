// passes/hold.c -- the values under stop_gradient, as outputs and as inputs.
#include "passes/hold.h"

#include "passes/rewrite.h"

enum { MAX_DEPTH = 64 };

typedef struct Holder {
    IrFunction *f;
    bool give;                  // outputs, else inputs
    IrNode *owners[MAX_DEPTH];  // nodes whose bodies are entered, outermost first
    IrBlock *blocks[MAX_DEPTH]; // where they stand
    int depth, n;
} Holder;

static bool is_loop(const IrNode *n) {
    return n->op == IR_OP_scan || n->op == IR_OP_map;
}

// Type of all values of `n`: an axis for each loop around, then its own. False where these are too
// many.
static bool type_outside(const Holder *h, const IrNode *n, IrType *type) {
    *type = (IrType){.dtype = n->types[0].dtype};
    for (int i = 0; i < h->depth; i++) {
        if (is_loop(h->owners[i]) && type->rank < IR_MAX_RANK)
            type->dims[type->rank++] = h->owners[i]->attrs.dim;
    }
    if (type->rank + n->types[0].rank > IR_MAX_RANK)
        return false;
    for (int i = 0; i < n->types[0].rank; i++)
        type->dims[type->rank++] = n->types[0].dims[i];
    return true;
}

static void hold(Holder *h, IrNode *n) {
    IrFunction *f = h->f;
    IrType type;

    if (!type_outside(h, n, &type))
        return;
    IrSlot slot = {.name = arena_printf(f->arena, "held.%d", h->n++), .target = -1};
    if (h->give) {
        slot.role = IR_ROLE_OUT;
        ir_add_output(f, pass_leave(f, h->blocks, h->owners, h->depth, n), slot);
        return;
    }
    slot.role = IR_ROLE_INPUT;
    IrNode *value = ir_add_input(f, type, slot, n->loc);
    n->in[0] = pass_enter(f, h->owners, h->depth, value, slot.name);
}

static void hold_block(Holder *h, IrBlock *b) {
    int n_nodes = b->n; // `gets` of values that are handed out come behind

    for (int i = 0; i < n_nodes; i++) {
        IrNode *n = b->nodes[i];
        if (n->body && h->depth < MAX_DEPTH) {
            h->owners[h->depth] = n;
            h->blocks[h->depth++] = b;
            hold_block(h, n->body);
            h->depth--;
        }
        if (n->op == IR_OP_stop_gradient && ir_dtype_is_real(n->types[0].dtype))
            hold(h, n);
    }
}

int hold_outputs(IrFunction *f) {
    Holder h = {.f = f, .give = true};

    hold_block(&h, f->body);
    ir_renumber(f);
    return h.n;
}

int hold_inputs(IrFunction *f) {
    Holder h = {.f = f};

    hold_block(&h, f->body);
    ir_renumber(f);
    return h.n;
}
