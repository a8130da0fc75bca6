// runtime/train/feed.c -- where the inputs of a stage's program come from.
#include "runtime/train/feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "ir/random.h"
#include "runtime/train/scene.h"

static const char start_name[] = "start"; // the input that takes states to begin from

struct RtFeedInput {
    enum { FROM_CONTEXT, FROM_TARGETS, FROM_START, FROM_BUFFER } from;
    int slot;     // of the program
    int field;    // of transitions, or column of the buffer
    bool by_slot; // it has an axis for the slots
    const IrDimVar *slots_dim, *rows_dim;
    size_t row_bytes;
};

// ---- binding ------------------------------------------------------------------------------------

// The place of a key of the stage, for errors.
static Loc place(const RtStage *s, const char *map, const char *key) {
    Loc loc;
    const Yaml *y = yaml_find(s->map, map);

    yaml_find_loc(y ? y : s->map, key, &loc);
    return loc;
}

static const char *map_of(const RtFeed *f) {
    return f->kind == RT_FEED_BATCH ? "batch" : "contexts";
}

static bool refuse_type(const RtFeed *f, const RtStage *s, RtScene *scene, int slot,
                        const char *what) {
    diag_error(scene->world->diag, s->object_loc, E_shape_mismatch,
               "input '%s' of '%s' should be %s", f->unit->program->fn->inputs[slot].name,
               f->unit->name, what);
    return false;
}

// Takes field `field` of transitions as input `in`: slots, rows and width; where there is one slot,
// rows and width.
static bool bind_field(RtFeed *f, const RtStage *s, RtScene *scene, RtFeedInput *in) {
    const RtFieldRows *field = &scene->experience->fields[in->field];
    const IrType *t = rt_unit_input_type(f->unit, in->slot);
    Arena *a = &scene->world->arena;
    int64_t width = -1;

    in->by_slot = t->rank == 3;
    in->slots_dim = in->by_slot ? rt_unit_input_dim(f->unit, in->slot, 0) : NULL;
    in->rows_dim = rt_unit_input_dim(f->unit, in->slot, in->by_slot);
    in->row_bytes = field->row_bytes;
    if (t->rank < 2 || t->rank > 3 || t->dtype != scene->recipe->real ||
        !ir_dim_is_const(t->dims[t->rank - 1], &width) || width != field->width)
        return refuse_type(f, s, scene, in->slot,
                           arena_printf(a, "%srows and width %" PRId64,
                                        f->kind == RT_FEED_GIVEN ? "" : "tasks, ", field->width));
    if (in->by_slot || f->slots == 1)
        return true;
    const char *key = f->kind == RT_FEED_BATCH ? "tasks" : "count";
    diag_error(scene->world->diag, place(s, map_of(f), key), E_dim_value,
               "%s.%s is %" PRId64 ", but '%s' takes one", map_of(f), key, f->slots, f->unit->name);
    return false;
}

// Takes column `in->field` of the buffer as input `in`.
static bool bind_column(RtFeed *f, const RtStage *s, RtScene *scene, RtFeedInput *in) {
    const RtBuffer *b = f->buffer->buffer;
    const RtBufferColumn *c = &b->columns[in->field];
    const IrType *t = rt_unit_input_type(f->unit, in->slot);
    RtWorld *w = scene->world;
    int64_t width = 1;

    in->rows_dim = rt_unit_input_dim(f->unit, in->slot, 0);
    in->row_bytes = c->row_bytes;
    if (t->dtype != c->dtype) {
        diag_error(w->diag, s->object_loc, E_dtype_mismatch,
                   "input '%s' of '%s' is of %s, and the column that '%s' gives is of %s", c->name,
                   f->unit->name, ir_dtype_name(t->dtype), f->buffer->name,
                   ir_dtype_name(c->dtype));
        return false;
    }
    if (t->rank != c->rank ||
        (t->rank == 2 && (!ir_dim_is_const(t->dims[1], &width) || width != c->width))) {
        const char *want =
            c->rank == 1 ? "rows" : arena_printf(&w->arena, "rows and width %" PRId64, c->width);
        return refuse_type(f, s, scene, in->slot,
                           arena_printf(&w->arena, "%s, as '%s' gives it", want, f->buffer->name));
    }
    return rt_unit_check_axis(
        w, f->unit, in->slot, 0, b->cap, true,
        arena_printf(&w->arena, "the number of rows of '%s'", f->buffer->name),
        yaml_find(s->map, "buffer")->loc);
}

// Whether the input called `name` is the context's or the targets' part of some field.
static bool find_field(const RtFeed *f, const RtExperience *e, const char *name, RtFeedInput *in) {
    size_t len = strlen(name);

    for (int i = 0; i < e->n_fields; i++) {
        size_t field = strlen(e->fields[i].name);
        bool same = strncmp(name, e->fields[i].name, field) == 0;
        bool context = same && len == field + 1 && name[field] == 'c' && f->kind != RT_FEED_GIVEN;
        if (!context && !(same && len == field && f->kind != RT_FEED_CONTEXTS))
            continue;
        in->from = context ? FROM_CONTEXT : FROM_TARGETS;
        in->field = i;
        return f->kind != RT_FEED_NONE;
    }
    return false;
}

// Reports that nothing is given for an input, with what there is.
static void refuse_input(const RtFeed *f, const RtStage *s, RtScene *scene, const char *name) {
    const RtBuffer *b = f->buffer ? f->buffer->buffer : NULL;
    Diag *d = scene->world->diag;

    diag_error(d, s->object_loc, E_recipe,
               "the stage '%s' gives nothing for the input '%s' of '%s'", s->name, name,
               f->unit->name);
    if (strcmp(name, start_name) == 0)
        diag_note(d, s->object_loc, "states of transitions go there: starts: {count: 20}");
    if (!b)
        return;
    const char **names = arena_array(&scene->world->arena, const char *, b->n_columns + 1);
    for (int i = 0; i < b->n_columns; i++)
        names[i] = b->columns[i].name;
    diag_did_you_mean_or(
        d, s->object_loc, name, names, b->n_columns,
        arena_printf(&scene->world->arena, "the columns of '%s'", f->buffer->name));
}

// Whether an input has no elements, whatever its rows: a z of width 0.
static bool is_empty(const RtUnit *u, int slot) {
    const IrType *t = rt_unit_input_type(u, slot);
    int64_t size;

    for (int k = 0; k < t->rank; k++)
        if (ir_dim_is_const(t->dims[k], &size) && size == 0)
            return true;
    return false;
}

// Finds what the input `slot` is filled with.
static bool bind_input(RtFeed *f, const RtStage *s, RtScene *scene, int slot) {
    const char *name = f->unit->program->fn->inputs[slot].name;
    const RtExperience *e = scene->experience;
    RtFeedInput *in = &f->inputs[f->n_inputs];
    int column = f->buffer && f->buffer->buffer ? rt_buffer_find(f->buffer->buffer, name) : -1;

    *in = (RtFeedInput){.slot = slot};
    if (f->starts.count > 0 && strcmp(name, start_name) == 0) {
        in->from = FROM_START;
        in->field = RT_FIELD_S;
    } else if (!find_field(f, e, name, in)) {
        bool told = f->buffer && f->buffer->buffer->n_columns == 0;
        if (column < 0 && !told)
            refuse_input(f, s, scene, name);
        if (column < 0)
            return false;
        in->from = FROM_BUFFER;
        in->field = column;
        f->n_inputs++;
        return bind_column(f, s, scene, in);
    }
    f->n_inputs++;
    return bind_field(f, s, scene, in);
}

// The greatest number of rows that an input takes.
static int64_t most_rows(const RtFeed *f, const RtFeedInput *in) {
    bool uniform = f->context < 0;

    if (in->from == FROM_START)
        return f->starts.count;
    if (f->kind == RT_FEED_CONTEXTS)
        return f->rows;
    if (in->from == FROM_CONTEXT)
        return uniform ? f->rows - 1 : f->context;
    return uniform ? f->rows : f->rows - f->context;
}

// Whether the slots and rows that the stage gives fit the input.
static bool check_input(const RtFeed *f, const RtStage *s, RtWorld *w, const RtFeedInput *in) {
    bool batch = f->kind == RT_FEED_BATCH, start = in->from == FROM_START;
    const char *slots = batch ? "tasks" : "count", *rows = f->windows ? "windows" : "rows";
    const char *what = start                      ? "starts.count"
                       : !batch                   ? "contexts.rows"
                       : in->from == FROM_CONTEXT ? "the context"
                                                  : "the number of targets";
    bool done = true;

    if (in->from == FROM_BUFFER || f->kind == RT_FEED_GIVEN)
        return true;
    if (in->by_slot)
        done = rt_unit_check_axis(w, f->unit, in->slot, 0, f->slots, false,
                                  arena_printf(&w->arena, "%s.%s", map_of(f), slots),
                                  place(s, map_of(f), slots));
    return rt_unit_check_axis(w, f->unit, in->slot, in->by_slot, most_rows(f, in),
                              batch && !start && f->context < 0, what,
                              start ? place(s, "starts", "count") : place(s, map_of(f), rows)) &&
           done;
}

// Whether some input takes what the stage gives of one kind; if not, an error at the key.
static bool check_taken(const RtFeed *f, const RtStage *s, RtScene *scene, int from,
                        const char *key) {
    const Yaml *y = yaml_find(s->map, key);

    for (int i = 0; i < f->n_inputs; i++)
        if ((int)f->inputs[i].from == from)
            return true;
    diag_error(scene->world->diag, y->loc, E_recipe, "'%s' has no input that takes %s",
               f->unit->name, key);
    return false;
}

bool rt_feed_bind(RtFeed *f, const RtStage *s, RtScene *scene, RtUnit *unit) {
    const IrFunction *fn = unit->program->fn;
    Arena *arena = &scene->world->arena;
    int64_t rows = f->rows > f->starts.count ? f->rows : f->starts.count;
    bool done = true;

    f->unit = unit;
    f->n_inputs = 0;
    f->inputs = arena_array(arena, RtFeedInput, fn->body->n_params);
    if (f->buffer && !f->buffer->buffer) {
        diag_error(scene->world->diag, yaml_find(s->map, "buffer")->loc, E_recipe,
                   "the stage '%s' gives no buffer", f->buffer->name);
        return false;
    }
    for (int i = 0; i < fn->body->n_params; i++)
        if (fn->inputs[i].role == IR_ROLE_INPUT && !is_empty(unit, i))
            done = bind_input(f, s, scene, i) && done;
    for (int i = 0; i < f->n_inputs && done; i++)
        done = check_input(f, s, scene->world, &f->inputs[i]) && done;
    if (done && f->buffer)
        done = check_taken(f, s, scene, FROM_BUFFER, "buffer");
    if (done && f->starts.count > 0)
        done = check_taken(f, s, scene, FROM_START, "starts");
    f->tasks = arena_array(arena, int, f->slots);
    f->picked = arena_array(arena, int64_t, rows + 1);
    return done;
}

// ---- running ------------------------------------------------------------------------------------

static void set_dims(const RtFeed *f, const RtFeedInput *in, int64_t rows) {
    if (in->slots_dim)
        rt_call_set_dim(f->unit->call, in->slots_dim->name, f->slots);
    if (in->rows_dim)
        rt_call_set_dim(f->unit->call, in->rows_dim->name, rows);
}

void rt_feed_set_most(const RtFeed *f) {
    for (int i = 0; i < f->n_inputs; i++)
        if (f->inputs[i].from != FROM_BUFFER && f->kind != RT_FEED_GIVEN)
            set_dims(f, &f->inputs[i], most_rows(f, &f->inputs[i]));
}

// Sets the dims of all inputs of a call with so many rows of context and targets in a slot, and
// says whether the inputs have them: a program may be made for a number of rows that a task whose
// episodes ended early does not have.
static bool set_counts(const RtFeed *f, RtScene *scene, int64_t context, int64_t targets) {
    for (int i = 0; i < f->n_inputs; i++) {
        const RtFeedInput *in = &f->inputs[i];
        int64_t rows = in->from == FROM_START     ? f->starts.count
                       : in->from == FROM_CONTEXT ? context
                                                  : targets;
        if (in->from == FROM_BUFFER)
            continue;
        set_dims(f, in, rows);
        int64_t all = f->slots * rows * scene->experience->fields[in->field].width;
        if (rt_call_input_count(f->unit->call, in->slot) == all)
            continue;
        snprintf(scene->why, scene->why_size,
                 "'%s' needs more transitions of each task than the %" PRId64 " there are",
                 f->unit->name, context + targets);
        return false;
    }
    return true;
}

// Copies `n` rows into slot `slot` of the inputs that take `from`.
static void fill(const RtFeed *f, const RtExperience *e, int from, const int64_t *rows, int64_t n,
                 int64_t slot) {
    for (int i = 0; i < f->n_inputs; i++) {
        const RtFeedInput *in = &f->inputs[i];
        if ((int)in->from != from)
            continue;
        char *to = rt_call_input_data(f->unit->call, in->slot);
        rt_experience_gather(e, in->field, rows, n, to + (size_t)(slot * n) * in->row_bytes);
    }
}

// The newest `newest` rows of a task (0: all) with a label; their number in `n`.
static const int64_t *newest_rows(const RtExperience *e, int task, const char *as, int64_t newest,
                                  int64_t *n) {
    const RtRows *rows = rt_experience_rows(e, task, as);

    *n = newest > 0 && newest < rows->n ? newest : rows->n;
    return rows->items + (rows->n - *n);
}

// ---- windows

static void *resize(void *p, size_t bytes) {
    p = realloc(p, bytes ? bytes : 1);
    if (!p)
        arena_out_of_memory(bytes);
    return p;
}

// The windows of an episode whose rows are not older than `oldest`.
static RtSpan span_of(const RtEpisode *e, int64_t oldest, int64_t rows) {
    int64_t first = e->first > oldest ? e->first : oldest;
    int64_t n = e->first + e->n - first - rows + 1;

    return (RtSpan){first, n > 0 ? n : 0};
}

// Finds the windows of all tasks; memory does not change while a stage runs.
static void list_windows(RtFeed *f, const RtExperience *e) {
    if (e->n_tasks > f->cap_tasks) {
        f->cap_tasks = 2 * e->n_tasks;
        f->from = resize(f->from, (size_t)(f->cap_tasks + 1) * sizeof *f->from);
        f->n_windows = resize(f->n_windows, (size_t)f->cap_tasks * sizeof *f->n_windows);
    }
    if (e->n_episodes > f->cap_spans) {
        f->cap_spans = 2 * e->n_episodes;
        f->spans = resize(f->spans, (size_t)f->cap_spans * sizeof *f->spans);
    }
    int64_t n = 0;
    for (int t = 0; t < e->n_tasks; t++) {
        int64_t n_rows;
        const int64_t *rows = newest_rows(e, t, f->as, f->newest, &n_rows);
        f->from[t] = n;
        f->n_windows[t] = 0;
        for (int i = 0; i < e->n_episodes && n_rows > 0; i++) {
            const RtEpisode *episode = &e->episodes[i];
            bool counts = episode->task == t && (!f->as || strcmp(episode->label, f->as) == 0);
            RtSpan span = span_of(episode, rows[0], f->rows);
            if (!counts || span.n == 0)
                continue;
            f->spans[n++] = span;
            f->n_windows[t] += span.n;
        }
    }
    f->from[e->n_tasks] = n;
}

// A window of task `t`, by the choices of `key`, into f->picked.
static void pick_window(RtFeed *f, int t, uint64_t key) {
    int64_t at = rt_pick(key, 0, f->n_windows[t]);

    for (int64_t i = f->from[t]; i < f->from[t + 1]; i++) {
        if (at < f->spans[i].n) {
            for (int64_t k = 0; k < f->rows; k++)
                f->picked[k] = f->spans[i].first + at + k;
            return;
        }
        at -= f->spans[i].n;
    }
}

// ---- calls

int rt_feed_begin(RtFeed *f, RtScene *scene) {
    const RtBuffer *b = f->buffer ? f->buffer->buffer : NULL;

    if (f->windows)
        list_windows(f, scene->experience);
    for (int i = 0; i < f->n_inputs; i++) {
        const RtFeedInput *in = &f->inputs[i];
        if (in->from != FROM_BUFFER)
            continue;
        set_dims(f, in, b->rows);
        memcpy(rt_call_input_data(f->unit->call, in->slot), b->columns[in->field].data,
               (size_t)b->rows * in->row_bytes);
    }
    return EXIT_OK;
}

// The task of place `i` of `n`: `own` in the first ones, as many as `share` says; chance decides
// over a fraction; the others take any task.
static int pick_task(const RtScene *scene, int own, double share, int64_t n, int64_t i,
                     uint64_t key) {
    double left = share * (double)n - (double)i;
    double chance = (double)rt_pick(key, 0, 1 << 30) / (1 << 30);

    return left >= 1 || chance < left ? own : (int)rt_pick(key, 1, scene->experience->n_tasks);
}

// Chooses the tasks of the slots. The current ones take turns, from call to call; beside a buffer,
// whose rows may name their task, slot i is always of current task i.
static bool pick_tasks(RtFeed *f, RtScene *scene, uint64_t key, int64_t call) {
    int n = scene->experience->n_tasks;

    for (int64_t k = 0; k < f->slots; k++) {
        int64_t turn = f->buffer ? k : call * f->slots + k;
        int t = pick_task(scene, scene->task + (int)(turn % scene->n_tasks), f->current, f->slots,
                          k, ir_random_mix(key + (uint64_t)k));
        int tried = 0;

        // where episodes ended early, a task may have no window
        for (; f->windows && f->n_windows[t] == 0 && tried < n; tried++)
            t = (t + 1) % n;
        if (tried == n) {
            snprintf(scene->why, scene->why_size,
                     "no episode has the %" PRId64 " transitions of a window", f->rows);
            return false;
        }
        f->tasks[k] = t;
    }
    return true;
}

// Transitions of each slot: tasks whose episodes ended early may have fewer.
static int64_t count_rows(const RtFeed *f, const RtExperience *e) {
    int64_t rows = f->rows, n;

    for (int64_t k = 0; k < f->slots && !f->windows; k++) {
        newest_rows(e, f->tasks[k], f->as, f->newest, &n);
        rows = n < rows ? n : rows;
    }
    return rows;
}

static uint64_t key_of_slot(uint64_t key, int64_t slot) {
    return ir_random_mix(key ^ ir_random_mix((uint64_t)slot + 1));
}

static void fill_slot(RtFeed *f, RtScene *scene, uint64_t key, int64_t slot, int64_t rows,
                      int64_t context) {
    const RtExperience *e = scene->experience;
    int64_t n;
    const int64_t *of = newest_rows(e, f->tasks[slot], f->as, f->newest, &n), *picked = of;

    if (f->windows)
        pick_window(f, f->tasks[slot], key_of_slot(key, slot));
    else if (f->kind == RT_FEED_BATCH || rows < n)
        rt_pick_rows(&f->picker, &scene->world->arena, key_of_slot(key, slot), of, n, rows,
                     f->picked);
    if (f->windows || f->kind == RT_FEED_BATCH || rows < n)
        picked = f->picked;
    fill(f, e, FROM_CONTEXT, picked, context, slot);
    fill(f, e, FROM_TARGETS, picked + context, rows - context, slot);
}

// Fills slot `slot` of the states to begin from; false where there are none.
static bool fill_starts(RtFeed *f, RtScene *scene, uint64_t key, int64_t slot) {
    const RtExperience *e = scene->experience;
    int64_t n = f->starts.count;

    for (int64_t i = 0; i < n; i++) {
        uint64_t own = ir_random_mix(key_of_slot(~key, slot) + (uint64_t)i);
        int t = pick_task(scene, f->tasks[slot], f->starts.current, n, i, own);
        const RtRows *rows = rt_experience_rows(e, t, f->starts.as);
        if (rows->n == 0) {
            snprintf(scene->why, scene->why_size, "'%s' has no transitions to begin from",
                     f->unit->name);
            return false;
        }
        f->picked[i] = rows->items[rt_pick(own, 2, rows->n)];
    }
    fill(f, e, FROM_START, f->picked, n, slot);
    return true;
}

int rt_feed_fill(RtFeed *f, RtScene *scene, uint64_t key, int64_t call) {
    bool transitions = f->kind == RT_FEED_BATCH || f->kind == RT_FEED_CONTEXTS;

    if (!transitions && f->starts.count == 0)
        return EXIT_OK;
    if (!pick_tasks(f, scene, key, call))
        return EXIT_CHECK;
    int64_t rows = transitions ? count_rows(f, scene->experience) : 0;
    if (f->kind == RT_FEED_BATCH && rows == 0) {
        snprintf(scene->why, scene->why_size, "a task has no transitions%s%s%s for '%s'",
                 f->as ? " labelled '" : "", f->as ? f->as : "", f->as ? "'" : "", f->unit->name);
        return EXIT_CHECK;
    }
    int64_t context = f->kind == RT_FEED_CONTEXTS ? rows : f->context;
    if (f->kind == RT_FEED_BATCH && f->context < 0)
        context = rows > 1 ? 1 + rt_pick(key, 0, rows - 1) : 0;
    context = f->kind == RT_FEED_BATCH && context >= rows ? rows - 1 : context;
    if (!set_counts(f, scene, context, rows - context))
        return EXIT_CHECK;
    for (int64_t k = 0; k < f->slots; k++) {
        if (transitions)
            fill_slot(f, scene, key, k, rows, context);
        if (f->starts.count > 0 && !fill_starts(f, scene, key, k))
            return EXIT_CHECK;
    }
    return EXIT_OK;
}

int rt_feed_give(RtFeed *f, RtScene *scene, const int64_t *rows, int64_t n) {
    for (int i = 0; i < f->n_inputs; i++) {
        const RtFeedInput *in = &f->inputs[i];
        if (in->rows_dim && n > in->rows_dim->max) {
            snprintf(scene->why, scene->why_size,
                     "'%s' takes at most %" PRId64 " transitions, and there are %" PRId64,
                     f->unit->name, in->rows_dim->max, n);
            return EXIT_CHECK;
        }
    }
    if (!set_counts(f, scene, 0, n))
        return EXIT_CHECK;
    fill(f, scene->experience, FROM_TARGETS, rows, n, 0);
    return EXIT_OK;
}

void rt_feed_free(RtFeed *f) {
    free(f->spans);
    free(f->from);
    free(f->n_windows);
    f->spans = NULL;
    f->from = f->n_windows = NULL;
    f->cap_spans = 0;
    f->cap_tasks = 0;
}
