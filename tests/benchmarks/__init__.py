"""Benchmarks: what the harness costs, side by side with doing without it. Run ``python -m tests.benchmarks``."""
