// runtime/record/curves.c -- learning curves: what runs' records say of each iteration, over seeds.
#include "runtime/record/curves.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "ir/base/buf.h"

static double number_of(const cJSON *event, const char *key) {
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(event, key);

    return cJSON_IsNumber(x) ? x->valuedouble : NAN;
}

static void add_point(RtCurve *c, Arena *a, int *cap, const cJSON *event, const char *tag,
                      const char *axis) {
    double iteration = number_of(event, "iteration") + 1, y = number_of(event, tag);
    double x = strcmp(axis, "iteration") == 0 ? iteration : number_of(event, axis);
    int n = c->n;

    c->last_x = isnan(x) ? c->last_x : x;
    if (!isfinite(x) || !isfinite(y))
        return;
    if (n == *cap) {
        *cap = n ? 2 * n : 64;
        c->iteration = arena_grow(a, c->iteration, (size_t)n, (size_t)*cap, sizeof *c->iteration);
        c->x = arena_grow(a, c->x, (size_t)n, (size_t)*cap, sizeof *c->x);
        c->y = arena_grow(a, c->y, (size_t)n, (size_t)*cap, sizeof *c->y);
    }
    c->iteration[n] = (int64_t)iteration;
    c->x[n] = x;
    c->y[n] = y;
    c->n++;
}

bool rt_curve_read(RtCurve *c, Arena *a, const char *run_dir, const char *tag, const char *axis,
                   char *why, size_t why_size) {
    const char *path = arena_printf(a, "%s/events.jsonl", run_dir);
    Buf text = {0};
    bool done = buf_read_file(&text, path, 0, why, why_size);
    int cap = 0;

    *c = (RtCurve){.last_x = NAN};
    for (const char *at = buf_text(&text), *end = at + text.len; done && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) // a line that is being written
            break;
        cJSON *event = cJSON_ParseWithLength(at, (size_t)(stop - at));
        const cJSON *kind = cJSON_GetObjectItemCaseSensitive(event, "event");
        if (!event) {
            snprintf(why, why_size, "'%s' has a line at byte %lld that is not JSON", path,
                     (long long)(at - buf_text(&text)));
            done = false;
        } else if (cJSON_IsString(kind) && strcmp(kind->valuestring, "iteration") == 0)
            add_point(c, a, &cap, event, tag, axis);
        cJSON_Delete(event);
        at = stop + 1;
    }
    buf_free(&text);
    return done;
}

// A point of one curve.
typedef struct Point {
    int64_t iteration;
    double x, y;
} Point;

static int compare_points(const void *p, const void *q) {
    int64_t a = ((const Point *)p)->iteration, b = ((const Point *)q)->iteration;

    return (a > b) - (a < b);
}

// The mean of point `i` and those before it, `smooth` at most.
static double smoothed(const RtCurve *c, int i, int smooth) {
    double sum = 0;
    int n = 0;

    for (; i >= 0 && n < smooth; i--, n++)
        sum += c->y[i];
    return sum / n;
}

// Adds the mean of points of one iteration.
static void add_mean(RtBand *b, const Point *points, int n) {
    double x = 0, y = 0, squares = 0;

    for (int i = 0; i < n; i++) {
        x += points[i].x / n;
        y += points[i].y / n;
    }
    for (int i = 0; i < n; i++)
        squares += (points[i].y - y) * (points[i].y - y);
    b->x[b->n] = x;
    b->mean[b->n] = y;
    b->sd[b->n] = n > 1 ? sqrt(squares / (n - 1)) : 0;
    b->most = n > b->most ? n : b->most;
    b->n++;
}

RtBand rt_band_of(Arena *a, const RtCurve *curves, int n, int smooth) {
    int all = 0;

    for (int i = 0; i < n; i++)
        all += curves[i].n;
    Point *points = arena_array(a, Point, all + 1);
    RtBand b = {.x = arena_array(a, double, all + 1),
                .mean = arena_array(a, double, all + 1),
                .sd = arena_array(a, double, all + 1)};

    all = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < curves[i].n; k++)
            points[all++] = (Point){curves[i].iteration[k], curves[i].x[k],
                                    smoothed(&curves[i], k, smooth > 0 ? smooth : 1)};
    if (all > 1)
        qsort(points, (size_t)all, sizeof *points, compare_points);
    for (int from = 0, to; from < all; from = to) {
        for (to = from; to < all && points[to].iteration == points[from].iteration; to++)
            continue;
        add_mean(&b, points + from, to - from);
    }
    return b;
}
