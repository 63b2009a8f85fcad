"""The far side: the process that runs a node, what watches over it, and the folder that keeps what it tells."""
