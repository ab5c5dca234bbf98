"""Cut a suite into units, copy it and change its order before it runs."""
