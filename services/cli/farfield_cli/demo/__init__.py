"""`farfield demo`: the main job, with its verdict and its report."""
