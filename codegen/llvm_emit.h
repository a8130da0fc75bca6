// codegen/llvm_emit.h -- short names for building LLVM IR.
//
// Everything below works on a value of any width: a scalar, or a vector of lanes. The type of the
// operands decides, so that one rule serves vectors and single elements and gives the same bits.
#ifndef CODEGEN_LLVM_EMIT_H
#define CODEGEN_LLVM_EMIT_H

#include <stdbool.h>
#include <stdint.h>

#include <llvm-c/Core.h>

#include "ir/ir.h"

// The machine that code is made for.
typedef struct LlvmTarget {
    char triple[64];
    char cpu[64];
    char features[4096];
    int vector_bytes; // 16, 32 or 64
    bool gemm_blas;   // products through OpenBLAS where it can do them
} LlvmTarget;

// A function that is being written.
typedef struct LlvmFn {
    const LlvmTarget *target;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef b;     // where instructions go
    LLVMBuilderRef entry; // end of the entry block: allocas and what never changes
    LLVMValueRef fn;
    LLVMTypeRef i1, i8, i32, i64, f32, f64, ptr, nothing;
} LlvmFn;

// Makes an empty module with everything that does not depend on a function.
void llvm_fn_open(LlvmFn *f, LLVMContextRef context, const char *module, const LlvmTarget *target);

// Starts function `name` of `type`: an entry block and a body block, which is where `b` stands.
void llvm_fn_begin(LlvmFn *f, const char *name, LLVMTypeRef type);

// Ends the function (which gives nothing back) where `b` stands.
void llvm_fn_end(LlvmFn *f);

// Disposes of the builders; the module stays.
void llvm_fn_close(LlvmFn *f);

// ---- types --------------------------------------------------------------------------------------

LLVMTypeRef llvm_type(const LlvmFn *f, IrDtype dtype);         // bool is i1
LLVMTypeRef llvm_memory_type(const LlvmFn *f, IrDtype dtype);  // bool is i8
LLVMTypeRef llvm_widen(LLVMTypeRef element, int lanes);        // `element` itself for one lane
LLVMTypeRef llvm_like(LLVMTypeRef element, LLVMValueRef like); // as many lanes as `like`
int llvm_n_lanes(LLVMValueRef x);
bool llvm_is_vector(LLVMValueRef x);
LLVMTypeRef llvm_element(LLVMTypeRef type); // of a vector, else the type itself
bool llvm_is_real(LLVMValueRef x);
bool llvm_is_f64(LLVMValueRef x);

// ---- values -------------------------------------------------------------------------------------

LLVMValueRef llvm_int(const LlvmFn *f, int64_t value); // i64
LLVMValueRef llvm_num(LLVMTypeRef type, double value); // in every lane
LLVMValueRef llvm_bits(LLVMTypeRef type, uint64_t value);
LLVMValueRef llvm_splat(LlvmFn *f, LLVMValueRef x, int lanes); // `x` itself for one lane
LLVMValueRef llvm_iota(const LlvmFn *f, LLVMTypeRef element, int lanes);

// Arithmetic of reals or integers, by type.
LLVMValueRef llvm_add(LlvmFn *f, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef llvm_sub(LlvmFn *f, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef llvm_mul(LlvmFn *f, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef llvm_div(LlvmFn *f, LLVMValueRef x, LLVMValueRef y); // reals
LLVMValueRef llvm_neg(LlvmFn *f, LLVMValueRef x);
LLVMValueRef llvm_abs(LlvmFn *f, LLVMValueRef x);
LLVMValueRef llvm_fma(LlvmFn *f, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z); // x * y + z

// Comparisons; of reals false when one is NaN, except not_equal.
LLVMValueRef llvm_less(LlvmFn *f, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef llvm_less_equal(LlvmFn *f, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef llvm_equal(LlvmFn *f, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef llvm_not_equal(LlvmFn *f, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef llvm_is_nan(LlvmFn *f, LLVMValueRef x); // false for integers

// c ? x : y; operands of one lane are spread where others have more.
LLVMValueRef llvm_choose(LlvmFn *f, LLVMValueRef c, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef llvm_and(LlvmFn *f, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef llvm_or(LlvmFn *f, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef llvm_not(LlvmFn *f, LLVMValueRef x);

// Gives all of the n values as many lanes as the widest has.
void llvm_level(LlvmFn *f, LLVMValueRef *x, int n);

// Intrinsic `name` ("llvm.fma"), overloaded on `types`.
LLVMValueRef llvm_intrinsic(LlvmFn *f, const char *name, LLVMTypeRef *types, int n_types,
                            LLVMValueRef *in, int n_in);

// The integer type as wide as the real type `real`, and reinterpretation between them.
LLVMTypeRef llvm_int_type(const LlvmFn *f, LLVMTypeRef real);
LLVMValueRef llvm_cast_bits(LlvmFn *f, LLVMValueRef x, LLVMTypeRef type);

// ---- memory -------------------------------------------------------------------------------------

LLVMValueRef llvm_alloca(LlvmFn *f, LLVMTypeRef type, const char *name);
LLVMValueRef llvm_load(LlvmFn *f, LLVMTypeRef type, LLVMValueRef pointer, int align);
void llvm_store(LlvmFn *f, LLVMValueRef x, LLVMValueRef pointer, int align);
LLVMValueRef llvm_at(LlvmFn *f, LLVMTypeRef element, LLVMValueRef pointer, LLVMValueRef index);
LLVMValueRef llvm_byte(LlvmFn *f, LLVMValueRef pointer, int64_t offset);

// ---- control ------------------------------------------------------------------------------------

// A loop `for (index = from; index < to; index += step)`, i64; values that it carries live in
// allocas. The code between begin and end is its body.
typedef struct LlvmLoop {
    LLVMBasicBlockRef body, done;
    LLVMValueRef index, to, step;
} LlvmLoop;
LlvmLoop llvm_loop_begin(LlvmFn *f, LLVMValueRef from, LLVMValueRef to, LLVMValueRef step,
                         const char *name);
void llvm_loop_end(LlvmFn *f, LlvmLoop *loop);

// Code that runs only where `condition` holds.
LLVMBasicBlockRef llvm_if_begin(LlvmFn *f, LLVMValueRef condition, const char *name);
void llvm_if_end(LlvmFn *f, LLVMBasicBlockRef done);

// Whether `x` is a constant integer, which goes to *value (if not NULL).
bool llvm_is_const(LLVMValueRef x, int64_t *value);

LLVMValueRef llvm_min_int(LlvmFn *f, LLVMValueRef x, LLVMValueRef y); // i64, signed

#endif
