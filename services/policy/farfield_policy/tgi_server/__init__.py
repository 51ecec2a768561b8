"""The engine behind the wire protocol of text-generation-inference, for its clients."""
