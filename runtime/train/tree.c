// runtime/train/tree.c -- recipes as trees: merged from layers, every key with its origin.
#include "runtime/train/tree.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "runtime/exec/roots.h"

enum { COMMENT_COLUMN = 60 };

static Yaml *map_new(Arena *a, Loc loc, int cap) {
    Yaml *y = arena_new(a, Yaml);

    *y = (Yaml){.kind = YAML_MAP, .loc = loc};
    y->items = arena_array(a, Yaml *, cap);
    y->keys = arena_array(a, const char *, cap);
    y->key_locs = arena_array(a, Loc, cap);
    return y;
}

static void put(Yaml *map, const char *key, Loc loc, Yaml *value) {
    map->keys[map->n] = key;
    map->key_locs[map->n] = loc;
    map->items[map->n++] = value;
}

static int find(const Yaml *map, const char *key) {
    for (int i = 0; map && map->kind == YAML_MAP && i < map->n; i++)
        if (strcmp(map->keys[i], key) == 0)
            return i;
    return -1;
}

// A `null` or `~` that was written; a value that was forgotten is none.
static bool is_removal(const Yaml *y) {
    return y->kind == YAML_NULL && y->text && *y->text;
}

// With `keep`, nulls of `over` stay.
static Yaml *merge(Arena *a, const Yaml *base, const Yaml *over, bool keep) {
    if (base && base->kind != YAML_MAP)
        base = NULL;
    if (!over || over->kind != YAML_MAP)
        return (Yaml *)(over ? over : base);
    Yaml *y = map_new(a, over->loc, over->n + (base ? base->n : 0));

    // keys of the base in their order, then new ones
    for (int i = 0; base && i < base->n; i++) {
        int k = find(over, base->keys[i]);
        if (k < 0)
            put(y, base->keys[i], base->key_locs[i], base->items[i]);
        else if (keep || !is_removal(over->items[k]))
            put(y, over->keys[k], over->key_locs[k],
                merge(a, base->items[i], over->items[k], keep));
    }
    for (int i = 0; i < over->n; i++)
        if (find(base, over->keys[i]) < 0 && (keep || !is_removal(over->items[i])))
            put(y, over->keys[i], over->key_locs[i], merge(a, NULL, over->items[i], keep));
    return y;
}

Yaml *rt_tree_merge(Arena *a, const Yaml *base, const Yaml *over) {
    return merge(a, base, over, false);
}

Yaml *rt_tree_stack(Arena *a, const Yaml *base, const Yaml *over) {
    return merge(a, base, over, true);
}

static Loc move(Loc loc, const DiagFile *file, int shift) {
    return (Loc){file, loc.line, loc.line == 1 ? loc.col + shift : loc.col};
}

Yaml *rt_tree_move(Arena *a, const Yaml *y, const DiagFile *file, int shift) {
    Yaml *copy = arena_new(a, Yaml);

    *copy = *y;
    copy->loc = move(y->loc, file, shift);
    if (y->n == 0)
        return copy;
    copy->items = arena_array(a, Yaml *, y->n);
    for (int i = 0; i < y->n; i++)
        copy->items[i] = rt_tree_move(a, y->items[i], file, shift);
    if (y->kind == YAML_MAP) {
        copy->key_locs = arena_array(a, Loc, y->n);
        for (int i = 0; i < y->n; i++)
            copy->key_locs[i] = move(y->key_locs[i], file, shift);
    }
    return copy;
}

Yaml *rt_tree_map(Arena *a, const char *key, Loc loc, Yaml *value) {
    Yaml *y = map_new(a, loc, 1);

    put(y, arena_strdup(a, key), loc, value);
    return y;
}

// ---- origins ------------------------------------------------------------------------------------

const char *rt_short_path(Arena *a, const char *path) {
    char here[PATH_MAX];

    if (!getcwd(here, sizeof here))
        return path;
    size_t len = strlen(here);
    if (len > 1 && strncmp(path, here, len) == 0 && path[len] == '/' && path[len + 1])
        return arena_strdup(a, path + len + 1);
    return path;
}

// The path as it is told for origins: below a folder of models, from that folder on.
static const char *origin_path(Arena *a, const char *path) {
    const char *const *roots;
    int n = rt_model_roots(&roots);

    for (int i = 0; i < n; i++) {
        size_t len = strlen(roots[i]);
        const char *name = strrchr(roots[i], '/');
        if (strncmp(path, roots[i], len) == 0 && path[len] == '/')
            return arena_printf(a, "%s%s", name ? name + 1 : roots[i], path + len);
    }
    return rt_short_path(a, path);
}

// The comment at the end of line `line`, as rt_tree_print() puts it; NULL where there is none.
static const char *comment_of_line(Arena *a, const DiagFile *f, int line) {
    const char *s = f->text, *end, *comment = NULL;

    for (int i = 1; i < line && s; i++) {
        s = strchr(s, '\n');
        s = s ? s + 1 : NULL;
    }
    if (!s)
        return NULL;
    end = strchr(s, '\n');
    end = end ? end : s + strlen(s);
    for (const char *p = s; p + 4 < end; p++)
        if (memcmp(p, "  # ", 4) == 0)
            comment = p + 4;
    return comment ? arena_strndup(a, comment, (size_t)(end - comment)) : NULL;
}

const char *rt_tree_origin(Arena *a, const RtOrigins *o, Loc key) {
    static const char resolved[] = "# resolved recipe";

    if (!key.file || strcmp(key.file->path, RT_COMMAND_LINE) == 0)
        return RT_COMMAND_LINE;
    if (strncmp(key.file->text, resolved, sizeof resolved - 1) == 0) {
        const char *comment = comment_of_line(a, key.file, key.line);
        if (comment)
            return comment;
    }
    const char *place = arena_printf(a, "%s:%d", origin_path(a, key.file->path), key.line);
    for (int i = 0; i < o->n; i++)
        if (o->profile_files[i] == key.file)
            return arena_printf(a, "profile %s, %s", o->profile, place);
    return place;
}

// ---- text ---------------------------------------------------------------------------------------

static void put_quoted(Buf *b, const char *s) {
    buf_puts(b, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_puts(b, "\\n");
        else if (c == '\t')
            buf_puts(b, "\\t");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\x%02x", c);
        else
            buf_put(b, s, 1);
    }
    buf_puts(b, "\"");
}

static bool plain_in_flow(const char *s) {
    return !strpbrk(s, ",[]{}");
}

static void put_flow(Buf *b, const Yaml *y) {
    switch (y->kind) {
    case YAML_NULL:
        buf_puts(b, "null");
        return;
    case YAML_SCALAR:
        if (y->quoted || !plain_in_flow(y->text))
            put_quoted(b, y->text);
        else
            buf_puts(b, y->text);
        return;
    case YAML_LIST:
    case YAML_MAP:
        break;
    }
    buf_puts(b, y->kind == YAML_LIST ? "[" : "{");
    for (int i = 0; i < y->n; i++) {
        buf_puts(b, i ? ", " : "");
        if (y->kind == YAML_MAP)
            buf_printf(b, "%s: ", y->keys[i]);
        put_flow(b, y->items[i]);
    }
    buf_puts(b, y->kind == YAML_LIST ? "]" : "}");
}

// Whether a key can stand as it is: words of plain characters, parted by single spaces.
static bool plain_key(const char *s) {
    static const char fit[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./ ";

    return *s && *s != ' ' && s[strlen(s) - 1] != ' ' && strspn(s, fit) == strlen(s);
}

static void put_key(Buf *b, const char *key) {
    if (plain_key(key))
        buf_puts(b, key);
    else
        put_quoted(b, key);
}

static void put_map(Buf *b, const Yaml *map, const RtOrigins *o, int indent) {
    for (int i = 0; i < map->n; i++) {
        const Yaml *y = map->items[i];
        size_t start = b->len;

        buf_printf(b, "%*s", indent, "");
        put_key(b, map->keys[i]);
        buf_puts(b, ":");
        if (y->kind == YAML_MAP && y->n > 0) {
            buf_puts(b, "\n");
            put_map(b, y, o, indent + 2);
            continue;
        }
        buf_puts(b, " ");
        if (y->kind == YAML_SCALAR && !y->quoted)
            buf_puts(b, y->text);
        else
            put_flow(b, y);
        if (o) {
            Arena scratch = {0};
            int pad = COMMENT_COLUMN - (int)(b->len - start);
            buf_printf(b, "%*s# %s", pad > 2 ? pad : 2, "",
                       rt_tree_origin(&scratch, o, map->key_locs[i]));
            arena_free(&scratch);
        }
        buf_puts(b, "\n");
    }
}

void rt_tree_print(Buf *b, const Yaml *map, const RtOrigins *o) {
    put_map(b, map, o, 0);
}
