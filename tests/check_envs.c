// tests/check_envs.c -- families of tasks, their batches and their random numbers.
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/env.h"
#include "envs/env_random.h"
#include "runtime/exec/pool.h"
#include "runtime/record/safetensors.h"

enum { WHY = 256 };

static const EnvFamily *cartpole(void) {
    const EnvFamily *f = env_find("cartpole");
    ck_assert_ptr_nonnull(f);
    return f;
}

static EnvBatch open_batch(const EnvFamily *f, int n) {
    EnvBatch b;
    char why[WHY] = "";
    ck_assert_msg(env_batch_open(&b, f, n, 1, why, WHY), "%s", why);
    return b;
}

static void reset(EnvBatch *b, int row, const double *task, uint64_t key) {
    char why[WHY] = "";
    ck_assert_msg(env_batch_reset(b, row, task, key, why, WHY), "%s", why);
}

static void step(EnvBatch *b, const double *action) {
    char why[WHY] = "";
    ck_assert_msg(env_batch_step(b, action, why, WHY), "%s", why);
}

// A family that is unlike Cart-Pole in everything: a corridor of discrete actions (left, stay,
// right), seen as (distance to the door, 1), whose door ends the episode. It is the example of
// docs/adding-a-family.md.
enum { POSITION, DOOR };

static void corridor_reset(const double *variant, const double *task, uint64_t key, double *state) {
    (void)variant;
    state[POSITION] = env_random_uniform(key, 0) - 0.5;
    state[DOOR] = task[0];
}

static void corridor_step(EnvBatch *b, const double *action, int first, int n) {
    for (int i = first; i < first + n; i++) {
        double position = b->state[POSITION * b->n + i] + action[i] - 1.0;
        double door = b->state[DOOR * b->n + i];
        b->next_state[POSITION * b->n + i] = position;
        b->next_state[DOOR * b->n + i] = door;
        b->next_terminated[i] = position > door;
        b->next_reward[i] = position > door ? 0.0 : -1.0;
    }
}

static void corridor_observe(const double *state, double *observation) {
    observation[0] = state[DOOR] - state[POSITION];
    observation[1] = 1.0;
}

static const EnvPhysics corridor_physics = {
    .reset = corridor_reset, .step = corridor_step, .observe = corridor_observe};

static const EnvFamily corridor = {
    .name = "corridor",
    .state_dim = 2,
    .obs_dim = 2,
    .action_dim = 1,
    .task_dim = 2,
    .discrete = true,
    .n_actions = 3,
    .horizon = 6,
    .collect = 6,
    .score = {.steps = 6, .over = 6},
    .task = {{.name = "door",
              .unit = "m",
              .usual = 2,
              .least = 1,
              .most = 9,
              .draw = {{.kind = ENV_ONE_OF, .n_values = 3, .values = {1, 2, 3}},
                       {.kind = ENV_EACH_OF, .n_values = 2, .values = {4, 5}}}},
             {.name = "wind",
              .unit = "",
              .usual = 0,
              .least = 0,
              .most = 2,
              .draw = {{.kind = ENV_UNIFORM, .low = 0, .high = 1},
                       {.kind = ENV_EACH_OF, .n_values = 3, .values = {0, 1, 2}}}}},
    .physics = &corridor_physics,
};

// ---- the table

START_TEST(every_family_is_found_by_its_name) {
    const EnvFamily *f = env_get(_i);
    ck_assert_ptr_eq(env_find(f->name), f);
}
END_TEST

START_TEST(every_row_is_complete) {
    const EnvFamily *f = env_get(_i);
    double task[ENV_TASK_MAX];
    char why[WHY] = "";

    ck_assert_int_gt(f->horizon, 0);
    ck_assert_int_gt(f->score.steps, 0);
    ck_assert(f->score.over > 0);
    ck_assert(f->discrete || f->action_low < f->action_high);
    ck_assert(f->physics->observe || f->obs_dim == f->state_dim);
    ck_assert(f->physics->reward || !f->score.start);
    ck_assert(!f->physics->open == !f->physics->close);
    for (int k = 0; k < f->task_dim; k++)
        ck_assert_ptr_nonnull(f->task[k].name);
    ck_assert(f->task_dim == ENV_TASK_MAX || !f->task[f->task_dim].name);
    env_usual_task(f, task);
    ck_assert_msg(env_check_task(f, task, why, WHY), "%s", why);
    ck_assert_int_gt(env_variants(f), 0);
    for (int k = 0; k < env_variants(f); k++)
        ck_assert(f->variant[k].least <= f->variant[k].usual &&
                  f->variant[k].usual <= f->variant[k].most);
}
END_TEST

START_TEST(unknown_name_finds_nothing) {
    ck_assert_ptr_null(env_find("no_such_family"));
    ck_assert_ptr_null(env_find(""));
}
END_TEST

START_TEST(cartpole_has_the_dims_of_the_paper) {
    const EnvFamily *f = cartpole();
    ck_assert_int_eq(f->state_dim, 4);
    ck_assert_int_eq(f->obs_dim, 4);
    ck_assert_int_eq(f->action_dim, 1);
    ck_assert_int_eq(f->task_dim, 2);
    ck_assert(!f->discrete);
    ck_assert(f->action_low == -10 && f->action_high == 10);
    ck_assert_int_eq(f->horizon, 25);
    ck_assert_str_eq(f->task[0].name, "m_c");
    ck_assert_str_eq(f->task[1].name, "m_p");
}
END_TEST

START_TEST(cartpole_score_is_the_mean_over_25_states) {
    double reward[25];
    for (int t = 0; t < 25; t++)
        reward[t] = t < 24 ? -1.0 : -1000.0; // the last transition leads beyond the 25 states
    ck_assert_double_eq(env_score(cartpole(), -1.0, reward, 25), -1.0);
    ck_assert_double_eq(env_score(cartpole(), 0.0, reward, 24), -24.0 / 25.0);
}
END_TEST

START_TEST(score_of_a_short_episode_has_the_same_divisor) {
    const double reward[] = {-1, -1, 0};
    ck_assert_double_eq(env_score(&corridor, -5.0, reward, 3), -2.0 / 6.0);
}
END_TEST

// ---- random numbers

static void check_philox(uint32_t fill, uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3) {
    const uint32_t key[2] = {fill, fill}, counter[4] = {fill, fill, fill, fill};
    uint32_t out[4];
    env_random_philox(key, counter, out);
    ck_assert_uint_eq(out[0], w0);
    ck_assert_uint_eq(out[1], w1);
    ck_assert_uint_eq(out[2], w2);
    ck_assert_uint_eq(out[3], w3);
}

START_TEST(philox_gives_the_published_numbers) {
    check_philox(0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    check_philox(0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);

    const uint32_t key[2] = {0xa4093822, 0x299f31d0};
    const uint32_t counter[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    uint32_t out[4];
    env_random_philox(key, counter, out);
    ck_assert_uint_eq(out[0], 0xd16cfe09);
    ck_assert_uint_eq(out[1], 0x94fdcceb);
    ck_assert_uint_eq(out[2], 0x5001e420);
    ck_assert_uint_eq(out[3], 0x24126ea1);
}
END_TEST

START_TEST(keys_differ_in_every_part_of_the_name) {
    uint64_t key = env_random_key(1, "reset", 2, 3);
    ck_assert(key == env_random_key(1, "reset", 2, 3));
    ck_assert(key != env_random_key(0, "reset", 2, 3));
    ck_assert(key != env_random_key(1, "reseu", 2, 3));
    ck_assert(key != env_random_key(1, "rese", 2, 3));
    ck_assert(key != env_random_key(1, "reset", 3, 2));
    ck_assert(key != env_random_key(1, "reset", 2, 4));
}
END_TEST

START_TEST(keys_of_streams_are_pinned) {
    ck_assert_uint_eq(env_random_key(0, "", 0, 0), 0x2130748aaac80268u);
    ck_assert_uint_eq(env_random_key(7, "reset", 1, 2), 0x4782e51ca62474afu);
}
END_TEST

START_TEST(uniforms_fill_the_unit_interval) {
    enum { N = 100000 };
    uint64_t key = env_random_key(1, "test", 0, 0);
    double sum = 0, square = 0;

    for (uint64_t i = 0; i < N; i++) {
        double u = env_random_uniform(key, i);
        ck_assert(u >= 0 && u < 1);
        sum += u;
        square += u * u;
    }
    ck_assert_double_eq_tol(sum / N, 1.0 / 2, 5 * 0.289 / sqrt(N));
    ck_assert_double_eq_tol(square / N, 1.0 / 3, 5 * 0.298 / sqrt(N));
}
END_TEST

START_TEST(normals_have_the_moments_of_a_normal) {
    enum { N = 200000 };
    static const double moment[] = {0, 1, 0, 3, 0, 15};
    double sum[6] = {0}, neighbours = 0, last = 0;
    uint64_t key = env_random_key(1, "test", 0, 0);

    for (uint64_t i = 0; i < N; i++) {
        double z = env_random_normal(key, i), power = 1;
        ck_assert(isfinite(z));
        for (int m = 0; m < 6; m++)
            sum[m] += power *= z;
        neighbours += z * last;
        last = z;
    }

    // the variance of z^m is E z^2m - (E z^m)^2
    static const double variance[] = {1, 2, 15, 96, 945, 10170};
    for (int m = 0; m < 6; m++)
        ck_assert_double_eq_tol(sum[m] / N, moment[m], 5 * sqrt(variance[m] / N));
    ck_assert_double_eq_tol(neighbours / N, 0, 5 / sqrt(N));
}
END_TEST

START_TEST(whole_numbers_are_equally_frequent) {
    enum { N = 90000 };
    int count[3] = {0};
    uint64_t key = env_random_key(1, "test", 0, 0);

    for (uint64_t i = 0; i < N; i++)
        count[env_random_below(key, i, 3)]++;
    for (int k = 0; k < 3; k++)
        ck_assert_int_lt(abs(count[k] - N / 3), 5 * 142);
}
END_TEST

START_TEST(random_actions_lie_within_the_bounds) {
    uint64_t key = env_random_key(1, "explore", 0, 0);
    double least = 0, most = 0, first, again;

    for (int64_t t = 0; t < 1000; t++) {
        double a;
        env_random_action(cartpole(), key, t, &a);
        ck_assert(a >= -10 && a < 10);
        least = fmin(least, a);
        most = fmax(most, a);
        env_random_action(&corridor, key, t, &a);
        ck_assert(a == 0 || a == 1 || a == 2);
    }
    ck_assert(least < -9.8 && most > 9.8);

    env_random_action(cartpole(), key, 5, &first);
    env_random_action(cartpole(), key, 5, &again);
    ck_assert(first == again);
}
END_TEST

// ---- tasks

START_TEST(drawn_tasks_lie_within_the_ranges_of_the_paper) {
    double sum[2] = {0};
    for (int64_t i = 0; i < 1000; i++) {
        double p[2];
        env_draw_task(cartpole(), _i ? ENV_TEST : ENV_TRAIN, 3, i, p);
        ck_assert(p[0] >= 1.0 && p[0] < 2.0);
        ck_assert(p[1] >= 0.7 && p[1] < 1.0);
        sum[0] += p[0];
        sum[1] += p[1];
    }
    ck_assert_double_eq_tol(sum[0] / 1000, 1.5, 0.05);
    ck_assert_double_eq_tol(sum[1] / 1000, 0.85, 0.015);
}
END_TEST

START_TEST(tasks_of_training_and_testing_are_distinct) {
    for (int64_t i = 0; i < 50; i++) {
        for (int64_t j = 0; j < 50; j++) {
            double train[2], test[2];
            env_draw_task(cartpole(), ENV_TRAIN, 3, i, train);
            env_draw_task(cartpole(), ENV_TEST, 3, j, test);
            ck_assert(train[0] != test[0] && train[1] != test[1]);
        }
    }
}
END_TEST

START_TEST(a_task_depends_on_seed_and_index_alone) {
    double a[2], b[2], other[2];
    env_draw_task(cartpole(), ENV_TRAIN, 3, 8, a);
    env_draw_task(cartpole(), ENV_TRAIN, 3, 7, other);
    env_draw_task(cartpole(), ENV_TRAIN, 3, 8, b);
    ck_assert_mem_eq(a, b, sizeof a);
    ck_assert(a[0] != other[0]);
    env_draw_task(cartpole(), ENV_TRAIN, 4, 8, other);
    ck_assert(a[0] != other[0]);
}
END_TEST

START_TEST(a_grid_counts_through_all_combinations) {
    static const double expected[7][2] = {{4, 0}, {4, 1}, {4, 2}, {5, 0}, {5, 1}, {5, 2}, {4, 0}};
    for (int64_t i = 0; i < 7; i++) {
        double p[2];
        env_draw_task(&corridor, ENV_TEST, (uint64_t)i, i, p);
        ck_assert_mem_eq(p, expected[i], sizeof p);
    }
}
END_TEST

START_TEST(a_choice_takes_each_value) {
    bool seen[4] = {false};
    for (int64_t i = 0; i < 100; i++) {
        double p[2];
        env_draw_task(&corridor, ENV_TRAIN, 0, i, p);
        ck_assert(p[0] == 1 || p[0] == 2 || p[0] == 3);
        seen[(int)p[0]] = true;
    }
    ck_assert(seen[1] && seen[2] && seen[3]);
}
END_TEST

static const struct {
    const char *text;
    double params[2];
} good_tasks[] = {
    {"m_c=1.5,m_p=0.9", {1.5, 0.9}},
    {"m_p=0.9,m_c=1.5", {1.5, 0.9}},
    {" m_c = 2 , m_p = 7e-1 ", {2, 0.7}},
    {"m_p=1", {1.5, 1}},
    {"", {1.5, 0.85}},
    {"m_c=0.1,m_p=10", {0.1, 10}},
};
enum { N_GOOD = sizeof good_tasks / sizeof *good_tasks };

START_TEST(a_task_is_read_from_text) {
    double p[2] = {-1, -1};
    char why[WHY] = "";
    ck_assert_msg(env_parse_task(cartpole(), good_tasks[_i].text, p, why, WHY), "%s", why);
    ck_assert_mem_eq(p, good_tasks[_i].params, sizeof p);
}
END_TEST

static const struct {
    const char *text, *why;
} bad_tasks[] = {
    {"m_x=1", "cartpole has no task parameter 'm_x'; did you mean 'm_c'?"},
    {"mp=1", "cartpole has no task parameter 'mp'; did you mean 'm_p'?"},
    {"gravity=1", "cartpole has no task parameter 'gravity'; it has m_c, m_p"},
    {"a_name_that_is_longer_than_any_parameter_has=1",
     "cartpole has no task parameter 'a_name_that_is_longer_than_any_'; it has m_c, m_p"},
    {"m_c=nan", "cartpole: m_c is nan, and must lie between 0.1 and 10 kg"},
    {"m_c=inf", "cartpole: m_c is inf, and must lie between 0.1 and 10 kg"},
    {"m_c=1e999", "cartpole: m_c is inf, and must lie between 0.1 and 10 kg"},
    {"m_c=1,m_p=-0.9", "cartpole: m_p is -0.9, and must lie between 0.1 and 10 kg"},
    {"m_c=0", "cartpole: m_c is 0, and must lie between 0.1 and 10 kg"},
    {"m_c=heavy", "cartpole: m_c is 'heavy', which is not a number"},
    {"m_c=1.5kg", "cartpole: m_c is '1.5kg', which is not a number"},
    {"m_c=0x1p0", "cartpole: m_c is '0x1p0', which is not a number"},
    {"m_c=1=2", "cartpole: m_c is '1=2', which is not a number"},
    {"m_c=", "cartpole: m_c is '', which is not a number"},
    {"m_c=1,m_c=2", "cartpole: m_c is given twice"},
    {"m_c=1,", "cartpole: expected name=value, found ''"},
    {"m_c", "cartpole: expected name=value, found 'm_c'"},
    {"=1", "cartpole: expected name=value, found '=1'"},
};
enum { N_BAD = sizeof bad_tasks / sizeof *bad_tasks };

START_TEST(a_wrong_task_is_explained) {
    double p[2] = {-1, -1};
    char why[WHY] = "", small[10];
    ck_assert(!env_parse_task(cartpole(), bad_tasks[_i].text, p, why, WHY));
    ck_assert_str_eq(why, bad_tasks[_i].why);
    ck_assert(p[0] == -1 && p[1] == -1);

    // a short buffer holds the beginning
    ck_assert(!env_parse_task(cartpole(), bad_tasks[_i].text, p, small, sizeof small));
    ck_assert_int_eq(strncmp(small, bad_tasks[_i].why, sizeof small - 1), 0);
}
END_TEST

// ---- variants

START_TEST(a_variant_is_read_from_text) {
    double v[ENV_VARIANT_MAX] = {-1};
    char why[WHY] = "";

    ck_assert_int_eq(env_variants(cartpole()), 3);
    ck_assert_msg(env_parse_variant(cartpole(), "cost_half=0", v, why, WHY), "%s", why);
    ck_assert(v[0] == 1 && v[1] == 0 && v[2] == 1);
    ck_assert_msg(env_parse_variant(cartpole(), " tip_sign = -1 , reset_noise=5", v, why, WHY),
                  "%s", why);
    ck_assert(v[0] == 5 && v[1] == 1 && v[2] == -1);
}
END_TEST

static const struct {
    const char *text, *why;
} bad_variants[] = {
    {"cost_haf=0", "cartpole has no variant 'cost_haf'; did you mean 'cost_half'?"},
    {"gravity=1", "cartpole has no variant 'gravity'; it has reset_noise, cost_half, tip_sign"},
    {"tip_sign=2", "cartpole: tip_sign is 2, and must lie between -1 and 1"},
    {"tip_sign=nan", "cartpole: tip_sign is nan, and must lie between -1 and 1"},
    {"tip_sign", "cartpole: expected name=value, found 'tip_sign'"},
};
enum { N_BAD_VARIANTS = sizeof bad_variants / sizeof *bad_variants };

START_TEST(a_wrong_variant_is_explained) {
    double v[ENV_VARIANT_MAX] = {-1, -1, -1, -1};
    char why[WHY] = "";

    ck_assert(!env_parse_variant(cartpole(), bad_variants[_i].text, v, why, WHY));
    ck_assert_str_eq(why, bad_variants[_i].why);
    for (int k = 0; k < ENV_VARIANT_MAX; k++)
        ck_assert(v[k] == -1);
}
END_TEST

// The reward of a Cart-Pole that leans to the right, and after a step without force.
static void rewards_of(const char *variant, double reward[2]) {
    const double task[] = {1.5, 0.85}, leaning[] = {0.1, 0, 0.2, 0};
    char why[WHY] = "";
    EnvBatch b = open_batch(cartpole(), 1);

    ck_assert(env_parse_variant(cartpole(), variant, b.variant, why, WHY));
    ck_assert(env_batch_reset_to(&b, 0, task, leaning, why, WHY));
    reward[0] = b.reward[0];
    step(&b, (double[]){0});
    reward[1] = b.reward[0];
    env_batch_close(&b);
}

START_TEST(variants_of_cartpole_change_its_cost) {
    double usual[2], table[2], mirrored[2];

    rewards_of("", usual);
    rewards_of("cost_half=0", table);
    rewards_of("tip_sign=-1", mirrored);
    for (int i = 0; i < 2; i++)
        ck_assert_double_eq_tol(1 + table[i], (1 + usual[i]) * (1 + usual[i]), 1e-14);
    double across = 0.1 - 0.6 * sin(0.2), down = 0.6 * cos(0.2) - 0.6;
    ck_assert_double_eq_tol(mirrored[0], exp(-8 * (across * across + down * down)) - 1, 1e-14);
}
END_TEST

START_TEST(reset_noise_scales_the_spread_of_initial_states) {
    const EnvFamily *f = env_get(_i);
    double task[ENV_TASK_MAX], state[3][ENV_STATE_MAX], apart = 0;
    char why[WHY] = "";
    EnvBatch b;

    env_usual_task(f, task);
    if (!env_batch_open(&b, f, 1, 1, why, WHY))
        return; // a build without its simulator
    ck_assert_str_eq(f->variant[0].name, "reset_noise");
    for (int noise = 0; noise < 3; noise++) {
        b.variant[0] = noise;
        reset(&b, 0, task, 5);
        env_batch_get_state(&b, 0, state[noise]);
    }
    for (int k = 0; k < f->state_dim; k++) {
        double once = state[1][k] - state[0][k], twice = state[2][k] - state[0][k];
        ck_assert_double_eq_tol(twice, 2 * once, 1e-12);
        apart += fabs(once);
    }
    ck_assert(apart > 0);
    env_batch_close(&b);
}
END_TEST

// ---- Cart-Pole against numbers of the reference

static const double *read_array(const RtTensorFile *file, const char *name, int64_t elements) {
    const RtTensor *t = rt_safetensors_find(file, name);
    ck_assert_msg(t && t->dtype == RT_F64, "no f64 array %s", name);
    ck_assert_int_eq(rt_tensor_elements(t), elements);
    return t->data;
}

START_TEST(cartpole_agrees_with_the_reference) {
    enum { FILED = 6, MOVES = 25 };
    RtTensorFile file;
    char why[WHY] = "";
    ck_assert_msg(rt_safetensors_read(&file, "tests/data/cartpole.safetensors", why, WHY), "%s",
                  why);
    const double *mass = read_array(&file, "mass", FILED * 2);
    const double *state = read_array(&file, "state", FILED * (MOVES + 1) * 4);
    const double *action = read_array(&file, "action", FILED * MOVES);
    const double *reward = read_array(&file, "reward", FILED * MOVES);

    // one row for each transition
    EnvBatch b = open_batch(cartpole(), FILED * MOVES);
    for (int i = 0; i < b.n; i++) {
        int episode = i / MOVES, t = i % MOVES;
        const double *s = state + (episode * (MOVES + 1) + t) * 4;
        ck_assert_msg(env_batch_reset_to(&b, i, mass + episode * 2, s, why, WHY), "%s", why);
        if (t > 0)
            ck_assert_double_eq_tol(b.reward[i], reward[i - 1], 1e-12);
    }
    step(&b, action);
    for (int i = 0; i < b.n; i++) {
        const double *s2 = state + (i / MOVES * (MOVES + 1) + i % MOVES + 1) * 4;
        for (int k = 0; k < 4; k++) {
            ck_assert_double_eq_tol(b.state[k * b.n + i], s2[k], 1e-12);
            ck_assert_double_eq_tol(b.observation[i * 4 + k], s2[k], 1e-12);
        }
        ck_assert_double_eq_tol(b.reward[i], reward[i], 1e-12);
    }
    env_batch_close(&b);
    rt_safetensors_close(&file);
}
END_TEST

START_TEST(cartpole_force_is_clipped) {
    static const double action[] = {10, 11, 1e6, -10, -11, -1e6};
    const double task[] = {1.5, 0.85};
    EnvBatch b = open_batch(cartpole(), 6);

    for (int i = 0; i < 6; i++)
        reset(&b, i, task, 1);
    step(&b, action);
    for (int i = 0; i < 6; i++)
        ck_assert_mem_eq(b.observation + i * 4, b.observation + i / 3 * 12, 4 * sizeof(double));
    ck_assert(b.observation[1] > 0 && b.observation[3 * 4 + 1] < 0);
    env_batch_close(&b);
}
END_TEST

START_TEST(cartpole_hangs_at_first_and_costs_nearly_one) {
    enum { N = 4000 };
    const double task[] = {1.5, 0.85}, mean[] = {0, 0, 3.141592653589793, 0};
    EnvBatch b = open_batch(cartpole(), N);

    for (int i = 0; i < N; i++) {
        reset(&b, i, task, env_random_key(0, "reset", 0, i));
        ck_assert(b.reward[i] > -1 && b.reward[i] < -0.99);
    }
    for (int k = 0; k < 4; k++) {
        double sum = 0, square = 0;
        for (int i = 0; i < N; i++) {
            double e = (b.state[k * N + i] - mean[k]) / 0.02;
            sum += e;
            square += e * e;
        }
        ck_assert_double_eq_tol(sum / N, 0, 5 / sqrt(N));
        ck_assert_double_eq_tol(square / N, 1, 5 * sqrt(2.0 / N));
    }
    env_batch_close(&b);
}
END_TEST

START_TEST(cartpole_upright_costs_nothing) {
    const double task[] = {1.5, 0.85}, upright[] = {0, 0, 0, 0};
    double zero = 0;
    char why[WHY] = "";
    EnvBatch b = open_batch(cartpole(), 1);

    ck_assert(env_batch_reset_to(&b, 0, task, upright, why, WHY));
    ck_assert_double_eq(b.reward[0], 0);
    step(&b, &zero);
    ck_assert_double_eq(b.reward[0], 0);
    env_batch_close(&b);
}
END_TEST

// ---- batches

enum { EPISODES = 50, STEPS = 25 };

// Runs episodes first .. first + n - 1 in a batch of n rows, resetting them from the last to the
// first, and writes their observations and rewards to `path`, (EPISODES, STEPS, obs_dim + 1).
static void run_episodes(const EnvFamily *f, int first, int n, double *path) {
    EnvBatch b = open_batch(f, n);
    double action[EPISODES * ENV_STATE_MAX];

    b.limit = STEPS;
    for (int i = n - 1; i >= 0; i--) {
        double task[ENV_TASK_MAX];
        env_draw_task(f, ENV_TRAIN, 5, first + i, task);
        reset(&b, i, task, env_random_key(5, "reset", first + i, 0));
    }
    for (int t = 0; t < STEPS; t++) {
        for (int i = 0; i < n; i++)
            env_random_action(f, env_random_key(5, "explore", first + i, 0), t,
                              action + i * f->action_dim);
        step(&b, action);
        for (int i = 0; i < n; i++) {
            double *at = path + ((first + i) * STEPS + t) * (f->obs_dim + 1);
            memcpy(at, b.observation + i * f->obs_dim, (size_t)f->obs_dim * sizeof *at);
            at[f->obs_dim] = b.reward[i];
        }
    }
    for (int i = 0; i < n; i++)
        ck_assert(b.truncated[i] != b.terminated[i] && !b.running[i]);
    env_batch_close(&b);
}

START_TEST(a_row_has_the_same_bits_in_every_batch) {
    const EnvFamily *f = _i < env_count() ? env_get(_i) : &corridor;
    size_t n = (size_t)(EPISODES * STEPS * (f->obs_dim + 1)), size = n * sizeof(double);
    double *together = calloc(n, sizeof(double));
    double *sevens = calloc(n, sizeof(double));
    double *alone = calloc(n, sizeof(double));

    run_episodes(f, 0, EPISODES, together);
    for (int first = 0; first < EPISODES; first += 7)
        run_episodes(f, first, first + 7 <= EPISODES ? 7 : EPISODES - first, sevens);
    for (int first = EPISODES - 1; first >= 0; first--)
        run_episodes(f, first, 1, alone);
    ck_assert_int_eq(memcmp(together, sevens, size), 0);
    ck_assert_int_eq(memcmp(together, alone, size), 0);
    free(together);
    free(sevens);
    free(alone);
}
END_TEST

enum { MANY = 1000 };

// Ten steps of many rows on `threads` threads; the episodes of some rows break down. Observations
// and rewards go to `path`, (MANY, 5), how the last failed to `failure`.
static void run_many(int threads, double *path, EnvBatch *b) {
    const double task[] = {1.2, 0.8};
    static double action[MANY];
    char why[WHY] = "";
    RtPool *pool = threads > 1 ? rt_pool_new(threads) : NULL;

    ck_assert(env_batch_open(b, cartpole(), MANY, threads, why, WHY));
    b->run = pool ? rt_pool_run_on : NULL;
    b->pool = pool;
    for (int i = 0; i < MANY; i++) {
        reset(b, i, task, (uint64_t)i);
        if (i % 100 == 7)
            ck_assert(env_batch_reset_to(b, i, task, (double[]){0, 0, 0, 1e200}, why, WHY));
    }
    for (int t = 0; t < 10; t++) {
        for (int i = 0; i < MANY; i++)
            env_random_action(cartpole(), env_random_key(1, "explore", i, 0), t, &action[i]);
        step(b, action);
    }
    for (int i = 0; i < MANY; i++) {
        memcpy(path + i * 5, b->observation + i * 4, 4 * sizeof *path);
        path[i * 5 + 4] = b->reward[i];
    }
    if (pool)
        rt_pool_free(pool);
}

START_TEST(rows_have_the_same_bits_on_threads_of_the_caller) {
    static double one[MANY * 5], more[MANY * 5];
    EnvBatch a, b;

    run_many(1, one, &a);
    run_many(_i, more, &b);
    ck_assert_mem_eq(one, more, sizeof one);
    ck_assert_int_eq(b.n_failed, 10);
    ck_assert_int_eq(a.n_failed, 10);
    ck_assert_str_eq(a.failure, b.failure);
    ck_assert_mem_eq(a.failed, b.failed, MANY * sizeof *a.failed);
    env_batch_close(&a);
    env_batch_close(&b);
}
END_TEST

START_TEST(a_reset_does_not_depend_on_what_the_row_did) {
    const double task[] = {1.2, 0.8}, other[] = {2, 1};
    double before[8], state[4];
    EnvBatch b = open_batch(cartpole(), 2);

    reset(&b, 0, task, 11);
    reset(&b, 1, other, 12);
    memcpy(before, b.observation, sizeof before);
    for (int t = 0; t < 3; t++)
        step(&b, (double[]){1, 2});

    reset(&b, 0, other, 12);
    reset(&b, 1, task, 11);
    ck_assert_mem_eq(b.observation, before + 4, 4 * sizeof(double));
    ck_assert_mem_eq(b.observation + 4, before, 4 * sizeof(double));
    env_batch_get_state(&b, 1, state);
    ck_assert_mem_eq(state, before, sizeof state);
    ck_assert_int_eq(b.steps[0], 0);
    env_batch_close(&b);
}
END_TEST

START_TEST(a_reset_of_one_row_leaves_the_others) {
    const double task[] = {1.2, 0.8};
    EnvBatch b = open_batch(cartpole(), 3);
    double before[12];

    for (int i = 0; i < 3; i++)
        reset(&b, i, task, (uint64_t)i);
    step(&b, (double[]){1, 2, 3});
    memcpy(before, b.observation, sizeof before);
    reset(&b, 1, task, 9);
    ck_assert_mem_eq(b.observation, before, 4 * sizeof(double));
    ck_assert_mem_ne(b.observation + 4, before + 4, 4 * sizeof(double));
    ck_assert_mem_eq(b.observation + 8, before + 8, 4 * sizeof(double));
    ck_assert(b.steps[0] == 1 && b.steps[1] == 0 && b.steps[2] == 1);
    env_batch_close(&b);
}
END_TEST

static const struct {
    double action;
    const char *why;
} bad_actions[] = {
    {NAN, "row 1: action[0] is nan, and cartpole takes finite numbers up to 1000000 in size"},
    {INFINITY, "row 1: action[0] is inf, and cartpole takes finite numbers up to 1000000 in size"},
    {-INFINITY,
     "row 1: action[0] is -inf, and cartpole takes finite numbers up to 1000000 in size"},
    {1e300, "row 1: action[0] is 1e+300, and cartpole takes finite numbers up to 1000000 in size"},
};
enum { N_BAD_ACTIONS = sizeof bad_actions / sizeof *bad_actions };

START_TEST(a_refused_action_changes_nothing) {
    const double task[] = {1.2, 0.8};
    char why[WHY] = "";
    EnvBatch b = open_batch(cartpole(), 4);
    double action[] = {1, 2, 3, 4}, observation[16], state[16], reward[4];

    for (int i = 0; i < 4; i++)
        reset(&b, i, task, (uint64_t)i);
    step(&b, action);
    memcpy(observation, b.observation, sizeof observation);
    memcpy(state, b.state, sizeof state);
    memcpy(reward, b.reward, sizeof reward);

    action[1] = bad_actions[_i].action;
    action[3] = NAN;
    ck_assert(!env_batch_step(&b, action, why, WHY));
    ck_assert_str_eq(why, bad_actions[_i].why);
    ck_assert(!b.refused[0] && b.refused[1] && !b.refused[2] && b.refused[3]);
    ck_assert_mem_eq(b.observation, observation, sizeof observation);
    ck_assert_mem_eq(b.state, state, sizeof state);
    ck_assert_mem_eq(b.reward, reward, sizeof reward);
    for (int i = 0; i < 4; i++)
        ck_assert(b.steps[i] == 1 && b.running[i]);

    // a corrected action goes on as if nothing had been
    step(&b, (double[]){1, 2, 3, 4});
    for (int i = 0; i < 4; i++)
        ck_assert(b.steps[i] == 2 && !b.refused[i]);
    env_batch_close(&b);
}
END_TEST

START_TEST(an_episode_whose_state_is_not_finite_ends) {
    const double task[] = {1.2, 0.8}, fast[] = {0, 0, 1, 1e200}, lost[] = {0, NAN, 0, 0};
    char why[WHY] = "";
    EnvBatch b = open_batch(cartpole(), 2);

    ck_assert(!env_batch_reset_to(&b, 0, task, lost, why, WHY));
    ck_assert_str_eq(why, "row 0: state[1] is nan, and must be finite");
    ck_assert(!b.running[0]);

    ck_assert(env_batch_reset_to(&b, 0, task, fast, why, WHY));
    reset(&b, 1, task, 1);
    step(&b, (double[]){0, 0});
    ck_assert(b.failed[0] && b.truncated[0] && !b.terminated[0] && !b.running[0]);
    ck_assert(b.steps[0] == 0 && b.reward[0] == 0 && b.state[3 * 2] == 1e200);
    ck_assert_int_eq(b.n_failed, 1);
    ck_assert_str_eq(b.failure, "row 0, step 1: state[1] became -inf");

    // the other one goes on, and the row can be used again
    ck_assert(b.running[1] && !b.failed[1] && b.steps[1] == 1);
    reset(&b, 0, task, 2);
    step(&b, (double[]){0, 0});
    ck_assert(!b.failed[0] && b.running[0] && b.steps[1] == 2);
    ck_assert_int_eq(b.n_failed, 1);
    env_batch_close(&b);
}
END_TEST

START_TEST(a_task_out_of_bounds_is_refused) {
    const double task[] = {1.2, NAN};
    char why[WHY] = "";
    EnvBatch b = open_batch(cartpole(), 1);

    ck_assert(!env_batch_reset(&b, 0, task, 1, why, WHY));
    ck_assert_str_eq(why, "cartpole: m_p is nan, and must lie between 0.1 and 10 kg");
    ck_assert(!b.running[0]);
    env_batch_close(&b);
}
END_TEST

START_TEST(a_batch_has_at_least_one_row) {
    EnvBatch b;
    char why[WHY] = "";
    ck_assert(!env_batch_open(&b, cartpole(), 0, 1, why, WHY));
    ck_assert_str_eq(why, "cartpole: a batch has 1 to 1048576 rows, not 0");
    ck_assert(!env_batch_open(&b, cartpole(), ENV_ROWS_MAX + 1, 1, why, WHY));
    env_batch_close(&b);
    env_batch_close(&b);
}
END_TEST

START_TEST(a_row_that_has_ended_stands_still) {
    const double task[] = {1.2, 0.8};
    EnvBatch b = open_batch(cartpole(), 3);
    double last[4];

    // row 2 was never reset; its action is not looked at
    reset(&b, 0, task, 1);
    b.limit = 2;
    step(&b, (double[]){1, 0, NAN});
    reset(&b, 1, task, 2);
    step(&b, (double[]){1, 1, NAN});
    ck_assert(b.truncated[0] && !b.running[0] && b.running[1] && !b.running[2]);

    memcpy(last, b.observation, sizeof last);
    step(&b, (double[]){NAN, 1, NAN});
    ck_assert_mem_eq(b.observation, last, sizeof last);
    ck_assert(b.reward[0] == 0 && b.steps[0] == 2 && b.truncated[0]);
    ck_assert(b.truncated[1] && b.reward[1] < 0);
    ck_assert(b.reward[2] == 0 && b.steps[2] == 0);
    env_batch_close(&b);
}
END_TEST

START_TEST(a_discrete_family_terminates_and_observes) {
    const double task[] = {2, 0}, start[] = {0, 2};
    char why[WHY] = "";
    EnvBatch b = open_batch(&corridor, 2);

    for (int i = 0; i < 2; i++)
        ck_assert(env_batch_reset_to(&b, i, task, start, why, WHY));
    ck_assert(b.observation[0] == 2 && b.observation[1] == 1 && b.reward[0] == 0);

    // row 0 walks to the door, row 1 stays where it is
    for (int t = 0; t < 6; t++)
        step(&b, (double[]){2, 1});
    ck_assert(b.terminated[0] && !b.truncated[0] && b.steps[0] == 3);
    ck_assert(!b.terminated[1] && b.truncated[1] && b.steps[1] == 6);
    ck_assert(b.observation[0] == -1 && b.observation[2] == 2);
    env_batch_close(&b);
}
END_TEST

START_TEST(the_last_transition_may_terminate) {
    const double task[] = {2, 0}, start[] = {0, 2};
    char why[WHY] = "";
    EnvBatch b = open_batch(&corridor, 1);

    ck_assert(env_batch_reset_to(&b, 0, task, start, why, WHY));
    b.limit = 3;
    for (int t = 0; t < 3; t++)
        step(&b, (double[]){2});
    ck_assert(b.terminated[0] && !b.truncated[0] && !b.running[0]);
    env_batch_close(&b);
}
END_TEST

static const double bad_choices[] = {-1, 3, 0.5, NAN, INFINITY, 1e300};
enum { N_BAD_CHOICES = sizeof bad_choices / sizeof *bad_choices };

START_TEST(a_choice_that_does_not_exist_is_refused) {
    const double task[] = {2, 0};
    char why[WHY] = "", expected[WHY];
    EnvBatch b = open_batch(&corridor, 1);

    reset(&b, 0, task, 1);
    ck_assert(!env_batch_step(&b, &bad_choices[_i], why, WHY));
    snprintf(expected, sizeof expected,
             "row 0: the action is %g, and corridor takes a whole number from 0 to 2",
             bad_choices[_i]);
    ck_assert_str_eq(why, expected);
    ck_assert_int_eq(b.steps[0], 0);
    env_batch_close(&b);
}
END_TEST

static Suite *envs_suite(void) {
    Suite *s = suite_create("envs");

    TCase *table = tcase_create("table");
    tcase_add_loop_test(table, every_family_is_found_by_its_name, 0, env_count());
    tcase_add_loop_test(table, every_row_is_complete, 0, env_count());
    tcase_add_test(table, unknown_name_finds_nothing);
    tcase_add_test(table, cartpole_has_the_dims_of_the_paper);
    tcase_add_test(table, cartpole_score_is_the_mean_over_25_states);
    tcase_add_test(table, score_of_a_short_episode_has_the_same_divisor);
    suite_add_tcase(s, table);

    TCase *randoms = tcase_create("random");
    tcase_add_test(randoms, philox_gives_the_published_numbers);
    tcase_add_test(randoms, keys_differ_in_every_part_of_the_name);
    tcase_add_test(randoms, keys_of_streams_are_pinned);
    tcase_add_test(randoms, uniforms_fill_the_unit_interval);
    tcase_add_test(randoms, normals_have_the_moments_of_a_normal);
    tcase_add_test(randoms, whole_numbers_are_equally_frequent);
    tcase_add_test(randoms, random_actions_lie_within_the_bounds);
    suite_add_tcase(s, randoms);

    TCase *tasks = tcase_create("tasks");
    tcase_add_loop_test(tasks, drawn_tasks_lie_within_the_ranges_of_the_paper, 0, ENV_SPLIT_COUNT);
    tcase_add_test(tasks, tasks_of_training_and_testing_are_distinct);
    tcase_add_test(tasks, a_task_depends_on_seed_and_index_alone);
    tcase_add_test(tasks, a_grid_counts_through_all_combinations);
    tcase_add_test(tasks, a_choice_takes_each_value);
    tcase_add_loop_test(tasks, a_task_is_read_from_text, 0, N_GOOD);
    tcase_add_loop_test(tasks, a_wrong_task_is_explained, 0, N_BAD);
    suite_add_tcase(s, tasks);

    TCase *variants = tcase_create("variants");
    tcase_add_test(variants, a_variant_is_read_from_text);
    tcase_add_loop_test(variants, a_wrong_variant_is_explained, 0, N_BAD_VARIANTS);
    tcase_add_test(variants, variants_of_cartpole_change_its_cost);
    tcase_add_loop_test(variants, reset_noise_scales_the_spread_of_initial_states, 0, env_count());
    suite_add_tcase(s, variants);

    TCase *pole = tcase_create("cartpole");
    tcase_add_test(pole, cartpole_agrees_with_the_reference);
    tcase_add_test(pole, cartpole_force_is_clipped);
    tcase_add_test(pole, cartpole_hangs_at_first_and_costs_nearly_one);
    tcase_add_test(pole, cartpole_upright_costs_nothing);
    suite_add_tcase(s, pole);

    TCase *batch = tcase_create("batch");
    tcase_add_loop_test(batch, a_row_has_the_same_bits_in_every_batch, 0, env_count() + 1);
    tcase_add_loop_test(batch, rows_have_the_same_bits_on_threads_of_the_caller, 2, 5);
    tcase_add_test(batch, a_reset_does_not_depend_on_what_the_row_did);
    tcase_add_test(batch, a_reset_of_one_row_leaves_the_others);
    tcase_add_loop_test(batch, a_refused_action_changes_nothing, 0, N_BAD_ACTIONS);
    tcase_add_test(batch, an_episode_whose_state_is_not_finite_ends);
    tcase_add_test(batch, a_task_out_of_bounds_is_refused);
    tcase_add_test(batch, a_batch_has_at_least_one_row);
    tcase_add_test(batch, a_row_that_has_ended_stands_still);
    tcase_add_test(batch, a_discrete_family_terminates_and_observes);
    tcase_add_test(batch, the_last_transition_may_terminate);
    tcase_add_loop_test(batch, a_choice_that_does_not_exist_is_refused, 0, N_BAD_CHOICES);
    suite_add_tcase(s, batch);
    return s;
}

int main(void) {
    SRunner *runner = srunner_create(envs_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
