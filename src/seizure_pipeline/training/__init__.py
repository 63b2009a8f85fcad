"""Training: balanced batches, loss, schedule, a loop that can be killed and continued. `settings` needs no torch."""
