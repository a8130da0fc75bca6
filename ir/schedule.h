// ir/schedule.h -- a program as buffers, kernel calls and a tree of loops, pieces and barriers.
//
// Threads enter a step once and walk the tree together. A kernel outside `par` runs on thread 0
// alone; `par` cuts rows 0 .. rows - 1 into pieces of `grain` rows which threads take in turn
// (piece p belongs to thread p % threads), and all its children are run for a piece before the next
// piece; `barrier` waits for all threads. The reference interpreter walks it; code generators print it.
#ifndef IR_SCHEDULE_H
#define IR_SCHEDULE_H

#include "ir/kernel.h"

// What the code is made for. Choices of passes depend on this and on sizes, never on timing and
// never on the number of threads.
typedef struct IrTarget {
    const char *name;     // "cpu", "ref"
    int vector_bytes;     // 16, 32, 64
    int64_t l1_bytes, l2_bytes;
    double flops_per_row_piece; // least work worth a piece of its own
} IrTarget;

typedef enum IrStorage {
    IR_STORAGE_INPUT,  // memory of the function's input `slot`, given with each call
    IR_STORAGE_OUTPUT, // memory of the function's output `slot`, given with each call
    IR_STORAGE_ARENA,  // at `offset` in the step's arena
    IR_STORAGE_COUNT
} IrStorage;

typedef struct IrBuffer {
    const char *name; // unique in the schedule
    IrDtype dtype;
    IrDim *count; // elements
    IrStorage storage;
    int slot;
    int64_t offset; // bytes, multiple of 64; ARENA, after place
    Loc loc;
} IrBuffer;

// Pointer argument: buffer + offset + sum over loops of index * stride, in elements.
typedef struct IrCallArg {
    int buffer;
    IrDim *offset;
    int n_loops;
    int loops[4]; // loop numbers of enclosing loops
    IrDim *strides[4];
} IrCallArg;

typedef enum IrIntKind {
    IR_INT_LOOP, // index of loop `loop`
    IR_INT_KEY,  // ir_random_key(seed, hash) + sum of ir_random_loop(loop_hash[i], index of loops[i])
    IR_INT_HASH, // `hash`, a constant
    IR_INT_COUNT
} IrIntKind;

typedef struct IrCallInt {
    IrIntKind kind;
    int loop;
    uint64_t hash;
    int n_loops;
    int loops[4];
    uint64_t loop_hashes[4];
} IrCallInt;

typedef struct IrKernelCall {
    IrKernel *kernel;
    int index;        // of the kernel in IrSchedule.kernels
    IrCallArg *args;  // kernel->n_args
    IrDim **dims;     // value of each of the kernel's dim variables, in the program's dims
    IrCallInt *ints;  // kernel->n_ints
    const char *path; // "path.y" or NULL
    Loc loc;
} IrKernelCall;

typedef enum IrTreeKind {
    IR_TREE_SEQ, IR_TREE_LOOP, IR_TREE_PAR, IR_TREE_BARRIER, IR_TREE_KERNEL, IR_TREE_COUNT
} IrTreeKind;

typedef struct IrTree IrTree;
struct IrTree {
    IrTreeKind kind;
    int n, cap;
    IrTree **children;  // SEQ, LOOP, PAR
    IrKernelCall *call; // KERNEL
    int loop;           // LOOP: its number
    IrDim *steps;       // LOOP
    bool reverse;       // LOOP: index from steps - 1 down to 0
    bool ends;          // LOOP: before each step all threads read `until`, a bool, ...
    IrCallArg until;    //   ... and leave the loop where it is true
    IrDim *rows;        // PAR: extent of axis 0 of every kernel directly inside
    int64_t grain;      // PAR: rows of a piece
    const char *name;   // LOOP: path
};

typedef struct IrSchedule {
    Arena *arena;
    IrDims *dims;
    IrFunction *fn;          // what it computes; slots of inputs and outputs
    const IrTarget *target;
    int n_buffers, cap_buffers;
    IrBuffer *buffers;
    int n_kernels, cap_kernels;
    IrKernel **kernels;      // distinct ones
    int n_loops;
    IrTree *root;
    int64_t arena_bytes;     // at the maxima of the dims
    int64_t residual_bytes;  // part of it that keeps forward values for gradients
    int *update_in_place;    // for each output: 1 when an UPDATE writes its input's memory
} IrSchedule;

// ---- text: printed, parsed, stable --------------------------------------------------------------
void ir_print_kernel(Buf *out, const IrKernel *k, bool locs);
void ir_print_schedule(Buf *out, const IrSchedule *s, bool locs);
IrSchedule *ir_parse_schedule(Arena *a, Diag *d, const char *path, const char *text, size_t len);

// Checks a kernel by itself: operands in order and of fitting types, arguments in range, a product's
// strides. Appends a line for each violation.
bool ir_verify_kernel(const IrKernel *k, Buf *why);

// Checks kernels and tree: every call fits its kernel; arguments move with enclosing loops; rows of
// par equal axis 0; nothing is read that was not written, or whose memory was since written as
// another buffer (once `place` has set arena_bytes); no two pieces write one element, and between
// two threads' uses of one element stands a barrier, where that can be told. Appends a line for
// each violation.
bool ir_verify_schedule(const IrSchedule *s, Buf *why);

#endif
