{{- define "harness.labels" -}}
app.kubernetes.io/part-of: kaapana-harness
app.kubernetes.io/name: {{ .name }}
{{- end -}}

{{/* An environment variable from the secret with the environment's credentials. */}}
{{- define "harness.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: harness-credentials
      key: {{ .key }}
{{- end -}}
