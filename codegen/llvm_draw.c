// codegen/llvm_draw.c -- random numbers as vector IR: Philox4x32-10 and what its words become.
//
// The integers are those of ir/random.h; normals use the logarithm and the cosine of llvm_math.h.
#include <assert.h>
#include <string.h>

#include "codegen/llvm_kernel.h"
#include "codegen/llvm_math.h"

static LLVMValueRef xor_shift(LlvmFn *f, LLVMValueRef x, int bits) {
    LLVMValueRef high = LLVMBuildLShr(f->b, x, llvm_num(LLVMTypeOf(x), bits), "");
    return LLVMBuildXor(f->b, x, high, "");
}

LLVMValueRef llvm_random_mix(LlvmFn *f, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    x = llvm_mul(f, xor_shift(f, x, 30), llvm_bits(type, 0xbf58476d1ce4e5b9u));
    x = llvm_mul(f, xor_shift(f, x, 27), llvm_bits(type, 0x94d049bb133111ebu));
    return xor_shift(f, x, 31);
}

// Index along an axis, in every lane where it is the spread one.
static LLVMValueRef axis_index(LlvmKernel *c, int axis) {
    LlvmFn *f = c->f;
    if (axis != c->spread || c->lanes == 1)
        return c->index[axis];
    return llvm_add(f, llvm_splat(f, c->index[axis], c->lanes), llvm_iota(f, f->i64, c->lanes));
}

static LLVMValueRef sum(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    LLVMValueRef v[] = {x, y};
    llvm_level(f, v, 2);
    return llvm_add(f, v[0], v[1]);
}

static LLVMValueRef integer(LlvmKernel *c, int number) {
    int64_t at = 8 * ((int64_t)c->k->dims->n_vars + number);
    return llvm_load(c->f, c->f->i64, llvm_byte(c->f, c->ints, at), 8);
}

static LLVMValueRef key(LlvmKernel *c, const IrScalar *s) {
    LlvmFn *f = c->f;
    LLVMValueRef key = integer(c, s->number);
    for (int i = 0; i < s->n_key_axes; i++) {
        LLVMValueRef at = sum(f, integer(c, s->key_ints[i]), axis_index(c, s->key_axes[i]));
        key = sum(f, key, llvm_random_mix(f, at));
    }
    return key;
}

static LLVMValueRef element_index(LlvmKernel *c, const IrScalar *s) {
    LlvmFn *f = c->f;
    LLVMValueRef at = llvm_dim(c, s->dim);
    for (int axis = 0; axis < c->k->n_axes; axis++) {
        if (!s->draw_strides[axis])
            continue;
        LLVMValueRef index = axis_index(c, axis);
        LLVMValueRef stride =
            llvm_splat(f, llvm_dim(c, s->draw_strides[axis]), llvm_n_lanes(index));
        at = sum(f, at, llvm_mul(f, index, stride));
    }
    return at;
}

// The 64-bit product of the low word of x with `factor`.
static LLVMValueRef wide_product(LlvmFn *f, LLVMValueRef x, uint32_t factor) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef low = llvm_and(f, x, llvm_bits(type, UINT32_MAX));
    return llvm_mul(f, low, llvm_bits(type, factor));
}

static LLVMValueRef high_word(LlvmFn *f, LLVMValueRef x) {
    return LLVMBuildLShr(f->b, x, llvm_num(LLVMTypeOf(x), 32), "");
}

static LLVMValueRef xor3(LlvmFn *f, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z) {
    LLVMValueRef v[] = {x, y, z};
    llvm_level(f, v, 3);
    return LLVMBuildXor(f->b, LLVMBuildXor(f->b, v[0], v[1], ""), v[2], "");
}

// Ten rounds as a loop over the two words of the key and the four of the counter, which stay in
// registers. Each word is the low half of 64 bits, as the products need it; the high halves may
// hold anything. A key that all lanes share stays a single element.
static void philox(LlvmFn *f, LLVMValueRef key, LLVMValueRef index, LLVMValueRef call,
                   LLVMValueRef w[4]) {
    LLVMValueRef counter[] = {key, index, call};
    llvm_level(f, counter, 3);
    index = counter[1], call = counter[2];
    LLVMValueRef start[] = {key,  high_word(f, key), index, high_word(f, index),
                            call, high_word(f, call)};
    LLVMValueRef slots[6], x[6];
    static const char *const names[] = {"k0", "k1", "c0", "c1", "c2", "c3"};
    for (int i = 0; i < 6; i++) {
        slots[i] = llvm_alloca(f, LLVMTypeOf(start[i]), names[i]);
        llvm_store(f, start[i], slots[i], 1);
    }

    LlvmLoop loop = llvm_loop_begin(f, llvm_int(f, 0), llvm_int(f, 10), llvm_int(f, 1), "round");
    for (int i = 0; i < 6; i++)
        x[i] = llvm_load(f, LLVMTypeOf(start[i]), slots[i], 1);
    LLVMValueRef p0 = wide_product(f, x[2], 0xd2511f53u), p1 = wide_product(f, x[4], 0xcd9e8d57u);
    LLVMValueRef next[] = {
        llvm_add(f, x[0], llvm_bits(LLVMTypeOf(x[0]), 0x9e3779b9u)),
        llvm_add(f, x[1], llvm_bits(LLVMTypeOf(x[1]), 0xbb67ae85u)),
        xor3(f, high_word(f, p1), x[3], x[0]),
        p1,
        xor3(f, high_word(f, p0), x[5], x[1]),
        p0,
    };
    for (int i = 0; i < 6; i++)
        llvm_store(f, next[i], slots[i], 1);
    llvm_loop_end(f, &loop);
    for (int i = 0; i < 4; i++) {
        LLVMValueRef word = llvm_load(f, LLVMTypeOf(index), slots[i + 2], 1);
        w[i] = LLVMBuildTrunc(f->b, word, llvm_like(f->i32, word), "");
    }
}

// The high 24 bits of a word, or 53 of two, as an integer.
static LLVMValueRef random_bits(LlvmFn *f, LLVMTypeRef real, LLVMValueRef w0, LLVMValueRef w1) {
    if (LLVMGetTypeKind(real) == LLVMFloatTypeKind)
        return LLVMBuildLShr(f->b, w0, llvm_num(LLVMTypeOf(w0), 8), "");
    LLVMTypeRef wide = llvm_like(f->i64, w0);
    LLVMValueRef high = LLVMBuildZExt(f->b, w0, wide, ""), low = LLVMBuildZExt(f->b, w1, wide, "");
    LLVMValueRef both = llvm_or(f, LLVMBuildShl(f->b, high, llvm_num(wide, 32), ""), low);
    return LLVMBuildLShr(f->b, both, llvm_num(wide, 11), "");
}

// An integer below 2^53 as a real, times 2^-24 or 2^-53.
static LLVMValueRef fraction(LlvmFn *f, LLVMTypeRef real, LLVMValueRef bits) {
    LLVMTypeRef type = llvm_like(real, bits);
    if (LLVMGetTypeKind(real) == LLVMFloatTypeKind) {
        LLVMValueRef x = LLVMBuildSIToFP(f->b, bits, type, "");
        return llvm_mul(f, x, llvm_num(type, 0x1p-24));
    }
    return llvm_mul(f, LLVMBuildSIToFP(f->b, bits, type, ""), llvm_num(type, 0x1p-53));
}

static LLVMValueRef normal(LlvmFn *f, LLVMTypeRef real, LLVMValueRef w[4]) {
    bool narrow = LLVMGetTypeKind(real) == LLVMFloatTypeKind;
    LLVMValueRef b1 = random_bits(f, real, w[0], w[1]);
    LLVMValueRef b2 = narrow ? random_bits(f, real, w[1], NULL) : random_bits(f, real, w[2], w[3]);
    LLVMValueRef u1 = fraction(f, real, llvm_add(f, b1, llvm_num(LLVMTypeOf(b1), 1)));
    LLVMValueRef u2 = fraction(f, real, b2);

    LLVMTypeRef type = LLVMTypeOf(u1);
    LLVMValueRef square = llvm_mul(f, llvm_log(f, u1), llvm_num(type, -2));
    LLVMValueRef radius = llvm_intrinsic(f, "llvm.sqrt", &type, 1, &square, 1);
    LLVMValueRef angle = llvm_mul(f, u2, llvm_num(type, 6.28318530717958647692));
    return llvm_mul(f, radius, llvm_cos(f, angle));
}

LLVMValueRef llvm_draw(LlvmKernel *c, const IrScalar *s) {
    LlvmFn *f = c->f;
    LLVMTypeRef real = llvm_type(f, s->dtype);
    LLVMValueRef w[4], call = integer(c, c->k->n_ints);

    philox(f, key(c, s), element_index(c, s), call, w);
    if (s->op == IR_OP_draw_uniform)
        return fraction(f, real, random_bits(f, real, w[0], w[1]));
    assert(s->op == IR_OP_draw_normal);
    return normal(f, real, w);
}
