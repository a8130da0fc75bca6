// runtime/train/measure.c -- the error of a model on a task, by a function of it.
#include "runtime/train/measure.h"

#include <stdio.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/base/exits.h"

// Inputs of the function for one field: context and targets, or -1.
typedef struct RtMeasurePorts {
    int context, targets;
} Ports;

// ---- binding ------------------------------------------------------------------------------------

// Whether axis `axis` of `slot` can be `value`; the windows of a task may be fewer.
static bool check_axis(const RtMeasure *m, RtScene *scene, int slot, int axis, int64_t value,
                       bool changes, const char *what) {
    return rt_unit_check_axis(scene->world, m->unit, slot, axis, value, changes, what,
                              scene->recipe->test.measure_loc);
}

static bool check_windows(const RtMeasure *m, RtScene *scene, const Ports *p, int64_t windows) {
    bool done = true;

    for (int i = 0; i < 2; i++) {
        int slot = i == 0 ? p->context : p->targets;
        done =
            check_axis(m, scene, slot, 0, windows, true, "the number of windows of test.model") &&
            check_axis(m, scene, slot, 1, i == 0 ? m->context : m->rows - m->context, false,
                       i == 0 ? "test.windows.context" : "what test.windows.context leaves") &&
            done;
    }
    return done;
}

// Whether a function that takes windows can have them.
static bool check_recipe(const RtMeasure *m, RtScene *scene, int64_t steps) {
    const RtTest *test = &scene->recipe->test;

    if (m->rows > 0 && m->rows <= steps)
        return true;
    if (m->rows > 0)
        diag_error(scene->world->diag, test->measure_loc, E_recipe,
                   "test.windows.rows is %lld, and an episode of test.model has %lld transitions",
                   (long long)m->rows, (long long)steps);
    else
        diag_error(scene->world->diag, test->measure_loc, E_recipe,
                   "'%s' takes windows of transitions: test should say windows: {rows, context}",
                   m->unit->name);
    return false;
}

static bool bind_field(RtMeasure *m, RtScene *scene, int field, int64_t context, int64_t model,
                       int64_t steps) {
    const char *name = scene->experience->fields[field].name;
    Ports *p = &m->ports[field];

    p->targets = rt_call_find_input(m->unit->call, name);
    p->context = rt_call_find_input(m->unit->call, arena_printf(&scene->world->arena, "%sc", name));
    if (p->targets >= 0 && rt_unit_input_type(m->unit, p->targets)->rank == 3)
        m->windows = true;
    if (m->windows)
        return check_recipe(m, scene, steps) &&
               check_windows(m, scene, p, model / steps * (steps / m->rows));
    bool done = check_axis(m, scene, p->targets, 0, model, false,
                           "the number of transitions of test.model");
    return check_axis(m, scene, p->context, 0, context, false,
                      "the number of transitions of test.context") &&
           done;
}

bool rt_measure_bind(RtMeasure *m, RtScene *scene, int64_t context, int64_t model, int64_t steps) {
    const RtTest *test = &scene->recipe->test;
    bool done = true;

    *m = (RtMeasure){.rows = test->window_rows, .context = test->window_context};
    m->unit = rt_world_ask(scene->world, test->measure, test->measure_loc, LANG_FUNCTION);
    if (!m->unit || !m->unit->program)
        return false;
    m->ports = arena_array(&scene->world->arena, Ports, scene->experience->n_fields);
    for (int i = 0; i < scene->experience->n_fields && done; i++)
        done = bind_field(m, scene, i, context, model, steps);
    m->out_mse = rt_call_find_output(m->unit->call, "mse");
    m->out_kl = rt_call_find_output(m->unit->call, "kl");
    if (m->out_mse < 0) {
        diag_error(scene->world->diag, test->measure_loc, E_recipe, "'%s' gives no output 'mse'",
                   m->unit->name);
        return false;
    }
    return done;
}

// ---- running ------------------------------------------------------------------------------------

// Gives input `slot` the rows of a field, in `windows` windows where it takes them.
static int put_rows(const RtMeasure *m, RtScene *scene, int field, int slot, const RtRows *rows,
                    int64_t windows) {
    const RtExperience *e = scene->experience;
    RtCall *call = m->unit->call;
    const IrDimVar *first = rt_unit_input_dim(m->unit, slot, 0);
    const IrDimVar *second = m->windows ? rt_unit_input_dim(m->unit, slot, 1) : NULL;

    if (slot < 0)
        return EXIT_OK;
    if (first)
        rt_call_set_dim(call, first->name, m->windows ? windows : rows->n);
    if (second)
        rt_call_set_dim(call, second->name, windows > 0 ? rows->n / windows : 0);
    if (rt_call_input_count(call, slot) != rows->n * e->fields[field].width) {
        snprintf(scene->why, scene->why_size, "'%s' does not take the %lld transitions there are",
                 m->unit->name, (long long)rows->n);
        return EXIT_CHECK;
    }
    rt_experience_gather(e, field, rows->items, rows->n, rt_call_input_data(call, slot));
    return EXIT_OK;
}

// The windows that fit into the task's episodes with the label, one after the other.
static int64_t take_windows(const RtMeasure *m, RtScene *scene, const char *label, Arena *a,
                            RtRows *context, RtRows *targets) {
    const RtExperience *e = scene->experience;
    int64_t n = rt_experience_rows(e, scene->task, label)->n, windows = 0;

    context->items = arena_array(a, int64_t, n);
    targets->items = arena_array(a, int64_t, n);
    for (int i = 0; i < e->n_episodes; i++) {
        const RtEpisode *ep = &e->episodes[i];
        if (ep->task != scene->task || strcmp(ep->label, label) != 0)
            continue;
        for (int64_t at = 0; at + m->rows <= ep->n; at += m->rows, windows++)
            for (int64_t k = 0; k < m->rows; k++) {
                RtRows *to = k < m->context ? context : targets;
                to->items[to->n++] = ep->first + at + k;
            }
    }
    return windows;
}

int rt_measure_run(const RtMeasure *m, RtScene *scene, const char *context_label,
                   const char *model_label, uint64_t key, double *mse, double *kl) {
    const RtExperience *e = scene->experience;
    RtRows context = *rt_experience_rows(e, scene->task, context_label);
    RtRows targets = *rt_experience_rows(e, scene->task, model_label);
    Arena scratch = {0};
    int64_t windows = 0;
    int code = EXIT_OK;

    if (m->windows) {
        context = targets = (RtRows){0};
        windows = take_windows(m, scene, model_label, &scratch, &context, &targets);
    }
    rt_unit_reset(m->unit);
    for (int i = 0; i < e->n_fields && code == EXIT_OK; i++) {
        code = put_rows(m, scene, i, m->ports[i].context, &context, windows);
        if (code == EXIT_OK)
            code = put_rows(m, scene, i, m->ports[i].targets, &targets, windows);
    }
    arena_free(&scratch);
    if (code != EXIT_OK)
        return code;
    rt_unit_run(m->unit, key, 0);
    rt_call_get(m->unit->call, m->out_mse, mse, 1);
    if (m->out_kl >= 0)
        rt_call_get(m->unit->call, m->out_kl, kl, 1);
    return EXIT_OK;
}
