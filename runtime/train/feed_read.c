// runtime/train/feed_read.c -- what a recipe says of the inputs of a stage's program.
#include <inttypes.h>
#include <string.h>

#include "ir/base/errors.h"
#include "runtime/train/feed.h"
#include "runtime/train/scene.h"

enum { MAX_ROWS = 1 << 30, MAX_SLOTS = 1 << 16 };

// ---- reading ------------------------------------------------------------------------------------

static void read_batch(RtFeed *f, RtStage *s, RtReader *r) {
    static const char *const known[] = {"tasks",  "current", "rows", "windows",
                                        "newest", "as",      NULL};
    const Yaml *map = rt_read_map(r, s->map, "batch");

    if (!map)
        return;
    f->kind = RT_FEED_BATCH;
    rt_read_keys(r, map, known, "batch");
    f->windows = yaml_find(map, "windows") != NULL;
    if (!f->windows)
        rt_read_need(r, map, "rows", "batch");
    else if (yaml_find(map, "rows"))
        rt_read_refuse(r, map, "windows", "and rows exclude each other");
    rt_read_int(r, map, "tasks", 1, MAX_SLOTS, &f->slots);
    rt_read_int(r, map, f->windows ? "windows" : "rows", 1, MAX_ROWS, &f->rows);
    rt_read_int(r, map, "newest", f->rows > 0 ? f->rows : 1, MAX_ROWS, &f->newest);
    rt_read_real(r, map, "current", 0, 1, &f->current);
    rt_read_text(r, map, "as", &f->as);
}

static void read_contexts(RtFeed *f, RtStage *s, RtReader *r) {
    static const char *const known[] = {"count", "current", "rows", "as", NULL};
    const Yaml *map = rt_read_map(r, s->map, "contexts");

    if (!map)
        return;
    if (f->kind == RT_FEED_BATCH)
        rt_read_refuse(r, s->map, "contexts", "and batch exclude each other");
    f->kind = RT_FEED_CONTEXTS;
    rt_read_keys(r, map, known, "contexts");
    rt_read_need(r, map, "rows", "contexts");
    rt_read_int(r, map, "count", 1, MAX_SLOTS, &f->slots);
    rt_read_int(r, map, "rows", 0, MAX_ROWS, &f->rows);
    rt_read_real(r, map, "current", 0, 1, &f->current);
    rt_read_text(r, map, "as", &f->as);
}

// `context: {rows: uniform}` or a number of the batch's rows.
static void read_split(RtFeed *f, RtStage *s, RtReader *r) {
    static const char *const known[] = {"rows", NULL};
    const Yaml *map = rt_read_map(r, s->map, "context"), *rows = yaml_find(map, "rows");

    if (!map)
        return;
    rt_read_keys(r, map, known, "context");
    if (f->kind != RT_FEED_BATCH)
        rt_read_refuse(r, s->map, "context", "divides a batch, and there is none");
    else if (rows && rows->kind == YAML_SCALAR && strcmp(rows->text, "uniform") == 0)
        f->context = -1;
    else
        rt_read_int(r, map, "rows", 0, f->rows - 1, &f->context);
}

static void read_starts(RtFeed *f, RtStage *s, RtReader *r) {
    static const char *const known[] = {"count", "current", "as", NULL};
    const Yaml *map = rt_read_map(r, s->map, "starts");

    if (!map)
        return;
    rt_read_keys(r, map, known, "starts");
    rt_read_need(r, map, "count", "starts");
    rt_read_int(r, map, "count", 1, MAX_ROWS, &f->starts.count);
    rt_read_real(r, map, "current", 0, 1, &f->starts.current);
    rt_read_text(r, map, "as", &f->starts.as);
}

void rt_feed_read(RtFeed *f, RtStage *s, RtReader *r) {
    f->slots = 1;
    f->current = f->starts.current = 1;
    read_batch(f, s, r);
    read_contexts(f, s, r);
    read_split(f, s, r);
    read_starts(f, s, r);
    rt_read_text(r, s->map, "buffer", &f->buffer_name);
    if (f->buffer_name && f->kind == RT_FEED_BATCH)
        rt_read_refuse(r, s->map, "buffer", "and batch exclude each other");
}

// ---- checking -----------------------------------------------------------------------------------

// The value at a key of one of the stage's mappings, or NULL.
static const Yaml *value_of(const RtStage *s, const char *map, const char *key) {
    const Yaml *y = yaml_find(s->map, map);

    return y ? yaml_find(y, key) : NULL;
}

static const char *map_of(const RtFeed *f) {
    return f->kind == RT_FEED_BATCH ? "batch" : "contexts";
}

static const char *labelled(const RtRecipe *recipe, const char *as) {
    return as ? arena_printf(&((RtRecipe *)recipe)->arena, " labelled '%s'", as) : "";
}

// A label of one of the stage's mappings: some stage gives it, and a test names one, so that no
// stage learns from the transitions that the model is measured on.
static void check_label(const RtStage *s, RtRecipe *recipe, const char *map, const char *as) {
    const Yaml *y = value_of(s, map, "as");

    if (as && y)
        rt_recipe_need_label(recipe, as, y->loc);
    if (!as && recipe->test.model && rt_recipe_list_of(recipe, s) == &recipe->test.adapt)
        diag_error(&recipe->diag, yaml_find(s->map, map)->loc, E_missing_key,
                   "%s has no 'as': in test.adapt it would use the transitions of test.model", map);
}

// Whether memory has the rows when the stage first runs.
static void check_rows(const RtFeed *f, const RtStage *s, RtRecipe *recipe) {
    const char *key = f->windows ? "windows" : "rows";
    const Yaml *rows = value_of(s, map_of(f), key);
    int64_t n = rt_recipe_rows_before(recipe, s, f->as);

    if (rows && f->rows > n)
        diag_error(&recipe->diag, rows->loc, E_recipe,
                   "%s.%s is %" PRId64 ", but a task has only %" PRId64
                   " transitions%s when '%s' first runs",
                   map_of(f), key, f->rows, n, labelled(recipe, f->as), s->name);
    int64_t longest = rt_recipe_longest(recipe, s, f->as);
    if (rows && f->windows && f->rows <= n && f->rows > longest)
        diag_error(&recipe->diag, rows->loc, E_recipe,
                   "batch.windows is %" PRId64 ", but an episode%s has at most %" PRId64
                   " transitions",
                   f->rows, labelled(recipe, f->as), longest);
}

static void check_starts(const RtFeed *f, const RtStage *s, RtRecipe *recipe) {
    const Yaml *map = yaml_find(s->map, "starts");

    check_label(s, recipe, "starts", f->starts.as);
    if (rt_recipe_rows_before(recipe, s, f->starts.as) == 0)
        diag_error(&recipe->diag, map->loc, E_recipe,
                   "starts has nothing to begin from: a task has no transitions%s when '%s' first "
                   "runs",
                   labelled(recipe, f->starts.as), s->name);
}

// The stage that gives the buffer: one of the same list, before this one.
static void check_buffer(RtFeed *f, const RtStage *s, RtRecipe *recipe) {
    const RtStages *list = rt_recipe_list_of(recipe, s);
    Loc loc = yaml_find(s->map, "buffer")->loc;
    RtStages all = rt_stages_flat(&recipe->arena, list);
    const char **names = arena_array(&recipe->arena, const char *, all.n + 1);
    bool before = true, later = false;
    int n = 0;

    for (int i = 0; i < all.n; i++) {
        RtStage *other = all.items[i];
        before = before && other != s;
        if (before)
            names[n++] = other->name;
        if (strcmp(other->name, f->buffer_name) != 0)
            continue;
        f->buffer = before ? other : NULL;
        later = !before;
    }
    if (f->buffer)
        return;
    if (later) {
        diag_error(&recipe->diag, loc, E_recipe,
                   "'%s' gives its buffer later: a buffer is of a stage before", f->buffer_name);
        return;
    }
    if (rt_recipe_find_stage(recipe, f->buffer_name))
        diag_error(&recipe->diag, loc, E_recipe,
                   "'%s' is a stage of another list, and no buffer outlives its own",
                   f->buffer_name);
    else {
        diag_error(&recipe->diag, loc, E_unknown_stage, "no stage is called '%s'", f->buffer_name);
        diag_did_you_mean(&recipe->diag, loc, f->buffer_name, names, n);
    }
}

void rt_feed_check(RtFeed *f, const RtStage *s, RtRecipe *recipe) {
    if (f->kind == RT_FEED_BATCH || f->kind == RT_FEED_CONTEXTS) {
        check_label(s, recipe, map_of(f), f->as);
        check_rows(f, s, recipe);
    }
    if (f->starts.count > 0)
        check_starts(f, s, recipe);
    if (f->buffer_name)
        check_buffer(f, s, recipe);
}
