// passes/fuse.c -- from nodes to kernels.
//
// The graph becomes buffers, kernels and a sequential tree, in four steps, each with a file:
//
//   fuse_order.c    reductions instead of top_k
//   fuse_plan.c     which values are computed once ("items"), which wherever they are used
//   fuse_group.c    which items share a kernel
//   fuse_emit.c     where values are kept, and the order of kernels
//
// fuse_view.c knows which values are others read in another order; fuse_scalar.c and
// fuse_kernel.c build the kernels themselves.
#include "passes/fuse.h"

#include <string.h>

// Inputs are the first buffers, in order. The memory of one that is updated is that of the output.
static void add_inputs(Fuse *f) {
    const IrFunction *fn = f->s->fn;
    for (int i = 0; i < fn->body->n_params; i++) {
        const IrNode *p = fn->body->params[i];
        int updated_by = -1;
        for (int k = 0; k < fn->body->n_results; k++) {
            if (fn->outputs[k].role == IR_ROLE_UPDATE && fn->outputs[k].target == i)
                updated_by = k;
        }
        fuse_add_buffer(f, fn->inputs[i].name, p->types[0],
                        updated_by < 0 ? IR_STORAGE_INPUT : IR_STORAGE_OUTPUT,
                        updated_by < 0 ? i : updated_by, p->loc);
    }
}

bool pass_fuse(PassCtx *cx, IrSchedule *s) {
    fuse_order(cx, s->fn);
    Fuse f = {.cx = cx, .s = s, .scratch = cx->scratch};
    f.nodes = arena_array(f.scratch, FuseNode, s->fn->n_nodes);
    add_inputs(&f);

    s->update_in_place = arena_array(s->arena, int, s->fn->body->n_results);
    for (int i = 0; i < s->fn->body->n_results; i++)
        s->update_in_place[i] = s->fn->outputs[i].role == IR_ROLE_UPDATE;

    FuseScope top = {.block = s->fn->body, .loop = -1};
    s->root = arena_new(s->arena, IrTree);
    s->root->kind = IR_TREE_SEQ;
    fuse_plan(&f, &top);
    fuse_emit(&f, &top, s->root);
    return true;
}
