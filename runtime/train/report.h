// runtime/train/report.h -- what a driver tells: records, times, progress; and what runs look like.
#ifndef RUNTIME_TRAIN_REPORT_H
#define RUNTIME_TRAIN_REPORT_H

#include "runtime/train/driver.h"

// Puts the record of the iteration that ends into events.jsonl.
void rt_driver_record(RtDriver *d);

// Begins to count the times of an iteration; puts them into timing.jsonl.
void rt_driver_take_times(RtDriver *d);
void rt_driver_record_time(RtDriver *d);

// Shows the iteration that runs, and the one that is done.
void rt_driver_show(RtDriver *d);
void rt_driver_show_done(RtDriver *d);

#endif
