"""A model and a recording -> probability trace. Import from the modules: `settings` needs no torch."""
