"""The state of the access information interface: users, projects, memberships and software (services 9)."""

from __future__ import annotations

import dataclasses
import hmac
import re
import uuid
from typing import Any, Final

from harness.incluster.services.records import Records, RecordTable
from harness.wire import names

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
class ProjectRecord:
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
        """Return the project object that every other service passes on."""
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
        """Return the user object of the access information interface."""
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
    """The users and projects of one environment. Safe to use from several threads.

    Args:
        records: where they are kept; in memory only by default.
    """

    def __init__(self, *, system_password: str, user_password: str, records: Records | None = None) -> None:
        self._records = records = records or Records()
        self._lock = records.lock
        self._users: RecordTable[User] = RecordTable(records, "users", dataclasses.asdict, _user)
        self._projects: RecordTable[ProjectRecord] = RecordTable(
            records, "projects", dataclasses.asdict, lambda body: ProjectRecord(**body)
        )
        self._roles: RecordTable[dict[str, str]] = RecordTable(records, "roles")
        self._software: RecordTable[list[str]] = RecordTable(records, "software")
        admin_roles = ("admin", "project-manager", "user")
        with records.transaction():
            self.person = self._add_user("kaapana", user_password or None, "", admin_roles, "/kaapana_admin")
            self.system = self._add_user("system", system_password, "System", admin_roles, "/kaapana_admin")
            self.admin, _ = self.add_project(ADMIN_PROJECT, ADMIN_DESCRIPTION, None)
            self.set_role(self.admin.id, self.system.id, DEFAULT_ROLE)

    def _add_user(self, name: str, password: str | None, last_name: str, roles: tuple[str, ...], group: str) -> User:
        known = self.user_by_name(name)
        user = User(known.id if known else str(uuid.uuid4()), name, password, "", last_name, roles, (group,))
        self._users.put(user.id, user)
        return user

    def project(self, key: str) -> ProjectRecord | None:
        """Return a project by UUID or by name."""
        with self._lock:
            found = self._projects.get(key)
            return found or next((item for item in self._projects.values() if item.name == key), None)

    def projects(self) -> list[ProjectRecord]:
        """Return all projects, the admin project first."""
        return self._projects.values()

    def add_project(self, name: str, description: str, user_password: str | None) -> tuple[ProjectRecord, bool]:
        """Create a project with its system user; both the person and the system user become members.

        The user of a project that exists keeps its password.

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
        with self._records.transaction():
            existing = self.project(name)
            if existing is not None:
                return existing, False
            project = ProjectRecord(str(uuid.uuid4()), name, description)
            self._projects.put(project.id, project)
            self._roles.put(project.id, {})
            self._software.put(project.id, [])
            user = self._add_user(project.system_user, user_password, "System", ("user",), "/kaapana_user")
            self.set_role(project.id, user.id, DEFAULT_ROLE)
            self.set_role(project.id, self.person.id, DEFAULT_ROLE)
            return project, True

    def set_password(self, project: ProjectRecord, password: str) -> None:
        """Change the password of a project's system user."""
        with self._records.transaction():
            user = self.user_by_name(project.system_user)
            if user is not None:
                self._users.put(user.id, dataclasses.replace(user, password=password))

    def remove_project(self, project: ProjectRecord) -> None:
        """Forget a project, its memberships, software and system user."""
        with self._records.transaction():
            self._projects.remove(project.id)
            self._roles.remove(project.id)
            self._software.remove(project.id)
            user = self.user_by_name(project.system_user)
            if user is not None:
                self._users.remove(user.id)

    def user(self, user_id: str) -> User | None:
        """Return a user by id."""
        return self._users.get(user_id)

    def user_by_name(self, username: str) -> User | None:
        """Return a user by name."""
        return next((user for user in self._users.values() if user.username == username), None)

    def users(self) -> list[User]:
        """Return all users."""
        return self._users.values()

    def members(self, project_id: str) -> list[User]:
        """Return the users that have a role in the project."""
        with self._lock:
            members = self._roles.get(project_id) or {}
            return [user for user in self._users.values() if user.id in members]

    def role(self, project_id: str, user_id: str) -> str | None:
        """Return the user's role in the project."""
        return (self._roles.get(project_id) or {}).get(user_id)

    def set_role(self, project_id: str, user_id: str, role: str | None) -> None:
        """Set the role of a user; ``None`` removes it."""
        with self._records.transaction():
            kept = {key: item for key, item in (self._roles.get(project_id) or {}).items() if key != user_id}
            self._roles.put(project_id, kept if role is None else {**kept, user_id: role})

    def memberships(self, user_id: str) -> list[tuple[ProjectRecord, str]]:
        """Return the user's projects with the role in each."""
        with self._lock:
            return [
                (project, role)
                for project in self._projects.values()
                if (role := (self._roles.get(project.id) or {}).get(user_id)) is not None
            ]

    def software(self, project_id: str) -> list[str]:
        """Return the DAG ids that the project may start (``software_uuid``)."""
        return list(self._software.get(project_id) or ())

    def set_software(self, project_id: str, add: list[str], remove: list[str]) -> None:
        """Change the project's software."""
        with self._records.transaction():
            kept = [item for item in self.software(project_id) if item not in remove]
            self._software.put(project_id, kept + [item for item in dict.fromkeys(add) if item not in kept])


def _user(body: dict[str, Any]) -> User:
    return User(**{**body, "realm_roles": tuple(body["realm_roles"]), "groups": tuple(body["groups"])})
