{{/* A peer: the pods of this release that are of one of `kinds`. */}}
{{- define "farfield.peer" -}}
podSelector:
  matchLabels: {app.kubernetes.io/name: farfield, app.kubernetes.io/instance: {{ .root.Release.Name }}}
  matchExpressions: [{key: farfield.dev/kind, operator: In, values: {{ toJson .kinds }}}]
{{- end }}

{{/* Who calls whom. */}}
{{- define "farfield.callers" -}}
environment: [rollout, trainer, test]
verifier: [rollout, trainer, test]
policy: [rollout, test]
trainer: [test]
{{- end }}

{{- define "farfield.ingress" -}}
{{- $callers := get (include "farfield.callers" . | fromYaml) .kind -}}
{{- if $callers }}
- ports: [{port: {{ .values.port | int }}, protocol: TCP}]
  from:
    - {{ include "farfield.peer" (dict "root" .root "kinds" $callers) | nindent 6 | trim }}
    {{- with .root.Values.networkPolicy.clients }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}
{{- if .values.metricsPort }}
- ports: [{port: {{ .values.metricsPort | int }}, protocol: TCP}]
  from: {{ toYaml (.root.Values.networkPolicy.monitoring | default (list (dict "namespaceSelector" dict))) | nindent 4 }}
{{- end }}
{{- end }}

{{- define "farfield.egress" -}}
{{- $kind := .kind -}}
{{- $root := .root -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
  to: {{ toYaml $root.Values.networkPolicy.dns | nindent 4 }}
{{- range (include "farfield.components" $root | fromYaml).items }}
{{- if has $kind (get (include "farfield.callers" . | fromYaml) .kind | default list) }}
- ports: [{port: {{ .values.port | int }}, protocol: TCP}]
  to: [{podSelector: {matchLabels: {{ include "farfield.selector" (set . "root" $root) | fromYaml | toJson }}}}]
{{- end }}
{{- end }}
{{- if has $kind (list "policy" "rollout" "trainer") }}
{{ include "farfield.egressToRedis" $root }}
{{- end }}
{{- with .values.egress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "farfield.egressToRedis" -}}
{{- if eq .Values.redis.mode "bundled" -}}
- ports: [{port: 6379, protocol: TCP}]
  to:
    - {{ include "farfield.peer" (dict "root" . "kinds" (list "redis")) | nindent 6 | trim }}
{{- else -}}
- ports: [{port: {{ .Values.redis.external.port | int }}, protocol: TCP}]
  {{- with .Values.redis.external.peers }}
  to: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
