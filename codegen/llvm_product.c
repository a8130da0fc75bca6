// codegen/llvm_product.c -- matrix products: register tiles with a fused epilogue.
//
// A tile of rows x vectors of accumulators stays in registers while the contracted index runs; an
// element of the row operand is broadcast straight from memory, whatever its stride, and meets
// vectors of the column operand, whose stride along the columns is 1. Every element of the result
// is one chain of fused multiply-adds in order of the contracted index, from 0, so its bits do not
// depend on the tile it falls in, on its neighbours or on the vectors of the machine.
//
// Rows are dealt out evenly: m rows make ceil(m / R) tiles whose heights differ by one at most, and
// each height 1 .. R has code of its own. Columns go in blocks of V vectors, then what is left,
// masked. For a block of columns all rows are done (some hundreds, where there are more), so that
// the panel of the column operand stays in the cache, and those rows too. A finished tile goes
// through a buffer on the stack to the epilogue, which is written once for all heights.
//
// lhs and rhs change roles where only the rows of lhs lie side by side. Where neither side does,
// "vectors" are single elements.
#include <assert.h>
#include <string.h>

#include "codegen/llvm_kernel.h"

enum { MAX_ROWS = 12, MAX_VECTORS = 8 };

// Vectors side by side in a tile; the last may be shorter than the others.
typedef struct Block {
    int n;               // vectors
    int last_lanes;      // lanes of the last one
    LLVMValueRef n_last; // how many of them exist, NULL for all
} Block;

typedef struct Product {
    LlvmKernel *c;
    int row_axis, col_axis;       // axes of the tile, or -1
    const IrAddress *rows, *cols; // operands: one element at a time, and vectors
    int first_k;
    LLVMTypeRef type;      // of an element
    int size;              // its bytes
    int lanes;             // of a full vector
    int n_rows, n_vectors; // R and V
    int outer[IR_MAX_AXES], n_outer, level;
    int product; // the PRODUCT scalar, or -1

    LLVMValueRef tile; // buffer of n_rows x n_vectors vectors
    LLVMValueRef row_from, n_tiles, height,
        n_higher;          // the first n_higher tiles have a row more
    LLVMValueRef row, col; // first of the tile
    LLVMValueRef n_row;    // rows of the tile
    Block block;
    int vector; // whose epilogue is written
} Product;

// ---- the tile -----------------------------------------------------------------------------------

typedef struct Tile {
    const Product *p;
    int height;
    const Block *block;
    LLVMValueRef acc[MAX_ROWS][MAX_VECTORS]; // slots
    LLVMValueRef rows[MAX_ROWS], cols;       // pointers to the elements of the first k
} Tile;

static int lanes_of(const Product *p, const Block *b, int vector) {
    return vector == b->n - 1 ? b->last_lanes : p->lanes;
}

static LLVMValueRef load_column(const Tile *t, LLVMValueRef pointer, int vector) {
    const Product *p = t->p;
    LlvmFn *f = p->c->f;
    int lanes = lanes_of(p, t->block, vector);
    LLVMTypeRef type = llvm_widen(p->type, lanes);
    if (vector < t->block->n - 1 || !t->block->n_last || lanes == 1)
        return llvm_load(f, type, pointer, p->size);

    LLVMValueRef end = LLVMBuildTrunc(f->b, t->block->n_last, f->i32, "");
    LLVMValueRef mask = LLVMBuildICmp(f->b, LLVMIntULT, llvm_iota(f, f->i32, lanes),
                                      llvm_splat(f, end, lanes), "mask");
    LLVMTypeRef types[] = {type, f->ptr};
    LLVMValueRef in[] = {pointer, LLVMConstInt(f->i32, (unsigned)p->size, false), mask,
                         LLVMConstNull(type)};
    return llvm_intrinsic(f, "llvm.masked.load", types, 2, in, 4);
}

// One contracted index: `at_rows` and `at_cols` are offsets in elements.
static void multiply_add(const Tile *t, LLVMValueRef at_rows, LLVMValueRef at_cols) {
    const Product *p = t->p;
    LlvmFn *f = p->c->f;
    LLVMValueRef b[MAX_VECTORS];
    LLVMValueRef cols = llvm_at(f, p->type, t->cols, at_cols);

    IrDim *stride = p->col_axis >= 0 ? p->cols->strides[p->col_axis] : NULL;
    for (int v = 0; v < t->block->n; v++) {
        LLVMValueRef step = llvm_mul(f, llvm_int(f, v * p->lanes), llvm_dim(p->c, stride));
        b[v] = load_column(t, llvm_at(f, p->type, cols, step), v);
    }
    for (int r = 0; r < t->height; r++) {
        LLVMValueRef a = llvm_load(f, p->type, llvm_at(f, p->type, t->rows[r], at_rows), p->size);
        for (int v = 0; v < t->block->n; v++) {
            LLVMValueRef wide = llvm_splat(f, a, lanes_of(p, t->block, v));
            LLVMValueRef acc = llvm_load(f, LLVMTypeOf(b[v]), t->acc[r][v], 1);
            acc = llvm_fma(f, wide, b[v], acc);
            LLVMSetValueName2(acc, "acc", 3);
            llvm_store(f, acc, t->acc[r][v], 1);
        }
    }
}

// How often the innermost loop is unrolled: only where its count is known to allow it.
static int unroll_of(const Product *p, int axis, int work) {
    int64_t extent;
    if (!ir_dim_is_const(p->c->k->axes[axis].extent, &extent))
        return 1;
    int unroll = work >= 8 ? 1 : 2;
    while (extent % unroll)
        unroll /= 2;
    return unroll;
}

// Loops over the contracted axes from `axis` on. Offsets are carried along and only added to.
static void contract(const Tile *t, int axis, LLVMValueRef at_rows, LLVMValueRef at_cols) {
    const Product *p = t->p;
    LlvmKernel *c = p->c;
    LlvmFn *f = c->f;
    if (axis == c->k->n_axes) {
        multiply_add(t, at_rows, at_cols);
        return;
    }
    bool last = axis == c->k->n_axes - 1;
    int unroll = last ? unroll_of(p, axis, t->height * t->block->n) : 1;
    LLVMValueRef strides[] = {llvm_dim(c, p->rows->strides[axis]),
                              llvm_dim(c, p->cols->strides[axis])};
    LLVMValueRef slots[] = {llvm_alloca(f, f->i64, "at"), llvm_alloca(f, f->i64, "at")};
    llvm_store(f, at_rows, slots[0], 8);
    llvm_store(f, at_cols, slots[1], 8);

    LlvmLoop loop =
        llvm_loop_begin(f, llvm_int(f, 0), llvm_axis_to(c, axis), llvm_int(f, unroll), "k");
    LLVMValueRef at[] = {llvm_load(f, f->i64, slots[0], 8), llvm_load(f, f->i64, slots[1], 8)};
    for (int u = 0; u < unroll; u++) {
        contract(t, axis + 1, at[0], at[1]);
        at[0] = llvm_add(f, at[0], strides[0]);
        at[1] = llvm_add(f, at[1], strides[1]);
    }
    llvm_store(f, at[0], slots[0], 8);
    llvm_store(f, at[1], slots[1], 8);
    llvm_loop_end(f, &loop);
}

// Offset of an operand at the open axes and at the tile.
static LLVMValueRef tile_pointer(const Product *p, const IrAddress *a, int axis,
                                 LLVMValueRef index) {
    LlvmFn *f = p->c->f;
    LLVMValueRef at = llvm_offset(p->c, a);
    if (axis >= 0 && a->strides[axis])
        at = llvm_add(f, at, llvm_mul(f, index, llvm_dim(p->c, a->strides[axis])));
    return llvm_at(f, p->type, p->c->args[a->arg], at);
}

// Computes a tile of `height` rows and leaves it in the buffer.
static void emit_tile(const Product *p, const Block *block, int height) {
    LlvmFn *f = p->c->f;
    Tile t = {.p = p, .height = height, .block = block};

    t.cols = tile_pointer(p, p->cols, p->col_axis, p->col);
    t.rows[0] = tile_pointer(p, p->rows, p->row_axis, p->row);
    IrDim *stride = p->row_axis >= 0 ? p->rows->strides[p->row_axis] : NULL;
    for (int r = 0; r < height; r++) {
        if (r)
            t.rows[r] = llvm_at(f, p->type, t.rows[r - 1], llvm_dim(p->c, stride));
        for (int v = 0; v < block->n; v++) {
            LLVMTypeRef type = llvm_widen(p->type, lanes_of(p, block, v));
            t.acc[r][v] = llvm_alloca(f, type, "acc");
            llvm_store(f, LLVMConstNull(type), t.acc[r][v], 1);
        }
    }
    contract(&t, p->first_k, llvm_int(f, 0), llvm_int(f, 0));

    for (int r = 0; r < height; r++)
        for (int v = 0; v < block->n; v++) {
            LLVMTypeRef type = llvm_widen(p->type, lanes_of(p, block, v));
            LLVMValueRef x = llvm_load(f, type, t.acc[r][v], 1);
            int at = (r * p->n_vectors + v) * p->lanes * p->size;
            llvm_store(f, x, llvm_byte(f, p->tile, at), p->size);
        }
}

// ---- the epilogue -------------------------------------------------------------------------------

static void emit_stores(LlvmKernel *c, void *data) {
    Product *p = data;
    LlvmFn *f = c->f;
    if (p->product >= 0) {
        LLVMValueRef row = llvm_int(f, 0);
        if (p->row_axis >= 0)
            row = llvm_sub(f, c->index[p->row_axis], p->row);
        LLVMValueRef col = llvm_int(f, 0);
        if (p->col_axis >= 0)
            col = llvm_sub(f, c->index[p->col_axis], p->col);
        LLVMValueRef at = llvm_mul(f, row, llvm_int(f, p->n_vectors * p->lanes));
        LLVMValueRef pointer = llvm_at(f, p->type, p->tile, llvm_add(f, at, col));
        c->values[p->product] = llvm_load(f, llvm_widen(p->type, c->lanes), pointer, p->size);
        llvm_compute_wanted(c);
    }
    for (int i = 0; i < c->k->n_stores; i++)
        llvm_store_scalar(c, &c->k->stores[i]);
}

// The vectors of one row of the tile: a loop over full ones, then the last.
static void emit_row(LlvmKernel *c, void *data) {
    Product *p = data;
    LlvmFn *f = c->f;
    if (p->col_axis < 0) {
        emit_stores(c, p);
        return;
    }
    bool even = !p->block.n_last && p->block.last_lanes == p->lanes;
    int n_full = even ? p->block.n : p->block.n - 1;
    if (n_full > 0) {
        LLVMValueRef end = llvm_add(f, p->col, llvm_int(f, n_full * p->lanes));
        LlvmLoop loop = llvm_loop_begin(f, p->col, end, llvm_int(f, p->lanes), "vector");
        llvm_at_lanes(c, p->col_axis, loop.index, NULL, p->lanes, emit_stores, p);
        llvm_loop_end(f, &loop);
    }
    if (!even) {
        LLVMValueRef index = llvm_add(f, p->col, llvm_int(f, n_full * p->lanes));
        llvm_at_lanes(c, p->col_axis, index, p->block.n_last, p->block.last_lanes, emit_stores, p);
    }
}

// ---- rows ---------------------------------------------------------------------------------------

// Writes `height` of a tile into a switch over all heights that can occur.
static void emit_heights(Product *p) {
    LlvmFn *f = p->c->f;
    int64_t height, higher;
    if (llvm_is_const(p->height, &height) && llvm_is_const(p->n_higher, &higher) && higher == 0) {
        emit_tile(p, &p->block, (int)height);
        return;
    }
    bool known = llvm_is_const(p->height, &height);
    int first = known ? (int)height : 1, last = known ? (int)height + 1 : p->n_rows;
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(f->context, f->fn, "finished");
    LLVMBasicBlockRef never = LLVMAppendBasicBlockInContext(f->context, f->fn, "never");
    LLVMValueRef choose = LLVMBuildSwitch(f->b, p->n_row, never, (unsigned)(last - first + 1));
    for (int r = first; r <= last; r++) {
        LLVMBasicBlockRef rows = LLVMAppendBasicBlockInContext(f->context, f->fn, "rows");
        LLVMAddCase(choose, llvm_int(f, r), rows);
        LLVMPositionBuilderAtEnd(f->b, rows);
        emit_tile(p, &p->block, r);
        LLVMBuildBr(f->b, done);
    }
    LLVMPositionBuilderAtEnd(f->b, never);
    LLVMBuildUnreachable(f->b);
    LLVMMoveBasicBlockAfter(done, LLVMGetLastBasicBlock(f->fn));
    LLVMPositionBuilderAtEnd(f->b, done);
}

// All tiles of rows for one block of columns at p->col.
static void emit_rows(Product *p) {
    LlvmKernel *c = p->c;
    LlvmFn *f = c->f;
    if (p->row_axis < 0) {
        emit_tile(p, &p->block, 1);
        emit_row(c, p);
        return;
    }
    LlvmLoop tiles = llvm_loop_begin(f, llvm_int(f, 0), p->n_tiles, llvm_int(f, 1), "tile");
    LLVMValueRef before = llvm_min_int(f, tiles.index, p->n_higher);
    LLVMValueRef row = llvm_add(f, llvm_mul(f, tiles.index, p->height), before);
    LLVMValueRef more = LLVMBuildZExt(f->b, llvm_less(f, tiles.index, p->n_higher), f->i64, "");
    p->row = llvm_add(f, p->row_from, row);
    p->n_row = llvm_add(f, p->height, more);
    emit_heights(p);

    LlvmLoop rows =
        llvm_loop_begin(f, p->row, llvm_add(f, p->row, p->n_row), llvm_int(f, 1), "row");
    llvm_with_index(c, p->row_axis, rows.index, emit_row, p);
    llvm_loop_end(f, &rows);
    llvm_loop_end(f, &tiles);
}

// ceil(m / R) tiles of m / tiles rows, the first of them one more.
static void deal_rows(Product *p, LLVMValueRef from, LLVMValueRef to) {
    LlvmFn *f = p->c->f;
    int64_t value;
    p->row_from = from;
    LLVMValueRef m = llvm_sub(f, to, from);
    if (llvm_is_const(m, &value)) {
        int64_t n = (value + p->n_rows - 1) / p->n_rows;
        p->n_tiles = llvm_int(f, n);
        p->height = llvm_int(f, n ? value / n : 1);
        p->n_higher = llvm_int(f, n ? value % n : 0);
        return;
    }
    LLVMValueRef up = llvm_add(f, m, llvm_int(f, p->n_rows - 1));
    p->n_tiles = LLVMBuildUDiv(f->b, up, llvm_int(f, p->n_rows), "tiles");
    p->height = LLVMBuildUDiv(f->b, m, p->n_tiles, "height");
    p->n_higher = llvm_sub(f, m, llvm_mul(f, p->height, p->n_tiles));
}

static void emit_columns(Product *p);

// Rows of the row operand that stay in the cache while all columns meet them.
static int64_t rows_of_block(const Product *p) {
    int64_t k = 1, extent;
    for (int axis = p->first_k; axis < p->c->k->n_axes; axis++)
        k *= ir_dim_is_const(p->c->k->axes[axis].extent, &extent) && extent > 0 ? extent : 256;
    int64_t rows = (256 << 10) / (k * p->size);
    return rows < 8 * p->n_rows ? 8 * p->n_rows : rows / p->n_rows * p->n_rows;
}

static void emit_row_blocks(Product *p) {
    LlvmFn *f = p->c->f;
    int64_t first, last, rows = rows_of_block(p);
    if (p->row_axis < 0) {
        emit_columns(p);
        return;
    }
    LLVMValueRef from = llvm_axis_from(p->c, p->row_axis), to = llvm_axis_to(p->c, p->row_axis);
    if (llvm_is_const(from, &first) && llvm_is_const(to, &last) && last - first <= rows) {
        deal_rows(p, from, to);
        emit_columns(p);
        return;
    }
    LlvmLoop loop = llvm_loop_begin(f, from, to, llvm_int(f, rows), "rows");
    LLVMValueRef end = llvm_min_int(f, llvm_add(f, loop.index, llvm_int(f, rows)), to);
    deal_rows(p, loop.index, end);
    emit_columns(p);
    llvm_loop_end(f, &loop);
}

// ---- columns ------------------------------------------------------------------------------------

static int round_up_to_power(int64_t n) {
    int lanes = 1;
    while (lanes < n)
        lanes *= 2;
    return lanes;
}

static void loop_blocks(Product *p, LLVMValueRef from, LLVMValueRef to, int vectors) {
    LlvmFn *f = p->c->f;
    LlvmLoop loop = llvm_loop_begin(f, from, to, llvm_int(f, (int64_t)vectors * p->lanes), "block");
    p->col = loop.index;
    p->block = (Block){.n = vectors, .last_lanes = p->lanes};
    emit_rows(p);
    llvm_loop_end(f, &loop);
}

static void emit_columns(Product *p) {
    LlvmKernel *c = p->c;
    LlvmFn *f = c->f;
    if (p->col_axis < 0) {
        p->col = NULL;
        p->block = (Block){.n = 1, .last_lanes = 1};
        emit_rows(p);
        return;
    }
    LLVMValueRef from = llvm_axis_from(c, p->col_axis), to = llvm_axis_to(c, p->col_axis);
    LLVMValueRef n = llvm_sub(f, to, from);
    int64_t width = (int64_t)p->n_vectors * p->lanes, extent, first;

    // a known extent: blocks, then one that holds all the rest
    if (llvm_is_const(n, &extent) && llvm_is_const(from, &first)) {
        int64_t end = extent / width * width, rest = extent - end;
        if (end)
            loop_blocks(p, from, llvm_int(f, end), p->n_vectors);
        if (!rest)
            return;
        int vectors = (int)((rest + p->lanes - 1) / p->lanes);
        int64_t last = rest - (int64_t)(vectors - 1) * p->lanes;
        p->col = llvm_int(f, end);
        p->block = (Block){.n = vectors, .last_lanes = round_up_to_power(last)};
        if (p->block.last_lanes != last)
            p->block.n_last = llvm_int(f, last);
        emit_rows(p);
        return;
    }

    // blocks, then masked vectors one by one
    LLVMValueRef blocks = LLVMBuildUDiv(f->b, n, llvm_int(f, width), "blocks");
    LLVMValueRef end = llvm_add(f, from, llvm_mul(f, blocks, llvm_int(f, width)));
    loop_blocks(p, from, end, p->n_vectors);
    LlvmLoop loop = llvm_loop_begin(f, end, to, llvm_int(f, p->lanes), "rest");
    p->col = loop.index;
    LLVMValueRef left = llvm_min_int(f, llvm_sub(f, to, loop.index), llvm_int(f, p->lanes));
    p->block = (Block){.n = 1, .last_lanes = p->lanes, .n_last = p->lanes > 1 ? left : NULL};
    emit_rows(p);
    llvm_loop_end(f, &loop);
}

// Axes that the tile does not have.
static void emit_outer(LlvmKernel *c, void *data) {
    Product *p = data;
    if (p->level == p->n_outer) {
        emit_row_blocks(p);
        return;
    }
    int axis = p->outer[p->level++];
    llvm_each(c, axis, llvm_axis_from(c, axis), llvm_axis_to(c, axis), emit_outer, p);
    p->level--;
}

// ---- any product --------------------------------------------------------------------------------

// The slow way, for guarded or indirect operands and for integers: one element after the other.
typedef struct Slow {
    int axis;
    int product;
    LLVMValueRef acc;
} Slow;

static void emit_slow(LlvmKernel *c, void *data) {
    Slow *s = data;
    LlvmFn *f = c->f;
    LLVMTypeRef type = llvm_type(f, c->k->product.dtype);
    if (s->axis == c->k->n_axes) {
        LLVMValueRef a = llvm_load_address(c, &c->k->product.lhs);
        LLVMValueRef b = llvm_load_address(c, &c->k->product.rhs);
        LLVMValueRef acc = llvm_load(f, type, s->acc, 1);
        acc = llvm_is_real(a) ? llvm_fma(f, a, b, acc) : llvm_add(f, acc, llvm_mul(f, a, b));
        llvm_store(f, acc, s->acc, 1);
        return;
    }
    int axis = s->axis++;
    llvm_each(c, axis, llvm_axis_from(c, axis), llvm_axis_to(c, axis), emit_slow, s);
    s->axis--;
}

static void emit_slow_element(LlvmKernel *c, void *data) {
    Slow *s = data;
    LlvmFn *f = c->f;
    if (s->axis < c->n_parallel) {
        int axis = s->axis++;
        llvm_each(c, axis, llvm_axis_from(c, axis), llvm_axis_to(c, axis), emit_slow_element, s);
        s->axis--;
        return;
    }
    LLVMTypeRef type = llvm_type(f, c->k->product.dtype);
    llvm_store(f, LLVMConstNull(type), s->acc, 1);
    emit_slow(c, s);
    if (s->product >= 0)
        c->values[s->product] = llvm_load(f, type, s->acc, 1);
    for (int i = 0; i < c->k->n_stores; i++)
        llvm_store_scalar(c, &c->k->stores[i]);
}

static bool is_plain(const IrKernel *k) {
    const IrProduct *p = &k->product;
    return (p->dtype == IR_F32 || p->dtype == IR_F64) && p->lhs.indirect < 0 && p->lhs.guard < 0 &&
           p->rhs.indirect < 0 && p->rhs.guard < 0;
}

// ---- choice of the tile -------------------------------------------------------------------------

static bool side_by_side(const IrAddress *a, int axis) {
    int64_t stride;
    return axis >= 0 && a->strides[axis] && ir_dim_is_const(a->strides[axis], &stride) &&
           stride == 1;
}

static bool is_single(const IrKernel *k, int axis) {
    int64_t extent;
    return axis < 0 || (ir_dim_is_const(k->axes[axis].extent, &extent) && extent == 1);
}

// Whether columns would leave most lanes empty, and rows would not.
static bool is_narrow(const IrKernel *k, int n, int m) {
    int64_t columns, rows;
    bool few = ir_dim_is_const(k->axes[n].extent, &columns) && columns <= 8;
    return few && (!ir_dim_is_const(k->axes[m].extent, &rows) || rows >= 16);
}

static void choose_roles(Product *p) {
    const IrKernel *k = p->c->k;
    const IrProduct *x = &k->product;
    int m = x->n_m ? x->n_batch + x->n_m - 1 : -1;
    int n = x->n_n ? x->n_batch + x->n_m + x->n_n - 1 : -1;
    bool by_n = side_by_side(&x->rhs, n) && !is_single(k, n);
    bool by_m = side_by_side(&x->lhs, m) && !is_single(k, m);

    bool swapped = by_m && (!by_n || is_narrow(k, n, m));
    p->row_axis = swapped ? n : m;
    p->col_axis = swapped ? m : n;
    p->rows = swapped ? &x->rhs : &x->lhs;
    p->cols = swapped ? &x->lhs : &x->rhs;
    p->first_k = x->n_batch + x->n_m + x->n_n;
    p->lanes = by_m || by_n ? 64 / p->size : 1;
    for (int axis = 0; axis < p->first_k; axis++)
        if (axis != p->row_axis && axis != p->col_axis)
            p->outer[p->n_outer++] = axis;
}

// Rows and vectors of a tile, so that accumulators, a row of vectors and a broadcast fit into the
// registers. Bits do not depend on it.
static void choose_tile(Product *p) {
    const LlvmTarget *target = p->c->f->target;
    const IrKernel *k = p->c->k;
    int64_t extent = 0, rows = 0;
    bool known = p->col_axis >= 0 && ir_dim_is_const(k->axes[p->col_axis].extent, &extent);
    if (known && p->lanes > 1 && extent < p->lanes)
        p->lanes = round_up_to_power(extent > 0 ? extent : 1);

    int bytes = p->lanes * p->size;
    int registers = bytes > target->vector_bytes ? bytes / target->vector_bytes : 1;
    bool wide = target->vector_bytes == 64;
    int room = (wide ? 24 : 12) / registers;
    int vectors = p->lanes == 1 ? 4 : wide ? 2 : 1;
    if (is_single(k, p->col_axis))
        vectors = 1;
    else if (known && vectors * p->lanes > extent)
        vectors = (int)((extent + p->lanes - 1) / p->lanes);
    if (vectors < 1)
        vectors = 1;

    // few rows leave room for more vectors
    bool few =
        p->row_axis < 0 || (ir_dim_is_const(k->axes[p->row_axis].extent, &rows) && rows <= 2);
    if (few && p->col_axis >= 0 && p->lanes > 1) {
        int most = room / 2 < MAX_VECTORS ? room / 2 : MAX_VECTORS;
        int64_t needed = known ? (extent + p->lanes - 1) / p->lanes : most;
        vectors = (int)(needed < most ? needed : most);
        vectors = vectors < 1 ? 1 : vectors;
    }
    int height = room / vectors;
    p->n_vectors = vectors;
    int most = vectors > 1 ? 6 : p->lanes > 1 ? 8 : MAX_ROWS;
    p->n_rows = height < most ? height : most;
    if (p->row_axis < 0)
        p->n_rows = 1;
    if (p->n_rows < 1)
        p->n_rows = 1;
}

void llvm_emit_product(LlvmKernel *c) {
    LlvmFn *f = c->f;
    const IrKernel *k = c->k;
    int product = -1;
    for (int i = 0; i < k->n_scalars; i++)
        if (k->scalars[i].kind == IR_SCALAR_PRODUCT)
            product = i;
    for (int i = 0; i < k->n_stores; i++) {
        llvm_want(c, k->stores[i].scalar);
        llvm_want_address(c, &k->stores[i].address);
    }
    llvm_compute_wanted(c);

    if (f->target->gemm_blas && llvm_emit_blas(c))
        return;
    if (!is_plain(k)) {
        Slow s = {.product = product};
        s.acc = llvm_alloca(f, llvm_type(f, k->product.dtype), "acc");
        emit_slow_element(c, &s);
        return;
    }
    Product p = {.c = c, .product = product, .type = llvm_type(f, k->product.dtype)};
    p.size = (int)ir_dtype_size(k->product.dtype);
    choose_roles(&p);
    choose_tile(&p);
    LLVMTypeRef buffer = LLVMArrayType2(p.type, (uint64_t)(p.n_rows * p.n_vectors * p.lanes));
    p.tile = llvm_alloca(f, buffer, "tile");
    emit_outer(c, &p);
}
