"""Produce what the user reads: findings of the checks, hang reports, waiting times and notes."""
