"""Kernels of storage: Numba functions over arrays, compiled once from explicit signatures and cached.

They release the GIL, allocate what they return, and trust their inputs: the functions that call them
check lengths and ranges first.
"""
