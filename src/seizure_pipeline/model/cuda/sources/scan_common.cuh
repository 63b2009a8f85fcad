// D inner features, N states, P features a head, all float32: macros given before.
#define TC 16               // tokens a chunk
#define NORM_EPSILON 1e-5f  // as in state_space.py
#define H (D / P)
#define XBC (D + 2 * N)
#define W (D + XBC + H)
#define NT (N / 4)
#define WARPS (D / 32)
#define ROW (2 * W)
#define LANES (D / 8)
#define ROW_LANES (LANES >= 32 ? ~0u : (((1u << (LANES & 31)) - 1u) << ((threadIdx.x & 31) & ~(LANES - 1))))
typedef unsigned int u32;
__device__ __forceinline__ void store2(float* p, float a, float b) { *(float2*)p = make_float2(a, b); }
__device__ __forceinline__ float2 load2(const float* p) { return *(const float2*)p; }
__device__ __forceinline__ void load8(const float* p, float* x) {
  float4 a = ((const float4*)p)[0], b = ((const float4*)p)[1];
  x[0] = a.x;
  x[1] = a.y;
  x[2] = a.z;
  x[3] = a.w;
  x[4] = b.x;
  x[5] = b.y;
  x[6] = b.z;
  x[7] = b.w;
}
__device__ __forceinline__ void store8(float* p, const float* x) {
  ((float4*)p)[0] = make_float4(x[0], x[1], x[2], x[3]);
  ((float4*)p)[1] = make_float4(x[4], x[5], x[6], x[7]);
}
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.f, 1.f + __expf(-x)); }
__device__ __forceinline__ float softplus(float x) { return x > 20.f ? x : log1pf(__expf(x)); }

struct Params {
  const float *conv_w, *conv_b, *dt_bias, *A, *skip, *norm_w;
};

// sum over the 4 lanes of a quad: lane ng gets the sum of v[ng]
__device__ __forceinline__ float quad_scatter(const float* v, int ng) {
  bool hi = ng & 2;
  float a = hi ? v[2] : v[0], b = hi ? v[3] : v[1];
  float sa = hi ? v[0] : v[2], sb = hi ? v[1] : v[3];
  a += __shfl_xor_sync(~0u, sa, 2);
  b += __shfl_xor_sync(~0u, sb, 2);
  bool odd = ng & 1;
  float k = odd ? b : a, s = odd ? a : b;
  return k + __shfl_xor_sync(~0u, s, 1);
}
// sum over the 8 lanes of equal ng; each lane holds element `place` of NT
__device__ __forceinline__ float groups_scatter(const float* v, int lane, int& place) {
#if N == 16
  bool b0 = lane & 4, b1 = lane & 8;
  float a = b0 ? v[2] : v[0], b = b0 ? v[3] : v[1];
  float sa = b0 ? v[0] : v[2], sb = b0 ? v[1] : v[3];
  a += __shfl_xor_sync(~0u, sa, 4);
  b += __shfl_xor_sync(~0u, sb, 4);
  float k = b1 ? b : a, s = b1 ? a : b;
  k += __shfl_xor_sync(~0u, s, 8);
  k += __shfl_xor_sync(~0u, k, 16);
  place = (b0 ? 2 : 0) + (b1 ? 1 : 0);
  return k;
#else
  bool b0 = lane & 4;
  float k = b0 ? v[1] : v[0], s = b0 ? v[0] : v[1];
  k += __shfl_xor_sync(~0u, s, 4);
  k += __shfl_xor_sync(~0u, k, 8);
  k += __shfl_xor_sync(~0u, k, 16);
  place = b0 ? 1 : 0;
  return k;
#endif
}
#if N == 16
#define WRITES(lane) (!((lane) & 16))
#else
#define WRITES(lane) (!((lane) & 24))
#endif

// rows of one sequence in the order of the scan: row t stands at t * step from `base`
struct Rows {
  long long first;
  int step;
};
__device__ __forceinline__ Rows rows_of(int s, int dir, int L) {
  Rows r;
  r.first = (long long)s * L + (dir ? L - 1 : 0);
  r.step = dir ? -1 : 1;
  return r;
}

// convolved values of a chunk: u (TC, D), BC (TC, 2N), activated; pre (TC, XBC) if asked; dt and decay (TC, H)
template <bool PRE>
__device__ __forceinline__ void prepare(const float* mine, int step, Params p, int dir, int L, int t0, float* u, float* bc,
                                        float* pre, float* dt, float* da) {
  const int SEG = 8;
  for (int i = threadIdx.x; i < (XBC / 2) * (TC / SEG); i += D) {
    int c = 2 * (i % (XBC / 2)), first = (i / (XBC / 2)) * SEG;
    const float4 w0 = ((const float4*)(p.conv_w + (size_t)dir * XBC * 4))[c],
                 w1 = ((const float4*)(p.conv_w + (size_t)dir * XBC * 4))[c + 1];
    const float2 b = *(const float2*)(p.conv_b + dir * XBC + c);
    float2 x[SEG + 3];
#pragma unroll
    for (int k = 0; k < SEG + 3; k++) {
      int t = t0 + first + k - 3;
      x[k] = (t >= 0 && t < L) ? load2(mine + t * step + D + c) : make_float2(0.f, 0.f);
    }
#pragma unroll
    for (int k = 0; k < SEG; k++) {
      float v0 = b.x + w0.x * x[k].x + w0.y * x[k + 1].x + w0.z * x[k + 2].x + w0.w * x[k + 3].x;
      float v1 = b.y + w1.x * x[k].y + w1.y * x[k + 1].y + w1.z * x[k + 2].y + w1.w * x[k + 3].y;
      int r = first + k;
      if (PRE) store2(pre + r * XBC + c, v0, v1);
      float2 a = make_float2(v0 * sigmoid(v0), v1 * sigmoid(v1));
      if (c < D)
        *(float2*)(u + r * D + c) = a;
      else
        *(float2*)(bc + r * 2 * N + c - D) = a;
    }
  }
  for (int i = threadIdx.x; i < TC * H; i += D) {
    int r = i / H, h = i % H;
    float v = 0.f;
    if (t0 + r < L) v = softplus((mine[(t0 + r) * step + D + XBC + h]) + p.dt_bias[dir * H + h]);
    dt[i] = v;
    da[i] = __expf(v * p.A[dir * H + h]);
  }
}

#define HEADL (P < 32 ? P : 32)
