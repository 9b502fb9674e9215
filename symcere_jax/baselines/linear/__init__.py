"""Linear models of the interactions, in closed form or nearly so."""
