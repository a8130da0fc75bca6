// codegen/ref_product.c -- products: chains of fused multiply-adds in order of the contracted
// index, or OpenBLAS where that was asked for.
//
// A vector of elements is computed at once, each with its own chain. fma() rounds once whatever it
// is made of, so that the copies for processors with and without an instruction for it agree.
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "codegen/ref.h"

#if defined(__x86_64__)
#define WITH_FMA __attribute__((target("avx2,fma")))
#else
#define WITH_FMA
#endif

// Adds lhs[i * ls + q * lk] * rhs[i * rs + q * rk] for q < n_k to acc[i], for i < n.
typedef struct Chain {
    const void *lhs, *rhs;
    int64_t ls, lk, rs, rk;
    int64_t n_k;
    int n;
} Chain;

// The common case, one element of lhs with a row of rhs, has a loop of its own, which the compiler
// turns into vector instructions.
#define CHAIN(name, type, attribute, fused)                                \
    attribute static void name(type *acc, const Chain *c) {                \
        const type *lhs = c->lhs, *rhs = c->rhs;                           \
        for (int64_t q = 0; q < c->n_k; q++, lhs += c->lk, rhs += c->rk) { \
            if (c->ls == 0 && c->rs == 1) {                                \
                type x = *lhs;                                             \
                for (int i = 0; i < c->n; i++)                             \
                    acc[i] = fused(x, rhs[i], acc[i]);                     \
                continue;                                                  \
            }                                                              \
            for (int i = 0; i < c->n; i++)                                 \
                acc[i] = fused(lhs[i * c->ls], rhs[i * c->rs], acc[i]);    \
        }                                                                  \
    }
CHAIN(chain_f32_fma, float, WITH_FMA, fmaf)
CHAIN(chain_f64_fma, double, WITH_FMA, fma)
CHAIN(chain_f32, float, , fmaf)
CHAIN(chain_f64, double, , fma)

static bool has_fma(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

static void run_chain(IrDtype dtype, RefReg *acc, const Chain *c) {
    bool fast = has_fma();
    if (dtype == IR_F32)
        (fast ? chain_f32_fma : chain_f32)(acc->f, c);
    else
        (fast ? chain_f64_fma : chain_f64)(acc->d, c);
}

static int first_reduced(const RefFrame *f) {
    return f->plan->n_parallel;
}

static const char *element(const RefFrame *f, const RefAddress *a) {
    int64_t at = a->offset;
    for (int i = 0; i < f->plan->kernel->n_axes; i++)
        at += f->index[i] * a->strides[i];
    return f->args[a->of->arg].base + at * (int64_t)a->size;
}

// No guards and no indirect rows: the innermost contracted axis is a chain in one go.
static void product_plain(RefFrame *f, RefReg *acc) {
    int last = f->plan->kernel->n_axes - 1;
    bool has_k = last >= first_reduced(f);
    int64_t *const ls = f->lhs.strides, *const rs = f->rhs.strides;
    do {
        Chain c = {.lhs = element(f, &f->lhs),
                   .rhs = element(f, &f->rhs),
                   .ls = f->vector >= 0 ? ls[f->vector] : 0,
                   .rs = f->vector >= 0 ? rs[f->vector] : 0,
                   .lk = has_k ? ls[last] : 0,
                   .rk = has_k ? rs[last] : 0,
                   .n_k = has_k ? f->extents[last] : 1,
                   .n = f->n};
        ref_check(f, &f->lhs, has_k ? last : -1);
        ref_check(f, &f->rhs, has_k ? last : -1);
        run_chain(f->plan->kernel->product.dtype, acc, &c);
    } while (ref_next(f, first_reduced(f), last));
}

static void product_general(RefFrame *f, RefReg *acc) {
    const RefPlan *p = f->plan;
    RefReg lhs, rhs;
    do {
        for (int i = 0; i < p->product_varying.n; i++)
            ref_scalar(f, p->product_varying.scalars[i]);
        ref_load(f, &f->lhs, &lhs, f->n);
        ref_load(f, &f->rhs, &rhs, f->n);
        Chain c = {.lhs = &lhs, .rhs = &rhs, .ls = 1, .rs = 1, .n_k = 1, .n = f->n};
        run_chain(p->kernel->product.dtype, acc, &c);
    } while (ref_next(f, first_reduced(f), p->kernel->n_axes));
}

static void copy_blas(const RefFrame *f, RefReg *out) {
    int m = f->plan->kernel->product.n_batch, n = m + 1;
    int64_t m_lo = m == 0 ? f->lo : 0;
    size_t size = f->lhs.size;
    int64_t at = (f->index[m] - m_lo) * f->extents[n] + f->index[n];
    memcpy(out, (const char *)f->blas + (size_t)at * size, size * (size_t)f->n);
}

void ref_product(RefFrame *f, int scalar) {
    const RefPlan *p = f->plan;
    RefReg *acc = &f->regs[scalar];
    if (f->blas) {
        copy_blas(f, acc);
        return;
    }
    memset(acc, 0, sizeof *acc);
    if (!ref_first(f, first_reduced(f), p->kernel->n_axes))
        return;
    if (p->product_plain)
        product_plain(f, acc);
    else
        product_general(f, acc);
}

// ---- OpenBLAS -----------------------------------------------------------------------------------

// How BLAS sees a matrix with strides of rows and columns: one of the two must be 1.
typedef struct Matrix {
    CBLAS_TRANSPOSE trans;
    int lead;
} Matrix;

static bool as_matrix(int64_t row_stride, int64_t col_stride, int64_t rows, int64_t cols,
                      Matrix *m) {
    bool plain = col_stride == 1;
    int64_t lead = plain ? row_stride : col_stride;
    *m = (Matrix){.trans = plain ? CblasNoTrans : CblasTrans, .lead = (int)lead};
    return (plain || row_stride == 1) && lead >= (plain ? cols : rows) && lead >= 1 &&
           lead <= INT32_MAX;
}

bool ref_product_blas(RefFrame *f) {
    const IrProduct *p = &f->plan->kernel->product;
    int m = p->n_batch, n = m + 1, k = m + 2;
    if (!f->use_blas || !f->plan->product_plain || p->n_m != 1 || p->n_n != 1 || p->n_k != 1)
        return false;
    int64_t rows = m == 0 ? f->hi - f->lo : f->extents[m];
    int64_t cols = f->extents[n], depth = f->extents[k];
    if (rows * cols * depth < 32 * 32 * 32 || rows > INT32_MAX || cols > INT32_MAX ||
        depth > INT32_MAX)
        return false;
    Matrix a, b;
    if (!as_matrix(f->lhs.strides[m], f->lhs.strides[k], rows, depth, &a) ||
        !as_matrix(f->rhs.strides[k], f->rhs.strides[n], depth, cols, &b))
        return false;

    size_t need = f->lhs.size * (size_t)rows * (size_t)cols;
    if (need > f->blas_cap) {
        f->blas_buffer = arena_alloc(f->arena, need);
        f->blas_cap = need;
    }

    // only the batch is set in the index; the piece starts at row lo
    int64_t row = f->index[m], col = f->index[n];
    f->index[m] = m == 0 ? f->lo : 0;
    f->index[n] = f->index[k] = 0;
    const void *lhs = element(f, &f->lhs), *rhs = element(f, &f->rhs);
    f->index[m] = row;
    f->index[n] = col;
    if (p->dtype == IR_F32)
        cblas_sgemm(CblasRowMajor, a.trans, b.trans, (int)rows, (int)cols, (int)depth, 1, lhs,
                    a.lead, rhs, b.lead, 0, f->blas_buffer, (int)cols);
    else
        cblas_dgemm(CblasRowMajor, a.trans, b.trans, (int)rows, (int)cols, (int)depth, 1, lhs,
                    a.lead, rhs, b.lead, 0, f->blas_buffer, (int)cols);
    f->blas = f->blas_buffer;
    return true;
}
