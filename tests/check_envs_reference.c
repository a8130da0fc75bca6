// tests/check_envs_reference.c -- families of tasks against data of other programs: Gymnasium's
// Acrobot, and the stock Half-Cheetah and Humanoid of Gymnasium under MuJoCo's own Python.
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"
#include "envs/env_random.h"
#include "runtime/record/safetensors.h"

enum { WHY = 256 };

static char why[WHY];

static RtTensorFile open_data(const char *name) {
    RtTensorFile file;
    char path[128];

    snprintf(path, sizeof path, "tests/data/%s.safetensors", name);
    ck_assert_msg(rt_safetensors_read(&file, path, why, WHY), "%s", why);
    return file;
}

static const RtTensor *find(const RtTensorFile *file, const char *name) {
    const RtTensor *t = rt_safetensors_find(file, name);
    ck_assert_msg(t != NULL, "no array %s", name);
    return t;
}

static const double *doubles_of(const RtTensorFile *file, const char *name) {
    const RtTensor *t = find(file, name);
    ck_assert_int_eq(t->dtype, RT_F64);
    return t->data;
}

static EnvBatch open_batch(const char *name, int n) {
    EnvBatch b;
    ck_assert_msg(env_batch_open(&b, env_find(name), n, 1, why, WHY), "%s", why);
    return b;
}

static void reset_to(EnvBatch *b, int row, const double *task, const double *state) {
    ck_assert_msg(env_batch_reset_to(b, row, task, state, why, WHY), "%s", why);
}

static void step(EnvBatch *b, const double *action) {
    ck_assert_msg(env_batch_step(b, action, why, WHY), "%s", why);
}

// ---- Acrobot ------------------------------------------------------------------------------------

START_TEST(acrobot_agrees_with_gymnasium) {
    enum { EPISODES = 6, STEPS = 200 };
    RtTensorFile file = open_data("acrobot");
    const double *mass = doubles_of(&file, "mass"), *state = doubles_of(&file, "state");
    const double *observation = doubles_of(&file, "observation");
    const double *reward = doubles_of(&file, "reward");
    const int32_t *action = find(&file, "action")->data, *length = find(&file, "length")->data;
    EnvBatch b = open_batch("acrobot", 1);
    int n_ended = 0;

    for (int e = 0; e < EPISODES; e++)
        for (int t = 0; t < length[e]; t++) {
            int at = e * (STEPS + 1) + t;
            reset_to(&b, 0, mass + 2 * e, state + 4 * at);
            step(&b, (double[]){action[e * STEPS + t]});
            for (int k = 0; k < 4; k++)
                ck_assert_double_eq_tol(b.state[k], state[4 * (at + 1) + k], 1e-9);
            // Gymnasium's observations are f32
            for (int k = 0; k < 6; k++) {
                double want = observation[6 * (at + 1) + k];
                ck_assert_double_eq_tol(b.observation[k], want, 1e-7 * fmax(1, fabs(want)));
            }
            ck_assert_double_eq(b.reward[0], reward[e * STEPS + t]);
            bool ends = t + 1 == length[e] && length[e] < STEPS;
            ck_assert(b.terminated[0] == ends);
            n_ended += ends;
        }
    ck_assert_int_gt(n_ended, 0);
    env_batch_close(&b);
    rt_safetensors_close(&file);
}
END_TEST

// Mean score of `n` episodes of a policy over tasks drawn for testing.
static double mean_score(const char *name, int n, int64_t n_tasks,
                         void (*act)(const EnvBatch *b, int row, double *action)) {
    EnvBatch b = open_batch(name, n);
    const EnvFamily *f = b.family;
    double *action = calloc((size_t)(n * f->action_dim), sizeof *action);
    double *reward = calloc((size_t)n * (size_t)f->horizon, sizeof *reward), sum = 0;

    for (int i = 0; i < n; i++) {
        double task[ENV_TASK_MAX];
        env_draw_task(f, ENV_TEST, 3, i % n_tasks, task);
        ck_assert(env_batch_reset(&b, i, task, env_random_key(3, "reset", i, 0), why, WHY));
    }
    for (int t = 0; t < f->horizon; t++) {
        for (int i = 0; i < n; i++)
            act(&b, i, action + i * f->action_dim);
        step(&b, action);
        for (int i = 0; i < n; i++)
            reward[i * f->horizon + t] = b.reward[i];
    }
    for (int i = 0; i < n; i++)
        sum += env_score(f, 0, reward + i * f->horizon, f->horizon);
    ck_assert_int_eq(b.n_failed, 0);
    free(action);
    free(reward);
    env_batch_close(&b);
    return sum / n;
}

static void pump(const EnvBatch *b, int row, double *action) {
    action[0] = b->observation[row * 6 + 5] > 0 ? 2 : 0;
}

static void explore(const EnvBatch *b, int row, double *action) {
    env_random_action(b->family, env_random_key(3, "action", row, 0), b->steps[row], action);
}

static void idle(const EnvBatch *b, int row, double *action) {
    (void)row;
    memset(action, 0, (size_t)b->family->action_dim * sizeof *action);
}

START_TEST(acrobot_is_solved_by_pumping_and_not_by_chance) {
    ck_assert_double_eq_tol(mean_score("acrobot", 1000, 1000, pump), -0.466, 0.02);
    ck_assert_double_eq(mean_score("acrobot", 1000, 1000, explore), -1);
}
END_TEST

#ifdef GSSM_MUJOCO
#include <mujoco/mujoco.h>

#include "envs/mjcf.h"

// ---- the models ---------------------------------------------------------------------------------

static mjModel *compile_model(const char *text) {
    char error[512] = "";
    mjVFS vfs;

    mj_defaultVFS(&vfs);
    mj_addBufferVFS(&vfs, "model.xml", text, (int)strlen(text));
    mjModel *m = mj_loadXML("model.xml", &vfs, error, sizeof error);
    mj_deleteVFS(&vfs);
    ck_assert_msg(m != NULL, "%s", error);
    ck_assert_str_eq(error, "");
    return m;
}

enum { NUMBER, INTEGER, FLAG };

// The fields of the reference files: where they are in mjModel, and how long.
typedef struct Field {
    const char *name;
    const void *at;
    int64_t n;
    int kind;
    double tolerance;
} Field;

static double element(const Field *f, int64_t i) {
    if (f->kind == NUMBER)
        return ((const mjtNum *)f->at)[i];
    return f->kind == INTEGER ? ((const int *)f->at)[i] : ((const mjtBool *)f->at)[i];
}

static double file_element(const RtTensor *t, int64_t i) {
    if (t->dtype == RT_F64)
        return ((const double *)t->data)[i];
    return t->dtype == RT_I32 ? ((const int32_t *)t->data)[i] : ((const uint8_t *)t->data)[i];
}

// A quaternion and its negative are one turn.
static double quaternion_sign(const Field *f, const RtTensor *t, int64_t i) {
    double dot = 0;

    if (!strstr(f->name, "quat"))
        return 1;
    for (int64_t k = i - i % 4; k < i - i % 4 + 4; k++)
        dot += element(f, k) * file_element(t, k);
    return dot < 0 ? -1 : 1;
}

static void check_field(const RtTensorFile *file, const Field *f) {
    const RtTensor *t = find(file, f->name);

    ck_assert_msg(rt_tensor_elements(t) == f->n, "%s: %lld elements, the reference has %lld",
                  f->name, (long long)f->n, (long long)rt_tensor_elements(t));
    for (int64_t i = 0; i < f->n; i++) {
        double got = element(f, i) * quaternion_sign(f, t, i), want = file_element(t, i);
        ck_assert_msg(fabs(got - want) <= f->tolerance, "%s[%lld] is %.12g, the reference %.12g",
                      f->name, (long long)i, got, want);
    }
}

static const struct {
    const char *name, *mjcf;
    int first; // component of the state at which qpos begins
} bodies[] = {{"half_cheetah", mjcf_half_cheetah, 1}, {"slim_humanoid", mjcf_slim_humanoid, 0}};
enum { N_BODIES = sizeof bodies / sizeof *bodies };

START_TEST(models_compile_to_the_stock_fields) {
    char name[64];
    snprintf(name, sizeof name, "%s_model", bodies[_i].name);
    RtTensorFile file = open_data(name);
    mjModel *m = compile_model(bodies[_i].mjcf);
    const double opt[] = {m->opt.timestep,   m->opt.gravity[0], m->opt.gravity[1],
                          m->opt.gravity[2], m->opt.integrator, m->opt.solver,
                          m->opt.iterations, m->opt.cone,       m->opt.tolerance,
                          (double)m->nq,     (double)m->nv,     (double)m->nu};
#define N(field, rows, columns) \
    { #field, m->field, (rows) * (columns), NUMBER, 1e-9 }
#define I(field, rows, columns) \
    { #field, m->field, (rows) * (columns), INTEGER, 0 }
    const Field fields[] = {
        {"body_mass", m->body_mass, m->nbody, NUMBER, 1e-6},
        {"opt", opt, 12, NUMBER, 1e-9},
        {"jnt_limited", m->jnt_limited, m->njnt, FLAG, 0},
        N(body_inertia, m->nbody, 3),
        N(body_ipos, m->nbody, 3),
        N(body_iquat, m->nbody, 4),
        N(body_pos, m->nbody, 3),
        N(body_quat, m->nbody, 4),
        I(body_parentid, m->nbody, 1),
        N(dof_damping, m->nv, 1),
        N(dof_armature, m->nv, 1),
        I(jnt_type, m->njnt, 1),
        N(jnt_axis, m->njnt, 3),
        N(jnt_pos, m->njnt, 3),
        N(jnt_range, m->njnt, 2),
        N(jnt_stiffness, m->njnt, 1),
        N(jnt_solref, m->njnt, mjNREF),
        N(jnt_solimp, m->njnt, mjNIMP),
        I(geom_type, m->ngeom, 1),
        N(geom_size, m->ngeom, 3),
        N(geom_pos, m->ngeom, 3),
        N(geom_quat, m->ngeom, 4),
        N(geom_friction, m->ngeom, 3),
        N(geom_solref, m->ngeom, mjNREF),
        N(geom_solimp, m->ngeom, mjNIMP),
        N(geom_margin, m->ngeom, 1),
        I(geom_contype, m->ngeom, 1),
        I(geom_conaffinity, m->ngeom, 1),
        I(geom_condim, m->ngeom, 1),
        I(geom_bodyid, m->ngeom, 1),
        N(actuator_gear, m->nu, 6),
        N(actuator_ctrlrange, m->nu, 2),
        I(actuator_trnid, m->nu, 2),
        N(qpos0, m->nq, 1),
    };
#undef N
#undef I
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        check_field(&file, &fields[i]);
    ck_assert_int_eq(file.n, (int)(sizeof fields / sizeof *fields));
    mj_deleteModel(m);
    rt_safetensors_close(&file);
}
END_TEST

// ---- transitions --------------------------------------------------------------------------------

// One row for each episode. Every transition starts from the recorded state, with the warm start
// that our own step before it left.
START_TEST(transitions_agree_with_the_stock_models) {
    enum { EPISODES = 4, STEPS = 60 };
    const EnvFamily *f = env_find(bodies[_i].name);
    RtTensorFile file = open_data(f->name);
    const double *scale = doubles_of(&file, "scale"), *qpos = doubles_of(&file, "qpos");
    const double *qvel = doubles_of(&file, "qvel"), *action = doubles_of(&file, "action");
    const double *observation = doubles_of(&file, "observation");
    const double *reward = doubles_of(&file, "reward");
    int nq = (int)find(&file, "qpos")->shape[2], nv = (int)find(&file, "qvel")->shape[2];
    int first = bodies[_i].first, nu = f->action_dim;
    EnvBatch b = open_batch(f->name, EPISODES);
    double state[EPISODES][ENV_STATE_MAX] = {0}, now[EPISODES * ENV_STATE_MAX];

    for (int t = 0; t < STEPS; t++) {
        for (int i = 0; i < EPISODES; i++) {
            int at = i * (STEPS + 1) + t;
            memcpy(state[i] + first, qpos + at * nq, (size_t)nq * sizeof(double));
            memcpy(state[i] + first + nq, qvel + at * nv, (size_t)nv * sizeof(double));
            reset_to(&b, i, scale + i * 2, state[i]);
            memcpy(now + i * nu, action + (i * STEPS + t) * nu, (size_t)nu * sizeof(double));
        }
        step(&b, now);
        for (int i = 0; i < EPISODES; i++) {
            int at = i * (STEPS + 1) + t + 1;
            for (int k = 0; k < f->obs_dim; k++)
                ck_assert_msg(fabs(b.observation[i * f->obs_dim + k] -
                                   observation[at * f->obs_dim + k]) <= 1e-6,
                              "episode %d, step %d, observation %d: %.12g, the reference %.12g", i,
                              t, k, b.observation[i * f->obs_dim + k],
                              observation[at * f->obs_dim + k]);
            ck_assert_double_eq_tol(b.reward[i], reward[i * STEPS + t], 1e-9);
            env_batch_get_state(&b, i, state[i]);
        }
    }
    ck_assert_int_eq(b.n_failed, 0);
    env_batch_close(&b);
    rt_safetensors_close(&file);
}
END_TEST

static const struct {
    const char *family;
    void (*act)(const EnvBatch *b, int row, double *action);
    int episodes;
    double mean, tolerance;
} known[] = {
    {"half_cheetah", explore, 200, -262, 40},
    {"half_cheetah", idle, 200, 0, 1},
    {"slim_humanoid", idle, 16, -387, 20},
};
enum { N_KNOWN = sizeof known / sizeof *known };

START_TEST(known_policies_have_their_known_scores) {
    double mean = mean_score(known[_i].family, known[_i].episodes, 16, known[_i].act);
    ck_assert_double_eq_tol(mean, known[_i].mean, known[_i].tolerance);
}
END_TEST

// ---- what must not matter -----------------------------------------------------------------------

enum { ROWS = 9, TIME = 40 };

static void run_threads(const char *name, int threads, double *path) {
    EnvBatch b;
    ck_assert(env_batch_open(&b, env_find(name), ROWS, threads, why, WHY));
    double action[ROWS * ENV_STATE_MAX];

    for (int i = 0; i < ROWS; i++) {
        double task[ENV_TASK_MAX];
        env_draw_task(b.family, ENV_TRAIN, 1, i, task);
        ck_assert(env_batch_reset(&b, i, task, env_random_key(1, "reset", i, 0), why, WHY));
    }
    for (int t = 0; t < TIME; t++) {
        for (int i = 0; i < ROWS; i++)
            explore(&b, i, action + i * b.family->action_dim);
        step(&b, action);
        memcpy(path + t * ROWS * b.family->obs_dim, b.observation,
               (size_t)(ROWS * b.family->obs_dim) * sizeof *path);
    }
    env_batch_close(&b);
}

START_TEST(threads_do_not_change_a_bit) {
    size_t n = (size_t)(ROWS * TIME * env_find(bodies[_i].name)->obs_dim);
    double *one = calloc(n, sizeof *one), *more = calloc(n, sizeof *more);

    run_threads(bodies[_i].name, 1, one);
    for (int threads = 2; threads <= 3; threads++) {
        run_threads(bodies[_i].name, threads, more);
        ck_assert_mem_eq(one, more, n * sizeof *one);
    }
    free(one);
    free(more);
}
END_TEST

// What is observed after five random actions, in a task of mass scale `mass`.
static void fall(const char *name, const char *variant, double mass, double *observation) {
    double action[ENV_STATE_MAX];
    EnvBatch b = open_batch(name, 1);

    ck_assert_msg(env_parse_variant(b.family, variant, b.variant, why, WHY), "%s", why);
    ck_assert(env_batch_reset(&b, 0, (double[]){mass, 1}, 1, why, WHY));
    for (int t = 0; t < 5; t++) {
        explore(&b, 0, action);
        step(&b, action);
    }
    memcpy(observation, b.observation, (size_t)b.family->obs_dim * sizeof *observation);
    env_batch_close(&b);
}

START_TEST(inertia_goes_with_the_mass_where_the_variant_says_so) {
    double usual[ENV_STATE_MAX], consistent[ENV_STATE_MAX];
    size_t size = (size_t)env_find(bodies[_i].name)->obs_dim * sizeof *usual;

    fall(bodies[_i].name, "", 1, usual);
    fall(bodies[_i].name, "inertia=1", 1, consistent);
    ck_assert_mem_eq(usual, consistent, size);
    fall(bodies[_i].name, "", 0.8, usual);
    fall(bodies[_i].name, "inertia=0", 0.8, consistent);
    ck_assert_mem_eq(usual, consistent, size);
    fall(bodies[_i].name, "inertia=1", 0.8, consistent);
    ck_assert_mem_ne(usual, consistent, size);
}
END_TEST

// A state taken out at any step and put into another batch goes on to the same bits.
START_TEST(a_state_carries_all_that_a_simulation_is) {
    double action[ENV_STATE_MAX], state[ENV_STATE_MAX], task[ENV_TASK_MAX];
    EnvBatch b = open_batch(bodies[_i].name, 1), other = open_batch(bodies[_i].name, 3);
    size_t size = (size_t)b.family->obs_dim * sizeof(double);

    env_draw_task(b.family, ENV_TRAIN, 1, 0, task);
    ck_assert(env_batch_reset(&b, 0, task, 4, why, WHY));
    for (int t = 0; t < TIME; t++) {
        double three[3 * ENV_STATE_MAX] = {0};
        env_batch_get_state(&b, 0, state);
        reset_to(&other, 1, task, state);
        explore(&b, 0, action);
        memcpy(three + b.family->action_dim, action, (size_t)b.family->action_dim * sizeof *action);
        step(&b, action);
        step(&other, three);
        ck_assert_mem_eq(b.observation, other.observation + b.family->obs_dim, size);
        ck_assert_double_eq(b.reward[0], other.reward[1]);
    }
    env_batch_close(&b);
    env_batch_close(&other);
}
END_TEST

// A body of almost no mass, or thrown at an absurd speed, does no harm to the one beside it: its
// numbers stay finite, or its episode fails.
START_TEST(a_simulation_that_explodes_ends_alone) {
    double action[2 * ENV_STATE_MAX] = {0}, state[ENV_STATE_MAX];
    EnvBatch b = open_batch(bodies[_i / 2].name, 2), alone = open_batch(bodies[_i / 2].name, 1);
    bool thrown = _i % 2;
    int n = b.family->action_dim;

    ck_assert(env_batch_reset(&b, 0, (double[]){1e-9, 1}, 1, why, WHY));
    ck_assert(env_batch_reset(&b, 1, (double[]){1, 1}, 2, why, WHY));
    ck_assert(env_batch_reset(&alone, 0, (double[]){1, 1}, 2, why, WHY));
    if (thrown) {
        env_batch_get_state(&b, 0, state);
        for (int k = b.family->state_dim / 2; k < b.family->state_dim; k++)
            state[k] = 1e9;
        reset_to(&b, 0, (double[]){1, 1}, state);
    }
    for (int t = 0; t < TIME; t++) {
        for (int i = 0; i < 2 * n; i++)
            action[i] = (i % 2 ? 1 : -1) * b.family->action_high;
        step(&b, action);
        step(&alone, action + n);
        ck_assert_mem_eq(b.observation + b.family->obs_dim, alone.observation,
                         (size_t)b.family->obs_dim * sizeof *action);
        for (int k = 0; k < b.family->obs_dim; k++)
            ck_assert(isfinite(b.observation[k]));
    }
    ck_assert(!b.failed[1] && b.running[1]);
    ck_assert_int_eq(b.n_failed, b.failed[0]);
    ck_assert(b.failed[0] == (b.truncated[0] && !b.running[0]));
    if (thrown) {
        ck_assert(b.failed[0]);
        ck_assert_msg(strstr(b.failure, "row 0, step ") != NULL, "%s", b.failure);
    }
    env_batch_close(&b);
    env_batch_close(&alone);
}
END_TEST
#endif

static Suite *reference_suite(void) {
    Suite *s = suite_create("envs_reference");

    TCase *acrobot = tcase_create("acrobot");
    tcase_add_test(acrobot, acrobot_agrees_with_gymnasium);
    tcase_add_test(acrobot, acrobot_is_solved_by_pumping_and_not_by_chance);
    suite_add_tcase(s, acrobot);

#ifdef GSSM_MUJOCO
    TCase *mujoco = tcase_create("mujoco");
    tcase_set_timeout(mujoco, 240);
    tcase_add_loop_test(mujoco, models_compile_to_the_stock_fields, 0, N_BODIES);
    tcase_add_loop_test(mujoco, transitions_agree_with_the_stock_models, 0, N_BODIES);
    tcase_add_loop_test(mujoco, known_policies_have_their_known_scores, 0, N_KNOWN);
    tcase_add_loop_test(mujoco, threads_do_not_change_a_bit, 0, N_BODIES);
    tcase_add_loop_test(mujoco, inertia_goes_with_the_mass_where_the_variant_says_so, 0, N_BODIES);
    tcase_add_loop_test(mujoco, a_state_carries_all_that_a_simulation_is, 0, N_BODIES);
    tcase_add_loop_test(mujoco, a_simulation_that_explodes_ends_alone, 0, 2 * N_BODIES);
    suite_add_tcase(s, mujoco);
#else
    puts("skipped: families on MuJoCo, since this build has none");
#endif
    return s;
}

int main(void) {
    SRunner *runner = srunner_create(reference_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
