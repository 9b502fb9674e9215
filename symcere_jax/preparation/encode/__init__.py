"""Text features of a prepared folder."""
