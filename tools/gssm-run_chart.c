// tools/gssm-run_chart.c -- charts of lines with a band of spread, with Cairo.
//
// Panels stand in a grid, the legend below them. Lines differ in colour (Okabe and Ito, told apart
// with every kind of colour vision) and in their dashes, so that they differ in print as well.
#include "tools/gssm-run_chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cairo-svg.h>
#include <cairo.h>
#include <fontconfig/fontconfig.h>

#include "ir/base/buf.h"

enum {
    PANEL_WIDTH = 430,
    PANEL_HEIGHT = 310,
    LEFT = 74, // around a panel's axes
    RIGHT = 16,
    TOP = 34,
    BOTTOM = 52,
    LEGEND_LINE = 24,
    KEY = 34, // length of a line in the legend
    MARGIN = 14,
    TEXT = 13,
    TITLE = 15,
    PNG_SCALE = 2, // pixels of a unit
    MAX_TICKS = 16,
};

static const double colors[][3] = {
    {0.00, 0.45, 0.70}, {0.84, 0.37, 0.00}, {0.00, 0.62, 0.45}, {0.80, 0.47, 0.65},
    {0.90, 0.62, 0.00}, {0.34, 0.71, 0.91}, {0.25, 0.25, 0.25},
};
enum { N_COLORS = sizeof colors / sizeof *colors };

static const struct {
    int n;
    double lengths[4];
} dashes[] = {{0, {0}}, {2, {7, 3}}, {2, {2, 2}}, {4, {8, 3, 2, 3}}, {2, {12, 4}}};
enum { N_DASHES = sizeof dashes / sizeof *dashes };

// ---- axes ---------------------------------------------------------------------------------------

// What an axis shows, and where its ticks are.
typedef struct Axis {
    double from, to, step;
    double ticks[MAX_TICKS];
    int n;
    int decimals;
} Axis;

// The round number 1, 2 or 5 times a power of ten that parts `span` in about `parts`.
static double round_step(double span, int parts) {
    double raw = span / parts, power = pow(10, floor(log10(raw))), first = raw / power;

    return power * (first < 1.5 ? 1 : first < 3.5 ? 2 : first < 7.5 ? 5 : 10);
}

static Axis make_axis(double from, double to, int parts) {
    if (!(to > from)) {
        double pad = from != 0 ? fabs(from) * 0.1 : 1;
        from -= pad;
        to += pad;
    }
    Axis a = {.from = from, .to = to, .step = round_step(to - from, parts)};
    a.decimals = a.step >= 1 ? 0 : (int)ceil(-log10(a.step) - 1e-9);
    for (double k = ceil(from / a.step - 1e-9); k * a.step <= to + 1e-9 * a.step; k++)
        if (a.n < MAX_TICKS)
            a.ticks[a.n++] = k * a.step;
    return a;
}

static void format_tick(char out[32], const Axis *a, double x) {
    double size = fmax(fabs(a->from), fabs(a->to));

    if (size >= 1e6 || size < 1e-4)
        snprintf(out, 32, "%.3g", x);
    else
        snprintf(out, 32, "%.*f", a->decimals, fabs(x) < a->step / 2 ? 0 : x);
}

// A panel while it is drawn: its axes' rectangle.
typedef struct Plot {
    cairo_t *cr;
    double x, y, width, height;
    Axis ax, ay;
} Plot;

static double to_x(const Plot *p, double x) {
    return p->x + (x - p->ax.from) / (p->ax.to - p->ax.from) * p->width;
}

static double to_y(const Plot *p, double y) {
    return p->y + p->height - (y - p->ay.from) / (p->ay.to - p->ay.from) * p->height;
}

static void find_axes(Plot *p, const ChartPanel *panel) {
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;

    for (int i = 0; i < panel->n_lines; i++) {
        const ChartLine *l = &panel->lines[i];
        for (int k = 0; k < l->n; k++) {
            x0 = fmin(x0, l->x[k]);
            x1 = fmax(x1, l->x[k]);
            y0 = fmin(y0, l->mean[k] - l->sd[k]);
            y1 = fmax(y1, l->mean[k] + l->sd[k]);
        }
    }
    if (!(x0 <= x1))
        x0 = y0 = 0, x1 = y1 = 1;
    if (!isnan(panel->mark))
        x1 = fmax(x1, panel->mark), x0 = fmin(x0, panel->mark);
    double pad = 0.04 * (y1 - y0);
    p->ax = make_axis(x0 < 0.2 * x1 ? fmin(0, x0) : x0, x1, 6);
    p->ay = make_axis(y0 - pad, y1 + pad, 5);
}

// ---- text ---------------------------------------------------------------------------------------

static void set_font(cairo_t *cr, double size, bool bold) {
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
}

static double text_width(cairo_t *cr, const char *text) {
    cairo_text_extents_t e;

    cairo_text_extents(cr, text, &e);
    return e.x_advance;
}

// Puts a text whose point `at` of its width (0: its start, 0.5: its middle) stands at x.
static void put_text(cairo_t *cr, double x, double y, double at, const char *text) {
    cairo_move_to(cr, x - at * text_width(cr, text), y);
    cairo_show_text(cr, text);
}

// ---- a panel ------------------------------------------------------------------------------------

static void draw_axes(const Plot *p, const ChartPanel *panel, const char *x_title) {
    cairo_t *cr = p->cr;
    char text[32];

    // a light grid below everything
    cairo_set_line_width(cr, 1);
    for (int i = 0; i < p->ay.n; i++) {
        cairo_set_source_rgb(cr, 0.88, 0.88, 0.88);
        cairo_move_to(cr, p->x, to_y(p, p->ay.ticks[i]));
        cairo_rel_line_to(cr, p->width, 0);
        cairo_stroke(cr);
        cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
        format_tick(text, &p->ay, p->ay.ticks[i]);
        put_text(cr, p->x - 7, to_y(p, p->ay.ticks[i]) + 4.5, 1, text);
    }
    cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
    for (int i = 0; i < p->ax.n; i++) {
        double x = to_x(p, p->ax.ticks[i]);
        cairo_move_to(cr, x, p->y + p->height);
        cairo_rel_line_to(cr, 0, 5);
        cairo_stroke(cr);
        format_tick(text, &p->ax, p->ax.ticks[i]);
        put_text(cr, x, p->y + p->height + 19, 0.5, text);
    }
    cairo_move_to(cr, p->x, p->y);
    cairo_rel_line_to(cr, 0, p->height);
    cairo_rel_line_to(cr, p->width, 0);
    cairo_stroke(cr);

    put_text(cr, p->x + p->width / 2, p->y + p->height + 39, 0.5, x_title);
    cairo_save(cr);
    cairo_translate(cr, p->x - 56, p->y + p->height / 2);
    cairo_rotate(cr, -acos(0));
    put_text(cr, 0, 0, 0.5, panel->y_title);
    cairo_restore(cr);
    set_font(cr, TITLE, true);
    put_text(cr, p->x + p->width / 2, p->y - 12, 0.5, panel->title);
    set_font(cr, TEXT, false);
}

static void set_style(cairo_t *cr, int style, double alpha) {
    const double *c = colors[style % N_COLORS];
    int dash = style % N_DASHES;

    cairo_set_source_rgba(cr, c[0], c[1], c[2], alpha);
    cairo_set_dash(cr, dashes[dash].lengths, dashes[dash].n, 0);
    cairo_set_line_width(cr, 2);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
}

static void draw_band(const Plot *p, const ChartLine *l) {
    for (int k = 0; k < l->n; k++)
        cairo_line_to(p->cr, to_x(p, l->x[k]), to_y(p, l->mean[k] + l->sd[k]));
    for (int k = l->n - 1; k >= 0; k--)
        cairo_line_to(p->cr, to_x(p, l->x[k]), to_y(p, l->mean[k] - l->sd[k]));
    cairo_close_path(p->cr);
    set_style(p->cr, l->style, 0.18);
    cairo_fill(p->cr);
}

static void draw_mean(const Plot *p, const ChartLine *l) {
    set_style(p->cr, l->style, 1);
    if (l->n == 1) { // a line of one point is a dot
        cairo_arc(p->cr, to_x(p, l->x[0]), to_y(p, l->mean[0]), 3, 0, 4 * acos(0));
        cairo_fill(p->cr);
        return;
    }
    for (int k = 0; k < l->n; k++)
        cairo_line_to(p->cr, to_x(p, l->x[k]), to_y(p, l->mean[k]));
    cairo_stroke(p->cr);
}

// The dotted line of a budget.
static void set_mark_style(cairo_t *cr) {
    static const double dots[] = {1.5, 3};

    cairo_set_source_rgb(cr, 0.75, 0.1, 0.1);
    cairo_set_line_width(cr, 1.8);
    cairo_set_dash(cr, dots, 2, 0);
}

static void draw_panel(cairo_t *cr, const ChartPanel *panel, const char *x_title, double x,
                       double y) {
    Plot p = {.cr = cr,
              .x = x + LEFT,
              .y = y + TOP,
              .width = PANEL_WIDTH - LEFT - RIGHT,
              .height = PANEL_HEIGHT - TOP - BOTTOM};

    find_axes(&p, panel);
    set_font(cr, TEXT, false);
    draw_axes(&p, panel, x_title);
    cairo_save(cr);
    cairo_rectangle(cr, p.x, p.y - 1, p.width + 1, p.height + 2);
    cairo_clip(cr);
    for (int i = 0; i < panel->n_lines; i++)
        draw_band(&p, &panel->lines[i]);
    if (!isnan(panel->mark)) {
        set_mark_style(cr);
        cairo_move_to(cr, to_x(&p, panel->mark), p.y);
        cairo_rel_line_to(cr, 0, p.height);
        cairo_stroke(cr);
    }
    for (int i = 0; i < panel->n_lines; i++)
        draw_mean(&p, &panel->lines[i]);
    cairo_restore(cr);
    cairo_set_dash(cr, NULL, 0, 0);
}

// ---- the legend ---------------------------------------------------------------------------------

// Key `i` of the legend; the one behind the lines' is that of the mark.
static const char *key_name(const Chart *c, int i) {
    return i < c->n_legend ? c->legend[i] : c->mark_name;
}

static int count_keys(const Chart *c) {
    return c->n_legend + (c->mark_name != NULL);
}

static double key_width(cairo_t *cr, const Chart *c, int i) {
    return KEY + 8 + text_width(cr, key_name(c, i)) + 26;
}

// Keys from `from` on that fit into `width`: the first one that does not.
static int fit_keys(cairo_t *cr, const Chart *c, int from, double width, double *used) {
    int i = from;

    *used = 0;
    for (; i < count_keys(c); i++) {
        double w = key_width(cr, c, i);
        if (i > from && *used + w > width)
            break;
        *used += w;
    }
    return i;
}

static void draw_key(cairo_t *cr, const Chart *c, int i, double x, double y) {
    if (i < c->n_legend)
        set_style(cr, i, 1);
    else
        set_mark_style(cr);
    cairo_move_to(cr, x, y - 4.5);
    cairo_rel_line_to(cr, KEY, 0);
    cairo_stroke(cr);
    cairo_set_dash(cr, NULL, 0, 0);
    cairo_set_source_rgb(cr, 0.1, 0.1, 0.1);
    put_text(cr, x + KEY + 8, y, 0, key_name(c, i));
}

// Draws legend and note from `y` on; gives the height that they take. Without `draw` it measures.
static double draw_legend(cairo_t *cr, const Chart *c, double width, double y, bool draw) {
    double start = y, used;

    set_font(cr, TEXT, false);
    for (int i = 0, to; i < count_keys(c); i = to) {
        to = fit_keys(cr, c, i, width, &used);
        double x = (width - used) / 2 + 13;
        y += LEGEND_LINE;
        for (; i < to && draw; i++) {
            draw_key(cr, c, i, x, y - 6);
            x += key_width(cr, c, i);
        }
    }
    y += LEGEND_LINE;
    if (draw) {
        cairo_set_source_rgb(cr, 0.35, 0.35, 0.35);
        put_text(cr, width / 2, y - 6, 0.5, c->note);
    }
    return y - start;
}

// ---- the whole ----------------------------------------------------------------------------------

static int columns_of(const Chart *c) {
    return c->n_panels <= 3 ? c->n_panels : c->n_panels == 4 ? 2 : 3;
}

static double width_of(const Chart *c) {
    int columns = columns_of(c);

    return (columns < 1 ? 1 : columns) * PANEL_WIDTH + 2 * MARGIN;
}

static double height_of(const Chart *c, double legend) {
    int columns = columns_of(c);

    return (columns ? (c->n_panels + columns - 1) / columns : 0) * PANEL_HEIGHT + legend +
           2 * MARGIN;
}

static void draw_all(cairo_t *cr, const Chart *c) {
    int columns = columns_of(c);

    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    for (int i = 0; i < c->n_panels; i++)
        draw_panel(cr, &c->panels[i], c->x_title, MARGIN + i % columns * PANEL_WIDTH,
                   MARGIN + i / columns * PANEL_HEIGHT);
    draw_legend(cr, c, width_of(c), height_of(c, 0) - MARGIN, true);
}

static cairo_status_t put_bytes(void *buf, const unsigned char *data, unsigned n) {
    buf_put(buf, (const char *)data, n);
    return CAIRO_STATUS_SUCCESS;
}

// The height that the legend takes.
static double measure(const Chart *c) {
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, 1);
    cairo_t *cr = cairo_create(s);
    double height = draw_legend(cr, c, width_of(c), 0, false);

    cairo_destroy(cr);
    cairo_surface_destroy(s);
    return height;
}

static cairo_status_t draw_png(Buf *out, const Chart *c) {
    cairo_surface_t *s = cairo_image_surface_create(
        CAIRO_FORMAT_RGB24, (int)ceil(PNG_SCALE * width_of(c)),
        (int)ceil(PNG_SCALE * height_of(c, measure(c))));
    cairo_t *cr = cairo_create(s);

    cairo_scale(cr, PNG_SCALE, PNG_SCALE);
    draw_all(cr, c);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_write_to_png_stream(s, put_bytes, out);
    cairo_surface_destroy(s);
    return status;
}

static cairo_status_t draw_svg(Buf *out, const Chart *c) {
    cairo_surface_t *s =
        cairo_svg_surface_create_for_stream(put_bytes, out, width_of(c), height_of(c, measure(c)));
    cairo_t *cr = cairo_create(s);

    draw_all(cr, c);
    cairo_status_t status = cairo_status(cr);
    cairo_destroy(cr);
    cairo_surface_finish(s);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(s);
    cairo_surface_destroy(s);
    return status;
}

static const struct {
    const char *ending;
    cairo_status_t (*draw)(Buf *out, const Chart *c);
} formats[] = {{".png", draw_png}, {".svg", draw_svg}};
enum { N_FORMATS = sizeof formats / sizeof *formats };

static int format_of(const char *path) {
    size_t n = strlen(path);

    for (int i = 0; i < N_FORMATS; i++) {
        size_t len = strlen(formats[i].ending);
        if (n > len && strcmp(path + n - len, formats[i].ending) == 0)
            return i;
    }
    return -1;
}

bool chart_format_known(const char *path) {
    return format_of(path) >= 0;
}

bool chart_draw(const Chart *c, const char *path, char *why, int why_size) {
    Buf out = {0};
    cairo_status_t status = formats[format_of(path)].draw(&out, c);
    bool done = status == CAIRO_STATUS_SUCCESS;

    if (!done)
        snprintf(why, (size_t)why_size, "'%s' cannot be drawn: %s", path,
                 cairo_status_to_string(status));
    done = done && buf_write_file(path, out.data, out.len, why, (size_t)why_size);
    buf_free(&out);

    // what Cairo and fontconfig keep of fonts
    cairo_debug_reset_static_data();
    FcFini();
    return done;
}
