"""Settings and tags: what the user can ask for, and how it is read and checked."""
