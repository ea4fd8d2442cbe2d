// Trace: what a kernel's CUs noted of one position (runtime/kernel_trace.h), as spans of time, and
// the critical path through them. Times are in us from the first CU's beginning of the position.
#ifndef GENERATOR_TRACE_TRACE_H
#define GENERATOR_TRACE_TRACE_H

#include "generator/base/diagnostic.h"
#include "generator/plan/plan.h"
#include "runtime/kernel_trace.h"

#include <stdbool.h>

enum trace_kind {
    TRACE_WAIT,    // for values of other CUs
    TRACE_GATHER,  // for the other waves of the CU, which wait for theirs
    TRACE_STREAM,  // multiplies weights, or attends
    TRACE_COMPUTE, // finishes rows and publishes them, and all else
    TRACE_HANDOFF, // of a path alone: from what the last producer did to its values being there
    TRACE_KINDS
};

const char *trace_kind_name(enum trace_kind kind); // "wait"

// What one wave did; spans follow each other without gaps, in the order of the schedule.
struct trace_span {
    double from_us, to_us;
    double late_us;    // of TRACE_STREAM, in the log of a wave that multiplies: waited for weights
    double transit_us; // of a wait: all that it was for had been published (trace_find_path says)
    int step;
    enum trace_kind kind;
};

struct trace_log {
    struct trace_span *spans;
    int count;
};

struct trace {
    const struct plan_plan *plan;
    int logs_per_cu;        // log 0: hands off; log 1, where there is one: multiplies
    struct trace_log *logs; // [cus][logs_per_cu]
    unsigned *processors;   // [cus]: the SM, XCD or processor that each ran on
    unsigned position;      // in the context
    double us;              // to the last CU's end
};

// Reads records [cus][logs][records of a log] of the plan, into the arena. The clock of a CU is
// fitted to the common one, which may be coarse, over all its records. Ensures: every log has every
// step of the plan, in order. False after adding a diagnostic: that is not so, or time goes back.
bool trace_read(const struct plan_plan *plan, const struct kernel_trace_record *records,
                struct arena *arena, struct trace *trace, struct diagnostics *diagnostics);

const struct trace_log *trace_log_of(const struct trace *trace, int cu, int log);

// A piece of the critical path: what CU `cu` did, or a hand-off to it.
struct trace_hop {
    double from_us, to_us;
    int cu, step;
    enum trace_kind kind;
    int from_cu, from_step; // of a hand-off: who published last; else -1
};

struct trace_path {
    struct trace_hop *hops; // in the order of time, without gaps, up to the position's end
    int count;
};

// Says of each wait how much of it values were in transit, and walks back from the last CU's end. A
// wait that the last of its producers outlasted leads to that CU; any other leads to what the same
// CU did before.
void trace_find_path(struct trace *trace, struct arena *arena, struct trace_path *path);

// Chrome's and Perfetto's JSON: a thread a log, the stages with what was done inside them, the
// critical path with arrows for its hand-offs.
void trace_print_json(const struct trace *trace, const struct trace_path *path, struct text *out);

// A table: of each stage body, what CUs did in it (summed over the position, the median of all CUs)
// and what it has of the critical path; then the path's longest hand-offs.
void trace_print_summary(const struct trace *trace, const struct trace_path *path,
                         struct text *out);

// The same as a value.
struct value *trace_summary_value(const struct trace *trace, const struct trace_path *path,
                                  struct arena *arena);

#endif
