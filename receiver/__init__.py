"""The HTTP edge: proves that a delivery is genuine and hands its raw bytes to the queue."""
