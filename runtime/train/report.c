// runtime/train/report.c -- what a driver tells of its iterations: records, times, progress.
//
// Tags are Stable-Baselines3's where it has one, ours beside them. The recipe says what most of
// them are (`log:`); rollouts and counts are the driver's own.
#include "runtime/train/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// The mean over the episodes that this iteration's stages collected; NAN where there are none.
static double mean_of(const RtTally *t, double sum) {
    return t->episodes ? sum / (double)t->episodes : NAN;
}

static void put_number(RtLog *log, const char *key, double x) {
    if (!isnan(x))
        rt_event_put_double(log, key, x);
}

// Outputs of stages as tags: fit.loss is train/fit/loss.
static void put_outputs(RtDriver *d) {
    Arena scratch = {0};

    for (int i = 0; i < d->vars.map.n; i++) {
        const MapEntry *e = &d->vars.map.entries[i];
        const char *dot = strchr(e->key, '.');
        if (dot)
            put_number(
                &d->events,
                arena_printf(&scratch, "train/%.*s/%s", (int)(dot - e->key), e->key, dot + 1),
                *(const double *)e->value);
    }
    arena_free(&scratch);
}

void rt_driver_record(RtDriver *d) {
    const RtExperience *e = &d->experience;
    const RtTally *t = &d->scene.tally;

    rt_event_begin(&d->events, "iteration");
    rt_event_put_int(&d->events, "iteration", d->iteration);
    rt_event_put_int(&d->events, "task", d->scene.task);
    rt_event_put_int(&d->events, "time/total_timesteps", e->n + e->passed_rows);
    rt_event_put_int(&d->events, "time/episodes", e->n_episodes + e->passed_episodes);
    if (t->failed > 0)
        rt_event_put_int(&d->events, "rollout/failed", t->failed);
    put_number(&d->events, "rollout/ep_rew_mean", mean_of(t, t->sum));
    put_number(&d->events, "rollout/score", mean_of(t, t->score));
    for (int i = 0; i < d->n_tags; i++) {
        d->tags[i].last = rt_formula_value(d->tags[i].value);
        put_number(&d->events, d->tags[i].name, d->tags[i].last);
    }
    put_outputs(d);
    rt_event_end(&d->events);
}

// ---- times --------------------------------------------------------------------------------------

void rt_driver_take_times(RtDriver *d) {
    for (int i = 0; i < d->world->n; i++)
        d->world->units[i]->seconds = 0, d->world->units[i]->calls = 0;
    d->scene.physics_seconds = 0;
    d->commit_seconds = 0;
}

void rt_driver_record_time(RtDriver *d) {
    double all = rt_now() - d->iteration_start, programs = 0;
    int64_t calls = 0;
    Buf b = {0};

    buf_puts(&b, "{");
    for (int i = 0; i < d->world->n; i++) {
        const RtUnit *u = d->world->units[i];
        if (u->calls > 0)
            buf_printf(&b, "%s\"%s\":{\"calls\":%" PRId64 ",\"seconds\":%.6f}",
                       b.len > 1 ? "," : "", u->name, u->calls, u->seconds);
        programs += u->seconds;
        calls += u->calls;
    }
    buf_puts(&b, "}");

    if (d->iteration == d->first_iteration + 1 && d->scene.first_step > 0) {
        rt_event_begin(&d->timing, "first_step");
        rt_event_put_double(&d->timing, "after_seconds", d->scene.first_step - d->process_start);
        rt_event_end(&d->timing);
    }
    rt_event_begin(&d->timing, "iteration");
    rt_event_put_int(&d->timing, "iteration", d->iteration - 1);
    rt_event_put_double(&d->timing, "seconds", all);
    rt_event_put_double(&d->timing, "programs", programs);
    rt_event_put_double(&d->timing, "physics", d->scene.physics_seconds);
    rt_event_put_double(&d->timing, "commit", d->commit_seconds);
    rt_event_put_double(&d->timing, "driver",
                        all - programs - d->scene.physics_seconds - d->commit_seconds);
    rt_event_put_int(&d->timing, "calls", calls);
    rt_event_put_json(&d->timing, "each", b.data);
    rt_event_end(&d->timing);
    buf_free(&b);
}

// ---- progress -----------------------------------------------------------------------------------

enum { N_COLUMNS = 9 };

static double tag(const RtDriver *d, const char *name) {
    for (int i = 0; i < d->n_tags; i++)
        if (strcmp(d->tags[i].name, name) == 0)
            return d->tags[i].last;
    return NAN;
}

static int put_columns(const RtDriver *d, RtColumn *c, const char *stage, int64_t iteration) {
    int64_t done = d->iteration - d->first_iteration, n = 0;
    double spent = rt_now() - d->training_start;
    double left =
        done > 0 ? spent / (double)done * (double)(d->recipe->iterations - d->iteration) : NAN;

    c[n++] = (RtColumn){"task", RT_COLUMN_COUNT, d->scene.task + 1, NULL};
    c[n++] = (RtColumn){"iteration", RT_COLUMN_COUNT, (double)iteration, NULL};
    c[n++] = (RtColumn){"samples", RT_COLUMN_COUNT, (double)(d->experience.n + d->experience.passed_rows), NULL};
    c[n++] = (RtColumn){"mse", RT_COLUMN_REAL, tag(d, "model/mse"), NULL};
    c[n++] = (RtColumn){"imagined", RT_COLUMN_REAL, tag(d, "imagined/return"), NULL};
    c[n++] = (RtColumn){"score", RT_COLUMN_REAL, mean_of(&d->scene.tally, d->scene.tally.score), NULL};
    c[n++] = (RtColumn){"test", RT_COLUMN_REAL, tag(d, "meta_test/score"), NULL};
    c[n++] = (RtColumn){"left", RT_COLUMN_SECONDS, left, NULL};
    if (stage)
        c[n++] = (RtColumn){"stage", RT_COLUMN_TEXT, 0, stage};
    return (int)n;
}

void rt_driver_show(RtDriver *d) {
    RtColumn columns[N_COLUMNS];
    char stage[96];

    if (!d->progress.live)
        return;
    if (d->shown_times > 0)
        snprintf(stage, sizeof stage, "%.60s %d%%", d->shown->name,
                 (int)(100 * d->shown_done / d->shown_times));
    else
        snprintf(stage, sizeof stage, "%.60s", d->shown->name);
    rt_progress_show(&d->progress, columns, put_columns(d, columns, stage, d->iteration + 1));
}

void rt_driver_show_done(RtDriver *d) {
    RtColumn columns[N_COLUMNS];
    const char *stage = d->progress.live ? "done" : NULL;

    rt_progress_finish_row(&d->progress, columns, put_columns(d, columns, stage, d->iteration));
}
