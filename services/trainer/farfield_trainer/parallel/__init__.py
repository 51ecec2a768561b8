"""Several processes that train one model: rank 0 commands, the others follow."""
