// tests/check_tasks.c -- tasks as graphs (models/tasks/) against the families in C: rewards and
// ends of many real transitions, and the next state from an exact prediction.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "envs/env.h"
#include "envs/env_random.h"
#include "runtime/exec/call.h"
#include "runtime/exec/roots.h"

enum { ROWS = 1000, TRANSITIONS = 10000 };

static bool never(const double *o2) {
    (void)o2;
    return false;
}

static bool near_the_line(const double *o2) {
    return fabs(-o2[0] - (o2[0] * o2[2] - o2[1] * o2[3]) - 1) < 1e-5;
}

static bool near_a_height(const double *o2) {
    return fabs(o2[0] - 1) < 1e-5 || fabs(o2[0] - 2) < 1e-5;
}

static const struct {
    const char *family, *graph;
    // whether a transition to `o2` stands so near to where a reward jumps that rounding decides
    bool (*edge)(const double *o2);
} tasks[] = {
    {"cartpole", "tasks/cartpole", never},
    {"cartpole", "tasks/cartpole_raw", never},
    {"acrobot", "tasks/acrobot", near_the_line},
    {"acrobot", "tasks/acrobot_raw", near_the_line},
    {"half_cheetah", "tasks/half_cheetah", never},
    {"slim_humanoid", "tasks/slim_humanoid", near_a_height},
};
enum { N_TASKS = sizeof tasks / sizeof *tasks };

// The graph of one task, compiled.
typedef struct Graph {
    Arena arena;
    Diag diag;
    RtProgram *program;
    RtState *state;
    RtCall *call;
    char why[512];
} Graph;

static void open_graph(Graph *g, Backend *backend, const char *task, const char *function) {
    LangPair binds[] = {{"", "tests/models/task_check.yaml"}, {"task", task}};
    LangOptions o = {.real = IR_F32, .binds = binds, .n_binds = 2};
    LangRequest request = {.instance = "", .name = function};
    RtProgramDef def = {.backend = backend, .options.compile_threads = 1};

    *g = (Graph){0};
    o.n_roots = rt_model_roots(&o.roots);
    LangWorld *world = lang_open(&g->arena, &g->diag, &o);
    ck_assert(world && !g->diag.n_errors);
    g->program = rt_program_new(&g->arena, world, &g->diag, &request, &def, g->why, sizeof g->why);
    ck_assert_msg(g->program != NULL, "%s", g->why);
    g->state = rt_initial_state(&g->arena, world, &g->diag, 1, g->why, sizeof g->why);
    g->call = rt_call_new(g->program, g->state, NULL);
    rt_call_set_dim(g->call, "B", ROWS);
}

static void close_graph(Graph *g) {
    rt_call_free(g->call);
    rt_state_free(g->state);
    rt_program_free(g->program);
    diag_free(&g->diag);
    arena_free(&g->arena);
}

static void get(const Graph *g, const char *name, double *v, int64_t n) {
    rt_call_get(g->call, rt_call_find_output(g->call, name), v, n);
}

// An action as the graph has it: a one-hot row where it is a choice.
static void put_action(const EnvFamily *f, const double *action, double *row) {
    if (!f->discrete) {
        memcpy(row, action, (size_t)f->action_dim * sizeof *row);
        return;
    }
    for (int k = 0; k < f->n_actions; k++)
        row[k] = k == (int)action[0];
}

static int width_of(const EnvFamily *f) {
    return f->discrete ? f->n_actions : f->action_dim;
}

// Restarts rows that have ended, in tasks and states of their own.
static void restart(EnvBatch *b, int round) {
    double task[ENV_TASK_MAX];
    char why[256] = "";

    for (int i = 0; i < b->n; i++) {
        if (b->running[i])
            continue;
        env_draw_task(b->family, ENV_TRAIN, 2, i, task);
        ck_assert_msg(env_batch_reset(b, i, task, env_random_key(2, "reset", i, round), why, 256),
                      "%s", why);
    }
}

// Acrobot seldom comes near its goal by chance: half of the rows push with the swing.
static void choose(const EnvBatch *b, int i, int t, double *action) {
    const double *o = b->observation + i * b->family->obs_dim;

    env_random_action(b->family, env_random_key(2, "action", i, 0), t, action);
    if (b->family->discrete && i % 2)
        action[0] = o[b->family->obs_dim - 1] > 0 ? b->family->n_actions - 1 : 0;
}

static void check_round(Graph *g, EnvBatch *b, int t, int task, int64_t *ends) {
    const EnvFamily *f = b->family;
    size_t size = (size_t)(b->n * f->obs_dim);
    double *before = calloc(size, sizeof *before);
    double *action = calloc((size_t)(b->n * f->action_dim), sizeof *action);
    double *rows = calloc((size_t)(b->n * width_of(f)), sizeof *rows);
    double reward[ROWS], done[ROWS], miss, largest;
    char why[256] = "";

    memcpy(before, b->observation, size * sizeof *before);
    for (int i = 0; i < b->n; i++) {
        choose(b, i, t, action + i * f->action_dim);
        put_action(f, action + i * f->action_dim, rows + i * width_of(f));
    }
    ck_assert_msg(env_batch_step(b, action, why, 256), "%s", why);
    rt_call_put(g->call, rt_call_find_input(g->call, "o"), before, (int64_t)size);
    rt_call_put(g->call, rt_call_find_input(g->call, "a"), rows, b->n * width_of(f));
    rt_call_put(g->call, rt_call_find_input(g->call, "o2"), b->observation, (int64_t)size);
    rt_call_run(g->call, 0, 0);
    get(g, "reward", reward, ROWS);
    get(g, "done", done, ROWS);
    get(g, "miss", &miss, 1);
    get(g, "size", &largest, 1);
    for (int i = 0; i < b->n; i++) {
        double r = b->reward[i];
        if (tasks[task].edge(b->observation + i * f->obs_dim))
            continue;
        ck_assert_msg(fabs(reward[i] - r) <= 1e-5 * fmax(1, fabs(r)),
                      "row %d, step %d: reward %.9g, in C %.9g", i, t, reward[i], r);
        ck_assert((done[i] != 0) == b->terminated[i]);
        *ends += b->terminated[i];
    }
    // f32: a few units of the last digit of what is large
    ck_assert_msg(miss <= 1e-5 * fmax(1, largest), "misses the next state by %g", miss);
    ck_assert(isfinite(largest));
    free(before);
    free(action);
    free(rows);
}

START_TEST(graphs_agree_with_real_transitions) {
    Graph g;
    EnvBatch b;
    char why[256] = "";
    int64_t ends = 0;
    int task = _i / 2;

    if (!env_batch_open(&b, env_find(tasks[task].family), ROWS, 1, why, 256)) {
        printf("skipped: %s\n", why);
        return;
    }
    open_graph(&g, _i % 2 ? &llvm_backend : &ref_backend, tasks[task].graph, "transition");
    for (int t = 0; t < TRANSITIONS / ROWS; t++) {
        // at times of an episode that differ from row to row
        restart(&b, t);
        for (int k = 0; t == 0 && b.family->discrete && k < 85; k++) {
            double action[ROWS];
            for (int i = 0; i < ROWS; i++)
                choose(&b, i, 1000 + k, action + i);
            ck_assert(env_batch_step(&b, action, why, 256));
            restart(&b, 100 + k);
        }
        check_round(&g, &b, t, task, &ends);
    }
    ck_assert_int_eq(b.n_failed, 0);
    ck_assert(!b.family->discrete || ends > 0);
    env_batch_close(&b);
    close_graph(&g);
}
END_TEST

// Means and deviations of initial states in C and in the graph.
START_TEST(initial_states_are_distributed_alike) {
    EnvBatch b;
    Graph g;
    char why[256] = "";

    if (!env_batch_open(&b, env_find(tasks[_i].family), ROWS, 1, why, 256)) {
        printf("skipped: %s\n", why);
        return;
    }
    restart(&b, 0);
    open_graph(&g, &ref_backend, tasks[_i].graph, "start");
    rt_call_run(g.call, 0, 0);
    int n = b.family->obs_dim;
    if (rt_call_output_count(g.call, rt_call_find_output(g.call, "s")) != ROWS * n) {
        env_batch_close(&b); // the state has another layout
        close_graph(&g);
        return;
    }
    double *s = calloc((size_t)(ROWS * n), sizeof *s);
    get(&g, "s", s, ROWS * n);
    for (int k = 0; k < n; k++) {
        double mean[2] = {0}, square[2] = {0};
        for (int i = 0; i < ROWS; i++) {
            const double x[2] = {s[i * n + k], b.observation[i * n + k]};
            for (int j = 0; j < 2; j++) {
                mean[j] += x[j] / ROWS;
                square[j] += x[j] * x[j] / ROWS;
            }
        }
        double sd[2];
        for (int j = 0; j < 2; j++)
            sd[j] = sqrt(fmax(0, square[j] - mean[j] * mean[j]));
        ck_assert_double_eq_tol(mean[0], mean[1], 0.25 * sd[1] + 1e-6);
        ck_assert_double_eq_tol(sd[0], sd[1], 0.1 * sd[1] + 1e-6);
    }
    free(s);
    env_batch_close(&b);
    close_graph(&g);
}
END_TEST

static Suite *tasks_suite(void) {
    Suite *s = suite_create("tasks");

    TCase *graphs = tcase_create("graphs");
    tcase_set_timeout(graphs, 240);
    tcase_add_loop_test(graphs, graphs_agree_with_real_transitions, 0, 2 * N_TASKS);
    tcase_add_loop_test(graphs, initial_states_are_distributed_alike, 0, N_TASKS);
    suite_add_tcase(s, graphs);
    return s;
}

int main(void) {
    SRunner *runner = srunner_create(tasks_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
