"""What the commands of `cli.py` do, a module each; `options` is what they share."""
