// runtime/train/driver.c -- meta-training (paper, algorithm 1) as iterations of a recipe's stages.
#include "runtime/train/driver.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envs/env_random.h"
#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "runtime/train/meta_test.h"
#include "runtime/train/report.h"

// ---- preparing ----------------------------------------------------------------------------------

void rt_driver_ask(RtRecipe *recipe, RtWorld *world) {
    rt_experience_ask(recipe, world);
    rt_stages_ask(&recipe->every_task, recipe, world);
    rt_stages_ask(&recipe->every_iteration, recipe, world);
    rt_tester_ask(recipe, world);
}

static bool bind_tags(RtDriver *d) {
    const RtRecipe *r = d->recipe;
    bool done = true;

    d->tags = arena_array(&d->world->arena, RtTag, r->n_log);
    d->n_tags = r->n_log;
    for (int i = 0; i < r->n_log; i++) {
        const RtEntry *e = &r->log[i];
        RtFormula *f =
            e->expr ? rt_formula_new(&d->world->arena, d->world->diag, e->expr, &d->vars) : NULL;
        d->tags[i] = (RtTag){.name = e->name, .value = f, .last = NAN};
        done = done && f;
    }
    return done;
}

int rt_driver_open(RtDriver *d, RtRecipe *recipe, RtWorld *world, char *why, size_t why_size) {
    *d = (RtDriver){.recipe = recipe,
                    .world = world,
                    .csv = {.kind = "iteration"},
                    .why = why,
                    .why_size = why_size};
    why[0] = '\0';
    d->scene = (RtScene){.recipe = recipe,
                         .world = world,
                         .experience = &d->experience,
                         .n_tasks = (int)recipe->at_once,
                         .vars = &d->vars,
                         .key = env_random_key((uint64_t)recipe->seed, "train", 0, 0),
                         .why = why,
                         .why_size = why_size};
    rt_scene_open(&d->scene);
    bool done = rt_experience_open(&d->experience, recipe, world, rt_recipe_transitions(recipe));
    if (done) {
        rt_stages_declare(&recipe->every_task, &d->scene);
        rt_stages_declare(&recipe->every_iteration, &d->scene);
        done = rt_stages_bind(&recipe->every_task, &d->scene);
        done = rt_stages_bind(&recipe->every_iteration, &d->scene) && done;
        done = bind_tags(d) && done;
        done = rt_tester_check(&d->scene) && done;
    }
    return done ? EXIT_OK : rt_recipe_code(recipe);
}

void rt_driver_close(RtDriver *d) {
    if (!d->recipe)
        return;
    rt_stages_free(&d->recipe->every_task);
    rt_stages_free(&d->recipe->every_iteration);
    rt_progress_close(&d->progress);
    rt_log_close(&d->events);
    rt_log_close(&d->timing);
    rt_csv_free(&d->csv);
    rt_run_close(&d->run);
    rt_experience_close(&d->experience);
    rt_vars_free(&d->vars);
    *d = (RtDriver){0};
}

// ---- run folders --------------------------------------------------------------------------------

static int io(RtDriver *d, bool done) {
    (void)d;
    return done ? EXIT_OK : EXIT_IO;
}

// Opens the logs, the events at their committed length. The timing log keeps all that was written.
static int open_logs(RtDriver *d, int64_t events_offset) {
    Arena scratch = {0};
    char *events = rt_run_path(&d->run, &scratch, "events.jsonl");
    char *timing = rt_run_path(&d->run, &scratch, "timing.jsonl");
    Buf old = {0};
    char none[256];

    // a line that a crash cut off is dropped
    int64_t length = 0;
    if (buf_read_file(&old, timing, 0, none, sizeof none))
        for (size_t i = 0; i < old.len; i++)
            length = old.data[i] == '\n' ? (int64_t)i + 1 : length;
    buf_free(&old);
    bool done = rt_log_open(&d->events, events, events_offset, d->why, d->why_size) &&
                rt_log_open(&d->timing, timing, length, d->why, d->why_size);
    arena_free(&scratch);
    d->scene.events = &d->events;
    return io(d, done);
}

static void put_start(RtDriver *d, const char *kind, const char *from) {
    rt_event_begin(&d->timing, kind);
    rt_event_put_int(&d->timing, "iteration", d->iteration);
    rt_event_put_double(&d->timing, "build_seconds", d->world->build_seconds);
    rt_event_put_int(&d->timing, "threads", rt_pool_size(d->world->pool));
    rt_event_put_text(&d->timing, "target", d->world->backend->name);
    if (from) {
        rt_event_put_text(&d->timing, "run", from);
        rt_event_put_double(&d->timing, "seconds", rt_training_seconds(from));
    }
    rt_event_end(&d->timing);
}

// The state and history of another run's newest checkpoint.
static int take_from(RtDriver *d, const char *from) {
    RtCheckpoint c;
    Arena scratch = {0};
    Buf events = {0};

    if (rt_checkpoint_find_newest_good(&c, from, NULL, d->why, d->why_size) != RT_FOUND)
        return EXIT_BAD_INPUT;
    int code = rt_restore(d, &c, from);
    if (code == EXIT_OK && d->iteration >= d->recipe->iterations) {
        snprintf(d->why, d->why_size,
                 "'%s' has already done %" PRId64
                 " iterations; say how many there should be in all, as in iterations=%" PRId64,
                 from, d->iteration, 2 * d->iteration);
        code = EXIT_BAD_USAGE;
    }
    size_t length = (size_t)rt_checkpoint_log_offset(&c, "events.jsonl");
    if (code == EXIT_OK && !buf_read_file(&events, arena_printf(&scratch, "%s/events.jsonl", from),
                                          0, d->why, d->why_size))
        code = EXIT_IO;

    // its episodes and events are written again at the first commit
    for (int i = 0; i < d->experience.n_episodes; i++)
        d->experience.episodes[i].written = false;
    if (code == EXIT_OK && length <= events.len)
        buf_put(&d->events.pending, buf_text(&events), length);
    buf_free(&events);
    arena_free(&scratch);
    rt_checkpoint_close(&c);
    return code;
}

int rt_driver_create(RtDriver *d, const char *root, const char *from) {
    Buf config = {0};
    int code = from ? take_from(d, from) : EXIT_OK;

    if (code != EXIT_OK)
        return code;
    Buf history = d->events.pending;
    d->events.pending = (Buf){0};
    rt_recipe_print(&config, d->recipe);
    RtRunDef def = {.root = root,
                    .env = d->recipe->env,
                    .system = d->recipe->system,
                    .seed = d->recipe->seed,
                    .time = d->label,
                    .config = config.data,
                    .config_len = config.len};
    code = rt_run_create(&d->run, &def, d->why, d->why_size);
    buf_free(&config);
    if (code == EXIT_OK)
        code = open_logs(d, 0);
    if (code == EXIT_OK) {
        buf_put(&d->events.pending, buf_text(&history), history.len);
        put_start(d, from ? "from" : "start", from);
        code = rt_commit(d);
    }
    buf_free(&history);
    return code;
}

// Whether the checkpoint was made with the recipe and the programs there are now.
static bool same_origin(RtDriver *d, const RtCheckpoint *c) {
    const char *recipe = rt_checkpoint_find_hash(c, "recipe");

    if (!recipe || strcmp(recipe, d->recipe->hash) != 0) {
        snprintf(d->why, d->why_size,
                 "the recipe in config.yaml was changed after the run began; to go on with other "
                 "settings, begin a new run: gssm-run train --from=%s",
                 d->run.dir);
        return false;
    }
    for (int i = 0; i < d->world->n; i++) {
        const RtUnit *u = d->world->units[i];
        const char *hash = rt_checkpoint_find_hash(c, u->name);
        if (u->program && (!hash || strcmp(hash, u->hash) != 0)) {
            snprintf(d->why, d->why_size,
                     "'%s' is another program than when the run began: its model files or the "
                     "compiler changed; to go on with it, begin a new run: gssm-run train "
                     "--from=%s",
                     u->name, d->run.dir);
            return false;
        }
    }
    return true;
}

int rt_driver_resume(RtDriver *d, const char *dir) {
    RtCheckpoint c;
    Buf notes = {0};
    int code = rt_run_open(&d->run, dir, true, d->why, d->why_size);

    if (code != EXIT_OK)
        return code;
    RtFound found = rt_checkpoint_find_newest_good(&c, dir, &notes, d->why, d->why_size);
    if (notes.len > 0)
        fputs(notes.data, stderr);
    buf_free(&notes);
    if (found == RT_FOUND_DAMAGED)
        return EXIT_BAD_INPUT;
    if (found == RT_FOUND && !same_origin(d, &c))
        code = EXIT_BAD_INPUT;
    if (found == RT_FOUND && code == EXIT_OK)
        code = rt_restore(d, &c, dir);
    if (code == EXIT_OK &&
        !rt_checkpoint_clean(dir, &c, (int)d->recipe->checkpoints, d->why, d->why_size))
        code = EXIT_IO;
    if (code == EXIT_OK)
        code = open_logs(d, found == RT_FOUND ? rt_checkpoint_log_offset(&c, "events.jsonl") : 0);
    if (code == EXIT_OK)
        put_start(d, "resume", NULL);

    // stopped before commit 0: there is nothing but the recipe
    if (code == EXIT_OK && found == RT_FOUND_NONE)
        code = rt_commit(d);
    rt_checkpoint_close(&c);
    return code;
}

// ---- training -----------------------------------------------------------------------------------

static int run_stages(RtDriver *d, const RtStages *list) {
    int code = EXIT_OK;

    for (int i = 0; i < list->n && code == EXIT_OK; i++) {
        if (rt_stop_asked())
            return EXIT_STOPPED;
        d->shown = list->items[i];
        d->shown_done = d->shown_times = 0;
        rt_driver_show(d);
        code = rt_scene_run(&d->scene, list->items[i]);
    }
    return code;
}

// Makes the tasks of the block of iterations that begins current; gives whether they are new ones.
static bool take_tasks(RtDriver *d) {
    const RtRecipe *r = d->recipe;
    int64_t first = d->iteration / r->iterations_each * r->at_once;

    if (r->pool > 0 && first >= r->pool) {
        d->scene.task = (int)(first % r->pool);
        return false;
    }
    for (int64_t i = 0; i < r->at_once; i++) {
        double params[ENV_TASK_MAX] = {0};
        env_draw_task(r->family, ENV_TRAIN, (uint64_t)r->seed, first + i, params);
        int task = rt_experience_add_task(&d->experience, params);
        d->scene.task = i == 0 ? task : d->scene.task;
    }
    return true;
}

// The first current task of an iteration within a block.
static int same_tasks(const RtDriver *d) {
    const RtRecipe *r = d->recipe;
    int64_t first = d->iteration / r->iterations_each * r->at_once;
    int64_t last = d->experience.n_tasks - r->at_once;

    first = r->pool > 0 ? first % r->pool : first;
    return (int)(first < last ? first : last);
}

static int run_iteration(RtDriver *d) {
    const RtRecipe *r = d->recipe;
    int code = EXIT_OK;

    d->scene.iteration = d->iteration;
    rt_scene_forget(&d->scene);
    if (d->iteration % r->iterations_each != 0)
        d->scene.task = same_tasks(d);
    else if (take_tasks(d))
        code = run_stages(d, &r->every_task);
    d->scene.tally = (RtTally){0};
    if (code == EXIT_OK)
        code = run_stages(d, &r->every_iteration);
    if (code == EXIT_OK && d->scene.diverged) {
        snprintf(d->why, d->why_size,
                 "training diverged in iteration %" PRId64
                 ": %s is not a finite number; the last commit is kept",
                 d->iteration, d->scene.diverged);
        code = EXIT_CHECK;
    }
    return code;
}

static void tick(void *data, const RtStage *s, int64_t done, int64_t times) {
    RtDriver *d = data;

    d->shown_done = done;
    d->shown_times = times;
    d->shown = s;
    if (done % 16 == 0)
        rt_driver_show(d);
}

// The commit of an iteration, and what is derived from it.
static int finish_iteration(RtDriver *d) {
    Arena scratch = {0};
    char *events = rt_run_path(&d->run, &scratch, "events.jsonl");
    char *csv = rt_run_path(&d->run, &scratch, "progress.csv");
    double start;

    rt_driver_record(d);
    d->iteration++;
    int code = rt_commit(d);
    start = rt_now();
    if (code == EXIT_OK)
        code = io(d, rt_csv_update(&d->csv, events, csv, d->why, d->why_size));
    d->commit_seconds += rt_now() - start;
    if (code == EXIT_OK) {
        rt_driver_record_time(d);
        code = io(d, rt_log_flush(&d->timing, d->why, d->why_size));
        rt_driver_show_done(d);
    }
    arena_free(&scratch);
    return code;
}

int rt_driver_train(RtDriver *d, bool quiet) {
    int code = EXIT_OK;

    rt_progress_open(&d->progress, stderr, quiet);
    if (!quiet && d->progress.live) {
        d->scene.tick = tick;
        d->scene.tick_data = d;
    }
    d->training_start = rt_now();
    d->first_iteration = d->iteration;
    d->commit_seconds = 0;
    while (d->iteration < d->recipe->iterations && code == EXIT_OK) {
        d->iteration_start = rt_now();
        rt_driver_take_times(d);
        code = rt_stop_asked() ? EXIT_STOPPED : run_iteration(d);
        if (code == EXIT_OK)
            code = finish_iteration(d);
    }
    if (code == EXIT_STOPPED) {
        rt_log_discard(&d->events);
        rt_event_begin(&d->timing, "stop");
        rt_event_put_int(&d->timing, "iteration", d->iteration);
        rt_event_end(&d->timing);
        rt_log_flush(&d->timing, d->why, d->why_size);
        snprintf(d->why, d->why_size, "stopped after %" PRId64 " of %" PRId64 " iterations",
                 d->iteration, d->recipe->iterations);
    }
    return code;
}
