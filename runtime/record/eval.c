// runtime/record/eval.c -- results of evaluations, written to and read from a run folder.
//
// table.h gives the schema. A name of a number stands once, in `numbers`, for both directions.
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "runtime/record/json.h"
#include "runtime/record/table.h"

static const struct {
    const char *key;
    size_t offset;
} numbers[] = {
    {"score", offsetof(RtRow, score)},
    {"score_sd_tasks", offsetof(RtRow, score_sd_tasks)},
    {"mse", offsetof(RtRow, mse)},
    {"mse_sd", offsetof(RtRow, mse_sd)},
    {"kl", offsetof(RtRow, kl)},
    {"paper_score", offsetof(RtRow, paper_score)},
    {"paper_mse", offsetof(RtRow, paper_mse)},
    {"paper_score_sd", offsetof(RtRow, paper_score_sd)},
    {"paper_mse_sd", offsetof(RtRow, paper_mse_sd)},
    {"paper_seconds", offsetof(RtRow, paper_seconds)},
    {"paper_seconds_sd", offsetof(RtRow, paper_seconds_sd)},
    {"real_episodes", offsetof(RtRow, real_episodes)},
    {"iteration", offsetof(RtRow, iteration)},
    {"iterations", offsetof(RtRow, iterations)},
    {"tasks", offsetof(RtRow, tasks)},
    {"episodes", offsetof(RtRow, episodes)},
    {"recipe_tasks", offsetof(RtRow, recipe_tasks)},
    {"recipe_episodes", offsetof(RtRow, recipe_episodes)},
};

enum { N_NUMBERS = sizeof numbers / sizeof *numbers };

static double *number_of(RtRow *r, int i) {
    return (double *)(void *)((char *)r + numbers[i].offset);
}

static void put_text(Buf *b, const char *key, const char *value) {
    buf_printf(b, ", \"%s\": ", key);
    rt_json_put_string(b, value);
}

static void put_numbers(Buf *b, const char *key, const double *x, int n) {
    if (!x)
        return;
    buf_printf(b, ",\n \"%s\": [", key);
    for (int i = 0; i < n; i++) {
        buf_puts(b, i ? ", " : "");
        rt_json_put_finite(b, x[i]);
    }
    buf_puts(b, "]");
}

// ---- times --------------------------------------------------------------------------------------

static void put_time(Buf *b, const char *key, double seconds) {
    buf_printf(b, ",\"%s\":", key);
    rt_json_put_finite(b, seconds);
}

// What differs between equal runs.
static void put_times(Buf *b, const RtEval *e) {
    buf_puts(b, "{\"event\":\"test\"");
    put_time(b, "training_seconds", e->row.seconds);
    buf_puts(b, "}\n");
    for (int i = 0; e->adapts && i < e->n_tasks; i++) {
        buf_printf(b, "{\"event\":\"task\",\"task\":%d", i);
        put_time(b, "adapt", e->adapts[i]);
        put_time(b, "belief", e->beliefs[i]);
        put_time(b, "step", e->steps[i]);
        buf_puts(b, "}\n");
    }
}

// Sums over the tasks of a test.
typedef struct Sums {
    double adapt, adapt_squares, belief, step;
    int n;
} Sums;

static double time_of(const cJSON *event, const char *key) {
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(event, key);

    return cJSON_IsNumber(x) ? x->valuedouble : NAN;
}

static void add_time(Sums *s, RtRow *row, const cJSON *event) {
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(event, "event");
    double adapt = time_of(event, "adapt");

    if (!cJSON_IsString(kind))
        return;
    if (strcmp(kind->valuestring, "test") == 0)
        row->seconds = time_of(event, "training_seconds");
    if (strcmp(kind->valuestring, "task") != 0)
        return;
    s->adapt += adapt;
    s->adapt_squares += adapt * adapt;
    s->belief += time_of(event, "belief");
    s->step += time_of(event, "step");
    s->n++;
}

// Takes the times beside the evaluation at `path` into the row; without the file they are unknown.
static void read_times(RtRow *row, Arena *a, const char *path) {
    enum { MAX_FILE = 64 << 20 };
    char *beside = arena_printf(a, "%.*s.timing.jsonl", (int)(strlen(path) - 5), path), why[256];
    Sums s = {0};
    Buf text = {0};

    if (!buf_read_file(&text, beside, MAX_FILE, why, sizeof why))
        buf_reset(&text);
    for (char *line = text.len ? text.data : NULL; line;) {
        char *end = strchr(line, '\n');
        cJSON *event = cJSON_ParseWithLength(line, end ? (size_t)(end - line) : strlen(line));
        add_time(&s, row, event);
        cJSON_Delete(event);
        line = end && end[1] ? end + 1 : NULL;
    }
    if (s.n > 0) {
        row->adapt = s.adapt / s.n;
        row->belief = s.belief / s.n;
        row->step = s.step / s.n;
    }
    if (s.n > 1)
        row->adapt_sd = sqrt(fmax(0, (s.adapt_squares - s.n * row->adapt * row->adapt) / (s.n - 1)));
    buf_free(&text);
}

// ---- evaluations --------------------------------------------------------------------------------

bool rt_eval_write(const char *run_dir, const char *name, const RtEval *e, char *why,
                   size_t why_size) {
    Buf b = {0}, path = {0};
    RtRow row = e->row;

    buf_puts(&b, "{\"schema\": 1");
    put_text(&b, "system", row.system);
    put_text(&b, "env", row.env);
    put_text(&b, "profile", row.profile);
    buf_printf(&b, ", \"seed\": %" PRId64, row.seed);
    put_text(&b, "latent", e->latent);
    if (e->by_hand)
        buf_puts(&b, ", \"table\": false");
    for (int i = 0; i < N_NUMBERS; i++) {
        double x = *number_of(&row, i);
        if (isnan(x))
            continue;
        buf_printf(&b, ",\n \"%s\": ", numbers[i].key);
        rt_json_put_finite(&b, x);
    }
    buf_puts(&b, ",\n \"departs\": [");
    for (int i = 0; i < row.n_departs; i++) {
        buf_puts(&b, i ? ", " : "");
        rt_json_put_string(&b, row.departs[i]);
    }
    buf_puts(&b, "]");
    put_numbers(&b, "task_scores", e->task_scores, e->n_tasks);
    put_numbers(&b, "task_mses", e->task_mses, e->n_tasks);
    buf_puts(&b, "}\n");

    buf_printf(&path, "%s/eval", run_dir);
    bool done = buf_make_dirs(path.data, why, why_size);
    size_t folder = path.len;
    buf_printf(&path, "/%s.json", name);
    done = done && buf_write_file(path.data, b.data, b.len, why, why_size);
    buf_reset(&b);
    put_times(&b, e);
    path.len = folder;
    buf_printf(&path, "/%s.timing.jsonl", name);
    done = done && buf_write_file(path.data, b.data, b.len, why, why_size);
    buf_free(&b);
    buf_free(&path);
    return done;
}

static bool refuse(const char *path, const char *what, const char *key, char *why,
                   size_t why_size) {
    snprintf(why, why_size, "%s: %s '%s'", path, what, key);
    return false;
}

static bool read_text(const cJSON *object, const char *path, const char *key, const char **out,
                      char *why, size_t why_size) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsString(item))
        return refuse(path, "an evaluation needs the text", key, why, why_size);
    *out = item->valuestring;
    return true;
}

static bool read_departs(Arena *a, const cJSON *object, RtRow *row) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "departs"), *item;
    const char **departs = arena_array(a, const char *, cJSON_GetArraySize(list) + 1);

    if (list && !cJSON_IsArray(list))
        return false;
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsString(item))
            return false;
        departs[row->n_departs++] = item->valuestring;
    }
    row->departs = departs;
    return true;
}

// Reads one evaluation. Its texts belong to `object`, lists to `a`.
static bool read_eval(RtEval *e, Arena *a, const cJSON *object, const char *path, char *why,
                      size_t why_size) {
    const cJSON *schema = cJSON_GetObjectItemCaseSensitive(object, "schema");
    const cJSON *seed = cJSON_GetObjectItemCaseSensitive(object, "seed");
    RtRow *row = &e->row;

    *e = (RtEval){.row = rt_row()};
    if (!cJSON_IsNumber(schema) || schema->valueint != 1)
        return refuse(path, "only evaluations with schema 1 can be read; look at", "schema", why,
                      why_size);
    if (!cJSON_IsNumber(seed) || !(fabs(seed->valuedouble) < 9.2e18))
        return refuse(path, "an evaluation needs the number", "seed", why, why_size);
    row->seed = (int64_t)seed->valuedouble;
    e->by_hand = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(object, "table"));
    for (int i = 0; i < N_NUMBERS; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, numbers[i].key);
        if (item && !cJSON_IsNumber(item) && !cJSON_IsNull(item))
            return refuse(path, "there should be a number at", numbers[i].key, why, why_size);
        if (cJSON_IsNumber(item))
            *number_of(row, i) = item->valuedouble;
    }
    if (!read_departs(a, object, row))
        return refuse(path, "there should be a list of texts at", "departs", why, why_size);
    return read_text(object, path, "system", &row->system, why, why_size) &&
           read_text(object, path, "env", &row->env, why, why_size) &&
           read_text(object, path, "profile", &row->profile, why, why_size) &&
           read_text(object, path, "latent", &e->latent, why, why_size);
}

// What the files of a run say together: the evaluation that counts for each latent.
typedef enum Latent { OWN, OTHER, ZERO, N_LATENTS } Latent;

static const char *const latents[N_LATENTS] = {"own", "other", "zero"};

typedef struct Merge {
    RtRow rows[N_LATENTS];
    const char *paths[N_LATENTS]; // of the evaluations that count; NULL for none
} Merge;

static double known(double x, double otherwise) {
    return isnan(x) ? otherwise : x;
}

// Whether `b`, whose file comes later, counts before `a`.
static bool counts_before(const RtRow *b, const RtRow *a) {
    double at_b = known(b->iteration, -1), at_a = known(a->iteration, -1);

    if (at_b != at_a)
        return at_b > at_a;
    return known(b->tasks * b->episodes, 0) >= known(a->tasks * a->episodes, 0);
}

static bool merge(Merge *m, const RtEval *e, const char *path, char *why, size_t why_size) {
    int k = 0;

    while (k < N_LATENTS && strcmp(e->latent, latents[k]) != 0)
        k++;
    if (k == N_LATENTS)
        return refuse(path, "the latent is 'own', 'other' or 'zero', not", e->latent, why,
                      why_size);
    if (!m->paths[k] || counts_before(&e->row, &m->rows[k])) {
        m->rows[k] = e->row;
        m->paths[k] = path;
    }
    return true;
}

// The row of a run; without an evaluation of its own latent its score is unknown.
static RtRow merged_row(const Merge *m, Arena *a) {
    int first = m->paths[OWN] ? OWN : m->paths[OTHER] ? OTHER : ZERO;
    RtRow row = m->rows[first];

    if (!m->paths[OWN])
        row.score = row.score_sd_tasks = NAN;
    row.score_other = m->paths[OTHER] ? m->rows[OTHER].score : NAN;
    row.score_zero = m->paths[ZERO] ? m->rows[ZERO].score : NAN;
    read_times(&row, a, m->paths[first]);
    return row;
}

// Says where a test is not what the recipe asks for.
static void note_test(Buf *notes, const char *run, const RtRow *r) {
    if (r->iteration < r->iterations)
        buf_printf(notes, "%s was tested after %.0f of %.0f iterations\n", run, r->iteration,
                   r->iterations);
    if (r->tasks != r->recipe_tasks || r->episodes != r->recipe_episodes) {
        if (!isnan(r->tasks * r->episodes * r->recipe_tasks * r->recipe_episodes))
            buf_printf(notes,
                       "%s was tested on %.0f tasks x %.0f episodes; its recipe says %.0f x %.0f\n",
                       run, r->tasks, r->episodes, r->recipe_tasks, r->recipe_episodes);
    }
}

static int compare_names(const void *x, const void *y) {
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

// Names of the JSON files in `path`, sorted, owned by `a`. -1 with errno where there is no folder.
static int list_files(Arena *a, const char *path, char ***names) {
    DIR *folder = opendir(path);
    int n = 0, cap = 0;

    *names = NULL;
    if (!folder)
        return -1;
    for (struct dirent *d = readdir(folder); d; d = readdir(folder)) {
        size_t len = strlen(d->d_name);
        if (d->d_name[0] != '.' && len > 5 && strcmp(d->d_name + len - 5, ".json") == 0)
            arena_push(a, *names, n, cap, arena_strdup(a, d->d_name));
    }
    closedir(folder);
    if (n > 1)
        qsort(*names, (size_t)n, sizeof **names, compare_names);
    return n;
}

bool rt_table_read_run(RtTable *t, const char *run_dir, const char *swept, char *why,
                       size_t why_size) {
    enum { MAX_FILE = 64 << 20 };
    Arena scratch = {0};
    Merge m = {0};
    char **names, *dir = arena_printf(&scratch, "%s/eval", run_dir);
    int n = list_files(&scratch, dir, &names);
    cJSON **objects = arena_array(&scratch, cJSON *, n > 0 ? n : 1);
    bool done = n >= 0 || errno == ENOENT;

    if (!done)
        refuse(dir, strerror(errno), "eval", why, why_size);
    for (int i = 0; i < n && done; i++) {
        Buf text = {0};
        RtEval e;
        char *path = arena_printf(&scratch, "%s/%s", dir, names[i]);
        done = buf_read_file(&text, path, MAX_FILE, why, why_size);
        if (done) {
            objects[i] = cJSON_ParseWithLength(buf_text(&text), text.len);
            done = objects[i] ? read_eval(&e, &scratch, objects[i], path, why, why_size)
                              : refuse(path, "this is not JSON; look at", names[i], why, why_size);
        }
        if (done && !e.by_hand)
            done = merge(&m, &e, path, why, why_size);
        buf_free(&text);
    }
    if (done && !m.paths[OWN] && !m.paths[OTHER] && !m.paths[ZERO]) {
        snprintf(why, why_size, "the run '%s' has no evaluation; make one with: gssm-run test %s",
                 run_dir, run_dir);
        done = false;
    }
    if (done) {
        RtRow row = merged_row(&m, &scratch);
        row.swept = swept ? swept : "";
        rt_table_add(t, &row);
        note_test(&t->notes, run_dir, &row);
    }
    for (int i = 0; i < n; i++)
        cJSON_Delete(objects[i]);
    arena_free(&scratch);
    return done;
}
