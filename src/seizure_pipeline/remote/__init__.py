"""Nodes that run elsewhere: which, where, under which conditions, and how what they report and make comes home.

`runner` decides which node leaves, `plan` looks at it before; a backend (`modal`, `subprocess`) carries it there; `call` is
its life as this side sees it, kept in `journal`; `files` go there and back; `far` is what runs over there.
Only names, JSON and files travel, never objects.
"""
