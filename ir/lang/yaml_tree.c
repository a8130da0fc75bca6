// ir/lang/yaml_tree.c -- looking into a YAML tree: children, keys, and scalars by the core schema.
#include "ir/lang/yaml.h"

#include <string.h>

#include "ir/base/buf.h"
#include "ir/base/errors.h"
#include "ir/lang/hints.h"

Yaml *yaml_find_loc(const Yaml *map, const char *key, Loc *loc) {
    *loc = map ? map->loc : (Loc){0};
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (int i = 0; i < map->n; i++) {
        if (!strcmp(map->keys[i], key)) {
            *loc = map->key_locs[i];
            return map->items[i];
        }
    }
    return NULL;
}

Yaml *yaml_find(const Yaml *map, const char *key) {
    Loc loc;
    return yaml_find_loc(map, key, &loc);
}

static bool is_plain(const Yaml *y) {
    return y && y->kind == YAML_SCALAR && !y->quoted;
}

bool yaml_as_bool(const Yaml *y, bool *v) {
    static const char *const words[] = {"false", "False", "FALSE", "true", "True", "TRUE"};
    for (int i = 0; is_plain(y) && i < 6; i++) {
        if (!strcmp(y->text, words[i])) {
            *v = i >= 3;
            return true;
        }
    }
    return false;
}

// The value of a digit in any base up to 16, or 16.
static unsigned digit_value(char c) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (unsigned)(at - digits) % 16 : 16;
}

bool yaml_as_int(const Yaml *y, int64_t *v) {
    if (!is_plain(y))
        return false;
    const char *s = y->text;
    bool negative = *s == '-';
    unsigned base = 10;
    if (*s == '-' || *s == '+')
        s++;
    else if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o')) {
        base = s[1] == 'x' ? 16 : 8;
        s += 2;
    }

    // the magnitude of the smallest number is one more than that of the largest
    uint64_t max = (uint64_t)INT64_MAX + negative, value = 0;
    if (!*s)
        return false;
    for (; *s; s++) {
        unsigned digit = digit_value(*s);
        if (digit >= base || value > (max - digit) / base)
            return false;
        value = value * base + digit;
    }
    *v = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool yaml_as_double(const Yaml *y, double *v) {
    if (!is_plain(y))
        return false;
    int64_t i;
    if (buf_parse_double(y->text, strlen(y->text), v))
        return true;
    if (!yaml_as_int(y, &i))
        return false;
    *v = (double)i;
    return true;
}

void yaml_check_keys(const Yaml *map, Diag *d, const char *const *known, int n_known,
                     const char *what) {
    for (int i = 0; map && map->kind == YAML_MAP && i < map->n; i++) {
        bool found = false;
        for (int k = 0; k < n_known; k++)
            found |= !strcmp(map->keys[i], known[k]);
        if (found)
            continue;
        diag_error(d, map->key_locs[i], E_unknown_key, "unknown key '%s' in %s", map->keys[i],
                   what);
        if (!hint_note(d, map->key_locs[i], HINT_KEY, map->keys[i]))
            diag_did_you_mean_or(d, map->key_locs[i], map->keys[i], known, n_known, "its keys");
    }
}

const char *yaml_kind_name(const Yaml *y) {
    if (!y)
        return "nothing";
    switch (y->kind) {
    case YAML_NULL:
        return "nothing";
    case YAML_SCALAR:
        return "text";
    case YAML_LIST:
        return "a list";
    case YAML_MAP:
        return "a mapping";
    }
    diag_bug("YAML node of kind %d", (int)y->kind);
}
