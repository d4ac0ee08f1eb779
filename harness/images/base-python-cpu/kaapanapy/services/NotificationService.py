# ruff: noqa: N999  (the platform names its modules after their classes)
"""Messages to the users of a project (services 4.2, 12.2)."""

import requests
from pydantic import BaseModel

from kaapanapy.settings import ServicesSettings


class Notification(BaseModel):
    """What a user gets to see."""

    topic: str | None = None
    title: str
    description: str
    icon: str | None = None
    link: str | None = None


class NotificationService:
    """Sends notifications."""

    @staticmethod
    def send(notification, project_id, user_ids=None):
        """Send to all users of a project, or to the named ones; those outside of the project get it directly.

        Raises:
            requests.HTTPError: the service refuses.
        """
        url = ServicesSettings().notification_url
        body = notification.model_dump()
        if not user_ids:
            requests.post(f"{url}/v1/{project_id}", json=body, timeout=10).raise_for_status()
            return
        outside = []
        for user in user_ids:
            response = requests.post(f"{url}/v1/{project_id}/{user}", json=body, timeout=10)
            if response.status_code == 404:
                outside.append(user)
            else:
                response.raise_for_status()
        if outside:
            body["receivers"] = outside
            requests.post(f"{url}/v1/", json=body, timeout=10).raise_for_status()
