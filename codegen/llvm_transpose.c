// codegen/llvm_transpose.c -- kernels that only turn an array: squares in registers.
//
// Neighbours in memory lie along one axis where the kernel reads and along another where it
// writes. Square by square, rows are loaded as vectors along the first, turned by exchanging ever
// smaller halves of pairs of rows, and stored as vectors along the second. What is left beside the
// squares is gathered.
#include <string.h>

#include "codegen/llvm_kernel.h"

enum { MAX_SIDE = 8 };

typedef struct Turn {
    const IrScalar *load;
    const IrStore *store;
    int read, write; // axes along which neighbours are read and written
    int outer[IR_MAX_AXES], n_outer, level;
    int side; // of a square
    LLVMTypeRef element;
    int size;
    LLVMValueRef buffer;            // for a square
    LLVMValueRef at_read, at_write; // where the square is
    LLVMValueRef n_read, n_write;   // how much of it exists; NULL: always all
} Turn;

static int unit_axis(const IrKernel *k, const IrAddress *a) {
    int64_t stride;
    for (int axis = k->n_axes - 1; axis >= 0; axis--) {
        if (a->strides[axis] && ir_dim_is_const(a->strides[axis], &stride) && stride == 1)
            return axis;
    }
    return -1;
}

// Side of the squares: a vector of the machine, less for short axes.
static int side_of(const LlvmKernel *c, const Turn *t) {
    int side = c->f->target->vector_bytes / t->size;
    for (int i = 0; i < 2; i++) {
        int64_t extent;
        bool known = ir_dim_is_const(c->k->axes[i ? t->write : t->read].extent, &extent);
        while (known && side > 4 && side / 2 >= extent)
            side /= 2;
    }
    return side < MAX_SIDE ? side : MAX_SIDE;
}

static bool is_plain(const IrAddress *a) {
    return a->indirect < 0 && a->guard < 0;
}

// Whether the kernel is a turn; fills `t`.
static bool find_turn(const LlvmKernel *c, Turn *t) {
    const IrKernel *k = c->k;
    if (c->n_parallel != k->n_axes || k->n_stores != 1 || k->stores[0].accumulate)
        return false;
    t->store = &k->stores[0];
    t->load = &k->scalars[t->store->scalar];
    if (t->load->kind != IR_SCALAR_LOAD || t->load->dtype == IR_BOOL ||
        !is_plain(&t->load->address) || !is_plain(&t->store->address))
        return false;
    t->read = unit_axis(k, &t->load->address);
    t->write = unit_axis(k, &t->store->address);
    if (t->read < 0 || t->write < 0 || t->read == t->write || !t->load->address.strides[t->write] ||
        !t->store->address.strides[t->read])
        return false;
    for (int axis = 0; axis < k->n_axes; axis++) {
        if (axis != t->read && axis != t->write)
            t->outer[t->n_outer++] = axis;
    }
    t->element = llvm_memory_type(c->f, t->load->dtype);
    t->size = (int)ir_dtype_size(t->load->dtype);
    t->side = side_of(c, t);
    return t->side > 1;
}

// ---- one square ---------------------------------------------------------------------------------

static LLVMValueRef base(LlvmKernel *c, const Turn *t, const IrAddress *a) {
    return llvm_at(c->f, t->element, c->args[a->arg], llvm_offset(c, a));
}

// Lanes of two rows, as for `low`: where bit `half` of the lane is 0 that lane of x, else the lane
// `half` before it of y; otherwise the lane `half` behind it of x, and that lane of y.
static LLVMValueRef exchange(LlvmKernel *c, const Turn *t, LLVMValueRef x, LLVMValueRef y, int half,
                             bool low) {
    LLVMValueRef lanes[MAX_SIDE];
    for (int i = 0; i < t->side; i++) {
        int from = i & half ? t->side + i - (low ? half : 0) : i + (low ? 0 : half);
        lanes[i] = LLVMConstInt(c->f->i32, (unsigned)from, false);
    }
    return LLVMBuildShuffleVector(c->f->b, x, y, LLVMConstVector(lanes, (unsigned)t->side), "");
}

static void emit_square(LlvmKernel *c, void *data) {
    const Turn *t = data;
    LlvmFn *f = c->f;
    LLVMTypeRef type = llvm_widen(t->element, t->side);
    LLVMValueRef rows[MAX_SIDE];

    LLVMValueRef p = base(c, t, &t->load->address);
    LLVMValueRef stride = llvm_dim(c, t->load->address.strides[t->write]);
    for (int r = 0; r < t->side; r++) {
        rows[r] = llvm_load(f, type, p, t->size);
        p = llvm_at(f, t->element, p, stride);
    }
    for (int half = t->side / 2; half > 0; half /= 2) {
        for (int r = 0; r < t->side; r++) {
            if (r & half)
                continue;
            LLVMValueRef x = rows[r], y = rows[r | half];
            rows[r] = exchange(c, t, x, y, half, true);
            rows[r | half] = exchange(c, t, x, y, half, false);
        }
    }
    p = base(c, t, &t->store->address);
    stride = llvm_dim(c, t->store->address.strides[t->read]);
    for (int r = 0; r < t->side; r++) {
        llvm_store(f, rows[r], p, t->size);
        p = llvm_at(f, t->element, p, stride);
    }
}

// ---- squares ------------------------------------------------------------------------------------

// How many indices of the square at `index` exist, or NULL where all always do.
static LLVMValueRef existing(LlvmKernel *c, const Turn *t, LLVMValueRef index, LLVMValueRef from,
                             LLVMValueRef to) {
    LlvmFn *f = c->f;
    int64_t first, last;
    if (llvm_is_const(from, &first) && llvm_is_const(to, &last) && (last - first) % t->side == 0)
        return NULL;
    return llvm_min_int(f, llvm_sub(f, to, index), llvm_int(f, t->side));
}

static void write_whole(LlvmKernel *c, void *data) {
    Turn *t = data;
    llvm_with_index(c, t->write, t->at_write, emit_square, t);
}

static void store_lanes(LlvmKernel *c, void *data) {
    const Turn *t = data;
    llvm_store_scalar(c, t->store);
}

static void write_part(LlvmKernel *c, void *data) {
    Turn *t = data;
    llvm_at_lanes(c, t->write, t->at_write, t->n_write, t->side, store_lanes, t);
}

// Where a square reaches beyond the array, what exists of it goes row by row.
static void emit_part(LlvmKernel *c, Turn *t) {
    LlvmFn *f = c->f;
    llvm_want(c, t->store->scalar);
    LLVMValueRef n = t->n_read ? t->n_read : llvm_int(f, t->side);
    llvm_each(c, t->read, t->at_read, llvm_add(f, t->at_read, n), write_part, t);
    llvm_want_nothing(c);
}

static void emit_along_write(LlvmKernel *c, Turn *t) {
    LlvmFn *f = c->f;
    LLVMValueRef from = llvm_axis_from(c, t->write), to = llvm_axis_to(c, t->write);
    LLVMValueRef side = llvm_int(f, t->side);
    LlvmLoop loop = llvm_loop_begin(f, from, to, side, "write");
    t->at_write = loop.index;
    t->n_write = existing(c, t, loop.index, from, to);

    if (t->n_read || t->n_write) {
        LLVMValueRef n = t->n_read && t->n_write ? llvm_min_int(f, t->n_read, t->n_write)
                         : t->n_read             ? t->n_read
                                                 : t->n_write;
        LLVMBasicBlockRef done = llvm_if_begin(f, llvm_less(f, n, side), "part");
        emit_part(c, t);
        llvm_if_end(f, done);
        done = llvm_if_begin(f, llvm_equal(f, n, side), "whole");
        llvm_with_index(c, t->read, t->at_read, write_whole, t);
        llvm_if_end(f, done);
    } else {
        llvm_with_index(c, t->read, t->at_read, write_whole, t);
    }
    llvm_loop_end(f, &loop);
}

static void emit_along_read(LlvmKernel *c, void *data) {
    Turn *t = data;
    LlvmFn *f = c->f;
    if (t->level < t->n_outer) {
        int axis = t->outer[t->level++];
        llvm_each(c, axis, llvm_axis_from(c, axis), llvm_axis_to(c, axis), emit_along_read, t);
        t->level--;
        return;
    }
    LLVMValueRef from = llvm_axis_from(c, t->read), to = llvm_axis_to(c, t->read);
    LlvmLoop loop = llvm_loop_begin(f, from, to, llvm_int(f, t->side), "read");
    t->at_read = loop.index;
    t->n_read = existing(c, t, loop.index, from, to);
    emit_along_write(c, t);
    llvm_loop_end(f, &loop);
}

bool llvm_emit_transpose(LlvmKernel *c) {
    Turn t = {0};
    if (!find_turn(c, &t))
        return false;
    emit_along_read(c, &t);
    return true;
}
