"""Users, projects, memberships and software: what the access information interface knows (services 9)."""

from __future__ import annotations

import dataclasses
import hmac
import re
import threading
import uuid
from typing import Any, Final

from harness.contract import names

ADMIN_PROJECT: Final = "admin"
ADMIN_DESCRIPTION: Final = "Initial admin project"
DEFAULT_ROLE: Final = "principal-investigator"

# rights of the two roles as (claim key, claim value) (services 2.3, 9.3)
_SHARED = (
    ("policy", "admin_project"),
    ("opensearch", "admin_project"),
    ("kaapana.ai/backend", "all"),
    ("kaapana.ai/applications", "open"),
)
RIGHTS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "scientist": _SHARED,
    DEFAULT_ROLE: (
        *_SHARED,
        ("kaapana.ai/aii", "manage_users"),
        ("kaapana.ai/aii", "manage_software"),
        ("kaapana.ai/extensions", "manage"),
    ),
}
ROLE_IDS: Final = {name: index + 1 for index, name in enumerate(RIGHTS)}

# a bucket with prefix, an index, a namespace and an AE title at once (services 9.2)
_PROJECT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,14}[a-z0-9])?")


class StateError(Exception):
    """A name is not legal, or the thing exists."""


@dataclasses.dataclass(frozen=True)
class Project:
    """One project; its JSON has exactly the eight keys of services 9.2."""

    id: str
    name: str
    description: str

    @property
    def bucket(self) -> str:
        """Name of the S3 bucket."""
        return names.project_namespace(self.name)

    @property
    def index(self) -> str:
        """Name of the metadata index."""
        return f"project_{self.name}"

    @property
    def system_user(self) -> str:
        """Name of the user by which the project's containers authenticate (services 2.5)."""
        return f"{names.project_namespace(self.name)}-system-user"

    def as_json(self) -> dict[str, Any]:
        """The project object that every other service passes on."""
        return {
            "id": self.id,
            "external_id": None,
            "name": self.name,
            "int_id": None,
            "description": self.description,
            "kubernetes_namespace": names.project_namespace(self.name),
            "s3_bucket": self.bucket,
            "opensearch_index": self.index,
        }


@dataclasses.dataclass(frozen=True)
class User:
    """One user of the realm; ``password`` None means that no password is accepted."""

    id: str
    username: str
    password: str | None
    first_name: str
    last_name: str
    realm_roles: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def system(self) -> bool:
        """Whether this is a system user: last name ``system``, in any case (services 9.1)."""
        return self.last_name.lower() == "system"

    def accepts(self, password: str) -> bool:
        """Compare in constant time."""
        if self.password is None:
            return False
        return hmac.compare_digest(self.password.encode(), password.encode())

    def as_json(self, *, with_roles: bool = False) -> dict[str, Any]:
        """The user object of the access information interface."""
        document: dict[str, Any] = {
            "id": self.id,
            "username": self.username,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email_verified": False,
            "system": self.system,
        }
        if with_roles:
            document |= {"groups": list(self.groups), "realm_roles": list(self.realm_roles)}
        return document


class Directory:
    """The users and projects of one environment. Safe to use from several threads."""

    def __init__(self, *, system_password: str, user_password: str) -> None:
        self._lock = threading.RLock()
        self._users: dict[str, User] = {}
        self._projects: dict[str, Project] = {}
        self._roles: dict[str, dict[str, str]] = {}
        self._software: dict[str, list[str]] = {}
        admin_roles = ("admin", "project-manager", "user")
        self.person = self._add_user("kaapana", user_password or None, "", admin_roles, "/kaapana_admin")
        self.system = self._add_user("system", system_password, "System", admin_roles, "/kaapana_admin")
        self.admin, _ = self.add_project(ADMIN_PROJECT, ADMIN_DESCRIPTION, None)
        self.set_role(self.admin.id, self.system.id, DEFAULT_ROLE)

    def _add_user(self, name: str, password: str | None, last_name: str, roles: tuple[str, ...], group: str) -> User:
        user = User(str(uuid.uuid4()), name, password, "", last_name, roles, (group,))
        self._users[user.id] = user
        return user

    def project(self, key: str) -> Project | None:
        """A project by UUID or by name."""
        with self._lock:
            found = self._projects.get(key)
            return found or next((item for item in self._projects.values() if item.name == key), None)

    def projects(self) -> list[Project]:
        """All projects, the admin project first."""
        with self._lock:
            return list(self._projects.values())

    def add_project(self, name: str, description: str, user_password: str | None) -> tuple[Project, bool]:
        """Create a project with its system user; both the person and the system user become members.

        Returns:
            The project, and whether it is new (the call is idempotent as on the platform).

        Raises:
            StateError: the name cannot be used everywhere it must be.
        """
        if not _PROJECT_NAME.fullmatch(name):
            raise StateError(
                f"{name!r} cannot be a project's name: 1 to 16 lower-case letters, digits and inner dashes are "
                "what a bucket, an index, a namespace and an AE title all accept"
            )
        with self._lock:
            existing = self.project(name)
            if existing is not None:
                self._set_password(existing.system_user, user_password)
                return existing, False
            project = Project(str(uuid.uuid4()), name, description)
            self._projects[project.id] = project
            self._roles[project.id] = {}
            self._software[project.id] = []
            user = self._add_user(project.system_user, user_password, "System", ("user",), "/kaapana_user")
            self.set_role(project.id, user.id, DEFAULT_ROLE)
            self.set_role(project.id, self.person.id, DEFAULT_ROLE)
            return project, True

    def _set_password(self, username: str, password: str | None) -> None:
        user = self.user_by_name(username)
        if user is not None and password is not None:
            self._users[user.id] = dataclasses.replace(user, password=password)

    def remove_project(self, project: Project) -> None:
        """Forget a project, its memberships, software and system user."""
        with self._lock:
            self._projects.pop(project.id, None)
            self._roles.pop(project.id, None)
            self._software.pop(project.id, None)
            self._users = {key: user for key, user in self._users.items() if user.username != project.system_user}

    def user(self, user_id: str) -> User | None:
        """A user by id."""
        with self._lock:
            return self._users.get(user_id)

    def user_by_name(self, username: str) -> User | None:
        """A user by name."""
        with self._lock:
            return next((user for user in self._users.values() if user.username == username), None)

    def users(self) -> list[User]:
        """All users."""
        with self._lock:
            return list(self._users.values())

    def members(self, project_id: str) -> list[User]:
        """The users that have a role in the project."""
        with self._lock:
            return [self._users[key] for key in self._roles.get(project_id, {}) if key in self._users]

    def role(self, project_id: str, user_id: str) -> str | None:
        """The user's role in the project."""
        with self._lock:
            return self._roles.get(project_id, {}).get(user_id)

    def set_role(self, project_id: str, user_id: str, role: str | None) -> None:
        """Give the user a role, or take it away with None."""
        with self._lock:
            if role is None:
                self._roles[project_id].pop(user_id, None)
            else:
                self._roles[project_id][user_id] = role

    def memberships(self, user_id: str) -> list[tuple[Project, str]]:
        """The user's projects with the role in each."""
        with self._lock:
            return [
                (project, self._roles[project.id][user_id])
                for project in self._projects.values()
                if user_id in self._roles[project.id]
            ]

    def software(self, project_id: str) -> list[str]:
        """DAG ids that the project may start (``software_uuid``)."""
        with self._lock:
            return list(self._software.get(project_id, ()))

    def set_software(self, project_id: str, add: list[str], remove: list[str]) -> None:
        """Change the project's software."""
        with self._lock:
            kept = [item for item in self._software[project_id] if item not in remove]
            self._software[project_id] = kept + [item for item in dict.fromkeys(add) if item not in kept]
