// Scans of bfloat16 by tensor cores: chunks of Q tokens, D inner features, N states, P features a head (macros before).
// A warp has 32 features. Products are mma.sync tiles: "rows" g and g + 8 of a lane, "columns" 2 t and 2 t + 1, where
// g = lane / 4 and t = lane % 4. Decays are powers of 2: cum_q = log2 of the decay from the chunk's start to token q,
// lag_s = cum_s - log2 dt_s, so that 2^(cum_q - lag_s) is the decay from s to q times dt_s, and never overflows.
#define Q 16
#define H (D / P)
#define XBC (D + 2 * N)
#define W (D + XBC + H)
#define ROW (2 * W)
#define NT (N / 8)
#define WARPS (D / 32)
#define TILE_HEADS (8 / P)  // heads in 8 features
#define U_STRIDE (D + 8)    // strides keep the rows of a tile in different banks
#define BC_STRIDE (2 * N + 8)
#define PRE_STRIDE (XBC + 8)
#define BC_TOKENS (Q * N / D)  // tokens of B and C that a thread convolves
#define ROUNDS (Q * H / D)     // tokens and heads a thread
#define LANES (D / 8)
#define ROW_LANES (LANES >= 32 ? ~0u : (((1u << (LANES & 31)) - 1u) << ((threadIdx.x & 31) & ~(LANES - 1))))
#define NORM_EPSILON 1e-5f  // as in state_space.py
#define LOG2E 1.4426950408889634f
typedef unsigned int u32;
typedef unsigned short u16;

__device__ __forceinline__ u32 pack(float a, float b) {
  u32 r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(b), "f"(a));
  return r;
}
__device__ __forceinline__ float2 unpack(u32 v) { return make_float2(__uint_as_float(v << 16), __uint_as_float(v & 0xffff0000u)); }
__device__ __forceinline__ float2 load2(const u16* p) { return unpack(*(const u32*)p); }
__device__ __forceinline__ void store2(u16* p, float a, float b) { *(u32*)p = pack(a, b); }
__device__ __forceinline__ float one(const u16* p) { return __uint_as_float((u32)*p << 16); }
__device__ __forceinline__ void spread8(uint4 v, float* x) {
  float2 a = unpack(v.x), b = unpack(v.y), c = unpack(v.z), d = unpack(v.w);
  x[0] = a.x, x[1] = a.y, x[2] = b.x, x[3] = b.y, x[4] = c.x, x[5] = c.y, x[6] = d.x, x[7] = d.y;
}
__device__ __forceinline__ void load8(const u16* p, float* x) { spread8(*(const uint4*)p, x); }
__device__ __forceinline__ float power2(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
__device__ __forceinline__ float tanh_of(float x) {
  float r;
  asm("tanh.approx.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
// silu(2 h) and its derivative in h, by tanh h
__device__ __forceinline__ float silu_of_half(float h) { return fmaf(h, tanh_of(h), h); }
__device__ __forceinline__ float silu_slope_of_half(float h) {
  float a = tanh_of(h);
  return (1.f + a) * fmaf(h, 1.f - a, 1.f);
}
__device__ __forceinline__ float softplus(float x) {
  float e = __expf(x);
  return x > 20.f ? x : e < 0.02f ? e * fmaf(e, fmaf(e, 1.f / 3.f, -0.5f), 1.f) : __logf(1.f + e);
}

__device__ __forceinline__ u32 address(const void* p) { return (u32)__cvta_generic_to_shared(p); }
// Copy the projections of a chunk, after the three tokens before it, to `raw` (Q + 3, W) while other things are done; what is
// not there becomes zero. `from` is the chunk's first token, `left` tokens are left from it, `begins` if none are before.
template <int STEP>
__device__ __forceinline__ void stage(u16* raw, const u16* from, int left, bool begins) {
#pragma unroll
  for (int i = threadIdx.x; i < (Q + 3) * (W / 8); i += D) {
    int row = i / (W / 8), column = i % (W / 8) * 8;
    bool there = row - 3 < left && !(begins && row < 3);
    const u16* source = there ? from + (row - 3) * STEP + column : from;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address(raw + row * W + column)), "l"(source),
                 "r"(there ? 16 : 0));
  }
}
__device__ __forceinline__ void wait_for_stages() { asm volatile("cp.async.wait_all;" ::: "memory"); }

__device__ __forceinline__ void tiles4(u32* r, const u16* p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address(p)));
}
__device__ __forceinline__ void turned4(u32* r, const u16* p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address(p)));
}
__device__ __forceinline__ void tiles2(u32* r, const u16* p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(address(p)));
}
__device__ __forceinline__ void turned2(u32* r, const u16* p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(address(p)));
}
__device__ __forceinline__ u32 turned(u32 v) {
  u32 r;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(v));
  return r;
}
// d (16 x 8) += a (16 x 16) b (16 x 8)
__device__ __forceinline__ void multiply16(float* d, u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}
// d (16 x 8) += a (16 x 8) b (8 x 8)
__device__ __forceinline__ void multiply8(float* d, u32 a0, u32 a1, u32 b0) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(b0));
}
// d (16 x 8) += a (16 x N) b (N x 8)
__device__ __forceinline__ void multiply_states(float* d, const u32* a, const u32* b) {
#if N == 16
  multiply16(d, a[0], a[1], a[2], a[3], b[0], b[1]);
#else
  multiply8(d, a[0], a[1], b[0]);
#endif
}
// (Q, N) of shared memory as left factor, as right factor with states as rows (for two tiles of tokens), and turned
__device__ __forceinline__ void states_left(u32* r, const u16* p, int lane) {
#if N == 16
  tiles4(r, p + (lane & 15) * BC_STRIDE + (lane >> 4) * 8);
#else
  tiles2(r, p + (lane & 15) * BC_STRIDE);
#endif
}
__device__ __forceinline__ void states_right(u32* r, const u16* p, int lane) {
#if N == 16
  tiles4(r, p + ((lane & 7) + (lane >> 4) * 8) * BC_STRIDE + ((lane >> 3) & 1) * 8);
#else
  tiles2(r, p + (lane & 15) * BC_STRIDE);
#endif
}
__device__ __forceinline__ void states_turned(u32* r, const u16* p, int lane) {
#if N == 16
  turned4(r, p + (lane & 15) * BC_STRIDE + (lane >> 4) * 8);
#else
  turned2(r, p + (lane & 15) * BC_STRIDE);
#endif
}

// what blocks read again and again: halved weights and biases of the convolution, tap by tap, then per head and per feature
struct Constants {
  float conv[5][XBC], skip[H], norm[D];
};
__device__ __forceinline__ void read_constants(Constants& own, int way, const float* conv_w, const float* conv_b, const float* skip,
                                               const float* norm_w) {
  for (int i = threadIdx.x; i < XBC; i += D) {
    float4 w = *(const float4*)(conv_w + (way * XBC + i) * 4);
    own.conv[0][i] = 0.5f * w.x, own.conv[1][i] = 0.5f * w.y, own.conv[2][i] = 0.5f * w.z, own.conv[3][i] = 0.5f * w.w;
    own.conv[4][i] = 0.5f * conv_b[way * XBC + i];
  }
  if (threadIdx.x < H) own.skip[threadIdx.x] = skip[way * H + threadIdx.x];
  own.norm[threadIdx.x] = norm_w[way * D + threadIdx.x];
}
struct Steps {  // of the ROUNDS heads of a thread
  float bias[ROUNDS], A[ROUNDS];
};
__device__ __forceinline__ Steps read_steps(int way, const float* dt_bias, const float* A) {
  Steps own;
#pragma unroll
  for (int round = 0; round < ROUNDS; round++) {
    int head = (threadIdx.x + round * D) / Q;
    own.bias[round] = dt_bias[way * H + head], own.A[round] = A[way * H + head];
  }
  return own;
}

// convolution of two features over TOKENS tokens from `first`, activated
template <int TOKENS, bool PRE>
__device__ __forceinline__ void convolve(const u16* raw, const Constants& own, int feature, int first, u16* out, int stride,
                                         u16* pre) {
  float2 w[5], x[TOKENS + 3];
#pragma unroll
  for (int k = 0; k < 5; k++) w[k] = *(const float2*)(own.conv[k] + feature);
#pragma unroll
  for (int k = 0; k < TOKENS + 3; k++) x[k] = load2(raw + (first + k) * W + D + feature);
#pragma unroll
  for (int k = 0; k < TOKENS; k++) {
    float a = fmaf(w[3].x, x[k + 3].x, fmaf(w[2].x, x[k + 2].x, fmaf(w[1].x, x[k + 1].x, fmaf(w[0].x, x[k].x, w[4].x))));
    float b = fmaf(w[3].y, x[k + 3].y, fmaf(w[2].y, x[k + 2].y, fmaf(w[1].y, x[k + 1].y, fmaf(w[0].y, x[k].y, w[4].y))));
    if (PRE) store2(pre + (first + k) * PRE_STRIDE + feature, a, b);
    store2(out + (first + k) * stride, silu_of_half(a), silu_of_half(b));
  }
}

// of a chunk: u (Q, D), B and C (Q, 2 N), half of both before activation, and per head and token: cum, lag, decay from the
// chunk's start, decay to its end times dt
struct Chunk {
  u16 *u, *bc, *pre;
  float *cum, *lag, *from_start, *to_end, *dt;
};
template <bool PRE>
__device__ __forceinline__ void prepare(const u16* raw, int left, const Constants& own, const Steps& steps, const Chunk& chunk) {
  {
    int feature = 2 * (threadIdx.x % (D / 2)), first = threadIdx.x / (D / 2) * 8;
    convolve<8, PRE>(raw, own, feature, first, chunk.u + feature, U_STRIDE, chunk.pre);
  }
  {
    int feature = 2 * (threadIdx.x % N), first = threadIdx.x / N * BC_TOKENS;
    convolve<BC_TOKENS, PRE>(raw, own, D + feature, first, chunk.bc + feature, BC_STRIDE, chunk.pre);
  }
#pragma unroll
  for (int round = 0; round < ROUNDS; round++) {
    int i = threadIdx.x + round * D, head = i / Q, token = i % Q;
    float dt = token < left ? softplus(one(raw + (token + 3) * W + D + XBC + head) + steps.bias[round]) : 0.f;
    float cum = dt * (steps.A[round] * LOG2E);
#pragma unroll
    for (int k = 1; k < Q; k <<= 1) {
      float before = __shfl_up_sync(~0u, cum, k, Q);
      if (token >= k) cum += before;
    }
    float lag = cum - __log2f(dt);
    chunk.cum[i] = cum;
    chunk.lag[i] = lag;
    chunk.from_start[i] = power2(cum);
    chunk.to_end[i] = power2(__shfl_sync(~0u, cum, Q - 1, Q) - lag);
    if (PRE) chunk.dt[i] = dt;
  }
}

// decays of one head between all pairs of tokens times dt, e = (q, s): (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1) (g+8, 2t+8)
// (g+8, 2t+9)
__device__ __forceinline__ void decays(const Chunk& chunk, int head, int g, int t, float* e) {
  float early = chunk.cum[head * Q + g], late = chunk.cum[head * Q + g + 8];
  float2 a = *(const float2*)(chunk.lag + head * Q + 2 * t), b = *(const float2*)(chunk.lag + head * Q + 2 * t + 8);
  bool first = 2 * t <= g, second = 2 * t + 1 <= g;
  e[0] = first ? power2(early - a.x) : 0.f;
  e[1] = second ? power2(early - a.y) : 0.f;
  e[2] = power2(late - a.x);
  e[3] = power2(late - a.y);
  e[4] = first ? power2(late - b.x) : 0.f;
  e[5] = second ? power2(late - b.y) : 0.f;
}
// C B^T times the decays of a head: the lower triangle as left factor (its upper right tile is zero)
__device__ __forceinline__ void mixing(const float* early, const float* late, const float* e, u32* m) {
  m[0] = pack(early[0] * e[0], early[1] * e[1]);
  m[1] = pack(early[2] * e[2], early[3] * e[3]);
  m[2] = pack(late[2] * e[4], late[3] * e[5]);
}
__device__ __forceinline__ u32 scaled(u32 v, float2 by) {
  float2 x = unpack(v);
  return pack(x.x * by.x, x.y * by.y);
}
