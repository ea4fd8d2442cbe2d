// What traces add to the prelude of sm_90: the clock of this SM. The one that all SMs share,
// clock_ns(), goes on by 32 to 1024 ns at a time.
constexpr bool TICKS_ARE_NS = false;
DEVICE u64 ticks() {
    u64 now;
    asm volatile("mov.u64 %0, %%clock64;" : "=l"(now));
    return now;
}
DEVICE u32 processor_id() {
    u32 id;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(id));
    return id;
}
