extern "C" __global__ void __launch_bounds__(D)
    forward(const float* zx, const float* conv_w, const float* conv_b, const float* dt_bias, const float* A_, const float* skip_,
            const float* norm_w, float* out, float* rstd, int L) {
  Params p = {conv_w, conv_b, dt_bias, A_, skip_, norm_w};
  __shared__ __align__(16) float u[TC * D], y[TC * D], bc[TC * 2 * N], dt[TC * H], da[TC * H];
  int s = blockIdx.x, dir = blockIdx.y, lane = threadIdx.x & 31, ng = lane & 3;
  int c0 = (threadIdx.x >> 2) * 4, head = c0 / P;
  const Rows rows = rows_of(s, dir, L);
  const float* mine = zx + rows.first * ROW + dir * W;
  const int step = rows.step * ROW;
  float h[4][NT] = {};
  float skip = p.skip[dir * H + head];
  for (int t0 = 0; t0 < L; t0 += TC) {
    int steps = min(TC, L - t0);
    prepare<false>(mine, step, p, dir, L, t0, u, bc, nullptr, dt, da);
    __syncthreads();
#pragma unroll 2
    for (int r = 0; r < steps; r++) {
      float a = da[r * H + head], d = dt[r * H + head];
      float4 x4 = *(float4*)(u + r * D + c0);
      float x[4] = {d * x4.x, d * x4.y, d * x4.z, d * x4.w}, acc[4] = {};
      float b[NT], c[NT];
#pragma unroll
      for (int n = 0; n < NT; n++) {
        b[n] = bc[r * 2 * N + ng * NT + n];
        c[n] = bc[r * 2 * N + N + ng * NT + n];
      }
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int n = 0; n < NT; n++) {
          h[i][n] = a * h[i][n] + x[i] * b[n];
          acc[i] += c[n] * h[i][n];
        }
      float own = quad_scatter(acc, ng);
      y[r * D + threadIdx.x] = own + skip * u[r * D + threadIdx.x];
    }
    __syncthreads();
    for (int r = threadIdx.x / LANES; r < steps; r += 8) {
      int c = (threadIdx.x % LANES) * 8;
      long long row = rows.first + rows.step * (t0 + r);
      float z[8], g[8], sum = 0.f;
      load8(mine + (t0 + r) * step + c, z);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        g[i] = y[r * D + c + i] * z[i] * sigmoid(z[i]);
        sum += g[i] * g[i];
      }
#pragma unroll
      for (int k = LANES / 2; k > 0; k >>= 1) sum += __shfl_xor_sync(ROW_LANES, sum, k);
      float q = rsqrtf(sum / D + NORM_EPSILON);
#pragma unroll
      for (int i = 0; i < 8; i++) g[i] *= q * p.norm_w[dir * D + c + i];
      store8(out + row * 2 * D + dir * D + c, g);
      if (c == 0) rstd[row * 2 + dir] = q;
    }
    __syncthreads();
  }
}
