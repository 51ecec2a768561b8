"""The local stack behind certificates: who its processes are, and how Redis knows them."""
