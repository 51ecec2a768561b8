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

{{/* Pods of other releases too, where workers find all services of the namespace. */}}
{{- define "farfield.neighbours" -}}
podSelector:
  matchLabels: {app.kubernetes.io/name: farfield}
  matchExpressions: [{key: farfield.dev/kind, operator: In, values: {{ toJson .kinds }}}]
{{- end }}

{{- define "farfield.ingress" -}}
{{- $callers := get (include "farfield.callers" . | fromYaml) .kind -}}
{{- $shared := and .root.Values.discovery.enabled (not .root.Values.discovery.selector) (ne .kind "trainer") -}}
{{- if $callers }}
- ports: [{port: {{ .values.port | int }}, protocol: TCP}]
  from:
    - {{ include (ternary "farfield.neighbours" "farfield.peer" $shared) (dict "root" .root "kinds" $callers) | nindent 6 | trim }}
    {{- with .root.Values.networkPolicy.clients }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}
{{- if eq .kind "trainer" }}
# ranks among themselves: the rendezvous, and ports that their backend takes
- from: [{podSelector: {matchLabels: {{ include "farfield.selector" . | fromYaml | toJson }}}}]
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
{{- if eq $kind "trainer" }}
- to: [{podSelector: {matchLabels: {{ include "farfield.selector" . | fromYaml | toJson }}}}]
{{- end }}
{{- if and (has $kind (list "rollout" "trainer")) $root.Values.discovery.enabled }}
# services that joined by their label, at whatever port
- to: {{ include "farfield.joined" $root | fromYamlArray | toYaml | nindent 4 }}
{{- end }}
{{- if include "farfield.rules" . | trim }}
- ports:
    {{- range $root.Values.networkPolicy.apiServerPorts }}
    - {port: {{ . | int }}, protocol: TCP}
    {{- end }}
  {{- with $root.Values.networkPolicy.apiServer }}
  to: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if eq $kind "policy" }}
{{- include "farfield.egressToServer" $root }}
{{- end }}
{{- if and (has $kind (list "policy" "trainer")) $root.Values.weights.store }}
- ports: [{port: {{ $root.Values.weights.port | int }}, protocol: TCP}]
  {{- with $root.Values.weights.peers }}
  to: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- if has $kind (list "policy" "rollout" "trainer") }}
{{ include "farfield.egressToRedis" $root }}
{{- end }}
{{- with .values.egress }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "farfield.joined" -}}
{{- if .Values.discovery.peers -}}
{{ toYaml .Values.discovery.peers }}
{{- else -}}
- podSelector:
    matchExpressions: [{key: farfield.dev/kind, operator: In, values: [environment, verifier, policy]}]
{{- end }}
{{- end }}

{{/* To the server of models, where it is not in the policy's pod. */}}
{{- define "farfield.egressToServer" -}}
{{- if include "farfield.tgi.rolls" . }}
- ports: [{port: 8080, protocol: TCP}]
  to:
    - {{ include "farfield.peer" (dict "root" . "kinds" (list "tgi")) | nindent 6 | trim }}
{{- else }}
{{- with include "farfield.server" . | fromYaml }}
{{- if .url }}
- ports: [{port: {{ include "farfield.urlPort" .url }}, protocol: TCP}]
  {{- with .peers }}
  to: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "farfield.urlPort" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port | default (ternary "443" "80" (eq $url.scheme "https")) -}}
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
