"""Keycloak: tokens, discovery and key set (services 2)."""
