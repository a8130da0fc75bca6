// runtime/train/runs.c -- the runs that a command is given, and what tells them apart.
#include "runtime/train/runs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "ir/base/exits.h"
#include "ir/lang/yaml.h"
#include "runtime/record/run.h"
#include "runtime/train/tree.h"

static bool has_file(Arena *a, const char *dir, const char *name) {
    return access(arena_printf(a, "%s/%s", dir, name), R_OK) == 0;
}

bool rt_is_sweep(const char *dir) {
    Arena a = {0};
    bool found = has_file(&a, dir, RT_SWEEP_FILE);

    arena_free(&a);
    return found;
}

// ---- keys ---------------------------------------------------------------------------------------

// The value at the dotted path `key` below `map`, or NULL.
static Yaml *find_path(Arena *a, Yaml *map, const char *key) {
    while (map && *key) {
        size_t len = strcspn(key, ".");
        map = map->kind == YAML_MAP ? yaml_find(map, arena_strndup(a, key, len)) : NULL;
        key += len + (key[len] == '.');
    }
    return map;
}

// The value of a key as the command line takes it: a path, or one that begins with a stage or an
// instance.
static Yaml *find_key(Arena *a, Yaml *root, const char *key) {
    static const char *const places[] = {"every_iteration", "every_task", "set"};
    Yaml *found = find_path(a, root, key);

    for (int i = 0; i < 3 && !found; i++) {
        Yaml *map = yaml_find(root, places[i]);
        found = map ? find_path(a, map, key) : NULL;
    }
    return found;
}

// A value as one line of text.
static const char *text_of(Arena *a, Yaml *y) {
    Buf b = {0};

    if (!y)
        return "-";
    rt_tree_print(&b, rt_tree_map(a, "v", y->loc, y), NULL);
    size_t len = strcspn(buf_text(&b) + 3, "\n");
    const char *text = arena_strndup(a, buf_text(&b) + 3, len);
    buf_free(&b);
    return text;
}

static const char *scalar(const Yaml *root, const char *key) {
    const Yaml *y = yaml_find(root, key);

    return y && y->kind == YAML_SCALAR ? y->text : "";
}

// ---- one run ------------------------------------------------------------------------------------

// The keys that the sweep around `dir` varies, or "".
static const char *swept_keys(Arena *a, const char *dir) {
    const char *slash = strrchr(dir, '/');
    const char *around = slash ? arena_strndup(a, dir, (size_t)(slash - dir)) : ".";
    Buf text = {0};
    char why[256];
    const char *keys = "";

    if (buf_read_file(&text, arena_printf(a, "%s/%s", around, RT_SWEEP_FILE), 0, why, sizeof why)) {
        cJSON *file = cJSON_ParseWithLength(buf_text(&text), text.len);
        const cJSON *by = cJSON_GetObjectItemCaseSensitive(file, "by");
        if (cJSON_IsString(by))
            keys = arena_strdup(a, by->valuestring);
        cJSON_Delete(file);
    }
    buf_free(&text);
    return keys;
}

// "key=value, ..." of the keys in `by`; marks in `known` those that the run has.
static const char *swept_of(Arena *a, Yaml *root, const char *by, bool *known) {
    Buf b = {0};

    for (int k = 0; *by; k++) {
        size_t len = strcspn(by, ",");
        const char *key = arena_strndup(a, by, len);
        Yaml *y = find_key(a, root, key);
        known[k] = known[k] || y;
        buf_printf(&b, "%s%s=%s", b.len ? ", " : "", key, text_of(a, y));
        by += len + (by[len] == ',');
    }
    const char *text = arena_strdup(a, buf_text(&b));
    buf_free(&b);
    return text;
}

static bool read_run(RtGivenRun *run, Arena *a, const char *dir, const char *by, bool *known,
                     char *why, size_t why_size) {
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    *run = (RtGivenRun){.dir = arena_strndup(a, dir, len)};
    Diag diag = {0};
    Yaml *root = yaml_read_file(a, &diag, arena_printf(a, "%s/config.yaml", run->dir));
    bool done = root && root->kind == YAML_MAP;

    if (!done)
        snprintf(why, why_size, "the configuration of '%s' cannot be read", run->dir);
    else {
        run->system = arena_strdup(a, scalar(root, "system"));
        run->env = arena_strdup(a, scalar(root, "env"));
        run->profile = arena_strdup(a, scalar(root, "profile"));
        const Yaml *seed = yaml_find(root, "seed"), *test = yaml_find(root, "test");
        if (seed)
            yaml_as_int(seed, &run->seed);
        run->measured = test && test->kind == YAML_MAP && yaml_find(test, "measure");
        run->swept = swept_of(a, root, by ? by : swept_keys(a, run->dir), known);
    }
    diag_free(&diag);
    return done;
}

// ---- paths --------------------------------------------------------------------------------------

typedef struct Paths {
    Arena *arena;
    const char **dirs;
    bool *listed;
    int n, cap, cap_listed;
} Paths;

static void add_path(Paths *p, const char *dir, bool listed) {
    int n = p->n;

    arena_push(p->arena, p->dirs, p->n, p->cap, dir);
    arena_push(p->arena, p->listed, n, p->cap_listed, listed);
}

static int add_folder(Paths *p, const char *dir, char *why, size_t why_size) {
    RtRunInfo *infos;
    int n, before = p->n, code = rt_run_list(p->arena, dir, &infos, &n, why, why_size);

    for (int i = 0; i < n && code == EXIT_OK; i++)
        if (infos[i].complete)
            add_path(p, infos[i].dir, true);
    if (code == EXIT_OK && p->n == before) {
        snprintf(why, why_size, "'%s' is neither a run nor a folder of runs", dir);
        code = EXIT_BAD_INPUT;
    }
    return code;
}

int rt_runs_given(Arena *a, const char *const *paths, int n_paths, const char *by,
                  RtGivenRun **runs, int *n, char *why, size_t why_size) {
    Paths p = {.arena = a};
    int code = EXIT_OK;

    *n = 0;
    for (int i = 0; i < n_paths && code == EXIT_OK; i++) {
        if (has_file(a, paths[i], "config.yaml"))
            add_path(&p, paths[i], false);
        else
            code = add_folder(&p, paths[i], why, why_size);
    }
    bool *known = arena_array(a, bool, by ? strlen(by) + 1 : 4096);
    *runs = arena_array(a, RtGivenRun, p.n + 1);
    for (int i = 0; i < p.n && code == EXIT_OK; i++) {
        if (!read_run(&(*runs)[i], a, p.dirs[i], by, known, why, why_size))
            code = EXIT_BAD_INPUT;
        (*runs)[i].listed = p.listed[i];
    }
    *n = p.n;
    for (int k = 0; by && *by && code == EXIT_OK; k++) {
        size_t len = strcspn(by, ",");
        if (!known[k]) {
            snprintf(why, why_size, "no recipe of these runs has the key '%.*s'", (int)len, by);
            code = EXIT_BAD_USAGE;
        }
        by += len + (by[len] == ',');
    }
    return code;
}
