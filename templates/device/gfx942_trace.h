// What traces add to the prelude of gfx942: this CU's finest clock. It is the common one, as
// s_memrealtime is the same on all XCDs, and its 10 ns are fine enough.
constexpr bool TICKS_ARE_NS = true; // those of clock_ns()
DEVICE u64 ticks() { return clock_ns(); }
DEVICE u32 processor_id() { return xcd_id(); }
