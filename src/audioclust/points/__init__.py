"""Matrices of points (n, d): checks, scaling, neighbours, k-means on a device."""
