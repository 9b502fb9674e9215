"""Raw files to cleaned reviews in a store."""
