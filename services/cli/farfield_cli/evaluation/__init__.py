"""`farfield eval`: a policy plays named suites of environment variants, and is measured on them."""
