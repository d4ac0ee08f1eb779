{{/* What DAG code and operators find in the environment of Airflow (runtime 2.5). */}}
{{- define "harness.airflowEnv" -}}
{{- $g := .Values.global -}}
{{- $s := $g.services_namespace -}}
{{- $plain := dict
  "ADMIN_NAMESPACE" $g.admin_namespace
  "SERVICES_NAMESPACE" $s
  "EXTENSIONS_NAMESPACE" $g.extensions_namespace
  "AIRFLOW_HOME" "/kaapana/mounted/workflows"
  "AIRFLOW__LOGGING__LOGGING_LEVEL" "INFO"
  "DATADIR" "/home/kaapana/workflows/data"
  "MODELDIR" "/home/kaapana/workflows/models"
  "MINIODIR" "/home/kaapana/minio"
  "DEFAULT_REGISTRY" $g.registry_url
  "KAAPANA_BUILD_VERSION" $g.kaapana_build_version
  "PULL_POLICY_IMAGES" "IfNotPresent"
  "GPU_SUPPORT" (toString .Values.gpu_support)
  "INSTANCE_NAME" "central"
  "INSTANCE_ID" .Values.environment
  "HOSTDOMAIN" "localhost"
  "HTTPS_PORT" "443"
  "PROXY" ""
  "http_proxy" ""
  "https_proxy" ""
  "no_proxy" ".svc,.svc.cluster,.svc.cluster.local,localhost"
  "KAAPANA_PROJECT_USER_NAME" "system"
  "OPENSEARCH_HOST" (printf "opensearch-service.%s.svc" $s)
  "OPENSEARCH_PORT" "9200"
  "OPENSEARCH_URL" (printf "opensearch-service.%s.svc:9200" $s)
  "KEYCLOAK_URL" (printf "http://keycloak-external-service.%s.svc:80" $g.admin_namespace)
  "KUBE_HELM_URL" (printf "http://kube-helm-service.%s.svc:5000" $g.admin_namespace)
  "DICOM_WEB_FILTER_URL" (printf "http://dicom-web-filter-service.%s.svc:8080" $s)
  "NOTIFICATION_URL" (printf "http://notification-service.%s.svc:80" $s)
  "AII_URL" (printf "http://aii-service.%s.svc:8080" $s)
  "KAAPANA_BACKEND_URL" (printf "http://kaapana-backend-service.%s.svc:5000" $s)
  "MINIO_URL" (printf "http://minio-service.%s.svc:9000" $s)
  "KAAPANA_STORAGE_NODE" ""
  "SMTP_HOST" ""
  "SMTP_PORT" "0"
  "SMTP_USERNAME" ""
  "SMTP_PASSWORD" ""
  "EMAIL_ADDRESS_SENDER" ""
  "KAAPANA_HARNESS_PROFILE" .Values.profile
  "KAAPANA_HARNESS_AIRFLOW_IMAGE" .Values.images.airflow
  "KAAPANA_HARNESS_TOKEN_DIGEST" .Values.token_digest
  "SQL_ALCHEMY_CONN" (printf "postgresql+psycopg2://root:root@airflow-database-service.%s.svc:5432/airflow" $s)
-}}
{{- range $name, $value := $plain }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{ include "harness.secretEnv" (dict "name" "KAAPANA_HARNESS_DAGS_TOKEN" "key" "dags-token") }}
{{ include "harness.secretEnv" (dict "name" "MINIOUSER" "key" "minio-user") }}
{{ include "harness.secretEnv" (dict "name" "MINIOPASSWORD" "key" "minio-password") }}
{{- range list "OIDC_CLIENT_SECRET" "KAAPANA_CLIENT_SECRET" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: oidc-client-secret
      key: oidc-client-secret
{{- end }}
{{- range list "SYSTEM_USER_PASSWORD" "KAAPANA_PROJECT_USER_PASSWORD" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: system-user-password
      key: system-user-password
{{- end }}
{{- end -}}
