"""Operators for NVIDIA GPUs (compute capability 9.0): each has a plain form elsewhere in `model`, to which it is equal.

scan.py         both directions of a Mamba-2 layer, from its projections to its gated norm, in CUDA C++
convolution.py  dilated convolutions of channels-last bfloat16, in Triton
positions.py    Laplacian positions without an eigendecomposition, in CUDA C++

All are registered with torch, with fakes, so that `torch.compile(fullgraph=True)` goes through them. CUDA C++ is
compiled by NVRTC, which comes with torch, at its first use. Sources are in `sources/`.
"""
