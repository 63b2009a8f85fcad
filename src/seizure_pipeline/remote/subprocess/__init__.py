"""Nodes in processes of this machine that outlive whoever started them."""
