"""Whether a prepared folder keeps what it promises."""
