// codegen/llvm_emit.c -- short names for building LLVM IR.
#include "codegen/llvm_emit.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void llvm_fn_open(LlvmFn *f, LLVMContextRef context, const char *module, const LlvmTarget *target) {
    *f = (LlvmFn){.target = target,
                  .context = context,
                  .module = LLVMModuleCreateWithNameInContext(module, context),
                  .b = LLVMCreateBuilderInContext(context),
                  .entry = LLVMCreateBuilderInContext(context),
                  .i1 = LLVMInt1TypeInContext(context),
                  .i8 = LLVMInt8TypeInContext(context),
                  .i32 = LLVMInt32TypeInContext(context),
                  .i64 = LLVMInt64TypeInContext(context),
                  .f32 = LLVMFloatTypeInContext(context),
                  .f64 = LLVMDoubleTypeInContext(context),
                  .ptr = LLVMPointerTypeInContext(context, 0),
                  .nothing = LLVMVoidTypeInContext(context)};
    LLVMSetTarget(f->module, target->triple);
}

static void add_attribute(LlvmFn *f, const char *key, const char *value) {
    LLVMAttributeRef a = LLVMCreateStringAttribute(f->context, key, (unsigned)strlen(key), value,
                                                   (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(f->fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}

void llvm_fn_begin(LlvmFn *f, const char *name, LLVMTypeRef type) {
    f->fn = LLVMAddFunction(f->module, name, type);
    add_attribute(f, "frame-pointer", "none");
    if (f->target->vector_bytes == 64)
        add_attribute(f, "prefer-vector-width", "512");
    unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    LLVMAddAttributeAtIndex(f->fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(f->context, nounwind, 0));

    // the entry block ends with a jump; its builder stands before it
    LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(f->context, f->fn, "entry");
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(f->context, f->fn, "body");
    LLVMPositionBuilderAtEnd(f->entry, entry);
    LLVMPositionBuilderBefore(f->entry, LLVMBuildBr(f->entry, body));
    LLVMPositionBuilderAtEnd(f->b, body);
}

void llvm_fn_end(LlvmFn *f) {
    LLVMBuildRetVoid(f->b);
}

void llvm_fn_close(LlvmFn *f) {
    LLVMDisposeBuilder(f->b);
    LLVMDisposeBuilder(f->entry);
    f->b = f->entry = NULL;
}

// ---- types --------------------------------------------------------------------------------------

LLVMTypeRef llvm_type(const LlvmFn *f, IrDtype dtype) {
    return dtype == IR_BOOL ? f->i1 : llvm_memory_type(f, dtype);
}

LLVMTypeRef llvm_memory_type(const LlvmFn *f, IrDtype dtype) {
    switch (dtype) {
    case IR_F32:
        return f->f32;
    case IR_F64:
        return f->f64;
    case IR_I32:
        return f->i32;
    case IR_BOOL:
        return f->i8;
    case IR_DTYPE_COUNT:
        break;
    }
    diag_bug("no such dtype");
}

LLVMTypeRef llvm_widen(LLVMTypeRef element, int lanes) {
    return lanes == 1 ? element : LLVMVectorType(element, (unsigned)lanes);
}

LLVMTypeRef llvm_like(LLVMTypeRef element, LLVMValueRef like) {
    return llvm_widen(element, llvm_n_lanes(like));
}

bool llvm_is_vector(LLVMValueRef x) {
    return LLVMGetTypeKind(LLVMTypeOf(x)) == LLVMVectorTypeKind;
}

int llvm_n_lanes(LLVMValueRef x) {
    return llvm_is_vector(x) ? (int)LLVMGetVectorSize(LLVMTypeOf(x)) : 1;
}

LLVMTypeRef llvm_element(LLVMTypeRef type) {
    return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

bool llvm_is_f64(LLVMValueRef x) {
    return LLVMGetTypeKind(llvm_element(LLVMTypeOf(x))) == LLVMDoubleTypeKind;
}

bool llvm_is_real(LLVMValueRef x) {
    return LLVMGetTypeKind(llvm_element(LLVMTypeOf(x))) != LLVMIntegerTypeKind;
}

LLVMTypeRef llvm_int_type(const LlvmFn *f, LLVMTypeRef real) {
    LLVMTypeRef element =
        LLVMGetTypeKind(llvm_element(real)) == LLVMDoubleTypeKind ? f->i64 : f->i32;
    bool vector = LLVMGetTypeKind(real) == LLVMVectorTypeKind;
    return vector ? LLVMVectorType(element, LLVMGetVectorSize(real)) : element;
}

// ---- values -------------------------------------------------------------------------------------

LLVMValueRef llvm_int(const LlvmFn *f, int64_t value) {
    return LLVMConstInt(f->i64, (unsigned long long)value, true);
}

static LLVMValueRef repeat(LLVMTypeRef type, LLVMValueRef element) {
    if (LLVMGetTypeKind(type) != LLVMVectorTypeKind)
        return element;
    LLVMValueRef lanes[64];
    unsigned n = LLVMGetVectorSize(type);
    assert(n <= 64);
    for (unsigned i = 0; i < n; i++)
        lanes[i] = element;
    return LLVMConstVector(lanes, n);
}

LLVMValueRef llvm_num(LLVMTypeRef type, double value) {
    LLVMTypeRef element = llvm_element(type);
    if (LLVMGetTypeKind(element) == LLVMIntegerTypeKind)
        return repeat(type, LLVMConstInt(element, (unsigned long long)(int64_t)value, true));
    if (LLVMGetTypeKind(element) == LLVMFloatTypeKind)
        value = (double)(float)value;
    return repeat(type, LLVMConstReal(element, value));
}

LLVMValueRef llvm_bits(LLVMTypeRef type, uint64_t value) {
    return repeat(type, LLVMConstInt(llvm_element(type), value, false));
}

LLVMValueRef llvm_splat(LlvmFn *f, LLVMValueRef x, int lanes) {
    if (lanes == 1 || llvm_is_vector(x))
        return x;
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(x), (unsigned)lanes);
    if (LLVMIsConstant(x) && !LLVMIsUndef(x) &&
        LLVMGetTypeKind(LLVMTypeOf(x)) != LLVMPointerTypeKind)
        return repeat(type, x);
    LLVMValueRef first = LLVMBuildInsertElement(f->b, LLVMGetPoison(type), x, llvm_int(f, 0), "");
    LLVMValueRef zeros = LLVMConstNull(LLVMVectorType(f->i32, (unsigned)lanes));
    return LLVMBuildShuffleVector(f->b, first, LLVMGetPoison(type), zeros, "");
}

LLVMValueRef llvm_iota(const LlvmFn *f, LLVMTypeRef element, int lanes) {
    LLVMValueRef v[64];
    (void)f;
    assert(lanes <= 64);
    for (int i = 0; i < lanes; i++)
        v[i] = LLVMConstInt(element, (unsigned)i, false);
    return lanes == 1 ? v[0] : LLVMConstVector(v, (unsigned)lanes);
}

static bool is_whole(LLVMValueRef x, unsigned value) {
    return LLVMIsAConstantInt(x) && LLVMConstIntGetZExtValue(x) == value;
}

// Whole numbers: what adds 0 or multiplies by 1 is not written, since strides are mostly 1.
LLVMValueRef llvm_add(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    if (is_whole(x, 0) || is_whole(y, 0))
        return is_whole(x, 0) ? y : x;
    return llvm_is_real(x) ? LLVMBuildFAdd(f->b, x, y, "") : LLVMBuildAdd(f->b, x, y, "");
}

LLVMValueRef llvm_sub(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    return llvm_is_real(x) ? LLVMBuildFSub(f->b, x, y, "") : LLVMBuildSub(f->b, x, y, "");
}

LLVMValueRef llvm_mul(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    if (is_whole(x, 1) || is_whole(y, 1))
        return is_whole(x, 1) ? y : x;
    return llvm_is_real(x) ? LLVMBuildFMul(f->b, x, y, "") : LLVMBuildMul(f->b, x, y, "");
}

LLVMValueRef llvm_div(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildFDiv(f->b, x, y, "");
}

LLVMValueRef llvm_neg(LlvmFn *f, LLVMValueRef x) {
    return llvm_is_real(x) ? LLVMBuildFNeg(f->b, x, "") : LLVMBuildNeg(f->b, x, "");
}

LLVMValueRef llvm_abs(LlvmFn *f, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    if (llvm_is_real(x))
        return llvm_intrinsic(f, "llvm.fabs", &type, 1, &x, 1);
    LLVMValueRef below = llvm_less(f, x, LLVMConstNull(type));
    return LLVMBuildSelect(f->b, below, llvm_neg(f, x), x, "");
}

LLVMValueRef llvm_fma(LlvmFn *f, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z) {
    LLVMTypeRef type = LLVMTypeOf(x);
    return llvm_intrinsic(f, "llvm.fma", &type, 1, (LLVMValueRef[]){x, y, z}, 3);
}

static LLVMValueRef compare(LlvmFn *f, LLVMRealPredicate real, LLVMIntPredicate whole,
                            LLVMValueRef x, LLVMValueRef y) {
    return llvm_is_real(x) ? LLVMBuildFCmp(f->b, real, x, y, "")
                           : LLVMBuildICmp(f->b, whole, x, y, "");
}

LLVMValueRef llvm_less(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    return compare(f, LLVMRealOLT, LLVMIntSLT, x, y);
}

LLVMValueRef llvm_less_equal(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    return compare(f, LLVMRealOLE, LLVMIntSLE, x, y);
}

LLVMValueRef llvm_equal(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    return compare(f, LLVMRealOEQ, LLVMIntEQ, x, y);
}

LLVMValueRef llvm_not_equal(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    return compare(f, LLVMRealUNE, LLVMIntNE, x, y);
}

LLVMValueRef llvm_is_nan(LlvmFn *f, LLVMValueRef x) {
    if (!llvm_is_real(x))
        return LLVMConstNull(llvm_like(f->i1, x));
    return LLVMBuildFCmp(f->b, LLVMRealUNO, x, x, "");
}

LLVMValueRef llvm_choose(LlvmFn *f, LLVMValueRef c, LLVMValueRef x, LLVMValueRef y) {
    LLVMValueRef v[] = {x, y};
    int lanes = llvm_n_lanes(c);
    llvm_level(f, v, 2);
    if (lanes > 1)
        v[0] = llvm_splat(f, v[0], lanes), v[1] = llvm_splat(f, v[1], lanes);
    return LLVMBuildSelect(f->b, c, v[0], v[1], "");
}

LLVMValueRef llvm_and(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildAnd(f->b, x, y, "");
}

LLVMValueRef llvm_or(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildOr(f->b, x, y, "");
}

LLVMValueRef llvm_not(LlvmFn *f, LLVMValueRef x) {
    return LLVMBuildNot(f->b, x, "");
}

void llvm_level(LlvmFn *f, LLVMValueRef *x, int n) {
    int lanes = 1;
    for (int i = 0; i < n; i++)
        if (llvm_n_lanes(x[i]) > lanes)
            lanes = llvm_n_lanes(x[i]);
    for (int i = 0; i < n; i++)
        x[i] = llvm_splat(f, x[i], lanes);
}

LLVMValueRef llvm_intrinsic(LlvmFn *f, const char *name, LLVMTypeRef *types, int n_types,
                            LLVMValueRef *in, int n_in) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    assert(id != 0);
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(f->module, id, types, (size_t)n_types);
    return LLVMBuildCall2(f->b, LLVMGlobalGetValueType(fn), fn, in, (unsigned)n_in, "");
}

LLVMValueRef llvm_cast_bits(LlvmFn *f, LLVMValueRef x, LLVMTypeRef type) {
    return LLVMBuildBitCast(f->b, x, type, "");
}

// ---- memory -------------------------------------------------------------------------------------

LLVMValueRef llvm_alloca(LlvmFn *f, LLVMTypeRef type, const char *name) {
    LLVMValueRef slot = LLVMBuildAlloca(f->entry, type, name);
    LLVMSetAlignment(slot, 64);
    return slot;
}

LLVMValueRef llvm_load(LlvmFn *f, LLVMTypeRef type, LLVMValueRef pointer, int align) {
    LLVMValueRef x = LLVMBuildLoad2(f->b, type, pointer, "");
    LLVMSetAlignment(x, (unsigned)align);
    return x;
}

void llvm_store(LlvmFn *f, LLVMValueRef x, LLVMValueRef pointer, int align) {
    LLVMSetAlignment(LLVMBuildStore(f->b, x, pointer), (unsigned)align);
}

LLVMValueRef llvm_at(LlvmFn *f, LLVMTypeRef element, LLVMValueRef pointer, LLVMValueRef index) {
    return LLVMBuildGEP2(f->b, element, pointer, &index, 1, "");
}

LLVMValueRef llvm_byte(LlvmFn *f, LLVMValueRef pointer, int64_t offset) {
    return offset ? llvm_at(f, f->i8, pointer, llvm_int(f, offset)) : pointer;
}

// ---- control ------------------------------------------------------------------------------------

static LLVMBasicBlockRef new_block(LlvmFn *f, const char *name) {
    return LLVMAppendBasicBlockInContext(f->context, f->fn, name);
}

LlvmLoop llvm_loop_begin(LlvmFn *f, LLVMValueRef from, LLVMValueRef to, LLVMValueRef step,
                         const char *name) {
    LlvmLoop loop = {.to = to, .step = step};
    LLVMBasicBlockRef ahead = new_block(f, "ahead");
    loop.body = new_block(f, name);
    loop.done = new_block(f, "done");

    // rotated: the test stands before the loop and at its end, so that its body always runs once
    LLVMBuildCondBr(f->b, llvm_less(f, from, to), ahead, loop.done);
    LLVMPositionBuilderAtEnd(f->b, ahead);
    LLVMBuildBr(f->b, loop.body);
    LLVMPositionBuilderAtEnd(f->b, loop.body);
    loop.index = LLVMBuildPhi(f->b, f->i64, name);
    LLVMAddIncoming(loop.index, &from, &ahead, 1);
    return loop;
}

void llvm_loop_end(LlvmFn *f, LlvmLoop *loop) {
    LLVMValueRef next = LLVMBuildNSWAdd(f->b, loop->index, loop->step, "next");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(f->b);
    LLVMAddIncoming(loop->index, &next, &latch, 1);
    LLVMBuildCondBr(f->b, llvm_less(f, next, loop->to), loop->body, loop->done);
    LLVMMoveBasicBlockAfter(loop->done, latch);
    LLVMPositionBuilderAtEnd(f->b, loop->done);
}

LLVMBasicBlockRef llvm_if_begin(LlvmFn *f, LLVMValueRef condition, const char *name) {
    LLVMBasicBlockRef then = new_block(f, name), done = new_block(f, "then");
    LLVMBuildCondBr(f->b, condition, then, done);
    LLVMPositionBuilderAtEnd(f->b, then);
    return done;
}

void llvm_if_end(LlvmFn *f, LLVMBasicBlockRef done) {
    LLVMBuildBr(f->b, done);
    LLVMMoveBasicBlockAfter(done, LLVMGetInsertBlock(f->b));
    LLVMPositionBuilderAtEnd(f->b, done);
}

bool llvm_is_const(LLVMValueRef x, int64_t *value) {
    if (!LLVMIsAConstantInt(x))
        return false;
    if (value)
        *value = LLVMConstIntGetSExtValue(x);
    return true;
}

LLVMValueRef llvm_min_int(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    LLVMTypeRef type = LLVMTypeOf(x);
    return llvm_intrinsic(f, "llvm.smin", &type, 1, (LLVMValueRef[]){x, y}, 2);
}
