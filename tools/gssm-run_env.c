// tools/gssm-run_env.c -- gssm-run env: the families of real tasks.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"
#include "envs/env_random.h"
#include "ir/base/exits.h"
#include "runtime/record/json.h"
#include "runtime/train/world.h"
#include "tools/gssm-run.h"
#include "tools/gssm-run_env.h"
#include "tools/gssm-run_pictures.h"

// ---- ls -----------------------------------------------------------------------------------------

static void put_family_json(Buf *b, const EnvFamily *f) {
    buf_printf(b, "{\"name\": \"%s\", \"doc\": ", f->name);
    rt_json_put_string(b, f->doc);
    buf_printf(b, ", \"observation\": %d, \"action\": %d, \"actions\": %d, \"horizon\": %d",
               f->obs_dim, f->action_dim, f->n_actions, f->horizon);
    buf_puts(b, ", \"task\": [");
    for (int k = 0; k < f->task_dim; k++)
        buf_printf(b, "%s\"%s\"", k ? ", " : "", f->task[k].name);
    buf_puts(b, "], \"variant\": {");
    for (int k = 0; k < env_variants(f); k++)
        buf_printf(b, "%s\"%s\": %g", k ? ", " : "", f->variant[k].name, f->variant[k].usual);
    buf_puts(b, "}}");
}

static void put_family(Buf *b, const EnvFamily *f) {
    buf_printf(b, "%s: %s\n", f->name, f->doc);
    buf_printf(b, "  state of a task's episode   %s\n", f->observation);
    buf_printf(b, "  action                      %s", f->action);
    if (f->discrete)
        buf_printf(b, ", one of %d\n", f->n_actions);
    else
        buf_printf(b, ", %g to %g\n", f->action_low, f->action_high);
    buf_printf(b, "  episode                     %d steps\n", f->horizon);
    for (int k = 0; k < f->task_dim; k++) {
        const EnvParam *p = &f->task[k];
        buf_printf(b, "  task %-10s             %s, %g to %g %s (usual %g)\n", p->name, p->doc,
                   p->least, p->most, p->unit, p->usual);
    }
    for (int k = 0; k < env_variants(f); k++) {
        const EnvVariant *v = &f->variant[k];
        buf_printf(b, "  variant %-12s        %s; %g to %g (usual %g)\n", v->name, v->doc, v->least,
                   v->most, v->usual);
    }
}

static int env_ls(const EnvOptions *o) {
    Buf b = {0};
    bool first = true;

    buf_puts(&b, o->json ? "[" : "");
    for (int i = 0; i < env_count(); i++) {
        const EnvFamily *f = env_get(i);
        if (o->name && strcmp(o->name, f->name) != 0)
            continue;
        if (o->json) {
            buf_puts(&b, first ? "" : ",\n ");
            put_family_json(&b, f);
        } else
            put_family(&b, f);
        first = false;
    }
    buf_puts(&b, o->json ? "]\n" : "");
    put_out(&b);
    return EXIT_OK;
}

// ---- episodes of random actions -----------------------------------------------------------------

bool env_open(EnvBatch *b, const EnvOptions *o, const EnvFamily *f, int rows, int threads, RtPool *pool,
              char *why, int why_size) {
    if (!env_batch_open(b, f, rows, threads, why, why_size))
        return false;
    b->run = pool ? rt_pool_run_on : NULL;
    b->pool = pool;
    if (!o->variant || env_parse_variant(f, o->variant, b->variant, why, why_size))
        return true;
    env_batch_close(b);
    return false;
}

void env_random_actions(const EnvBatch *b, uint64_t seed, int first, int step, double *action) {
    for (int i = 0; i < b->n; i++)
        env_random_action(b->family, env_random_key(seed, "action", first + i, 0), step,
                          action + i * b->family->action_dim);
}

bool env_reset_all(EnvBatch *b, const EnvOptions *o, int first, char *why, int why_size) {
    double task[ENV_TASK_MAX];

    for (int i = 0; i < b->n; i++) {
        env_draw_task(b->family, ENV_TRAIN, (uint64_t)o->seed, first + i, task);
        if (o->task && !env_parse_task(b->family, o->task, task, why, why_size))
            return false;
        if (!env_batch_reset(b, i, task, env_random_key((uint64_t)o->seed, "reset", first + i, 0),
                             why, why_size))
            return false;
    }
    return true;
}

static void put_row(const EnvBatch *b, int step, const double *action) {
    printf("%4d", step);
    for (int k = 0; k < b->family->obs_dim; k++)
        printf("  %10.4f", b->observation[k]);
    for (int k = 0; k < b->family->action_dim; k++)
        action ? printf("  %10.4f", action[k]) : printf("  %10s", "-");
    printf("  %10.6f\n", b->reward[0]);
}

// The episode of row 0, to its end: text on standard output unless a picture is asked for.
static bool run_episode(const EnvOptions *o, EnvBatch *b, double *states, double *rewards, int *n,
                        char *why, int why_size) {
    const EnvFamily *f = b->family;
    double action[ENV_STATE_MAX] = {0};
    bool idle = o->policy && strcmp(o->policy, "zero") == 0, done = true;

    env_batch_get_state(b, 0, states);
    if (!o->output) {
        printf("# %s; %s; reward\n", f->observation, f->action);
        put_row(b, 0, NULL);
    }
    for (*n = 0; done && b->running[0];) {
        if (!idle)
            env_random_actions(b, (uint64_t)o->seed, 0, *n, action);
        else if (f->discrete)
            action[0] = (f->n_actions - 1) / 2;
        done = env_batch_step(b, action, why, why_size);
        rewards[(*n)++] = b->reward[0];
        env_batch_get_state(b, 0, states + (int64_t)*n * f->state_dim);
        if (done && !o->output)
            put_row(b, *n, action);
    }
    return done;
}

static int env_show(const EnvOptions *o, const EnvFamily *f, char *why, int why_size) {
    EnvBatch b;
    double *rewards = calloc((size_t)f->horizon, sizeof *rewards);
    double *states = calloc(((size_t)f->horizon + 1) * (size_t)f->state_dim, sizeof *states);
    int n = 0;

    if (!rewards || !states || !env_open(&b, o, f, 1, 1, NULL, why, why_size)) {
        free(rewards);
        free(states);
        return EXIT_MISSING;
    }
    bool done = env_reset_all(&b, o, 0, why, why_size);
    double start = b.reward[0];
    done = done && run_episode(o, &b, states, rewards, &n, why, why_size);
    int code = done ? EXIT_OK : EXIT_BAD_USAGE;
    if (done && o->output) {
        Episode e = {.f = f, .states = states, .n = n + 1};
        code = pictures_draw(&e, o->output, why, why_size) ? EXIT_OK : EXIT_CANNOT_CREATE;
    }
    double score = env_score(f, start, rewards, n);
    if (code == EXIT_OK && o->output)
        printf("%s: %d steps, score %.6f\n", o->output, n, score);
    else if (code == EXIT_OK)
        printf("# score %.6f\n", score);
    if (b.n_failed > 0)
        fprintf(stderr, "gssm-run env: the physics broke down: %s\n", b.failure);
    env_batch_close(&b);
    free(rewards);
    free(states);
    return code;
}

// ---- the command --------------------------------------------------------------------------------

static int refuse_family(const OptCommand *self, const char *name) {
    const char *names[64], *nearest;
    int n = env_count() < 64 ? env_count() : 64;

    for (int i = 0; i < n; i++)
        names[i] = env_get(i)->name;
    nearest = map_nearest(name, names, n);
    return opt_refuse(self, "no family of tasks is called '%s'%s%s%s", name,
                      nearest ? "; did you mean '" : "", nearest ? nearest : "",
                      nearest ? "'?" : "");
}

// Runs an action on the family that was named, or on all.
static int for_each(const OptCommand *self, const EnvOptions *o,
                    int (*action)(const EnvOptions *o, const EnvFamily *f, char *why,
                                  int why_size)) {
    char why[512] = "";
    int code = EXIT_OK;

    for (int i = 0; i < env_count() && code == EXIT_OK; i++)
        if (!o->name || strcmp(o->name, env_get(i)->name) == 0)
            code = action(o, env_get(i), why, sizeof why);
    if (why[0])
        fprintf(stderr, "gssm-run %s: %s\n", self->name, why);
    return code;
}

int command_env(const OptCommand *self, int argc, char **argv) {
    static const char *const actions[] = {"ls", "bench", "check", "show"};
    EnvOptions o = {.threads = 1};
    const Opt table[] = {
        {"task", 0, OPT_TEXT, &o.task, "NAME=X,...", "a task by hand (drawn)", 0, 0},
        {"variant", 0, OPT_TEXT, &o.variant, "NAME=X,...", "variants of the family (the usual)", 0,
         0},
        {"seed", 0, OPT_INT, &o.seed, "N", "of tasks, starts and actions (0)", 0, INT64_MAX},
        {"rows", 0, OPT_INT, &o.rows, "N",
         "episodes side by side of bench (1000, or 64 on a simulator)", 1, 1000000},
        {"policy", 0, OPT_CHOICE, &o.policy, "random|zero",
         "what acts in the episode of show (random)", 0, 0},
        {"policy-module", 0, OPT_TEXT, &o.module, "FILE",
         "a policy with fresh parameters that acts in bench (random actions)", 0, 0},
        {"output", 'o', OPT_TEXT, &o.output, "FILE.gif|png",
         "draw the episode of show: moving, or a sheet of frames", 0, 0},
        {"data", 0, OPT_TEXT, &o.data, "DIR",
         "reference data of check, NAME.safetensors (tests/data beside the models)", 0, 0},
        {"threads", 0, OPT_INT, &o.threads, "N", "threads of the physics (1)", 1, 1024},
        {"json", 0, OPT_FLAG, &o.json, NULL, "print JSON (ls, bench, check)", 0, 0},
    };
    OptRest rest = {.least = 1, .most = 2};
    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);

    if (code != OPT_GO_ON)
        return code;
    const char *action = rest.items[0], *nearest = map_nearest(action, actions, 4);
    o.name = rest.n > 1 ? rest.items[1] : NULL;
    if (o.name && !env_find(o.name))
        return refuse_family(self, o.name);
    if (o.variant && !o.name)
        return opt_refuse(self, "--variant is of one family: name it");
    double variant[ENV_VARIANT_MAX];
    char why[256];
    if (o.variant &&
        !env_parse_variant(env_find(o.name), o.variant, variant, why, sizeof why))
        return opt_refuse(self, "%s", why);
    if (strcmp(action, "ls") == 0)
        return env_ls(&o);
    if (strcmp(action, "bench") == 0)
        return for_each(self, &o, env_bench);
    if (strcmp(action, "check") == 0)
        return for_each(self, &o, env_check);
    if (strcmp(action, "show") == 0 && o.output && !o.name)
        return opt_refuse(self, "show -o draws one family: name it");
    if (strcmp(action, "show") == 0 && o.output && !pictures_format_known(o.output))
        return opt_refuse(self, "'%s' ends neither in .png nor in .gif", o.output);
    if (strcmp(action, "show") == 0)
        return for_each(self, &o, env_show);
    return opt_refuse(self, "'%s' is none of ls, bench, check and show%s%s%s", action,
                      nearest ? "; did you mean '" : "", nearest ? nearest : "",
                      nearest ? "'?" : "");
}
