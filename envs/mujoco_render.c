// envs/mujoco_render.c -- pictures of bodies, by MuJoCo's renderer on OSMesa.
//
// OSMesa draws in memory, without a screen or a GPU. It is looked for when a picture is asked for;
// its absence is ordinary.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mujoco/mujoco.h>

#include "envs/mujoco.h"

enum { GL_RGBA = 0x1908, GL_UNSIGNED_BYTE = 0x1401 };

static const char *const libraries[] = {"libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"};

// One canvas, for one model at a time.
static struct Canvas {
    const Mujoco *body; // NULL: none is open
    int width, height;
    void *library, *context;
    unsigned char *memory; // that OSMesa draws into
    mjData *data;
    mjvScene scene;
    mjrContext gl;
} canvas;

static void close_canvas(void) {
    void (*destroy)(void *context) = NULL;

    if (!canvas.body)
        return;
    mjr_freeContext(&canvas.gl);
    mjv_freeScene(&canvas.scene);
    mj_deleteData(canvas.data);
    *(void **)&destroy = dlsym(canvas.library, "OSMesaDestroyContext");
    if (destroy)
        destroy(canvas.context);
    free(canvas.memory);
    canvas.body = NULL;
}

// A context to draw into becomes the current one.
static bool open_context(int width, int height, char *why, int why_size) {
    void *(*create)(unsigned format, int depth, int stencil, int accum, void *share) = NULL;
    unsigned char (*current)(void *context, void *memory, unsigned type, int w, int h) = NULL;

    for (size_t i = 0; i < sizeof libraries / sizeof *libraries && !canvas.library; i++)
        canvas.library = dlopen(libraries[i], RTLD_NOW | RTLD_GLOBAL);
    if (canvas.library) {
        *(void **)&create = dlsym(canvas.library, "OSMesaCreateContextExt");
        *(void **)&current = dlsym(canvas.library, "OSMesaMakeCurrent");
    }
    if (!create || !current) {
        snprintf(
            why, (size_t)why_size,
            "pictures of MuJoCo's bodies need OSMesa, and it is not here (Debian: libosmesa6)");
        return false;
    }
    canvas.context = create(GL_RGBA, 24, 8, 8, NULL);
    canvas.memory = malloc((size_t)width * (size_t)height * 4);
    if (canvas.context && canvas.memory &&
        current(canvas.context, canvas.memory, GL_UNSIGNED_BYTE, width, height))
        return true;
    free(canvas.memory);
    snprintf(why, (size_t)why_size, "OSMesa makes no picture of %d x %d", width, height);
    return false;
}

static bool open_canvas(Mujoco *m, int width, int height, char *why, int why_size) {
    enum { GEOMS = 1000 };

    if (canvas.body == m && canvas.width == width && canvas.height == height)
        return true;
    close_canvas();
    if (!mujoco_load(m, why, why_size) || !open_context(width, height, why, why_size))
        return false;
    canvas.body = m;
    canvas.width = width;
    canvas.height = height;
    canvas.data = mj_makeData(m->model);
    mjv_defaultScene(&canvas.scene);
    mjv_makeScene(m->model, &canvas.scene, GEOMS);
    mjr_defaultContext(&canvas.gl);
    mjr_makeContext(m->model, &canvas.gl, mjFONTSCALE_100);
    mjr_setBuffer(mjFB_OFFSCREEN, &canvas.gl);
    return true;
}

// Rows from bottom to top become rows from top to bottom.
static void flip(unsigned char *rgb, int width, int height) {
    size_t n = (size_t)width * 3;

    for (int y = 0; y < height / 2; y++) {
        unsigned char *a = rgb + (size_t)y * n, *b = rgb + (size_t)(height - 1 - y) * n;
        for (size_t i = 0; i < n; i++) {
            unsigned char kept = a[i];
            a[i] = b[i];
            b[i] = kept;
        }
    }
}

bool mujoco_render(Mujoco *m, const double *state, int width, int height, unsigned char *rgb,
                   char *why, int why_size) {
    mjrRect all = {0, 0, width, height};
    mjvOption option;
    mjvCamera camera;

    if (!open_canvas(m, width, height, why, why_size))
        return false;
    memcpy(canvas.data->qpos, state + m->first, (size_t)m->nq * sizeof *state);
    mj_kinematics(m->model, canvas.data);
    mj_comPos(m->model, canvas.data);
    mj_camlight(m->model, canvas.data);
    mjv_defaultOption(&option);
    mjv_defaultCamera(&camera);
    camera.type = mjCAMERA_FIXED;
    camera.fixedcamid = 0;
    mjv_updateScene(m->model, canvas.data, &option, NULL, &camera, mjCAT_ALL, &canvas.scene);
    mjr_render(all, &canvas.scene, &canvas.gl);
    mjr_readPixels(rgb, NULL, all, &canvas.gl);
    flip(rgb, width, height);
    return true;
}
