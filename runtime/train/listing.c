// runtime/train/listing.c -- runs as a person or a program looks at them.
#include "runtime/train/listing.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "ir/base/exits.h"
#include "runtime/record/json.h"
#include "runtime/record/table.h"
#include "runtime/train/job.h"

// ---- runs ---------------------------------------------------------------------------------------

// What a line of the list says of a run.
typedef struct Line {
    const RtRunInfo *info;
    const char *state;
    int64_t iteration, iterations; // -1 where there is no checkpoint
    double score;
} Line;

static int64_t number(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : -1;
}

static double score_of(const char *dir) {
    RtTable table = {0};
    char why[256];
    double score =
        rt_table_read_run(&table, dir, NULL, why, sizeof why) && table.n > 0 ? table.rows[0].score : NAN;

    rt_table_free(&table);
    return score;
}

static Line line_of(const RtRunInfo *info) {
    cJSON *cursor = info->cursor ? cJSON_Parse(info->cursor) : NULL;
    Line l = {.info = info,
              .iteration = number(cursor, "iteration"),
              .iterations = number(cursor, "iterations"),
              .score = score_of(info->dir)};

    if (info->in_use)
        l.state = "running";
    else if (!info->complete)
        l.state = "not begun";
    else if (l.iteration < 0)
        l.state = "no commit";
    else
        l.state = l.iteration >= l.iterations ? "done" : "stopped";
    cJSON_Delete(cursor);
    return l;
}

static void put_line_json(Buf *b, const Line *l) {
    buf_puts(b, "{\"run\": ");
    rt_json_put_string(b, l->info->dir);
    buf_puts(b, ", \"system\": ");
    rt_json_put_string(b, l->info->system);
    buf_puts(b, ", \"env\": ");
    rt_json_put_string(b, l->info->env);
    buf_printf(b, ", \"seed\": %" PRId64 ", \"state\": \"%s\"", l->info->seed, l->state);
    buf_printf(b, ", \"iteration\": %" PRId64 ", \"iterations\": %" PRId64 ", \"score\": ",
               l->iteration, l->iterations);
    rt_json_put_finite(b, l->score);
    buf_puts(b, "}");
}

static void put_line(Buf *b, const Line *l, int width) {
    char progress[48] = "-", score[32] = "-";

    if (l->iteration >= 0)
        snprintf(progress, sizeof progress, "%" PRId64 "/%" PRId64, l->iteration, l->iterations);
    if (!isnan(l->score))
        snprintf(score, sizeof score, "%.4f", l->score);
    buf_printf(b, "%-*s  %-10s  %-12s  %4" PRId64 "  %9s  %8s  %s\n", width, l->info->name,
               l->info->system, l->info->env, l->info->seed, progress, score, l->state);
}

int rt_put_runs(Buf *b, const char *root, bool json, char *why, size_t why_size) {
    Arena a = {0};
    RtRunInfo *runs;
    int n, width = 3, code = rt_run_list(&a, root, &runs, &n, why, why_size);

    if (code != EXIT_OK) {
        arena_free(&a);
        return code;
    }
    for (int i = 0; i < n; i++)
        width = (int)strlen(runs[i].name) > width ? (int)strlen(runs[i].name) : width;
    if (json)
        buf_puts(b, "[");
    else
        buf_printf(b, "%-*s  %-10s  %-12s  %4s  %9s  %8s  %s\n", width, "run", "system", "env",
                   "seed", "progress", "score", "state");
    for (int i = 0; i < n; i++) {
        Line l = line_of(&runs[i]);
        if (json) {
            buf_puts(b, i ? ",\n " : "");
            put_line_json(b, &l);
        } else
            put_line(b, &l, width);
    }
    buf_puts(b, json ? "]\n" : "");
    arena_free(&a);
    return EXIT_OK;
}

// ---- one run ------------------------------------------------------------------------------------

static void put_config_json(Buf *b, Arena *a, const RtRecipe *r, const Yaml *map, const char *path,
                            bool *first) {
    for (int i = 0; i < map->n; i++) {
        const Yaml *y = map->items[i];
        const char *name = arena_printf(a, "%s%s%s", path, *path ? "." : "", map->keys[i]);
        if (y->kind == YAML_MAP && y->n > 0) {
            put_config_json(b, a, r, y, name, first);
            continue;
        }
        Buf text = {0};
        rt_tree_print(&text, rt_tree_map(a, "v", y->loc, (Yaml *)y), NULL);
        text.data[text.len - 1] = '\0';
        buf_puts(b, *first ? "\n  " : ",\n  ");
        rt_json_put_string(b, name);
        buf_puts(b, ": {\"value\": ");
        rt_json_put_string(b, text.data + 3);
        buf_puts(b, ", \"origin\": ");
        rt_json_put_string(b, rt_tree_origin(a, &r->origins, map->key_locs[i]));
        buf_puts(b, "}");
        buf_free(&text);
        *first = false;
    }
}

int rt_put_run(Buf *b, const char *dir, bool json, char *why, size_t why_size) {
    Arena a = {0};
    RtRunInfo info;
    RtRecipe recipe;
    RtTable table = {0};
    RtRun run;
    char none[256];
    int code = rt_run_open(&run, dir, false, why, why_size);

    if (code != EXIT_OK)
        return code;
    rt_run_close(&run);
    const char *config = arena_printf(&a, "%s/config.yaml", dir);
    code = rt_recipe_open(&recipe, &(RtRecipeDef){.name = config});
    if (code != EXIT_OK) {
        diag_print(&recipe.diag, stderr, false);
        snprintf(why, why_size, "the configuration of '%s' cannot be read", dir);
    } else if (!rt_run_info(&info, &a, dir)) {
        snprintf(why, why_size, "'%s' is not named as a run is", dir);
        code = EXIT_BAD_INPUT;
    }
    if (code != EXIT_OK) {
        rt_recipe_free(&recipe);
        arena_free(&a);
        return code;
    }

    Line l = line_of(&info);
    bool tested = rt_table_read_run(&table, dir, NULL, none, sizeof none);
    if (json) {
        bool first = true;
        buf_puts(b, "{\"run\": ");
        put_line_json(b, &l);
        buf_puts(b, ",\n \"config\": {");
        put_config_json(b, &a, &recipe, recipe.root, "", &first);
        buf_puts(b, "},\n \"results\": ");
        rt_table_put_json(b, &table);
        buf_puts(b, "}\n");
    } else {
        rt_recipe_print(b, &recipe);
        buf_printf(b, "\n%s, %" PRId64 " of %" PRId64 " iterations\n", l.state,
                   l.iteration > 0 ? l.iteration : 0, recipe.iterations);
        if (tested) {
            buf_puts(b, "\n");
            rt_table_put_text(b, &table);
        } else
            buf_printf(b, "not tested yet: gssm-run test %s\n", dir);
    }
    rt_table_free(&table);
    rt_recipe_free(&recipe);
    arena_free(&a);
    return EXIT_OK;
}

// ---- plans --------------------------------------------------------------------------------------

// Adds the real episodes and transitions that a list of stages takes in each current task.
static void count_real(const RtRecipe *r, const RtStages *list, int64_t times, int64_t *episodes,
                       int64_t *transitions) {
    for (int i = 0; i < list->n; i++) {
        const RtStage *s = list->items[i];
        const RtCollect *c = s->def;
        if (s->verb == &rt_verb_collect) {
            *episodes += times * c->episodes;
            *transitions += times * c->episodes * (c->steps ? c->steps : r->family->horizon);
        }
        count_real(r, &s->stages, times * s->rounds, episodes, transitions);
    }
}

RtPlan rt_plan_of(const RtRecipe *r) {
    RtPlan p = {.tasks = rt_recipe_tasks(r)};

    count_real(r, &r->every_task, p.tasks, &p.task_episodes, &p.transitions);
    count_real(r, &r->every_iteration, r->iterations * r->at_once, &p.iteration_episodes,
               &p.transitions);
    return p;
}

// Seconds of a call of the stage's program, from a few on a copy of the state.
static double time_job(const RtJob *j) {
    enum { CALLS = 4 };
    double best = INFINITY;

    rt_job_reset(j);
    rt_feed_set_most(&j->feed);
    for (int i = 0; i < CALLS; i++) {
        double start = rt_now();
        rt_unit_run(j->unit, 0, (uint64_t)i);
        double spent = rt_now() - start;
        best = spent < best ? spent : best;
    }
    return best;
}

// Adds the calls of a list of stages; `often` is how many times it runs, at most.
static void put_stages(Buf *b, const RtStages *list, int64_t often, double *flops,
                       double *seconds) {
    for (int i = 0; i < list->n; i++) {
        const RtStage *s = list->items[i];
        put_stages(b, &s->stages, s->rounds * often, flops, seconds);
        if (!s->job)
            continue;
        const RtProgram *p = s->job->unit->program;
        double each = time_job(s->job), all = (double)(s->times * often);
        buf_printf(b, "#   %-12s %10" PRId64 " calls of %-20s %8.3g multiply-adds, %8.1f us each\n",
                   s->name, s->times * often, s->object, p->flops / 2, 1e6 * each);
        *flops += all * p->flops;
        *seconds += all * each;
    }
}

// "# variant of half_cheetah: reset_noise=1, inertia=0"
static void put_variant(Buf *b, const RtRecipe *r) {
    buf_printf(b, "# variant of %s:", r->family->name);
    for (int k = 0; k < env_variants(r->family); k++)
        buf_printf(b, "%s %s=%g", k ? "," : "", r->family->variant[k].name, r->variant[k]);
    buf_puts(b, "\n");
}

void rt_put_plan(Buf *b, RtDriver *d) {
    const RtRecipe *r = d->recipe;
    RtPlan p = rt_plan_of(r);
    RtState *home = d->world->state, *copy = rt_state_clone(home);
    double flops = 0, seconds = 0;

    buf_printf(b, "\n# %" PRId64 " tasks, %" PRId64 " iterations\n", p.tasks, r->iterations);
    buf_printf(b,
               "# real episodes: %" PRId64 " (%" PRId64 " of new tasks, %" PRId64
               " of iterations), %" PRId64 " transitions\n",
               p.task_episodes + p.iteration_episodes, p.task_episodes, p.iteration_episodes,
               p.transitions);
    put_variant(b, r);
    buf_printf(b, "# parameters: %" PRId64 "\n", rt_state_count(home, ""));
    rt_world_bind(d->world, copy);
    put_stages(b, &r->every_task, p.tasks / r->at_once, &flops, &seconds);
    put_stages(b, &r->every_iteration, r->iterations, &flops, &seconds);
    rt_world_bind(d->world, home);
    buf_printf(b, "# multiply-adds: %.3g\n# time expected: %.2f hours (%.0f s)\n", flops / 2,
               seconds / 3600, seconds);
    rt_state_free(copy);
}

// ---- tests --------------------------------------------------------------------------------------

static void put_test_json(Buf *b, const RtRecipe *r, const RtTestResult *t, const char *latent,
                          double seconds) {
    const struct {
        const char *key;
        double value;
    } means[] = {{"score", t->score},
                 {"score_sd_tasks", t->score_sd},
                 {"mse", t->mse},
                 {"mse_sd", t->mse_sd},
                 {"kl", t->kl},
                 {"paper_score", r->paper_score},
                 {"paper_mse", r->paper_mse}};

    buf_printf(b, "{\"tasks\": %d, \"latent\": \"%s\"", t->n, latent);
    for (size_t i = 0; i < sizeof means / sizeof *means; i++) {
        buf_printf(b, ", \"%s\": ", means[i].key);
        rt_json_put_finite(b, means[i].value);
    }
    buf_printf(b, ", \"seconds\": %.3f,\n \"each\": [", seconds);
    for (int i = 0; i < t->n; i++) {
        buf_puts(b, i ? ",\n  {" : "\n  {");
        for (int k = 0; k < r->family->task_dim; k++) {
            buf_printf(b, "\"%s\": ", r->family->task[k].name);
            rt_json_put_double(b, t->params[i * r->family->task_dim + k]);
            buf_puts(b, ", ");
        }
        buf_puts(b, "\"score\": ");
        rt_json_put_finite(b, t->scores[i]);
        buf_puts(b, ", \"mse\": ");
        rt_json_put_finite(b, t->mses[i]);
        buf_puts(b, "}");
    }
    buf_puts(b, "]}\n");
}

void rt_put_test(Buf *b, const RtRecipe *r, const RtTestResult *t, const char *latent,
                 double seconds, bool json) {
    if (json) {
        put_test_json(b, r, t, latent, seconds);
        return;
    }
    buf_puts(b, "task");
    for (int k = 0; k < r->family->task_dim; k++)
        buf_printf(b, "  %8s", r->family->task[k].name);
    buf_printf(b, "  %9s  %9s\n", "score", "mse");
    for (int i = 0; i < t->n; i++) {
        buf_printf(b, "%4d", i);
        for (int k = 0; k < r->family->task_dim; k++)
            buf_printf(b, "  %8.4f", t->params[i * r->family->task_dim + k]);
        buf_printf(b, "  %9.4f  %9.4f\n", t->scores[i], t->mses[i]);
    }
    buf_printf(b, "\nscore  %9.4f  sd across tasks %.4f", t->score, t->score_sd);
    if (!isnan(r->paper_score))
        buf_printf(b, "  (paper %.4f)", r->paper_score);
    if (!isnan(t->mse)) {
        buf_printf(b, "\nmse    %9.4f  sd across tasks %.4f", t->mse, t->mse_sd);
        if (!isnan(r->paper_mse))
            buf_printf(b, "  (paper %.4f)", r->paper_mse);
    }
    if (!isnan(t->kl))
        buf_printf(b, "\nkl     %9.4f", t->kl);
    buf_printf(b, "\n%d tasks, %" PRId64 " real episodes, latent %s, %.2f s\n", t->n, t->episodes,
               latent, seconds);
}
