"""The notification service (services 12.2)."""
