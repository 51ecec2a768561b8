{{/* At most 26 characters: with "-environment-" and a name of 24 it is a name of 63. */}}
{{- define "farfield.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 26 | trimSuffix "-" -}}
{{- end }}

{{/* Labels that select the pods of {kind, name, root}. They never change. */}}
{{- define "farfield.selector" -}}
app.kubernetes.io/name: farfield
app.kubernetes.io/instance: {{ .root.Release.Name }}
farfield.dev/kind: {{ .kind }}
farfield.dev/name: {{ .name }}
{{- end }}

{{- define "farfield.labels" -}}
{{ include "farfield.selector" . }}
app.kubernetes.io/component: {{ .kind }}
app.kubernetes.io/part-of: farfield
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Reference of an image {registry, repository, tag, digest}; no tag means this version's. */}}
{{- define "farfield.image" -}}
{{- with .image.registry }}{{ . }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Where every replica of a component is found; clients spread calls over what the name resolves to. */}}
{{- define "farfield.address" -}}
dns:///{{ .fullname }}.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}:{{ .values.port | int }}
{{- end }}

{{/* Secret with the urls of Redis. */}}
{{- define "farfield.redisSecret" -}}
{{- .Values.redis.existingSecret | default (include "farfield.redis.name" .) -}}
{{- end }}

{{/* Whether anything uses Redis. */}}
{{- define "farfield.usesRedis" -}}
{{- if or .Values.policy.enabled .Values.rollout.enabled .Values.trainer.enabled }}true{{ end -}}
{{- end }}

{{- define "farfield.runsClaim" -}}
{{- .Values.runs.existingClaim | default (printf "%s-runs" (include "farfield.fullname" .)) -}}
{{- end }}
