"""Baselines that are trained by gradient steps over a graph."""
