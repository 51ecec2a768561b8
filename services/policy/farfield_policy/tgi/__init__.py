"""The engine `tgi`: a text-generation-inference server, ours to call and not ours to change."""
