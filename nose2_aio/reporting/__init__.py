"""What the user is told of tests: findings of the checks, hangs, waiting times and notes."""
