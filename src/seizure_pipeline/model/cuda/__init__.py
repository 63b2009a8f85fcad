"""Operators for NVIDIA GPUs of compute capability 8.0 and later: each has a plain form elsewhere in `model`, and equals it.

scan.py         both directions of a Mamba-2 layer, from its projections to its gated norm, in CUDA C++
convolution.py  dilated convolutions of channels-last bfloat16, in Triton
positions.py    Laplacian positions without an eigendecomposition, in CUDA C++

All are registered with torch, with fakes, so that `torch.compile(fullgraph=True)` goes through them. CUDA C++ is
compiled by NVRTC, which comes with torch, at its first use. Sources are in `sources/`. They were run on 9.0 (H100, H200); for
8.0 (A100), 8.6 (RTX 3090) and 8.9 (RTX 4090) they were compiled, and fit what a block may have there (tests/cuda).
"""
