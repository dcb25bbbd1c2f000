"""A real Kubernetes control plane without containers, and the proof of the chart on it."""
