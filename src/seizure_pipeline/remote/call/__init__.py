"""One node's call as this side lives it: its turn, its way there and back, what it tells, and how it stands."""
