"""Namespaces, service names, ports and paths as Kaapana 0.4 to 0.6 has them.

Each group cites the fact sheet that it was taken from: "(services 1.2)" is section 1.2 of the
sheet with the short name "services", see ``docs/contract/README.md``.
"""

from __future__ import annotations

from typing import Final

# namespaces (services 1.1)
ADMIN_NAMESPACE: Final = "admin"
SERVICES_NAMESPACE: Final = "services"
EXTENSIONS_NAMESPACE: Final = "extensions"

# services by DNS name and port (services 1.2)
KEYCLOAK: Final = ("keycloak-external-service", ADMIN_NAMESPACE, 80)
KUBE_HELM: Final = ("kube-helm-service", ADMIN_NAMESPACE, 5000)
AII: Final = ("aii-service", SERVICES_NAMESPACE, 8080)
DICOM_WEB_FILTER: Final = ("dicom-web-filter-service", SERVICES_NAMESPACE, 8080)
CTP_DICOM: Final = ("ctp-dicom-service", SERVICES_NAMESPACE, 11112)
MINIO: Final = ("minio-service", SERVICES_NAMESPACE, 9000)
OPENSEARCH: Final = ("opensearch-service", SERVICES_NAMESPACE, 9200)
KAAPANA_BACKEND: Final = ("kaapana-backend-service", SERVICES_NAMESPACE, 5000)
NOTIFICATION: Final = ("notification-service", SERVICES_NAMESPACE, 80)
AIRFLOW: Final = ("airflow-webserver-service", SERVICES_NAMESPACE, 8080)
AIRFLOW_DATABASE: Final = ("airflow-database-service", SERVICES_NAMESPACE, 5432)
# the harness's own control endpoint of the services container, and its registry: not on the platform
HARNESS_SERVICES: Final = ("harness-services", SERVICES_NAMESPACE, 8090)
HARNESS_REGISTRY: Final = ("harness-registry", SERVICES_NAMESPACE, 5000)
HARNESS_REGISTRY_PUSH: Final = ("harness-registry", SERVICES_NAMESPACE, 5001)

# the API of the docker cluster's control plane
API_PORT: Final = 6443
DOCKER_NODE: Final = "kaapana-harness"
"""The only node of the docker cluster."""

# variables that the platform's chart sets in the harness's own containers
PROFILE_VARIABLE: Final = "KAAPANA_HARNESS_PROFILE"
AIRFLOW_IMAGE_VARIABLE: Final = "KAAPANA_HARNESS_AIRFLOW_IMAGE"
TOKEN_DIGEST_VARIABLE: Final = "KAAPANA_HARNESS_TOKEN_DIGEST"
"""Digest of the token for the harness's own routes of Airflow's web server."""
DAGS_TOKEN_VARIABLE: Final = "KAAPANA_HARNESS_DAGS_TOKEN"
SERVICES_TOKEN_VARIABLE: Final = "KAAPANA_HARNESS_TOKEN"
USER_PASSWORD_VARIABLE: Final = "KAAPANA_HARNESS_USER_PASSWORD"
QUIET_VARIABLE: Final = "KAAPANA_HARNESS_CTP_QUIET_S"
DATA_DIR_VARIABLE: Final = "KAAPANA_HARNESS_DATA_DIR"
# and one that the docker cluster sets in each pod with a token
KUBE_SCHEME_VARIABLE: Final = "KAAPANA_HARNESS_KUBE_SCHEME"

# identity (services 2.1)
REALM: Final = "kaapana"
OIDC_CLIENT_ID: Final = "kaapana"

# directories inside containers (runtime 2.3, 4.1, 8)
WORKFLOWS_HOME: Final = "/kaapana/mounted/workflows"
DAGS_DIR: Final = f"{WORKFLOWS_HOME}/dags"
PLUGINS_DIR: Final = f"{WORKFLOWS_HOME}/plugins"
LOGS_DIR: Final = f"{WORKFLOWS_HOME}/logs"
AIRFLOW_WORKFLOW_DIR: Final = f"{WORKFLOWS_HOME}/data"
PROCESSING_WORKFLOW_DIR: Final = "/kaapana/mounted/data"
BATCH_NAME: Final = "batch"
# 0.4 and 0.5 only (runtime 6.3)
MOUNTED_SCRIPTS_DIR: Final = f"{WORKFLOWS_HOME}/mounted_scripts"

# exit code that makes Kaapana skip a task (runtime 7.2)
SKIP_EXIT_CODE: Final = 126

# labels of processing pods (runtime 6.1) and network labels (runtime 12)
LABEL_TYPE: Final = "kaapana.ai/type"
LABEL_TYPE_PROCESSING: Final = "processing-container"
LABEL_RUN_ID: Final = "run_id"
LABEL_NETWORK_CTP: Final = "network-access-ctp"
LABEL_NETWORK_OPENSEARCH: Final = "network-access-opensearch"
LABEL_NETWORK_EXTERNAL: Final = "network-access-external-ips"

# project secrets and claims (runtime 6.2, 6.3)
SECRET_PROJECT_USER: Final = "project-user-credentials"
SECRET_OIDC_CLIENT: Final = "oidc-client-secret"
SECRET_SYSTEM_USER: Final = "system-user-password"
SECRET_REGISTRY: Final = "registry-secret"
PVC_WORKFLOW_DATA: Final = "workflow-data-pv-claim"
PVC_MODELS: Final = "models-pv-claim"
PVC_TENSORBOARD: Final = "tensorboard-pv-claim"
PVC_MOUNTED_SCRIPTS: Final = "mounted-scripts-pv-claim"
PROJECT_VOLUMES: Final = ("workflow-data", "models", "tensorboard", "mounted-scripts")
PVC_DAGS: Final = "dags-pv-claim"
PVC_PLUGINS: Final = "af-plugins-pv-claim"
FIELD_FORMS_PROBLEM: Final = "harness_forms_problem"
"""In the list of DAGs: why the forms of this one are unusable, and missing."""

# images of the platform that this harness emulates (runtime 14, build 7.1)
PLATFORM_IMAGES: Final = (
    "service-checker",
    "get-input",
    "mitk-fileconverter",
    "dcmqi",
    "dcmsend",
    "minio-operator",
    "workflow-cleaner",
    "merge-masks",
    "update-seginfo",
    "get-ref-series",
    "mask2nifti",
    "mitk-resample",
    "zip-unzip",
    "jupyterlab-reporting",
    "json2meta",
    "bin2dcm",
    "pdf2dcm",
    "dcmodify",
    "notify",
    "itk2dcm",
    "seg-eval",
    "train-test-split",
    "pyradiomics",
    "dicom-validator",
    "cca",
)


def dns_name(service: tuple[str, str, int]) -> str:
    """Return the short name under which the platform's code addresses a service, ``<name>.<namespace>.svc``."""
    name, namespace, _ = service
    return f"{name}.{namespace}.svc"


def url(service: tuple[str, str, int], scheme: str = "http") -> str:
    """Return the service's URL with its port, without a path."""
    return f"{scheme}://{dns_name(service)}:{service[2]}"


def project_namespace(project: str) -> str:
    """Return the Kubernetes namespace of a project, which is also its bucket (services 9.2)."""
    return f"project-{project}"
