"""Nodes that run elsewhere: which, where, under which conditions, and how what they report and make comes home.

`runner` decides which node leaves; a backend (`modal_backend`, `subprocess_backend`) carries it there; `supervisor` watches
it over there, `far` is the process that runs it. Only names, JSON and files travel, never objects.
"""
