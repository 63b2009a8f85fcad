#define PAIRS (XBC / 2)
#define ITEMS (PAIRS * (TC / 8))
#define ROUNDS ((ITEMS + D - 1) / D)
// time back: gradients of u, B, dt, A and of the convolution
extern "C" __global__ void __launch_bounds__(D)
    backward_back(const float* zx, const float* conv_w, const float* conv_b, const float* dt_bias, const float* A_,
                  const float* skip_, const float* norm_w, const float* dy_in, const float* dc_in, const float* ydy_in, float* dzx,
                  float* partial, int L) {
  Params p = {conv_w, conv_b, dt_bias, A_, skip_, norm_w};
  __shared__ __align__(16) float u[TC * D], du[TC * D], bc[TC * 2 * N], halo[3 * XBC], dt[TC * H], da[TC * H], dbs[TC * WARPS * N],
      ud[TC * H], ydy[TC * H];
  __shared__ __align__(16) float pre[TC * XBC];
  int s = blockIdx.x, dir = blockIdx.y, lane = threadIdx.x & 31, ng = lane & 3, warp = threadIdx.x >> 5;
  int c0 = (threadIdx.x >> 2) * 4, head = c0 / P;
  const Rows rows = rows_of(s, dir, L);
  const float* mine = zx + rows.first * ROW + dir * W;
  const int step = rows.step * ROW;
  float* dmine = dzx + rows.first * ROW + dir * W + D;
  const float* dys = dy_in + rows.first * 2 * D + dir * D;
  const int ostep = rows.step * 2 * D;
  float dh[4][NT] = {};
  float grad[ROUNDS][2][5] = {}, q = 0.f, dA = 0.f, dbias = 0.f;
  for (int i = threadIdx.x; i < 3 * XBC; i += D) halo[i] = 0.f;
  float skip = p.skip[dir * H + head];
  for (int t0 = ((L - 1) / TC) * TC; t0 >= 0; t0 -= TC) {
    int steps = min(TC, L - t0);
    prepare<true>(mine, step, p, dir, L, t0, u, bc, pre, dt, da);
    for (int r = threadIdx.x / LANES; r < steps; r += 8) {
      float v[8];
      int c = (threadIdx.x % LANES) * 8;
      load8(dys + (t0 + r) * ostep + c, v);
      *(float4*)(du + r * D + c) = make_float4(v[0], v[1], v[2], v[3]);
      *(float4*)(du + r * D + c + 4) = make_float4(v[4], v[5], v[6], v[7]);
    }
    for (int i = threadIdx.x; i < steps * H; i += D)
      ydy[i] = ydy_in[((rows.first + rows.step * (t0 + i / H)) * 2 + dir) * H + i % H];
    __syncthreads();

#pragma unroll 2
    for (int r = steps - 1; r >= 0; r--) {
      float a = da[r * H + head], d = dt[r * H + head];
      float4 x4 = *(float4*)(u + r * D + c0), g4 = *(float4*)(du + r * D + c0);
      float ux = u[r * D + threadIdx.x], gy = du[r * D + threadIdx.x];
      float x[4] = {d * x4.x, d * x4.y, d * x4.z, d * x4.w}, g[4] = {g4.x, g4.y, g4.z, g4.w}, acc[4] = {}, db[NT] = {};
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
          dh[i][n] += c[n] * g[i];
          acc[i] += b[n] * dh[i][n];
          db[n] += x[i] * dh[i][n];
          dh[i][n] *= a;
        }
      float own = quad_scatter(acc, ng);
      int place;
      float v = groups_scatter(db, lane, place);
      if (WRITES(lane)) dbs[(r * WARPS + warp) * N + ng * NT + place] = v;
      float su = ux * own;
#pragma unroll
      for (int k = 1; k < HEADL; k <<= 1) su += __shfl_xor_sync(~0u, su, k);
      if (threadIdx.x % HEADL == 0) ud[r * H + head] = su;
      du[r * D + threadIdx.x] = d * own + skip * gy;
    }
    __syncthreads();
    if (threadIdx.x < H) {
      int k = threadIdx.x;
      for (int r = steps - 1; r >= 0; r--) {
        q += ydy[r * H + k] - dt[r * H + k] * ud[r * H + k];
        ydy[r * H + k] = q;
      }
    }
    for (int i = threadIdx.x; i < TC * PAIRS; i += D) {
      int r = i / PAIRS, c = 2 * (i % PAIRS);
      float2 g = make_float2(0.f, 0.f);
      if (r < steps) {
        if (c < D)
          g = *(float2*)(du + r * D + c);
        else if (c < D + N) {
#pragma unroll
          for (int k = 0; k < WARPS; k++) {
            float2 v = *(float2*)(dbs + (r * WARPS + k) * N + c - D);
            g.x += v.x;
            g.y += v.y;
          }
        } else
          g = *(const float2*)(dc_in + ((rows.first + rows.step * (t0 + r)) * 2 + dir) * N + c - D - N);
        float2 x = load2(pre + r * XBC + c);
        float s0 = sigmoid(x.x), s1 = sigmoid(x.y);
        g.x *= s0 + x.x * s0 * (1.f - s0);
        g.y *= s1 + x.y * s1 * (1.f - s1);
      }
      if (c < D)
        *(float2*)(du + r * D + c) = g;
      else
        *(float2*)(bc + r * 2 * N + c - D) = g;
    }
    __syncthreads();
#pragma unroll
    for (int o = 0; o < ROUNDS; o++) {
      int i = threadIdx.x + o * D;
      if (i < ITEMS) {
        int c = 2 * (i % PAIRS), first = (i / PAIRS) * 8;
        const float4 w0 = ((const float4*)(p.conv_w + (size_t)dir * XBC * 4))[c],
                     w1 = ((const float4*)(p.conv_w + (size_t)dir * XBC * 4))[c + 1];
        float2 x[11], g[11];
#pragma unroll
        for (int k = 0; k < 11; k++) {
          int t = t0 + first + k - 3, r = first + k;
          x[k] = (t >= 0 && t < L) ? load2(mine + t * step + D + c) : make_float2(0.f, 0.f);
          g[k] = *(float2*)(r >= TC ? halo + (r - TC) * XBC + c : c < D ? du + r * D + c : bc + r * 2 * N + c - D);
        }
#pragma unroll
        for (int k = 0; k < 8; k++) {
          if (first + k < steps)
            store2(dmine + (t0 + first + k) * step + c, w0.w * g[k].x + w0.z * g[k + 1].x + w0.y * g[k + 2].x + w0.x * g[k + 3].x,
                   w1.w * g[k].y + w1.z * g[k + 1].y + w1.y * g[k + 2].y + w1.x * g[k + 3].y);
#pragma unroll
          for (int j = 0; j < 4; j++) {
            grad[o][0][j] += g[k].x * x[k + j].x;
            grad[o][1][j] += g[k].y * x[k + j].y;
          }
          grad[o][0][4] += g[k].x;
          grad[o][1][4] += g[k].y;
        }
      }
    }
    for (int i = threadIdx.x; i < steps * H; i += D) {
      float d = dt[i], v = ydy[i], g = (v * p.A[dir * H + i % H] + ud[i]) * -expm1f(-d);
      dA += v * d;
      dbias += g;
      dmine[(t0 + i / H) * step + XBC + i % H] = (g);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < 3 * XBC; i += D) {
      int r = i / XBC, c = i % XBC;
      halo[i] = c < D ? du[r * D + c] : bc[r * 2 * N + c - D];
    }
    __syncthreads();
  }
  float* sums = partial + ((size_t)s * 2 + dir) * (ITEMS * 10 + 2 * D);
#pragma unroll
  for (int o = 0; o < ROUNDS; o++) {
    int i = threadIdx.x + o * D;
    if (i < ITEMS)
      for (int j = 0; j < 10; j++) sums[i * 10 + j] = grad[o][j / 5][j % 5];
  }
  sums[ITEMS * 10 + threadIdx.x] = dA;
  sums[ITEMS * 10 + D + threadIdx.x] = dbias;
}
