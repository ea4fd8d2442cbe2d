-- AMD Instinct MI300X in SPX mode. The sources are listed in docs/design/mi300x.md.
target {
  name = "mi300x", isa = "gfx942", backend = "hip", compiler = "comgr",
  prelude = "gfx942", engine = "rows_vgpr",
  compiler_options = {
    "-O3", "-std=c++17", "-mcode-object-version=5",
    "-mllvm=-disable-machine-licm", -- or literals fill the scalar registers: docs/design/gfx942-code.md
  },

  -- CDNA3 white paper: 8 XCDs of 38 active CUs, two on each of 4 IODs
  dies = {
    { iod = 0, xcds = { 0, 1 } }, { iod = 1, xcds = { 2, 3 } },
    { iod = 2, xcds = { 4, 5 } }, { iod = 3, xcds = { 6, 7 } },
  },
  cus_per_xcd = 38, default_cus = 304,

  -- CDNA3 instruction set reference: 256 vector and 256 accumulation registers a lane
  wave_lanes = 64, registers_per_lane = 512, register_granule = 8, waves_per_simd_max = 8,
  simds_per_cu = 4,

  -- docs/design/gfx942-code.md: waves that only stream weights, one that hands results on
  streaming_waves = 8, handoff_waves = 1,

  -- CDNA3 white paper: 64 KiB of LDS a CU; more than half of it keeps a second workgroup out
  lds_bytes = 64 * KiB, lds_minimum_bytes = 33 * KiB,
  -- CDNA3 white paper and instruction set reference: for --device sim alone
  caches = {
    line_bytes = 128,
    l1 = { bytes = 32 * KiB, ways = 64 }, -- of a CU
    l2 = { bytes = 4 * MiB, ways = 16 },  -- of an XCD
  },
  clocks = { mhz = 2100, realtime_mhz = 100 }, -- what s_memtime and s_memrealtime count
  instruction_cache = { bytes = 64 * KiB, shared_by = 2 }, -- CDNA3 white paper

  -- 8 stacks of 24 GB (white paper); read sweeps of 256 to 1024 blocks, plain and non-temporal,
  -- measured in github.com/danila-permogorskii/batch1-cdna
  memory = { bytes = 192e9, sweep_gbps = { 4100, 4850 } },

  -- one way, measured in github.com/GolfOscarr/fleet-amd-task (counters between workgroups);
  -- inside a CU: an LDS write, a barrier and a read, estimated
  handoff_ns = { same_cu = 30, same_xcd = 640, across = 740 },
}
