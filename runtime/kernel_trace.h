// The trace: what each CU did at the newest position of a launch, and when. Plain C, inserted
// verbatim into the kernels that trace, so that both sides read one definition. The trace is
// [CU][log][record]: log 0 is of a wave that hands off, log 1, where other waves multiply, of one
// of those. A log begins with KERNEL_TRACE_BEGINS and ends with KERNEL_TRACE_OVER; what is behind
// that is of an earlier position.
#ifndef RUNTIME_KERNEL_TRACE_H
#define RUNTIME_KERNEL_TRACE_H

enum { KERNEL_TRACE_MOST_RECORDS = 1 << 16 }; // of a log

// What the wave does from the record's time on.
enum kernel_trace_state {
    KERNEL_TRACE_BEGINS = 1,   // begins the position
    KERNEL_TRACE_WAITS = 2,    // waits for values of other CUs
    KERNEL_TRACE_GATHERS = 3,  // has its share of them, and waits for the other waves of its CU
    KERNEL_TRACE_STREAMS = 4,  // the CU multiplies weights, or attends
    KERNEL_TRACE_FINISHES = 5, // finishes rows and publishes them; of one that multiplies: is done
    KERNEL_TRACE_ENDS = 6,     // the stage is over: waits for what the next one awaits
    KERNEL_TRACE_OVER = 7,     // the position is over
};

struct kernel_trace_record {
    unsigned long long ticks; // of this CU's own clock, the finest there is
    unsigned long long ns;    // of a clock that is the same on all CUs, perhaps a coarse one
    unsigned step;            // of the schedule
    unsigned state;           // enum kernel_trace_state
    unsigned stalled;         // ticks since the record before in which this wave waited for weights
    unsigned about;           // BEGINS: the SM, XCD or processor it runs on; OVER: the position
};

#endif
