"""The benchmarks: the product against the raw ASGI floor, both measured in the same run on the same core."""
