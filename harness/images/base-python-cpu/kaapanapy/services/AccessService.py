# ruff: noqa: N999  (the platform names its modules after their classes)
"""Users of projects, from the access information interface (services 4.2, 5.1)."""

import asyncio

import requests

from kaapanapy.settings import ServicesSettings


class AccessService:
    """Asks the access information interface; the methods are coroutines."""

    def __init__(self, base_url=None):
        self.base_url = base_url or ServicesSettings().aii_url

    async def fetch_user_ids(self, project_id, include_system=False):
        """Return the ids of a project's users, without the platform's own users unless asked for."""
        response = await asyncio.to_thread(requests.get, f"{self.base_url}/projects/{project_id}/users", timeout=10)
        response.raise_for_status()
        return [user["id"] for user in response.json() if include_system or not user.get("system")]

    async def user_exists(self, user_id):
        """Return whether a user with this id exists."""
        response = await asyncio.to_thread(requests.get, f"{self.base_url}/users/{user_id}", timeout=10)
        return response.status_code == 200
