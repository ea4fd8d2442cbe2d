-- NVIDIA H200 SXM: the chip of h100.lua with more and faster memory.
target {
  name = "h200", isa = "sm_90a", backend = "cuda", compiler = "nvrtc",
  prelude = "sm90", engine = "ring_mma",
  compiler_options = { "--std=c++17" },

  dies = { { iod = 0, xcds = { 0 } } },
  cus_per_xcd = 132, default_cus = 132,
  wave_lanes = 32, registers_per_lane = 512, register_granule = 8, waves_per_simd_max = 16,
  streaming_waves = 4, handoff_waves = 7,
  lds_bytes = 226 * KiB, lds_minimum_bytes = 116 * KiB,
  instruction_cache = { bytes = 128 * KiB, shared_by = 1 }, -- as in h100.lua

  memory = { bytes = 141e9, sweep_gbps = { 4100, 4230 }, cu_gbps = 45 }, -- the upper one measured, see docs/design/h100.md
  merge_ns = 2200, -- as in h100.lua
  handoff_ns = { same_cu = 30, same_xcd = 600, across = 600 },
}
