// runtime/record/checkpoint.h -- commits: the only moments at which a run changes for good.
//
// A checkpoint is one safetensors file `checkpoints/{commit:06}.safetensors` with all arrays of the
// state, and in its metadata: a hash of its own content, the stage cursor, the logs' lengths, the
// episode files it refers to with their hashes, and the hashes of what it was made with. It appears
// by one rename after its data, the logs and the episodes are durable, so a process killed at any
// moment leaves the last commit whole. Episodes are files of their own, written once: a checkpoint
// holds name and hash, and its cost does not grow with the memory.
//
// A commit, in order: rt_episode_write() for each new episode; rt_log_flush() for each log;
// rt_checkpoint_write(). A resume: rt_checkpoint_find_newest_good(), rt_checkpoint_clean(), then
// rt_log_open() of each log at its recorded offset.
#ifndef RUNTIME_RECORD_CHECKPOINT_H
#define RUNTIME_RECORD_CHECKPOINT_H

#include "runtime/record/safetensors.h"

// How much of a log (by its file name in the run folder) belongs to a commit.
typedef struct RtLogMark {
    const char *name;
    int64_t offset;
} RtLogMark;

// An episode file `episodes/{id}.safetensors` and the hash of its bytes.
typedef struct RtEpisodeRef {
    const char *id;
    const char *hash;
} RtEpisodeRef;

// What a commit holds. Everything is read during a call only; a checkpoint that was read owns its
// contents, which rt_checkpoint_close() frees.
typedef struct RtCheckpoint {
    int64_t commit;     // 0 precedes the first step
    const char *cursor; // JSON text: where in the recipe the run stands; "" is none

    const RtTensor *tensors; // all state
    int n_tensors;

    const RtLogMark *logs;
    int n_logs;

    const RtEpisodeRef *episodes; // every episode written so far, also those no longer used: others
    int n_episodes;               // are leftovers, which rt_checkpoint_clean() removes

    const RtPair *hashes; // {"config", "…"}, {"program.fit", "…"}, {"cpu", "…"}
    int n_hashes;

    RtTensorFile file; // of a checkpoint that was read
} RtCheckpoint;

typedef enum RtFound {
    RT_FOUND,
    RT_FOUND_NONE,    // no checkpoint at all: the run was stopped before commit 0
    RT_FOUND_DAMAGED, // there are checkpoints, and none is good
} RtFound;

// Checkpoints kept in a run folder unless told otherwise.
enum { RT_KEEP_CHECKPOINTS = 3 };

// Writes `c` as a checkpoint of the run at `run_dir`, durably, then deletes all but the newest
// `keep` (at least 1) that are not newer than it. False with a sentence in `why`: the checkpoint
// was not made. Failing to delete an older one is no failure.
bool rt_checkpoint_write(const char *run_dir, const RtCheckpoint *c, int keep, char *why,
                         size_t why_size);

// Reads the checkpoint file at `path` and verifies it against its hash. False with a sentence.
bool rt_checkpoint_read(RtCheckpoint *c, const char *path, char *why, size_t why_size);

// The newest checkpoint of `run_dir` that is whole: its content fits its hash, each log reaches the
// recorded offset, each episode is there and fits its hash. Each one passed over puts a sentence
// (with '\n') into `notes`, which may be NULL. Without RT_FOUND, `c` is zeroed and `why` says what
// to do.
RtFound rt_checkpoint_find_newest_good(RtCheckpoint *c, const char *run_dir, Buf *notes, char *why,
                                       size_t why_size);

// The hash recorded under `key`, or NULL.
const char *rt_checkpoint_find_hash(const RtCheckpoint *c, const char *key);

// The offset recorded for the log `name`, or 0.
int64_t rt_checkpoint_log_offset(const RtCheckpoint *c, const char *name);

void rt_checkpoint_close(RtCheckpoint *c);

// Makes the folder what it was at commit `c`: removes newer checkpoints, more than `keep` older
// ones, episodes that `c` does not refer to, and unfinished temporary files. Logs are cut by
// rt_log_open(). Call it with the run locked. False with a sentence in `why`.
bool rt_checkpoint_clean(const char *run_dir, const RtCheckpoint *c, int keep, char *why,
                         size_t why_size);

// Numbers of the checkpoint files of `run_dir`, ascending, owned by `a`; their count. 0 also where
// there is no such folder.
int rt_checkpoint_list(Arena *a, const char *run_dir, int64_t **commits);

// Writes `episodes/{id}.safetensors` durably and gives the hash of its bytes. An equal file that is
// already there is left alone; a different one is refused, since episodes are immutable. `id` is of
// letters, digits, '-', '_' and '.'.
bool rt_episode_write(const char *run_dir, const char *id, const RtTensor *tensors, int n,
                      const RtPair *metadata, int n_metadata, char hash[RT_HASH_SIZE], char *why,
                      size_t why_size);

// Reads an episode; with `hash`, verifies that its bytes are those that were written.
bool rt_episode_read(RtTensorFile *f, const char *run_dir, const char *id, const char *hash,
                     char *why, size_t why_size);

#endif
