"""Step in where unittest and nose2 call tests and fixtures, and run the awaitables they return."""
