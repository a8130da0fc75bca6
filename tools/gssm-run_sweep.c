// tools/gssm-run_sweep.c -- working on a sweep: its runs as processes, several at once.
//
// Each run is a child of this process, with a process group of its own, that prints into the log of
// the run. The parent starts children, waits for them and shows how far they are; asked to stop, it
// asks them once. All that lasts is in the runs' folders, so a sweep goes on after any end.
#include "tools/gssm-run_sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ir/base/exits.h"
#include "runtime/exec/pool.h"
#include "runtime/train/scene.h"
#include "runtime/train/sweep.h"
#include "tools/gssm-run.h"

enum { TAIL = 4096, POLL_MILLISECONDS = 100 };

typedef struct Child {
    pid_t pid;
    RtSweepRun *run;
    double start;
} Child;

typedef struct Work {
    const OptCommand *self;
    RtSweep sweep;
    SweepShare share;
    Child *children; // (share.jobs)
    int n_children;
    int n_done, n_failed, n_stopped; // runs
    int first_failed, first_code;    // of the runs, in their order
    int next;
    bool stopping;

    bool quiet, live;
    int n_drawn; // lines on the terminal that the next drawing replaces
} Work;

SweepShare sweep_share(const SweepHow *how, int n) {
    int cores = how->threads > 0 ? how->threads : rt_pool_available();
    int jobs = how->jobs > 0 ? how->jobs : cores;

    jobs = jobs > n ? n : jobs;
    jobs = jobs > 0 ? jobs : 1;
    return (SweepShare){jobs, cores / jobs > 0 ? cores / jobs : 1};
}

// ---- a child ------------------------------------------------------------------------------------

// Sends what is printed to the log, and reads nothing.
static bool redirect(const char *log) {
    int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    bool done = in >= 0 && out >= 0 && dup2(in, STDIN_FILENO) >= 0 &&
                dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0;

    close(in);
    close(out);
    return done;
}

static int do_run(const Work *w, const RtSweepRun *run) {
    const RtSweep *s = &w->sweep;
    TrainHow how = {.threads = w->share.threads,
                    .runs = s->dir,
                    .label = run->label,
                    .from = s->from,
                    .test = s->test};

    switch (run->state) {
    case RT_SWEEP_MISSING:
        return train_run(w->self, &how, &(RtRecipeDef){.name = run->recipe});
    case RT_SWEEP_BEGUN:
        return resume_run(w->self, &how, run->dir);
    case RT_SWEEP_TRAINED:
        return test_run(w->self, run->dir, how.threads);
    case RT_SWEEP_DONE:
        return EXIT_OK;
    }
    return EXIT_BUG;
}

static _Noreturn void be_child(const Work *w, const RtSweepRun *run, pid_t parent) {
    // a child does not outlive its parent, however that ends
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    if (getppid() != parent || !redirect(run->log))
        exit(EXIT_IO);
    exit(do_run(w, run));
}

// ---- what is shown ------------------------------------------------------------------------------

// The last line of a log, of those that have `word` in them where there is one; owned by `a`.
static const char *last_line(Arena *a, const char *log, const char *word) {
    char text[TAIL + 1];
    const char *last = "", *best = NULL;
    int fd = open(log, O_RDONLY | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    ssize_t n = fd >= 0 ? pread(fd, text, TAIL, size > TAIL ? size - TAIL : 0) : 0;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    for (char *at = text; *at;) {
        size_t len = strcspn(at, "\n");
        const char *line = len ? arena_strndup(a, at, len) : "";
        last = len ? line : last;
        best = word && strstr(line, word) ? line : best;
        at += len + (at[len] == '\n');
    }
    return best ? best : last;
}

// Whether lines on standard error can be drawn again.
static bool is_live(bool quiet) {
    const char *term = getenv("TERM");

    return !quiet && isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

static void erase(Work *w) {
    if (w->n_drawn > 0)
        fprintf(stderr, "\r\033[%dA\033[J", w->n_drawn);
    w->n_drawn = 0;
}

static void draw(Work *w) {
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
    int width = known ? size.ws_col - 1 : 79, height = known ? size.ws_row - 2 : 22, column = 0;
    Arena scratch = {0};

    if (!w->live)
        return;
    erase(w);
    fprintf(stderr, "%d of %d runs done, %d running, %d failed%s\n", w->n_done, w->sweep.n,
            w->n_children, w->n_failed, w->stopping ? "; stopping" : "");
    w->n_drawn = 1;
    for (int i = 0; i < w->n_children; i++) {
        int len = (int)strlen(w->children[i].run->name);
        column = len > column ? len : column;
    }
    for (int i = 0; i < w->n_children && w->n_drawn < height; i++) {
        const RtSweepRun *run = w->children[i].run;
        const char *line = arena_printf(&scratch, "  %-*s  %s", column, run->name,
                                        last_line(&scratch, run->log, NULL));
        fprintf(stderr, "%.*s\n", width, line);
        w->n_drawn++;
    }
    fflush(stderr);
    arena_free(&scratch);
}

// A line that stays.
static void note(Work *w, bool always, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void note(Work *w, bool always, const char *format, ...) {
    va_list args;

    if (w->quiet && !always)
        return;
    erase(w);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
}

// ---- runs ---------------------------------------------------------------------------------------

static void count_failure(Work *w, const RtSweepRun *run, int code) {
    int number = (int)(run - w->sweep.runs);

    if (w->n_failed++ == 0 || number < w->first_failed) {
        w->first_failed = number;
        w->first_code = code;
    }
}

static void start(Work *w, RtSweepRun *run) {
    pid_t parent = getpid();

    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        be_child(w, run, parent);
    if (pid < 0) {
        note(w, true, "failed: %s: no process can be started: %s", run->name, strerror(errno));
        count_failure(w, run, EXIT_SYSTEM);
        return;
    }
    w->children[w->n_children++] = (Child){pid, run, rt_now()};
    if (!w->live)
        note(w, false, "%s: %s", run->state == RT_SWEEP_MISSING ? "started" : "going on",
             run->name);
}

// Starts runs until there are as many as there may be.
static void start_more(Work *w) {
    RtSweep *s = &w->sweep;

    for (; w->next < s->n && w->n_children < w->share.jobs && !w->stopping; w->next++) {
        RtSweepRun *run = &s->runs[w->next];
        if (run->state == RT_SWEEP_DONE)
            continue;
        if (run->in_use) {
            note(w, true, "failed: %s: in use by another process", run->name);
            count_failure(w, run, EXIT_IN_USE);
        } else
            start(w, run);
    }
}

// The exit code of a process; one that a signal ended has none of its own.
static int code_of(int status) {
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    return WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT ? EXIT_STOPPED
           : WTERMSIG(status) == SIGKILL                             ? EXIT_SYSTEM
                                                                     : EXIT_BUG;
}

static void finish_run(Work *w, const Child *c, int status) {
    Arena scratch = {0};
    int code = code_of(status);

    if (code == EXIT_OK) {
        w->n_done++;
        note(w, false, "done: %s, %.1f s", c->run->name, rt_now() - c->start);
    } else if (code == EXIT_STOPPED) {
        w->n_stopped++;
        note(w, false, "stopped: %s", c->run->name);
    } else {
        count_failure(w, c->run, code);
        if (WIFSIGNALED(status))
            note(w, true, "failed: %s: ended by signal %d; see %s", c->run->name, WTERMSIG(status),
                 c->run->log);
        else
            note(w, true, "failed: %s: %s (exit code %d); see %s", c->run->name,
                 last_line(&scratch, c->run->log, "error"), code, c->run->log);
    }
    arena_free(&scratch);
}

static void collect(Work *w) {
    for (int i = 0; i < w->n_children;) {
        Child c = w->children[i];
        int status;
        if (waitpid(c.pid, &status, WNOHANG) != c.pid) {
            i++;
            continue;
        }
        w->children[i] = w->children[--w->n_children];
        finish_run(w, &c, status);
    }
}

static void stop_children(Work *w) {
    w->stopping = true;
    for (int i = 0; i < w->n_children; i++)
        kill(w->children[i].pid, SIGTERM);
}

static void do_all(Work *w) {
    start_more(w);
    while (w->n_children > 0) {
        draw(w);
        nanosleep(&(struct timespec){.tv_nsec = POLL_MILLISECONDS * 1000000L}, NULL);
        if (rt_stop_asked() && !w->stopping)
            stop_children(w);
        collect(w);
        start_more(w);
    }
    erase(w);
}

int sweep_work(const OptCommand *self, const char *dir, const SweepHow *how) {
    Work w = {.self = self, .quiet = how->quiet};
    char why[1024] = "";
    int todo = 0;

    rt_stop_install();
    int code = rt_sweep_open(&w.sweep, dir, why, sizeof why);
    if (code != EXIT_OK) {
        rt_sweep_close(&w.sweep);
        return say(self, code, why);
    }
    for (int i = 0; i < w.sweep.n; i++)
        todo += w.sweep.runs[i].state != RT_SWEEP_DONE;
    w.n_done = w.sweep.n - todo;
    w.share = sweep_share(how, todo);
    w.live = is_live(how->quiet);
    w.children = arena_array(&w.sweep.arena, Child, w.share.jobs);
    do_all(&w);

    int left = w.sweep.n - w.n_done - w.n_failed;
    code = left > 0 ? EXIT_STOPPED : w.n_failed > 0 ? w.first_code : EXIT_OK;
    note(&w, code != EXIT_OK, "%d of %d runs done, %d failed%s%s", w.n_done, w.sweep.n, w.n_failed,
         code == EXIT_OK ? "" : "; to go on: gssm-run resume ", code == EXIT_OK ? "" : w.sweep.dir);
    rt_sweep_close(&w.sweep);
    return code;
}
