// runtime/train/recipe.c -- an experiment: what is bound, trained, tested and compared.
//
// The merged tree is read into a struct once, and everything in it is checked on the way: what
// passes here can be built. What needs the models (inputs of programs, names in formulas) is
// checked when they are read, before a run folder is made.
#include "runtime/train/recipe.h"

#include <math.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "runtime/record/safetensors.h"

enum { MAX_ITERATIONS = 1000000, MAX_TEST = 100000, MAX_TASKS = 1000 };

// in the order that a resolved recipe has them
const char *const rt_recipe_keys[] = {
    "experiment", "system",      "env",    "variant",    "profile", "seed",
    "iterations", "dtype",       "target", "bind",       "set",
    "dims",       "state",       "transitions", "tasks", "every_task", "every_iteration",
    "log",        "checkpoints", "test",        "paper", "departs",
    "base",       "profiles",    NULL,
};

// ---- stages -------------------------------------------------------------------------------------

// A stage of the tests, which must collect.
static RtStage *read_episodes(RtReader *r, const Yaml *test, const char *key, bool need) {
    Loc loc;
    const Yaml *y = yaml_find_loc(test, key, &loc);

    if (!y && need)
        rt_read_need(r, test, key, "test");
    if (!y)
        return NULL;
    RtStage *s = rt_stage_read(r, key, loc, y);
    if (s && s->verb != &rt_verb_collect) {
        diag_error(r->diag, s->object_loc, E_recipe, "test.%s should collect episodes", key);
        return NULL;
    }
    return s;
}

static RtStage *find_stage(const RtStages *list, const char *name) {
    for (int i = 0; i < list->n; i++) {
        RtStage *s = list->items[i];
        s = strcmp(s->name, name) == 0 ? s : find_stage(&s->stages, name);
        if (s)
            return s;
    }
    return NULL;
}

RtStage *rt_recipe_find_stage(const RtRecipe *r, const char *name) {
    RtStage *s = find_stage(&r->every_iteration, name);

    return s ? s : find_stage(&r->every_task, name);
}

// The place in the list of the stage that is `s` or holds it, or -1.
static int place_in(const RtStages *list, const RtStage *s) {
    for (int i = 0; i < list->n; i++)
        if (list->items[i] == s || place_in(&list->items[i]->stages, s) >= 0)
            return i;
    return -1;
}

const RtStages *rt_recipe_list_of(const RtRecipe *r, const RtStage *s) {
    const RtStages *const lists[] = {&r->every_task, &r->every_iteration, &r->test.adapt};

    for (int i = 0; i < 3; i++)
        if (place_in(lists[i], s) >= 0)
            return lists[i];
    return NULL;
}

// Stages are found by name, those within others too, and so are their numbers.
static void check_names(RtRecipe *r) {
    RtStages first = rt_stages_flat(&r->arena, &r->every_task);
    RtStages then = rt_stages_flat(&r->arena, &r->every_iteration);
    RtStages adapt = rt_stages_flat(&r->arena, &r->test.adapt);

    for (int i = 0; i < then.n; i++) {
        const RtStage *s = then.items[i];
        if (find_stage(&first, s->name))
            diag_error(&r->diag, s->loc, E_duplicate_name,
                       "two stages are called '%s', one of every task", s->name);
    }
    const RtStages *const all[] = {&first, &then, &adapt};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < all[k]->n; i++) {
            const RtStage *s = all[k]->items[i];
            if (find_stage(all[k], s->name) != s)
                diag_error(&r->diag, s->loc, E_duplicate_name, "two stages are called '%s'",
                           s->name);
        }
}

int64_t rt_stages_transitions(const RtRecipe *r, const RtStages *s, const char *as) {
    int64_t n = 0;

    for (int i = 0; i < s->n; i++) {
        const RtCollect *c = s->items[i]->def;
        if (s->items[i]->verb == &rt_verb_collect && !c->to_buffer &&
            (!as || strcmp(c->as, as) == 0))
            n += c->episodes * (c->steps ? c->steps : r->family->horizon);
    }
    return n;
}

int64_t rt_recipe_tasks(const RtRecipe *r) {
    int64_t n = (r->iterations + r->iterations_each - 1) / r->iterations_each * r->at_once;

    return r->pool > 0 && r->pool < n ? r->pool : n;
}

int64_t rt_recipe_transitions(const RtRecipe *r) {
    return rt_recipe_tasks(r) * rt_stages_transitions(r, &r->every_task, NULL) +
           r->iterations * r->at_once * rt_stages_transitions(r, &r->every_iteration, NULL);
}

// Collecting stages whose transitions a stage of `list` finds in memory.
typedef struct Sources {
    const RtStages *lists[2];
    RtStages of_test;
    RtStage *items[2];
} Sources;

static void find_sources(const RtRecipe *r, const RtStages *list, Sources *out) {
    *out = (Sources){.lists = {&r->every_task, &r->every_iteration}};
    if (list != &r->test.adapt)
        return;
    RtStage *const stages[] = {r->test.context, r->test.model};
    for (int i = 0; i < 2; i++)
        if (stages[i])
            out->items[out->of_test.n++] = stages[i];
    out->of_test.items = out->items;
    out->lists[0] = &out->of_test;
    out->lists[1] = NULL;
}

int64_t rt_recipe_rows_before(const RtRecipe *r, const RtStage *s, const char *as) {
    const RtStages *list = rt_recipe_list_of(r, s);
    Sources from;
    int64_t n = 0;

    find_sources(r, list, &from);
    for (int k = 0; k < 2 && from.lists[k]; k++) {
        RtStages before = *from.lists[k];
        if (from.lists[k] == list)
            before.n = place_in(list, s);
        n += rt_stages_transitions(r, &before, as);
        if (from.lists[k] == list)
            return n;
    }
    return n;
}

int64_t rt_recipe_longest(const RtRecipe *r, const RtStage *s, const char *as) {
    Sources from;
    int64_t longest = 0;

    find_sources(r, rt_recipe_list_of(r, s), &from);
    for (int k = 0; k < 2 && from.lists[k]; k++)
        for (int i = 0; i < from.lists[k]->n; i++) {
            RtStages one = {.n = 1, .items = &from.lists[k]->items[i]};
            const RtCollect *c = one.items[0]->def;
            int64_t n = rt_stages_transitions(r, &one, as);
            n = n > 0 ? n / c->episodes : 0;
            longest = n > longest ? n : longest;
        }
    return longest;
}

static void check_stages(RtRecipe *r, const RtStages *list) {
    for (int i = 0; i < list->n; i++)
        list->items[i]->verb->check(list->items[i], r);
}

// What is measured on a task stays apart from what is adapted to.
static void check_adapt(RtRecipe *r) {
    RtStages all = rt_stages_flat(&r->arena, &r->test.adapt);

    for (int i = 0; i < all.n; i++) {
        const RtStage *s = all.items[i];
        const RtCollect *c = s->def;
        if (s->verb == &rt_verb_collect && !c->to_buffer)
            diag_error(&r->diag, s->loc, E_recipe,
                       "test.adapt cannot collect into memory: say into: buffer");
        if (s->verb == &rt_verb_evaluate)
            diag_error(&r->diag, s->loc, E_recipe, "test.adapt cannot evaluate itself");
    }
}

// Every stage against the rest of the recipe.
static void check_all(RtRecipe *r) {
    RtStage *const of_test[] = {r->test.context, r->test.model, r->test.act};

    check_names(r);
    check_adapt(r);
    check_stages(r, &r->every_task);
    check_stages(r, &r->every_iteration);
    check_stages(r, &r->test.adapt);
    for (int i = 0; i < 3; i++)
        if (of_test[i])
            of_test[i]->verb->check(of_test[i], r);
}

// ---- pairs of names -----------------------------------------------------------------------------

typedef struct Pairs {
    LangPair *items;
    int n, cap;
} Pairs;

// Takes the entries of `y` with `prefix` before their names; maps within are instances.
static void take_pairs(RtReader *r, Pairs *out, const Yaml *y, const char *prefix,
                       const char *what) {
    for (int i = 0; y && i < y->n; i++) {
        const Yaml *value = y->items[i];
        const char *name = arena_printf(r->arena, "%s%s", prefix, y->keys[i]);

        if (value->kind == YAML_MAP && !*prefix)
            take_pairs(r, out, value, arena_printf(r->arena, "%s.", name), what);
        else if (value->kind == YAML_SCALAR) {
            LangPair p = {.name = name, .value = value->text, .loc = y->key_locs[i]};
            arena_push(r->arena, out->items, out->n, out->cap, p);
        } else
            diag_error(r->diag, value->loc, E_recipe, "%s.%s is %s, and should be %s", what, name,
                       yaml_kind_name(value),
                       strcmp(what, "bind") == 0 ? "a module's path" : "a value");
    }
}

static int read_pairs(RtReader *r, const Yaml *root, const char *key, const LangPair **out) {
    Pairs pairs = {0};

    take_pairs(r, &pairs, rt_read_map(r, root, key), "", key);
    *out = pairs.items;
    return pairs.n;
}

const LangPair *rt_recipe_need_instance(RtRecipe *r, const char *name, Loc loc) {
    const char **names = arena_array(&r->arena, const char *, r->n_binds + 1);

    for (int i = 0; i < r->n_binds; i++) {
        names[i] = r->binds[i].name;
        if (strcmp(names[i], name) == 0)
            return &r->binds[i];
    }
    diag_error(&r->diag, loc, E_unknown_name, "nothing is bound as '%s'", name);
    diag_did_you_mean(&r->diag, loc, name, names, r->n_binds);
    return NULL;
}

// Adds the labels that the stages give to episodes.
static int add_labels(const RtStage *const *stages, int n, const char **labels, int n_labels) {
    for (int i = 0; i < n; i++)
        if (stages[i] && stages[i]->verb == &rt_verb_collect &&
            !((const RtCollect *)stages[i]->def)->to_buffer)
            labels[n_labels++] = ((const RtCollect *)stages[i]->def)->as;
    return n_labels;
}

void rt_recipe_need_label(RtRecipe *r, const char *label, Loc loc) {
    const RtStage *test[] = {r->test.context, r->test.model};
    int most = r->every_task.n + r->every_iteration.n + 2;
    const char **labels = arena_array(&r->arena, const char *, most);
    int n = add_labels((const RtStage *const *)r->every_task.items, r->every_task.n, labels, 0);

    n = add_labels((const RtStage *const *)r->every_iteration.items, r->every_iteration.n, labels,
                   n);
    n = add_labels(test, 2, labels, n);
    for (int i = 0; i < n; i++)
        if (strcmp(labels[i], label) == 0)
            return;
    diag_error(&r->diag, loc, E_unknown_name, "no stage collects episodes as '%s'", label);
    diag_did_you_mean(&r->diag, loc, label, labels, n);
}

// Settings and dims of instances that are not bound are mistakes.
static void check_pairs(RtRecipe *r, const LangPair *pairs, int n, bool instance) {
    for (int i = 0; i < n; i++) {
        const char *dot = strchr(pairs[i].name, '.');
        if (dot)
            rt_recipe_need_instance(
                r, arena_strndup(&r->arena, pairs[i].name, (size_t)(dot - pairs[i].name)),
                pairs[i].loc);
        else if (instance)
            diag_error(&r->diag, pairs[i].loc, E_recipe,
                       "set.%s should be a mapping of an instance's options and settings",
                       pairs[i].name);
    }
}

// ---- parts --------------------------------------------------------------------------------------

static void read_family(RtRecipe *r, RtReader *in) {
    const char **names = arena_array(in->arena, const char *, env_count());

    rt_read_need(in, r->root, "env", "the recipe");
    rt_read_text(in, r->root, "env", &r->env);
    for (int i = 0; i < env_count(); i++)
        names[i] = env_get(i)->name;
    r->family = r->env ? env_find(r->env) : NULL;
    if (r->env && !r->family) {
        rt_read_refuse(in, r->root, "env", "is '%s', and no family of tasks is called so", r->env);
        diag_did_you_mean(in->diag, yaml_find(r->root, "env")->loc, r->env, names, env_count());
    }
}

// `variant: {inertia: 1}`: of the family.
static void read_variant(RtRecipe *r, RtReader *in) {
    const char *known[ENV_VARIANT_MAX + 1] = {NULL};
    int n = r->family ? env_variants(r->family) : 0;
    const Yaml *map = n > 0 ? rt_read_map(in, r->root, "variant") : NULL;

    if (n > 0)
        env_usual_variant(r->family, r->variant);
    if (!map)
        return;
    for (int i = 0; i < n; i++)
        known[i] = r->family->variant[i].name;
    rt_read_keys(in, map, known, "variant");
    for (int i = 0; i < n; i++) {
        const EnvVariant *v = &r->family->variant[i];
        rt_read_real(in, map, v->name, v->least, v->most, &r->variant[i]);
    }
}

// `windows: {rows: 32, context: 16}`
static void read_windows(RtTest *t, RtReader *in, const Yaml *test) {
    static const char *const known[] = {"rows", "context", NULL};
    const Yaml *map = rt_read_map(in, test, "windows");

    if (!map)
        return;
    rt_read_keys(in, map, known, "test.windows");
    if (rt_read_need(in, map, "rows", "test.windows") &&
        rt_read_need(in, map, "context", "test.windows")) {
        rt_read_int(in, map, "rows", 1, MAX_TEST, &t->window_rows);
        rt_read_int(in, map, "context", 0, t->window_rows - 1, &t->window_context);
    }
}

static void read_test(RtRecipe *r, RtReader *in) {
    static const char *const known[] = {"tasks",   "seed",    "latent", "context", "model",
                                        "measure", "windows", "adapt",  "act",     NULL};
    static const char *const latents[] = {"own", "other", "zero", NULL};
    RtTest *t = &r->test;

    *t = (RtTest){.tasks = 50, .latent = "own"};
    if (!rt_read_need(in, r->root, "test", "the recipe"))
        return;
    const Yaml *map = rt_read_map(in, r->root, "test");
    if (!map)
        return;
    rt_read_keys(in, map, known, "test");
    rt_read_int(in, map, "tasks", 1, MAX_TEST, &t->tasks);
    rt_read_int(in, map, "seed", 0, INT64_MAX, &t->seed);
    rt_read_word(in, map, "latent", latents, &t->latent);
    t->context = read_episodes(in, map, "context", false);
    t->model = read_episodes(in, map, "model", false);
    t->act = read_episodes(in, map, "act", true);
    rt_read_text(in, map, "measure", &t->measure);
    if (t->measure)
        t->measure_loc = yaml_find(map, "measure")->loc;
    if (t->model && !t->measure)
        rt_read_need(in, map, "measure", "test");
    read_windows(t, in, map);
    rt_stages_read(in, map, "adapt", &t->adapt);
}

static void read_paper(RtRecipe *r, RtReader *in) {
    const struct {
        const char *key;
        double least;
        double *to;
    } figures[] = {{"score", -1e300, &r->paper_score},
                   {"score_sd", 0, &r->paper_score_sd},
                   {"mse", 0, &r->paper_mse},
                   {"mse_sd", 0, &r->paper_mse_sd},
                   {"seconds", 0, &r->paper_seconds},
                   {"seconds_sd", 0, &r->paper_seconds_sd}};
    enum { N_FIGURES = sizeof figures / sizeof *figures };
    const char *known[N_FIGURES + 1] = {NULL};
    const Yaml *map = rt_read_map(in, r->root, "paper");
    RtEntry *departs;

    for (int i = 0; i < N_FIGURES; i++) {
        known[i] = figures[i].key;
        *figures[i].to = NAN;
    }
    if (map)
        rt_read_keys(in, map, known, "paper");
    for (int i = 0; map && i < N_FIGURES; i++)
        rt_read_real(in, map, figures[i].key, figures[i].least, 1e300, figures[i].to);
    r->n_departs = rt_read_entries(in, r->root, "departs", false, &departs);
    r->departs = arena_array(in->arena, const char *, r->n_departs);
    for (int i = 0; i < r->n_departs; i++) {
        const char *text = "";
        rt_read_text(in, yaml_find(r->root, "departs"), departs[i].name, &text);
        r->departs[i] = arena_printf(in->arena, "%s: %s", departs[i].name, text);
    }
}

static void read_tasks(RtRecipe *r, RtReader *in) {
    static const char *const known[] = {"iterations_each", "at_once", "pool", "redrawn", NULL};
    const Yaml *map = rt_read_map(in, r->root, "tasks");

    r->iterations_each = r->at_once = 1;
    if (!map)
        return;
    rt_read_keys(in, map, known, "tasks");
    rt_read_int(in, map, "iterations_each", 1, MAX_ITERATIONS, &r->iterations_each);
    rt_read_int(in, map, "at_once", 1, MAX_TASKS, &r->at_once);
    rt_read_int(in, map, "pool", 1, MAX_ITERATIONS, &r->pool);
    rt_read_bool(in, map, "redrawn", &r->redrawn);
    if (r->pool % r->at_once != 0)
        rt_read_refuse(in, map, "pool", "is %lld, and should be a multiple of at_once, %lld",
                       (long long)r->pool, (long long)r->at_once);
}

// A function of an instance, such as task.input.
static void check_function(RtReader *in, const Yaml *y, const char *key) {
    if (y->kind != YAML_SCALAR || !strchr(y->text, '.'))
        diag_error(in->diag, y->loc, E_recipe, "%s should be a function such as task.input", key);
}

static void read_state(RtRecipe *r, RtReader *in) {
    const Yaml *y = yaml_find(r->root, "state");

    if (!y)
        return;
    check_function(in, y, "state");
    rt_read_text(in, r->root, "state", &r->state);
    r->state_loc = y->loc;
}

// `transitions: {x: task.input}`: functions of instances.
static void read_fields(RtRecipe *r, RtReader *in) {
    RtEntry *fields;

    r->n_fields = rt_read_entries(in, r->root, "transitions", false, &fields);
    for (int i = 0; i < r->n_fields; i++)
        check_function(in, fields[i].value,
                       arena_printf(in->arena, "transitions.%s", fields[i].name));
    r->fields = fields;
}

static void read_root(RtRecipe *r, RtReader *in) {
    static const char *const dtypes[] = {"f32", "f64", NULL};
    static const char *const targets[] = {"cpu", "ref", "cuda", NULL};
    const char *dtype = "f32";
    RtEntry *log;

    rt_read_keys(in, r->root, rt_recipe_keys, "the recipe");
    read_family(r, in);
    read_variant(r, in);
    rt_read_need(in, r->root, "system", "the recipe");
    rt_read_need(in, r->root, "bind", "the recipe");
    rt_read_need(in, r->root, "iterations", "the recipe");
    rt_read_text(in, r->root, "experiment", &r->experiment);
    rt_read_text(in, r->root, "system", &r->system);
    rt_read_text(in, r->root, "profile", &r->profile);
    rt_read_int(in, r->root, "seed", 0, INT64_MAX, &r->seed);
    rt_read_int(in, r->root, "iterations", 1, MAX_ITERATIONS, &r->iterations);
    rt_read_int(in, r->root, "checkpoints", 1, MAX_ITERATIONS, &r->checkpoints);
    rt_read_word(in, r->root, "dtype", dtypes, &dtype);
    rt_read_word(in, r->root, "target", targets, &r->target);
    r->real = strcmp(dtype, "f64") == 0 ? IR_F64 : IR_F32;

    r->n_binds = read_pairs(in, r->root, "bind", &r->binds);
    r->n_sets = read_pairs(in, r->root, "set", &r->sets);
    r->n_dims = read_pairs(in, r->root, "dims", &r->dims);
    check_pairs(r, r->sets, r->n_sets, true);
    check_pairs(r, r->dims, r->n_dims, false);

    read_tasks(r, in);
    read_state(r, in);
    read_fields(r, in);
    rt_stages_read(in, r->root, "every_task", &r->every_task);
    rt_stages_read(in, r->root, "every_iteration", &r->every_iteration);
    r->n_log = rt_read_entries(in, r->root, "log", true, &log);
    r->log = log;
    read_test(r, in);
    read_paper(r, in);
    if (r->family)
        check_all(r);
}

int rt_recipe_code(const RtRecipe *r) {
    for (int i = 0; i < r->diag.n; i++) {
        const DiagMessage *m = &r->diag.messages[i];
        if (!m->is_note && (!m->loc.file || strcmp(m->loc.file->path, RT_COMMAND_LINE) != 0))
            return EXIT_BAD_INPUT;
    }
    return r->diag.n_errors ? EXIT_BAD_USAGE : EXIT_OK;
}

// The tree with its keys in the order of rt_recipe_keys, others behind.
static Yaml *in_order(Arena *a, const Yaml *root) {
    Yaml *y = NULL;

    for (int i = 0; rt_recipe_keys[i]; i++) {
        Loc loc;
        Yaml *value = yaml_find_loc(root, rt_recipe_keys[i], &loc);
        if (value)
            y = rt_tree_merge(a, y, rt_tree_map(a, rt_recipe_keys[i], loc, value));
    }
    return rt_tree_merge(a, y, root);
}

int rt_recipe_open(RtRecipe *r, const RtRecipeDef *def) {
    RtReader in = {&r->arena, &r->diag};
    Buf text = {0};

    *r = (RtRecipe){.experiment = "", .profile = "none", .target = "cpu", .checkpoints = 3};
    if (!rt_recipe_load(r, def))
        return rt_recipe_code(r);
    r->root = in_order(&r->arena, r->root);
    read_root(r, &in);
    rt_tree_print(&text, r->root, NULL);
    rt_hash(r->hash, buf_text(&text), text.len);
    buf_free(&text);
    return rt_recipe_code(r);
}

void rt_recipe_free(RtRecipe *r) {
    arena_free(&r->origins.arena);
    arena_free(&r->arena);
    diag_free(&r->diag);
    *r = (RtRecipe){0};
}

void rt_recipe_print(Buf *b, const RtRecipe *r) {
    buf_printf(b, "# resolved recipe of a run: what each value is, and where it was said\n");
    rt_tree_print(b, r->root, &r->origins);
}
