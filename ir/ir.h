// ir/ir.h -- the graph: functions, blocks, nodes and their types.
//
// A function has one block; a block is a list of nodes in order, each used only after it was
// made, and a list of results. A node of kind CONTROL has a body: a block that sees nothing but its
// own parameters. Nothing in a graph writes memory. Everything lives in the function's arena.
#ifndef IR_IR_H
#define IR_IR_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/buf.h"
#include "ir/base/diag.h"
#include "ir/dim.h"

typedef enum IrDtype { IR_F32, IR_F64, IR_I32, IR_BOOL, IR_DTYPE_COUNT } IrDtype;

enum { IR_MAX_RANK = 8 };

// Element type and shape of a tensor. Row-major; bool takes one byte.
typedef struct IrType {
    IrDtype dtype;
    int rank;
    IrDim *dims[IR_MAX_RANK];
} IrType;

typedef enum IrOp {
#define MAP(name, inputs, result, grad, expr, doc) IR_OP_##name,
#define OP(name, inputs, kind, shape, grad, doc)   IR_OP_##name,
#include "ir/ops.def"
    IR_OP_COUNT
} IrOp;

typedef enum IrKind {
    IR_KIND_MAP,
    IR_KIND_LEAF,
    IR_KIND_MOVE,
    IR_KIND_REDUCE,
    IR_KIND_CONTRACT,
    IR_KIND_ORDER,
    IR_KIND_CONTROL,
} IrKind;

typedef enum IrMapResult {
    IR_RESULT_SAME,
    IR_RESULT_REAL,
    IR_RESULT_INT,
    IR_RESULT_BOOL,
    IR_RESULT_LOGIC
} IrMapResult;

// What ops.def says of an operation.
typedef struct IrOpInfo {
    const char *name;
    IrKind kind;
    int n_in;           // -1 where it varies
    IrMapResult result; // MAP only
    const char *expr;   // MAP only: its meaning in C
    const char *doc;
} IrOpInfo;
extern const IrOpInfo ir_op_info[IR_OP_COUNT];

IrOp ir_op_find(const char *name); // IR_OP_COUNT when there is none

// Arithmetic operations that one element costs, for cost models: of the result for elementwise
// operations, draws and moves (0 where only addresses change), of the first operand for reductions,
// of each product that is summed for `dot`. Roughly those of the back ends' polynomials. 0 for
// CONTROL.
double ir_op_cost(IrOp op);

typedef struct IrNode IrNode;
typedef struct IrBlock IrBlock;
typedef struct IrFunction IrFunction;

// One component of a draw's key besides seed and site: an enclosing loop (scan or map) and its
// index. `loop` is the loop's path of names.
//
// A draw's value is a function of: seed; hash of `site`; for each enclosing loop the hash of its
// path and its index; the index of the element within the draw (its trailing axes, row-major); the
// call number. Loops enter the key by addition, so their order does not matter (ir/random.h).
typedef struct IrDrawLoop {
    const char *loop;
} IrDrawLoop;

// What a node has besides operands; which fields an op uses is said behind each.
typedef struct IrAttrs {
    double value; // const
    int axis;     // iota, concat
    int index;    // get; input: position among the block's parameters
    int n_axes;   // transpose, broadcast, sum, reduce_max, reduce_min: `axes`
    int axes[IR_MAX_RANK];
    IrDim *starts[IR_MAX_RANK]; // slice, pad: one for each axis of the input
    IrDim *dim;                 // extent; scan, map: number of steps
    int n_batch;                // dot: leading axes shared by both operands
    int n_contract;             // dot: contracting axes, pairwise; others are free
    int lhs_axes[IR_MAX_RANK], rhs_axes[IR_MAX_RANK];
    const char *name;   // draws: site; call: callee; scan, map, input: path of names
    int n_loops;        // draws: enclosing loops. The first `n_key_axes` are maps that were
    int n_key_axes;     //   eliminated: leading axes of the result, in order. The others
    const char **loops; //   are scans whose index (i32 scalar) is operand 0, 1, ...
    int n_captured;     // scan, map, grad: operands [captured | carried | per step]
    int n_carry;        // scan
    int n_over;         // scan, map: operands with a leading axis `dim`
    bool reverse;       // scan: from the last step to the first; top_k: the smallest
    bool until;         // scan: carry 0 is a bool scalar; the loop ends as soon as it is true
    int n_wrt;          // grad
    int *wrt;           // grad: operand positions, in order of the gradients
} IrAttrs;

// Operands of bodies. scan: operands are captured values, initial carries, arrays with a leading
// axis `dim`; the body's parameters are the captured, the carries, one slice of each array, and the
// step's index (i32 scalar, always last; counts from 0 also in reverse: the index of the slice).
// Its results are the next carries, then values to collect. With `until` the first carry is looked
// at before each step; rows of collected values that no step gave are zeros. map: captured values, then arrays; the
// body's parameters are the captured, the slices, and the index. grad: all operands are captured;
// the body's first result is a scalar.
struct IrNode {
    IrOp op;
    int id; // dense within its function (all blocks together) after ir_renumber()
    int n_in;
    IrNode **in;
    int n_types; // 1, or for call, scan, map, grad the number of results
    IrType *types;
    IrAttrs attrs;
    IrBlock *body;      // scan, map, grad
    IrFunction *callee; // call
    Loc loc;            // the YAML it stands for
    const char *path;   // path of names that leads to it ("path.y"), or NULL
};

struct IrBlock {
    int n_params, cap_params;
    IrNode **params; // nodes of op input
    int n, cap;
    IrNode **nodes;
    int n_results, cap_results;
    IrNode **results;
};

typedef enum IrRole {
    IR_ROLE_INPUT,   // given with each call                        "in"
    IR_ROLE_PARAM,   // trained, owned by the State                 "p"
    IR_ROLE_STATE,   // not trained, owned by the State             "s"
    IR_ROLE_SETTING, // scalar given with each call, with a default "set"
    IR_ROLE_DRAW,    // values that replace a draw                  "draw"
    IR_ROLE_OUT,     // outputs                                     "out"
    IR_ROLE_GRAD,    //                                             "g"
    IR_ROLE_UPDATE,  // new value of a param or state               "update"
    IR_ROLE_COUNT
} IrRole;
const char *ir_role_name(IrRole role);

// An input or output of a function.
typedef struct IrSlot {
    const char *name; // without the role: "dynamics.decoder.0.w", "xc", "loss"
    IrRole role;
    int target;       // UPDATE: index of the input that it replaces; else -1
    double value;     // SETTING: default
} IrSlot;

struct IrFunction {
    Arena *arena; // owns everything reachable from here
    IrDims *dims;
    const char *name;
    IrBlock *body;
    IrSlot *inputs;  // body->n_params of them
    IrSlot *outputs; // body->n_results of them
    int n_nodes;     // ids are below this; dense after ir_renumber()
    Loc loc;
    int cap_inputs, cap_outputs;
};

// Functions of one file or program; calls refer to them. The last is the entry.
typedef struct IrModule {
    Arena *arena;
    IrDims *dims;
    int n, cap;
    IrFunction **functions;
} IrModule;

// ---- types ----------------------------------------------------------------------------------

IrType ir_type(IrDtype dtype, int rank, IrDim *const *dims);
IrType ir_scalar(IrDtype dtype);
bool ir_type_equal(const IrType *a, const IrType *b);
bool ir_dims_equal(const IrType *a, const IrType *b); // shapes alone
IrDim *ir_type_count(IrDims *ds, const IrType *t);    // number of elements
size_t ir_dtype_size(IrDtype dtype);
const char *ir_dtype_name(IrDtype dtype);
bool ir_dtype_is_real(IrDtype dtype);
void ir_type_print(Buf *b, const IrType *t); // f32[N,32]

// Result type of a single-result node (asserts there is one).
static inline IrType *ir_node_type(IrNode *n) {
    return &n->types[0];
}

// ---- functions and blocks -------------------------------------------------------------------

IrFunction *ir_function_new(Arena *a, IrDims *dims, const char *name);
IrBlock *ir_block_new(Arena *a);
IrNode *ir_block_add_param(IrFunction *f, IrBlock *b, IrType type, const char *name, Loc loc);
void ir_block_add_result(IrFunction *f, IrBlock *b, IrNode *n);

// A node in no block, with its operands copied, the function's next id, and everything else zero.
// For the parser and for passes that make what no builder makes; ir_infer (ir/shape.h) fills in the
// types.
IrNode *ir_node_new(IrFunction *f, IrOp op, int n_in, IrNode *const *in);
void ir_block_append(IrFunction *f, IrBlock *b, IrNode *n);

// Appends an input or output to `f` (slot and block parameter or result).
IrNode *ir_add_input(IrFunction *f, IrType type, IrSlot slot, Loc loc);
void ir_add_output(IrFunction *f, IrNode *n, IrSlot slot);

// Gives all nodes dense ids: parameters, then nodes, bodies right before their owner's id.
void ir_renumber(IrFunction *f);

// Calls `visit` for each node of `b` and of all bodies in it, bodies' nodes before their owner.
void ir_walk(IrBlock *b, void (*visit)(IrNode *n, IrBlock *in, void *data), void *data);

#define ir_each_node(n, b)                                                                         \
    for (IrNode * n, **n##_at = (b)->nodes; n##_at < (b)->nodes + (b)->n && ((n = *n##_at), true); \
         n##_at++)

// True for call, scan, map and grad: their results (any number) are read by `get` only, never as
// operands of other nodes.
static inline bool ir_has_results(const IrNode *n) {
    return n->op == IR_OP_call || n->op == IR_OP_scan || n->op == IR_OP_map || n->op == IR_OP_grad;
}

static inline bool ir_has_body(const IrNode *n) {
    return n->body != NULL;
}

// Prints "internal error" with the node and its place, exits with 70.
_Noreturn void ir_bug(const IrNode *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
