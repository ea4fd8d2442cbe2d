-- The CPU at hand: a thread plays a CU, and a wave has one lane. It runs everywhere and is what
-- the other targets are compared with.
target {
  name = "host", isa = "native", backend = "host", compiler = "cxx",
  prelude = "host", engine = "rows_scalar",
  compiler_options = { "-O3", "-std=c++17", "-march=native" },

  dies = { { iod = 0, xcds = { 0 } } },
  cus_per_xcd = 512, default_cus = 2, -- as many threads as one asks for with --set cus=N

  wave_lanes = 1, streaming_waves = 1, handoff_waves = 0, -- one thread does everything
  lds_bytes = 64 * KiB, lds_minimum_bytes = 0, -- a thread's own scratch, small enough for its L1 and L2 cache
  instruction_cache = { bytes = 32 * KiB, shared_by = 1 }, -- of one core of a usual x86 processor

  -- a desktop to a server with many memory channels: no measurement of this machine
  memory = { sweep_gbps = { 10, 400 } },
  -- cache line between cores, estimated; a shared CPU adds its scheduler's time slices
  handoff_ns = { same_cu = 5, same_xcd = 100, across = 100 },
}
