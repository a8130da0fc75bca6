// tests/support_exact.c -- what each elementwise operation is, said a second time.
#include "tests/support_exact.h"

#include <check.h>
#include <math.h>

// clang-format off
#define ROUNDED(name, value) static double rounded_##name(double x, double y) { (void)y; return value; }
#define NEAR(name, value)    static long double near_##name(long double x, long double y) { (void)y; return value; }
#define WHOLE(name, value)   static int64_t whole_##name(int64_t x, int64_t y) { (void)y; return value; }

ROUNDED(neg, copysign(fabs(x), signbit(x) ? 1.0 : -1.0))
ROUNDED(abs, fabs(x))
ROUNDED(sign, isnan(x) ? x : (double)((x > 0) - (x < 0)))
ROUNDED(sqrt, sqrt(x))
ROUNDED(floor, floor(x))
ROUNDED(round, nearbyint(x))
ROUNDED(relu, isnan(x) ? x : isgreater(x, 0.0) ? x : 0.0)
ROUNDED(add, x + y)
ROUNDED(sub, x - y)
ROUNDED(mul, x * y)
ROUNDED(div, x / y)
ROUNDED(max, isnan(x) ? x : isnan(y) ? y : isless(x, y) ? y : x)
ROUNDED(min, isnan(x) ? x : isnan(y) ? y : isgreater(x, y) ? y : x)
ROUNDED(less, isless(x, y))
ROUNDED(less_equal, islessequal(x, y))
ROUNDED(equal, islessequal(x, y) && isgreaterequal(x, y))
ROUNDED(not_equal, !(islessequal(x, y) && isgreaterequal(x, y)))
ROUNDED(logical_and, (x != 0) & (y != 0))
ROUNDED(logical_or, (x != 0) | (y != 0))
ROUNDED(logical_not, x == 0)
ROUNDED(is_finite, fabs(x) <= 1.7976931348623157e308)

NEAR(exp, expl(x))
NEAR(expm1, expm1l(x))
NEAR(log, logl(x))
NEAR(log1p, log1pl(x))
NEAR(tanh, tanhl(x))
NEAR(sigmoid, x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x)))
NEAR(sin, sinl(x))
NEAR(cos, cosl(x))
NEAR(pow, powl(x, y))

WHOLE(neg, -x)
WHOLE(abs, x < 0 ? -x : x)
WHOLE(sign, (x > 0) - (x < 0))
WHOLE(add, x + y)
WHOLE(sub, x - y)
WHOLE(mul, x * y)
WHOLE(max, x < y ? y : x)
WHOLE(min, x > y ? y : x)
WHOLE(floor_div, y ? (int64_t)floor((double)x / (double)y) : 0)
WHOLE(mod, y ? x - y * (int64_t)floor((double)x / (double)y) : x)

static const ExactRow rows[IR_OP_COUNT] = {
    [IR_OP_neg]         = {.rounded = rounded_neg, .whole = whole_neg},
    [IR_OP_abs]         = {.rounded = rounded_abs, .whole = whole_abs},
    [IR_OP_sign]        = {.rounded = rounded_sign, .whole = whole_sign},
    [IR_OP_exp]         = {.near = near_exp,     .native_ulps = {1.1, 1.1}, .ref_ulps = {1, 1}},
    [IR_OP_expm1]       = {.near = near_expm1,   .native_ulps = {2.5, 2.5}, .ref_ulps = {1, 1}},
    [IR_OP_log]         = {.near = near_log,     .native_ulps = {1.5, 1.5}, .ref_ulps = {1, 1}},
    [IR_OP_log1p]       = {.near = near_log1p,   .native_ulps = {2, 2},     .ref_ulps = {1, 1}},
    [IR_OP_sqrt]        = {.rounded = rounded_sqrt},
    [IR_OP_tanh]        = {.near = near_tanh,    .native_ulps = {2.6, 3},   .ref_ulps = {2.5, 2.5}},
    [IR_OP_sigmoid]     = {.near = near_sigmoid, .native_ulps = {2.5, 2.5}, .ref_ulps = {2.5, 2.5}},
    [IR_OP_sin]         = {.near = near_sin,     .native_ulps = {2, 2},     .ref_ulps = {1, 1}, .far = 1e5},
    [IR_OP_cos]         = {.near = near_cos,     .native_ulps = {2, 2},     .ref_ulps = {1, 1}, .far = 1e5},
    [IR_OP_floor]       = {.rounded = rounded_floor},
    [IR_OP_round]       = {.rounded = rounded_round},
    [IR_OP_relu]        = {.rounded = rounded_relu},
    [IR_OP_add]         = {.rounded = rounded_add, .whole = whole_add},
    [IR_OP_sub]         = {.rounded = rounded_sub, .whole = whole_sub},
    [IR_OP_mul]         = {.rounded = rounded_mul, .whole = whole_mul},
    [IR_OP_div]         = {.rounded = rounded_div},
    [IR_OP_floor_div]   = {.whole = whole_floor_div},
    [IR_OP_mod]         = {.whole = whole_mod},
    [IR_OP_pow]         = {.near = near_pow,     .native_ulps = {1, 2},     .ref_ulps = {1, 1}},
    [IR_OP_max]         = {.rounded = rounded_max, .whole = whole_max},
    [IR_OP_min]         = {.rounded = rounded_min, .whole = whole_min},
    [IR_OP_less]        = {.rounded = rounded_less},
    [IR_OP_less_equal]  = {.rounded = rounded_less_equal},
    [IR_OP_equal]       = {.rounded = rounded_equal},
    [IR_OP_not_equal]   = {.rounded = rounded_not_equal},
    [IR_OP_logical_and] = {.rounded = rounded_logical_and},
    [IR_OP_logical_or]  = {.rounded = rounded_logical_or},
    [IR_OP_logical_not] = {.rounded = rounded_logical_not},
    [IR_OP_is_finite]   = {.rounded = rounded_is_finite},
};
// clang-format on

const ExactRow *exact_row(IrOp op) {
    const ExactRow *r = &rows[op];
    if (!r->rounded && !r->near && ir_op_info[op].result != IR_RESULT_INT)
        ck_abort_msg("no row for '%s' in tests/support_exact.c", ir_op_info[op].name);
    IrMapResult result = ir_op_info[op].result;
    if (!r->whole && (result == IR_RESULT_SAME || result == IR_RESULT_INT))
        ck_abort_msg("no whole numbers for '%s' in tests/support_exact.c", ir_op_info[op].name);
    return r;
}

double exact_wrap(int64_t x) {
    int64_t low = (int64_t)((uint64_t)x & UINT32_MAX);
    return (double)(low > INT32_MAX ? low - ((int64_t)1 << 32) : low);
}

double exact_map(IrOp op, IrDtype dtype, const double *x) {
    const ExactRow *r = exact_row(op);
    double y = ir_op_info[op].n_in > 1 ? x[1] : 0;
    if (dtype == IR_I32 && r->whole)
        return exact_wrap(r->whole((int64_t)x[0], (int64_t)y));
    return r->rounded ? r->rounded(x[0], y) : (double)r->near(x[0], y);
}

double exact_ulps(long double x, long double exact, bool wide) {
    int exponent;
    frexpl(exact, &exponent);
    int least = wide ? -1074 : -149, digits = wide ? 53 : 24;
    int last = exponent - digits < least ? least : exponent - digits;
    return (double)(fabsl(x - exact) / ldexpl(1, last));
}
