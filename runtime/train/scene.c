// runtime/train/scene.c -- running stages, and being asked to stop.
#include "runtime/train/scene.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "ir/base/exits.h"

// a signal handler has nothing else to tell by
static volatile sig_atomic_t stop;

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

void rt_stop_install(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

bool rt_stop_asked(void) {
    return stop != 0;
}

void rt_scene_open(RtScene *scene) {
    scene->v_iteration = rt_vars_ensure(scene->vars, "iteration");
    scene->v_update = rt_vars_ensure(scene->vars, "update");
    scene->v_times = rt_vars_ensure(scene->vars, "times");
    scene->v_round = rt_vars_ensure(scene->vars, "round");
    *scene->v_iteration = *scene->v_update = *scene->v_times = *scene->v_round = 0;
}

void rt_scene_forget(RtScene *scene) {
    for (int i = 0; i < scene->vars->map.n; i++)
        *(double *)scene->vars->map.entries[i].value = NAN;
    *scene->v_iteration = (double)scene->iteration;
    *scene->v_update = *scene->v_times = *scene->v_round = 0;
    scene->diverged = NULL;
}

int rt_scene_run(RtScene *scene, RtStage *s) {
    *scene->v_iteration = (double)scene->iteration;
    if (s->buffer)
        s->buffer->rows = 0; // what a stage gave before, another does not meet
    if (s->condition && s->verb != &rt_verb_choose && rt_formula_value(s->condition) == 0)
        return EXIT_OK;
    return s->verb->run(s, scene);
}

void rt_stages_ask(const RtStages *list, const RtRecipe *recipe, RtWorld *w) {
    for (int i = 0; i < list->n; i++)
        list->items[i]->verb->ask(list->items[i], recipe, w);
}

static bool bind(RtStage *s, RtScene *scene) {
    bool done = s->verb->bind(s, scene);

    if (s->when) {
        s->condition =
            rt_formula_new(&scene->recipe->arena, scene->world->diag, s->when, scene->vars);
        done = done && s->condition;
    }
    return done;
}

bool rt_stages_bind(const RtStages *list, RtScene *scene) {
    bool done = true;

    for (int i = 0; i < list->n; i++)
        done = bind(list->items[i], scene) && done;
    return done;
}

void rt_stages_declare(const RtStages *list, RtScene *scene) {
    for (int i = 0; i < list->n; i++) {
        RtStage *s = list->items[i];
        s->verb->free(s);
        if (s->verb->declare)
            s->verb->declare(s, scene);
    }
}

void rt_stages_free(const RtStages *list) {
    for (int i = 0; i < list->n; i++)
        list->items[i]->verb->free(list->items[i]);
}
