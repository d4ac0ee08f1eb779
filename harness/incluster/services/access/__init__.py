"""The access information interface (AII): who is in which project, with which rights (services 9)."""
