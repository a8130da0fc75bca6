// tools/gssm-run_pictures.c -- pictures of episodes, with Cairo and giflib.
#include "tools/gssm-run_pictures.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cairo.h>
#include <fontconfig/fontconfig.h>
#include <gif_lib.h>

enum { WIDTH = 480, HEIGHT = 360, COLUMNS = 4, LINES = 3, LABEL = 22, MARGIN = 6 };

// A frame of WIDTH x HEIGHT: Cairo's pixels, 0x00RRGGBB.
typedef struct Frame {
    cairo_surface_t *surface;
    cairo_t *cr;
} Frame;

static Frame frame_new(int width, int height) {
    Frame f = {.surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height)};
    f.cr = cairo_create(f.surface);
    return f;
}

static void frame_free(Frame f) {
    cairo_destroy(f.cr);
    cairo_surface_destroy(f.surface);
}

// ---- one state ----------------------------------------------------------------------------------

static void paint_marks(cairo_t *cr, const EnvPhysics *p, const double *state) {
    EnvMark marks[ENV_MARKS_MAX];
    double view[4];
    int n = p->draw(state, marks, view);
    double scale = fmin(WIDTH / (view[1] - view[0]), HEIGHT / (view[3] - view[2]));

    cairo_save(cr);
    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_translate(cr, WIDTH / 2.0, HEIGHT / 2.0);
    cairo_scale(cr, scale, -scale);
    cairo_translate(cr, -(view[0] + view[1]) / 2, -(view[2] + view[3]) / 2);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    for (int i = 0; i < n; i++) {
        cairo_set_source_rgb(cr, (double)marks[i].red, (double)marks[i].green,
                             (double)marks[i].blue);
        cairo_set_line_width(cr, marks[i].width);
        cairo_move_to(cr, marks[i].x0, marks[i].y0);
        cairo_line_to(cr, marks[i].x1, marks[i].y1);
        cairo_stroke(cr);
    }
    cairo_restore(cr);
}

static bool paint_rendered(Frame frame, const EnvPhysics *p, const double *state, char *why,
                           int why_size) {
    unsigned char *rgb = malloc((size_t)WIDTH * HEIGHT * 3);
    bool done = rgb && p->render(state, WIDTH, HEIGHT, rgb, why, why_size);

    if (done) {
        cairo_surface_flush(frame.surface);
        unsigned char *data = cairo_image_surface_get_data(frame.surface);
        int stride = cairo_image_surface_get_stride(frame.surface);
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
                const unsigned char *c = rgb + ((size_t)y * WIDTH + (size_t)x) * 3;
                uint32_t pixel = (uint32_t)c[0] << 16 | (uint32_t)c[1] << 8 | c[2];
                memcpy(data + (size_t)y * (size_t)stride + (size_t)x * 4, &pixel, sizeof pixel);
            }
        cairo_surface_mark_dirty(frame.surface);
    }
    free(rgb);
    return done;
}

static bool paint_state(Frame frame, const Episode *e, int i, char *why, int why_size) {
    const double *state = e->states + (int64_t)i * e->f->state_dim;

    if (e->f->physics->render)
        return paint_rendered(frame, e->f->physics, state, why, why_size);
    if (!e->f->physics->draw) {
        snprintf(why, (size_t)why_size, "%s does not say what it looks like", e->f->name);
        return false;
    }
    paint_marks(frame.cr, e->f->physics, state);
    return true;
}

// ---- a sheet ------------------------------------------------------------------------------------

static bool draw_sheet(const Episode *e, const char *path, char *why, int why_size) {
    int line = HEIGHT + LABEL + MARGIN, column = WIDTH + MARGIN;
    Frame sheet = frame_new(COLUMNS * column + MARGIN, LINES * line + MARGIN);
    Frame frame = frame_new(WIDTH, HEIGHT);
    int count = e->n < COLUMNS * LINES ? e->n : COLUMNS * LINES;
    bool done = true;

    cairo_set_source_rgb(sheet.cr, 0.92, 0.92, 0.92);
    cairo_paint(sheet.cr);
    cairo_select_font_face(sheet.cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(sheet.cr, 15);
    for (int k = 0; k < count && done; k++) {
        int i = count > 1 ? (int)((int64_t)k * (e->n - 1) / (count - 1)) : 0;
        int x = MARGIN + k % COLUMNS * column, y = MARGIN + k / COLUMNS * line;
        char label[64];
        done = paint_state(frame, e, i, why, why_size);
        cairo_set_source_surface(sheet.cr, frame.surface, x, y + LABEL);
        cairo_rectangle(sheet.cr, x, y + LABEL, WIDTH, HEIGHT);
        cairo_fill(sheet.cr);
        snprintf(label, sizeof label, "step %d, %.2f s", i, i * e->f->physics->dt);
        cairo_set_source_rgb(sheet.cr, 0.2, 0.2, 0.2);
        cairo_move_to(sheet.cr, x + 2, y + LABEL - 6);
        cairo_show_text(sheet.cr, label);
    }
    if (done) {
        cairo_status_t status = cairo_surface_write_to_png(sheet.surface, path);
        done = status == CAIRO_STATUS_SUCCESS;
        if (!done)
            snprintf(why, (size_t)why_size, "'%s': %s", path, cairo_status_to_string(status));
    }
    frame_free(frame);
    frame_free(sheet);

    // what Cairo and fontconfig keep of fonts
    cairo_debug_reset_static_data();
    FcFini();
    return done;
}

// ---- a moving picture ---------------------------------------------------------------------------

enum { LEVELS = 6, COLORS = 256 }; // 6 levels of each of three colours, the rest is not used

// Level 0 .. 5 of a value 0 .. 255, with a threshold 0 .. 1 that tells which way it is rounded.
static int level_of(unsigned value, double threshold) {
    double x = value * (LEVELS - 1) / 255.0;
    int low = (int)x;

    return x - low > threshold ? low + 1 : low;
}

// Pixels as indices of the palette, with an ordered pattern of 4 x 4 for what lies between.
static void index_pixels(Frame frame, GifByteType *out) {
    static const int pattern[4][4] = {{0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};
    cairo_surface_flush(frame.surface);
    const unsigned char *data = cairo_image_surface_get_data(frame.surface);
    int stride = cairo_image_surface_get_stride(frame.surface);

    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            uint32_t p;
            memcpy(&p, data + (size_t)y * (size_t)stride + (size_t)x * 4, sizeof p);
            double threshold = (pattern[y % 4][x % 4] + 0.5) / 16;
            out[y * WIDTH + x] = (GifByteType)((level_of(p >> 16 & 255, threshold) * LEVELS +
                                                level_of(p >> 8 & 255, threshold)) *
                                                   LEVELS +
                                               level_of(p & 255, threshold));
        }
}

static ColorMapObject *palette(void) {
    ColorMapObject *map = GifMakeMapObject(COLORS, NULL);

    for (int i = 0; map && i < LEVELS * LEVELS * LEVELS; i++) {
        const int part[3] = {i / (LEVELS * LEVELS), i / LEVELS % LEVELS, i % LEVELS};
        map->Colors[i].Red = (GifByteType)(part[0] * 255 / (LEVELS - 1));
        map->Colors[i].Green = (GifByteType)(part[1] * 255 / (LEVELS - 1));
        map->Colors[i].Blue = (GifByteType)(part[2] * 255 / (LEVELS - 1));
    }
    return map;
}

// The frame's time in hundredths of a second, from state `i` on.
static bool put_frame(GifFileType *gif, const GifByteType *pixels, int hundredths) {
    GraphicsControlBlock control = {.DisposalMode = DISPOSE_DO_NOT,
                                    .DelayTime = hundredths,
                                    .TransparentColor = NO_TRANSPARENT_COLOR};
    GifByteType extension[4];

    EGifGCBToExtension(&control, extension);
    if (EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, sizeof extension, extension) == GIF_ERROR ||
        EGifPutImageDesc(gif, 0, 0, WIDTH, HEIGHT, false, NULL) == GIF_ERROR)
        return false;
    for (int y = 0; y < HEIGHT; y++)
        if (EGifPutLine(gif, (GifByteType *)pixels + y * WIDTH, WIDTH) == GIF_ERROR)
            return false;
    return true;
}

static bool put_head(GifFileType *gif, ColorMapObject *map) {
    static const GifByteType forever[3] = {1, 0, 0};

    EGifSetGifVersion(gif, true);
    return EGifPutScreenDesc(gif, WIDTH, HEIGHT, 8, 0, map) != GIF_ERROR &&
           EGifPutExtensionLeader(gif, APPLICATION_EXT_FUNC_CODE) != GIF_ERROR &&
           EGifPutExtensionBlock(gif, 11, "NETSCAPE2.0") != GIF_ERROR &&
           EGifPutExtensionBlock(gif, sizeof forever, forever) != GIF_ERROR &&
           EGifPutExtensionTrailer(gif) != GIF_ERROR;
}

static bool draw_gif(const Episode *e, const char *path, char *why, int why_size) {
    // a frame stays for 4 hundredths of a second at least; viewers slow down what is faster
    double dt = e->f->physics->dt;
    int every = dt >= 0.04 ? 1 : (int)ceil(0.04 / dt), error = 0;
    Frame frame = frame_new(WIDTH, HEIGHT);
    GifByteType *pixels = malloc((size_t)WIDTH * HEIGHT);
    ColorMapObject *map = palette();
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0)
        snprintf(why, (size_t)why_size, "'%s' cannot be written: %s", path, strerror(errno));
    GifFileType *gif = file >= 0 && pixels && map ? EGifOpenFileHandle(file, &error) : NULL;
    bool painted = true, done = gif && put_head(gif, map);

    for (int i = 0; i < e->n && done; i += every) {
        painted = paint_state(frame, e, i, why, why_size);
        if (painted)
            index_pixels(frame, pixels);
        int from = (int)(100 * dt * i), to = (int)(100 * dt * (i + every));
        done = painted && put_frame(gif, pixels, i + every < e->n ? to - from : 200);
    }
    if (gif)
        done = EGifCloseFile(gif, &error) != GIF_ERROR && done;
    if (!done && painted && file >= 0)
        snprintf(why, (size_t)why_size, "'%s' cannot be written: %s", path,
                 error ? GifErrorString(error) : "giflib fails");
    if (!done && gif)
        remove(path);
    GifFreeMapObject(map);
    free(pixels);
    frame_free(frame);
    return done;
}

// ---- formats ------------------------------------------------------------------------------------

static const struct {
    const char *ending;
    bool (*draw)(const Episode *e, const char *path, char *why, int why_size);
} formats[] = {{".png", draw_sheet}, {".gif", draw_gif}};
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

bool pictures_format_known(const char *path) {
    return format_of(path) >= 0;
}

bool pictures_draw(const Episode *e, const char *path, char *why, int why_size) {
    return formats[format_of(path)].draw(e, path, why, why_size);
}
