"""The access information interface (AII): members of projects, and their rights (services 9)."""
