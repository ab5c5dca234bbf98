"""What the user asks for: settings, tags, and the values that they can have."""
