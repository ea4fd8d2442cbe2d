-- NVIDIA H100 SXM (sm_90). A CU is a streaming multiprocessor, LDS its shared memory. Figures without
-- another source were measured on one H100 80GB HBM3, see docs/design/h100.md.
target {
  name = "h100", isa = "sm_90a", backend = "cuda", compiler = "nvrtc",
  prelude = "sm90", engine = "ring_mma",
  compiler_options = { "--std=c++17" },

  -- one die as far as the program can tell
  dies = { { iod = 0, xcds = { 0 } } },
  cus_per_xcd = 132, default_cus = 132,

  -- NVIDIA H100 architecture white paper: 64 K registers for the four partitions of an SM, 32 lanes each
  wave_lanes = 32, registers_per_lane = 512, register_granule = 8, waves_per_simd_max = 16,

  -- one wave that multiplies for each partition of an SM: copies keep memory busy, not waves
  streaming_waves = 4, handoff_waves = 7,

  -- white paper: 227 KB of shared memory a block, 1 KB of it left to the prelude; a block with more than
  -- half of an SM's has the SM to itself
  lds_bytes = 226 * KiB, lds_minimum_bytes = 116 * KiB,
  instruction_cache = { bytes = 128 * KiB, shared_by = 1 }, -- estimated: the caches' sizes are not published

  memory = { bytes = 80e9, sweep_gbps = { 3040, 3100 }, cu_gbps = 45 }, -- plain loads, bulk copies
  -- cu_gbps is derived: 32 KiB of K and V in flight, 0.7 us away. Of a layer of llama-3.2-1b, from the trace:
  merge_ns = 2200,
  handoff_ns = { same_cu = 30, same_xcd = 600, across = 600 }, -- (value, epoch) pairs: 400 to 800 ns
}
