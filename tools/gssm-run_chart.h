// tools/gssm-run_chart.h -- charts of lines with a band of spread, as PNG or SVG.
#ifndef TOOLS_GSSM_RUN_CHART_H
#define TOOLS_GSSM_RUN_CHART_H

#include <stdbool.h>

// A line of a panel, of the style that line `style` of the legend has.
typedef struct ChartLine {
    int style;
    const double *x, *mean, *sd; // (n), x not falling
    int n;
} ChartLine;

typedef struct ChartPanel {
    const char *title, *y_title;
    ChartLine *lines;
    int n_lines;
    double mark; // where a dotted line stands upright; NAN for none
} ChartPanel;

typedef struct Chart {
    ChartPanel *panels;
    int n_panels;
    const char *x_title;
    const char *const *legend; // names of line styles, in order
    int n_legend;
    const char *mark_name; // of the dotted lines, or NULL
    const char *note;      // below: what line and band are
} Chart;

// Whether `path` ends as one of the formats does: .png, .svg.
bool chart_format_known(const char *path);

// Draws into `path`, which is replaced once the picture is whole. False with a sentence in `why`.
bool chart_draw(const Chart *c, const char *path, char *why, int why_size);

#endif
