"""The binaries: flags to config to one call of the library."""
