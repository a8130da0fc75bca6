// envs/env_task.c -- tasks: drawn, checked, and read from text.
#include <assert.h>
#include <locale.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"
#include "envs/env_random.h"

enum { NAME_MAX_LEN = 31 }; // of a name that is compared, and of a number

void env_usual_task(const EnvFamily *f, double *params) {
    for (int k = 0; k < f->task_dim; k++)
        params[k] = f->task[k].usual;
}

void env_draw_task(const EnvFamily *f, EnvSplit split, uint64_t seed, int64_t index,
                   double *params) {
    static const char *const stream[ENV_SPLIT_COUNT] = {"task.train", "task.test"};
    assert(index >= 0);

    // EACH_OF: the digits of `index`, the last parameter fastest
    int64_t digits = index;
    uint64_t key = env_random_key(seed, stream[split], index, 0);

    for (int k = f->task_dim - 1; k >= 0; k--) {
        const EnvDraw *d = &f->task[k].draw[split];
        switch (d->kind) {
        case ENV_UNIFORM:
            params[k] = d->low + (d->high - d->low) * env_random_uniform(key, (uint64_t)k);
            break;
        case ENV_ONE_OF:
            params[k] = d->values[env_random_below(key, (uint64_t)k, d->n_values)];
            break;
        case ENV_EACH_OF:
            params[k] = d->values[digits % d->n_values];
            digits /= d->n_values;
            break;
        }
    }
}

// What may be given: the parameters of a family's tasks, or its variants.
typedef struct Item {
    const char *name, *unit;
    double least, most;
} Item;

enum { ITEMS_MAX = ENV_TASK_MAX > ENV_VARIANT_MAX ? (int)ENV_TASK_MAX : (int)ENV_VARIANT_MAX };

typedef struct List {
    const char *family, *what;
    int n;
    Item items[ITEMS_MAX];
} List;

static List list_params(const EnvFamily *f) {
    List l = {.family = f->name, .what = "task parameter", .n = f->task_dim};

    for (int k = 0; k < l.n; k++) {
        const EnvParam *p = &f->task[k];
        l.items[k] = (Item){p->name, p->unit, p->least, p->most};
    }
    return l;
}

static List list_variants(const EnvFamily *f) {
    List l = {.family = f->name, .what = "variant", .n = env_variants(f)};

    for (int k = 0; k < l.n; k++) {
        const EnvVariant *v = &f->variant[k];
        l.items[k] = (Item){v->name, "", v->least, v->most};
    }
    return l;
}

int env_variants(const EnvFamily *f) {
    int n = 0;

    while (n < ENV_VARIANT_MAX && f->variant[n].name)
        n++;
    return n;
}

void env_usual_variant(const EnvFamily *f, double *values) {
    for (int k = 0; k < ENV_VARIANT_MAX; k++)
        values[k] = f->variant[k].usual;
}

static bool value_is_allowed(const List *l, int k, double v, char *why, int why_size) {
    const Item *p = &l->items[k];

    if (v >= p->least && v <= p->most)
        return true;
    snprintf(why, (size_t)why_size, "%s: %s is %g, and must lie between %g and %g%s%s", l->family,
             p->name, v, p->least, p->most, *p->unit ? " " : "", p->unit);
    return false;
}

bool env_check_task(const EnvFamily *f, const double *params, char *why, int why_size) {
    List l = list_params(f);

    for (int k = 0; k < l.n; k++)
        if (!value_is_allowed(&l, k, params[k], why, why_size))
            return false;
    return true;
}

// A part of a text that is not terminated.
typedef struct Span {
    const char *at;
    size_t len;
} Span;

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static Span trim(Span s) {
    while (s.len > 0 && is_space(s.at[0]))
        s.at++, s.len--;
    while (s.len > 0 && is_space(s.at[s.len - 1]))
        s.len--;
    return s;
}

// Takes what stands before the first `mark` off the front of `rest`; all of it where there is none.
static Span take_until(Span *rest, char mark, bool *found) {
    const char *end = rest->len ? memchr(rest->at, mark, rest->len) : NULL;
    Span s = {rest->at, end ? (size_t)(end - rest->at) : rest->len};

    *found = end != NULL;
    rest->at += s.len + *found;
    rest->len -= s.len + *found;
    return trim(s);
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

// How many letters must be put in, left out or changed to make `b` of `a` (Levenshtein).
static int edit_distance(Span a, const char *b) {
    int n = (int)strlen(b);
    int row[NAME_MAX_LEN + 1];
    assert(n <= NAME_MAX_LEN);

    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 0; i < (int)a.len; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 0; j < n; j++) {
            int change = diagonal + (a.at[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = smaller(change, smaller(row[j], row[j + 1]) + 1);
        }
    }
    return row[n];
}

static int find_item(const List *l, Span name) {
    for (int k = 0; k < l->n; k++)
        if (strlen(l->items[k].name) == name.len && !memcmp(l->items[k].name, name.at, name.len))
            return k;
    return -1;
}

// Says that `name` is none of the list, and names the nearest, or all where none is near.
static void explain_unknown(const List *l, Span name, char *why, int why_size) {
    int shown = (int)(name.len < NAME_MAX_LEN ? name.len : NAME_MAX_LEN);
    int best = shown < (int)name.len ? 0 : 2 + shown / 4; // distances below this are near
    const char *nearest = NULL;

    for (int k = 0; k < l->n && best > 0; k++) {
        int distance = edit_distance(name, l->items[k].name);
        if (distance < best)
            best = distance, nearest = l->items[k].name;
    }

    int n = snprintf(why, (size_t)why_size, "%s has no %s '%.*s'; ", l->family, l->what, shown,
                     name.at);
    if (nearest && n < why_size)
        n += snprintf(why + n, (size_t)(why_size - n), "did you mean '%s'?", nearest);
    for (int k = 0; !nearest && k < l->n && n < why_size; k++)
        n += snprintf(why + n, (size_t)(why_size - n), "%s%s", k ? ", " : "it has ",
                      l->items[k].name);
}

// Reads a decimal number, whatever the locale. Hexadecimal is not one; `inf` and `nan` are, and
// are refused by the bounds.
static bool read_number(Span s, double *value) {
    char text[NAME_MAX_LEN + 1];
    if (s.len == 0 || s.len >= sizeof text || memchr(s.at, 'x', s.len) || memchr(s.at, 'X', s.len))
        return false;
    memcpy(text, s.at, s.len);
    text[s.len] = '\0';

    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return false;
    char *end;
    *value = strtod_l(text, &end, c);
    freelocale(c);
    return *end == '\0';
}

// Reads one `name=value` into `values`; `given` has a bit for each item that was given.
static bool parse_item(const List *l, Span item, double *values, unsigned *given, char *why,
                       int why_size) {
    Span whole = item;
    bool has_value;
    Span name = take_until(&item, '=', &has_value);
    Span number = trim(item);

    if (!has_value || name.len == 0) {
        snprintf(why, (size_t)why_size, "%s: expected name=value, found '%.*s'", l->family,
                 (int)(whole.len < 80 ? whole.len : 80), whole.at);
        return false;
    }

    int k = find_item(l, name);
    if (k < 0) {
        explain_unknown(l, name, why, why_size);
        return false;
    }
    if (*given & 1u << k) {
        snprintf(why, (size_t)why_size, "%s: %s is given twice", l->family, l->items[k].name);
        return false;
    }
    if (!read_number(number, &values[k])) {
        snprintf(why, (size_t)why_size, "%s: %s is '%.*s', which is not a number", l->family,
                 l->items[k].name, (int)(number.len < 80 ? number.len : 80), number.at);
        return false;
    }
    *given |= 1u << k;
    return value_is_allowed(l, k, values[k], why, why_size);
}

// Reads `text` over `values`, and leaves these as they are on false.
static bool parse_list(const List *l, const char *text, double *values, char *why, int why_size) {
    double read[ITEMS_MAX];
    unsigned given = 0;
    Span rest = trim((Span){text, strlen(text)});
    bool more = rest.len > 0;

    memcpy(read, values, (size_t)l->n * sizeof *read);
    while (more) {
        Span item = take_until(&rest, ',', &more);
        if (!parse_item(l, item, read, &given, why, why_size))
            return false;
    }
    memcpy(values, read, (size_t)l->n * sizeof *values);
    return true;
}

bool env_parse_task(const EnvFamily *f, const char *text, double *params, char *why, int why_size) {
    double read[ENV_TASK_MAX];
    List l = list_params(f);

    env_usual_task(f, read);
    if (!parse_list(&l, text, read, why, why_size))
        return false;
    memcpy(params, read, (size_t)l.n * sizeof *params);
    return true;
}

bool env_parse_variant(const EnvFamily *f, const char *text, double *values, char *why,
                       int why_size) {
    double read[ENV_VARIANT_MAX];
    List l = list_variants(f);

    env_usual_variant(f, read);
    if (!parse_list(&l, text, read, why, why_size))
        return false;
    memcpy(values, read, sizeof read);
    return true;
}
