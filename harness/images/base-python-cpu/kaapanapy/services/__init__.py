"""Clients of single services; import them from their own modules, this package exports nothing."""
