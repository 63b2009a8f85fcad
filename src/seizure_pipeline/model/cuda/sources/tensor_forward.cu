// Both ways of a layer: block (sequence, way). Chunk by chunk: y = (C B^T * decay) u + decay (C state), state = decay state +
// ...
struct Shared {
  u16 raw[2][(Q + 3) * W], u[Q * U_STRIDE], bc[Q * BC_STRIDE];
  float y[Q * U_STRIDE], cum[H * Q], lag[H * Q], from_start[H * Q], to_end[H * Q];
  Constants constants;
};
// `way` is 1 for time ahead, -1 for time back; pointers stand on the first token of the sequence in that order
template <int WAY>
__device__ __forceinline__ void one_way(Shared& shared, const u16* from, const Steps& own, u16* out, float* factor, u32* kept,
                                        int L, int keep) {
  int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
  u16 *u = shared.u, *bc = shared.bc;
  float *y = shared.y, *cum = shared.cum, *lag = shared.lag, *from_start = shared.from_start, *to_end = shared.to_end;
  const Constants& constants = shared.constants;
  const Chunk chunk = {u, bc, nullptr, cum, lag, from_start, to_end, nullptr};
  float state[2][NT][4] = {};
  stage<WAY * ROW>(shared.raw[0], from, L, true);
  wait_for_stages();
  __syncthreads();
  for (int t0 = 0, now = 0; t0 < L; t0 += Q, now ^= 1) {
    const u16* raw = shared.raw[now];
    from += Q * WAY * ROW;
    if (t0 + Q < L) stage<WAY * ROW>(shared.raw[now ^ 1], from, L - t0 - Q, false);
    prepare<false>(raw, L - t0, constants, own, chunk);
    __syncthreads();
    u32 c_left[4], b_right[4], b_turned[4];
    states_left(c_left, bc + N, lane);
    states_right(b_right, bc, lane);
    states_turned(b_turned, bc, lane);
    float early[4] = {}, late[4] = {};
    multiply_states(early, c_left, b_right);
    multiply_states(late, c_left, b_right + NT);
#pragma unroll
    for (int j = 0; j < 2; j++) {
      int c0 = warp * 32 + j * 16;
      u32 x[4], before[2][NT];
      turned4(x, u + (lane & 15) * U_STRIDE + (lane >> 4) * 8 + c0);
#pragma unroll
      for (int n = 0; n < NT; n++) {
        before[0][n] = pack(state[j][n][0], state[j][n][1]);
        before[1][n] = pack(state[j][n][2], state[j][n][3]);
        if (keep) kept[j * 32 * 2 * NT + n] = before[0][n], kept[j * 32 * 2 * NT + NT + n] = before[1][n];
      }
#pragma unroll
      for (int i = 0; i < 2; i++) {
        int c = c0 + 8 * i, column_head = (c + 2 * t) / P;
        float sum[4] = {};
        multiply_states(sum, c_left, before[i]);
        float first = from_start[column_head * Q + g], second = from_start[column_head * Q + g + 8];
        sum[0] *= first, sum[1] *= first, sum[2] *= second, sum[3] *= second;
#pragma unroll
        for (int k = 0; k < TILE_HEADS; k++) {
          float e[6];
          u32 m[3];
          decays(chunk, c / P + k, g, t, e);
          mixing(early, late, e, m);
          bool own = g / P == k;
          multiply16(sum, m[0], m[1], 0, m[2], own ? x[2 * i] : 0, own ? x[2 * i + 1] : 0);
        }
        *(float2*)(y + g * U_STRIDE + c + 2 * t) = make_float2(sum[0], sum[1]);
        *(float2*)(y + (g + 8) * U_STRIDE + c + 2 * t) = make_float2(sum[2], sum[3]);
      }
      int upper = (c0 + g) / P * Q, lower = (c0 + 8 + g) / P * Q;
      u32 a0 = scaled(x[0], *(float2*)(to_end + upper + 2 * t)), a2 = scaled(x[1], *(float2*)(to_end + upper + 2 * t + 8));
      u32 a1 = scaled(x[2], *(float2*)(to_end + lower + 2 * t)), a3 = scaled(x[3], *(float2*)(to_end + lower + 2 * t + 8));
      float upper_decay = from_start[upper + Q - 1], lower_decay = from_start[lower + Q - 1];
#pragma unroll
      for (int n = 0; n < NT; n++) {
        state[j][n][0] *= upper_decay, state[j][n][1] *= upper_decay, state[j][n][2] *= lower_decay, state[j][n][3] *= lower_decay;
        multiply16(state[j][n], a0, a1, a2, a3, b_turned[2 * n], b_turned[2 * n + 1]);
      }
    }
    __syncthreads();
    int steps = min(Q, L - t0), c = threadIdx.x % LANES * 8;
#pragma unroll
    for (int round = 0; round < 2; round++) {
      int r = threadIdx.x / LANES + 8 * round;
      float z[8], x[8], v[8], sum = 0.f;
      load8(raw + (r + 3) * W + c, z);
      load8(u + r * U_STRIDE + c, x);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        v[i] = (y[r * U_STRIDE + c + i] + constants.skip[(c + i) / P] * x[i]) * silu_of_half(0.5f * z[i]);
        sum += v[i] * v[i];
      }
#pragma unroll
      for (int k = LANES / 2; k > 0; k >>= 1) sum += __shfl_xor_sync(ROW_LANES, sum, k);
      float by = rsqrtf(sum / D + NORM_EPSILON);
#pragma unroll
      for (int i = 0; i < 8; i++) v[i] *= by * constants.norm[c + i];
      if (r < steps) {
        *(uint4*)(out + r * (WAY * 2 * D) + c) = make_uint4(pack(v[0], v[1]), pack(v[2], v[3]), pack(v[4], v[5]), pack(v[6], v[7]));
        if (c == 0) factor[r * (WAY * 2)] = by;
      }
    }
    out += Q * WAY * 2 * D, factor += Q * WAY * 2, kept += (D / 16) * 32 * 2 * NT;
    wait_for_stages();
    __syncthreads();
  }
}

extern "C" __global__ void __launch_bounds__(D, LEAST_BLOCKS)
    forward(const u16* zx, const float* conv_w, const float* conv_b, const float* dt_bias, const float* A, const float* skip,
            const float* norm_w, u16* out, float* factor, u32* states, int L, int keep) {
  __shared__ __align__(16) Shared shared;
  int s = blockIdx.x, way = blockIdx.y, chunks = (L + Q - 1) / Q;
  read_constants(shared.constants, way, conv_w, conv_b, skip, norm_w);
  const Steps own = read_steps(way, dt_bias, A);
  u32* kept =
      states + ((long long)(s * 2 + way) * chunks * (D / 16) + (threadIdx.x >> 5) * 2) * 32 * 2 * NT + (threadIdx.x & 31) * 2 * NT;
  long long first = (long long)s * L + (way ? L - 1 : 0);
  __syncthreads();
  if (way == 0)
    one_way<1>(shared, zx + first * ROW, own, out + first * 2 * D, factor + first * 2, kept, L, keep);
  else
    one_way<-1>(shared, zx + first * ROW + W, own, out + first * 2 * D + D, factor + first * 2 + 1, kept, L, keep);
}
