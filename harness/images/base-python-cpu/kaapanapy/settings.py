"""What a container's environment says, one class for each purpose (services 4.1).

Names are case-insensitive; of several names of a field the first that is set wins. A required field without a
value raises ``pydantic.ValidationError``.
"""

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _env(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(case_sensitive=False, extra="ignore", populate_by_name=True)


class KaapanaSettings(_Settings):
    """Namespaces, log level, time zone."""

    services_namespace: str = Field(
        "services", validation_alias=_env("KAAPANA_SERVICES_NAMESPACE", "SERVICES_NAMESPACE")
    )
    admin_namespace: str = Field("admin", validation_alias=_env("KAAPANA_ADMIN_NAMESPACE", "ADMIN_NAMESPACE"))
    kaapana_log_level: str = Field("DEBUG", validation_alias=_env("KAAPANA_LOG_LEVEL"))
    timezone: str = Field("Europe/Berlin", validation_alias=_env("TZ", "KAAPANA_TIMEZONE", "TIMEZONE"))


class KeycloakSettings(KaapanaSettings):
    """Where tokens come from."""

    keycloak_url: str = Field(
        "http://keycloak-external-service.admin.svc:80",
        validation_alias=_env("KAAPANA_KEYCLOAK_URL", "KEYCLOAK_URL"),
    )
    client_secret: str = Field(validation_alias=_env("KAAPANA_CLIENT_SECRET", "OIDC_CLIENT_SECRET"))
    client_id: str = Field("kaapana", validation_alias=_env("KAAPANA_CLIENT_ID"))


class OpensearchSettings(KaapanaSettings):
    """Where the metadata of series is."""

    opensearch_host: str = Field(
        "opensearch-service.services.svc", validation_alias=_env("KAAPANA_OPENSEARCH_HOST", "OPENSEARCH_HOST")
    )
    opensearch_port: str = Field("9200", validation_alias=_env("KAAPANA_OPENSEARCH_PORT", "OPENSEARCH_PORT"))
    default_index: str = Field(
        "project_admin", validation_alias=_env("KAAPANA_DEFAULT_OPENSEARCH_INDEX", "DEFAULT_INDEX")
    )


class ProjectSettings(KaapanaSettings):
    """The project's own user."""

    project_user_name: str = Field("system", validation_alias=_env("KAAPANA_PROJECT_USER_NAME"))
    project_user_password: str = Field(validation_alias=_env("KAAPANA_PROJECT_USER_PASSWORD", "SYSTEM_USER_PASSWORD"))


class OperatorSettings(_Settings):
    """The task that this container works for (runtime 6.2)."""

    run_id: str = Field(validation_alias=_env("RUN_ID"))
    dag_id: str = Field(validation_alias=_env("DAG_ID"))
    task_id: str = Field(validation_alias=_env("TASK_ID"))
    workflow_dir: str = Field(validation_alias=_env("WORKFLOW_DIR"))
    batch_name: str = Field("batch", validation_alias=_env("BATCH_NAME"))
    operator_in_dir: str | None = Field(None, validation_alias=_env("OPERATOR_IN_DIR"))
    operator_out_dir: str = Field(validation_alias=_env("OPERATOR_OUT_DIR"))
    batches_input_dir: str = Field(validation_alias=_env("BATCHES_INPUT_DIR"))


def _url(name: str, default: str) -> str:
    return Field(default, validation_alias=_env(f"KAAPANA_{name}_URL", f"{name}_URL"))


class ServicesSettings(_Settings):
    """URLs of the platform's services (services 1.2)."""

    keycloak_url: str = _url("KEYCLOAK", "http://keycloak-external-service.admin.svc:80")
    kube_helm_url: str = _url("KUBE_HELM", "http://kube-helm-service.admin.svc:5000")
    aii_url: str = _url("AII", "http://aii-service.services.svc:8080")
    dicom_web_filter_url: str = _url("DICOM_WEB_FILTER", "http://dicom-web-filter-service.services.svc:8080")
    opensearch_url: str = _url("OPENSEARCH", "http://opensearch-service.services.svc:9200")
    minio_url: str = _url("MINIO", "http://minio-service.services.svc:9000")
    notification_url: str = _url("NOTIFICATION", "http://notification-service.services.svc:80")
    kaapana_backend_url: str = Field(
        "http://kaapana-backend-service.services.svc:5000", validation_alias=_env("KAAPANA_BACKEND_URL")
    )
