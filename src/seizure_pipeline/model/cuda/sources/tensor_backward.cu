#define DBC_STRIDE (2 * N + 4)
struct Shared {
  float4 state[2 * NT][D];  // per thread: the gradient of the state after a chunk
  float2 dnorm[4][D];
  float dskip[4][D];
  union {
    struct {
      float cum[H * Q], lag[H * Q], from_start[H * Q], to_end[H * Q];
      u16 u[Q * U_STRIDE], bc[Q * BC_STRIDE];
    };
    float dbc[WARPS][Q * DBC_STRIDE];  // once those above are done with
  };
  float dt[H * Q], ydy[H * Q], udu[H * Q], row_factor[Q], row_mean[Q], carried[H], coming[H];
  Constants constants;
  u16 raw[2][(Q + 3) * W];  // projections; the gradient of z is written over z
  u16 d[Q * U_STRIDE], pre[Q * PRE_STRIDE];
  u16 dpre[(Q + 3) * PRE_STRIDE];  // of half the convolution's output, and of three tokens of the chunk after
};
static_assert(sizeof(Shared) == SHARED_BYTES, "the launch asks for as many bytes");

// the convolution's gradients for two features and TOKENS tokens: of its input, written, and of its weights and bias, added
template <int TOKENS, int STEP>
__device__ __forceinline__ void convolve_back(const u16* raw, u16* dfrom, int left, const Shared& shared, int feature, int first,
                                              float (*sums)[5]) {
  float2 w[4], x[TOKENS + 3], d[TOKENS + 3];
#pragma unroll
  for (int k = 0; k < 4; k++) w[k] = *(const float2*)(shared.constants.conv[k] + feature);
  dfrom += first * STEP + D + feature;
  left -= first;
#pragma unroll
  for (int k = 0; k < TOKENS + 3; k++) {
    x[k] = load2(raw + (first + k) * W + D + feature);
    d[k] = load2(shared.dpre + (first + k) * PRE_STRIDE + feature);
  }
#pragma unroll
  for (int k = 0; k < TOKENS; k++) {
    float a = w[3].x * d[k].x + w[2].x * d[k + 1].x + w[1].x * d[k + 2].x + w[0].x * d[k + 3].x;
    float b = w[3].y * d[k].y + w[2].y * d[k + 1].y + w[1].y * d[k + 2].y + w[0].y * d[k + 3].y;
    if (k < left) store2(dfrom + k * STEP, a, b);
#pragma unroll
    for (int j = 0; j < 4; j++) sums[0][j] += d[k].x * x[k + j].x, sums[1][j] += d[k].y * x[k + j].y;
    sums[0][4] += d[k].x, sums[1][4] += d[k].y;
  }
}

// Gradients of forward, chunk by chunk from the last: block (sequence, way). The gradient of a token's log decay needs no
// states: with v_t = sum y dy - dt sum u du, it is v_t + v_{t+1} + ... up to the chunk's end, and at the end of a chunk it is
// known from the state there and its gradient. Pointers stand on the last chunk's first token; WAY is 1 for time ahead.
template <int WAY>
__device__ __forceinline__ void one_way(Shared& shared, const u16* from, const Steps& own, const u16* out, const float* factor,
                                        const u32* kept, const u16* dout, u16* dfrom, float* partial, int L) {
  int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
  const Chunk chunk = {shared.u, shared.bc, shared.pre, shared.cum, shared.lag, shared.from_start, shared.to_end, shared.dt};
  const Constants& constants = shared.constants;
  const float *from_start = shared.from_start, *to_end = shared.to_end;
  u16 *u = shared.u, *ds = shared.d;
  float dA[ROUNDS] = {}, dbias[ROUNDS] = {}, dconv_u[2][5] = {}, dconv_bc[2][5] = {};
  stage<WAY * ROW>(shared.raw[0], from, L - (L - 1) / Q * Q, L <= Q);
  wait_for_stages();
  __syncthreads();
  for (int t0 = (L - 1) / Q * Q, now = 0; t0 >= 0; t0 -= Q, now ^= 1) {
    u16 *raw = shared.raw[now], *zs = raw + 3 * W;
    if (t0 >= Q) stage<WAY * ROW>(shared.raw[now ^ 1], from - Q * WAY * ROW, L - t0 + Q, t0 == Q);
    int steps = min(Q, L - t0), row = threadIdx.x / LANES, c8 = threadIdx.x % LANES * 8;
    uint4 d[2] = {}, o[2] = {};
    float by[2] = {};
#pragma unroll
    for (int round = 0; round < 2; round++) {
      int r = row + 8 * round;
      if (r < steps) {
        d[round] = *(const uint4*)(dout + r * (WAY * 2 * D) + c8);
        o[round] = *(const uint4*)(out + r * (WAY * 2 * D) + c8);
        by[round] = factor[r * (WAY * 2)];
      }
    }
    u32 next[2][NT];
#pragma unroll
    for (int n = 0; n < NT; n++) next[0][n] = kept[n], next[1][n] = kept[NT + n];
    prepare<true>(raw, L - t0, constants, own, chunk);
#pragma unroll
    for (int round = 0; round < 2; round++) {
      int r = row + 8 * round;
      float a[8], b[8], sum = 0.f;
      spread8(o[round], a);
      spread8(d[round], b);
#pragma unroll
      for (int i = 0; i < 8; i++) sum += a[i] * b[i];
      *(uint4*)(ds + r * U_STRIDE + c8) = d[round];
#pragma unroll
      for (int k = LANES / 2; k > 0; k >>= 1) sum += __shfl_xor_sync(ROW_LANES, sum, k);
      if (c8 == 0) shared.row_factor[r] = by[round], shared.row_mean[r] = by[round] * by[round] * sum / D;
    }
    __syncthreads();
    u32 b_left[4], b_turned[4], c_left[4], c_turned[4];
    float early[4] = {}, late[4] = {}, dearly[4] = {}, dlate[4] = {}, dB[NT][4] = {}, dC[NT][4] = {};
    states_left(c_left, shared.bc + N, lane);
    {
      u32 b_right[4];
      states_right(b_right, shared.bc, lane);
      multiply_states(early, c_left, b_right);
      multiply_states(late, c_left, b_right + NT);
    }
    states_left(b_left, shared.bc, lane);
    states_turned(b_turned, shared.bc, lane);
    states_turned(c_turned, shared.bc + N, lane);
    float2 rows = make_float2(shared.row_factor[g], shared.row_factor[g + 8]);
    float2 means = make_float2(shared.row_mean[g], shared.row_mean[g + 8]);
#pragma unroll 1
    for (int j = 0; j < 2; j++) {
      int c0 = warp * 32 + j * 16;
      u32 x[4], before[2][NT], after[2][NT], dy_start[2][2], dy_start_turned[2][2], u_end[2][2];
      turned4(x, u + (lane & 15) * U_STRIDE + (lane >> 4) * 8 + c0);
#pragma unroll
      for (int n = 0; n < NT; n++) {
        float4 v = shared.state[j * NT + n][threadIdx.x];
        before[0][n] = next[0][n], before[1][n] = next[1][n];
        if (j == 0) next[0][n] = kept[32 * 2 * NT + n], next[1][n] = kept[32 * 2 * NT + NT + n];
        after[0][n] = pack(v.x, v.y), after[1][n] = pack(v.z, v.w);
      }
#pragma unroll
      for (int i = 0; i < 2; i++) {
        int c = c0 + 8 * i, column = c + 2 * t, head = column / P;
        float sum[4] = {}, e[TILE_HEADS][6], dy[4];
        u32 m[TILE_HEADS][3];
        multiply_states(sum, c_left, before[i]);
        float2 start = make_float2(from_start[head * Q + g], from_start[head * Q + g + 8]);
        sum[0] *= start.x, sum[1] *= start.x, sum[2] *= start.y, sum[3] *= start.y;
#pragma unroll
        for (int k = 0; k < TILE_HEADS; k++) {
          decays(chunk, c / P + k, g, t, e[k]);
          mixing(early, late, e[k], m[k]);
          bool mine = g / P == k;
          multiply16(sum, m[k][0], m[k][1], 0, m[k][2], mine ? x[2 * i] : 0, mine ? x[2 * i + 1] : 0);
        }
        u32 u0 = *(u32*)(u + g * U_STRIDE + column), u1 = *(u32*)(u + (g + 8) * U_STRIDE + column);
        float2 v0 = unpack(u0), v1 = unpack(u1);
        float v[4] = {v0.x, v0.y, v1.x, v1.y}, skip = constants.skip[head];
        float2 weight = *(const float2*)(constants.norm + column), dnorm = shared.dnorm[2 * j + i][threadIdx.x];
        {
          float2 z0 = load2(zs + g * W + column), z1 = load2(zs + (g + 8) * W + column);
          float2 d0 = load2(ds + g * U_STRIDE + column), d1 = load2(ds + (g + 8) * U_STRIDE + column);
          float z[4] = {z0.x, z0.y, z1.x, z1.y}, d[4] = {d0.x * rows.x, d0.y * rows.x, d1.x * rows.y, d1.y * rows.y}, dz[4];
#pragma unroll
          for (int k = 0; k < 4; k++) {
            float half = 0.5f * z[k], a = tanh_of(half), opened = fmaf(half, a, half), whole = fmaf(skip, v[k], sum[k]);
            float gated = whole * opened, dgated = fmaf(k & 1 ? weight.y : weight.x, d[k], -gated * (k < 2 ? means.x : means.y));
            dy[k] = dgated * opened;
            dz[k] = 0.5f * dgated * whole * (1.f + a) * fmaf(half, 1.f - a, 1.f);
            (k & 1 ? dnorm.y : dnorm.x) += d[k] * gated;
          }
          store2(zs + g * W + column, dz[0], dz[1]);
          store2(zs + (g + 8) * W + column, dz[2], dz[3]);
        }
        shared.dnorm[2 * j + i][threadIdx.x] = dnorm;
        u32 d0 = pack(dy[0], dy[1]), d1 = pack(dy[2], dy[3]);
        float2 rounded0 = unpack(d0), rounded1 = unpack(d1);  // what the products see, or sums below would not cancel
        dy[0] = rounded0.x, dy[1] = rounded0.y, dy[2] = rounded1.x, dy[3] = rounded1.y;
        shared.dskip[2 * j + i][threadIdx.x] += dy[0] * v[0] + dy[1] * v[1] + dy[2] * v[2] + dy[3] * v[3];
        dy_start[i][0] = pack(dy[0] * start.x, dy[1] * start.x), dy_start[i][1] = pack(dy[2] * start.y, dy[3] * start.y);
        dy_start_turned[i][0] = turned(dy_start[i][0]), dy_start_turned[i][1] = turned(dy_start[i][1]);
        u32 turned0 = turned(d0), turned1 = turned(d1);
        float2 end = make_float2(to_end[head * Q + g], to_end[head * Q + g + 8]);
        u_end[i][0] = pack(v[0] * end.x, v[1] * end.x), u_end[i][1] = pack(v[2] * end.y, v[3] * end.y);
        float du[4] = {};
        multiply_states(du, b_left, after[i]);
        du[0] *= end.x, du[1] *= end.x, du[2] *= end.y, du[3] *= end.y;
#pragma unroll
        for (int k = 0; k < TILE_HEADS; k++) {
          bool my_row = g / P == k, my_column = 2 * t / P == k;
          u32 a0 = my_column ? d0 : 0, a1 = my_column ? d1 : 0;
          float first[4] = {}, second[4] = {};
          multiply8(first, a0, a1, u0);
          multiply8(second, a0, a1, u1);
#pragma unroll
          for (int q = 0; q < 4; q++) dearly[q] += first[q] * e[k][q];
          dlate[2] += second[2] * e[k][4], dlate[3] += second[3] * e[k][5];
          multiply16(du, turned(m[k][0]), 0, turned(m[k][1]), turned(m[k][2]), my_row ? turned0 : 0, my_row ? turned1 : 0);
        }
        float sums[4] = {sum[0] * dy[0] + sum[1] * dy[1], sum[2] * dy[2] + sum[3] * dy[3], v[0] * du[0] + v[1] * du[1],
                         v[2] * du[2] + v[3] * du[3]};
#pragma unroll
        for (int k = 1; k < P / 2; k <<= 1)
#pragma unroll
          for (int q = 0; q < 4; q++) sums[q] += __shfl_xor_sync(~0u, sums[q], k);
        if (t % (P / 2) == 0) {
          shared.ydy[head * Q + g] = sums[0], shared.ydy[head * Q + g + 8] = sums[1];
          shared.udu[head * Q + g] = sums[2], shared.udu[head * Q + g + 8] = sums[3];
        }
        const u16* pre = shared.pre + g * PRE_STRIDE + column;
        u16* dpre = shared.dpre + g * PRE_STRIDE + column;
        float2 p0 = load2(pre), p1 = load2(pre + 8 * PRE_STRIDE);
        store2(dpre, fmaf(skip, dy[0], du[0]) * silu_slope_of_half(p0.x), fmaf(skip, dy[1], du[1]) * silu_slope_of_half(p0.y));
        store2(dpre + 8 * PRE_STRIDE, fmaf(skip, dy[2], du[2]) * silu_slope_of_half(p1.x),
               fmaf(skip, dy[3], du[3]) * silu_slope_of_half(p1.y));
      }
      float upper_decay = from_start[(c0 + g) / P * Q + Q - 1], lower_decay = from_start[(c0 + 8 + g) / P * Q + Q - 1];
      float crossing[2] = {};  // the log decay of a chunk's first token: state before it times its gradient
#pragma unroll
      for (int n = 0; n < NT; n++) {
        multiply16(dC[n], dy_start[0][0], dy_start[0][1], dy_start[1][0], dy_start[1][1], turned(before[0][n]),
                   turned(before[1][n]));
        multiply16(dB[n], u_end[0][0], u_end[0][1], u_end[1][0], u_end[1][1], turned(after[0][n]), turned(after[1][n]));
        float4 v = shared.state[j * NT + n][threadIdx.x];
        float state[4] = {v.x * upper_decay, v.y * upper_decay, v.z * lower_decay, v.w * lower_decay};
        multiply16(state, dy_start_turned[0][0], dy_start_turned[1][0], dy_start_turned[0][1], dy_start_turned[1][1],
                   c_turned[2 * n], c_turned[2 * n + 1]);
        shared.state[j * NT + n][threadIdx.x] = make_float4(state[0], state[1], state[2], state[3]);
        float2 a = unpack(before[0][n]), b = unpack(before[1][n]);
        crossing[0] += state[0] * a.x + state[1] * a.y;
        crossing[1] += state[2] * b.x + state[3] * b.y;
      }
#pragma unroll
      for (int k = 1; k < 4 * P; k <<= 1) {
        crossing[0] += __shfl_xor_sync(~0u, crossing[0], k);
        crossing[1] += __shfl_xor_sync(~0u, crossing[1], k);
      }
      if (lane % (4 * P) == 0) shared.coming[(c0 + g) / P] = crossing[0], shared.coming[(c0 + 8 + g) / P] = crossing[1];
    }
    u32 w0 = pack(dearly[0], dearly[1]), w1 = pack(dearly[2], dearly[3]), w2 = pack(dlate[2], dlate[3]);
    __syncthreads();  // dbc lies where u and the decays lay
    u32 w0_turned = turned(w0), w1_turned = turned(w1), w2_turned = turned(w2);
#pragma unroll
    for (int n = 0; n < NT; n++) {
      multiply16(dC[n], w0, w1, 0, w2, b_turned[2 * n], b_turned[2 * n + 1]);
      multiply16(dB[n], w0_turned, 0, w1_turned, w2_turned, c_turned[2 * n], c_turned[2 * n + 1]);
      float* here = shared.dbc[warp] + g * DBC_STRIDE + n * 8 + 2 * t;
      *(float2*)here = make_float2(dB[n][0], dB[n][1]);
      *(float2*)(here + 8 * DBC_STRIDE) = make_float2(dB[n][2], dB[n][3]);
      *(float2*)(here + N) = make_float2(dC[n][0], dC[n][1]);
      *(float2*)(here + N + 8 * DBC_STRIDE) = make_float2(dC[n][2], dC[n][3]);
    }
    __syncthreads();
#pragma unroll
    for (int round = 0; round < ROUNDS; round++) {
      int i = threadIdx.x + round * D, head = i / Q, token = i % Q;
      float v = shared.ydy[i] - shared.udu[i], dt = shared.dt[i];
#pragma unroll
      for (int k = 1; k < Q; k <<= 1) {
        float later = __shfl_down_sync(~0u, v, k, Q);
        if (token + k < Q) v += later;
      }
      v += shared.carried[head];
      __syncwarp();
      if (token == 0) shared.carried[head] = shared.coming[head];
      float opened = dt < 0.02f ? dt * fmaf(dt, fmaf(dt, 1.f / 6.f, -0.5f), 1.f) : 1.f - __expf(-dt);  // derivative of softplus
      float slope = v * own.A[round] * opened + (dt > 0.f ? shared.udu[i] * __fdividef(opened, dt) : 0.f);
      dA[round] += v * dt, dbias[round] += slope;
      if (token < steps) dfrom[token * (WAY * ROW) + D + XBC + head] = (u16)(pack(slope, 0.f) & 0xffff);
    }
#pragma unroll
    for (int i = threadIdx.x; i < Q * N; i += D) {
      int r = i / N, c = 2 * (i % N);
      float2 sum = make_float2(0.f, 0.f), a = load2(shared.pre + r * PRE_STRIDE + D + c);
#pragma unroll
      for (int k = 0; k < WARPS; k++) {
        float2 v = *(float2*)(shared.dbc[k] + r * DBC_STRIDE + c);
        sum.x += v.x, sum.y += v.y;
      }
      store2(shared.dpre + r * PRE_STRIDE + D + c, sum.x * silu_slope_of_half(a.x), sum.y * silu_slope_of_half(a.y));
    }
#pragma unroll
    for (int round = 0; round < 2; round++) {
      int r = row + 8 * round;
      if (r < steps) *(uint4*)(dfrom + r * (WAY * ROW) + c8) = *(uint4*)(zs + r * W + c8);
    }
    __syncthreads();
    convolve_back<8, WAY * ROW>(raw, dfrom, L - t0, shared, 2 * (threadIdx.x % (D / 2)), threadIdx.x / (D / 2) * 8, dconv_u);
    convolve_back<BC_TOKENS, WAY * ROW>(raw, dfrom, L - t0, shared, D + 2 * (threadIdx.x % N), threadIdx.x / N * BC_TOKENS,
                                        dconv_bc);
    wait_for_stages();
    __syncthreads();
    for (int i = threadIdx.x; i < 3 * PRE_STRIDE / 2; i += D) ((u32*)(shared.dpre + Q * PRE_STRIDE))[i] = ((u32*)shared.dpre)[i];
    from -= Q * WAY * ROW, dfrom -= Q * WAY * ROW, out -= Q * WAY * 2 * D, dout -= Q * WAY * 2 * D, factor -= Q * WAY * 2;
    kept -= (D / 16) * 32 * 2 * NT;
  }
  // conv of u (D, 10), conv of B and C (D, 10), then dA (H), dt bias (H), norm (D), skip (H)
#pragma unroll
  for (int i = 0; i < 10; i++) {  // of weights that were halved
    partial[threadIdx.x * 10 + i] = 0.5f * dconv_u[i / 5][i % 5];
    partial[(D + threadIdx.x) * 10 + i] = 0.5f * dconv_bc[i / 5][i % 5];
  }
  partial += 20 * D;
#pragma unroll
  for (int round = 0; round < ROUNDS; round++) {
#pragma unroll
    for (int k = 1; k < Q; k <<= 1) {
      dA[round] += __shfl_xor_sync(~0u, dA[round], k);
      dbias[round] += __shfl_xor_sync(~0u, dbias[round], k);
    }
    int i = threadIdx.x + round * D;
    if (i % Q == 0) partial[i / Q] = dA[round], partial[H + i / Q] = dbias[round];
  }
  partial += 2 * H;
#pragma unroll
  for (int tile = 0; tile < 4; tile++) {
    int column = warp * 32 + tile * 8 + 2 * t;
    float2 dnorm = shared.dnorm[tile][threadIdx.x];
    float dskip = shared.dskip[tile][threadIdx.x];
#pragma unroll
    for (int k = 4; k < 32; k <<= 1) {
      dnorm.x += __shfl_xor_sync(~0u, dnorm.x, k);
      dnorm.y += __shfl_xor_sync(~0u, dnorm.y, k);
      dskip += __shfl_xor_sync(~0u, dskip, k);
    }
#pragma unroll
    for (int k = 1; k < P / 2; k <<= 1) dskip += __shfl_xor_sync(~0u, dskip, k);
    if (g == 0) *(float2*)(partial + column) = dnorm;
    if (g == 0 && t % (P / 2) == 0) partial[D + column / P] = dskip;
  }
}

extern "C" __global__ void __launch_bounds__(D, LEAST_BLOCKS)
    backward(const u16* zx, const float* conv_w, const float* conv_b, const float* dt_bias, const float* A, const float* skip,
             const float* norm_w, const u16* out, const float* factor, const u32* states, const u16* dout, u16* dzx, float* partial,
             int L) {
  extern __shared__ __align__(16) char memory[];
  Shared& shared = *(Shared*)memory;
  int s = blockIdx.x, way = blockIdx.y, chunks = (L + Q - 1) / Q, last = (chunks - 1) * Q;
  read_constants(shared.constants, way, conv_w, conv_b, skip, norm_w);
  const Steps own = read_steps(way, dt_bias, A);
  for (int i = threadIdx.x; i < 3 * PRE_STRIDE; i += D) shared.dpre[Q * PRE_STRIDE + i] = 0;
  if (threadIdx.x < H) shared.carried[threadIdx.x] = 0.f;
#pragma unroll
  for (int i = 0; i < 2 * NT; i++) shared.state[i][threadIdx.x] = make_float4(0.f, 0.f, 0.f, 0.f);
#pragma unroll
  for (int i = 0; i < 4; i++) shared.dnorm[i][threadIdx.x] = make_float2(0.f, 0.f), shared.dskip[i][threadIdx.x] = 0.f;
  __syncthreads();
  const u32* kept = states + (((long long)(s * 2 + way) * chunks + chunks - 1) * (D / 16) + (threadIdx.x >> 5) * 2) * 32 * 2 * NT +
                    (threadIdx.x & 31) * 2 * NT;
  long long first = (long long)s * L + (way ? L - 1 - last : last);
  partial += (long long)(s * 2 + way) * (21 * D + 3 * H);
  if (way == 0)
    one_way<1>(shared, zx + first * ROW, own, out + first * 2 * D, factor + first * 2, kept, dout + first * 2 * D,
               dzx + first * ROW, partial, L);
  else
    one_way<-1>(shared, zx + first * ROW + W, own, out + first * 2 * D + D, factor + first * 2 + 1, kept, dout + first * 2 * D + D,
                dzx + first * ROW + W, partial, L);
}
