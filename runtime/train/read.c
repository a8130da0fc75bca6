// runtime/train/read.c -- values of a recipe: read, and refused with their place.
#include "runtime/train/read.h"

#include <string.h>

#include "ir/base/errors.h"

void rt_read_refuse(RtReader *r, const Yaml *map, const char *key, const char *format, ...) {
    Loc loc;
    const Yaml *y = yaml_find_loc(map, key, &loc);
    va_list args;

    va_start(args, format);
    diag_error(r->diag, y && y->kind == YAML_SCALAR ? y->loc : loc, E_recipe, "%s %s", key,
               arena_vprintf(r->arena, format, args));
    va_end(args);
}

bool rt_read_need(RtReader *r, const Yaml *map, const char *key, const char *what) {
    if (yaml_find(map, key))
        return true;
    diag_error(r->diag, map ? map->loc : (Loc){0}, E_missing_key, "%s has no '%s'", what, key);
    return false;
}

// What stands at a key, for messages.
static const char *shown(RtReader *r, const Yaml *y) {
    return y->kind == YAML_SCALAR ? arena_printf(r->arena, "'%s'", y->text) : yaml_kind_name(y);
}

void rt_read_int(RtReader *r, const Yaml *map, const char *key, int64_t least, int64_t most,
                 int64_t *v) {
    const Yaml *y = yaml_find(map, key);
    int64_t x;

    if (!y)
        return;
    if (yaml_as_int(y, &x) && x >= least && x <= most)
        *v = x;
    else if (most == INT64_MAX)
        rt_read_refuse(r, map, key, "is %s, and should be a whole number from %lld on", shown(r, y),
                       (long long)least);
    else
        rt_read_refuse(r, map, key, "is %s, and should be a whole number from %lld to %lld",
                       shown(r, y), (long long)least, (long long)most);
}

void rt_read_real(RtReader *r, const Yaml *map, const char *key, double least, double most,
                  double *v) {
    const Yaml *y = yaml_find(map, key);
    double x;

    if (!y)
        return;
    if (yaml_as_double(y, &x) && x >= least && x <= most)
        *v = x;
    else if (least > -1e300)
        rt_read_refuse(r, map, key, "is %s, and should be a number from %g to %g", shown(r, y),
                       least, most);
    else
        rt_read_refuse(r, map, key, "is %s, and should be a number", shown(r, y));
}

void rt_read_text(RtReader *r, const Yaml *map, const char *key, const char **v) {
    const Yaml *y = yaml_find(map, key);

    if (!y)
        return;
    if (y->kind == YAML_SCALAR && *y->text)
        *v = y->text;
    else
        rt_read_refuse(r, map, key, "is %s, and should be text", shown(r, y));
}

void rt_read_word(RtReader *r, const Yaml *map, const char *key, const char *const *words,
                  const char **v) {
    const char *text = NULL;
    Buf list = {0};
    int n = 0;

    rt_read_text(r, map, key, &text);
    if (!text)
        return;
    for (; words[n]; n++) {
        if (strcmp(words[n], text) == 0) {
            *v = words[n];
            buf_free(&list);
            return;
        }
        buf_printf(&list, "%s%s", n == 0 ? "" : words[n + 1] ? ", " : " or ", words[n]);
    }
    rt_read_refuse(r, map, key, "is '%s', and should be %s", text, buf_text(&list));
    diag_did_you_mean(r->diag, yaml_find(map, key)->loc, text, words, n);
    buf_free(&list);
}

void rt_read_bool(RtReader *r, const Yaml *map, const char *key, bool *v) {
    static const char *const words[] = {"false", "true", NULL};
    const char *word = NULL;

    rt_read_word(r, map, key, words, &word);
    if (word)
        *v = word == words[1];
}

void rt_read_expr(RtReader *r, const Yaml *map, const char *key, const Expr **v) {
    const Yaml *y = yaml_find(map, key);

    if (!y)
        return;
    if (y->kind == YAML_SCALAR)
        *v = expr_parse(r->arena, r->diag, y);
    else
        rt_read_refuse(r, map, key, "is %s, and should be an expression", shown(r, y));
}

const Yaml *rt_read_map(RtReader *r, const Yaml *map, const char *key) {
    const Yaml *y = yaml_find(map, key);

    if (!y || y->kind == YAML_MAP)
        return y;
    rt_read_refuse(r, map, key, "is %s, and should be a mapping", shown(r, y));
    return NULL;
}

int rt_read_entries(RtReader *r, const Yaml *map, const char *key, bool expressions,
                    RtEntry **entries) {
    const Yaml *y = rt_read_map(r, map, key);
    int n = y ? y->n : 0;

    *entries = arena_array(r->arena, RtEntry, n);
    for (int i = 0; i < n; i++) {
        RtEntry *e = &(*entries)[i];
        *e = (RtEntry){.name = y->keys[i], .loc = y->key_locs[i], .value = y->items[i]};
        if (expressions)
            rt_read_expr(r, y, y->keys[i], &e->expr);
    }
    return n;
}

int rt_read_texts(RtReader *r, const Yaml *map, const char *key, const char ***texts, Loc **locs) {
    const Yaml *y = yaml_find(map, key);
    int n = y && y->kind == YAML_LIST ? y->n : 0;

    *texts = arena_array(r->arena, const char *, n);
    *locs = arena_array(r->arena, Loc, n);
    if (y && y->kind != YAML_LIST)
        rt_read_refuse(r, map, key, "is %s, and should be a list", shown(r, y));
    for (int i = 0; i < n; i++) {
        (*texts)[i] = y->items[i]->kind == YAML_SCALAR ? y->items[i]->text : "";
        (*locs)[i] = y->items[i]->loc;
        if (!*(*texts)[i])
            rt_read_refuse(r, map, key, "holds %s, and should be a list of names",
                           shown(r, y->items[i]));
    }
    return n;
}

void rt_read_keys(RtReader *r, const Yaml *map, const char *const *known, const char *what) {
    int n = 0;

    while (known[n])
        n++;
    yaml_check_keys(map, r->diag, known, n, what);
}
