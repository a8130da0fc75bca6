// passes/fuse.h -- what the files of the fuser share (passes/fuse*.c); nobody else includes it.
//
// The fuser works scope by scope: the function's block, and the body of each scan. In a scope, some
// nodes become *items*: values computed once, by a kernel or a loop. Every other node is computed
// wherever it is used, as part of a kernel. Items whose index spaces agree are joined into
// *groups*; a group becomes one kernel. An item gets memory (a *home*) only if another group reads
// it.
#ifndef PASSES_FUSE_H
#define PASSES_FUSE_H

#include "ir/kernel_build.h"
#include "passes/pass.h"

enum { FUSE_MAX_LOOPS = 4 };

typedef struct FuseScope FuseScope;
typedef struct FuseItem FuseItem;
typedef struct FuseGroup FuseGroup;

// Where the elements of a value are: in `buffer`, at offset + sum over loops of index * stride
// + sum over axes of index * stride. A stride of NULL is 0.
typedef struct FuseView {
    int buffer;
    IrDim *offset;
    int n_loops;
    int loops[FUSE_MAX_LOOPS];
    IrDim *loop_strides[FUSE_MAX_LOOPS];
    int rank;
    IrDim *strides[IR_MAX_RANK];
} FuseView;

typedef enum FuseKind {
    FUSE_MAPS,    // one value for each index, from values at single indices
    FUSE_REDUCE,  // a reduction
    FUSE_PRODUCT, // a dot with an IrProduct
    FUSE_SCATTER, // a scatter_add
    FUSE_CONCAT,  // parts stored side by side by the items they come from; no kernel of its own
    FUSE_SCAN,    // a loop
    FUSE_RESULT,  // a result of a loop; no kernel of its own
} FuseKind;

struct FuseItem {
    FuseScope *scope;
    FuseKind kind;
    IrNode *node;
    bool copy;             // gives the value of `node`, which is computed elsewhere, another place
    bool claimed;          // SCATTER, CONCAT, RESULT: a result of the block already chose the home
    bool stored;           // another group reads it
    bool dense;            // a reshape reads it: its home has no gaps
    int position;          // in the scope; operands come earlier
    int axes[IR_MAX_RANK]; // axis of the kernel for each axis of the value
    FuseGroup *group;

    int n_deps, cap_deps;
    FuseItem **deps; // items of this scope that come first: those that it reads, ...
    int n_read;      // ... so many, then those that prepare its parts
    int n_reads, cap_reads;
    IrNode **reads; // parameters of this scope's block that it reads

    bool has_home;
    FuseView home;
    int n_dests, cap_dests;
    FuseView *dests; // where the kernel stores it
    int scalar;      // in the kernel being built, -1 before
    unsigned mark;   // of the walk that saw it last
};

// Items of one kernel. Parallel axes come first, then reduced (or contracted) ones.
struct FuseGroup {
    FuseScope *scope;
    FuseKind kind;
    int n_par, n_red;
    IrDim *extents[IR_MAX_AXES];
    int rank;                   // REDUCE: the space of the operands, ...
    IrDim *dims[IR_MAX_RANK];   //   its shape ...
    int full_axes[IR_MAX_RANK]; //   and the kernel's axis for each of its axes
    int n, cap;
    FuseItem **items; // in order of position
    int n_after, cap_after;
    FuseGroup **after; // groups that must come first though nothing of theirs is read
    int position;      // of the last item
    bool emitted;
    unsigned mark;
};

// A result of a block, a carry's first value or a part of a concat, and the item that stores it.
typedef struct FuseRequest {
    enum { FUSE_OUTPUT, FUSE_COLLECT, FUSE_UPDATE, FUSE_NEXT, FUSE_INIT, FUSE_PART } kind;
    FuseItem *item;
    FuseItem *owner; // INIT: the scan; PART: the concat
    int index;       // of the output, result, carry or part
} FuseRequest;

// An item that is copied to `dest` when all else in the scope is done.
typedef struct FuseFinal {
    FuseItem *item;
    FuseView dest;
} FuseFinal;

struct FuseScope {
    FuseScope *parent;
    IrNode *owner; // the scan, or NULL
    IrBlock *block;
    int loop; // its number, or -1
    int n_items, cap_items;
    FuseItem **items;
    int n_groups, cap_groups;
    FuseGroup **groups;
    int n_requests, cap_requests;
    FuseRequest *requests;
    int n_finals, cap_finals;
    FuseFinal *finals;
    FuseView *carries;   // of the loop: where its carries are
    FuseView *collected; // of the loop: where its collected values go, slice by slice
};

// What is known of a node.
typedef struct FuseNode {
    FuseScope *scope; // NULL: nothing needs it
    FuseItem *item;   // what computes it; NULL: computed where it is used
    int n_uses;
    int weight; // of computing it where it is used
    bool is_param;
    bool in_memory; // something needs it in memory
    bool dense;
    bool once; // becomes an item
    int n_readers, cap_readers;
    FuseItem **readers; // of a parameter: items of its scope that read it
} FuseNode;

typedef struct Fuse {
    PassCtx *cx;
    IrSchedule *s;
    Arena *scratch;
    FuseNode *nodes; // by id
    unsigned mark;
    int n_calls; // for names
} Fuse;

static inline FuseNode *fuse_info(const Fuse *f, const IrNode *n) {
    return &f->nodes[n->id];
}

// ---- fuse_order.c -------------------------------------------------------------------------------

// Puts reductions where a top_k stands.
void fuse_order(PassCtx *cx, IrFunction *f);

// ---- fuse_view.c --------------------------------------------------------------------------------

// What a captured parameter stands for: the node of an outer scope. Other nodes are themselves.
// Parameters must be known to fuse_info, or `f` be NULL: then only `owner_of` counts.
IrNode *fuse_resolve(const Fuse *f, IrNode *n);

// Whether `n` is a parameter that is the step's index.
bool fuse_is_index(const Fuse *f, const IrNode *n);

// Whether `n` is a parameter that is a slice of an array for each step.
bool fuse_is_over(const Fuse *f, const IrNode *n);

// Operand of the scan for parameter `n` of its body.
IrNode *fuse_operand(const FuseScope *s, const IrNode *param);

// Splits a reshape into groups of axes whose products are equal: from in_at[g] to in_at[g + 1] of
// the operand, out_at[g] to out_at[g + 1] of the result. Returns the number of groups; where the
// sizes cannot be told apart there is one.
int fuse_reshape_groups(IrDims *ds, const IrNode *n, int *in_at, int *out_at);

// Whether the result's index gives the operand's as sums of multiples, axis by axis.
bool fuse_reshape_is_affine(IrDims *ds, const IrNode *n);

// Strides of `n` as if items were dense: for choosing what becomes an item. False if `n` is no
// view.
bool fuse_strides(const Fuse *f, IrNode *n, IrDim **strides);

// Where the value of `n` is. Everything it is a view of must have a home.
FuseView fuse_view(const Fuse *f, IrNode *n);
// The same of move `n` through its operand, also where `n` has a place of its own.
FuseView fuse_view_of_move(const Fuse *f, IrNode *n);

FuseView fuse_dense(const Fuse *f, int buffer, const IrType *type);

// `v` with its first axis fixed at the index of loop `loop`.
FuseView fuse_slice_of_loop(FuseView v, int loop);

int fuse_add_buffer(Fuse *f, const char *name, IrType type, IrStorage storage, int slot, Loc loc);

// ---- fuse_plan.c --------------------------------------------------------------------------------

// Decides what becomes an item, in `s` and all scopes inside; fills items, their operands, and
// requests. Inner scopes are found again by fuse_inner.
void fuse_plan(Fuse *f, FuseScope *s);

FuseScope *fuse_inner(const Fuse *f, const IrNode *scan);

static inline bool fuse_has_kernel(const FuseItem *i) {
    return i->kind == FUSE_MAPS || i->kind == FUSE_REDUCE || i->kind == FUSE_PRODUCT;
}

// ---- fuse_group.c -------------------------------------------------------------------------------

// Joins the items of `s` into groups.
void fuse_group(Fuse *f, FuseScope *s);

// Makes `g` come after every group that reads `param`, apart from itself. False, and nothing is
// done, when that cannot be.
bool fuse_order_after_readers(Fuse *f, FuseGroup *g, const IrNode *param);

// ---- fuse_scalar.c ------------------------------------------------------------------------------

// Whether the items of `g` can be one kernel: each reads another only at its own index.
bool fuse_probe(Fuse *f, FuseGroup *g);

// Whether storing `item` over parameter `param` as its group goes along harms no read in the group.
bool fuse_probe_in_place(Fuse *f, FuseItem *item, const IrNode *param);

// The call of the kernel that computes the items of `g` and stores them to their dests.
IrKernelCall *fuse_kernel(Fuse *f, FuseGroup *g);

// A call that stores zeros of type `t` to `to`, for node `n`.
IrKernelCall *fuse_zero_kernel(Fuse *f, const IrNode *n, const IrType *t, FuseView to);

// The sums of a scatter_add, onto zeros.
IrKernelCall *fuse_scatter_kernel(Fuse *f, FuseItem *item);

// A call that copies `from` to `to`.
IrKernelCall *fuse_copy_kernel(Fuse *f, const IrNode *n, FuseView from, FuseView to);

// ---- fuse_emit.c --------------------------------------------------------------------------------

// Gives items their homes and appends the kernels and loops of `s` to `out`.
void fuse_emit(Fuse *f, FuseScope *s, IrTree *out);

#endif
