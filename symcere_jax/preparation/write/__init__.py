"""The prepared folder, written under a temporary name and renamed."""
