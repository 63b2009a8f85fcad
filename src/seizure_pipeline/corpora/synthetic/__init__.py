"""A generated corpus of scalp EEG: cortical sources, a head that mixes them, artefacts, and seizures that evolve.

Import from the modules: `requirements` needs no scipy.
"""
