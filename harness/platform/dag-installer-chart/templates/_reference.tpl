{{- define "dag-installer.image" -}}
{{- $g := .Values.global -}}
{{- printf "%s/%s:%s" ($g.custom_registry_url | default $g.registry_url) $g.image ($g.harness_dag_image_tag | default .Chart.Version) -}}
{{- end -}}

{{/* Everything that the copying and the removing pod have in common. */}}
{{- define "dag-installer.env" -}}
- name: ADMIN_NAMESPACE
  value: {{ .Values.global.admin_namespace | quote }}
- name: SERVICES_NAMESPACE
  value: {{ .Values.global.services_namespace | quote }}
- name: KAAPANA_BUILD_VERSION
  value: {{ .Values.global.kaapana_build_version | quote }}
- name: KAAPANA_DEFAULT_REGISTRY
  value: {{ .Values.global.registry_url | quote }}
- name: DOCKER_VERSION
  value: {{ .Chart.Version | quote }}
{{- end -}}

{{- define "dag-installer.mounts" -}}
- name: dags
  mountPath: /kaapana/mounted/workflows/dags
- name: af-plugins
  mountPath: /kaapana/mounted/workflows/plugins
{{- end -}}

{{- define "dag-installer.pod" -}}
restartPolicy: Never
{{- with .Values.global.main_node_name }}
nodeSelector:
  kubernetes.io/hostname: {{ . | quote }}
{{- end }}
imagePullSecrets:
  - name: registry-secret
{{- with .Values.global.custom_registry_url }}
  - name: registry-secret-{{ sha256sum . | trunc 4 }}
{{- end }}
volumes:
  - name: dags
    persistentVolumeClaim:
      claimName: dags-pv-claim
  - name: af-plugins
    persistentVolumeClaim:
      claimName: af-plugins-pv-claim
{{- end -}}
