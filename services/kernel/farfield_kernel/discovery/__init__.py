"""Discovery: which services there are, where their replicas listen, and which plugins they host."""
