// time ahead: the states again; gradients of gate, norm and C; dy for the way back
extern "C" __global__ void __launch_bounds__(D)
    backward_ahead(const float* zx, const float* conv_w, const float* conv_b, const float* dt_bias, const float* A_,
                   const float* skip_, const float* norm_w, const float* out, const float* rstd, const float* dout, float* dzx,
                   float* dy_out, float* dc_out, float* ydy_out, float* partial, int L) {
  Params p = {conv_w, conv_b, dt_bias, A_, skip_, norm_w};
  __shared__ __align__(16) float u[TC * D], qd[TC * D], bc[TC * 2 * N], dt[TC * H], da[TC * H], dcs[TC * WARPS * N], ydy[TC * H],
      k2[TC];
  __shared__ __align__(16) float zs[TC * D];
  int s = blockIdx.x, dir = blockIdx.y, lane = threadIdx.x & 31, ng = lane & 3, warp = threadIdx.x >> 5;
  int c0 = (threadIdx.x >> 2) * 4, head = c0 / P, cr = (threadIdx.x % LANES) * 8;
  const Rows rows = rows_of(s, dir, L);
  const float* mine = zx + rows.first * ROW + dir * W;
  const int step = rows.step * ROW;
  const float* outs = out + rows.first * 2 * D + dir * D;
  const float* douts = dout + rows.first * 2 * D + dir * D;
  const int ostep = rows.step * 2 * D;
  float* dmine = dzx + rows.first * ROW + dir * W + threadIdx.x;
  float* dys = dy_out + rows.first * 2 * D + dir * D + threadIdx.x;
  const float* rs = rstd + rows.first * 2 + dir;
  float h[4][NT] = {};
  float skip = p.skip[dir * H + head], w = p.norm_w[dir * D + threadIdx.x], dnorm = 0.f, dskip = 0.f;
  for (int t0 = 0; t0 < L; t0 += TC) {
    int steps = min(TC, L - t0);
    prepare<false>(mine, step, p, dir, L, t0, u, bc, nullptr, dt, da);
    for (int r = threadIdx.x / LANES; r < steps; r += 8) {
      float o[8], g[8], sum = 0.f, q = rs[(t0 + r) * rows.step * 2];
      ((uint4*)(zs + r * D + cr))[0] = ((const uint4*)(mine + (t0 + r) * step + cr))[0];
      ((uint4*)(zs + r * D + cr))[1] = ((const uint4*)(mine + (t0 + r) * step + cr))[1];
      load8(outs + (t0 + r) * ostep + cr, o);
      load8(douts + (t0 + r) * ostep + cr, g);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        sum += o[i] * g[i];
        g[i] *= q;
      }
      *(float4*)(qd + r * D + cr) = make_float4(g[0], g[1], g[2], g[3]);
      *(float4*)(qd + r * D + cr + 4) = make_float4(g[4], g[5], g[6], g[7]);
#pragma unroll
      for (int k = LANES / 2; k > 0; k >>= 1) sum += __shfl_xor_sync(ROW_LANES, sum, k);
      if (cr == 0) k2[r] = q * q * sum / D;
    }
    __syncthreads();
#pragma unroll 2
    for (int r = 0; r < steps; r++) {
      float a = da[r * H + head], d = dt[r * H + head];
      float4 x4 = *(float4*)(u + r * D + c0);
      float x[4] = {d * x4.x, d * x4.y, d * x4.z, d * x4.w}, acc[4] = {};
      float b[NT], c[NT];
      float uo = u[r * D + threadIdx.x], z = (zs[r * D + threadIdx.x]), g0 = qd[r * D + threadIdx.x], k = k2[r];
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
      float scanned = quad_scatter(acc, ng), y = scanned + skip * uo;
      float sg = sigmoid(z), sz = z * sg, dg = w * g0 - y * sz * k, dy = (dg * sz);
      dnorm += g0 * y * sz;
      dskip += dy * uo;
      dmine[(t0 + r) * step] = (dg * y * (sg + sz * (1.f - sg)));
      dys[(t0 + r) * ostep] = (dy);
      float e = scanned * dy;
#pragma unroll
      for (int k = 1; k < HEADL; k <<= 1) e += __shfl_xor_sync(~0u, e, k);
      if (threadIdx.x % HEADL == 0) ydy[r * H + head] = e;
      float dc[NT] = {};
#pragma unroll
      for (int i = 0; i < 4; i++) {
        float dyi = __shfl_sync(~0u, dy, (lane & ~3) + i);
#pragma unroll
        for (int n = 0; n < NT; n++) dc[n] += dyi * h[i][n];
      }
      int place;
      float v = groups_scatter(dc, lane, place);
      if (WRITES(lane)) dcs[(r * WARPS + warp) * N + ng * NT + place] = v;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < steps * N; i += D) {
      int r = i / N, n = i % N;
      float v = 0.f;
#pragma unroll
      for (int k = 0; k < WARPS; k++) v += dcs[(r * WARPS + k) * N + n];
      dc_out[((rows.first + rows.step * (t0 + r)) * 2 + dir) * N + n] = v;
    }
    for (int i = threadIdx.x; i < steps * H; i += D)
      ydy_out[((rows.first + rows.step * (t0 + i / H)) * 2 + dir) * H + i % H] = ydy[i];
    __syncthreads();
  }
  float* sums = partial + ((size_t)s * 2 + dir) * 2 * D;
  sums[threadIdx.x] = dnorm;
  sums[D + threadIdx.x] = dskip;
}
