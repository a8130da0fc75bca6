// codegen/llvm_math.c -- exp, log, tanh and their kin as vector IR.
//
// Each function reduces its operand to a small interval, where a polynomial serves, and puts the
// result together again. Rounding to whole numbers adds a large constant (1.5 * 2^23 for f32),
// which leaves the whole number in the low bits of the sum: cheap on every machine. Coefficients of
// exp, sin and cos are fits at Chebyshev points; log follows fdlibm (s = f / (2 + f)). All products
// that feed a sum are explicit fused multiply-adds.
#include "codegen/llvm_math.h"

#include <math.h>

// What the two real types differ in.
typedef struct Format {
    int mantissa;   // bits
    uint64_t bias;  // of exponents
    double round;   // x + round - round is x rounded to a whole number
    double max_exp; // exp overflows surely above, and gives 0 below min_exp
    double min_exp;
    double min_expm1;          // expm1 is -1 below
    double ln2[2], half_pi[3]; // exact sums of parts
    const double *exp;         // (exp(x) - 1 - x) / x^2, highest power first
    const double *sin;         // (sin(x) - x) / x^3 over x^2
    const double *cos;         // (cos(x) - 1 + x^2 / 2) / x^4 over x^2
    const double *log; // (log((1 + s) / (1 - s)) - 2 s) / s over s^2, without the factor s^2
    int n_exp, n_sin, n_cos, n_log;
    uint64_t sqrt_half; // bits of sqrt(1/2)
    double least;       // smallest normal number
    double scale;       // power of two that makes denormals normal
    double log_ln2[2];  // ln 2, the first part with trailing zero bits
} Format;

static const double exp_f32[] = {0.000198911801582821424, 0.00139338204897760193,
                                 0.00833331075457689252,  0.0416664633863395269,
                                 0.166666666817946252,    0.50000000136201386764};
static const double exp_f64[] = {
    0x1.af39789bfd689p-26, 0x1.28922d8c8d4fbp-22, 0x1.71de0d573888bp-19, 0x1.a019b87f7a6e9p-16,
    0x1.a01a01a7da98dp-13, 0x1.6c16c178b0646p-10, 0x1.1111111110996p-7,  0x1.5555555553d05p-5,
    0x1.5555555555556p-3,  0x1.0000000000001p-1};
static const double sin_f32[] = {-0.000195863779721630430, 0.00833274124702034657,
                                 -0.166666646260674600};
static const double sin_f64[] = {0x1.5e065ae1c9e7ap-33, -0x1.ae5ffdcb7c942p-26,
                                 0x1.71de3789d1af9p-19, -0x1.a01a019e79d43p-13,
                                 0x1.1111111110b89p-7,  -0x1.5555555555555p-3};
static const double cos_f32[] = {0.0000245464259785198550, -0.00138882959979895055,
                                 0.0416666646231872150};
static const double cos_f64[] = {-0x1.9078e329947b4p-37, 0x1.1eeb624c06c04p-29,
                                 -0x1.27e4fa117c54cp-22, 0x1.a01a019f49c39p-16,
                                 -0x1.6c16c16c16952p-10, 0x1.5555555555555p-5};
static const double log_f32[] = {0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693};
static const double log_f64[] = {1.479819860511658591e-01, 1.531383769920937332e-01,
                                 1.818357216161805012e-01, 2.222219843214978396e-01,
                                 2.857142874366239149e-01, 3.999999999940941908e-01,
                                 6.666666666666735130e-01};

#define N(array) (int)(sizeof(array) / sizeof *(array))

static const Format format_f32 = {
    .mantissa = 23,
    .bias = 127,
    .round = 0x1.8p23,
    .max_exp = 89,
    .min_exp = -104.5,
    .min_expm1 = -40,
    .ln2 = {0x1.62e43p-1, -0x1.05c61p-29},
    .half_pi = {0x1.921fb6p0, -0x1.777a5cp-25, -0x1.ee59dap-50},
    .exp = exp_f32,
    .sin = sin_f32,
    .cos = cos_f32,
    .log = log_f32,
    .n_exp = N(exp_f32),
    .n_sin = N(sin_f32),
    .n_cos = N(cos_f32),
    .n_log = N(log_f32),
    .sqrt_half = 0x3f3504f3,
    .least = 0x1p-126,
    .scale = 0x1p23,
    .log_ln2 = {0x1.62e3p-1, 0x1.2fefa4p-17},
};

static const Format format_f64 = {
    .mantissa = 52,
    .bias = 1023,
    .round = 0x1.8p52,
    .max_exp = 710,
    .min_exp = -746,
    .min_expm1 = -60,
    .ln2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56},
    .half_pi = {0x1.921fb54442d18p0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110},
    .exp = exp_f64,
    .sin = sin_f64,
    .cos = cos_f64,
    .log = log_f64,
    .n_exp = N(exp_f64),
    .n_sin = N(sin_f64),
    .n_cos = N(cos_f64),
    .n_log = N(log_f64),
    .sqrt_half = 0x3fe6a09e667f3bcd,
    .least = 0x1p-1022,
    .scale = 0x1p52,
    .log_ln2 = {6.93147180369123816490e-01, 1.90821492927058770002e-10},
};

static const Format *format_of(LLVMValueRef x) {
    return llvm_is_f64(x) ? &format_f64 : &format_f32;
}

static LLVMValueRef num(LLVMValueRef like, double value) {
    return llvm_num(LLVMTypeOf(like), value);
}

static LLVMValueRef polynomial(LlvmFn *f, LLVMValueRef x, const double *c, int n) {
    LLVMValueRef sum = num(x, c[0]);
    for (int i = 1; i < n; i++)
        sum = llvm_fma(f, sum, x, num(x, c[i]));
    return sum;
}

// x rounded to a whole number, |x| < 2^22 (2^51); its bits, whose low part is that number, go to
// *whole as integers.
static LLVMValueRef round_to_whole(LlvmFn *f, LLVMValueRef x, LLVMValueRef factor,
                                   LLVMValueRef *whole) {
    LLVMValueRef round = num(x, format_of(x)->round);
    LLVMValueRef sum = llvm_fma(f, x, factor, round);
    *whole = llvm_cast_bits(f, sum, llvm_int_type(f, LLVMTypeOf(x)));
    return llvm_sub(f, sum, round);
}

// 2^n for an integer n with `bias` already added to it.
static LLVMValueRef power_of_two(LlvmFn *f, LLVMValueRef biased, LLVMTypeRef real) {
    int shift = llvm_is_f64(LLVMGetUndef(real)) ? 52 : 23;
    LLVMValueRef bits = LLVMBuildShl(f->b, biased, llvm_num(LLVMTypeOf(biased), shift), "");
    return llvm_cast_bits(f, bits, real);
}

// Splits x into n ln 2 + r, |r| <= ln 2 / 2, and gives exp(r) - 1; *n is an integer vector.
static LLVMValueRef reduced_expm1(LlvmFn *f, LLVMValueRef x, LLVMValueRef *n) {
    const Format *t = format_of(x);
    LLVMValueRef whole;
    LLVMValueRef real = round_to_whole(f, x, num(x, 1 / 0.69314718055994530942), &whole);
    LLVMValueRef r = llvm_fma(f, real, num(x, -t->ln2[0]), x);
    r = llvm_fma(f, real, num(x, -t->ln2[1]), r);

    LLVMTypeRef integer = LLVMTypeOf(whole);
    LLVMValueRef zero = LLVMConstBitCast(num(x, t->round), integer);
    *n = llvm_sub(f, whole, zero);
    LLVMValueRef p = polynomial(f, r, t->exp, t->n_exp);
    return llvm_fma(f, llvm_mul(f, r, r), p, r);
}

static LLVMValueRef at_least(LlvmFn *f, LLVMValueRef x, double least) {
    LLVMValueRef c = num(x, least);
    return llvm_choose(f, llvm_less(f, x, c), c, x); // NaN stays
}

static LLVMValueRef at_most(LlvmFn *f, LLVMValueRef x, double most) {
    LLVMValueRef c = num(x, most);
    return llvm_choose(f, llvm_less(f, c, x), c, x);
}

// Gives x * 2^n in two steps, so that results may be denormal or overflow.
static LLVMValueRef scale(LlvmFn *f, LLVMValueRef x, LLVMValueRef n) {
    const Format *t = format_of(x);
    LLVMTypeRef integer = LLVMTypeOf(n);

    // half of n, rounded down, by a shift of something that is positive
    LLVMValueRef half =
        LLVMBuildLShr(f->b, llvm_add(f, n, llvm_num(integer, 2048)), llvm_num(integer, 1), "");
    LLVMValueRef bias = llvm_num(integer, (double)t->bias);
    LLVMValueRef first = llvm_sub(f, llvm_add(f, half, bias), llvm_num(integer, 1024));
    LLVMValueRef rest = llvm_sub(f, n, half);
    LLVMValueRef second = llvm_add(f, llvm_add(f, rest, bias), llvm_num(integer, 1024));
    x = llvm_mul(f, x, power_of_two(f, first, LLVMTypeOf(x)));
    return llvm_mul(f, x, power_of_two(f, second, LLVMTypeOf(x)));
}

LLVMValueRef llvm_exp(LlvmFn *f, LLVMValueRef x) {
    const Format *t = format_of(x);
    LLVMValueRef n;
    x = at_least(f, at_most(f, x, t->max_exp), t->min_exp);
    LLVMValueRef q = reduced_expm1(f, x, &n);
    return scale(f, llvm_add(f, q, num(x, 1)), n);
}

// With s = 2^(n - 1): expm1(x) = 2 (s q + (s - 1/2)), which overflows only where it should.
static LLVMValueRef expm1_bounded(LlvmFn *f, LLVMValueRef x) {
    const Format *t = format_of(x);
    LLVMValueRef n;
    LLVMValueRef q = reduced_expm1(f, x, &n);
    LLVMValueRef biased = llvm_add(f, n, llvm_num(LLVMTypeOf(n), (double)t->bias - 1));
    LLVMValueRef s = power_of_two(f, biased, LLVMTypeOf(x));
    LLVMValueRef y = llvm_fma(f, s, q, llvm_sub(f, s, num(x, 0.5)));
    return llvm_add(f, y, y);
}

LLVMValueRef llvm_expm1(LlvmFn *f, LLVMValueRef x) {
    const Format *t = format_of(x);
    LLVMValueRef bounded = at_least(f, at_most(f, x, t->max_exp), t->min_expm1);
    LLVMValueRef y = expm1_bounded(f, bounded);
    return llvm_choose(f, llvm_equal(f, x, num(x, 0)), x, y); // keeps -0
}

static LLVMValueRef copy_sign(LlvmFn *f, LLVMValueRef x, LLVMValueRef sign) {
    LLVMTypeRef type = LLVMTypeOf(x);
    return llvm_intrinsic(f, "llvm.copysign", &type, 1, (LLVMValueRef[]){x, sign}, 2);
}

// tanh|x| = -e / (2 + e) with e = expm1(-2 |x|)
LLVMValueRef llvm_tanh(LlvmFn *f, LLVMValueRef x) {
    const Format *t = format_of(x);
    LLVMValueRef e =
        expm1_bounded(f, at_least(f, llvm_mul(f, llvm_abs(f, x), num(x, -2)), t->min_expm1));
    LLVMValueRef y = llvm_div(f, e, llvm_add(f, e, num(x, 2)));
    return copy_sign(f, y, x);
}

LLVMValueRef llvm_sigmoid(LlvmFn *f, LLVMValueRef x) {
    LLVMValueRef e = llvm_exp(f, llvm_neg(f, x));
    return llvm_div(f, num(x, 1), llvm_add(f, num(x, 1), e));
}

// ---- logarithms ---------------------------------------------------------------------------------

// Splits a positive normal x into 2^k m, sqrt(1/2) <= m < sqrt(2); k as a real.
static LLVMValueRef split(LlvmFn *f, LLVMValueRef x, LLVMValueRef *m) {
    const Format *t = format_of(x);
    LLVMTypeRef real = LLVMTypeOf(x), integer = llvm_int_type(f, real);
    uint64_t one = t->bias << t->mantissa;
    LLVMValueRef shifted =
        llvm_add(f, llvm_cast_bits(f, x, integer), llvm_bits(integer, one - t->sqrt_half));
    LLVMValueRef low = llvm_and(f, shifted, llvm_bits(integer, (1ull << t->mantissa) - 1));
    *m = llvm_cast_bits(f, llvm_add(f, low, llvm_bits(integer, t->sqrt_half)), real);

    // the biased exponent, put into the low bits of 2^mantissa, which then is taken away
    double base = t->mantissa == 23 ? 0x1p23 : 0x1p52;
    LLVMValueRef e = LLVMBuildLShr(f->b, shifted, llvm_bits(integer, (uint64_t)t->mantissa), "");
    e = llvm_or(f, e, llvm_cast_bits(f, num(x, base), integer));
    e = llvm_cast_bits(f, e, real);
    return llvm_sub(f, e, num(x, base + (double)t->bias));
}

// k ln 2 + log(1 + f) + c.
static LLVMValueRef log_of_parts(LlvmFn *f, LLVMValueRef k, LLVMValueRef x, LLVMValueRef c) {
    const Format *t = format_of(x);
    LLVMValueRef s = llvm_div(f, x, llvm_add(f, x, num(x, 2)));
    LLVMValueRef z = llvm_mul(f, s, s);
    LLVMValueRef r = llvm_mul(f, z, polynomial(f, z, t->log, t->n_log));
    LLVMValueRef half = llvm_mul(f, llvm_mul(f, x, x), num(x, 0.5));
    LLVMValueRef low = k ? llvm_mul(f, k, num(x, t->log_ln2[1])) : num(x, 0);
    if (c)
        low = llvm_add(f, low, c);
    LLVMValueRef y = llvm_fma(f, s, llvm_add(f, half, r), low);
    y = llvm_add(f, llvm_sub(f, y, half), x);
    return k ? llvm_fma(f, k, num(x, t->log_ln2[0]), y) : y;
}

// The value at 0, at infinity, below 0 and at NaN, else y. `at` is x for log, 1 + x for log1p.
static LLVMValueRef log_edges(LlvmFn *f, LLVMValueRef at, LLVMValueRef y) {
    LLVMValueRef zero = num(at, 0);
    y = llvm_choose(f, llvm_less(f, at, num(at, INFINITY)), y, at); // infinity and NaN
    y = llvm_choose(f, llvm_equal(f, at, zero), num(at, -INFINITY), y);
    return llvm_choose(f, llvm_less(f, at, zero), num(at, NAN), y);
}

LLVMValueRef llvm_log(LlvmFn *f, LLVMValueRef x) {
    const Format *t = format_of(x);
    LLVMValueRef denormal = llvm_less(f, x, num(x, t->least)), m;
    LLVMValueRef normal = llvm_choose(f, denormal, llvm_mul(f, x, num(x, t->scale)), x);
    LLVMValueRef k = split(f, normal, &m);
    k = llvm_sub(f, k, llvm_choose(f, denormal, num(x, t->mantissa), num(x, 0)));
    LLVMValueRef y = log_of_parts(f, k, llvm_sub(f, m, num(x, 1)), NULL);
    return log_edges(f, x, y);
}

// log(u) of the rounded sum u = 1 + x, corrected by what the rounding lost, over u.
LLVMValueRef llvm_log1p(LlvmFn *f, LLVMValueRef x) {
    LLVMValueRef one = num(x, 1), m;
    LLVMValueRef u = llvm_add(f, one, x);
    LLVMValueRef k = split(f, u, &m);
    LLVMValueRef lost = llvm_choose(f, llvm_less(f, one, x), llvm_sub(f, one, llvm_sub(f, u, x)),
                                    llvm_sub(f, x, llvm_sub(f, u, one)));
    LLVMValueRef near = llvm_equal(f, k, num(x, 0));
    LLVMValueRef c = llvm_choose(f, near, num(x, 0), llvm_div(f, lost, u));
    LLVMValueRef part = llvm_choose(f, near, x, llvm_sub(f, m, one));
    LLVMValueRef y = log_edges(f, u, log_of_parts(f, k, part, c));
    return llvm_choose(f, llvm_equal(f, x, num(x, 0)), x, y); // keeps -0
}

// ---- sine and cosine ----------------------------------------------------------------------------

// sin(x + quadrant * pi / 2).
static LLVMValueRef sine(LlvmFn *f, LLVMValueRef x, int quadrant) {
    const Format *t = format_of(x);
    LLVMTypeRef real = LLVMTypeOf(x), integer = llvm_int_type(f, real);
    LLVMValueRef whole;
    LLVMValueRef n = round_to_whole(f, x, num(x, 0x1.45f306dc9c883p-1), &whole);

    // r = x - n pi / 2 in three steps; exact enough for |x| <= 1e5, and kept small beyond
    LLVMValueRef r = x;
    for (int i = 0; i < 3; i++)
        r = llvm_fma(f, n, num(x, -t->half_pi[i]), r);
    r = at_least(f, at_most(f, r, 0.8), -0.8);

    LLVMValueRef z = llvm_mul(f, r, r);
    LLVMValueRef s = llvm_fma(f, llvm_mul(f, r, z), polynomial(f, z, t->sin, t->n_sin), r);
    LLVMValueRef half = llvm_mul(f, z, num(x, 0.5)), one = num(x, 1);
    LLVMValueRef w = llvm_sub(f, one, half);
    LLVMValueRef lost = llvm_sub(f, llvm_sub(f, one, w), half);
    LLVMValueRef high = llvm_fma(f, llvm_mul(f, z, z), polynomial(f, z, t->cos, t->n_cos), lost);
    LLVMValueRef c = llvm_add(f, w, high);

    // odd quadrants take the cosine, the upper two change the sign
    LLVMValueRef q = llvm_add(f, whole, llvm_num(integer, quadrant));
    LLVMValueRef odd = llvm_and(f, q, llvm_num(integer, 1));
    LLVMValueRef y = llvm_choose(f, llvm_equal(f, odd, llvm_num(integer, 0)), s, c);
    LLVMValueRef top = llvm_num(integer, t->mantissa == 23 ? 30 : 62);
    LLVMValueRef sign = LLVMBuildShl(f->b, llvm_and(f, q, llvm_num(integer, 2)), top, "");
    y = LLVMBuildXor(f->b, llvm_cast_bits(f, y, integer), sign, "");
    return llvm_cast_bits(f, y, real);
}

LLVMValueRef llvm_sin(LlvmFn *f, LLVMValueRef x) {
    LLVMValueRef y = sine(f, x, 0);
    return llvm_choose(f, llvm_equal(f, x, num(x, 0)), x, y); // keeps -0
}

LLVMValueRef llvm_cos(LlvmFn *f, LLVMValueRef x) {
    return sine(f, x, 1);
}

// ---- powers -------------------------------------------------------------------------------------

// An unevaluated sum of two numbers, the second below half an ulp of the first.
typedef struct Pair {
    LLVMValueRef high, low;
} Pair;

static Pair sum(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) { // |x| >= |y|
    LLVMValueRef high = llvm_add(f, x, y);
    return (Pair){high, llvm_sub(f, y, llvm_sub(f, high, x))};
}

static Pair product(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    LLVMValueRef high = llvm_mul(f, x, y);
    return (Pair){high, llvm_fma(f, x, y, llvm_neg(f, high))};
}

static Pair product_of_pairs(LlvmFn *f, Pair x, Pair y) {
    Pair p = product(f, x.high, y.high);
    p.low = llvm_fma(f, x.high, y.low, p.low);
    p.low = llvm_fma(f, x.low, y.high, p.low);
    return sum(f, p.high, p.low);
}

// log(x) of a positive normal x to about 66 bits: with s = (m - 1) / (m + 1), log(m) is
// 2 s + 2/3 s^3 + s^5 R(s^2), the first two terms as pairs.
static Pair log_pair(LlvmFn *f, LLVMValueRef k, LLVMValueRef m) {
    static const double rest[] = {0x1.0885808c8172dp-3, 0x1.1017a19d7aa3cp-3, 0x1.3b18c1056557bp-3,
                                  0x1.745d09d3f8fdfp-3, 0x1.c71c71d814a8ap-3, 0x1.249249248e468p-2,
                                  0x1.999999999999fp-2};
    LLVMValueRef a = llvm_sub(f, m, num(m, 1)); // exact
    Pair b = sum(f, num(m, 1), m);

    // s = a / b, and what the division left
    Pair s = {.high = llvm_div(f, a, b.high)};
    LLVMValueRef left = llvm_fma(f, llvm_neg(f, s.high), b.high, a);
    left = llvm_fma(f, llvm_neg(f, s.high), b.low, left);
    s.low = llvm_div(f, left, b.high);

    Pair z = product_of_pairs(f, s, s);
    Pair cube = product_of_pairs(f, s, z);
    Pair third = product_of_pairs(
        f, cube, (Pair){num(m, 0x1.5555555555555p-1), num(m, 0x1.5555555555555p-55)});
    LLVMValueRef fifth =
        llvm_mul(f, llvm_mul(f, cube.high, z.high), polynomial(f, z.high, rest, N(rest)));

    // k ln 2 + 2 s + 2/3 s^3 + s^5 R, largest first; ln 2 in parts whose first has 32 bits
    Pair y = sum(f, llvm_mul(f, k, num(m, 0x1.62e42fee00000p-1)), llvm_add(f, s.high, s.high));
    LLVMValueRef low = llvm_add(f, y.low, llvm_add(f, s.low, s.low));
    Pair ln2 = product(f, k, num(m, 0x1.a39ef35793c76p-33));
    Pair y2 = sum(f, y.high, ln2.high);
    low = llvm_add(f, low, llvm_add(f, y2.low, ln2.low));
    Pair y3 = sum(f, y2.high, third.high);
    low = llvm_add(f, low, llvm_add(f, y3.low, llvm_add(f, third.low, fifth)));
    return sum(f, y3.high, low);
}

// exp(y log x) for positive x, at f64.
static LLVMValueRef positive_power(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    const Format *t = format_of(x);
    LLVMValueRef denormal = llvm_less(f, x, num(x, t->least)), m;
    LLVMValueRef normal = llvm_choose(f, denormal, llvm_mul(f, x, num(x, t->scale)), x);
    LLVMValueRef k = split(f, normal, &m);
    k = llvm_sub(f, k, llvm_choose(f, denormal, num(x, t->mantissa), num(x, 0)));
    Pair log = log_pair(f, k, m);

    Pair e = product(f, y, log.high);
    e.low = llvm_fma(f, y, log.low, e.low);
    LLVMValueRef bounded = at_least(f, at_most(f, e.high, t->max_exp), t->min_exp);
    LLVMValueRef inside = llvm_equal(f, bounded, e.high);
    LLVMValueRef low = llvm_choose(f, inside, e.low, num(x, 0));

    // exp(high + low) = exp(high) + exp(high) * low, where that is finite
    LLVMValueRef n;
    LLVMValueRef q = reduced_expm1(f, bounded, &n);
    LLVMValueRef one_more = llvm_add(f, q, num(x, 1));
    LLVMValueRef lost = llvm_sub(f, q, llvm_sub(f, one_more, num(x, 1)));
    LLVMValueRef tail = llvm_fma(f, one_more, low, lost);
    return scale(f, llvm_add(f, one_more, tail), n);
}

static LLVMValueRef whole(LlvmFn *f, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef floor = llvm_intrinsic(f, "llvm.floor", &type, 1, &x, 1);
    return llvm_equal(f, floor, x);
}

LLVMValueRef llvm_pow(LlvmFn *f, LLVMValueRef x, LLVMValueRef y) {
    LLVMTypeRef type = LLVMTypeOf(x);
    bool narrow = !llvm_is_f64(x);

    // f32 is computed at f64, where exp(y log x) is exact enough
    if (narrow) {
        LLVMTypeRef wide = llvm_like(f->f64, x);
        x = LLVMBuildFPExt(f->b, x, wide, "");
        y = LLVMBuildFPExt(f->b, y, wide, "");
    }
    LLVMValueRef zero = num(x, 0), one = num(x, 1), inf = num(x, INFINITY);
    LLVMValueRef size = llvm_abs(f, x), grows = llvm_less(f, zero, y);
    LLVMValueRef z =
        narrow ? llvm_exp(f, llvm_mul(f, y, llvm_log(f, size))) : positive_power(f, size, y);

    // sizes 0 and infinity, then infinite exponents
    LLVMValueRef at_zero = llvm_choose(f, grows, zero, inf);
    LLVMValueRef at_inf = llvm_choose(f, grows, inf, zero);
    z = llvm_choose(f, llvm_equal(f, size, zero), at_zero, z);
    z = llvm_choose(f, llvm_equal(f, size, inf), at_inf, z);
    LLVMValueRef far = llvm_equal(f, llvm_abs(f, y), inf);
    LLVMValueRef large = LLVMBuildXor(f->b, llvm_less(f, size, one), grows, "");
    LLVMValueRef limit = llvm_choose(f, large, inf, zero);
    limit = llvm_choose(f, llvm_equal(f, size, one), one, limit);
    z = llvm_choose(f, far, limit, z);

    // negative operands: the sign of odd exponents, NaN for broken ones
    LLVMTypeRef integer = llvm_int_type(f, LLVMTypeOf(x));
    LLVMValueRef negative = llvm_less(f, llvm_cast_bits(f, x, integer), LLVMConstNull(integer));
    LLVMValueRef is_whole = llvm_or(f, whole(f, y), far);
    LLVMValueRef half = llvm_mul(f, y, num(x, 0.5));
    LLVMValueRef odd = llvm_and(f, whole(f, y), llvm_not(f, whole(f, half)));
    z = llvm_choose(f, llvm_and(f, negative, odd), llvm_neg(f, z), z);
    LLVMValueRef broken = llvm_and(f, llvm_less(f, x, zero), llvm_not(f, is_whole));
    LLVMValueRef infinite = llvm_equal(f, size, inf);
    broken = llvm_and(f, broken, llvm_not(f, infinite));
    z = llvm_choose(f, broken, num(x, NAN), z);

    // NaN of either, except x^0 and 1^y
    LLVMValueRef nan = llvm_or(f, llvm_is_nan(f, x), llvm_is_nan(f, y));
    z = llvm_choose(f, nan, num(x, NAN), z);
    LLVMValueRef unit = llvm_or(f, llvm_equal(f, y, zero), llvm_equal(f, x, one));
    z = llvm_choose(f, unit, one, z);
    return narrow ? LLVMBuildFPTrunc(f->b, z, type, "") : z;
}
