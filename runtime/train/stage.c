// runtime/train/stage.c -- reading a stage: its verb, and what all verbs share.
#include "runtime/train/stage.h"

#include <string.h>

#include "ir/base/errors.h"

static const RtVerb *const verbs[] = {
#define VERB(name, doc) &rt_verb_##name,
#include "runtime/train/stages.def"
};

enum { N_VERBS = sizeof verbs / sizeof *verbs };

const char *rt_stage_title(Arena *a, const RtStage *s) {
    return arena_printf(a, "the stage '%s'", s->name);
}

// The verb among the keys of `map`; one, and only one, is there.
static const RtVerb *find_verb(RtReader *r, const char *name, Loc loc, const Yaml *map) {
    const char *names[N_VERBS];
    const RtVerb *found = NULL;

    for (int i = 0; i < N_VERBS; i++) {
        names[i] = verbs[i]->name;
        if (!yaml_find(map, names[i]))
            continue;
        if (found) {
            diag_error(r->diag, loc, E_recipe, "the stage '%s' has two verbs, '%s' and '%s'", name,
                       found->name, names[i]);
            return NULL;
        }
        found = verbs[i];
    }
    if (found)
        return found;
    diag_error(r->diag, loc, E_unknown_stage, "the stage '%s' has no verb", name);
    for (int i = 0; i < map->n; i++)
        diag_did_you_mean(r->diag, map->key_locs[i], map->keys[i], names, N_VERBS);
    Buf list = {0};
    for (int i = 0; i < N_VERBS; i++)
        buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
    diag_note(r->diag, loc, "a verb is one of: %s", list.data);
    buf_free(&list);
    return NULL;
}

RtStage *rt_stage_read(RtReader *r, const char *name, Loc loc, const Yaml *map) {
    if (!expr_is_name(name)) {
        diag_error(r->diag, loc, E_recipe, "'%s' is no name for a stage", name);
        return NULL;
    }
    if (map->kind != YAML_MAP) {
        diag_error(r->diag, map->loc, E_wrong_kind, "the stage '%s' should be a mapping, not %s",
                   name, yaml_kind_name(map));
        return NULL;
    }
    const RtVerb *verb = find_verb(r, name, loc, map);
    if (!verb)
        return NULL;

    RtStage *s = arena_new(r->arena, RtStage);
    *s = (RtStage){.name = name, .loc = loc, .map = map, .verb = verb, .object = ""};
    rt_read_text(r, map, verb->name, &s->object);
    s->object_loc = yaml_find(map, verb->name)->loc;
    rt_read_expr(r, map, "when", &s->when);
    verb->read(s, r);
    return s;
}

void rt_stages_read(RtReader *r, const Yaml *map, const char *key, RtStages *out) {
    const Yaml *y = rt_read_map(r, map, key);

    out->items = arena_array(r->arena, RtStage *, y ? y->n : 0);
    for (int i = 0; y && i < y->n; i++) {
        RtStage *s = rt_stage_read(r, y->keys[i], y->key_locs[i], y->items[i]);
        if (s)
            out->items[out->n++] = s;
    }
}

static int count(const RtStages *list) {
    int n = list->n;

    for (int i = 0; i < list->n; i++)
        n += count(&list->items[i]->stages);
    return n;
}

static void put_flat(RtStages *out, const RtStages *list) {
    for (int i = 0; i < list->n; i++) {
        out->items[out->n++] = list->items[i];
        put_flat(out, &list->items[i]->stages);
    }
}

RtStages rt_stages_flat(Arena *a, const RtStages *list) {
    RtStages out = {.items = arena_array(a, RtStage *, count(list))};

    put_flat(&out, list);
    return out;
}
