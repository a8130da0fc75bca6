// runtime/train/sweep.c -- many runs that are one experiment: the folder, and how far it is.
#include "runtime/train/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "ir/base/exits.h"
#include "runtime/record/json.h"
#include "runtime/record/run.h"
#include "runtime/record/table.h"

// ---- making -------------------------------------------------------------------------------------

const char *rt_sweep_name(Arena *a, const RtRecipe *r, const char *label) {
    Buf b = {0};

    rt_run_put_name(
        &b, &(RtRunDef){.env = r->env, .system = r->system, .seed = r->seed, .time = label});
    const char *name = arena_strdup(a, buf_text(&b));
    buf_free(&b);
    return name;
}

static void put_pair(Buf *b, const char *key, const char *text) {
    buf_printf(b, "\"%s\": ", key);
    rt_json_put_string(b, text);
}

static void put_run(Buf *b, const RtSweepAsk *r) {
    buf_puts(b, "  {");
    put_pair(b, "name", r->name);
    buf_puts(b, ", ");
    put_pair(b, "label", r->label);
    if (r->def.name) {
        buf_puts(b, ", ");
        put_pair(b, "recipe", r->def.name);
    }
    if (r->def.profile) {
        buf_puts(b, ", ");
        put_pair(b, "profile", r->def.profile);
    }
    buf_puts(b, ", \"settings\": [");
    for (int i = 0; i < r->def.n_settings; i++) {
        buf_puts(b, i ? ", " : "");
        rt_json_put_string(b, r->def.settings[i]);
    }
    buf_puts(b, "]}");
}

static void put_file(Buf *b, const RtSweepDef *def) {
    buf_puts(b, "{\"schema\": 1,\n ");
    put_pair(b, "asked", def->asked);
    buf_puts(b, ",\n ");
    put_pair(b, "by", def->by);
    if (def->from) {
        buf_puts(b, ",\n ");
        put_pair(b, "from", def->from);
    }
    buf_printf(b, ",\n \"test\": %s,\n \"runs\": [\n", def->test ? "true" : "false");
    for (int i = 0; i < def->n; i++) {
        put_run(b, &def->runs[i]);
        buf_puts(b, i + 1 < def->n ? ",\n" : "]}\n");
    }
}

// Writes the resolved recipe of a run.
static int write_recipe(const RtSweepAsk *run, const char *dir, char *why, size_t why_size) {
    Arena scratch = {0};
    Buf b = {0};
    RtRecipe r;
    int code = rt_recipe_open(&r, &run->def);

    if (code != EXIT_OK)
        snprintf(why, why_size, "the recipe of %s cannot be read", run->name);
    else {
        rt_recipe_print(&b, &r);
        const char *path = arena_printf(&scratch, "%s/recipes/%s.yaml", dir, run->name);
        code = buf_write_file(path, b.data, b.len, why, why_size) ? EXIT_OK : EXIT_CANNOT_CREATE;
    }
    rt_recipe_free(&r);
    buf_free(&b);
    arena_free(&scratch);
    return code;
}

int rt_sweep_create(const RtSweepDef *def, Arena *a, const char **dir, char *why, size_t why_size) {
    Buf path = {0}, file = {0};
    char now[32];
    time_t t = time(NULL);
    struct tm parts;
    int code = EXIT_OK;

    strftime(now, sizeof now, "%Y%m%d-%H%M%S", gmtime_r(&t, &parts));
    buf_printf(&path, "%s/sweep__%s", def->root, now);
    if (!buf_make_dirs(def->root, why, why_size))
        code = EXIT_CANNOT_CREATE;
    else if (!rt_run_make_unique(&path)) {
        snprintf(why, why_size, "cannot create '%s': %s", path.data, strerror(errno));
        code = EXIT_CANNOT_CREATE;
    }
    *dir = arena_strdup(a, buf_text(&path));
    if (code == EXIT_OK && (!buf_make_dirs(arena_printf(a, "%s/recipes", *dir), why, why_size) ||
                            !buf_make_dirs(arena_printf(a, "%s/logs", *dir), why, why_size)))
        code = EXIT_CANNOT_CREATE;
    for (int i = 0; i < def->n && code == EXIT_OK; i++)
        code = write_recipe(&def->runs[i], *dir, why, why_size);
    put_file(&file, def);
    if (code == EXIT_OK && !buf_write_file(arena_printf(a, "%s/%s", *dir, RT_SWEEP_FILE), file.data,
                                           file.len, why, why_size))
        code = EXIT_CANNOT_CREATE;
    buf_free(&path);
    buf_free(&file);
    return code;
}

// ---- reading ------------------------------------------------------------------------------------

static const char *text_at(Arena *a, const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsString(item) ? arena_strdup(a, item->valuestring) : NULL;
}

static bool read_runs(RtSweep *s, const cJSON *list) {
    const cJSON *item;

    s->runs = arena_array(&s->arena, RtSweepRun, cJSON_GetArraySize(list) + 1);
    cJSON_ArrayForEach(item, list) {
        RtSweepRun *r = &s->runs[s->n];
        r->name = text_at(&s->arena, item, "name");
        r->label = text_at(&s->arena, item, "label");
        if (!r->name || !r->label || strchr(r->name, '/'))
            return false;
        r->recipe = arena_printf(&s->arena, "%s/recipes/%s.yaml", s->dir, r->name);
        r->log = arena_printf(&s->arena, "%s/logs/%s.log", s->dir, r->name);
        s->n++;
    }
    return s->n > 0;
}

static int read_file(RtSweep *s, char *why, size_t why_size) {
    Buf text = {0};
    const char *path = arena_printf(&s->arena, "%s/%s", s->dir, RT_SWEEP_FILE);

    if (!buf_read_file(&text, path, 0, why, why_size))
        return EXIT_MISSING;
    cJSON *file = cJSON_ParseWithLength(buf_text(&text), text.len);
    const cJSON *schema = cJSON_GetObjectItemCaseSensitive(file, "schema");
    bool done = cJSON_IsNumber(schema) && schema->valueint == 1 &&
                read_runs(s, cJSON_GetObjectItemCaseSensitive(file, "runs"));

    s->from = text_at(&s->arena, file, "from");
    s->test = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(file, "test"));
    if (!done)
        snprintf(why, why_size, "'%s' is not the file of a sweep, or one of another version", path);
    cJSON_Delete(file);
    buf_free(&text);
    return done ? EXIT_OK : EXIT_BAD_INPUT;
}

static int take_lock(RtSweep *s, char *why, size_t why_size) {
    const char *path = arena_printf(&s->arena, "%s/lock", s->dir);

    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->lock_fd < 0) {
        snprintf(why, why_size, "cannot open '%s': %s", path, strerror(errno));
        return EXIT_CANNOT_CREATE;
    }
    s->locked = flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0;
    if (s->locked)
        return EXIT_OK;
    close(s->lock_fd);
    snprintf(why, why_size, "the sweep '%s' is in use by another process", s->dir);
    return EXIT_IN_USE;
}

// Whether the folder called `name` is that of `run`: the same, or with -2, -3, ... behind it where
// the first was stopped while it was being made.
static bool is_folder_of(const RtSweepRun *run, const char *name) {
    size_t len = strlen(run->name);

    return strncmp(name, run->name, len) == 0 &&
           (!name[len] || (name[len] == '-' && name[len + 1] &&
                           strspn(name + len + 1, "0123456789") == strlen(name + len + 1)));
}

static double number_at(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

// Whether the run at `dir` was tested after `iterations`.
static bool is_tested(const char *dir, double iterations) {
    RtTable t = {0};
    char why[256];
    bool tested = rt_table_read_run(&t, dir, NULL, why, sizeof why) && t.n > 0 &&
                  t.rows[0].iteration >= iterations;

    rt_table_free(&t);
    return tested;
}

static void take_state(const RtSweep *s, RtSweepRun *run, const RtRunInfo *info) {
    cJSON *cursor = info->cursor ? cJSON_Parse(info->cursor) : NULL;
    double iterations = number_at(cursor, "iterations");
    bool trained = cursor && number_at(cursor, "iteration") >= iterations;

    run->dir = info->dir;
    run->in_use = info->in_use;
    run->state = !trained                                     ? RT_SWEEP_BEGUN
                 : s->test && !is_tested(info->dir, iterations) ? RT_SWEEP_TRAINED
                                                                : RT_SWEEP_DONE;
    cJSON_Delete(cursor);
}

void rt_sweep_look(RtSweep *s) {
    RtRunInfo *infos;
    char why[256];
    int n;

    if (rt_run_list(&s->arena, s->dir, &infos, &n, why, sizeof why) != EXIT_OK)
        n = 0;
    for (int i = 0; i < s->n; i++) {
        s->runs[i].dir = NULL;
        s->runs[i].state = RT_SWEEP_MISSING;
        for (int k = 0; k < n; k++)
            if (infos[k].complete && is_folder_of(&s->runs[i], infos[k].name))
                take_state(s, &s->runs[i], &infos[k]);
    }
}

int rt_sweep_open(RtSweep *s, const char *dir, char *why, size_t why_size) {
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    *s = (RtSweep){0};
    s->dir = arena_strndup(&s->arena, dir, len);
    int code = read_file(s, why, why_size);

    if (code == EXIT_OK)
        code = take_lock(s, why, why_size);
    if (code == EXIT_OK)
        rt_sweep_look(s);
    return code;
}

void rt_sweep_close(RtSweep *s) {
    if (s->locked)
        close(s->lock_fd);
    arena_free(&s->arena);
    *s = (RtSweep){0};
}
