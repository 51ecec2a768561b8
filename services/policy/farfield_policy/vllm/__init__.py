"""The engine `vllm`: a vLLM server that is given token ids and gives token ids, updated in place."""
