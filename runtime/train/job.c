// runtime/train/job.c -- a program as a stage calls it: what it is given, and gives.
#include "runtime/train/job.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "runtime/train/scene.h"

enum { MAX_DIM = 1 << 30 };

void rt_job_read(RtJob *j, RtStage *s, RtReader *r) {
    rt_feed_read(&j->feed, s, r);
    j->n_settings = rt_read_entries(r, s->map, "settings", true, &j->settings);
    j->n_dims = rt_read_entries(r, s->map, "dims", false, &j->dims);
    j->dim_values = arena_array(r->arena, int64_t, j->n_dims);
    for (int i = 0; i < j->n_dims; i++)
        rt_read_int(r, yaml_find(s->map, "dims"), j->dims[i].name, 0, MAX_DIM, &j->dim_values[i]);
}

void rt_job_check(RtJob *j, const RtStage *s, RtRecipe *recipe, const char *example) {
    const char *dot = strchr(s->object, '.');

    if (dot)
        rt_recipe_need_instance(recipe,
                                arena_strndup(&recipe->arena, s->object, (size_t)(dot - s->object)),
                                s->object_loc);
    else
        diag_error(&recipe->diag, s->object_loc, E_recipe,
                   "%s is '%s', and should be a %s such as %s", s->verb->name, s->object,
                   j->kind == LANG_PROGRAM ? "program" : "function", example);
    rt_feed_check(&j->feed, s, recipe);
}

void rt_job_ask(const RtJob *j, const RtStage *s, RtWorld *w) {
    rt_world_ask(w, s->object, s->object_loc, j->kind);
}

// ---- binding ------------------------------------------------------------------------------------

void rt_job_declare(RtJob *j, const RtStage *s, RtScene *scene, bool compares) {
    Arena *arena = &scene->world->arena;

    j->n_outputs = 0;
    j->unit = rt_world_ask(scene->world, s->object, s->object_loc, j->kind);
    if (!j->unit || !j->unit->program)
        return;
    const IrFunction *f = j->unit->program->fn;
    j->outputs = arena_array(arena, RtJobOutput, f->body->n_results);
    for (int i = 0; i < f->body->n_results; i++) {
        const char *plain = f->outputs[i].name;
        if (f->outputs[i].role != IR_ROLE_OUT || rt_unit_output_type(j->unit, i)->rank > 0)
            continue;
        const char *name = arena_printf(arena, "%s.%s", s->name, plain);
        const char *before = arena_printf(arena, "previous.%s", plain);
        j->outputs[j->n_outputs++] =
            (RtJobOutput){.slot = i,
                          .name = name,
                          .named = rt_vars_ensure(scene->vars, name),
                          .plain = rt_vars_ensure(scene->vars, plain),
                          .previous = compares ? rt_vars_ensure(scene->vars, before) : NULL};
    }
}

static bool bind_dims(const RtJob *j, RtScene *scene) {
    const IrDims *ds = j->unit->program->fn->dims;
    const char **names = arena_array(&scene->world->arena, const char *, ds->n_vars + 1);
    bool done = true;

    for (int i = 0; i < ds->n_vars; i++)
        names[i] = ds->vars[i]->name;
    for (int i = 0; i < j->n_dims; i++) {
        const RtEntry *d = &j->dims[i];
        int64_t most = rt_unit_max_dim(j->unit, d->name);
        if (most < 0) {
            diag_error(scene->world->diag, d->loc, E_unknown_dim, "'%s' has no dim '%s'",
                       j->unit->name, d->name);
            diag_did_you_mean(scene->world->diag, d->loc, d->name, names, ds->n_vars);
            done = false;
        } else if (j->dim_values[i] > most) {
            diag_error(scene->world->diag, d->value->loc, E_dim_value,
                       "%s is %" PRId64 ", but '%s' takes at most %" PRId64, d->name,
                       j->dim_values[i], j->unit->name, most);
            done = false;
        }
    }
    return done;
}

bool rt_job_bind_inputs(RtJob *j, const RtStage *s, RtScene *scene) {
    if (!j->unit || !j->unit->program)
        return false;
    bool done = rt_feed_bind(&j->feed, s, scene, j->unit);
    return bind_dims(j, scene) && done;
}

// The setting's full name in the program, or NULL: "rate" is "dynamics.rate" of dynamics.fit.
static const char *find_setting(Arena *a, const RtUnit *u, const char *name) {
    const IrFunction *f = u->program->fn;
    const char *full = arena_printf(a, "%s.%s", u->instance, name);

    for (int i = 0; i < f->body->n_params; i++)
        if (f->inputs[i].role == IR_ROLE_SETTING &&
            (strcmp(f->inputs[i].name, name) == 0 || strcmp(f->inputs[i].name, full) == 0))
            return f->inputs[i].name;
    return NULL;
}

// Reports that the program has no setting of the entry's name.
static void refuse_setting(RtScene *scene, const RtUnit *u, const RtEntry *e) {
    const IrFunction *f = u->program->fn;
    const char **names = arena_array(&scene->world->arena, const char *, f->body->n_params + 1);
    const char *text;
    int n = 0;

    for (int i = 0; i < f->body->n_params; i++)
        if (f->inputs[i].role == IR_ROLE_SETTING) {
            const char *dot = strrchr(f->inputs[i].name, '.');
            names[n++] = dot ? dot + 1 : f->inputs[i].name;
        }
    diag_error(scene->world->diag, e->loc, E_unknown_option, "'%s' has no setting '%s'", u->name,
               e->name);
    if (lang_option_text(scene->world->lang, u->instance, e->name, &text))
        diag_note(scene->world->diag, e->loc,
                  "'%s' is an option, fixed at compile time: set: {%s: {%s: %s}}", e->name,
                  u->instance, e->name, text);
    else
        diag_did_you_mean(scene->world->diag, e->loc, e->name, names, n);
}

bool rt_job_bind_settings(RtJob *j, RtScene *scene) {
    Arena *arena = &scene->world->arena;
    bool done = true;

    if (!j->unit || !j->unit->program)
        return false;
    j->formulas = arena_array(arena, RtJobSetting, j->n_settings);
    j->n_formulas = 0;
    for (int i = 0; i < j->n_settings; i++) {
        const RtEntry *e = &j->settings[i];
        const char *name = find_setting(arena, j->unit, e->name);
        RtFormula *value =
            e->expr ? rt_formula_new(arena, scene->world->diag, e->expr, scene->vars) : NULL;
        if (!name)
            refuse_setting(scene, j->unit, e);
        done = done && name && value;
        j->formulas[j->n_formulas++] = (RtJobSetting){name, value};
    }
    return done;
}

// ---- running ------------------------------------------------------------------------------------

void rt_job_reset(const RtJob *j) {
    rt_unit_reset(j->unit);
    for (int i = 0; i < j->n_dims; i++)
        rt_call_set_dim(j->unit->call, j->dims[i].name, j->dim_values[i]);
}

static void forget(RtJob *j) {
    j->n_counted = 0;
    for (int i = 0; i < j->n_outputs; i++)
        j->outputs[i].sum = 0;
}

int rt_job_begin(RtJob *j, RtScene *scene) {
    rt_job_reset(j);
    forget(j);
    rt_job_end(j);
    return rt_feed_begin(&j->feed, scene);
}

void rt_job_run(RtJob *j, RtScene *scene, uint64_t draws, int64_t call) {
    for (int i = 0; i < j->n_formulas; i++)
        rt_call_set_setting(j->unit->call, j->formulas[i].name,
                            rt_formula_value(j->formulas[i].value));
    rt_unit_run(j->unit, draws, (uint64_t)call);
    if (scene->first_step == 0)
        scene->first_step = rt_now();
}

int rt_job_call(RtJob *j, RtScene *scene, uint64_t choices, uint64_t draws, int64_t call) {
    int code = rt_feed_fill(&j->feed, scene, choices, call);

    if (code == EXIT_OK)
        rt_job_run(j, scene, draws, call);
    return code;
}

void rt_job_count(RtJob *j) {
    for (int i = 0; i < j->n_outputs; i++) {
        double value;
        rt_call_get(j->unit->call, j->outputs[i].slot, &value, 1);
        j->outputs[i].sum += value;
    }
    j->n_counted++;
}

void rt_job_give(RtJob *j, RtScene *scene) {
    bool again = j->n_outputs > 0 && j->outputs[0].previous && j->given;

    for (int i = 0; i < j->n_outputs; i++) {
        RtJobOutput *o = &j->outputs[i];
        if (again)
            *o->previous = *o->named;
        *o->named = *o->plain = o->sum / (double)j->n_counted;
        if (!isfinite(*o->named))
            scene->diverged = o->name;
    }
    j->given = true;
    forget(j);
}

void rt_job_end(RtJob *j) {
    j->given = false;
    for (int i = 0; i < j->n_outputs; i++)
        if (j->outputs[i].previous)
            *j->outputs[i].previous = NAN;
}

void rt_job_free(RtJob *j) {
    rt_feed_free(&j->feed);
}
