// ir/dim.c -- sizes of axes: polynomials in named dims, in normal form.
//
// A polynomial is an array of terms, each a coefficient and its factors (variables in order of
// their index, repeated for powers). Terms are in graded lexicographic order: greater degree
// first, then the smaller variable index, so the constant comes last. Like terms are merged and
// zero terms dropped; that is the normal form, and a hash table keeps one copy of each. The order
// is preserved by multiplication, which is what makes division by the leading term work.
//
// Coefficients saturate at +-LIMIT: no text, however wild, makes the arithmetic overflow.
#include "ir/dim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT (INT64_MAX / 4)

struct IrDim {
    uint64_t hash;
    int n_terms;
    const IrDimTerm *terms;
};

// ---- saturating arithmetic ----------------------------------------------------------------------

static int64_t clamp(int64_t x) {
    return x > LIMIT ? LIMIT : x < -LIMIT ? -LIMIT : x;
}

static int64_t add_sat(int64_t x, int64_t y) {
    return clamp(x + y); // both are within +-LIMIT
}

static int64_t mul_sat(int64_t x, int64_t y) {
    if (x == 0 || y == 0)
        return 0;
    int64_t ax = x < 0 ? -x : x, ay = y < 0 ? -y : y;
    if (ax > LIMIT / ay)
        return (x < 0) == (y < 0) ? LIMIT : -LIMIT;
    return x * y;
}

// ---- polynomials under construction -------------------------------------------------------------

enum { SMALL_TERMS = 24, SMALL_FACTORS = 64 };

// Terms in any order. Small ones live on the stack.
typedef struct Poly {
    int n;
    IrDimTerm *terms;
    const IrDimVar **factors; // room for the factors of products
    Arena scratch;
    IrDimTerm small_terms[SMALL_TERMS];
    const IrDimVar *small_factors[SMALL_FACTORS];
} Poly;

static void poly_open(Poly *p, int n_terms, int n_factors) {
    p->n = 0;
    p->scratch = (Arena){0};
    p->terms =
        n_terms <= SMALL_TERMS ? p->small_terms : arena_array(&p->scratch, IrDimTerm, n_terms);
    p->factors = n_factors <= SMALL_FACTORS ? p->small_factors
                                            : arena_array(&p->scratch, const IrDimVar *, n_factors);
}

static void poly_close(Poly *p) {
    if (p->scratch.block)
        arena_free(&p->scratch);
}

// Order of two terms, apart from their coefficients.
static int compare_terms(const void *va, const void *vb) {
    const IrDimTerm *a = va, *b = vb;
    if (a->n_factors != b->n_factors)
        return a->n_factors > b->n_factors ? -1 : 1;
    for (int i = 0; i < a->n_factors; i++) {
        if (a->factors[i] != b->factors[i])
            return a->factors[i]->index < b->factors[i]->index ? -1 : 1;
    }
    return 0;
}

static void poly_normalise(Poly *p) {
    if (p->n > 1)
        qsort(p->terms, (size_t)p->n, sizeof *p->terms, compare_terms);

    // merge like terms, drop zeros
    int n = 0;
    for (int i = 0; i < p->n;) {
        IrDimTerm t = p->terms[i++];
        while (i < p->n && compare_terms(&t, &p->terms[i]) == 0)
            t.coefficient = add_sat(t.coefficient, p->terms[i++].coefficient);
        if (t.coefficient)
            p->terms[n++] = t;
    }
    p->n = n;
}

static uint64_t hash_terms(const IrDimTerm *terms, int n) {
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < n; i++) {
        h = (h ^ (uint64_t)terms[i].coefficient) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 29;
        for (int k = 0; k < terms[i].n_factors; k++)
            h = (h ^ (uint64_t)(terms[i].factors[k]->index + 1)) * 0x94d049bb133111ebu;
        h ^= h >> 31;
    }
    return h;
}

static bool same_terms(const IrDim *d, const IrDimTerm *terms, int n) {
    if (d->n_terms != n)
        return false;
    for (int i = 0; i < n; i++) {
        if (d->terms[i].coefficient != terms[i].coefficient ||
            compare_terms(&d->terms[i], &terms[i]) != 0)
            return false;
    }
    return true;
}

static void table_grow(IrDims *ds) {
    int cap = ds->cap_table ? 2 * ds->cap_table : 64;
    IrDim **table = arena_array(ds->arena, IrDim *, cap);
    for (int i = 0; i < ds->cap_table; i++) {
        if (!ds->table[i])
            continue;
        uint64_t at = ds->table[i]->hash & (uint64_t)(cap - 1);
        while (table[at])
            at = (at + 1) & (uint64_t)(cap - 1);
        table[at] = ds->table[i];
    }
    ds->table = table;
    ds->cap_table = cap;
}

// The interned dim with these terms, which are in normal form.
static IrDim *intern(IrDims *ds, const IrDimTerm *terms, int n) {
    if (2 * (ds->n_table + 1) > ds->cap_table)
        table_grow(ds);
    uint64_t hash = hash_terms(terms, n);
    uint64_t mask = (uint64_t)(ds->cap_table - 1), at = hash & mask;
    for (; ds->table[at]; at = (at + 1) & mask) {
        if (ds->table[at]->hash == hash && same_terms(ds->table[at], terms, n))
            return ds->table[at];
    }

    // new: copy the terms with their factors
    IrDimTerm *own = arena_array(ds->arena, IrDimTerm, n);
    for (int i = 0; i < n; i++) {
        const IrDimVar **factors = arena_array(ds->arena, const IrDimVar *, terms[i].n_factors);
        for (int k = 0; k < terms[i].n_factors; k++)
            factors[k] = terms[i].factors[k];
        own[i] = terms[i];
        own[i].factors = factors;
    }
    IrDim *d = arena_new(ds->arena, IrDim);
    *d = (IrDim){.hash = hash, .n_terms = n, .terms = own};
    ds->table[at] = d;
    ds->n_table++;
    return d;
}

static IrDim *poly_intern(IrDims *ds, Poly *p) {
    poly_normalise(p);
    IrDim *d = intern(ds, p->terms, p->n);
    poly_close(p);
    return d;
}

// ---- making dims --------------------------------------------------------------------------------

IrDim *ir_dim_const(IrDims *ds, int64_t value) {
    IrDimTerm t = {.coefficient = clamp(value)};
    return intern(ds, &t, value != 0);
}

IrDim *ir_dim_var(IrDims *ds, const char *name, int64_t max, int64_t likely) {
    const IrDimVar *var = NULL;
    for (int i = 0; i < ds->n_vars && !var; i++) {
        if (strcmp(ds->vars[i]->name, name) == 0)
            var = ds->vars[i];
    }
    if (!var) {
        IrDimVar *v = arena_new(ds->arena, IrDimVar);
        *v = (IrDimVar){.name = arena_strdup(ds->arena, name),
                        .max = clamp(max),
                        .likely = clamp(likely),
                        .index = ds->n_vars};
        arena_push(ds->arena, ds->vars, ds->n_vars, ds->cap_vars, v);
        var = v;
    }
    IrDimTerm t = {.coefficient = 1, .n_factors = 1, .factors = &var};
    return intern(ds, &t, 1);
}

// a + sign * b
static IrDim *combine(IrDims *ds, const IrDim *a, const IrDim *b, int64_t sign) {
    Poly p;
    poly_open(&p, a->n_terms + b->n_terms, 0);
    for (int i = 0; i < a->n_terms; i++)
        p.terms[p.n++] = a->terms[i];
    for (int i = 0; i < b->n_terms; i++) {
        p.terms[p.n] = b->terms[i];
        p.terms[p.n++].coefficient *= sign;
    }
    return poly_intern(ds, &p);
}

IrDim *ir_dim_add(IrDims *ds, IrDim *a, IrDim *b) {
    if (a->n_terms == 0)
        return b;
    if (b->n_terms == 0)
        return a;
    return combine(ds, a, b, 1);
}

IrDim *ir_dim_sub(IrDims *ds, IrDim *a, IrDim *b) {
    return b->n_terms == 0 ? a : combine(ds, a, b, -1);
}

// Factors of the product of two terms, in order.
static void merge_factors(const IrDimVar **out, const IrDimTerm *a, const IrDimTerm *b) {
    int i = 0, k = 0;
    while (i < a->n_factors || k < b->n_factors) {
        bool from_a =
            k == b->n_factors || (i < a->n_factors && a->factors[i]->index <= b->factors[k]->index);
        *out++ = from_a ? a->factors[i++] : b->factors[k++];
    }
}

static int count_factors(const IrDim *d) {
    int n = 0;
    for (int i = 0; i < d->n_terms; i++)
        n += d->terms[i].n_factors;
    return n;
}

IrDim *ir_dim_mul(IrDims *ds, IrDim *a, IrDim *b) {
    int64_t x = 0;
    if (ir_dim_is_const(a, &x) && x == 1)
        return b;
    if (ir_dim_is_const(b, &x) && x == 1)
        return a;

    Poly p;
    poly_open(&p, a->n_terms * b->n_terms,
              count_factors(a) * b->n_terms + count_factors(b) * a->n_terms);
    const IrDimVar **room = p.factors;
    for (int i = 0; i < a->n_terms; i++) {
        for (int k = 0; k < b->n_terms; k++) {
            const IrDimTerm *s = &a->terms[i], *t = &b->terms[k];
            merge_factors(room, s, t);
            p.terms[p.n++] = (IrDimTerm){.coefficient = mul_sat(s->coefficient, t->coefficient),
                                         .n_factors = s->n_factors + t->n_factors,
                                         .factors = room};
            room += s->n_factors + t->n_factors;
        }
    }
    return poly_intern(ds, &p);
}

// The dim that is the term a / b, or NULL when that is no term.
static IrDim *divide_terms(IrDims *ds, const IrDimTerm *a, const IrDimTerm *b) {
    if (a->coefficient % b->coefficient != 0 || a->n_factors < b->n_factors)
        return NULL;
    Poly p;
    poly_open(&p, 1, a->n_factors);
    int n = 0, k = 0;
    for (int i = 0; i < a->n_factors; i++) {
        if (k < b->n_factors && a->factors[i] == b->factors[k])
            k++;
        else
            p.factors[n++] = a->factors[i];
    }
    if (k < b->n_factors) {
        poly_close(&p);
        return NULL;
    }
    p.terms[p.n++] = (IrDimTerm){
        .coefficient = a->coefficient / b->coefficient, .n_factors = n, .factors = p.factors};
    return poly_intern(ds, &p);
}

IrDim *ir_dim_div(IrDims *ds, IrDim *a, IrDim *b) {
    if (b->n_terms == 0)
        return NULL;

    // long division: each step cancels the leading term of what is left
    IrDim *q = ir_dim_const(ds, 0);
    for (IrDim *rest = a; rest->n_terms > 0;) {
        IrDim *t = divide_terms(ds, &rest->terms[0], &b->terms[0]);
        if (!t)
            return NULL;
        q = ir_dim_add(ds, q, t);
        rest = ir_dim_sub(ds, rest, ir_dim_mul(ds, t, b));
    }
    return q;
}

IrDim *ir_dim_substitute(IrDims *ds, const IrDim *d, IrDim *const *to) {
    IrDim *sum = ir_dim_const(ds, 0);
    for (int i = 0; i < d->n_terms; i++) {
        IrDim *product = ir_dim_const(ds, d->terms[i].coefficient);
        for (int k = 0; k < d->terms[i].n_factors; k++)
            product = ir_dim_mul(ds, product, to[d->terms[i].factors[k]->index]);
        sum = ir_dim_add(ds, sum, product);
    }
    return sum;
}

// ---- reading dims -------------------------------------------------------------------------------

bool ir_dim_is_const(const IrDim *d, int64_t *value) {
    if (d->n_terms > 1 || (d->n_terms == 1 && d->terms[0].n_factors > 0))
        return false;
    if (value)
        *value = d->n_terms ? d->terms[0].coefficient : 0;
    return true;
}

const IrDimVar *ir_dim_is_var(const IrDim *d) {
    if (d->n_terms != 1 || d->terms[0].n_factors != 1 || d->terms[0].coefficient != 1)
        return NULL;
    return d->terms[0].factors[0];
}

int64_t ir_dim_eval(const IrDim *d, const int64_t *values) {
    int64_t sum = 0;
    for (int i = 0; i < d->n_terms; i++) {
        int64_t product = d->terms[i].coefficient;
        for (int k = 0; k < d->terms[i].n_factors; k++)
            product = mul_sat(product, clamp(values[d->terms[i].factors[k]->index]));
        sum = add_sat(sum, product);
    }
    return sum;
}

int64_t ir_dim_max(const IrDim *d) {
    int64_t sum = 0;
    for (int i = 0; i < d->n_terms; i++) {
        const IrDimTerm *t = &d->terms[i];
        int64_t product = t->coefficient;
        for (int k = 0; k < t->n_factors; k++)
            product = t->coefficient > 0 ? mul_sat(product, t->factors[k]->max) : 0;
        sum = add_sat(sum, product);
    }
    return sum;
}

int64_t ir_dim_likely(const IrDim *d) {
    int64_t sum = 0;
    for (int i = 0; i < d->n_terms; i++) {
        int64_t product = d->terms[i].coefficient;
        for (int k = 0; k < d->terms[i].n_factors; k++) {
            const IrDimVar *v = d->terms[i].factors[k];
            product = mul_sat(product, v->likely ? v->likely : v->max);
        }
        sum = add_sat(sum, product);
    }
    return sum;
}

int ir_dim_terms(const IrDim *d, const IrDimTerm **terms) {
    *terms = d->terms;
    return d->n_terms;
}

void ir_dim_print(Buf *b, const IrDim *d) {
    if (d->n_terms == 0)
        buf_puts(b, "0");
    for (int i = 0; i < d->n_terms; i++) {
        const IrDimTerm *t = &d->terms[i];
        int64_t c = t->coefficient;
        if (i > 0)
            buf_puts(b, c < 0 ? " - " : " + ");
        else if (c < 0)
            buf_puts(b, "-");
        c = c < 0 ? -c : c;
        if (c != 1 || t->n_factors == 0)
            buf_printf(b, "%" PRId64 "%s", c, t->n_factors ? " * " : "");
        for (int k = 0; k < t->n_factors; k++)
            buf_printf(b, "%s%s", k ? " * " : "", t->factors[k]->name);
    }
}
