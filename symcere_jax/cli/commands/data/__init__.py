"""Commands that make and check a prepared folder."""
