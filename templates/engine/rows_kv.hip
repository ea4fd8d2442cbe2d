//@ -- What engines share that attend to rows of K and V one by one.
DEVICE void stage_query(int query, int dim, float x) { lds.query[query * HEAD_DIM + dim] = x; }
DEVICE void store_kv(float *at, float x) { *at = x; }
DEVICE void store_kv(u16 *at, float x) { *at = float_to_bf16(x); }
// An element of this position's key or value: for the cache.
DEVICE void keep_key(KvElement *row, int dim, float x) { store_kv(row + dim, x); }
DEVICE void keep_value(KvElement *row, int dim, float x) { store_kv(row + dim, x); }
constexpr u32 ATTENDING_WAVES = STREAMING_WAVES, ATTENDS = STREAMS;
// Nothing is loaded before the query is there.
struct KvAhead {};
template <u32 KIND> DEVICE void load_ahead(KvAhead &, u32, u32, const u8 *, const u8 *) {}
