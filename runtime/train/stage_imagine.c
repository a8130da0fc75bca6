// runtime/train/stage_imagine.c -- a function gives a buffer of rows.
//
//   imagined: {imagine: objective.imagine_from, contexts: {rows: 50, as: random},
//              starts: {count: 20}, dims: {H: 200}}
//
// Every output with axes is a column of the buffer: its first axis are the rows, of which the
// scalar output `rows` says how many count (all, where there is none). Scalar outputs are numbers
// of formulas. Where there are several current tasks, those of a repeat's rounds take turns.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "ir/random.h"
#include "runtime/train/job.h"
#include "runtime/train/scene.h"

typedef struct Imagine {
    RtJob job;
    bool bound;
    int *slots;   // outputs that are columns of the buffer, in its order
    int out_rows; // the output that counts rows, or -1
} Imagine;

static void imagine_read(RtStage *s, RtReader *r) {
    static const char *const known[] = {"imagine",  "contexts", "starts", "dims",
                                        "settings", "when",     NULL};
    Imagine *m = arena_new(r->arena, Imagine);

    *m = (Imagine){.job = {.kind = LANG_FUNCTION}};
    s->def = m;
    s->job = &m->job;
    s->times = 1;
    rt_read_keys(r, s->map, known, rt_stage_title(r->arena, s));
    rt_job_read(&m->job, s, r);
}

static void imagine_check(RtStage *s, RtRecipe *recipe) {
    rt_job_check(s->job, s, recipe, "objective.imagine_from");
}

static void imagine_ask(RtStage *s, const RtRecipe *recipe, RtWorld *w) {
    (void)recipe;
    rt_job_ask(s->job, s, w);
}

// The rows of output `slot` with the stage's dims.
static int64_t rows_of(const RtUnit *u, int slot) {
    return rt_call_dim(u->call, rt_unit_output_type(u, slot)->dims[0]);
}

// Makes the column of output `slot`; false with an error where it cannot be one.
static bool add_column(RtStage *s, RtScene *scene, int slot) {
    Imagine *m = s->def;
    const RtUnit *u = m->job.unit;
    const IrType *t = rt_unit_output_type(u, slot);
    const char *name = u->program->fn->outputs[slot].name;
    int64_t width = 1;

    if (t->rank > 2 || (t->rank == 2 && !ir_dim_is_const(t->dims[1], &width))) {
        diag_error(scene->world->diag, s->object_loc, E_shape_mismatch,
                   "output '%s' of '%s' should have an axis of rows, and one of a fixed width at "
                   "most",
                   name, u->name);
        return false;
    }
    int64_t rows = rows_of(u, slot);
    if (s->buffer->n_columns > 0 && rows != s->buffer->cap) {
        diag_error(scene->world->diag, s->object_loc, E_shape_mismatch,
                   "output '%s' of '%s' has %" PRId64 " rows, and '%s' has %" PRId64, name, u->name,
                   rows, s->buffer->columns[0].name, s->buffer->cap);
        return false;
    }
    rt_buffer_ensure(s->buffer, rows);
    m->slots[rt_buffer_add(s->buffer, name, t->dtype, t->rank, width)] = slot;
    return true;
}

static bool add_columns(RtStage *s, RtScene *scene) {
    Imagine *m = s->def;
    const IrFunction *f = m->job.unit->program->fn;
    bool done = true;

    rt_job_reset(&m->job);
    rt_feed_set_most(&m->job.feed);
    m->out_rows = rt_call_find_output(m->job.unit->call, "rows");
    m->slots = arena_array(&scene->world->arena, int, f->body->n_results);
    for (int i = 0; i < f->body->n_results; i++)
        if (f->outputs[i].role == IR_ROLE_OUT && rt_unit_output_type(m->job.unit, i)->rank > 0)
            done = add_column(s, scene, i) && done;
    if (m->out_rows >= 0 && rt_unit_output_type(m->job.unit, m->out_rows)->rank > 0)
        m->out_rows = -1;
    if (done && s->buffer->n_columns == 0) {
        diag_error(scene->world->diag, s->object_loc, E_recipe, "'%s' gives no rows",
                   m->job.unit->name);
        return false;
    }
    return done;
}

// Columns are known before a later stage is bound, so inputs and dims are, too.
static void imagine_declare(RtStage *s, RtScene *scene) {
    Imagine *m = s->def;

    s->buffer = rt_buffer_new();
    rt_job_declare(&m->job, s, scene, false);
    m->bound = rt_job_bind_inputs(&m->job, s, scene);
    m->bound = m->bound && add_columns(s, scene);
    if (m->bound)
        return;
    rt_buffer_free(s->buffer); // empty after errors
    s->buffer = rt_buffer_new();
}

static bool imagine_bind(RtStage *s, RtScene *scene) {
    const Imagine *m = s->def;

    return rt_job_bind_settings(s->job, scene) && m->bound;
}

// Takes the rows of the last call.
static int take_rows(RtStage *s, RtScene *scene) {
    const Imagine *m = s->def;
    const RtCall *call = m->job.unit->call;
    RtBuffer *b = s->buffer;
    double n = (double)rows_of(m->job.unit, m->slots[0]);
    double most = n;

    if (m->out_rows >= 0)
        rt_call_get(call, m->out_rows, &n, 1);
    if (!(n >= 0 && n <= most)) {
        snprintf(scene->why, scene->why_size, "'%s' gives %g rows, and has room for %g",
                 m->job.unit->name, n, most);
        return EXIT_CHECK;
    }
    b->rows = (int64_t)n;
    for (int i = 0; i < b->n_columns; i++)
        rt_buffer_copy(b, i, 0, b->rows, rt_call_output_data(call, m->slots[i]));
    return EXIT_OK;
}

static int imagine_run(RtStage *s, RtScene *scene) {
    RtJob *j = s->job;
    uint64_t choices = env_random_key(scene->key, s->name, scene->iteration, 0);
    uint64_t draws = env_random_key(scene->key, s->name, scene->iteration, 1);

    if (rt_stop_asked())
        return EXIT_STOPPED;
    *scene->v_update = 0;
    *scene->v_times = 1;
    int code = rt_job_begin(j, scene);
    if (code == EXIT_OK)
        code = rt_job_call(j, scene, choices, draws, (int64_t)*scene->v_round);
    if (code != EXIT_OK)
        return code;
    rt_job_count(j);
    rt_job_give(j, scene);
    rt_job_end(j);
    return take_rows(s, scene);
}

static void imagine_free(RtStage *s) {
    rt_job_free(s->job);
    rt_buffer_free(s->buffer);
    s->buffer = NULL;
}

const RtVerb rt_verb_imagine = {
    .name = "imagine",
    .read = imagine_read,
    .check = imagine_check,
    .ask = imagine_ask,
    .declare = imagine_declare,
    .bind = imagine_bind,
    .run = imagine_run,
    .free = imagine_free,
};
