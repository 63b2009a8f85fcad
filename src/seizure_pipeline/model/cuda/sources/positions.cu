// diag f_p(I - A) for P Gaussian bands f_p, A symmetric with eigenvalues in [-1, 1]: one warp a matrix, C <= 32 rows.
// I - A scaled to [-1, 1] is M = -A; f_p = sum_m K_pm T_m(M), T_{k+1} = 2 M T_k - T_{k-1} (Chebyshev), and because T_k is
// symmetric diag T_{2k} = 2 rowsum(T_k^2) - 1 and diag T_{2k+1} = 2 rowsum(T_{k+1} T_k) - diag M.
#define ROW ((C + 3) / 4 * 4)
extern "C" __global__ void __launch_bounds__(WARPS * 32)
    positions(const float* adjacency, const float* bands, float* out, int matrices) {
  __shared__ __align__(16) float shared[WARPS][C * ROW];
  int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  long long matrix = (long long)blockIdx.x * WARPS + warp;
  if (matrix >= matrices) return;
  float* M = shared[warp];
  for (int i = lane; i < C * C; i += 32) M[i / C * ROW + i % C] = -adjacency[matrix * C * C + i];
  __syncwarp();
  int row = min(lane, C - 1);
  float before[C], now[C], sum[P];
#pragma unroll
  for (int j = 0; j < C; j++) {
    before[j] = j == row;
    now[j] = M[row * ROW + j];
  }
  float first = M[row * ROW + row];
#pragma unroll
  for (int p = 0; p < P; p++) sum[p] = bands[p] + bands[P + p] * first;
  for (int k = 1; 2 * k <= DEGREE; k++) {
    asm volatile("" ::: "memory");  // or the compiler would hold all of M in registers that it does not have
    float next[C], even = 0.f, odd = 0.f;
#pragma unroll
    for (int j = 0; j < C; j++) next[j] = 0.f;
#pragma unroll
    for (int i = 0; i < C; i++)
#pragma unroll
      for (int j = 0; j < C; j++) next[j] += now[i] * M[i * ROW + j];
#pragma unroll
    for (int j = 0; j < C; j++) {
      next[j] = 2.f * next[j] - before[j];
      even += now[j] * now[j];
      odd += next[j] * now[j];
      before[j] = now[j];
      now[j] = next[j];
    }
    even = 2.f * even - 1.f;
    odd = 2.f * odd - first;
#pragma unroll
    for (int p = 0; p < P; p++) sum[p] += bands[2 * k * P + p] * even + bands[(2 * k + 1) * P + p] * odd;
  }
  if (lane < C)
#pragma unroll
    for (int p = 0; p < P; p++) out[(matrix * C + lane) * P + p] = sum[p];
}
