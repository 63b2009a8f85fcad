"""Nodes in Modal's containers; the one room that imports its client."""
