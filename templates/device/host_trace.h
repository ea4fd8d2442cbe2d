// What traces add to the prelude of the CPU: this CU's finest clock.
constexpr bool TICKS_ARE_NS = true; // those of clock_ns()
DEVICE u64 ticks() { return clock_ns(); }
DEVICE u32 processor_id() { return (u32)sched_getcpu(); }
