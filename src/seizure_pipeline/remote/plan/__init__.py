"""What would go where and at which price, and all that stands against it, before anything starts."""
